//! Gathering evidence: every bundle that hangs on a digest, whatever its descriptor says it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use loadline_core::media_type::{OCI_EMPTY, SIGSTORE_BUNDLE_V03};
use loadline_core::predicate::satisfies;
use loadline_core::{Digest, Failure, Finding};
use loadline_registry::{Descriptor, Referrers, ReferrersSource, RegistryError, Repository};
use loadline_sigstore::{BUNDLE_LIMIT, BUNDLE_MALFORMED};
use tokio::sync::OnceCell;

use crate::att;
use crate::codes::{EVIDENCE_LIMIT, EVIDENCE_SOURCE_FAILED};

/// What every bundle's media type begins with, of whatever version.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// The annotation by which a bundle's manifest says what its statement is of.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// The last rank of what may be what was asked for, as far as it says itself.
const MAY_BE_ASKED_FOR: u8 = 2;

/// How much evidence is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many referrers of one digest are fetched.
    pub referrers: usize,
    /// How many bytes one bundle may have.
    pub bundle_bytes: u64,
    /// How many bytes all bundles of an image may have together.
    pub all_bytes: u64,
    /// How many requests are under way at once.
    pub parallel: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { referrers: 64, bundle_bytes: BUNDLE_LIMIT as u64, all_bytes: 128 << 20, parallel: 8 }
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
    /// What says that it is something that nobody asked for: looked at where a demand stays open, since what a
    /// referrer says of itself proves nothing.
    pub(crate) later: Vec<Descriptor>,
    /// Whether the fallback tag was looked at.
    pub(crate) fallback_seen: bool,
    /// Whether cosign's `.att` tag was looked at.
    pub(crate) att_seen: bool,
}

/// Gathers from one repository, fetching each blob once however many digests it hangs on.
#[derive(Debug)]
pub struct Gatherer {
    repository: Repository,
    limits: Limits,
    preferred: Vec<String>,
    everything: bool,
    left: AtomicU64,
    blobs: Mutex<HashMap<Digest, Arc<OnceCell<Option<Bytes>>>>>,
}

enum Looked {
    Bundle(Found),
    Malformed(Finding),
    SomethingElse,
    /// There may be a bundle, and no room for it.
    NoRoom,
}

impl Gatherer {
    /// A gatherer over one repository.
    pub fn new(repository: Repository, limits: Limits) -> Self {
        let left = AtomicU64::new(limits.all_bytes);
        Self { repository, limits, preferred: Vec::new(), everything: false, left, blobs: Mutex::default() }
    }

    /// Looks first at what says that it has one of these predicates, or does not say. The rest waits for
    /// [`Self::look_further`]; where there is too much evidence, it is left out first.
    #[must_use]
    pub fn preferring(mut self, predicate_types: Vec<String>) -> Self {
        self.preferred = predicate_types;
        self
    }

    /// Leaves nothing for later: for whoever keeps what hangs on an image.
    #[must_use]
    pub fn everything(self, everything: bool) -> Self {
        Self { everything, ..self }
    }

    /// What hangs on this digest, by the registry's list. Where that has no bundle, the tags are looked at too:
    /// a registry that has got the API lately keeps old evidence under the fallback tag, cosign under its own.
    pub async fn gather(&self, subject: &Digest) -> Hanging {
        let referrers = match self.repository.referrers(subject).await {
            Ok(referrers) => referrers,
            Err(error) => {
                return Hanging { failures: vec![failure(subject, &error)], ..Hanging::default() };
            }
        };
        let from_api = referrers.source == ReferrersSource::Api;
        let mut hanging = self.look_at_list(subject, referrers).await;
        hanging.fallback_seen = !from_api;
        if hanging.found.is_empty() && hanging.later.is_empty() {
            self.look_further(subject, &mut hanging).await;
        }
        hanging
    }

    /// What was left for later, and what the tags have that were not looked at yet.
    pub async fn look_further(&self, subject: &Digest, hanging: &mut Hanging) {
        let later = std::mem::take(&mut hanging.later);
        let later = self.look_at_all(subject, later);
        let fallback =
            async { if hanging.fallback_seen { Hanging::default() } else { self.fallback(subject).await } };
        let old = async { if hanging.att_seen { Hanging::default() } else { self.att(subject).await } };
        let (later, (fallback, old)) = join(later, join(fallback, old)).await;
        hanging.merge(later);
        hanging.merge(fallback);
        hanging.merge(old);
        (hanging.fallback_seen, hanging.att_seen) = (true, true);
    }

    async fn fallback(&self, subject: &Digest) -> Hanging {
        match self.repository.fallback_referrers(subject).await {
            Ok(referrers) => {
                let mut hanging = self.look_at_list(subject, referrers).await;
                let later = std::mem::take(&mut hanging.later);
                hanging.merge(self.look_at_all(subject, later).await);
                hanging
            }
            Err(error) => Hanging { failures: vec![failure(subject, &error)], ..Hanging::default() },
        }
    }

    /// Cosign's `.att` tag.
    async fn att(&self, subject: &Digest) -> Hanging {
        let mut hanging = Hanging::default();
        let tag = att::tag(subject);
        let manifest = match self.repository.find_manifest(&tag).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return hanging,
            Err(error) if error.is_about_content() => {
                let message = format!("the tag {tag} has no attestations: {error}");
                let finding = Finding::error(&BUNDLE_MALFORMED, message).about(subject);
                hanging.malformed.push((format!("the tag {tag}"), finding));
                return hanging;
            }
            Err(error) => {
                hanging.failures.push(failure(subject, &error));
                return hanging;
            }
        };
        let layers = manifest.as_image().map(|image| image.layers).unwrap_or_default();
        let mut layers: Vec<_> = layers.into_iter().filter(|layer| layer.media_type == att::DSSE).collect();
        if layers.len() > self.limits.referrers {
            let (count, limit) = (layers.len(), self.limits.referrers);
            let message =
                format!("the tag {tag} has {count} attestations; only {limit} of them are looked at");
            hanging.failures.push(Failure::new(&EVIDENCE_LIMIT, message));
            layers.truncate(limit);
        }
        let source = format!("the tag {tag} of {}", self.repository);
        let mut fetched = stream::iter(layers)
            .map(|layer| async move {
                let bytes = self.blob(&layer).await;
                (layer, bytes)
            })
            .buffered(self.limits.parallel.max(1));
        while let Some((layer, bytes)) = fetched.next().await {
            let malformed = |why: String| {
                let message = format!("{} is attached as evidence, but {why}", layer.digest);
                (source.clone(), Finding::error(&BUNDLE_MALFORMED, message).about(subject))
            };
            match bytes {
                Ok(Some(bytes)) => match att::bundle(&bytes, &layer.annotations) {
                    Ok(bundle) => hanging.found.push(Found::new(&source, bundle)),
                    Err(error) => hanging.malformed.push(malformed(error.to_string())),
                },
                Ok(None) => {
                    let message =
                        format!("{} of the tag {tag} is left out: there is no room for it", layer.digest);
                    hanging.failures.push(Failure::new(&EVIDENCE_LIMIT, message));
                }
                Err(error) if error.is_about_content() => {
                    hanging.malformed.push(malformed(error.to_string()))
                }
                Err(error) => hanging.failures.push(failure(subject, &error)),
            }
        }
        hanging
    }

    /// Looks at what a list has, within the limits, but for what is for later.
    async fn look_at_list(&self, subject: &Digest, referrers: Referrers) -> Hanging {
        let mut hanging = Hanging::default();
        if !referrers.complete {
            let message = format!("the registry lists more referrers of {subject} than are read");
            hanging.failures.push(Failure::new(&EVIDENCE_LIMIT, message));
        }
        let mut descriptors = referrers.descriptors;
        descriptors.sort_by_cached_key(|descriptor| self.rank(descriptor));
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
        if !self.everything && !self.preferred.is_empty() {
            let now = descriptors.partition_point(|descriptor| self.rank(descriptor) <= MAY_BE_ASKED_FOR);
            hanging.later = descriptors.split_off(now);
        }
        hanging.merge(self.look_at_all(subject, descriptors).await);
        hanging
    }

    async fn look_at_all(&self, subject: &Digest, descriptors: Vec<Descriptor>) -> Hanging {
        let mut hanging = Hanging::default();
        let mut looked = stream::iter(descriptors)
            .map(|descriptor| async move {
                let result = self.look(subject, &descriptor).await;
                (descriptor.digest, result)
            })
            .buffered(self.limits.parallel.max(1));
        let source = format!("referrers of {}", self.repository);
        let mut without_room = 0_usize;
        while let Some((digest, result)) = looked.next().await {
            match result {
                Ok(Looked::Bundle(found)) => hanging.found.push(found),
                Ok(Looked::Malformed(finding)) => {
                    hanging.malformed.push((format!("{source}, {digest}"), finding));
                }
                Ok(Looked::SomethingElse) => {}
                Ok(Looked::NoRoom) => without_room += 1,
                Err(error) => hanging.failures.push(failure(subject, &error)),
            }
        }
        if without_room > 0 {
            let limit = self.limits.all_bytes;
            hanging.failures.push(
                Failure::new(
                    &EVIDENCE_LIMIT,
                    format!(
                        "{without_room} of the bundles on {subject} are left out: together with the others \
                         they have more than {limit} bytes"
                    ),
                )
                .help("remove what does not belong there"),
            );
        }
        hanging
    }

    /// Bundles that say what was asked for come first, then those that do not say, then what hides its type: a
    /// flood of other things must not push the evidence over the limit.
    fn rank(&self, descriptor: &Descriptor) -> u8 {
        match descriptor.artifact_type.as_deref() {
            Some(kind) if kind.starts_with(BUNDLE_PREFIX) => {
                let said = descriptor.annotations.get(PREDICATE_TYPE);
                let asked = |kind: &String| self.preferred.iter().any(|wanted| satisfies(kind, wanted));
                match said {
                    Some(said) if asked(said) => 0,
                    None => 1,
                    Some(_) => 3,
                }
            }
            None | Some("" | OCI_EMPTY) => MAY_BE_ASKED_FOR,
            Some(_) => 4,
        }
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
            Err(error) if error.is_about_content() => {
                return Ok(if claims { malformed(error.to_string()) } else { Looked::SomethingElse });
            }
            Err(error) => return Err(error),
        };
        let Ok(image) = manifest.as_image() else {
            return Ok(if claims {
                malformed("it is no manifest".to_owned())
            } else {
                Looked::SomethingElse
            });
        };
        let Some(layer) = image.layers.iter().find(|layer| layer.media_type.starts_with(BUNDLE_PREFIX))
        else {
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
            Ok(None) => Ok(Looked::NoRoom),
            Ok(Some(bytes)) => Ok(Looked::Bundle(Found {
                source: format!("referrers of {}", self.repository),
                digest: layer.digest.clone(),
                bytes,
            })),
            Err(error) if error.is_about_content() => Ok(malformed(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// A bundle's bytes, fetched once; none where there is no room left for it.
    async fn blob(&self, layer: &Descriptor) -> Result<Option<Bytes>, RegistryError> {
        let cell = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blobs.entry(layer.digest.clone()).or_default())
        };
        let bytes = cell
            .get_or_try_init(|| async {
                let take = |left: u64| left.checked_sub(layer.size);
                if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                    return Ok(None);
                }
                self.repository.blob(layer, self.limits.bundle_bytes).await.map(Some)
            })
            .await?;
        Ok(bytes.clone())
    }
}

impl Hanging {
    pub(crate) fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
        self.malformed.extend(other.malformed);
        self.failures.extend(other.failures);
    }
}

fn failure(subject: &Digest, error: &RegistryError) -> Failure {
    Failure::new(&EVIDENCE_SOURCE_FAILED, format!("the evidence on {subject} could not be fetched: {error}"))
        .help("run again when the registry answers")
}
