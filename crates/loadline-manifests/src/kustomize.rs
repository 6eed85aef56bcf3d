//! A kustomization's `images`: a name, a new name, a new tag, a digest (kustomize's `images` field).

use crate::kind::Kind;
use crate::mention::{Collector, Edit, Mention, Named, read};
use crate::yaml::{Content, Node};

pub(crate) fn collect(document: &Node, collector: &mut Collector<'_>) {
    for images in document.get("images") {
        for image in images.items() {
            take(image, collector);
        }
    }
}

fn take(image: &Node, collector: &mut Collector<'_>) {
    let one = |key: &str| image.pairs().into_iter().rfind(|(known, _)| *known == key).map(|(_, value)| value);
    let filled = |key: &str| one(key).filter(|node| node.text().is_some_and(|text| !text.is_empty()));
    let Some(name) = filled("newName").or_else(|| filled("name")) else { return };
    let (tag, digest) = (filled("newTag"), filled("digest"));
    let mut text = name.text().unwrap_or_default().to_owned();
    for (sign, part) in [(':', tag), ('@', digest)] {
        if let Some(part) = part.and_then(Node::text) {
            text.push(sign);
            text.push_str(part);
        }
    }
    let named = match (tag, digest) {
        (None, None) => Named::Unresolved(format!("`{text}` has the tag that the manifests give it")),
        _ => read(&text),
    };
    let place = digest.or(tag).unwrap_or(name);
    let span = place.plain_range(collector.text).unwrap_or_else(|| place.span.clone());
    let edit = match digest {
        Some(digest) => digest.plain_range(collector.text).map(Edit::Replace),
        None => insertion(image, tag.unwrap_or(name), collector.text),
    };
    let line = collector.line(span.start);
    collector.add(Mention { kind: Kind::Kustomize, text, named, span, line, edit });
}

/// A `digest` of its own behind another value of the mapping.
fn insertion(image: &Node, behind: &Node, text: &str) -> Option<Edit> {
    let Content::Mapping { pairs, flow } = &image.content else { return None };
    let (key, value) = pairs.iter().find(|(_, value)| std::ptr::eq(&**value, behind))?;
    let end = value.span.start + text.get(value.span.clone())?.trim_end().len();
    if *flow {
        return Some(Edit::Insert { at: end, before: ", digest: ".to_owned(), after: String::new() });
    }
    let line = text[..key.span.start].rfind('\n').map_or(0, |at| at + 1);
    // The key may stand behind the dash of its item: the next key stands below it, not below the dash.
    let indent: String =
        text[line..key.span.start].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let at = text[end..].find('\n').map_or(text.len(), |at| end + at);
    let at = if text[..at].ends_with('\r') { at - 1 } else { at };
    let ending = if text[at..].starts_with("\r\n") { "\r\n" } else { "\n" };
    Some(Edit::Insert { at, before: format!("{ending}{indent}digest: "), after: String::new() })
}
