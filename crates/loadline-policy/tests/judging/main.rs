//! A good proof, and one thing wrong with it at a time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod adding_up;
mod proof;
mod provenance;
mod rules;
