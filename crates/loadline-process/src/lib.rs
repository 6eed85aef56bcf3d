//! The one runner of child processes.
//!
//! Nothing else in the workspace starts a program. An [`Invocation`] says what to run and within which
//! bounds; [`Invocation::run`] runs it: in an explicit directory, with an allow-listed environment, in a
//! process group of its own that a time limit ends as a whole, with known secrets masked in whatever the
//! child prints. [`Invocation::detach`] starts one that may outlive this process.

mod detached;
mod environment;
mod error;
mod invocation;
mod mask;
mod output;
mod run;

pub use detached::Detached;
pub use environment::{Environment, NETWORK};
pub use error::ProcessError;
pub use invocation::Invocation;
pub use mask::Mask;
pub use output::{Output, Stream};
pub use run::Interrupt;
