//! Masking of known secrets in what a program prints.

use loadline_core::Secret;

const MASK: &[u8] = b"***";
/// The shortest line of a secret of several lines that is masked by itself.
const SHORTEST_LINE: usize = 8;

/// Replaces known secrets by `***`.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first, so that a secret within another leaves no rest.
    needles: Vec<Vec<u8>>,
}

impl Mask {
    /// A mask for these secrets. A secret of several lines (a PEM key) is masked line by line too,
    /// because output is looked at line by line.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let whole = secret.expose().trim();
            if whole.is_empty() {
                continue;
            }
            needles.push(whole.as_bytes().to_vec());
            if whole.contains('\n') {
                let lines = whole.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
                needles.extend(lines.map(|line| line.as_bytes().to_vec()));
            }
        }
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The length in bytes of the longest secret.
    pub(crate) fn longest(&self) -> usize {
        self.needles.first().map_or(0, Vec::len)
    }

    /// The bytes with every secret replaced.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !self.needles.iter().any(|needle| contains(&bytes, needle)) {
            return bytes;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            match self.needles.iter().find(|needle| bytes[at..].starts_with(needle)) {
                Some(needle) => {
                    out.extend_from_slice(MASK);
                    at += needle.len();
                }
                None => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        out
    }

    /// The text with every secret replaced.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.needles.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_secret_is_masked_first() {
        let mask = Mask::new(&[Secret::new("hunter"), Secret::new("hunter2"), Secret::new("")]);
        assert_eq!(mask.text("a hunter2 and a hunter"), "a *** and a ***");
        assert_eq!(format!("{mask:?}"), "Mask(2 secrets)");
    }

    #[test]
    fn lines_of_a_key_are_masked_one_by_one() {
        let mask = Mask::new(&[Secret::new("-----BEGIN KEY-----\nMIIEvQIBADANBg\nx\n-----END KEY-----\n")]);
        assert_eq!(mask.text("> MIIEvQIBADANBg x"), "> *** x");
    }

    proptest! {
        #[test]
        fn no_secret_is_left(
            secrets in proptest::collection::vec("[ab]{2,6}", 1..4),
            text in "[abc*]{0,60}",
        ) {
            let secrets: Vec<Secret> = secrets.into_iter().map(Secret::new).collect();
            let masked = Mask::new(&secrets).text(&text);
            for secret in &secrets {
                prop_assert!(!masked.contains(secret.expose()), "{} in {masked}", secret.expose());
            }
        }
    }
}
