//! `loadline.toml`: what is released together, and what must hold before it gets a tag.
//!
//! [`load`] reads the text in one go and reports every problem it has, each with its place; it touches
//! no file, what it must know of files comes in as a function. [`load_file`] does the same for a file.

mod attest;
pub mod build;
pub mod check;
pub mod codes;
pub mod made;
pub mod model;
pub mod public;
mod read;
mod rules;
pub mod schema;
mod shape;
mod suggest;
pub mod third_party;
pub mod variables;
pub mod verify;
pub mod version;

use std::fs::File;
use std::io::{ErrorKind, Read};

use camino::{Utf8Path, Utf8PathBuf};
use toml::de::DeTable;

pub use attest::{Attest, GitHubAttestations};
pub use build::{BuildProvenance, BuildSecret, ContextSource, Network};
pub use check::{Check, Contract, Pin, PinBases, PinPlace, RuleLevel, Workflows};
pub use codes::CODES;
pub use made::{Existing, LayoutTable, Preset, Runner};
pub use model::{
    Builder, ChannelTag, Config, Gate, GateMode, Image, MovingTag, OneOrMany, Release, SharedRegion,
    ThresholdSeverity, TimeLimit, UnknownSeverity, VersionSource,
};
pub use public::Public;
pub use schema::json_schema;
pub use suggest::nearest;
pub use third_party::ThirdParty;
pub use variables::{Template, TemplateError, Variable, Variables, expand, expand_tag, repository_hash};
pub use verify::{IndexEvidence, Text, Verify, VerifyBuild, VerifyIdentity};
pub use version::{ReleaseVersion, VersionError};

use crate::digest::Digest;
use crate::finding::{Finding, Location};
use read::{Places, Reader};

/// The largest configuration that is read, in bytes.
pub const MOST_BYTES: u64 = 1024 * 1024;

/// How many errors of the TOML parser are shown; those after the first few are echoes.
const MOST_SYNTAX_ERRORS: usize = 20;

/// What a path leads to, symbolic links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What wants mending, but stops nothing.
    pub warnings: Vec<Finding>,
    /// The digest of the text it was read from.
    pub digest: Digest,
    file: Utf8PathBuf,
    text: String,
    places: Places,
}

impl Loaded {
    /// The file, as it was named.
    pub fn file(&self) -> &Utf8Path {
        &self.file
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The directory that paths in the configuration are relative to.
    pub fn directory(&self) -> &Utf8Path {
        directory(&self.file)
    }

    /// Where a value stands, by its path in the document, such as `image.daemon.tags[0]`: a later rule
    /// points there. A value that is not written leads to the nearest table around it.
    pub fn location(&self, path: &str) -> Location {
        match self.places.span(path) {
            Some(span) => Location::span(&self.file, &self.text, span),
            None => Location::file(&self.file),
        }
    }
}

/// Reads a configuration from its text. `file` is how it is named in messages; `look` tells what a
/// path, relative to the configuration's directory, leads to.
///
/// # Errors
/// All that is wrong with it, in the order of the file: findings with the verdict `fail`.
pub fn load(
    file: &Utf8Path,
    text: &str,
    look: &dyn Fn(&Utf8Path) -> Option<PathKind>,
) -> Result<Loaded, Vec<Finding>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(file, text);
    if !errors.is_empty() {
        for error in errors.iter().take(MOST_SYNTAX_ERRORS) {
            let message = format!("this is not TOML: {}", error.message());
            reader.note(Finding::error(&codes::SYNTAX, message), error.span().unwrap_or(0..0));
        }
        return Err(reader.into_findings().0);
    }
    let top = reader.top(&document);
    let config = reader.config(top);
    rules::check(&mut reader, &config, look);
    let (findings, places) = reader.into_findings();
    if findings.iter().any(|f| f.severity == crate::Severity::Error) {
        return Err(findings);
    }
    Ok(Loaded {
        config,
        warnings: findings,
        digest: Digest::of(text),
        file: file.to_owned(),
        text: text.to_owned(),
        places,
    })
}

/// Reads the configuration at a path, and looks at the files it names beside it.
///
/// # Errors
/// As [`load`], and a finding when the file is absent, larger than [`MOST_BYTES`], not UTF-8, or
/// cannot be read.
pub fn load_file(file: &Utf8Path) -> Result<Loaded, Vec<Finding>> {
    let text = read_file(file)?;
    let directory = directory(file).to_owned();
    load(file, &text, &|path| look_on_disk(&directory.join(path)))
}

/// Reads the text of a configuration file, as [`load_file`] does.
///
/// # Errors
/// A finding when the file is absent, larger than [`MOST_BYTES`], not UTF-8, or cannot be read.
pub fn read_file(file: &Utf8Path) -> Result<String, Vec<Finding>> {
    let finding = |code, message: String, help: &str| {
        let finding = Finding::error(code, message).at(Location::file(file));
        Err(vec![if help.is_empty() { finding } else { finding.help(help) }])
    };
    let mut bytes = Vec::new();
    match File::open(file).and_then(|open| open.take(MOST_BYTES + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help = "start in the repository's root, name the file with `--config`, or write one with `loadline init`";
            return finding(&codes::NOT_FOUND, format!("there is no `{file}`"), help);
        }
        Err(error) => return finding(&codes::UNREADABLE, format!("`{file}` cannot be read: {error}"), ""),
    }
    if bytes.len() as u64 > MOST_BYTES {
        let message = format!("`{file}` is larger than {MOST_BYTES} bytes");
        return finding(&codes::UNREADABLE, message, "is it the right file?");
    }
    String::from_utf8(bytes).or_else(|error| {
        let at = error.utf8_error().valid_up_to();
        finding(&codes::UNREADABLE, format!("`{file}` is not UTF-8: byte {at} begins no character"), "")
    })
}

fn directory(file: &Utf8Path) -> &Utf8Path {
    match file.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    }
}

fn look_on_disk(path: &Utf8Path) -> Option<PathKind> {
    let metadata = path.metadata().ok()?;
    if metadata.is_file() {
        Some(PathKind::File)
    } else if metadata.is_dir() {
        Some(PathKind::Directory)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
