//! `Range` of a download (RFC 9110, section 14) and `Content-Range` of a chunk (distribution
//! specification, "Pushing a blob in chunks").

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: no range, or none that we serve.
    All,
    /// From the first to the last byte, both included.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing of this content.
    Nothing,
}

/// Reads a `Range` header. Several ranges at once are answered with everything, as RFC 9110 allows.
pub(super) fn asked(header: &str, len: u64) -> Asked {
    let Some(spec) = header.trim().strip_prefix("bytes=") else { return Asked::All };
    let Some((from, to)) = spec.split_once('-') else { return Asked::All };
    if spec.contains(',') {
        return Asked::All;
    }
    let (first, last) = match (number(from), number(to)) {
        (Some(first), Some(last)) => (first, last.min(len.saturating_sub(1))),
        (Some(first), None) if to.is_empty() => (first, len.saturating_sub(1)),
        (None, Some(count)) if from.is_empty() => {
            if count == 0 {
                return Asked::Nothing;
            }
            (len.saturating_sub(count), len.saturating_sub(1))
        }
        _ => return Asked::All,
    };
    if first >= len || first > last { Asked::Nothing } else { Asked::Part { first, last } }
}

/// Reads `<first>-<last>` of a chunk; `bytes ` before it and `/<length>` after it are let through,
/// because clients in use send them.
pub(super) fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn number(text: &str) -> Option<u64> {
    // `parse` alone would let a sign through.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part { first: 0, last: 0 }),
            ("bytes=5-", Asked::Part { first: 5, last: 9 }),
            ("bytes=-3", Asked::Part { first: 7, last: 9 }),
            ("bytes=-30", Asked::Part { first: 0, last: 9 }),
            ("bytes=8-30", Asked::Part { first: 8, last: 9 }),
            ("bytes=10-", Asked::Nothing),
            ("bytes=5-4", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=0-1,4-5", Asked::All),
            ("bytes=+1-2", Asked::All),
            ("items=0-1", Asked::All),
            ("bytes=-", Asked::All),
        ] {
            assert_eq!(asked(header, 10), expected, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
    }

    #[test]
    fn chunks() {
        assert_eq!(chunk("0-511"), Some((0, 511)));
        assert_eq!(chunk("bytes 512-1023/2048"), Some((512, 1023)));
        for bad in ["", "5", "5-4", "-5", "5-", "a-b", "+1-2"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_range_lies_within_the_content(header in "bytes=[0-9]{0,21}-[0-9]{0,21}|.{0,40}", len in 0_u64..50) {
            match asked(&header, len) {
                Asked::Part { first, last } => proptest::prop_assert!(first <= last && last < len),
                Asked::All | Asked::Nothing => {}
            }
            if let Some((first, last)) = chunk(&header) {
                proptest::prop_assert!(first <= last);
            }
        }
    }
}
