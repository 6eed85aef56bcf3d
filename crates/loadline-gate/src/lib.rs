//! Scan reports, ignores and policy in; a verdict out.
//!
//! The gate never scans. It reads what a scanner (Trivy) wrote about one platform's image, makes sure
//! that the report speaks of *that* image, sets aside what the ignores cover, and holds the rest
//! against the policy. A report that is missing or cannot be read is a failure, so the verdict is
//! `unknown`; a report about another image is a finding, so the verdict is `fail`.
//!
//! ```
//! use loadline_core::{Digest, Platform, Verdict};
//! use loadline_gate::{GatePolicy, GateSubject, Ignores, Request, evaluate};
//!
//! let subject = GateSubject {
//!     image: "daemon".to_owned(),
//!     platform: Platform::new("linux", "amd64", None),
//!     manifest_digest: Digest::of(b"manifest"),
//!     config_digest: Digest::of(b"config"),
//!     diff_ids: vec![Digest::of(b"layer")],
//! };
//! let outcome = evaluate(&Request {
//!     subject: &subject,
//!     report: None,
//!     report_file: None,
//!     ignores: &Ignores::default(),
//!     policy: &GatePolicy::default(),
//!     previous: None,
//!     now: jiff::Timestamp::UNIX_EPOCH,
//! });
//! assert_eq!(outcome.outcome.verdict(), Verdict::Unknown);
//! ```
//!
//! This room is pure: no network, no clock, no file is opened.

pub mod codes;
mod counts;
mod evaluate;
pub mod ignores;
mod outcome;
mod policy;
mod severity;
mod subject;
pub mod trivy;
mod weighing;

pub use codes::CODES;
pub use counts::Counts;
pub use evaluate::{Previous, Request, evaluate, evaluate_set};
pub use ignores::{Ignores, IgnoresError};
pub use outcome::{GateOutcome, Ignored, SetOutcome, Weighed};
pub use policy::{GatePolicy, Mode, UnknownSeverity};
pub use severity::{Severity, SeverityError};
pub use subject::{BoundBy, GateSubject};
