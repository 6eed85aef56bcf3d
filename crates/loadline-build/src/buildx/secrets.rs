//! Reading secrets when a build begins.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use loadline_core::Secret;
use loadline_process::Environment;
use thiserror::Error;

use super::options::{SecretFrom, SecretSource};

/// The most bytes a secret may have, as with BuildKit.
const LIMIT: u64 = 500 * 1024;

/// Why a secret cannot be handed on.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("the secret `{id}` is in the variable {variable}, which is not set")]
    Unset {
        /// The secret's name.
        id: String,
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("the secret `{id}` is in {}, which cannot be read: {source}", file.display())]
    Unreadable {
        /// The secret's name.
        id: String,
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file is no secret.
    #[error("the secret `{id}` is in {}, which has more than {LIMIT} bytes: BuildKit takes no more", file.display())]
    TooLarge {
        /// The secret's name.
        id: String,
        /// The file.
        file: PathBuf,
    },
}

/// A secret with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSecret {
    /// Its name.
    pub id: String,
    /// Where it is from; a file's path is whole.
    pub from: SecretFrom,
    /// Its value.
    pub value: Secret,
}

/// Reads every secret; relative files count from the directory.
pub(super) fn read(
    sources: &[SecretSource],
    directory: &Path,
    environment: &Environment,
) -> Result<Vec<ReadSecret>, SecretError> {
    sources.iter().map(|source| one(source, directory, environment)).collect()
}

fn one(
    source: &SecretSource,
    directory: &Path,
    environment: &Environment,
) -> Result<ReadSecret, SecretError> {
    let id = source.id.clone();
    match &source.from {
        SecretFrom::Variable(variable) => match environment.get(variable) {
            Some(value) => Ok(ReadSecret { id, from: source.from.clone(), value: Secret::new(value) }),
            None => Err(SecretError::Unset { id, variable: variable.clone() }),
        },
        SecretFrom::File(file) => {
            let file = directory.join(file);
            let mut bytes = Vec::new();
            match File::open(&file).and_then(|open| open.take(LIMIT + 1).read_to_end(&mut bytes)) {
                Ok(_) if bytes.len() as u64 > LIMIT => Err(SecretError::TooLarge { id, file }),
                // What is no text cannot be masked as text; what of it is, is.
                Ok(_) => Ok(ReadSecret {
                    id,
                    from: SecretFrom::File(file),
                    value: Secret::new(String::from_utf8_lossy(&bytes)),
                }),
                Err(source) => Err(SecretError::Unreadable { id, file, source }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_there_is_named_and_one_that_is_does_not_print() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "line one\nline two\n").unwrap();
        let environment = Environment::empty().with("TOKEN", "hunter2").with("EMPTY", "");
        let source = |from| [SecretSource { id: "npm".into(), from }];
        let read = |from| read(&source(from), folder.path(), &environment);
        let known = read(SecretFrom::Variable("TOKEN".into())).unwrap();
        assert_eq!(known[0].value.expose(), "hunter2");
        assert!(!format!("{known:?}").contains("hunter2"));
        let file = read(SecretFrom::File("key".into())).unwrap();
        assert_eq!(file[0].from, SecretFrom::File(folder.path().join("key")));
        for unset in ["EMPTY", "NONE"] {
            let error = read(SecretFrom::Variable(unset.into())).unwrap_err();
            assert!(error.to_string().contains(unset), "{error}");
        }
        assert!(matches!(read(SecretFrom::File("none".into())), Err(SecretError::Unreadable { .. })));
        std::fs::write(folder.path().join("large"), vec![b'x'; 600 * 1024]).unwrap();
        assert!(matches!(read(SecretFrom::File("large".into())), Err(SecretError::TooLarge { .. })));
    }
}
