//! How evidence is made and where it goes: `[attest]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::model::TimeLimit;
use super::read::{Node, Reader};

/// How evidence is made, and where it goes besides the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Attest {
    /// Whether bundles go to GitHub's attestations too; `gh attestation verify` asks there. `auto`: under GitHub
    /// Actions, where the job may.
    #[schemars(extend("default" = "auto"))]
    pub github: GitHubAttestations,
    /// How long an outage of a service that signs is ridden out: 15m in pipelines if absent, not at all elsewhere.
    pub patience: Option<TimeLimit>,
}

/// Whether bundles go to GitHub's attestations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GitHubAttestations {
    /// Under GitHub Actions, where the job may.
    #[default]
    Auto,
    /// Always; what stands in the way is a failure.
    On,
    /// Never.
    Off,
}

impl std::str::FromStr for GitHubAttestations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is none of auto, on and off")),
        }
    }
}

impl Reader<'_> {
    /// `[attest]`.
    pub(super) fn attest(&mut self, node: &Node<'_>) -> Attest {
        let mut attest = Attest::default();
        let Some(mut fields) = self.table(node, "a table") else { return attest };
        if let Some(node) = self.optional(&mut fields, "github") {
            let choices = [
                ("auto", GitHubAttestations::Auto),
                ("on", GitHubAttestations::On),
                ("off", GitHubAttestations::Off),
            ];
            attest.github = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "patience") {
            attest.patience = self.time_limit(&node);
        }
        self.finish(fields);
        attest
    }
}
