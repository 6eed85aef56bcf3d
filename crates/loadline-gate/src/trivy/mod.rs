//! Trivy's JSON reports, schema version 2, and the shapes that came before and beside it.

mod fields;
mod report;

pub use report::{
    MAX_REPORT_BYTES, Metadata, ModifiedFinding, Report, ReportError, ResultEntry, Shape, Vulnerability,
};
