//! Attaching a bundle to what it speaks of: one small manifest a subject, one blob for all of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use loadline_core::Digest;
use loadline_core::media_type::{OCI_EMPTY, OCI_MANIFEST, SIGSTORE_BUNDLE_V03};
use loadline_registry::image::ImageManifest;
use loadline_registry::{BlobSource, Descriptor, Pushed, RegistryError, Repository};
use serde_json::Map;
use thiserror::Error;

/// The two bytes of the empty configuration.
const EMPTY: &[u8] = b"{}";

/// Why a bundle could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The registry refused or could not be reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The manifest could not be written as JSON.
    #[error("the manifest around a bundle cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// A bundle on its way to the registry.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// The bundle, as JSON.
    pub bundle: &'a [u8],
    /// The type of the predicate that it signs.
    pub predicate_type: &'a str,
    /// When it was made, RFC 3339: given, so that attaching again makes the same manifest.
    pub created: &'a str,
}

impl Evidence<'_> {
    /// The manifest that hangs the bundle on a subject, byte for byte the same each time: what cosign v3
    /// and GitHub write.
    pub fn manifest(&self, subject: &Descriptor) -> Result<Vec<u8>, serde_json::Error> {
        let annotations = [
            ("dev.sigstore.bundle.content", "dsse-envelope"),
            ("dev.sigstore.bundle.predicateType", self.predicate_type),
            ("org.opencontainers.image.created", self.created),
        ];
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(OCI_MANIFEST.to_owned()),
            artifact_type: Some(SIGSTORE_BUNDLE_V03.to_owned()),
            config: Descriptor::of(OCI_EMPTY, EMPTY),
            layers: vec![Descriptor::of(SIGSTORE_BUNDLE_V03, self.bundle)],
            // The subject's place and platform are the index's business, not the evidence's.
            subject: Some(Descriptor::new(&subject.media_type, subject.digest.clone(), subject.size)),
            annotations: annotations
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<BTreeMap<_, _>>(),
            other: Map::new(),
        };
        serde_json::to_vec(&manifest)
    }

    /// Puts the bundle into a repository, once for all subjects. Whether anything was sent.
    pub async fn push_blobs(&self, repository: &Repository) -> Result<bool, AttachError> {
        let bundle = repository.push_blob(BlobSource::Bytes(Bytes::copy_from_slice(self.bundle))).await?;
        let config = repository.push_blob(BlobSource::Bytes(Bytes::from_static(EMPTY))).await?;
        Ok(bundle != Pushed::AlreadyThere || config != Pushed::AlreadyThere)
    }

    /// Hangs the bundle on a subject; its blobs must be there. The digest of the manifest around it.
    pub async fn attach(&self, repository: &Repository, subject: &Descriptor) -> Result<Digest, AttachError> {
        let manifest = self.manifest(subject)?;
        Ok(repository.attach(OCI_MANIFEST, manifest).await?.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_what_cosign_writes() {
        let evidence = Evidence {
            bundle: b"{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}",
            predicate_type: "https://slsa.dev/provenance/v1",
            created: "2026-01-01T00:00:00Z",
        };
        let subject = Descriptor::new(OCI_MANIFEST, Digest::of("child"), 7)
            .with_platform(&"linux/amd64".parse().unwrap())
            .with_annotation("a", "b");
        let bytes = evidence.manifest(&subject).unwrap();
        assert_eq!(bytes, evidence.manifest(&subject).unwrap());
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["artifactType"], SIGSTORE_BUNDLE_V03);
        assert_eq!(
            value["config"]["digest"],
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(value["layers"].as_array().unwrap().len(), 1);
        assert_eq!(value["layers"][0]["mediaType"], SIGSTORE_BUNDLE_V03);
        assert_eq!(
            value["subject"],
            serde_json::json!({"mediaType": OCI_MANIFEST, "digest": Digest::of("child"), "size": 7})
        );
        assert_eq!(value["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    }
}
