//! How many there are of each severity.

use std::fmt;

use crate::severity::Severity;

/// Numbers by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; 5]);

impl Counts {
    /// Adds one of this severity.
    pub fn add(&mut self, severity: Severity) {
        self.0[severity as usize] += 1;
    }

    /// How many have this severity.
    pub const fn of(&self, severity: Severity) -> u64 {
        self.0[severity as usize]
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Takes in other numbers.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl fmt::Display for Counts {
    /// `critical 1, high 2`, the severest first, those without any left out; `none` when there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for severity in Severity::ALL.into_iter().rev().filter(|s| self.of(*s) > 0) {
            if !first {
                f.write_str(", ")?;
            }
            first = false;
            write!(f, "{severity} {}", self.of(severity))?;
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_prose() {
        let mut counts = Counts::default();
        assert_eq!(counts.to_string(), "none");
        counts.add(Severity::Low);
        counts.add(Severity::Critical);
        counts.add(Severity::Low);
        assert_eq!(counts.to_string(), "critical 1, low 2");
        assert_eq!(counts.total(), 3);
    }
}
