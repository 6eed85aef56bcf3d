//! One release: the plan, the ledger, the steps in their order, promotion.

pub mod git;
pub mod ledger;
