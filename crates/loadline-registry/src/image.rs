//! What manifests, indexes and image configurations say (OCI image specification, manifest.md,
//! image-index.md, config.md), for reading. Docker's schema 2 documents have the same members.

use std::collections::BTreeMap;

use loadline_core::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::descriptor::{Descriptor, PlatformObject, null_is_none};

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageManifest {
    /// Always 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The document's own media type; old OCI documents leave it out.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, where it is no image.
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the base first.
    #[serde(default, deserialize_with = "null_is_none")]
    pub layers: Vec<Descriptor>,
    /// What it speaks of, where it is evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ImageManifest {
    /// What kind of artifact it is: its own word, else its configuration's media type
    /// (distribution specification, "Listing Referrers").
    pub fn artifact_type(&self) -> &str {
        self.artifact_type.as_deref().filter(|t| !t.is_empty()).unwrap_or(&self.config.media_type)
    }
}

/// An image index, or Docker's manifest list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIndex {
    /// Always 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The document's own media type; old OCI documents leave it out.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, where it is no image.
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The entries.
    #[serde(default, deserialize_with = "null_is_none")]
    pub manifests: Vec<Descriptor>,
    /// What it speaks of, where it is evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ImageIndex {
    /// The entries that are images for a platform, BuildKit's attestations left out.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|entry| !entry.is_buildkit_attestation())
    }

    /// BuildKit's attestation manifests for the entry of this digest.
    pub fn attestations_of<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Descriptor> {
        self.manifests.iter().filter(|entry| entry.is_buildkit_attestation()).filter(|entry| {
            entry
                .annotations
                .get("vnd.docker.reference.digest")
                .and_then(|text| text.parse::<Digest>().ok())
                .is_some_and(|of| of == *digest)
        })
    }
}

/// An image's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The moment it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: ConfigPlatform,
    /// How a container of it runs.
    #[serde(default, deserialize_with = "null_is_none")]
    pub config: RuntimeConfig,
    /// The layers' uncompressed digests.
    #[serde(default, deserialize_with = "null_is_none")]
    pub rootfs: RootFsConfig,
    /// How it was made, one entry a step.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// The platform members that an image configuration carries at its top.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigPlatform {
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
}

impl From<&ConfigPlatform> for PlatformObject {
    fn from(platform: &ConfigPlatform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
            variant: platform.variant.clone(),
            other: Map::new(),
        }
    }
}

/// How a container of an image runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RuntimeConfig {
    /// The user, as `USER` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The exposed ports, `3000/tcp`.
    #[serde(deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Value>,
    /// The environment, `NAME=value`.
    #[serde(deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The volumes.
    #[serde(deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Value>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The labels.
    #[serde(deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The shell (Docker's own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// The health check (Docker's own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Value>,
    /// What runs in images that are built on it (Docker's own).
    #[serde(deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The layers' uncompressed digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFsConfig {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The digests of the layers' uncompressed bytes, the base first.
    #[serde(default, deserialize_with = "null_is_none")]
    pub diff_ids: Vec<Digest>,
}

/// One step of how an image was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The moment of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step left no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_docker_is_read() {
        let text = format!(
            r#"{{"architecture":"arm64","os":"linux","variant":"v8","config":{{"Env":["A=b"],"Cmd":["/x"],"Labels":null,"ArgsEscaped":true}},
            "rootfs":{{"type":"layers","diff_ids":["{}"]}},"history":[{{"created_by":"COPY x","empty_layer":true}}],"created":"2024-01-01T00:00:00Z"}}"#,
            Digest::of(b"x")
        );
        let config: ImageConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(config.rootfs.diff_ids, [Digest::of(b"x")]);
        assert_eq!(config.config.env, ["A=b"]);
        assert_eq!(config.config.other["ArgsEscaped"], true);
        assert!(config.history[0].empty_layer);
        let platform = PlatformObject::from(&config.platform);
        assert_eq!(platform.normalised().unwrap().to_string(), "linux/arm64");
        let minimal: ImageConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(minimal, ImageConfig::default());
        let null: ImageConfig = serde_json::from_str(r#"{"config":null,"history":null}"#).unwrap();
        assert_eq!(null, ImageConfig::default());
    }
}
