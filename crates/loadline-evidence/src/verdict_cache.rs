//! Verdicts that were reached a short while ago, so that asking again costs nothing.
//!
//! Only `pass` is kept: what failed or could not be asked may be right by now. An entry's name is the digest of
//! all that the verdict hangs on, the policy and the trust roots among them: with other ones it is another
//! entry. Entries are not signed. Who may write the folder may change the policy beside it too, and the program;
//! a folder that anybody else may write is not used.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use loadline_core::{Digest, Platform};
use loadline_policy::Policy;
use loadline_sigstore::TrustRoots;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The schema of an entry.
const SCHEMA: &str = "loadline/verdict-cache/v1";
/// An entry has a few hundred bytes.
const ENTRY_LIMIT: u64 = 4 << 10;
/// How many entries are kept where nothing else is said.
pub const VERDICT_CACHE_ENTRIES: usize = 4096;

/// Why a verdict cannot be looked up or kept. The examination goes on without it.
#[derive(Debug, Error)]
pub enum VerdictCacheError {
    /// The folder or a file in it cannot be read or written.
    #[error("the verdict cache {} cannot be used: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may write the folder.
    #[error(
        "the verdict cache {} is not used: others may write it; make it this user's own (chmod 700)",
        path.display()
    )]
    Shared {
        /// The folder.
        path: PathBuf,
    },
    /// An entry is none; it is removed.
    #[error("an entry of the verdict cache is broken and is left out: {}: {reason}", path.display())]
    Broken {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// All that a verdict hangs on, as one digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictKey {
    key: Digest,
    digest: Digest,
}

impl VerdictKey {
    /// The key of this image under this policy, these demands and these roots. `more` is what else decides and
    /// stands in none of them: whether a key is enough by itself, which sources were asked.
    pub fn new(
        digest: &Digest,
        policy: &Policy,
        predicate_types: &[String],
        platforms: &[Platform],
        roots: &TrustRoots,
        more: &[&str],
    ) -> Self {
        let mut parts: Vec<String> =
            vec![format!("loadline {}", env!("CARGO_PKG_VERSION")), digest.to_string()];
        let mut list = |name: &str, mut values: Vec<String>, is_set: bool| {
            if is_set {
                values.sort();
                values.dedup();
            }
            parts.push(format!("{name} {}", values.len()));
            parts.extend(values);
        };
        list("policy", policy.lines(), false);
        list("predicates", predicate_types.to_vec(), true);
        list("platforms", platforms.iter().map(ToString::to_string).collect(), true);
        list("roots", roots.all().iter().map(|root| root.digest().to_string()).collect(), true);
        list("more", more.iter().map(|&text| text.to_owned()).collect(), true);
        // Lengths go before the parts, so that no two lists of parts are the same text.
        let text: String = parts.iter().map(|part| format!("{}:{part}\n", part.len())).collect();
        Self { key: Digest::of(text), digest: digest.clone() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    schema: String,
    key: Digest,
    digest: Digest,
    /// When the verdict was reached.
    at: Timestamp,
}

/// A folder of verdicts.
#[derive(Debug, Clone)]
pub struct VerdictCache {
    folder: PathBuf,
    max_age: SignedDuration,
    entries: usize,
}

impl VerdictCache {
    /// Verdicts in this folder, believed for so long.
    pub fn new(folder: impl Into<PathBuf>, max_age: SignedDuration) -> Self {
        Self { folder: folder.into(), max_age, entries: VERDICT_CACHE_ENTRIES }
    }

    /// Keeps at most so many.
    #[must_use]
    pub const fn at_most(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    fn path(&self, key: &VerdictKey) -> PathBuf {
        self.folder.join(format!("{}.json", key.key.hex()))
    }

    /// When this was found to pass, if that is not too long ago.
    ///
    /// # Errors
    /// A folder that others may write, an entry that cannot be read or is broken. None of them is a verdict.
    pub fn passed(&self, key: &VerdictKey, now: Timestamp) -> Result<Option<Timestamp>, VerdictCacheError> {
        if !self.is_own()? {
            return Ok(None);
        }
        let path = self.path(key);
        let io = |source| VerdictCacheError::Io { path: path.clone(), source };
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(ENTRY_LIMIT).read_to_end(&mut bytes).map_err(io)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let broken = |reason: String| {
            let _ = std::fs::remove_file(&path);
            VerdictCacheError::Broken { path: path.clone(), reason }
        };
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if entry.schema != SCHEMA || entry.key != key.key || entry.digest != key.digest {
            return Err(broken("it is about something else".to_owned()));
        }
        // One from the future is as good as none: a clock was wrong then or is now.
        let is_fresh = entry.at <= now && now.duration_since(entry.at) <= self.max_age;
        Ok(is_fresh.then_some(entry.at))
    }

    /// Keeps that this passed now, and removes the oldest where there are too many.
    ///
    /// # Errors
    /// A folder that others may write, or that cannot be written.
    pub fn keep(&self, key: &VerdictKey, now: Timestamp) -> Result<(), VerdictCacheError> {
        let io = |source| VerdictCacheError::Io { path: self.folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(io)?;
        self.is_own()?;
        let entry =
            Entry { schema: SCHEMA.to_owned(), key: key.key.clone(), digest: key.digest.clone(), at: now };
        let text = serde_json::to_vec(&entry).map_err(|error| io(std::io::Error::other(error)))?;
        let (path, part) = (self.path(key), self.folder.join(format!(".{}.part", std::process::id())));
        let _ = std::fs::remove_file(&part);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| std::fs::rename(&part, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&part);
            io(error)
        })?;
        self.collect(now).map_err(io)
    }

    /// Whether the folder is there. One that another user owns or may write is never used.
    fn is_own(&self) -> Result<bool, VerdictCacheError> {
        let data = match std::fs::symlink_metadata(&self.folder) {
            Ok(data) => data,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(VerdictCacheError::Io { path: self.folder.clone(), source }),
        };
        // Whose process this is, where the system tells.
        let own = std::fs::metadata("/proc/self").map(|process| process.uid());
        let is_other = own.is_ok_and(|own| own != data.uid());
        if !data.is_dir() || data.mode() & 0o022 != 0 || is_other {
            return Err(VerdictCacheError::Shared { path: self.folder.clone() });
        }
        Ok(true)
    }

    /// Removes what is too old to be believed, and the oldest of the rest where there are too many.
    fn collect(&self, now: Timestamp) -> std::io::Result<()> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // What another process removed meanwhile is gone as it should be.
            let Ok(written) = entry.metadata().and_then(|data| data.modified()) else { continue };
            if let Ok(written) = Timestamp::try_from(written) {
                all.push((written, entry.path()));
            }
        }
        if all.len() <= self.entries {
            return Ok(());
        }
        all.sort();
        let surplus = all.len() - self.entries;
        let is_old = |written: Timestamp| now.duration_since(written) > self.max_age;
        for (position, (written, path)) in all.iter().enumerate() {
            if position < surplus || is_old(*written) {
                remove(path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use loadline_policy::{IdentityRule, SubjectRule, TextRule};
    use loadline_sigstore::{Instance, TrustRoot};
    use tempfile::TempDir;

    use super::*;

    fn policy(workflow: &str) -> Policy {
        let subject = SubjectRule::workflow("github.com/acme/widget", workflow);
        Policy::builder()
            .identity(IdentityRule::certificate(subject, TextRule::exact("https://issuer")))
            .build()
    }

    fn key(name: &str) -> VerdictKey {
        let roots = TrustRoots::embedded().unwrap();
        VerdictKey::new(&Digest::of(name), &policy("r.yml"), &[], &[], &roots, &[])
    }

    fn cache() -> (TempDir, VerdictCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = VerdictCache::new(folder.path().join("deep/verdicts"), SignedDuration::from_mins(10));
        (folder, cache)
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-01-01T{text}:00Z").parse().unwrap()
    }

    #[test]
    fn a_verdict_is_believed_for_so_long_and_not_before_it_was_reached() {
        let (_folder, cache) = cache();
        let key = key("a");
        assert_eq!(cache.passed(&key, at("12:00")).unwrap(), None);
        cache.keep(&key, at("12:00")).unwrap();
        assert_eq!(cache.passed(&key, at("12:10")).unwrap(), Some(at("12:00")));
        assert_eq!(cache.passed(&key, at("12:11")).unwrap(), None);
        assert_eq!(cache.passed(&key, at("11:59")).unwrap(), None);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&cache.folder), mode(&cache.path(&key))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&cache.folder).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn everything_that_decides_is_in_the_key() {
        let (a, roots) = (Digest::of("a"), TrustRoots::embedded().unwrap());
        let only = TrustRoots::only(TrustRoot::embedded(Instance::GitHub).unwrap());
        let amd64: Platform = "linux/amd64".parse().unwrap();
        let both = ["p".to_owned(), "q".to_owned()];
        let turned = ["q".to_owned(), "p".to_owned()];
        let all = [
            VerdictKey::new(&a, &policy("r.yml"), &both, &[], &roots, &[]),
            VerdictKey::new(&Digest::of("b"), &policy("r.yml"), &both, &[], &roots, &[]),
            VerdictKey::new(&a, &policy("s.yml"), &both, &[], &roots, &[]),
            VerdictKey::new(&a, &policy("r.yml"), &both[..1], &[], &roots, &[]),
            VerdictKey::new(&a, &policy("r.yml"), &both, &[amd64], &roots, &[]),
            VerdictKey::new(&a, &policy("r.yml"), &both, &[], &only, &[]),
            VerdictKey::new(&a, &policy("r.yml"), &both, &[], &roots, &["log-online"]),
        ];
        for (position, one) in all.iter().enumerate() {
            assert!(all[position + 1..].iter().all(|other| one.key != other.key), "{position}");
        }
        assert_eq!(all[0], VerdictKey::new(&a, &policy("r.yml"), &turned, &[], &roots, &[]));
    }

    #[test]
    fn what_is_broken_or_about_something_else_is_no_verdict_and_is_removed() {
        let (_folder, cache) = cache();
        let (a, b) = (key("a"), key("b"));
        for broken in [b"{".to_vec(), b"{}".to_vec(), vec![b' '; 9000]] {
            cache.keep(&a, at("12:00")).unwrap();
            std::fs::write(cache.path(&a), broken).unwrap();
            assert!(matches!(cache.passed(&a, at("12:00")), Err(VerdictCacheError::Broken { .. })));
            assert_eq!(cache.passed(&a, at("12:00")).unwrap(), None, "it was removed");
        }
        cache.keep(&a, at("12:00")).unwrap();
        std::fs::copy(cache.path(&a), cache.path(&b)).unwrap();
        assert!(matches!(cache.passed(&b, at("12:00")), Err(VerdictCacheError::Broken { .. })));
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_used() {
        let (_folder, cache) = cache();
        cache.keep(&key("a"), at("12:00")).unwrap();
        std::fs::set_permissions(&cache.folder, std::fs::Permissions::from_mode(0o770)).unwrap();
        let shared =
            |result: Result<(), VerdictCacheError>| matches!(result, Err(VerdictCacheError::Shared { .. }));
        assert!(shared(cache.passed(&key("a"), at("12:00")).map(|_| ())));
        assert!(shared(cache.keep(&key("a"), at("12:00"))));
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (_folder, cache) = cache();
        let cache = cache.at_most(3);
        for name in ["a", "b", "c", "d", "e"] {
            cache.keep(&key(name), at("12:00")).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        let left: Vec<bool> = ["a", "b", "c", "d", "e"]
            .map(|name| cache.passed(&key(name), at("12:00")).unwrap().is_some())
            .into();
        assert_eq!(left, [false, false, true, true, true]);
    }
}
