//! Content descriptors (OCI image specification, descriptor.md).

use std::collections::BTreeMap;

use loadline_core::{Digest, Platform};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A descriptor: what content is, its digest and its size.
///
/// Our own and not `oci-spec`'s, because descriptors are copied from index to index here and nothing in them
/// may be lost: `oci-spec` 0.10 drops members it does not know, writes `os.version` under another name, and
/// keeps annotations in an order that changes from run to run. Members are written in the order in which the
/// specification's Go types write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The content's media type.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// Where else the content is.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformObject>,
    /// What kind of artifact the manifest is.
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Members that this version does not know; they are copied as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Descriptor {
    /// A bare descriptor.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
            other: Map::new(),
        }
    }

    /// A descriptor of these bytes.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Says what it runs on.
    #[must_use]
    pub fn with_platform(mut self, platform: &Platform) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn with_annotation(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(name.into(), value.into());
        self
    }

    /// Says what kind of artifact it is.
    #[must_use]
    pub fn with_artifact_type(mut self, artifact_type: impl Into<String>) -> Self {
        self.artifact_type = Some(artifact_type.into());
        self
    }

    /// The platform, normalised; none where it says none or `unknown/unknown`, as BuildKit's attestations do.
    pub fn platform(&self) -> Option<Platform> {
        self.platform.as_ref().and_then(PlatformObject::normalised)
    }

    /// The embedded content, where there is any that has the digest and size that the descriptor says.
    pub fn embedded(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let data = self.data.as_ref()?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
        (bytes.len() as u64 == self.size && self.digest.matches(&bytes)).then_some(bytes)
    }

    /// Whether this is BuildKit's unsigned attestation manifest of another entry.
    pub fn is_buildkit_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|t| t == "attestation-manifest")
    }
}

/// The platform of an index entry (OCI image-index.md, `platform`), as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformObject {
    /// The architecture, as Go's GOARCH.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, as Go's GOOS.
    #[serde(default)]
    pub os: String,
    /// The operating system's version (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must offer.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_none",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The architecture's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl PlatformObject {
    /// The platform, normalised; none where it is `unknown/unknown` or empty.
    pub fn normalised(&self) -> Option<Platform> {
        let known = |text: &str| !text.is_empty() && text != "unknown";
        (known(&self.os) && known(&self.architecture))
            .then(|| Platform::new(&self.os, &self.architecture, self.variant.as_deref()))
    }
}

impl From<&Platform> for PlatformObject {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            ..Self::default()
        }
    }
}

/// Go writes an empty list or map as `null` here and there.
pub(crate) fn null_is_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_in_a_copy() {
        let text = r#"{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"urls":["https://x"],"annotations":{"a":"1","b":"2"},"data":"e30=","platform":{"architecture":"amd64","os":"windows","os.version":"10.0","os.features":["win32k"],"features":["sse4"]},"artifactType":"c/d","x-new":{"deep":[1,2]}}"#;
        let descriptor: Descriptor = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), text);
        assert_eq!(descriptor.embedded().unwrap(), b"{}");
        assert_eq!(descriptor.platform().unwrap().to_string(), "windows/amd64");
    }

    #[test]
    fn embedded_content_that_lies_is_no_content() {
        let mut descriptor = Descriptor::of("a/b", b"{}");
        descriptor.data = Some("e31=".to_owned());
        assert_eq!(descriptor.embedded(), None);
        descriptor.data = Some("W10=".to_owned());
        assert_eq!(descriptor.embedded(), None);
    }

    #[test]
    fn null_is_read_as_nothing() {
        let text =
            format!(r#"{{"mediaType":"a/b","digest":"{}","size":0,"annotations":null}}"#, Digest::of(b""));
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert!(descriptor.annotations.is_empty());
        let unknown =
            PlatformObject { os: "unknown".into(), architecture: "unknown".into(), ..Default::default() };
        assert_eq!(unknown.normalised(), None);
    }
}
