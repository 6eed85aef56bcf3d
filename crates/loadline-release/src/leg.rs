//! One leg's record: what was built for one platform, enough to go on from it on another machine.

use loadline_core::{Digest, Platform};
use loadline_registry::Descriptor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came out of building one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The image.
    pub image: String,
    /// The platform.
    pub platform: Platform,
    /// The manifest, as an index entry.
    pub manifest: Descriptor,
    /// BuildKit's attestation manifests about it, as index entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<Descriptor>,
    /// The configuration's digest.
    pub config: Digest,
    /// The uncompressed layers' digests, base first.
    pub diff_ids: Vec<Digest>,
    /// What went in besides the commit.
    pub materials: Vec<Material>,
    /// The index of the image and its attestations, where the builder pushed one: one request for it tells that
    /// both are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// What its annotations say that it is built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// The image that another is built on (OCI annotations.md, `org.opencontainers.image.base.*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// Its name, spelled out.
    pub name: String,
    /// What the name led to.
    #[schemars(with = "String")]
    pub digest: Digest,
}

/// Something that went into a build, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Material {
    /// What it is to the build: `dockerfile`, `context`, `base`.
    pub name: String,
    /// Where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digest.
    #[schemars(with = "String")]
    pub digest: Digest,
}

impl Leg {
    /// The image and what BuildKit attests of it: all that an index has of the leg.
    pub fn manifests(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.manifest).chain(&self.attestations)
    }

    /// The leg in words: `daemon linux/arm64`.
    pub fn name(&self) -> String {
        format!("{} {}", self.image, self.platform)
    }
}
