//! Gathering evidence: every bundle that hangs on a digest, whatever its descriptor says it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use loadline_core::media_type::{OCI_EMPTY, SIGSTORE_BUNDLE_V03};
use loadline_core::{Digest, Failure, Finding};
use loadline_registry::{Descriptor, RegistryError, RegistryErrorKind, Repository};
use loadline_sigstore::{BUNDLE_LIMIT, BUNDLE_MALFORMED};
use tokio::sync::OnceCell;

use crate::codes::{EVIDENCE_LIMIT, EVIDENCE_SOURCE_FAILED};

/// What every bundle's media type begins with, of whatever version.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";

/// How much evidence is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many referrers of one digest are fetched.
    pub referrers: usize,
    /// How many bytes one bundle may have.
    pub bundle_bytes: u64,
    /// How many requests are under way at once.
    pub parallel: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { referrers: 64, bundle_bytes: BUNDLE_LIMIT as u64, parallel: 8 }
    }
}

/// A bundle that hangs on a digest, not yet verified.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it was found, in words.
    pub source: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

/// All that hangs on one digest.
#[derive(Debug, Clone, Default)]
pub struct Hanging {
    /// The bundles.
    pub found: Vec<Found>,
    /// What called itself a bundle and is none.
    pub malformed: Vec<(String, Finding)>,
    /// What could not be asked, and limits that were hit.
    pub failures: Vec<Failure>,
}

/// Gathers from one repository, fetching each blob once however many digests it hangs on.
#[derive(Debug)]
pub struct Gatherer {
    repository: Repository,
    limits: Limits,
    blobs: Mutex<HashMap<Digest, Arc<OnceCell<Bytes>>>>,
}

enum Looked {
    Bundle(Found),
    Malformed(Finding),
    SomethingElse,
}

impl Gatherer {
    /// A gatherer over one repository.
    pub fn new(repository: Repository, limits: Limits) -> Self {
        Self { repository, limits, blobs: Mutex::default() }
    }

    /// Everything that hangs on this digest.
    pub async fn gather(&self, subject: &Digest) -> Hanging {
        let mut hanging = Hanging::default();
        let referrers = match self.repository.referrers(subject).await {
            Ok(referrers) => referrers,
            Err(error) => {
                hanging.failures.push(failure(subject, &error));
                return hanging;
            }
        };
        if !referrers.complete {
            let message = format!("the registry lists more referrers of {subject} than are read");
            hanging.failures.push(Failure::new(&EVIDENCE_LIMIT, message));
        }
        let mut descriptors = referrers.descriptors;
        // What says it is a bundle comes first, what hides its type next: a flood of other things
        // must not push the evidence over the limit.
        descriptors.sort_by_key(|descriptor| match descriptor.artifact_type.as_deref() {
            Some(kind) if kind.starts_with(BUNDLE_PREFIX) => 0,
            None | Some("" | OCI_EMPTY) => 1,
            Some(_) => 2,
        });
        if descriptors.len() > self.limits.referrers {
            let (count, limit) = (descriptors.len(), self.limits.referrers);
            hanging.failures.push(
                Failure::new(
                    &EVIDENCE_LIMIT,
                    format!("{count} things refer to {subject}; only {limit} of them are looked at"),
                )
                .help("remove what does not belong there"),
            );
            descriptors.truncate(limit);
        }
        let mut looked = stream::iter(descriptors)
            .map(|descriptor| async move {
                let result = self.look(subject, &descriptor).await;
                (descriptor.digest, result)
            })
            .buffered(self.limits.parallel.max(1));
        let source = format!("referrers of {}", self.repository);
        while let Some((digest, result)) = looked.next().await {
            match result {
                Ok(Looked::Bundle(found)) => hanging.found.push(found),
                Ok(Looked::Malformed(finding)) => {
                    hanging.malformed.push((format!("{source}, {digest}"), finding));
                }
                Ok(Looked::SomethingElse) => {}
                Err(error) => hanging.failures.push(failure(subject, &error)),
            }
        }
        hanging
    }

    async fn look(&self, subject: &Digest, descriptor: &Descriptor) -> Result<Looked, RegistryError> {
        let malformed = |what: String| {
            let message = format!("{} is attached as evidence, but {what}", descriptor.digest);
            Looked::Malformed(Finding::error(&BUNDLE_MALFORMED, message).about(subject))
        };
        let claims = descriptor.artifact_type.as_deref().is_some_and(|kind| kind.starts_with(BUNDLE_PREFIX));
        let manifest = match self.repository.manifest(&descriptor.digest.to_string()).await {
            Ok(manifest) => manifest,
            // A referrer that lies about its digest or is gone proves nothing either way.
            Err(error) if is_about_content(&error) => {
                return Ok(if claims { malformed(error.to_string()) } else { Looked::SomethingElse });
            }
            Err(error) => return Err(error),
        };
        let Ok(image) = manifest.as_image() else {
            return Ok(if claims { malformed("it is no manifest".to_owned()) } else { Looked::SomethingElse });
        };
        let Some(layer) = image.layers.iter().find(|layer| layer.media_type.starts_with(BUNDLE_PREFIX)) else {
            return Ok(if claims || image.artifact_type().starts_with(BUNDLE_PREFIX) {
                malformed(format!("none of its layers is a {SIGSTORE_BUNDLE_V03}"))
            } else {
                Looked::SomethingElse
            });
        };
        if layer.size > self.limits.bundle_bytes {
            let limit = self.limits.bundle_bytes;
            return Ok(malformed(format!("its bundle has {} bytes, more than {limit}", layer.size)));
        }
        match self.blob(layer).await {
            Ok(bytes) => Ok(Looked::Bundle(Found {
                source: format!("referrers of {}", self.repository),
                digest: layer.digest.clone(),
                bytes,
            })),
            Err(error) if is_about_content(&error) => Ok(malformed(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn blob(&self, layer: &Descriptor) -> Result<Bytes, RegistryError> {
        let cell = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blobs.entry(layer.digest.clone()).or_default())
        };
        let bytes = cell
            .get_or_try_init(|| async { self.repository.blob(layer, self.limits.bundle_bytes).await })
            .await?;
        Ok(bytes.clone())
    }
}

fn failure(subject: &Digest, error: &RegistryError) -> Failure {
    Failure::new(&EVIDENCE_SOURCE_FAILED, format!("the evidence on {subject} could not be fetched: {error}"))
        .help("run again when the registry answers")
}

/// Whether the source answered, and what it holds is wrong: a finding, not a failure to ask.
fn is_about_content(error: &RegistryError) -> bool {
    matches!(
        error.kind(),
        RegistryErrorKind::NotFound
            | RegistryErrorKind::DigestMismatch { .. }
            | RegistryErrorKind::TooLarge { .. }
            | RegistryErrorKind::Malformed { .. }
    )
}
