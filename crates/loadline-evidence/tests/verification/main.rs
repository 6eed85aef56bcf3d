//! Images verified as a consumer would, against a registry and a Sigstore that are really there: good
//! evidence, missing evidence, tampered evidence, hostile evidence. The code is asserted each time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod at_hand;
mod att;
mod flood;
mod policies;
mod sources;
mod stage;
mod tampered;
