//! Trust roots: whose certificates, logs and timestamps are believed.

mod root;
mod roots;
mod update;

pub use root::{Instance, Part, PartKind, ROOT_LIMIT, TrustError, TrustRoot};
pub use roots::TrustRoots;
pub use update::{Cache, Mirror, fetch};
