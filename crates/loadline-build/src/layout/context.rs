//! What another tool sees: a copy of the context, made like the one that instructions of a Dockerfile see.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use loadline_core::Digest;
use loadline_dockerfile::ignore::Patterns;

use crate::assemble::ContextError;
use crate::assemble::context::{digest, ignore_file, read};
use crate::assemble::tree::Kind;

/// What no tool gets to see of a checkout: its history, and what releases leave in it.
const HIDDEN: &[&str] = &[".git", ".loadline", "target/loadline-sandbox"];

/// Copies a context, what its ignore file excludes left out, and gives the digest of it.
pub(super) fn copy(from: &Path, dockerfile: Option<&Path>, to: &Path) -> Result<Digest, ContextError> {
    let (file, _) = ignore_file(from, dockerfile)?;
    let mut text = String::new();
    if let Some(file) = &file {
        text = fs::read_to_string(file).map_err(|source| unread(file, source))?;
    }
    for hidden in HIDDEN {
        text.push('\n');
        text.push_str(hidden);
    }
    let patterns = Patterns::read(&text)
        .map_err(|source| ContextError::Ignore { file: file.unwrap_or_default(), source })?;
    let context = read(from, &patterns)?;
    let digest = digest(&context)?;
    fs::create_dir_all(to).map_err(|source| unread(to, source))?;
    for (path, node) in context.tree.beneath("") {
        let target = to.join(&path);
        let done = match &node.kind {
            Kind::Directory => fs::create_dir_all(&target),
            Kind::Symlink(link) => symlink(&**link, &target),
            Kind::File(content) => content
                .open()
                .and_then(|mut reader| io::copy(&mut reader, &mut fs::File::create(&target)?))
                .and_then(|_| fs::set_permissions(&target, fs::Permissions::from_mode(node.mode))),
            // No builder copies these into an image either.
            Kind::Device { .. } | Kind::Fifo | Kind::Socket => Ok(()),
        };
        done.map_err(|source| unread(&target, source))?;
    }
    Ok(digest)
}

fn unread(file: &Path, source: io::Error) -> ContextError {
    ContextError::Read { file: PathBuf::from(file), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_not_there_and_modes_are_one_s_own() {
        let from = tempfile::tempdir().unwrap();
        let at = |name: &str| from.path().join(name);
        for folder in [".git", "src", "out"] {
            fs::create_dir(at(folder)).unwrap();
            fs::write(at(folder).join("file"), folder).unwrap();
        }
        fs::write(at(".dockerignore"), "out\n").unwrap();
        fs::write(at("run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(at("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("src/file", at("link")).unwrap();
        let to = tempfile::tempdir().unwrap();
        let first = copy(from.path(), None, &to.path().join("one")).unwrap();
        let there = |name: &str| to.path().join("one").join(name);
        assert_eq!(fs::read_to_string(there("link")).unwrap(), "src");
        assert_eq!(there("run").metadata().unwrap().permissions().mode() & 0o777, 0o755);
        assert!(!there(".git").exists() && !there("out").exists());
        fs::write(at("out/file"), "other").unwrap();
        assert_eq!(copy(from.path(), None, &to.path().join("two")).unwrap(), first);
        fs::write(at("src/file"), "other").unwrap();
        assert_ne!(copy(from.path(), None, &to.path().join("three")).unwrap(), first);
    }
}
