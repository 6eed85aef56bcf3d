//! Dockerfiles built into layouts and read back with nothing of the builder's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bases;
mod copying;
mod instructions;
mod kitchen;
mod refusals;
mod registries;
mod reproducible;
