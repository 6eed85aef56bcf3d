//! The clock is an input, so that tests set it and nothing else reads it.

use jiff::Timestamp;

/// Where "now" comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// Always the same moment; for tests and for reproducible output.
    Fixed(Timestamp),
}

impl Clock {
    /// The moment it is now, by this clock.
    pub fn now(self) -> Timestamp {
        match self {
            // The only place in the workspace that reads the machine's clock.
            #[allow(clippy::disallowed_methods)]
            Self::System => Timestamp::now(),
            Self::Fixed(moment) => moment,
        }
    }
}
