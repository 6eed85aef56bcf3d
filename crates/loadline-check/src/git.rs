//! What git knows: the files of HEAD and of the index.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::PathKind;
use loadline_process::{Environment, Invocation, Output, ProcessError};

use crate::tree::{MAX_FILE_BYTES, ReadError, Tree, inside, right_inside, up};

/// How long one question to git may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How much git may answer to one question, in bytes.
const OUTPUT_LIMIT: usize = 256 * 1024 * 1024;

/// A hook runs with an index of its own in `GIT_INDEX_FILE`: these must reach git, or it looks elsewhere.
const PASSED: [&str; 11] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "XDG_CONFIG_HOME",
];

/// The git repository around a root.
#[derive(Debug, Clone)]
pub struct Git {
    root: Utf8PathBuf,
    environment: Environment,
}

impl Git {
    /// The repository that a root lies in.
    pub fn new(root: impl Into<Utf8PathBuf>, environment: Environment) -> Self {
        Self { root: root.into(), environment }
    }

    fn invocation(&self, args: &[&str]) -> Invocation {
        Invocation::new("git", self.root.as_std_path())
            .args(args.iter().copied())
            .pass(PASSED)
            .variable("LC_ALL", "C")
            .variable("GIT_OPTIONAL_LOCKS", "0")
            .variable("GIT_TERMINAL_PROMPT", "0")
            .time_limit(TIME_LIMIT)
            .output_limit(OUTPUT_LIMIT)
            .hint("install git")
    }

    fn run(&self, args: &[&str]) -> Result<Output, ProcessError> {
        self.invocation(args).run(&self.environment)
    }

    /// Whether there is a commit to compare with.
    ///
    /// # Errors
    /// Git is not there or does not answer.
    pub fn has_head(&self) -> Result<bool, ProcessError> {
        Ok(self.run(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.success())
    }

    /// A file as a checkout of HEAD would write it, filters and line endings applied; `None` where HEAD
    /// does not have it.
    ///
    /// # Errors
    /// Git is not there, does not answer or refuses.
    pub fn head(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, ProcessError> {
        let listed = self.run(&["ls-tree", "-z", "HEAD", "--", path.as_str()])?.checked()?;
        if listed.stdout.is_empty() {
            return Ok(None);
        }
        let name = if path.starts_with("..") { format!("HEAD:{path}") } else { format!("HEAD:./{path}") };
        Ok(Some(self.run(&["cat-file", "--filters", &name])?.checked()?.stdout))
    }

    /// The index as a tree to check.
    ///
    /// # Errors
    /// Git is not there, does not answer, or the root lies in no repository.
    pub fn index(&self) -> Result<Index, ProcessError> {
        let prefix = self.run(&["rev-parse", "--show-prefix"])?.checked()?.stdout_text();
        let folder = Utf8PathBuf::from(prefix.trim_end_matches(['\n', '/']));
        let output = self.run(&["ls-files", "--stage", "-z", "--full-name", "--", ":/"])?.checked()?;
        let mut entries = BTreeMap::new();
        for record in output.stdout.split(|b| *b == 0).filter(|record| !record.is_empty()) {
            // `<mode> <object> <stage>\t<path>`; other stages than 0 are conflicts, and what is in
            // conflict cannot be committed.
            let Ok(record) = std::str::from_utf8(record) else { continue };
            let Some((head, path)) = record.split_once('\t') else { continue };
            let mut parts = head.split(' ');
            if let (Some(mode), Some(object), Some("0")) = (parts.next(), parts.next(), parts.next()) {
                let link = mode == "120000";
                if link || mode.starts_with("100") {
                    entries.insert(Utf8PathBuf::from(path), Entry { object: object.to_owned(), link });
                }
            }
        }
        Ok(Index { git: self.clone(), folder, entries, blobs: RefCell::default() })
    }

    fn blobs(&self, objects: &[&str]) -> Result<HashMap<String, Vec<u8>>, ProcessError> {
        let stdin = objects.iter().flat_map(|o| [o.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>();
        let output =
            self.invocation(&["cat-file", "--batch"]).stdin(stdin).run(&self.environment)?.checked()?;
        let mut found = HashMap::new();
        let mut rest = output.stdout.as_slice();
        // `<object> blob <size>\n<bytes>\n`, or `<object> missing\n`.
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let mut parts = header.split(' ');
            let (Some(object), Some("blob"), Some(size)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Some(bytes) = size.parse().ok().and_then(|size: usize| rest.get(..size)) else { break };
            found.insert(object.to_owned(), bytes.to_vec());
            rest = rest.get(bytes.len() + 1..).unwrap_or_default();
        }
        Ok(found)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    object: String,
    link: bool,
}

/// What would be committed: the files of git's index, line endings as they are stored there.
#[derive(Debug, Clone)]
pub struct Index {
    git: Git,
    /// Where the root is, from the repository's top on.
    folder: Utf8PathBuf,
    entries: BTreeMap<Utf8PathBuf, Entry>,
    blobs: RefCell<HashMap<String, Vec<u8>>>,
}

impl Index {
    fn blob(&self, path: &Utf8Path, object: &str) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.blobs.borrow().get(object) {
            return Ok(bytes.clone());
        }
        let failed = |source| ReadError::Git { path: path.to_owned(), source };
        let found = self.git.blobs(&[object]).map_err(failed)?;
        self.blobs.borrow_mut().extend(found);
        match self.blobs.borrow().get(object) {
            Some(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
                Err(ReadError::TooLarge { path: path.to_owned() })
            }
            Some(bytes) => Ok(bytes.clone()),
            None => Err(ReadError::Absent { path: path.to_owned() }),
        }
    }

    /// Reads many files with one question to git; [`Tree::read`] then answers from memory.
    ///
    /// # Errors
    /// Git does not answer.
    pub fn prefetch(&self, paths: &[Utf8PathBuf]) -> Result<(), ProcessError> {
        let entries = paths.iter().filter_map(|path| self.entries.get(&inside(&self.folder, path)?));
        let objects: Vec<&str> = entries.map(|entry| entry.object.as_str()).collect();
        if !objects.is_empty() {
            let found = self.git.blobs(&objects)?;
            self.blobs.borrow_mut().extend(found);
        }
        Ok(())
    }
}

impl Index {
    /// What a path leads to.
    pub fn kind(&self, path: &Utf8Path) -> Option<PathKind> {
        let full = inside(&self.folder, path)?;
        if self.entries.contains_key(&full) {
            return Some(PathKind::File);
        }
        self.entries.keys().any(|entry| entry.starts_with(&full)).then_some(PathKind::Directory)
    }
}

impl Tree for Index {
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError> {
        let outside = || ReadError::Outside { path: path.to_owned() };
        let mut current = inside(&self.folder, path).ok_or_else(outside)?;
        // As many links as Linux follows at most.
        for _ in 0..40 {
            let Some(entry) = self.entries.get(&current) else { break };
            let bytes = self.blob(path, &entry.object)?;
            if !entry.link {
                return Ok(bytes);
            }
            let target = String::from_utf8_lossy(&bytes).into_owned();
            let folder = current.parent().unwrap_or(Utf8Path::new("")).to_owned();
            current = inside(&folder, Utf8Path::new(&target)).ok_or_else(outside)?;
        }
        Err(ReadError::Absent { path: path.to_owned() })
    }

    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError> {
        let below = self.entries.keys().filter_map(|path| path.strip_prefix(&self.folder).ok());
        Ok(below.map(Utf8Path::to_owned).collect())
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError> {
        let outside = || ReadError::Outside { path: directory.to_owned() };
        let full = inside(&self.folder, directory).ok_or_else(outside)?;
        let found = right_inside(self.entries.keys(), &full);
        Ok(found.iter().filter_map(|path| Some(directory.join(path.file_name()?))).collect())
    }

    fn top(&self) -> Utf8PathBuf {
        up(&self.folder)
    }
}
