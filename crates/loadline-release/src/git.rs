//! What git says of the checkout: the commit, its time, the branch, tags, and what is not committed.

use std::path::Path;
use std::time::Duration;

use loadline_core::{Digest, Hasher};
use loadline_process::{Environment, Invocation, ProcessError};
use thiserror::Error;

/// Why git could not say.
#[derive(Debug, Error)]
pub enum GitError {
    /// git could not be run, or refused.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// git answered what no git answers.
    #[error("`git {command}` answered `{answer}`, which is not {expected}")]
    Answer {
        /// The command.
        command: &'static str,
        /// What it printed.
        answer: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// The state of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The commit at HEAD, 40 or 64 hexadecimal digits.
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
    /// The branch, if HEAD is on one.
    pub branch: Option<String>,
    /// All tags at HEAD.
    pub tags: Vec<String>,
    /// The digest of everything that is not committed; none for a clean tree.
    pub dirty: Option<Digest>,
}

impl Checkout {
    /// The commit's first twelve digits.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }

    /// The tag at HEAD that is this prefix and a semantic version; the highest if there are several.
    pub fn version_tag(&self, prefix: &str) -> Option<&str> {
        self.tags
            .iter()
            .filter_map(|tag| {
                let version = tag.strip_prefix(prefix)?.parse::<semver::Version>().ok()?;
                Some((version, tag.as_str()))
            })
            .max()
            .map(|(_, tag)| tag)
    }

    /// Asks git about the checkout that this folder is in.
    pub fn read(folder: &Path, environment: &Environment) -> Result<Self, GitError> {
        let git = |args: &[&str]| -> Result<Vec<u8>, ProcessError> {
            Ok(Invocation::new("git", folder)
                .args(args.iter().copied())
                .time_limit(Duration::from_secs(60))
                .variable("GIT_OPTIONAL_LOCKS", "0")
                .variable("LC_ALL", "C")
                .output_limit(256 << 20)
                .hint("install git, or run inside a git checkout")
                .run(environment)?
                .checked()?
                .stdout)
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        let head = text(git(&["show", "-s", "--format=%H %ct", "HEAD"])?);
        let (commit, committed_at) = head
            .split_once(' ')
            .and_then(|(commit, at)| Some((commit.to_owned(), at.parse().ok()?)))
            .filter(|(commit, _)| {
                matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit())
            })
            .ok_or_else(|| GitError::Answer {
                command: "show",
                answer: head.clone(),
                expected: "a commit and its time",
            })?;
        let branch = text(git(&["branch", "--show-current"])?);
        let tags = text(git(&["tag", "--points-at", "HEAD"])?);
        Ok(Self {
            commit,
            committed_at,
            branch: (!branch.is_empty()).then_some(branch),
            tags: tags.lines().map(str::to_owned).collect(),
            dirty: dirty(folder, &git)?,
        })
    }
}

/// Runs git with these arguments and gives what it printed.
type Git<'a> = dyn Fn(&[&str]) -> Result<Vec<u8>, ProcessError> + 'a;

/// The digest of what differs from HEAD: the binary diff, and every untracked file that is not ignored.
fn dirty(folder: &Path, git: &Git<'_>) -> Result<Option<Digest>, GitError> {
    let status = git(&["status", "--porcelain", "-z", "--untracked-files=all"])?;
    if status.is_empty() {
        return Ok(None);
    }
    let mut hasher = Hasher::sha256();
    hasher.update(&git(&["diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color"])?);
    let top = git(&["rev-parse", "--show-cdup"])?;
    let top = folder.join(String::from_utf8_lossy(&top).trim());
    let untracked = git(&["ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/"])?;
    for name in untracked.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        use std::os::unix::ffi::OsStrExt;
        let path = top.join(std::ffi::OsStr::from_bytes(name));
        hasher.update(name);
        hasher.update(&[0]);
        // A file that vanished between listing and reading counts as listed and empty.
        if let Ok(mut file) = std::fs::File::open(&path)
            && file.metadata().is_ok_and(|data| data.is_file())
        {
            let mut content = Hasher::sha256();
            if std::io::copy(&mut file, &mut content).is_ok() {
                hasher.update(content.finish().hex().as_bytes());
            }
        }
    }
    Ok(Some(hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        Invocation::new("git", folder)
            .args(args.iter().copied())
            .variable("GIT_CONFIG_GLOBAL", "/dev/null")
            .variable("GIT_AUTHOR_DATE", "1700000000 +0000")
            .variable("GIT_COMMITTER_DATE", "1700000000 +0000")
            .run(&Environment::of_this_process())
            .unwrap()
            .checked()
            .unwrap();
    }

    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        git(at, &["init", "-q", "-b", "main"]);
        std::fs::write(at.join("a"), "one\n").unwrap();
        git(at, &["add", "a"]);
        git(at, &["-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "-m", "a"]);
        folder
    }

    #[test]
    fn a_checkout_says_where_it_is() {
        let folder = checkout();
        for tag in ["v1.9.0", "v1.10.0", "nightly", "x2.0.0"] {
            git(folder.path(), &["tag", tag]);
        }
        let checkout = Checkout::read(folder.path(), &Environment::of_this_process()).unwrap();
        assert_eq!(checkout.commit.len(), 40);
        assert_eq!(checkout.committed_at, 1_700_000_000);
        assert_eq!(checkout.branch.as_deref(), Some("main"));
        assert_eq!(checkout.version_tag("v"), Some("v1.10.0"));
        assert_eq!(checkout.version_tag("release-"), None);
        assert_eq!(checkout.dirty, None);
    }

    #[test]
    fn every_kind_of_change_has_its_digest() {
        let folder = checkout();
        let at = folder.path();
        let read = || Checkout::read(at, &Environment::of_this_process()).unwrap().dirty;
        std::fs::write(at.join("a"), "two\n").unwrap();
        let changed = read();
        std::fs::write(at.join("b"), "new\n").unwrap();
        let added = read();
        std::fs::write(at.join("b"), "newer\n").unwrap();
        let other = read();
        assert!(changed.is_some() && added.is_some() && other.is_some());
        assert!(changed != added && added != other);
        std::fs::remove_file(at.join("b")).unwrap();
        assert_eq!(read(), changed);
    }

    #[test]
    fn no_checkout_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Checkout::read(folder.path(), &Environment::of_this_process()).unwrap_err();
        assert!(error.to_string().contains("not a git repository"), "{error}");
    }
}
