//! An embedded OCI registry.

pub mod registry;
