//! What came out of a build: the same for every builder.

use std::collections::BTreeMap;

use loadline_core::{Digest, Finding, Platform};
use loadline_registry::Descriptor;

/// An image for one platform, at its destination by digest, without a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The builder's name.
    pub builder: &'static str,
    /// What it runs on.
    pub platform: Platform,
    /// The manifest, with its platform.
    pub manifest: Descriptor,
    /// BuildKit's attestation manifests about it, as index entries; they are in the same place.
    pub attestations: Vec<Descriptor>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the base first.
    pub layers: Vec<Descriptor>,
    /// The layers' uncompressed digests.
    pub diff_ids: Vec<Digest>,
    /// What went in.
    pub inputs: Inputs,
    /// The index of the image and its attestations, where the builder pushed one.
    pub index: Option<Digest>,
    /// What is worth telling, and stops nothing.
    pub notes: Vec<Finding>,
}

/// What went into a build: what its provenance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The digest of the Dockerfile's bytes, where one was built.
    pub dockerfile: Option<Digest>,
    /// The digest of what instructions could see of the context, where the builder looks at it.
    pub context: Option<Digest>,
    /// The stage that was built, where it was asked for by name.
    pub target: Option<String>,
    /// The stages that it took, by name or number, in their order; none where the builder does not say.
    pub stages: Vec<String>,
    /// The build arguments that an ARG took up; all of them where the builder does not say which.
    pub build_args: BTreeMap<String, String>,
    /// The build arguments that nothing took up: a misspelt name, mostly.
    pub unused_build_args: Vec<String>,
    /// The labels that were given beside the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// The time that everything in the image has, in seconds since 1970.
    pub source_date_epoch: i64,
    /// The images that it was built on or copied from, each once.
    pub bases: Vec<BaseImageUsed>,
}

/// An image that went into a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseImageUsed {
    /// As it was named, spelled out: `docker.io/library/debian:13`, `oci-layout://base:1`.
    pub name: String,
    /// What the name led to: an index, or the manifest itself.
    pub digest: Digest,
    /// The manifest for the platform, where the builder says which.
    pub manifest: Option<Digest>,
    /// The platform it was taken for, as its configuration says it.
    pub platform: Platform,
}
