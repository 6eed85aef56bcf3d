//! What the gate says: the verdict, and what it weighed on the way.

use loadline_core::{Location, Outcome, Platform};

use crate::counts::Counts;
use crate::severity::Severity;
use crate::subject::{BoundBy, GateSubject};
use crate::trivy::{ResultEntry, Vulnerability};

/// One vulnerability of one package, as it was weighed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weighed {
    /// Its severity.
    pub severity: Severity,
    /// `CVE-…`, `GHSA-…`, …
    pub id: String,
    /// The package's name.
    pub package: String,
    /// The version that is installed.
    pub installed: String,
    /// The versions that mend it; empty when there is none.
    pub fixed: String,
    /// What was scanned: the distribution's packages, a lock file, a binary.
    pub target: String,
    /// The file that makes the package; empty for the distribution's packages.
    pub path: String,
    /// Where to read about it; empty where the report does not say.
    pub url: String,
}

impl Weighed {
    pub(crate) fn new(result: &ResultEntry<'_>, vulnerability: &Vulnerability<'_>) -> Self {
        Self {
            severity: vulnerability.severity,
            id: vulnerability.id.to_string(),
            package: vulnerability.package.to_string(),
            installed: vulnerability.installed.to_string(),
            fixed: vulnerability.fixed.to_string(),
            target: result.target.to_string(),
            path: vulnerability.path.to_string(),
            url: vulnerability.url.to_string(),
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let place = if self.path.is_empty() { &self.target } else { &self.path };
        let fixed = if self.fixed.is_empty() {
            "no fixed version".to_owned()
        } else {
            format!("fixed in {}", self.fixed)
        };
        format!("{} ({}) in {} {} at {place}, {fixed}", self.id, self.severity, self.package, self.installed)
    }
}

/// A vulnerability that an ignore covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What is covered.
    pub what: Weighed,
    /// Why, as the ignore says.
    pub statement: Option<String>,
    /// When the ignore lapses, as it is written.
    pub expires: Option<String>,
    /// Where the ignore is written.
    pub location: Location,
}

/// What the gate made of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOutcome {
    /// The image's name.
    pub image: String,
    /// The platform.
    pub platform: Platform,
    /// Findings and failures; the verdict follows from them.
    pub outcome: Outcome,
    /// What ties the report to the image; `None` when nothing does.
    pub bound_by: Option<BoundBy>,
    /// All vulnerabilities of the report, by severity.
    pub counts: Counts,
    /// Those with a fixed version, by severity.
    pub fixable: Counts,
    /// How many were weighed; 0 when the report could not be.
    pub considered: u64,
    /// Those that block, the severest first.
    pub blocking: Vec<Weighed>,
    /// Those that an ignore covers.
    pub ignored: Vec<Ignored>,
    /// How many over the line do not block because they have no fixed version.
    pub unfixed: u64,
    /// How many over the line do not block because the previous release had them.
    pub known: u64,
    /// Which of the ignores matched something; as long as the list of ignores.
    pub(crate) matched: Option<Vec<bool>>,
}

impl GateOutcome {
    pub(crate) fn new(subject: &GateSubject, outcome: Outcome) -> Self {
        Self {
            image: subject.image.clone(),
            platform: subject.platform.clone(),
            outcome,
            bound_by: None,
            counts: Counts::default(),
            fixable: Counts::default(),
            considered: 0,
            blocking: Vec::new(),
            ignored: Vec::new(),
            unfixed: 0,
            known: 0,
            matched: None,
        }
    }
}

/// What the gate made of several platforms and images together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOutcome {
    /// Each request's outcome, in order; without what concerns the ignores themselves.
    pub members: Vec<GateOutcome>,
    /// All findings and failures, those about the ignores once.
    pub outcome: Outcome,
}
