//! A policy as it is written: a file, a configuration's `[verify]`, or a command line's arguments. All three are
//! this document first, so that they mean the same.

use jiff::SignedDuration;
use loadline_core::predicate;
use schemars::JsonSchema;
use semver::VersionReq;
use serde::Deserialize;
use thiserror::Error;

use crate::demand::IndexEvidence;
use crate::policy::{Policy, PolicyBuilder};
use crate::rules::age::MaxAge;
use crate::rules::base_images::BaseImages;
use crate::rules::build_type::BuildType;
use crate::rules::builder::Builder;
use crate::rules::commit::{Commit, SameCommit};
use crate::rules::git_ref::GitRef;
use crate::rules::identity::{GITHUB_ISSUER, IdentityRule, SubjectRule};
use crate::rules::repository_id::RepositoryId;
use crate::rules::runner::NoSelfHosted;
use crate::rules::source_repository::SourceRepository;
use crate::rules::timestamp_authority::TimestampAuthority;
use crate::rules::workflow::Workflow;
use crate::text::{PatternError, TextRule};

/// The schema's name and version, which a policy file begins with.
pub const SCHEMA: &str = "loadline/policy/v1";

/// The largest policy file that is read, in bytes.
pub const POLICY_LIMIT: u64 = 1 << 20;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is no TOML, or a key or value has no place in it.
    #[error("{reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
    /// It is of another version.
    #[error("it is a `{found}`, and this program reads `{SCHEMA}`: write `schema = \"{SCHEMA}\"`")]
    Schema {
        /// The schema that it names.
        found: String,
    },
    /// Nobody is named who may sign.
    #[error(
        "the policy does not say who signs: name an identity (`[[identity]]`, --certificate-identity, --signer-workflow, --repo, --key, or `signer-workflow` under `[verify]`)"
    )]
    NoIdentity,
    /// An identity names nobody, or several at once.
    #[error(
        "identity {number} names {what}: it takes one of subject, signer-workflow, signer-repository and key"
    )]
    Identity {
        /// Which one, counted from 1.
        number: usize,
        /// What it names.
        what: String,
    },
    /// A workflow's path counts from a repository, and none is named.
    #[error(
        "identity {number}: the workflow `{workflow}` counts from a repository, and none is named: set signer-repository or the source's repository"
    )]
    Homeless {
        /// Which one, counted from 1.
        number: usize,
        /// The workflow.
        workflow: String,
    },
    /// A pattern is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A range of versions is none.
    #[error("`{text}` is no range of versions ({reason}): write `>=1.2, <2`, for example")]
    Versions {
        /// As given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A duration is none.
    #[error("`{text}` is no duration: write a number and one of m, h, d and w, `30d` for example")]
    Duration {
        /// As given.
        text: String,
    },
    /// A predicate is neither a short name nor a type.
    #[error("`{name}` is no predicate: use one of {}, or a predicate type", known())]
    Predicate {
        /// As given.
        name: String,
    },
    /// A key cannot be read.
    #[error("{reason}")]
    Key {
        /// Why.
        reason: String,
    },
}

fn known() -> String {
    predicate::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A policy as it is written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyDocument {
    /// `loadline/policy/v1`.
    #[schemars(skip)]
    pub schema: String,
    /// Who may sign: any one of these.
    #[serde(default)]
    pub identity: Vec<IdentityDocument>,
    /// What it must be built from.
    #[serde(default)]
    pub source: SourceDocument,
    /// How it must be built.
    #[serde(default)]
    pub build: BuildDocument,
    /// What must be proven, and by whom else.
    #[serde(default)]
    pub evidence: EvidenceDocument,
    /// Who is believed.
    #[serde(default)]
    pub trust: TrustDocument,
}

/// A text: exactly this one, or a pattern over the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum TextDocument {
    /// Exactly this text.
    Exact(String),
    /// A regular expression that must match from the first character to the last.
    Pattern {
        /// The expression; `^` and `$` need not be written.
        pattern: String,
    },
}

impl TextDocument {
    fn rule(&self) -> Result<TextRule, PatternError> {
        match self {
            Self::Exact(text) => Ok(TextRule::exact(text)),
            Self::Pattern { pattern } => TextRule::pattern(pattern),
        }
    }
}

/// One who may sign: a certificate's subject, a workflow, any workflow of a repository, or a key.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct IdentityDocument {
    /// The certificate's subject.
    pub subject: Option<TextDocument>,
    /// The workflow that holds the key: a path in the signer's repository, or
    /// `github.com/OWNER/REPO/.github/workflows/FILE[@REF]`.
    pub signer_workflow: Option<String>,
    /// The repository whose workflows sign; the source's where only a workflow is named.
    pub signer_repository: Option<String>,
    /// A file with a public key in PEM.
    pub key: Option<String>,
    /// Who vouches for the subject; GitHub Actions where it is not said.
    pub issuer: Option<TextDocument>,
    /// The versions it may sign, `>=1.2, <2` for example; all where it is not said.
    pub versions: Option<String>,
}

/// What it must be built from, by the certificate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SourceDocument {
    /// The repository, `github.com/OWNER/REPO`.
    pub repository: Option<String>,
    /// The forge's number of the repository; it survives a rename.
    pub repository_id: Option<u64>,
    /// The top workflow that was started, `.github/workflows/FILE`.
    pub workflow: Option<String>,
    /// The git ref that the workflow ran for, `refs/tags/v1.2.3`.
    #[serde(rename = "ref")]
    pub git_ref: Option<TextDocument>,
    /// The commit that was built, in full.
    pub commit: Option<String>,
    /// Whether the commit that was built may differ from the workflow's.
    pub allow_other_commit: bool,
}

/// How it must be built.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BuildDocument {
    /// The provenance's build types, any one of these.
    pub types: Vec<TextDocument>,
    /// The provenance's builders, any one of these.
    pub builders: Vec<TextDocument>,
    /// What every base image that the provenance names must be: `pkg:docker/…` or `pkg:oci/…` without its query.
    pub base_images: Option<Vec<TextDocument>>,
    /// Whether it may be built on self-hosted runners.
    pub self_hosted: bool,
}

impl Default for BuildDocument {
    fn default() -> Self {
        Self { types: Vec::new(), builders: Vec::new(), base_images: None, self_hosted: true }
    }
}

/// What must be proven, and by whom else.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EvidenceDocument {
    /// The predicates that must be proven of every platform, by short name or type; none demands any good
    /// signature.
    pub predicates: Vec<String>,
    /// Which predicates about an index count for the images it names: `nothing`, `provenance` (with
    /// verification summaries and plain signatures), or `everything`.
    pub of_index: IndexEvidenceDocument,
    /// How long ago it may be signed at most: `12h`, `30d`.
    pub max_age: Option<String>,
    /// The timestamp authorities that may vouch for the time; any of the trust root where none is named.
    pub timestamp_authorities: Vec<TextDocument>,
    /// Whether the log itself is asked if it still includes the entry.
    pub log_online: bool,
}

/// Which predicates about an index count for the images it names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IndexEvidenceDocument {
    /// None.
    Nothing,
    /// Provenance, verification summaries and plain signatures.
    #[default]
    Provenance,
    /// All.
    Everything,
}

/// Who is believed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrustDocument {
    /// The trust roots: `public-good`, `github`, `staging`, or files (`trusted_root.json`); the public-good
    /// instance's and GitHub's where none is named.
    pub roots: Vec<String>,
    /// Whether a key's signature is enough by itself, without log entry or timestamp.
    pub key_alone: bool,
}

/// Reads a key's file: the SHA-256 digest of its SubjectPublicKeyInfo, in hexadecimal, or why not.
pub type KeyReader<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

impl PolicyDocument {
    /// Reads a policy file.
    ///
    /// # Errors
    /// What is no TOML, has an unknown key, or is of another version; the message names line and column.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let document: Self = toml::from_str(text)
            .map_err(|error| PolicyError::Malformed { reason: error.to_string().trim_end().to_owned() })?;
        if document.schema != SCHEMA {
            return Err(PolicyError::Schema { found: document.schema });
        }
        Ok(document)
    }

    /// The policy that it means.
    ///
    /// # Errors
    /// No identity at all, one that names nobody or several, and values that are not what they should be.
    pub fn policy(&self, read_key: KeyReader<'_>) -> Result<Policy, PolicyError> {
        let mut identities = Vec::new();
        for (position, identity) in self.identity.iter().enumerate() {
            identities.push(self.identity(position + 1, identity, read_key)?);
        }
        let mut identities = identities.into_iter();
        let first = identities.next().ok_or(PolicyError::NoIdentity)?;
        let policy = identities.fold(Policy::builder().identity(first), PolicyBuilder::or_identity);
        let policy = self.evidence_rules(self.build_rules(self.source_rules(policy)?)?)?;
        Ok(policy.build())
    }

    /// The predicate types that must be proven.
    ///
    /// # Errors
    /// A name that is neither a short name nor a type.
    pub fn predicate_types(&self) -> Result<Vec<String>, PolicyError> {
        self.evidence
            .predicates
            .iter()
            .map(|name| {
                predicate::predicate_type(name)
                    .map(str::to_owned)
                    .ok_or_else(|| PolicyError::Predicate { name: name.clone() })
            })
            .collect()
    }

    fn identity(
        &self,
        number: usize,
        identity: &IdentityDocument,
        read_key: KeyReader<'_>,
    ) -> Result<IdentityRule, PolicyError> {
        let refuse = |what: &str| PolicyError::Identity { number, what: what.to_owned() };
        let rule = match (
            &identity.subject,
            &identity.signer_workflow,
            &identity.signer_repository,
            &identity.key,
        ) {
            (None, None, None, Some(file)) if identity.issuer.is_none() => {
                IdentityRule::key(read_key(file).map_err(|reason| PolicyError::Key { reason })?)
            }
            (None, None, None, Some(_)) => {
                return Err(refuse("a key and an issuer; nobody vouches for keys"));
            }
            (Some(subject), None, None, None) => {
                let issuer = identity.issuer.as_ref().ok_or_else(|| {
                    refuse("a subject without the issuer that vouches for it; anybody may hand out names")
                })?;
                IdentityRule::certificate(SubjectRule::Text(subject.rule()?), issuer.rule()?)
            }
            (None, Some(workflow), repository, None) => {
                let home = repository.as_deref().or(self.source.repository.as_deref()).unwrap_or_default();
                let subject = SubjectRule::workflow(home, workflow);
                if matches!(&subject, SubjectRule::Workflow { repository, .. } if repository.is_empty()) {
                    return Err(PolicyError::Homeless { number, workflow: workflow.clone() });
                }
                IdentityRule::certificate(subject, issuer(identity)?)
            }
            (None, None, Some(repository), None) => {
                IdentityRule::certificate(SubjectRule::Repository(repository.clone()), issuer(identity)?)
            }
            (None, None, None, None) => return Err(refuse("nobody")),
            _ => return Err(refuse("several at once")),
        };
        match &identity.versions {
            None => Ok(rule),
            Some(text) => match VersionReq::parse(text) {
                Ok(range) => Ok(rule.for_versions(range)),
                Err(error) => Err(PolicyError::Versions { text: text.clone(), reason: error.to_string() }),
            },
        }
    }

    fn source_rules(&self, mut policy: PolicyBuilder) -> Result<PolicyBuilder, PolicyError> {
        let source = &self.source;
        if let Some(repository) = &source.repository {
            policy = policy.rule(SourceRepository(repository.clone()));
        }
        if let Some(id) = source.repository_id {
            policy = policy.rule(RepositoryId(id.to_string()));
        }
        if let Some(workflow) = &source.workflow {
            policy = policy.rule(Workflow(workflow.clone()));
        }
        if let Some(git_ref) = &source.git_ref {
            policy = policy.rule(GitRef(git_ref.rule()?));
        }
        if let Some(commit) = &source.commit {
            policy = policy.rule(Commit { commit: commit.clone() });
        }
        Ok(if source.allow_other_commit { policy } else { policy.rule(SameCommit) })
    }

    fn build_rules(&self, mut policy: PolicyBuilder) -> Result<PolicyBuilder, PolicyError> {
        let build = &self.build;
        if !build.types.is_empty() {
            policy = policy.rule(BuildType(rules(&build.types)?));
        }
        if !build.builders.is_empty() {
            policy = policy.rule(Builder(rules(&build.builders)?));
        }
        if let Some(images) = &build.base_images {
            policy = policy.rule(BaseImages(rules(images)?));
        }
        Ok(if build.self_hosted { policy } else { policy.rule(NoSelfHosted) })
    }

    fn evidence_rules(&self, mut policy: PolicyBuilder) -> Result<PolicyBuilder, PolicyError> {
        let evidence = &self.evidence;
        if let Some(age) = &evidence.max_age {
            policy = policy.rule(MaxAge(duration(age)?));
        }
        if !evidence.timestamp_authorities.is_empty() {
            policy = policy.rule(TimestampAuthority(rules(&evidence.timestamp_authorities)?));
        }
        Ok(policy.index_evidence(match evidence.of_index {
            IndexEvidenceDocument::Nothing => IndexEvidence::Nothing,
            IndexEvidenceDocument::Provenance => IndexEvidence::Provenance,
            IndexEvidenceDocument::Everything => IndexEvidence::Everything,
        }))
    }
}

fn issuer(identity: &IdentityDocument) -> Result<TextRule, PatternError> {
    identity.issuer.as_ref().map_or_else(|| Ok(TextRule::exact(GITHUB_ISSUER)), TextDocument::rule)
}

fn rules(texts: &[TextDocument]) -> Result<Vec<TextRule>, PatternError> {
    texts.iter().map(TextDocument::rule).collect()
}

/// A number and its unit: minutes, hours, days or weeks.
fn duration(text: &str) -> Result<SignedDuration, PolicyError> {
    let refuse = || PolicyError::Duration { text: text.to_owned() };
    let unit = text.chars().last().ok_or_else(refuse)?;
    let hours = match unit {
        'm' => None,
        'h' => Some(1),
        'd' => Some(24),
        'w' => Some(7 * 24),
        _ => return Err(refuse()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| refuse())?;
    Ok(match hours {
        Some(hours) => SignedDuration::from_hours(i64::from(number) * hours),
        None => SignedDuration::from_mins(i64::from(number)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "schema = \"loadline/policy/v1\"\n";

    fn no_keys(file: &str) -> Result<String, String> {
        Err(format!("no file {file}"))
    }

    fn lines(text: &str) -> Result<Vec<String>, PolicyError> {
        PolicyDocument::from_toml(&format!("{HEAD}{text}"))?.policy(&mut no_keys).map(|policy| policy.lines())
    }

    #[test]
    fn everything_that_can_be_said() {
        let text = r#"
[[identity]]
signer-workflow = ".github/workflows/release.yml"
versions = ">=2"
[[identity]]
subject = { pattern = "https://github\\.com/acme/.*" }
issuer = "https://issuer.example"
versions = "<2"
[[identity]]
signer-repository = "github.com/acme/ci"
issuer = { pattern = "https://[a-z.]+" }
[[identity]]
key = "release.pub"
[source]
repository = "github.com/acme/widget"
repository-id = 4711
workflow = ".github/workflows/top.yml"
ref = { pattern = "refs/tags/v.*" }
commit = "0123456789abcdef0123456789abcdef01234567"
allow-other-commit = true
[build]
types = ["https://example.com/type"]
builders = [{ pattern = "https://github.com/acme/.*" }]
base-images = ["pkg:docker/debian@12"]
self-hosted = false
[evidence]
predicates = ["cyclonedx", "https://example.com/mine"]
of-index = "everything"
max-age = "30d"
timestamp-authorities = ["https://tsa.example"]
log-online = true
[trust]
roots = ["public-good", "own.json"]
key-alone = true
"#;
        let document = PolicyDocument::from_toml(&format!("{HEAD}{text}")).unwrap();
        assert_eq!(
            document.predicate_types().unwrap(),
            ["https://cyclonedx.org/bom", "https://example.com/mine"]
        );
        let mut read = Vec::new();
        let mut read_key = |file: &str| {
            read.push(file.to_owned());
            Ok("ab".repeat(32))
        };
        let lines = document.policy(&mut read_key).unwrap().lines();
        assert_eq!(read, ["release.pub"]);
        let expected = [
            "signed by the workflow github.com/acme/widget/.github/workflows/release.yml (issuer `https://token.actions.githubusercontent.com`) for versions >=2",
            r"signed by the pattern `https://github\.com/acme/.*` (issuer `https://issuer.example`) for versions <2",
            "signed by any workflow of github.com/acme/ci (issuer the pattern `https://[a-z.]+`)",
            "signed by the key abababababababababababababababababababababababababababababababab",
            "base images are `pkg:docker/debian@12`",
            "build type is `https://example.com/type`",
            "builder is the pattern `https://github.com/acme/.*`",
            "built commit is 0123456789abcdef0123456789abcdef01234567",
            "no self-hosted runner",
            "signed at most 30 days ago",
            "source ref is the pattern `refs/tags/v.*`",
            "source repository id is 4711",
            "source repository is github.com/acme/widget",
            "time vouched for by `https://tsa.example`",
            "top workflow is .github/workflows/top.yml",
            "all evidence about an index counts for the images it names",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn there_is_no_policy_without_an_identity() {
        assert_eq!(lines("").unwrap_err(), PolicyError::NoIdentity);
        assert_eq!(lines("[source]\nrepository = \"github.com/a/b\"").unwrap_err(), PolicyError::NoIdentity);
        for (text, says) in [
            ("[[identity]]", "names nobody"),
            ("[[identity]]\nissuer = \"https://i\"", "names nobody"),
            ("[[identity]]\nsubject = \"a\"", "without the issuer"),
            ("[[identity]]\nsubject = \"a\"\nissuer = \"b\"\nkey = \"k\"", "several at once"),
            ("[[identity]]\nkey = \"k\"\nissuer = \"b\"", "nobody vouches for keys"),
            ("[[identity]]\nkey = \"k\"", "no file k"),
            ("[[identity]]\nsigner-workflow = \".github/workflows/r.yml\"", "counts from a repository"),
            ("[[identity]]\nsubject = { pattern = \"(\" }\nissuer = \"b\"", "regular expression"),
            ("[[identity]]\nsigner-repository = \"a/b\"\nversions = \"two\"", "no range of versions"),
            ("[[identity]]\nsigner-repository = \"a/b\"\n[evidence]\nmax-age = \"30\"", "no duration"),
            ("[[identity]]\nsigner-repository = \"a/b\"\n[evidence]\nmax-age = \"xd\"", "no duration"),
            ("[[idenity]]", "idenity"),
            ("[source]\nrepositry = \"x\"", "line 3"),
        ] {
            let error = lines(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let other = PolicyDocument::from_toml("schema = \"loadline/policy/v2\"").unwrap_err();
        assert_eq!(other, PolicyError::Schema { found: "loadline/policy/v2".into() });
        assert!(PolicyDocument::from_toml("").unwrap_err().to_string().contains("schema"));
    }

    #[test]
    fn durations() {
        for (text, minutes) in [("90m", 90), ("12h", 720), ("2d", 2880), ("1w", 10080), ("0m", 0)] {
            assert_eq!(duration(text).unwrap().as_mins(), minutes, "{text}");
        }
        for text in ["", "d", "-1d", "1.5h", "1y", "é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
