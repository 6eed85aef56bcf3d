//! The rules, each in a file of its own.

pub mod region_file;
pub mod region_markers;
pub mod shared_region_context;
pub mod shared_region_drift;
