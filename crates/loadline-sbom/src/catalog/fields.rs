//! Text of `Key: value` lines, as dpkg, Python and others write it: a line that begins with white space goes
//! on with the value before it; a blank line ends the block.

use std::collections::BTreeMap;

/// The fields of one block; of a key that is there twice, the first.
pub(super) type Fields = BTreeMap<String, String>;

/// One block's fields, keys in lower case. Lines that are neither are passed over.
pub(super) fn fields(block: &str) -> Fields {
    let mut fields = Fields::new();
    let mut last: Option<String> = None;
    for line in block.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|key| fields.get_mut(key)) {
                value.push('\n');
                value.push_str(line.trim());
            }
            continue;
        }
        last = None;
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = key.trim().to_ascii_lowercase();
        if !fields.contains_key(&key) {
            fields.insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
    }
    fields
}

/// The blocks of a text, which blank lines part.
pub(super) fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            blocks.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    blocks.push(&text[start..]);
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_fields() {
        let text = "\nA: 1\nB: x\n y\n\tz\nA: 2\nno colon\n \n\r\nC:\n";
        let blocks = blocks(text);
        assert_eq!(blocks.len(), 2);
        let first = fields(blocks[0]);
        assert_eq!((first["a"].as_str(), first["b"].as_str()), ("1", "x\ny\nz"));
        assert_eq!(fields(blocks[1])["c"], "");
    }
}
