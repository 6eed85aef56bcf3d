//! GitHub's attestations as a second place for evidence: where that is asked for and may be.

use loadline_core::config::GitHubAttestations;
use loadline_core::{Finding, Outcome};
use loadline_evidence::{GitHubDestination, Patience, Waiting};
use loadline_github::{GITHUB_PERMISSION, GitHubError};
use tokio::sync::OnceCell;

use crate::error::ReleaseError;
use crate::event::Event;
use crate::release::Release;
use crate::statement::Settled;

/// GitHub's attestations, and whether they are to be used.
#[derive(Debug)]
pub struct GitHubPlace {
    /// Where.
    pub destination: GitHubDestination,
    /// Whether.
    pub mode: GitHubAttestations,
    permitted: OnceCell<Result<(), GitHubError>>,
}

impl GitHubPlace {
    /// This place, used in this mode.
    pub fn new(destination: GitHubDestination, mode: GitHubAttestations) -> Self {
        Self { destination, mode, permitted: OnceCell::new() }
    }

    /// Whether evidence goes there; the missing permission where it does not.
    ///
    /// # Errors
    /// GitHub could not be asked; a permission is missing and the place was demanded.
    pub async fn is_open(
        &self,
        patience: &Patience,
        tell: impl Fn(&Waiting),
    ) -> Result<Result<(), &GitHubError>, GitHubError> {
        let GitHubDestination { client, repository } = &self.destination;
        let asked = self
            .permitted
            .get_or_try_init(|| async {
                match patience.wait_out(|| client.may_attest(repository), tell).await {
                    Err(error) if !error.is_permission() => Err(error),
                    answer => Ok(answer),
                }
            })
            .await?;
        match (asked, self.mode) {
            (Err(error), GitHubAttestations::On) => Err(error.clone()),
            (Ok(()), _) => Ok(Ok(())),
            (Err(error), _) => Ok(Err(error)),
        }
    }
}

/// What to do about a missing permission.
pub fn permission_missing(error: &GitHubError) -> Finding {
    Finding::warning(&GITHUB_PERMISSION, format!("evidence does not go to GitHub's attestations: {error}")).help(
        "give the job `permissions: attestations: write`, or say `github = \"off\"` under `[attest]`; consumers \
         find the evidence at the registry",
    )
}

impl Release<'_> {
    /// Tells that something is waited for.
    pub(crate) fn waiting(&self, part: &str, waiting: &Waiting) {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.listener.hear(&Event::Waiting {
            part: part.to_owned(),
            reason: waiting.reason.clone(),
            wait_ms: ms(waiting.wait),
            left_ms: ms(waiting.left),
        });
    }

    /// Says before anything is built whether evidence can go to GitHub.
    pub(crate) async fn look_at_github(&self) -> Result<Outcome, ReleaseError> {
        let Some(place) = self.github else { return Ok(Outcome::new()) };
        let open = place.is_open(&self.patience, |waiting| self.waiting("GitHub's attestations", waiting));
        Ok(match open.await? {
            Ok(()) => Outcome::new(),
            Err(error) => Outcome::from(vec![permission_missing(error)]),
        })
    }

    /// Adds a bundle to GitHub's attestations, where it may go there. Whether it was there.
    pub(crate) async fn add_to_github(
        &self,
        statement: &Settled,
        bundle: &[u8],
    ) -> Result<bool, ReleaseError> {
        let (Some(place), Some(subject)) = (self.github, statement.subjects.first()) else { return Ok(true) };
        let destination = &place.destination;
        let key = format!("github {} {}", destination.repository, statement.digest);
        if self.ledger.result::<bool>(&key)?.is_some() {
            return Ok(true);
        }
        let tell = |waiting: &Waiting| self.waiting(&statement.name, waiting);
        if place.is_open(&self.patience, tell).await?.is_err() {
            return Ok(true);
        }
        self.ledger.intent(&key)?;
        let add = || destination.add(&subject.digest, statement.predicate_type, bundle);
        let added = self.patience.wait_out(add, tell).await?;
        self.ledger.done(&key, &added)?;
        Ok(!added)
    }
}
