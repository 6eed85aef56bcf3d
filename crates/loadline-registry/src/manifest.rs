//! Manifests as they came: the raw bytes, and what kind of document they are.

use bytes::Bytes;
use loadline_core::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use loadline_core::{Digest, media_type};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::descriptor::Descriptor;
use crate::error::RegistryErrorKind;
use crate::image::{ImageIndex, ImageManifest};

/// A manifest or index: its bytes as they came, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes as they came.
    pub bytes: Bytes,
}

/// Enough of a manifest to tell what it is and what it speaks of.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "mediaType", default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(rename = "fsLayers", default)]
    fs_layers: Option<IgnoredAny>,
}

impl Manifest {
    /// A manifest from its bytes. The document's own media type counts; the one the transport named counts
    /// only where the document has none, because a digest covers the former alone.
    ///
    /// # Errors
    /// It is no JSON object, could be read as image and as index (CVE-2021-41190), contradicts its own
    /// media type, or is Docker's schema 1.
    pub fn new(bytes: Bytes, digest: Digest, named: Option<&str>) -> Result<Self, RegistryErrorKind> {
        let media_type = kind(&bytes, named)?;
        let size = bytes.len() as u64;
        Ok(Self { descriptor: Descriptor::new(media_type, digest, size), bytes })
    }

    /// Its media type.
    pub fn media_type(&self) -> &str {
        &self.descriptor.media_type
    }

    /// Its digest.
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// Whether it is an index or manifest list.
    pub fn is_index(&self) -> bool {
        media_type::is_index(self.media_type())
    }

    /// What it says, read as an index.
    ///
    /// # Errors
    /// It is none.
    pub fn as_index(&self) -> Result<ImageIndex, RegistryErrorKind> {
        if !self.is_index() {
            return Err(malformed(format!("expected an index, found {}", self.media_type())));
        }
        serde_json::from_slice(&self.bytes).map_err(|error| malformed(format!("the index: {error}")))
    }

    /// What it says, read as an image manifest.
    ///
    /// # Errors
    /// It is none.
    pub fn as_image(&self) -> Result<ImageManifest, RegistryErrorKind> {
        if !media_type::is_manifest(self.media_type()) {
            return Err(malformed(format!("expected an image manifest, found {}", self.media_type())));
        }
        serde_json::from_slice(&self.bytes).map_err(|error| malformed(format!("the manifest: {error}")))
    }

    /// The descriptor under which a subject's referrers list it: artifact type, else configuration's media
    /// type, and all annotations (distribution specification, "Listing Referrers"); with the subject.
    ///
    /// # Errors
    /// It is neither manifest nor index.
    pub fn as_referrer(&self) -> Result<(Descriptor, Option<Descriptor>), RegistryErrorKind> {
        let mut descriptor = self.descriptor.clone();
        if self.is_index() {
            let index = self.as_index()?;
            descriptor.artifact_type = index.artifact_type.filter(|t| !t.is_empty());
            descriptor.annotations = index.annotations;
            Ok((descriptor, index.subject))
        } else {
            let image = self.as_image()?;
            descriptor.artifact_type = Some(image.artifact_type().to_owned());
            descriptor.annotations = image.annotations;
            Ok((descriptor, image.subject))
        }
    }
}

pub(crate) fn malformed(message: String) -> RegistryErrorKind {
    RegistryErrorKind::Malformed { message }
}

fn kind(bytes: &[u8], named: Option<&str>) -> Result<String, RegistryErrorKind> {
    let probe: Probe =
        serde_json::from_slice(bytes).map_err(|error| malformed(format!("no manifest: {error}")))?;
    let index = probe.manifests.is_some();
    let image = probe.layers.is_some() || probe.config.is_some();
    if probe.fs_layers.is_some() {
        return Err(RegistryErrorKind::Unsupported {
            message: "the manifest is of docker's schema 1: push the image anew".to_owned(),
        });
    }
    if index && image {
        return Err(malformed("the document could be read as an image and as an index".to_owned()));
    }
    let named = named.map(|text| text.split(';').next().unwrap_or(text).trim());
    let own = probe.media_type.as_deref().filter(|text| !text.is_empty());
    let media_type = match (own, named) {
        (Some(own), _) => own,
        (None, Some(named)) if media_type::is_index(named) || media_type::is_manifest(named) => named,
        (None, _) if index => OCI_INDEX,
        (None, _) if image => OCI_MANIFEST,
        (None, _) => return Err(malformed("the document is neither image nor index".to_owned())),
    };
    let contradicts =
        (index && media_type::is_manifest(media_type)) || (image && media_type::is_index(media_type));
    if contradicts {
        return Err(malformed(format!("the document calls itself {media_type} but is another kind")));
    }
    Ok(media_type.to_owned())
}

/// What is asked for: the four kinds of manifest that are understood.
pub(crate) fn accept() -> String {
    [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, named: Option<&str>) -> Result<String, RegistryErrorKind> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::new(bytes, digest, named).map(|manifest| manifest.media_type().to_owned())
    }

    #[test]
    fn the_documents_own_word_counts() {
        assert_eq!(of(r#"{"mediaType":"a/b","x":1}"#, Some(OCI_INDEX)).unwrap(), "a/b");
        assert_eq!(of(r#"{"manifests":[]}"#, Some("text/plain")).unwrap(), OCI_INDEX);
        assert_eq!(
            of(
                r#"{"config":{}}"#,
                Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8")
            )
            .unwrap(),
            DOCKER_MANIFEST
        );
        assert_eq!(of(r#"{"layers":[]}"#, None).unwrap(), OCI_MANIFEST);
    }

    #[test]
    fn what_could_be_two_things_is_refused() {
        for (text, named) in [
            (r#"{"manifests":[],"layers":[]}"#, None),
            (r#"{"mediaType":"application/vnd.oci.image.index.v1+json","config":{}}"#, None),
            (r#"{"manifests":[]}"#, Some(OCI_MANIFEST)),
            ("[]", None),
            ("{}", None),
            ("{", Some(OCI_INDEX)),
            (r#"{"fsLayers":[]}"#, None),
        ] {
            assert!(of(text, named).is_err(), "{text}");
        }
    }

    #[test]
    fn a_referrers_descriptor_falls_back_to_the_configs_type() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"c/t","digest":"{digest}","size":1}},"layers":[],"subject":{{"mediaType":"s/t","digest":"{digest}","size":1}},"annotations":{{"a":"b"}}}}"#
        );
        let bytes = Bytes::from(text);
        let manifest = Manifest::new(bytes.clone(), Digest::of(&bytes), None).unwrap();
        let (descriptor, subject) = manifest.as_referrer().unwrap();
        assert_eq!(descriptor.artifact_type.as_deref(), Some("c/t"));
        assert_eq!(descriptor.annotations["a"], "b");
        assert_eq!(subject.unwrap().digest, digest);
    }
}
