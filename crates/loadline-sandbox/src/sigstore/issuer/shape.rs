//! The issuers, one for each shape of claims that Fulcio reads in its own way.

use serde_json::{Map, Value};

use super::TokenRequest;
use crate::sigstore::{GitHubRun, GitLabJob};

/// Whose tokens an issuer's are like, and so what Fulcio wants to find in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The sandbox's own issuer: whatever the claims look like, and none is required beyond the one that
    /// names the identity.
    Any,
    /// GitHub Actions. All of its claims are required.
    GitHub,
    /// GitLab CI. All of its claims are required.
    GitLab,
    /// An email provider: `email`, and `email_verified` is true.
    Email,
    /// A subject that is a URI of `https://sandbox.example`, as SPIFFE-like and custom providers have.
    Uri,
}

/// The host that subjects of [`Shape::Uri`] must have.
pub(crate) const URI_DOMAIN: &str = "https://sandbox.example";

impl Shape {
    /// All issuers, the sandbox's own first.
    pub const ALL: [Self; 5] = [Self::Any, Self::GitHub, Self::GitLab, Self::Email, Self::Uri];

    /// The issuer's path below the sandbox's address.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Any => super::PATH,
            Self::GitHub => "/oidc/github",
            Self::GitLab => "/oidc/gitlab",
            Self::Email => "/oidc/email",
            Self::Uri => "/oidc/uri",
        }
    }

    /// The name of its key's file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Any => "issuer",
            Self::GitHub => "issuer-github",
            Self::GitLab => "issuer-gitlab",
            Self::Email => "issuer-email",
            Self::Uri => "issuer-uri",
        }
    }

    /// What Fulcio's configuration calls it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Any | Self::GitHub | Self::GitLab => "ci-provider",
            Self::Email => "email",
            Self::Uri => "uri",
        }
    }

    /// The claim that the proof of possession signs.
    pub(crate) fn challenge(self) -> &'static str {
        match self {
            Self::Email => "email",
            _ => "sub",
        }
    }

    /// Adds what a token of this shape has beside the claims that were asked for.
    pub(super) fn fill(self, request: &mut TokenRequest) {
        let asked = std::mem::take(&mut request.claims);
        let text = |name: &str, default: &str| {
            asked
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .unwrap_or(default)
                .to_owned()
        };
        let sha = text("sha", "0000000000000000000000000000000000000000");
        let whole = match self {
            Self::Any | Self::Uri => TokenRequest::new(""),
            Self::Email => TokenRequest::email(text("email", &request.subject)),
            Self::GitHub => {
                let repository = text("repository", "acme/widget");
                let git_ref = text("ref", "refs/heads/main");
                GitHubRun::new(&repository, &git_ref, &sha, ".github/workflows/build.yml").token_request()
            }
            Self::GitLab => {
                let mut job =
                    GitLabJob::new(&text("project_path", "acme/widget"), &text("ref", "main"), &sha);
                if text("ref_type", "branch") == "tag" {
                    "tag".clone_into(&mut job.ref_type);
                    job.ci_config_ref_uri = job.ci_config_ref_uri.replace("@refs/heads/", "@refs/tags/");
                }
                job.token_request()
            }
        };
        if request.subject.is_empty() {
            request.subject = whole.subject;
        }
        let mut claims: Map<String, Value> = whole.claims;
        claims.extend(asked);
        request.claims = claims;
    }
}
