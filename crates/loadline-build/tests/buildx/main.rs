//! The builder `buildx`: against programs that behave as docker does in every way that it can fail, and, when
//! asked for, against docker itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
mod live;
mod refusals;
mod results;
