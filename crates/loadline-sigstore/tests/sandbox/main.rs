//! Signing through a real, private Sigstore, verifying what comes of it, and tampering with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod instance;
mod keys;
mod online;
mod promises;
mod rekor_v1;
mod sign;
mod tamper;
mod trust;
