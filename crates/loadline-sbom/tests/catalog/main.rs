//! Root file systems in, documents out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod fixture;
mod hostile;
mod images;
mod rootfs;
