//! Legs that were built on machines of their own: each leaves a record, and the machine that joins them reads
//! the records, and believes none before the registry says the same.

pub mod codes;
mod examine;
mod record;
mod set;

pub use examine::{Depth, examine};
pub use record::{BoundReport, LegRecord};
pub use set::{LegSet, ReadRecord};
