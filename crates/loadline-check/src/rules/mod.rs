//! The rules, each in a file of its own.

pub mod base_unpinned;
pub mod build_args;
pub mod dockerfile_invalid;
pub mod dockerfile_unlisted;
pub mod image_contract;
pub mod region_file;
pub mod region_markers;
pub mod secret_in_dockerfile;
pub mod shared_region_context;
pub mod shared_region_drift;
pub mod tool_version_drift;
