//! Durations as Go writes them: `1h30m`, `1.5s`, `100ms`.

use std::time::Duration;

/// Reads a duration; `None` where it is none, is negative, or is longer than Go's 64 bits of nanoseconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut after) = rest.split_at(digits);
        let mut fraction = "";
        if let Some(point) = after.strip_prefix('.') {
            let places = point.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, after) = point.split_at(places);
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, tail) = after.split_at(end);
        let nanos: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total += u128::from(whole) * nanos;
        let places = &fraction[..fraction.len().min(18)];
        if !places.is_empty() {
            let scale = 10_u128.pow(u32::try_from(places.len()).ok()?);
            total += places.parse::<u128>().ok()? * nanos / scale;
        }
        rest = tail;
    }
    let nanos = u64::try_from(total).ok().filter(|n| i64::try_from(*n).is_ok())?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_reads_them() {
        assert_eq!(parse("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse("1h1m1.5s"), Some(Duration::from_millis(3_661_500)));
        assert_eq!(parse("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(parse(".5µs"), Some(Duration::from_nanos(500)));
        assert_eq!(parse("0"), Some(Duration::ZERO));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        for text in ["", "5", "s", "-1s", "1x", ".s", "1.", "9999999999999h", "1 s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
