//! The ledger: the append-only journal of one release, and what makes it resumable.
//!
//! JSON Lines, one record a line, each written and synced before the next thing happens. A step with
//! an effect writes its intent first and its result after; what a killed run left without a result is
//! done again, and every effect is made so that doing it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use loadline_core::document::{self, Document};
use loadline_core::{Clock, Digest};
use rustix::fs::{FlockOperation, flock};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::promote::TagWrite;

/// The most bytes a ledger may have; a release of a hundred images stays under a tenth of it.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Why the ledger cannot be used.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another process holds it.
    #[error("{} is held by another release that is running", path.display())]
    Held {
        /// The ledger.
        path: PathBuf,
    },
    /// A line in the middle is no record.
    #[error("{} line {line} is not a ledger record: {reason}", path.display())]
    Corrupt {
        /// The ledger.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A result that an earlier run wrote does not have the shape expected now.
    #[error("{}: the result of `{key}` cannot be read back: {reason}", path.display())]
    Result {
        /// The ledger.
        path: PathBuf,
        /// The effect.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is larger than any release makes it.
    #[error("{} has more than {LIMIT} bytes", path.display())]
    TooLarge {
        /// The ledger.
        path: PathBuf,
    },
}

/// What one line of the ledger records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The release began.
    Begun {
        /// The version.
        version: String,
        /// The digest of the plan: the same version with another plan is another release.
        #[schemars(with = "String")]
        plan: Digest,
        /// The commit.
        commit: String,
    },
    /// The set is built, proven, verified, gated and pulled: all that is left are its tags.
    Ready {
        /// The digest of the plan.
        #[schemars(with = "String")]
        plan: Digest,
    },
    /// Moving tags are about to go to this version, wherever they are.
    RollingBack {
        /// The version.
        version: String,
        /// Which tags, and what they point at now.
        writes: Vec<TagWrite>,
    },
    /// All moving tags are at this version.
    RolledBack {
        /// The version.
        version: String,
    },
    /// An effect is about to happen.
    Intent {
        /// Which.
        key: String,
    },
    /// An effect has happened.
    Done {
        /// Which.
        key: String,
        /// What came of it.
        result: Value,
    },
    /// Something was settled that has no effect outside, but must be the same in every later run.
    Settled {
        /// What.
        key: String,
        /// How.
        result: Value,
    },
    /// All tags are about to be written; from here a release only goes forward.
    Promoting {
        /// How many tags.
        tags: usize,
        /// Which, and what they point at now: the way back, should it end here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writes: Vec<TagWrite>,
    },
    /// All tags are written.
    Completed {
        /// The digest of the plan.
        #[schemars(with = "String")]
        plan: Digest,
    },
}

/// One line of the ledger: the body of `loadline/ledger/v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The record's number, from 0, without gaps.
    pub seq: u64,
    /// When it was written, RFC 3339.
    pub at: String,
    /// What it records.
    #[serde(flatten)]
    pub record: Record,
}

#[derive(Debug, Default)]
struct State {
    begun: Option<Begun>,
    results: BTreeMap<String, Value>,
    pending: BTreeSet<String>,
    ready: Option<Digest>,
    promoting: bool,
    completed: bool,
    rolling_back: Option<Vec<TagWrite>>,
    next: u64,
}

/// How a release began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The version.
    pub version: String,
    /// The digest of the plan.
    pub plan: Digest,
    /// The commit.
    pub commit: String,
    /// When, RFC 3339.
    pub at: String,
}

impl State {
    fn apply(&mut self, at: &str, record: &Record) {
        match record {
            Record::Begun { version, plan, commit } => {
                self.begun = Some(Begun {
                    version: version.clone(),
                    plan: plan.clone(),
                    commit: commit.clone(),
                    at: at.to_owned(),
                });
            }
            Record::Intent { key } => {
                self.pending.insert(key.clone());
            }
            Record::Done { key, result } | Record::Settled { key, result } => {
                self.pending.remove(key);
                self.results.insert(key.clone(), result.clone());
            }
            Record::Ready { plan } => self.ready = Some(plan.clone()),
            Record::RollingBack { writes, .. } => self.rolling_back = Some(writes.clone()),
            Record::RolledBack { .. } => self.rolling_back = None,
            Record::Promoting { .. } => self.promoting = true,
            Record::Completed { .. } => self.completed = true,
        }
    }
}

/// An open ledger, held against every other process.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    clock: Clock,
    tripwire: Tripwire,
    inner: Mutex<(File, State)>,
    torn: Option<PathBuf>,
    resumed: bool,
}

/// Ends the process at a chosen record, as a power cut would: what crash tests pull.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tripwire {
    /// Never.
    #[default]
    Off,
    /// Kills the process (`SIGKILL`) as soon as the ledger holds so many records.
    AfterRecords(u64),
}

impl Ledger {
    /// Opens or begins the ledger at this path. A half-written last line, which a kill or a full disk
    /// leaves, is set aside into a file beside it (see [`Ledger::torn`]) and cut off.
    pub fn open(path: &Path, clock: Clock, tripwire: Tripwire) -> Result<Self, LedgerError> {
        let io = |action, source| LedgerError::Io { action, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| LedgerError::Io {
                action: "create",
                path: folder.to_owned(),
                source,
            })?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|source| io("open", source))?;
        lock(&file, path)?;
        let mut bytes = Vec::new();
        (&file).take(LIMIT + 1).read_to_end(&mut bytes).map_err(|source| io("read", source))?;
        if bytes.len() as u64 > LIMIT {
            return Err(LedgerError::TooLarge { path: path.to_owned() });
        }
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let torn = if whole < bytes.len() {
            let aside = path.with_extension(format!("torn-{whole}"));
            fs::write(&aside, &bytes[whole..]).map_err(|source| LedgerError::Io {
                action: "write",
                path: aside.clone(),
                source,
            })?;
            file.set_len(whole as u64).and_then(|()| file.sync_all()).map_err(|source| io("cut", source))?;
            Some(aside)
        } else {
            None
        };
        let state = read(path, &bytes[..whole])?;
        file.seek(SeekFrom::Start(whole as u64)).map_err(|source| io("read", source))?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        let resumed = state.begun.is_some();
        Ok(Self { path: path.to_owned(), clock, tripwire, inner: Mutex::new((file, state)), torn, resumed })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a half-written last line was set aside to, if there was one.
    pub fn torn(&self) -> Option<&Path> {
        self.torn.as_deref()
    }

    /// Writes one record and syncs it.
    pub fn write(&self, record: Record) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let (file, state) = &mut *inner;
        let io = |action, source| LedgerError::Io { action, path: self.path.clone(), source };
        let line = Line { seq: state.next, at: self.clock.now().to_string(), record };
        let mut text = serde_json::to_vec(&Document::new(document::LEDGER, &line))
            .map_err(|error| io("write", error.into()))?;
        text.push(b'\n');
        let before = file.stream_position().map_err(|source| io("write", source))?;
        if let Err(source) = file.write_all(&text).and_then(|()| file.sync_data()) {
            // A full disk must not leave half a line before a whole one.
            let _ = file.set_len(before);
            let _ = file.seek(SeekFrom::Start(before));
            return Err(io("write", source));
        }
        state.next += 1;
        state.apply(&line.at, &line.record);
        if let Tripwire::AfterRecords(limit) = self.tripwire
            && state.next >= limit
        {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        Ok(())
    }

    /// What a finished effect or a settled matter came to, if it is in the ledger.
    pub fn result<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LedgerError> {
        let value = self.lock().1.results.get(key).cloned();
        value
            .map(|value| {
                serde_json::from_value(value).map_err(|error| LedgerError::Result {
                    path: self.path.clone(),
                    key: key.to_owned(),
                    reason: error.to_string(),
                })
            })
            .transpose()
    }

    /// Whether an earlier run announced this effect and did not come to record its result.
    pub fn interrupted(&self, key: &str) -> bool {
        self.lock().1.pending.contains(key)
    }

    /// Announces an effect; one that was announced and has no result yet is not announced again, so that
    /// every run gets further than the last however often it is killed.
    pub fn intent(&self, key: &str) -> Result<(), LedgerError> {
        if self.interrupted(key) {
            return Ok(());
        }
        self.write(Record::Intent { key: key.to_owned() })
    }

    /// Records an effect's result.
    pub fn done<T: Serialize>(&self, key: &str, result: &T) -> Result<(), LedgerError> {
        self.write(Record::Done { key: key.to_owned(), result: self.value(key, result)? })
    }

    /// Settles a matter that has no effect outside.
    pub fn settle<T: Serialize>(&self, key: &str, result: &T) -> Result<(), LedgerError> {
        self.write(Record::Settled { key: key.to_owned(), result: self.value(key, result)? })
    }

    fn value<T: Serialize>(&self, key: &str, result: &T) -> Result<Value, LedgerError> {
        serde_json::to_value(result).map_err(|error| LedgerError::Result {
            path: self.path.clone(),
            key: key.to_owned(),
            reason: error.to_string(),
        })
    }

    /// How the release began, if it has.
    pub fn begun(&self) -> Option<Begun> {
        self.lock().1.begun.clone()
    }

    /// Whether an earlier run had begun it when it was opened.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether tags were about to be written.
    pub fn promoting(&self) -> bool {
        self.lock().1.promoting
    }

    /// Whether all tags were written.
    pub fn completed(&self) -> bool {
        self.lock().1.completed
    }

    /// Whether everything but the tags of this plan is done.
    pub fn is_ready(&self, plan: &Digest) -> bool {
        self.lock().1.ready.as_ref() == Some(plan)
    }

    /// The tags of a rollback that was begun and did not come to its end.
    pub fn rolling_back(&self) -> Option<Vec<TagWrite>> {
        self.lock().1.rolling_back.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (File, State)> {
        // A poisoned lock means a panic between write and apply; the file is still the truth.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Holds a ledger against every other process. One that is held is asked for a few times more: a child that is just
/// being started has all open files of its parent, until it has become another program.
fn lock(file: &File, path: &Path) -> Result<(), LedgerError> {
    for _ in 0..10 {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(errno) => {
                let source = errno.into();
                return Err(LedgerError::Io { action: "lock", path: path.to_owned(), source });
            }
        }
    }
    Err(LedgerError::Held { path: path.to_owned() })
}

fn read(path: &Path, bytes: &[u8]) -> Result<State, LedgerError> {
    let mut state = State::default();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let corrupt =
            |reason: String| LedgerError::Corrupt { path: path.to_owned(), line: index + 1, reason };
        let name: document::SchemaName =
            serde_json::from_slice(line).map_err(|error| corrupt(error.to_string()))?;
        if name.schema != document::LEDGER {
            return Err(corrupt(format!("its schema is `{}`, not `{}`", name.schema, document::LEDGER)));
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| corrupt(error.to_string()))?;
        if line.seq != state.next {
            return Err(corrupt(format!("its number is {}, not {}", line.seq, state.next)));
        }
        state.next += 1;
        state.apply(&line.at, &line.record);
    }
    Ok(state)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| LedgerError::Io {
        action: "sync",
        path: folder.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Ledger, LedgerError> {
        Ledger::open(path, Clock::Fixed(jiff::Timestamp::UNIX_EPOCH), Tripwire::Off)
    }

    #[test]
    fn what_was_written_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/ledger.jsonl");
        let ledger = open(&path).unwrap();
        let plan = Digest::of(b"plan");
        ledger
            .write(Record::Begun { version: "1.0.0".into(), plan: plan.clone(), commit: "c".into() })
            .unwrap();
        ledger.intent("build a").unwrap();
        ledger.done("build a", &vec![1, 2]).unwrap();
        ledger.intent("tag a").unwrap();
        drop(ledger);
        let ledger = open(&path).unwrap();
        let begun = ledger.begun().unwrap();
        assert_eq!((begun.version.as_str(), begun.plan, begun.commit.as_str()), ("1.0.0", plan, "c"));
        assert_eq!(begun.at, "1970-01-01T00:00:00Z");
        assert!(ledger.resumed());
        assert_eq!(ledger.result::<Vec<u32>>("build a").unwrap(), Some(vec![1, 2]));
        assert!(ledger.interrupted("tag a") && !ledger.interrupted("build a"));
        ledger.intent("tag a").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().matches("tag a").count(), 1);
        assert!(ledger.result::<String>("build a").is_err());
    }

    #[test]
    fn a_torn_last_line_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let ledger = open(&path).unwrap();
        ledger.intent("one").unwrap();
        drop(ledger);
        let whole = fs::read(&path).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"schema\":\"loadline/led").unwrap();
        drop(file);
        let ledger = open(&path).unwrap();
        let aside = ledger.torn().unwrap().to_owned();
        assert_eq!(fs::read(aside).unwrap(), b"{\"schema\":\"loadline/led");
        ledger.done("one", &()).unwrap();
        drop(ledger);
        assert!(fs::read(&path).unwrap().starts_with(&whole));
        assert!(open(&path).unwrap().result::<()>("one").unwrap().is_some());
    }

    #[test]
    fn a_bad_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let ledger = open(&path).unwrap();
        ledger.intent("one").unwrap();
        ledger.intent("two").unwrap();
        drop(ledger);
        let text = fs::read_to_string(&path).unwrap();
        for (bad, line) in [
            (text.replacen("intent", "intend", 1), 1),
            (text.replace("\"seq\":1", "\"seq\":7"), 2),
            (text.replacen("ledger/v1", "ledger/v9", 1), 1),
        ] {
            fs::write(&path, &bad).unwrap();
            let error = open(&path).unwrap_err();
            assert!(matches!(error, LedgerError::Corrupt { line: l, .. } if l == line), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad, "nothing is lost");
        }
    }

    #[test]
    fn only_one_release_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let _held = open(&path).unwrap();
        assert!(matches!(open(&path), Err(LedgerError::Held { .. })));
    }
}
