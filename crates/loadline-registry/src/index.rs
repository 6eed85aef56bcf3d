//! Building an OCI image index from legs, the same bytes each time.

use std::collections::BTreeMap;

use loadline_core::Digest;
use loadline_core::media_type::{DOCKER_LIST, OCI_INDEX};
use serde::Serialize;

use crate::descriptor::Descriptor;

/// An index that is being built.
///
/// Entries are written in the order of their platforms, each followed by the attestations that speak of it,
/// whatever order they were added in; the same entry added twice is written once.
#[derive(Debug, Clone, Default)]
pub struct IndexBuilder {
    docker: bool,
    given_order: bool,
    entries: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
}

/// An index as it goes to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltIndex {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    #[serde(rename = "mediaType")]
    media_type: &'a str,
    #[serde(rename = "artifactType", skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    manifests: &'a [&'a Descriptor],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl IndexBuilder {
    /// An empty OCI index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it Docker's manifest list, for legs that are all of Docker's types.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// Keeps the entries in the order in which they are added.
    #[must_use]
    pub fn in_given_order(mut self) -> Self {
        self.given_order = true;
        self
    }

    /// Adds an entry.
    #[must_use]
    pub fn entry(mut self, entry: Descriptor) -> Self {
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
        self
    }

    /// Adds entries.
    #[must_use]
    pub fn entries(self, entries: impl IntoIterator<Item = Descriptor>) -> Self {
        entries.into_iter().fold(self, Self::entry)
    }

    /// Annotates the index itself.
    #[must_use]
    pub fn annotation(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(name.into(), value.into());
        self
    }

    /// Says what the index speaks of.
    #[must_use]
    pub fn subject(mut self, subject: Descriptor) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The index's bytes.
    ///
    /// # Errors
    /// Never in practice: all its members can be written as JSON.
    pub fn build(&self) -> Result<BuiltIndex, serde_json::Error> {
        let media_type = if self.docker { DOCKER_LIST } else { OCI_INDEX };
        let mut entries: Vec<&Descriptor> = self.entries.iter().collect();
        if !self.given_order {
            self.sort(&mut entries);
        }
        let written = Written {
            schema_version: 2,
            media_type,
            artifact_type: self.artifact_type.as_deref(),
            manifests: &entries,
            subject: self.subject.as_ref(),
            annotations: &self.annotations,
        };
        let bytes = serde_json::to_vec_pretty(&written)?;
        Ok(BuiltIndex { media_type, digest: Digest::of(&bytes), bytes })
    }

    fn sort(&self, entries: &mut [&Descriptor]) {
        let keys: BTreeMap<String, String> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_buildkit_attestation())
            .map(|entry| (entry.digest.to_string(), platform_key(entry)))
            .collect();
        entries.sort_by_cached_key(|entry| {
            // An attestation goes behind the image it speaks of.
            let of = entry.annotations.get("vnd.docker.reference.digest");
            let parent = of.and_then(|digest| keys.get(digest)).filter(|_| entry.is_buildkit_attestation());
            (
                parent.is_none() && entry.is_buildkit_attestation(),
                parent.cloned().unwrap_or_else(|| platform_key(entry)),
                entry.is_buildkit_attestation(),
                entry.digest.to_string(),
            )
        });
    }
}

fn platform_key(entry: &Descriptor) -> String {
    match &entry.platform {
        Some(p) => format!(
            "{}/{}/{}/{}",
            p.os,
            p.architecture,
            p.variant.as_deref().unwrap_or(""),
            p.os_version.as_deref().unwrap_or("")
        ),
        None => "~".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::ImageIndex;

    fn legs() -> Vec<Descriptor> {
        let image = |platform: &str| {
            Descriptor::of("application/vnd.oci.image.manifest.v1+json", platform.as_bytes())
                .with_platform(&platform.parse().unwrap())
        };
        let mut legs: Vec<Descriptor> =
            ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6"].map(image).to_vec();
        for leg in legs.clone() {
            let mut attestation =
                Descriptor::of("application/vnd.oci.image.manifest.v1+json", leg.digest.hex().as_bytes())
                    .with_annotation("vnd.docker.reference.type", "attestation-manifest")
                    .with_annotation("vnd.docker.reference.digest", leg.digest.to_string());
            attestation.platform = Some(crate::PlatformObject {
                os: "unknown".into(),
                architecture: "unknown".into(),
                ..Default::default()
            });
            legs.push(attestation);
        }
        legs
    }

    #[test]
    fn platforms_are_ordered_and_attestations_follow_them() {
        let built = IndexBuilder::new().entries(legs()).annotation("a", "b").build().unwrap();
        let index: ImageIndex = serde_json::from_slice(&built.bytes).unwrap();
        let shown: Vec<String> = index
            .manifests
            .iter()
            .map(|entry| entry.platform().map_or_else(|| "attestation".to_owned(), |p| p.to_string()))
            .collect();
        let expected = ["linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64"];
        assert_eq!(shown, expected.iter().flat_map(|p| [*p, "attestation"]).collect::<Vec<_>>());
        for pair in index.manifests.chunks(2) {
            assert_eq!(index.attestations_of(&pair[0].digest).collect::<Vec<_>>(), [&pair[1]]);
        }
        assert_eq!(index.images().count(), 4);
        assert!(built.digest.matches(&built.bytes));
    }

    proptest! {
        #[test]
        fn the_order_of_adding_changes_nothing(order in Just(legs()).prop_shuffle(), again in 0usize..8) {
            let expected = IndexBuilder::new().entries(legs()).build().unwrap();
            let doubled = order[again].clone();
            let built = IndexBuilder::new().entries(order).entry(doubled).build().unwrap();
            prop_assert_eq!(built, expected);
        }
    }
}
