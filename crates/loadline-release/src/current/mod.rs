//! Is it current: what an image is made from, carried by it as a key, and held against what there is now.

mod bases;
mod key;
mod status;

pub use key::{ANNOTATION, Key, KeyError, KeySource};
pub use status::{Evidence, ImageStatus, Inquiry, State, StatusDocument};
