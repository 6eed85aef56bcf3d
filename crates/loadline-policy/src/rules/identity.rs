//! Who signed: a certificate's subject and issuer, or a key.

use std::fmt;

use loadline_core::Finding;
use loadline_core::proof::{Proof, Signer};
use semver::VersionReq;

use crate::codes::{IDENTITY_MISMATCH, ISSUER_MISMATCH, KEY_MISMATCH, SIGNER_WORKFLOW_MISMATCH};
use crate::judge::JudgeContext;
use crate::text::TextRule;
use crate::uri::{WorkflowUri, bare_repository, same_repository};

/// The issuer of GitHub Actions' tokens.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// One who may sign.
#[derive(Debug, Clone, PartialEq)]
pub enum IdentityRule {
    /// The holder of a certificate.
    Certificate {
        /// The certificate's subject.
        subject: SubjectRule,
        /// The OIDC issuer that vouched for it.
        issuer: TextRule,
        /// The versions it may sign; `None` means all.
        versions: Option<VersionReq>,
    },
    /// The holder of a long-lived key.
    Key {
        /// The SHA-256 digest of its DER SubjectPublicKeyInfo, in hexadecimal.
        spki_sha256: String,
        /// The versions it may sign; `None` means all.
        versions: Option<VersionReq>,
    },
}

/// A rule about a certificate's subject.
#[derive(Debug, Clone, PartialEq)]
pub enum SubjectRule {
    /// The whole of it.
    Text(TextRule),
    /// A workflow file: whichever ref it was taken from, unless one is demanded.
    Workflow {
        /// The repository the file lives in; it may differ from the source's.
        repository: String,
        /// The file.
        path: String,
        /// The ref it must be taken from.
        reference: Option<TextRule>,
    },
    /// Any workflow of a repository.
    Repository(String),
}

impl IdentityRule {
    /// A certificate's subject and issuer.
    pub fn certificate(subject: SubjectRule, issuer: TextRule) -> Self {
        Self::Certificate { subject, issuer, versions: None }
    }

    /// Exactly this subject and issuer.
    pub fn exact(subject: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self::certificate(SubjectRule::Text(TextRule::exact(subject)), TextRule::exact(issuer))
    }

    /// A workflow of GitHub Actions, given as `.github/workflows/build.yml` of that repository, or as
    /// `github.com/OWNER/REPO/.github/workflows/build.yml[@REF]` where it lives in another.
    pub fn github_workflow(repository: &str, workflow: &str) -> Self {
        Self::certificate(SubjectRule::workflow(repository, workflow), TextRule::exact(GITHUB_ISSUER))
    }

    /// The holder of a long-lived key.
    pub fn key(spki_sha256: impl Into<String>) -> Self {
        Self::Key { spki_sha256: spki_sha256.into(), versions: None }
    }

    /// Limits it to a range of versions. A judgement that names no version is outside every range.
    #[must_use]
    pub fn for_versions(mut self, range: VersionReq) -> Self {
        match &mut self {
            Self::Certificate { versions, .. } | Self::Key { versions, .. } => *versions = Some(range),
        }
        self
    }

    fn versions(&self) -> Option<&VersionReq> {
        match self {
            Self::Certificate { versions, .. } | Self::Key { versions, .. } => versions.as_ref(),
        }
    }

    fn in_range(&self, context: &JudgeContext) -> bool {
        self.versions()
            .is_none_or(|range| context.version.as_ref().is_some_and(|version| range.matches(version)))
    }
}

impl SubjectRule {
    /// A workflow file, of this repository or of the one that the text names.
    pub fn workflow(repository: &str, workflow: &str) -> Self {
        let bare = bare_repository(workflow);
        let (location, reference) = match bare.split_once('@') {
            Some((location, reference)) => (location, Some(TextRule::exact(reference))),
            None => (bare, None),
        };
        let host = location.split('/').next().unwrap_or("");
        let named = host.contains('.') && !host.starts_with('.');
        let end = location.match_indices('/').nth(2).map(|(at, _)| at);
        match end.filter(|_| named) {
            Some(end) => Self::Workflow {
                repository: location[..end].to_owned(),
                path: location[end + 1..].to_owned(),
                reference,
            },
            None => Self::Workflow {
                repository: bare_repository(repository).to_owned(),
                path: location.to_owned(),
                reference,
            },
        }
    }

    fn allows(&self, subject: &str) -> bool {
        let uri = || WorkflowUri::parse(subject);
        match self {
            Self::Text(rule) => rule.allows(subject),
            Self::Repository(repository) => {
                uri().is_some_and(|uri| same_repository(&uri.repository, repository))
            }
            Self::Workflow { repository, path, reference } => uri().is_some_and(|uri| {
                same_repository(&uri.repository, repository)
                    && uri.path == *path
                    && reference.as_ref().is_none_or(|rule| rule.allows(&uri.reference))
            }),
        }
    }
}

pub(crate) fn judge(identities: &[IdentityRule], proof: &Proof, context: &JudgeContext) -> Vec<Finding> {
    let able: Vec<&IdentityRule> = identities.iter().filter(|rule| rule.in_range(context)).collect();
    let expected = |rules: &mut dyn Iterator<Item = String>| rules.collect::<Vec<_>>().join(", or ");
    if able.is_empty() {
        let version = context.version.as_ref().map_or("no version".to_owned(), |v| format!("version {v}"));
        return vec![Finding::error(
            &IDENTITY_MISMATCH,
            format!(
                "no identity of the policy holds for {version}; it has {}",
                expected(&mut identities.iter().map(ToString::to_string))
            ),
        )];
    }
    match &proof.signer {
        Signer::Key { spki_sha256: actual } => {
            let matches = |rule: &&IdentityRule| matches!(rule, IdentityRule::Key { spki_sha256, .. } if spki_sha256 == actual);
            if able.iter().any(matches) {
                return Vec::new();
            }
            vec![Finding::error(
                &KEY_MISMATCH,
                format!(
                    "expected it signed by {}, it was signed with the key {actual}",
                    expected(&mut able.iter().map(ToString::to_string))
                ),
            )]
        }
        Signer::Certificate(identity) => {
            let mut issuers = Vec::new();
            for rule in &able {
                let IdentityRule::Certificate { subject, issuer, .. } = rule else { continue };
                match (subject.allows(&identity.subject), issuer.allows(&identity.issuer)) {
                    (true, true) => return Vec::new(),
                    (true, false) => issuers.push(issuer.to_string()),
                    (false, _) => {}
                }
            }
            if !issuers.is_empty() {
                return vec![Finding::error(
                    &ISSUER_MISMATCH,
                    format!(
                        "expected {} to vouch for `{}`, the certificate's issuer is `{}`",
                        issuers.join(", or "),
                        identity.subject,
                        identity.issuer
                    ),
                )];
            }
            let workflows = able.iter().all(|rule| {
                matches!(rule, IdentityRule::Certificate { subject: SubjectRule::Workflow { .. }, .. })
            });
            let code = if workflows { &SIGNER_WORKFLOW_MISMATCH } else { &IDENTITY_MISMATCH };
            vec![Finding::error(
                code,
                format!(
                    "expected it signed by {}, it was signed by `{}`",
                    expected(&mut able.iter().map(ToString::to_string)),
                    identity.subject
                ),
            )]
        }
    }
}

impl fmt::Display for SubjectRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(rule) => rule.fmt(f),
            Self::Repository(repository) => write!(f, "any workflow of {}", bare_repository(repository)),
            Self::Workflow { repository, path, reference } => {
                write!(f, "the workflow {}/{path}", bare_repository(repository))?;
                reference.as_ref().map_or(Ok(()), |reference| write!(f, " at {reference}"))
            }
        }
    }
}

impl fmt::Display for IdentityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { subject, issuer, .. } => write!(f, "{subject} (issuer {issuer})")?,
            Self::Key { spki_sha256, .. } => write!(f, "the key {spki_sha256}")?,
        }
        self.versions().map_or(Ok(()), |range| write!(f, " for versions {range}"))
    }
}
