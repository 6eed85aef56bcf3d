//! What was proven and a policy, to a verdict.
//!
//! The page an auditor reads: no network, no crypto, no clock. `loadline-sigstore` turns a bundle into
//! a [`Proof`](loadline_core::proof::Proof); [`judge`] holds the proof against a [`Policy`]; and
//! [`add_up`] says, for a digest and a demanded predicate, what all candidates come to together. One
//! rule a file, under `rules/`.
//!
//! A policy cannot be built without an identity, patterns are always anchored, and a rule that the
//! certificate says nothing about is not satisfied.

mod add_up;
mod codes;
mod demand;
pub mod document;
mod judge;
mod policy;
mod provenance;
pub mod rules;
mod text;
mod tree;
mod uri;

pub use add_up::{Candidate, Gathered, Judged, add_up};
pub use codes::*;
pub use demand::{Demand, IndexEvidence, Target, demands};
pub use document::{PolicyDocument, PolicyError};
pub use judge::{JudgeContext, Rule, judge};
pub use policy::{Policy, PolicyBuilder, PolicyStart};
pub use provenance::{GitDependency, ProvenanceError, Stated, StatedWorkflow};
pub use rules::identity::{IdentityRule, SubjectRule};
pub use text::{PatternError, TextRule};
pub use tree::{Proven, Row, Tree, add_up_all};
pub use uri::{WorkflowUri, same_repository};
