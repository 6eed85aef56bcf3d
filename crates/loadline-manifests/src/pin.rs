//! Digests, written where the references stand.

use loadline_core::Digest;

use crate::error::PinError;
use crate::mention::{Edit, Mention, Named, find};

/// Writes digests behind mentions of this very text; those that have one already are left alone. Nothing
/// else is changed, and what comes of it was read again to see that it is so.
///
/// # Errors
/// Mentions of another text, or such as cannot be changed in place. Nothing is changed then.
pub fn pin(path: &str, text: &str, pins: &[(&Mention, &Digest)]) -> Result<String, PinError> {
    let before = find(path, text)?;
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    let mut expected = before.mentions.clone();
    for (mention, digest) in pins {
        let at = before.mentions.iter().position(|known| known == *mention);
        let Some(at) = at else {
            return Err(PinError::OtherText { line: mention.line, text: mention.text.clone() });
        };
        match &mention.named {
            Named::Image(reference) if reference.digest.is_none() => {}
            Named::Image(_) => continue,
            _ => return Err(PinError::Impossible { line: mention.line, text: mention.text.clone() }),
        }
        edits.push(match &mention.edit {
            Some(Edit::Append(at)) => (*at..*at, format!("@{digest}")),
            Some(Edit::Replace(range)) => (range.clone(), digest.to_string()),
            Some(Edit::Insert { at, before, after }) => (*at..*at, format!("{before}{digest}{after}")),
            None => return Err(PinError::Impossible { line: mention.line, text: mention.text.clone() }),
        });
        expected[at].text = format!("{}@{digest}", mention.text);
        if let Named::Image(reference) = &mut expected[at].named {
            reference.digest = Some((*digest).clone());
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    edits.dedup();
    let mut pinned = text.to_owned();
    for (range, with) in edits.into_iter().rev() {
        pinned.replace_range(range, &with);
    }
    let after = find(path, &pinned)?;
    let same = |a: &Mention, b: &Mention| a.kind == b.kind && a.text == b.text && a.named == b.named;
    let alike = after.kinds == before.kinds
        && after.mentions.len() == expected.len()
        && after.mentions.iter().zip(&expected).all(|(a, b)| same(a, b));
    if alike { Ok(pinned) } else { Err(PinError::Astray) }
}
