//! Statements of a release: made once, saved beside the ledger, signed once, attached where they belong.

use futures_util::future::join_all;
use loadline_core::statement::Statement;
use loadline_core::{Digest, Finding};
use loadline_evidence::{Destination, Evidence, budget};
use loadline_registry::Descriptor;
use loadline_sigstore::RekorVersion;
use serde::Serialize;

use crate::codes::SIGNING_INTERRUPTED;
use crate::effect::Listings;
use crate::error::ReleaseError;
use crate::plan::PlannedImage;
use crate::release::Release;
use crate::store::Kind;

/// A statement that is settled: what it is called, its bytes, and what it hangs on.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    /// What it is, in words and in the ledger: `cyclonedx daemon linux/arm64`.
    pub(crate) name: String,
    /// The predicate's type.
    pub(crate) predicate_type: &'static str,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// What it hangs on.
    pub(crate) subjects: Vec<Descriptor>,
}

impl Release<'_> {
    /// The statement of this name: as an earlier run saved it, else made now and saved.
    pub(crate) fn settle<P: Serialize>(
        &self,
        name: String,
        predicate_type: &'static str,
        subjects: Vec<Descriptor>,
        make: impl FnOnce() -> Result<Statement<P>, ReleaseError>,
    ) -> Result<Settled, ReleaseError> {
        let key = format!("statement {name}");
        if let Some(digest) = self.ledger.result::<Digest>(&key)?
            && let Some(bytes) = self.store.load_statement(&digest)?
        {
            return Ok(Settled { name, predicate_type, digest, bytes, subjects });
        }
        let bytes = serde_json::to_vec(&make()?)
            .map_err(|source| ReleaseError::Json { what: "a statement", source })?;
        let digest = self.store.save_statement(&bytes)?;
        self.ledger.settle(&key, &digest)?;
        Ok(Settled { name, predicate_type, digest, bytes, subjects })
    }

    /// Whether the ledger and the folder beside it have the statement of this name.
    pub(crate) fn is_settled(&self, name: &str) -> Result<bool, ReleaseError> {
        match self.ledger.result::<Digest>(&format!("statement {name}"))? {
            Some(digest) => Ok(self.store.load_statement(&digest)?.is_some()),
            None => Ok(false),
        }
    }

    /// Holds statements against the places that they go to, before any is signed.
    pub(crate) fn fit<'s>(&self, statements: impl Iterator<Item = &'s Settled>) -> Vec<Finding> {
        let mut places = vec![Destination::BUNDLE];
        if self.github.is_some() {
            places.push(Destination::GITHUB);
        }
        if self.signer.services().rekor().is_some_and(|(_, version)| version == RekorVersion::V1) {
            places.push(Destination::REKOR_V1);
        }
        statements.flat_map(|statement| budget::check(&statement.name, &statement.bytes, &places)).collect()
    }

    /// Signs a statement, unless its bundle is there; a note where an earlier run did not see its signing end.
    pub(crate) async fn sign(&self, statement: &Settled) -> Result<(Vec<u8>, Option<Finding>), ReleaseError> {
        let key = format!("sign {}", statement.digest);
        if let Some(bundle) = self.store.load(Kind::Bundle, &statement.digest)? {
            // The bundle was saved, the record of it perhaps not.
            if self.ledger.result::<Digest>(&key)?.is_none() {
                self.ledger.done(&key, &Digest::of(&bundle))?;
            }
            return Ok((bundle, None));
        }
        let note = self.ledger.interrupted(&key).then(|| {
            Finding::note(
                &SIGNING_INTERRUPTED,
                format!("{} is signed again: an earlier run did not see its signing end", statement.name),
            )
            .about(&statement.digest)
        });
        self.ledger.intent(&key)?;
        let bundle = self
            .patience
            .wait_out(
                || self.signer.sign_statement(&statement.bytes),
                |waiting| self.waiting(&statement.name, waiting),
            )
            .await
            .map_err(|source| ReleaseError::Sign { statement: statement.name.clone(), source })?;
        self.store.save(Kind::Bundle, &statement.digest, &bundle)?;
        self.ledger.done(&key, &Digest::of(&bundle))?;
        Ok((bundle, note))
    }

    /// Hangs a signed statement on all its subjects in all the image's repositories. Whether all was there.
    pub(crate) async fn attach(
        &self,
        image: &PlannedImage,
        statement: &Settled,
        bundle: &[u8],
        listings: &Listings,
    ) -> Result<bool, ReleaseError> {
        let created = self.began_at();
        let evidence = Evidence { bundle, predicate_type: statement.predicate_type, created: &created };
        let evidence = &evidence;
        let repositories = self.repositories(image);
        let places = repositories.iter().zip(&image.repositories).flat_map(|(repository, name)| {
            statement.subjects.iter().map(move |subject| (repository, name, subject))
        });
        let attached = places.map(|(repository, name, subject)| async move {
            let json = |source| ReleaseError::Json { what: "the manifest around a bundle", source };
            let digest = Digest::of(evidence.manifest(subject).map_err(json)?);
            let key = format!("attach {name}@{} {}", subject.digest, statement.digest);
            let recorded: Option<Digest> = self.ledger.result(&key)?;
            if recorded.as_ref() == Some(&digest)
                && listings.has(repository, &subject.digest, &digest).await?
            {
                return Ok::<_, ReleaseError>(true);
            }
            self.ledger.intent(&key)?;
            evidence.push_blobs(repository).await?;
            evidence.attach(repository, subject).await?;
            self.ledger.done(&key, &digest)?;
            Ok(false)
        });
        let mut unchanged = true;
        // All are waited for, also where one fails: what has an effect has its record then.
        for attached in join_all(attached).await {
            unchanged &= attached?;
        }
        unchanged &= self.add_to_github(statement, bundle).await?;
        Ok(unchanged)
    }
}
