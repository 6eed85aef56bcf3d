//! Manifests: asked for, read, pushed by digest, tagged.

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use loadline_core::Digest;
use loadline_core::reference::check_tag;

use super::Remote;
use crate::client::{Access, Answer, Body, Request, Tally};
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::manifest::{Manifest, accept};
use crate::repository::PushedManifest;

/// A manifest, and the word under which the registry would take a conditional write of it.
pub(crate) struct Versioned {
    pub(crate) manifest: Manifest,
    pub(crate) etag: Option<String>,
}

/// On what a tag is written; registries that know no conditions write it anyway.
pub(crate) enum OnlyIf<'a> {
    /// It still leads to what has this word.
    Still(&'a str),
    /// It does not exist.
    Absent,
}

impl Remote {
    fn target_request(
        &self,
        target: &str,
        verb: &str,
    ) -> Result<(Request<'_>, Option<Digest>), RegistryError> {
        let digest = target.parse::<Digest>().ok();
        let asked = format!("{verb} the manifest {target}");
        if digest.is_none() {
            check_tag(target).map_err(|error| {
                RegistryError::new(
                    &self.name,
                    &asked,
                    RegistryErrorKind::Malformed { message: error.to_string() },
                )
            })?;
        }
        Ok((self.request(&format!("manifests/{target}"), asked)?, digest))
    }

    /// What a tag or digest leads to, from the headers alone where the registry sends enough of them.
    pub(crate) async fn resolve(&self, target: &str) -> Result<Option<Descriptor>, RegistryError> {
        let (request, asked_digest) = self.target_request(target, "look up")?;
        let request =
            Request { method: Method::HEAD, answers: &[404], ..request }.header(ACCEPT, &accept())?;
        let answer = self.client.fetch(&request, 0, "the answer").await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let named = served_digest(&request, &answer)?;
        if let (Some(expected), Some(actual)) = (&asked_digest, &named)
            && expected.algorithm() == actual.algorithm()
            && expected != actual
        {
            let actual = actual.to_string();
            return Err(
                request.error(RegistryErrorKind::DigestMismatch { expected: expected.clone(), actual })
            );
        }
        let size = answer.header("content-length").and_then(|text| text.parse::<u64>().ok());
        let media_type = answer
            .header("content-type")
            .map(|text| text.split(';').next().unwrap_or(text).trim().to_owned())
            .filter(|text| text.contains("manifest") || text.contains("image.index"));
        match (asked_digest.or(named), size, media_type) {
            (Some(digest), Some(size), Some(media_type)) if size > 0 => {
                Ok(Some(Descriptor::new(media_type, digest, size)))
            }
            // Some registries leave out one or the other: the manifest itself says it.
            _ => match self.manifest(target).await {
                Ok(manifest) => Ok(Some(manifest.descriptor)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// A manifest by tag or digest.
    pub(crate) async fn manifest(&self, target: &str) -> Result<Manifest, RegistryError> {
        Ok(self.versioned_manifest(target).await?.manifest)
    }

    pub(crate) async fn versioned_manifest(&self, target: &str) -> Result<Versioned, RegistryError> {
        let (request, asked_digest) = self.target_request(target, "read")?;
        let request = request.header(ACCEPT, &accept())?;
        let answer =
            self.client.fetch(&request, self.client.options().manifest_limit, "the manifest").await?;
        // Where a tag is asked for, what the registry calls the content must still be true of it.
        let expected = match asked_digest {
            Some(digest) => Some(digest),
            None => served_digest(&request, &answer)?,
        };
        let digest = match expected {
            Some(expected) if expected.matches(&answer.bytes) => expected,
            Some(expected) => {
                let actual = Digest::of(&answer.bytes).to_string();
                return Err(request.error(RegistryErrorKind::DigestMismatch { expected, actual }));
            }
            None => Digest::of(&answer.bytes),
        };
        let etag = answer.header(ETAG.as_str()).map(str::to_owned);
        let named = answer.header(CONTENT_TYPE.as_str()).map(str::to_owned);
        let manifest =
            Manifest::new(answer.bytes, digest, named.as_deref()).map_err(|kind| request.error(kind))?;
        Ok(Versioned { manifest, etag })
    }

    /// Pushes a manifest by its digest, unless it is there.
    pub(crate) async fn push_manifest(
        &self,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<PushedManifest, RegistryError> {
        let digest = Digest::of(&bytes);
        let target = digest.to_string();
        if self.resolve(&target).await?.is_some() {
            return Ok(PushedManifest { digest, subject_acknowledged: false, sent: false });
        }
        let subject_acknowledged = self.put_digest(&target, media_type, bytes).await?;
        Ok(PushedManifest { digest, subject_acknowledged, sent: true })
    }

    /// Sends a manifest by its digest, there or not; whether the registry acknowledged its subject.
    pub(crate) async fn put_digest(
        &self,
        target: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool, RegistryError> {
        let answer = self.put(target, media_type, bytes, None, "push").await?;
        Tally::add(&self.client.tally().manifests_pushed, 1);
        Ok(answer.header("oci-subject").is_some())
    }

    /// Gives a manifest a tag.
    pub(crate) async fn tag(&self, tag: &str, media_type: &str, bytes: Bytes) -> Result<(), RegistryError> {
        self.put_tag(tag, media_type, bytes, None).await
    }

    pub(crate) async fn put_tag(
        &self,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
        only_if: Option<OnlyIf<'_>>,
    ) -> Result<(), RegistryError> {
        self.put(tag, media_type, bytes, only_if, "tag").await?;
        Tally::add(&self.client.tally().tags_written, 1);
        Ok(())
    }

    async fn put(
        &self,
        target: &str,
        media_type: &str,
        bytes: Bytes,
        only_if: Option<OnlyIf<'_>>,
        verb: &str,
    ) -> Result<Answer, RegistryError> {
        let limit = self.client.options().manifest_limit;
        let (request, _) = self.target_request(target, verb)?;
        if bytes.len() as u64 > limit {
            let limit = format!("{limit} bytes");
            return Err(request.error(RegistryErrorKind::TooLarge { what: "the manifest", limit }));
        }
        let digest = Digest::of(&bytes);
        let mut request =
            Request { method: Method::PUT, access: Access::Push, body: Body::Bytes(bytes), ..request }
                .header(CONTENT_TYPE, media_type)?;
        match only_if {
            Some(OnlyIf::Still(etag)) => request = request.header(IF_MATCH, etag)?,
            Some(OnlyIf::Absent) => request = request.header(IF_NONE_MATCH, "*")?,
            None => {}
        }
        let answer = match self.client.fetch(&request, 1 << 20, "the answer").await {
            Ok(answer) => answer,
            Err(error) => {
                // The registry may have lost a blob that was there a moment ago: it is asked again next time.
                self.client.forget_blobs(&self.name);
                return Err(error);
            }
        };
        if let Some(actual) = served_digest(&request, &answer)?
            && actual.algorithm() == digest.algorithm()
            && actual != digest
        {
            let actual = actual.to_string();
            return Err(request.error(RegistryErrorKind::DigestMismatch { expected: digest, actual }));
        }
        Ok(answer)
    }
}

fn served_digest(request: &Request<'_>, answer: &Answer) -> Result<Option<Digest>, RegistryError> {
    match answer.header("docker-content-digest").map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| request.protocol("its header Docker-Content-Digest is no digest that is supported")),
    }
}
