//! One release: the plan, the ledger, the steps in their order, promotion.
//!
//! [`plan::Plan`] says what is going to happen; [`release::Release`] makes it happen, step by step, each
//! effect announced in the [`ledger`] before and recorded after; [`document::ReleaseDocument`] says what
//! came of it. Nothing is tagged before the whole set is built, attested, verified and gated.

pub mod codes;
pub mod current;
pub mod document;
mod effect;
mod error;
pub mod event;
pub mod git;
pub mod github;
pub mod join;
pub mod ledger;
pub mod leg;
pub mod legs;
pub mod matrix;
pub mod plan;
pub mod promote;
pub mod release;
pub mod rollback;
mod statement;
mod steps;
pub mod store;
mod tagged;
pub mod workshop;

pub use codes::CODES;
pub use error::{Ended, ReleaseError};
