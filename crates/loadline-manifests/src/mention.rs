//! Where a file mentions an image, and which.

use std::ops::Range;

use loadline_core::Reference;

use crate::error::ManifestError;
use crate::kind::{self, Kind};
use crate::yaml::{self, Node};
use crate::{MANIFEST_FILE_LIMIT, compose, dockerfile, helm, kubernetes, kustomize, marked, workflow};

/// What a mention names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// An image.
    Image(Reference),
    /// What a build is called that the file describes itself: nothing that is pulled.
    Built,
    /// Nobody can say before the file is used; why.
    Unresolved(String),
    /// Nothing that is an image reference; why.
    Invalid(String),
}

/// One mention of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// What kind of file or document it is in.
    pub kind: Kind,
    /// The reference as it is meant: without quotes, and put together where a file gives it in parts.
    pub text: String,
    /// What it names.
    pub named: Named,
    /// The bytes in the file where it stands.
    pub span: Range<usize>,
    /// The line, counted from 1.
    pub line: u32,
    /// How a digest is written there; nothing where that is impossible.
    pub(crate) edit: Option<Edit>,
}

/// How a digest comes into the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// `@` and the digest, at this place.
    Append(usize),
    /// The digest instead of what stands there.
    Replace(Range<usize>),
    /// This text, the digest and that text, at this place.
    Insert { at: usize, before: String, after: String },
}

/// What was found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The kinds of its documents, each once; nothing where none is known.
    pub kinds: Vec<Kind>,
    /// All mentions, in the file's order.
    pub mentions: Vec<Mention>,
}

/// Finds the images that a file mentions. Its path says what its documents do not.
///
/// # Errors
/// A file that is too large, or does not follow its format.
pub fn find(path: &str, text: &str) -> Result<Found, ManifestError> {
    if text.len() > MANIFEST_FILE_LIMIT {
        return Err(ManifestError::TooLarge { size: text.len(), limit: MANIFEST_FILE_LIMIT });
    }
    let mut collector = Collector { text, found: Found::default() };
    if kind::is_dockerfile(path) {
        collector.found.kinds.push(Kind::Dockerfile);
        dockerfile::collect(&mut collector)?;
    } else if kind::is_yaml(path) || !marked::is_marked(text) {
        for document in yaml::documents(text)? {
            let Some(kind) = kind_of(path, &document) else { continue };
            if !collector.found.kinds.contains(&kind) {
                collector.found.kinds.push(kind);
            }
            match kind {
                Kind::Compose => compose::collect(&document, &mut collector),
                Kind::Kubernetes => kubernetes::collect(&document, &mut collector),
                Kind::Kustomize => kustomize::collect(&document, &mut collector),
                Kind::Workflow => workflow::collect(&document, &mut collector),
                Kind::HelmValues => helm::collect(&document, &mut collector),
                Kind::Dockerfile | Kind::Marked => {}
            }
        }
    }
    marked::collect(&mut collector);
    let mut found = collector.found;
    found.mentions.sort_by_key(|mention| (mention.span.start, mention.span.end));
    // An anchor's node may be used many times, and stands in the file once; a marked line may be one that is
    // known without its mark.
    found.mentions.dedup_by(|a, b| a.span == b.span);
    if found.mentions.iter().any(|mention| mention.kind == Kind::Marked)
        && !found.kinds.contains(&Kind::Marked)
    {
        found.kinds.push(Kind::Marked);
    }
    Ok(found)
}

fn kind_of(path: &str, document: &Node) -> Option<Kind> {
    let has = |key: &str| document.get(key).next().is_some();
    let api = document.get("apiVersion").find_map(Node::text).unwrap_or_default();
    if kind::is_kustomization(path) || api.starts_with("kustomize.config.k8s.io/") {
        return Some(Kind::Kustomize);
    }
    if kind::is_helm_values(path) {
        return Some(Kind::HelmValues);
    }
    if (has("apiVersion") || api == "v1") && has("kind") {
        return Some(Kind::Kubernetes);
    }
    if has("jobs") || (has("runs") && document.get("runs").any(|runs| runs.get("using").next().is_some())) {
        return Some(Kind::Workflow);
    }
    has("services").then_some(Kind::Compose)
}

/// Takes mentions.
pub(crate) struct Collector<'a> {
    pub(crate) text: &'a str,
    pub(crate) found: Found,
}

impl Collector<'_> {
    /// The line of a place in the file, counted from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn add(&mut self, mention: Mention) {
        self.found.mentions.push(mention);
    }

    /// Takes a scalar that is a reference, behind this prefix if one is given.
    pub(crate) fn scalar(&mut self, kind: Kind, node: &Node, prefix: &str) {
        let Some(text) = node.text().and_then(|text| text.strip_prefix(prefix)) else { return };
        let named = read(text);
        self.named(kind, node, prefix, text, named);
    }

    /// Takes a scalar that means this.
    pub(crate) fn named(&mut self, kind: Kind, node: &Node, prefix: &str, text: &str, named: Named) {
        let inner = node.plain_range(self.text).map(|inner| inner.start + prefix.len()..inner.end);
        let span = inner.clone().unwrap_or_else(|| node.span.clone());
        self.add(Mention {
            kind,
            text: text.to_owned(),
            named,
            line: self.line(span.start),
            edit: inner.map(|inner| Edit::Append(inner.end)),
            span,
        });
    }
}

/// What a text names: compose's `$` and GitHub's `${{` mean variables, and no reference may have one.
pub(crate) fn read(text: &str) -> Named {
    if text.contains('$') {
        return Named::Unresolved(format!("`{text}` holds a variable"));
    }
    if text.contains("{{") {
        return Named::Unresolved(format!("`{text}` holds a template"));
    }
    match text.parse::<Reference>() {
        Ok(reference) => Named::Image(reference),
        Err(error) => Named::Invalid(error.to_string()),
    }
}
