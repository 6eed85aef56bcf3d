//! The rules, each in a file of its own.

pub mod action_unpinned;
pub mod base_unpinned;
pub mod build_args;
pub mod called_permissions;
pub mod dockerfile_invalid;
pub mod dockerfile_unlisted;
pub mod dockerignore_open;
pub mod image_contract;
pub mod pin_drift;
pub mod region_file;
pub mod region_markers;
pub mod runner_unpinned;
pub mod secret_in_dockerfile;
pub mod shared_region_context;
pub mod shared_region_drift;
pub mod tool_version_drift;
pub mod workflow_invalid;
pub mod workflow_permissions;
