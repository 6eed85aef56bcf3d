//! Values of Helm charts: no format says where they name images, so what charts do by custom is read.
//!
//! A mapping with a `repository` beside a `tag`, a `digest`, a `registry` or a `pullPolicy`, or one called
//! `image` or `…Image`, is an image in parts; a text called so is a whole reference. Where a chart gives the
//! tag itself, nobody can say what will be pulled: `helm template` can.

use std::collections::HashSet;

use crate::kind::Kind;
use crate::mention::{Collector, Edit, Mention, Named, read};
use crate::yaml::{Content, Node};

pub(crate) fn collect(document: &Node, collector: &mut Collector<'_>) {
    let elsewhere = document
        .get("global")
        .flat_map(|global| {
            let nested = global.get("image").flat_map(|image| image.get("registry").collect::<Vec<_>>());
            global.get("imageRegistry").chain(nested).collect::<Vec<_>>()
        })
        .any(|registry| registry.text().is_some_and(is_said));
    Walk { collector, elsewhere, seen: HashSet::new() }.node(document, "");
}

fn is_said(text: &str) -> bool {
    !matches!(text, "" | "~" | "null")
}

/// Whether a text is a switch, as `pullImage: true`.
fn is_switch(text: &str) -> bool {
    matches!(text, "true" | "false" | "yes" | "no" | "on" | "off")
}

fn is_image(key: &str) -> bool {
    key == "image" || key.ends_with("Image") || key.ends_with("_image") || key.ends_with("-image")
}

struct Walk<'a, 'b> {
    collector: &'a mut Collector<'b>,
    /// Whether one registry for all images is given, which charts put before or in place of each image's own.
    elsewhere: bool,
    seen: HashSet<*const Node>,
}

impl Walk<'_, '_> {
    fn node(&mut self, node: &Node, key: &str) {
        // What an alias repeats may be an image by its name here, and is gone through once.
        if matches!(node.content, Content::Mapping { .. }) {
            self.parts(node, key);
        }
        if !self.seen.insert(std::ptr::from_ref(node)) {
            return;
        }
        match &node.content {
            Content::Sequence(items) => items.iter().for_each(|item| self.node(item, "")),
            Content::Mapping { .. } => {
                for (key, value) in node.pairs() {
                    match value.text() {
                        Some(text) if is_image(key) && is_said(text) && !is_switch(text) => {
                            self.whole(node, value, text)
                        }
                        _ => self.node(value, key),
                    }
                }
            }
            Content::Scalar { .. } | Content::Nothing => {}
        }
    }

    /// `image: nginx:1.27`, or `image: nginx` with its `tag` or `imageTag` beside it.
    fn whole(&mut self, beside: &Node, value: &Node, text: &str) {
        let is_bare = !text.contains('@') && !text.rsplit('/').next().unwrap_or(text).contains(':');
        let tag = ["tag", "imageTag"]
            .iter()
            .filter_map(|key| last(beside, key))
            .find(|node| node.text().is_some_and(is_said))
            .filter(|_| is_bare);
        let Some(tag) = tag else {
            let named = self.registry(text).unwrap_or_else(|| read(text));
            self.collector.named(Kind::HelmValues, value, "", text, named);
            return;
        };
        let text = format!("{text}:{}", tag.text().unwrap_or_default());
        self.put(tag, text, None);
    }

    /// `{registry, repository, tag, digest}`, or `{name, tag}` where it is called an image.
    fn parts(&mut self, node: &Node, key: &str) {
        let one = |key: &str| last(node, key);
        let said = |key: &str| one(key).filter(|node| node.text().is_some_and(is_said));
        let is_one = is_image(key)
            || ["tag", "digest", "registry", "pullPolicy"].iter().any(|beside| one(beside).is_some());
        let named = is_image(key).then(|| said("name")).flatten();
        let Some(repository) = said("repository").or(named).filter(|_| is_one) else { return };
        let (registry, tag, digest) = (said("registry").or_else(|| said("hub")), said("tag"), said("digest"));
        let mut text = String::new();
        if let Some(registry) = registry.and_then(Node::text) {
            text = format!("{}/", registry.trim_end_matches('/'));
        }
        text.push_str(repository.text().unwrap_or_default());
        if let Some(tag) = tag.and_then(Node::text) {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = digest.and_then(Node::text) {
            text = format!("{text}@{digest}");
        }
        let is_whole = text.contains('@') || text.rsplit('/').next().unwrap_or_default().contains(':');
        if !is_whole {
            let named = Named::Unresolved(format!("`{text}` has the tag that its chart gives it"));
            self.collector.named(Kind::HelmValues, repository, "", &text, named);
            return;
        }
        let place = digest.or(tag).unwrap_or(repository);
        let empty = digest.is_none().then(|| room(node, self.collector.text)).flatten();
        self.put(place, text, empty);
    }

    fn put(&mut self, place: &Node, text: String, room: Option<Edit>) {
        let inner = place.plain_range(self.collector.text);
        let span = inner.clone().unwrap_or_else(|| place.span.clone());
        let named = self.registry(&text).unwrap_or_else(|| read(&text));
        let edit = room.or_else(|| inner.map(|inner| Edit::Append(inner.end)));
        let line = self.collector.line(span.start);
        self.collector.add(Mention { kind: Kind::HelmValues, text, named, span, line, edit });
    }

    fn registry(&self, text: &str) -> Option<Named> {
        self.elsewhere.then(|| {
            Named::Unresolved(format!(
                "`{text}` may come from the registry that `global` names for all images"
            ))
        })
    }
}

fn last<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    node.pairs().into_iter().rfind(|(known, _)| *known == key).map(|(_, value)| value)
}

/// An empty `digest` of the mapping's own, for which its chart has room.
fn room(node: &Node, source: &str) -> Option<Edit> {
    let Content::Mapping { pairs, .. } = &node.content else { return None };
    let (key, value) = pairs.iter().rfind(|(key, _)| key.text() == Some("digest"))?;
    let written = source.get(value.span.clone())?;
    match written.trim() {
        "\"\"" | "''" => {
            let at = value.span.start + 1;
            Some(Edit::Replace(at..at))
        }
        "~" | "null" => Some(Edit::Replace(value.span.start..value.span.start + written.trim_end().len())),
        "" => {
            let colon = source.get(key.span.end..)?.find(':').map(|at| key.span.end + at + 1)?;
            Some(Edit::Insert { at: colon, before: " ".to_owned(), after: String::new() })
        }
        _ => None,
    }
}
