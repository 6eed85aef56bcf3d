//! Patience: riding out a service that is down, as long as it is worth waiting.

use std::fmt::Display;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use loadline_github::GitHubError;
use loadline_registry::RegistryError;
use loadline_sigstore::SignError;
use tokio::time::Instant;

use crate::attach::AttachError;

/// What may go wrong for a while.
pub trait Trouble: Display {
    /// Whether trying again later may help.
    fn is_transient(&self) -> bool;

    /// How long the service asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Trouble for SignError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }
}

impl Trouble for GitHubError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

impl Trouble for RegistryError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

impl Trouble for AttachError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_transient())
    }
}

/// How long an outage is ridden out. Each try is made from the start: with a fresh token and certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    total: Duration,
    first: Duration,
    longest: Duration,
}

/// What is waited for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What went wrong, and where.
    pub reason: String,
    /// How long until the next try.
    pub wait: Duration,
    /// How much patience is left after it.
    pub left: Duration,
}

impl Patience {
    /// None: the first failure is the last.
    pub const NONE: Self = Self::new(Duration::ZERO);
    /// The usual in a pipeline, where nobody waits in front of it: a quarter of an hour.
    pub const UNATTENDED: Self = Self::new(Duration::from_secs(15 * 60));

    /// Patience for so long, counted from an outage's first failure.
    pub const fn new(total: Duration) -> Self {
        Self { total, first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }

    /// How long in all.
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// Tries until it succeeds, fails for good, or patience runs out; tells before each wait. Dropping the
    /// future ends the waiting.
    ///
    /// # Errors
    /// The last failure.
    pub async fn wait_out<T, E, F>(
        &self,
        mut ask: impl FnMut() -> F,
        mut tell: impl FnMut(&Waiting),
    ) -> Result<T, E>
    where
        E: Trouble,
        F: Future<Output = Result<T, E>>,
    {
        let mut next = self.first;
        let mut deadline = None;
        loop {
            let error = match ask().await {
                Ok(done) => return Ok(done),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + self.total);
            let left = deadline.saturating_duration_since(now);
            // Calls that failed together do not come back together.
            let jitter = u32::try_from(RandomState::new().hash_one(0) % 256).unwrap_or(0);
            let mut wait = next + next * jitter / 1024;
            if let Some(asked) = error.retry_after() {
                // Coming back sooner than asked only prolongs it.
                if asked > left {
                    return Err(error);
                }
                wait = wait.max(asked);
            }
            if left.is_zero() {
                return Err(error);
            }
            let wait = wait.min(left);
            tell(&Waiting { reason: error.to_string(), wait, left: left - wait });
            tokio::time::sleep(wait).await;
            next = (next * 2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error, PartialEq)]
    #[error("down")]
    struct Down {
        transient: bool,
        after: Option<Duration>,
    }

    impl Trouble for Down {
        fn is_transient(&self) -> bool {
            self.transient
        }

        fn retry_after(&self) -> Option<Duration> {
            self.after
        }
    }

    /// How often was asked, how long was waited, and how it ended.
    async fn run(patience: Patience, good_after: u32, error: fn() -> Down) -> (u32, Duration, bool) {
        let (asked, waited) = (Cell::new(0), Cell::new(Duration::ZERO));
        let result = patience
            .wait_out(
                || {
                    asked.set(asked.get() + 1);
                    let good = asked.get() > good_after;
                    async move { if good { Ok(()) } else { Err(error()) } }
                },
                |waiting| waited.set(waited.get() + waiting.wait),
            )
            .await;
        (asked.get(), waited.get(), result.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_ridden_out_for_as_long_as_was_said_and_no_longer() {
        let down = || Down { transient: true, after: None };
        let minute = Duration::from_secs(60);
        let (asked, waited, good) = run(Patience::new(minute), u32::MAX, down).await;
        // What trying takes counts too.
        assert!(!good && waited <= minute && minute - waited < Duration::from_secs(1), "{waited:?}");
        assert!((5..20).contains(&asked), "{asked}");
        assert_eq!(run(Patience::NONE, u32::MAX, down).await, (1, Duration::ZERO, false));
        let (asked, waited, good) = run(Patience::new(minute), 3, down).await;
        assert!(good && asked == 4 && waited < Duration::from_secs(6), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_mend_itself_is_not_waited_for() {
        let (asked, _, good) =
            run(Patience::UNATTENDED, u32::MAX, || Down { transient: false, after: None }).await;
        assert!(!good && asked == 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_asks_to_be_left_alone_is() {
        let after = || Down { transient: true, after: Some(Duration::from_secs(40)) };
        let (asked, waited, good) = run(Patience::new(Duration::from_secs(60)), 1, after).await;
        assert!(good && asked == 2 && waited >= Duration::from_secs(40));
        let (asked, waited, good) = run(Patience::new(Duration::from_secs(30)), 1, after).await;
        assert_eq!((asked, waited, good), (1, Duration::ZERO, false));
    }
}
