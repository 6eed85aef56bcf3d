//! Rules over a repository: shared regions that must stay byte-identical, and what mends them.
//!
//! [`check`] looks at the shared regions of a [`Tree`], the work tree or git's index, and says what is wrong; it writes
//! nothing. [`check_images`] looks at the Dockerfiles of a release set. [`examine`] does both and all that a
//! configuration asks for beside: pins, workflows, ignores, levels. [`fix`] copies the canonical region over the others. [`list`] shows the regions,
//! [`init`] marks the longest run of lines that files have in common.
//!
//! There is no network here, and no cryptography: a hook builds this room alone.

mod cached;
pub mod check;
pub mod cli;
pub mod codes;
pub mod diff;
pub mod discover;
mod expression;
pub mod files;
pub mod fix;
pub mod git;
mod hidden;
pub mod ignores;
pub mod images;
pub mod init;
pub mod levels;
pub mod list;
mod parsed;
mod possible;
pub mod repository;
pub mod rules;
pub mod tree;
pub mod visible;
pub mod workflow;
mod workflows;
mod write;
pub mod yaml;

pub use check::{CheckRequest, check};
pub use codes::CODES;
pub use images::{ImageSpec, ImagesRequest, check_images};
pub use repository::{Repository, examine};
pub use tree::{ReadError, Snapshot, Tree, WorkTree};
