//! One release: the plan, the ledger, the steps in their order, promotion.

pub mod event;
pub mod git;
pub mod ledger;
pub mod plan;
pub mod store;
