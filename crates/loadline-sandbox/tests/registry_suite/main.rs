//! The embedded registry over HTTP: what the distribution specification's conformance suite looks at,
//! and what it does not.

// Outside of test functions too: this whole program is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod blobs;
mod content;
mod faults;
mod gc;
mod kill;
mod limits;
mod manifests;
mod referrers;
mod restart;
mod support;
mod tags;
mod uploads;
