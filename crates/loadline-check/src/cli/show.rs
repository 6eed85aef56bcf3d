//! What was found, as text: paths as the reader needs them.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use loadline_core::document::Document;
use loadline_core::{Outcome, Verdict};
use loadline_report::{Format, Options, render};
use serde::Serialize;

use super::subject::{CONFIG, Subject};
use super::{Answer, End, Inputs};
use crate::tree::{MAX_FILE_BYTES, Tree, WorkTree};

/// How things are shown.
pub(crate) struct Show<'a> {
    /// The tree that is checked; its files are shown, not those on disk, where the two differ.
    tree: &'a dyn Tree,
    /// What findings' paths are relative to.
    root: Utf8PathBuf,
    /// What the reader's paths are relative to: for people the folder they are in, for machines the
    /// repository's top.
    base: Utf8PathBuf,
    /// The file that findings without a place belong to: the configuration.
    anchor: Utf8PathBuf,
    colour: bool,
    pub(crate) format: Format,
}

impl<'a> Show<'a> {
    pub(crate) fn new(subject: &'a Subject, inputs: &Inputs<'_>, format: Format) -> Self {
        let show = Self::at(subject.work.root(), &subject.work, inputs, format);
        let anchor = show.path(subject.anchor());
        Self { tree: subject.tree(), anchor, ..show }
    }

    pub(crate) fn at(root: &Utf8Path, work: &'a WorkTree, inputs: &Inputs<'_>, format: Format) -> Self {
        let base = if format == Format::Human { inputs.folder } else { work.top() };
        let colour = inputs.colour && format == Format::Human;
        Self { tree: work, root: normal(root), base: normal(base), anchor: CONFIG.into(), colour, format }
    }

    /// A path of a finding as the reader needs it.
    pub(crate) fn path(&self, file: &Utf8Path) -> Utf8PathBuf {
        relative(&self.base, &normal(&self.root.join(file)))
    }

    /// An outcome and how it ended: documents on standard output; for people, findings on standard error.
    pub(crate) fn outcome(&self, outcome: Outcome, end: End) -> Answer {
        let outcome = self.reroot(outcome);
        let sources = |file: &Utf8Path| self.source(file);
        let options = Options {
            colour: self.colour,
            title: "check",
            anchor: &self.anchor,
            sources: &sources,
            ..Options::default()
        };
        match render(&outcome, self.format, &options) {
            Ok(text) if self.format == Format::Human => Answer { out: String::new(), err: text, end },
            Ok(text) => Answer { out: text, err: String::new(), end },
            Err(error) => Answer { out: String::new(), err: format!("error: {error}\n"), end: unknown(end) },
        }
    }

    /// An outcome that ends as its verdict says.
    pub(crate) fn finish(&self, outcome: Outcome) -> Answer {
        let end = End::Verdict(outcome.verdict());
        self.outcome(outcome, end)
    }

    /// Paths as the reader needs them.
    pub(crate) fn reroot(&self, mut outcome: Outcome) -> Outcome {
        if self.root != self.base {
            for location in outcome.findings.iter_mut().filter_map(|f| f.location.as_mut()) {
                location.file = self.path(&location.file);
            }
        }
        outcome
    }

    fn source(&self, file: &Utf8Path) -> Option<String> {
        let from_root = relative(&self.root, &normal(&self.base.join(file)));
        let bytes = self.tree.read(&from_root).ok()?;
        (bytes.len() as u64 <= MAX_FILE_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A document of ours as text.
pub(crate) fn document<T: Serialize>(schema: &'static str, body: T, end: End) -> Answer {
    match serde_json::to_string_pretty(&Document::new(schema, body)) {
        Ok(text) => Answer { out: format!("{text}\n"), err: String::new(), end },
        Err(error) => {
            let err = format!("error: the document cannot be written: {error}\n");
            Answer { out: String::new(), err, end: unknown(end) }
        }
    }
}

/// What could not be shown is not a pass.
fn unknown(end: End) -> End {
    if end == End::Verdict(Verdict::Pass) { End::Verdict(Verdict::Unknown) } else { end }
}

/// A path without `.` and `..`, as far as its own text tells.
pub(crate) fn normal(path: &Utf8Path) -> Utf8PathBuf {
    let mut out = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir
                if matches!(out.components().next_back(), Some(Utf8Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other.as_str()),
        }
    }
    out
}

/// The way from one folder to a path, both in normal form.
pub(crate) fn relative(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let mut out: Utf8PathBuf = from.components().skip(shared).map(|_| "..").collect();
    out.extend(to.components().skip(shared).map(|c| c.as_str()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        for (from, to, expected) in [
            ("/a/b", "/a/b/c", "c"),
            ("/a/b", "/a/c/d", "../c/d"),
            ("/a", "/a", ""),
            ("/a/b/c", "/a", "../.."),
        ] {
            assert_eq!(relative(from.into(), to.into()), expected, "{from} {to}");
        }
        assert_eq!(normal("/a/./b/../c".into()), "/a/c");
        assert_eq!(normal("../a/..".into()), "..");
    }
}
