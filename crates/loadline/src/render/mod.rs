//! What is shown: progress while something runs, and what came of it.

pub(crate) mod copy;
pub(crate) mod inspect;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod release;
pub(crate) mod stages;
pub(crate) mod verification;
