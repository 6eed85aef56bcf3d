//! Where evidence is looked for, besides the registry that has the image.

use bytes::Bytes;
use loadline_core::{Digest, Failure};
use loadline_github::{GitHub, Limits as GitHubLimits, Options, RepositorySlug};
use loadline_registry::{Http, Repository};

use crate::codes::{EVIDENCE_LIMIT, EVIDENCE_SOURCE_FAILED};
use crate::gather::{Found, Hanging, Limits};

/// Where evidence is looked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The repository that has the image: its referrers, fallback tags and cosign's `.att` tags. Without it no
    /// connection is made for the image: only its digest itself is judged, by the bundles at hand.
    pub registry: Option<Repository>,
    /// Bundles at hand: files.
    pub bundles: Vec<Found>,
    /// GitHub's attestations of a repository. Asked where nothing else suffices: strangers may ask it a few
    /// times an hour only.
    pub github: Option<GitHubSource>,
    /// Whether what says that it is of a predicate that nobody demands is fetched all the same: to be kept.
    pub everything: bool,
}

/// GitHub's attestations of one repository.
#[derive(Debug, Clone)]
pub struct GitHubSource {
    /// The HTTP client.
    pub http: Http,
    /// How GitHub is called.
    pub options: Options,
    /// The repository whose workflows sign.
    pub repository: RepositorySlug,
}

impl Found {
    /// A bundle at hand.
    pub fn new(source: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { source: source.into(), digest: Digest::of(&bytes), bytes }
    }
}

impl GitHubSource {
    /// What GitHub has of a digest. That it has nothing, or does not show it, is no failure: it answered.
    pub(crate) async fn gather(&self, subject: &Digest, limits: &Limits) -> Hanging {
        let source = format!("GitHub's attestations of {}", self.repository);
        let failed = |why: String| Hanging {
            failures: vec![
                Failure::new(
                    &EVIDENCE_SOURCE_FAILED,
                    format!("{source} could not be asked for {subject}: {why}"),
                )
                .help("run again later, or set GITHUB_TOKEN: strangers may ask a few times an hour only"),
            ],
            ..Hanging::default()
        };
        let client = match self.http.client() {
            Ok(client) => client.clone(),
            Err(error) => return failed(error.to_string()),
        };
        let github = match GitHub::new(client, self.options.clone()) {
            Ok(github) => github,
            Err(error) => return failed(error.to_string()),
        };
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let github_limits = GitHubLimits {
            bundles: limits.referrers,
            bundle_bytes: size(limits.bundle_bytes),
            all_bytes: size(limits.all_bytes),
            parallel: limits.parallel,
            ..GitHubLimits::default()
        };
        let listing = match github.attestations(&self.repository, subject, None, &github_limits).await {
            Ok(listing) => listing,
            Err(error) => return failed(error.to_string()),
        };
        let mut hanging = Hanging::default();
        for error in &listing.errors {
            hanging.failures.extend(failed(error.to_string()).failures);
        }
        if !listing.complete {
            let message = format!("{source} has more of {subject} than is looked at");
            hanging.failures.push(Failure::new(&EVIDENCE_LIMIT, message));
        }
        hanging.found = listing.bundles.into_iter().map(|listed| Found::new(&source, listed.bytes)).collect();
        hanging
    }
}
