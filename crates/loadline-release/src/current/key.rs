//! The key: the commit, or the digests of what an image is made from, with the configuration's digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::Utf8PathBuf;
use loadline_core::config::{Config, Image};
use loadline_core::{Digest, Failure, Hasher};
use loadline_process::{Environment, Invocation, ProcessError};
use loadline_registry::{Client, RegistryError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bases;
use crate::codes::KEY_UNKNOWN;

/// The annotation of an index that carries the key.
pub const ANNOTATION: &str = "dev.loadline.key";

/// What an image was made from. As text it is JSON with sorted members, so that equal keys are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The digest of the configuration file.
    pub configuration: Digest,
    /// The commit, where the configuration lists no inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The digest of what was not committed, beside the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<Digest>,
    /// The digest of the inputs that the configuration lists, the Dockerfile among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Digest>,
    /// What the names of base images pointed at, beside the inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<String, Digest>,
}

/// Why a key cannot be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// git could not list files.
    #[error("git cannot list the inputs: {0}")]
    Git(#[from] ProcessError),
    /// A pattern finds nothing: most likely a typing error, which must not pass for "nothing changed".
    #[error("`{pattern}` of the inputs of `{image}` is no file that git knows or would add")]
    Unmatched {
        /// The image.
        image: String,
        /// The pattern.
        pattern: String,
    },
    /// An input could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A Dockerfile does not tell its base images.
    #[error("{file} does not tell its base images: {reason}")]
    Dockerfile {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        reason: String,
    },
    /// A registry could not say what a base image's name points at.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such base image.
    #[error("there is no base image {name}")]
    NoBase {
        /// The name.
        name: String,
    },
    /// The task that reads files was lost.
    #[error("reading the inputs was interrupted")]
    Interrupted,
}

impl From<&KeyError> for Failure {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::Registry(source) => Self::from(source),
            other => Self::new(&KEY_UNKNOWN, other.to_string())
                .help("mend what the message names; until then nobody can tell whether the image is current"),
        }
    }
}

impl Key {
    /// As the annotation has it.
    pub fn text(&self) -> String {
        // Serialising into memory has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Out of an annotation; none where it is none that this version understands.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= 64 << 10).then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// What has changed since an image was made that carries this other key, in words; empty where nothing has.
    pub fn changes_since(&self, carried: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.configuration != carried.configuration {
            changes.push("the configuration changed".to_owned());
        }
        match (&self.commit, &carried.commit) {
            (Some(now), Some(then)) if now != then => {
                changes.push(format!("it is of commit {}, and this is {}", short(then), short(now)));
            }
            (now, then) if now.is_some() != then.is_some() => {
                changes.push("what it is made from is told in another way".to_owned());
            }
            _ => {}
        }
        match (&self.dirty, &carried.dirty) {
            (now, then) if now == then => {}
            (None, Some(_)) => changes.push("it has changes in it that are not committed".to_owned()),
            _ => changes.push("there are changes that are not committed".to_owned()),
        }
        if self.inputs != carried.inputs && self.inputs.is_some() && carried.inputs.is_some() {
            changes.push("its inputs changed".to_owned());
        }
        for (name, now) in &self.bases {
            match carried.bases.get(name) {
                Some(then) if then == now => {}
                Some(_) => changes.push(format!("the base image {name} is {now} now")),
                None => changes.push(format!("it is not built on {name}")),
            }
        }
        for name in carried.bases.keys().filter(|name| !self.bases.contains_key(*name)) {
            changes.push(format!("it is built on {name}, which is no base of it any longer"));
        }
        changes
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// What keys are made from.
#[derive(Debug, Clone)]
pub struct KeySource<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The digest of the file that it was read from.
    pub configuration: &'a Digest,
    /// The folder that its paths count from.
    pub root: &'a Path,
    /// The commit that is checked out.
    pub commit: &'a str,
    /// The digest of what is not committed.
    pub dirty: Option<&'a Digest>,
    /// The environment that git is run with.
    pub environment: &'a Environment,
    /// Who asks registries what the names of base images point at.
    pub client: &'a Client,
}

impl KeySource<'_> {
    /// The key of an image as it would be built now. Registries are asked only where it lists inputs.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn key(&self, name: &str, image: &Image) -> Result<Key, KeyError> {
        let configuration = self.configuration.clone();
        if image.inputs.is_empty() {
            let (commit, dirty) = (Some(self.commit.to_owned()), self.dirty.cloned());
            return Ok(Key { configuration, commit, dirty, inputs: None, bases: BTreeMap::new() });
        }
        let listing = Listing {
            image: name.to_owned(),
            root: self.root.to_owned(),
            patterns: image.inputs.clone(),
            beside: beside(image),
            environment: self.environment.clone(),
        };
        let read = tokio::task::spawn_blocking(move || listing.digest());
        let inputs = Some(read.await.map_err(|_| KeyError::Interrupted)??);
        let platforms = image.platforms.as_ref().unwrap_or(&self.config.release.platforms);
        let bases = bases::resolve(self.client, self.root, image, platforms).await?;
        Ok(Key { configuration, commit: None, dirty: None, inputs, bases })
    }
}

/// What a build reads besides its context, listed or not.
fn beside(image: &Image) -> Vec<Utf8PathBuf> {
    if image.dockerfile.as_str().is_empty() {
        return Vec::new();
    }
    let own = Utf8PathBuf::from(format!("{}.dockerignore", image.dockerfile));
    vec![image.dockerfile.clone(), own, image.context.join(".dockerignore")]
}

/// Files, by patterns.
struct Listing {
    image: String,
    root: PathBuf,
    patterns: Vec<Utf8PathBuf>,
    beside: Vec<Utf8PathBuf>,
    environment: Environment,
}

impl Listing {
    /// The digest over path, kind and content of every file, in the order of their paths. Times and owners are no
    /// input, and what git ignores is none either.
    fn digest(&self) -> Result<Digest, KeyError> {
        let mut files = BTreeSet::new();
        for pattern in &self.patterns {
            let found = self.list(pattern)?;
            if found.is_empty() {
                return Err(KeyError::Unmatched { image: self.image.clone(), pattern: pattern.to_string() });
            }
            files.extend(found);
        }
        let beside = self.beside.iter().map(|path| path.clone().into_std_path_buf());
        files.extend(beside.filter(|path| self.root.join(path).is_file()));
        let mut hasher = Hasher::sha256();
        for file in &files {
            let path = self.root.join(file);
            let (kind, content) =
                read(&path).map_err(|source| KeyError::Io { path: path.clone(), source })?;
            hasher.update(file.as_os_str().as_bytes());
            hasher.update(&[0]);
            hasher.update(format!("{kind} {content}\n").as_bytes());
        }
        Ok(hasher.finish())
    }

    /// The files that a pattern finds and that are there.
    fn list(&self, pattern: &Utf8PathBuf) -> Result<Vec<PathBuf>, KeyError> {
        let listed = Invocation::new("git", &self.root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"])
            .arg(format!(":(glob){pattern}"))
            .time_limit(Duration::from_secs(60))
            .variable("GIT_OPTIONAL_LOCKS", "0")
            .variable("LC_ALL", "C")
            .output_limit(256 << 20)
            .hint("install git, or run inside a git checkout")
            .run(&self.environment)?
            .checked()?
            .stdout;
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths
            .map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
            // A file that was removed and not yet committed is no input any longer.
            .filter(|path| self.root.join(path).symlink_metadata().is_ok())
            .collect())
    }
}

/// What kind of file it is, and the digest of its content, or of what a link points at.
fn read(path: &Path) -> io::Result<(char, Digest)> {
    let data = path.symlink_metadata()?;
    if data.is_symlink() {
        return Ok(('l', Digest::of(std::fs::read_link(path)?.as_os_str().as_bytes())));
    }
    if !data.is_file() {
        return Err(io::Error::other("it is no file: a submodule's own files cannot be listed from here"));
    }
    let mut hasher = Hasher::sha256();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((if data.permissions().mode() & 0o100 == 0 { 'f' } else { 'x' }, hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            configuration: Digest::of("c"),
            commit: None,
            dirty: None,
            inputs: Some(Digest::of("i")),
            bases: [("docker.io/library/debian:13".to_owned(), Digest::of("b"))].into(),
        }
    }

    #[test]
    fn a_key_survives_its_annotation() {
        let key = key();
        assert_eq!(Key::parse(&key.text()), Some(key.clone()));
        assert!(key.changes_since(&key).is_empty());
        assert_eq!(Key::parse("sha256:0"), None);
        assert_eq!(Key::parse(&" ".repeat(1 << 20)), None);
    }

    #[test]
    fn every_change_is_told() {
        let carried = key();
        let change = |change: &dyn Fn(&mut Key)| {
            let mut now = key();
            change(&mut now);
            now.changes_since(&carried)
        };
        assert_eq!(change(&|now| now.configuration = Digest::of("d")), ["the configuration changed"]);
        assert_eq!(change(&|now| now.inputs = Some(Digest::of("j"))), ["its inputs changed"]);
        assert_eq!(
            change(&|now| now.dirty = Some(Digest::of("d"))),
            ["there are changes that are not committed"]
        );
        let moved = change(&|now| {
            now.bases.insert("docker.io/library/debian:13".to_owned(), Digest::of("new"));
        });
        assert!(moved[0].contains("debian:13 is sha256:"), "{moved:?}");
        assert!(change(&|now| now.bases.clear())[0].contains("no base of it any longer"));
        let by_commit = change(&|now| (now.commit, now.inputs) = (Some("a".repeat(40)), None));
        assert_eq!(by_commit, ["what it is made from is told in another way"]);
        let (mut one, mut two) = (key(), key());
        (one.commit, two.commit) = (Some("a".repeat(40)), Some("b".repeat(40)));
        assert_eq!(two.changes_since(&one), ["it is of commit aaaaaaaaaaaa, and this is bbbbbbbbbbbb"]);
    }

    fn listing(root: &Path, patterns: &[&str]) -> Listing {
        Listing {
            image: "a".into(),
            root: root.to_owned(),
            patterns: patterns.iter().map(Utf8PathBuf::from).collect(),
            beside: vec!["Dockerfile".into()],
            environment: Environment::of_this_process(),
        }
    }

    #[test]
    fn inputs_are_what_git_knows_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
        Invocation::new("git", at)
            .args(["init", "-q"])
            .run(&Environment::of_this_process())
            .unwrap()
            .checked()
            .unwrap();
        std::fs::create_dir_all(at.join("src/deep")).unwrap();
        write("Dockerfile", "FROM scratch");
        write("src/a", "a");
        write("src/deep/b", "b");
        write("other", "o");
        write(".gitignore", "*.log\n");
        let digest = |patterns: &[&str]| listing(at, patterns).digest().unwrap();
        let first = digest(&["src"]);
        assert_eq!(digest(&["src/**"]), first);
        assert_eq!(digest(&["src/a", "src/deep/*", "src"]), first, "listed twice is in once");
        write("other", "changed");
        write("src/x.log", "ignored");
        assert_eq!(digest(&["src"]), first);
        write("src/deep/b", "B");
        let second = digest(&["src"]);
        assert_ne!(second, first);
        std::fs::set_permissions(at.join("src/a"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let third = digest(&["src"]);
        assert_ne!(third, second);
        write("Dockerfile", "FROM scratch\n");
        assert_ne!(digest(&["src"]), third, "the Dockerfile is always an input");
        let error = listing(at, &["src", "scr/**"]).digest().unwrap_err();
        assert!(matches!(&error, KeyError::Unmatched { pattern, .. } if pattern == "scr/**"), "{error}");
    }
}
