//! One leg's record: the body of `loadline/leg/v1`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use loadline_core::{Digest, Hasher, Platform, RepositoryName};
use loadline_registry::Descriptor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::leg::{Base, Leg, Material};
use crate::plan::{Plan, PlannedImage};

/// The largest scan report that is bound: what the gate reads.
pub(super) const REPORT_LIMIT: u64 = 512 << 20;

/// What a machine that built one leg leaves for the machine that joins all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegRecord {
    /// The version that it is built for.
    pub version: String,
    /// The commit that was built.
    pub commit: String,
    /// The digest of what was not committed; absent for a clean tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub dirty: Option<Digest>,
    /// The digest of the configuration file.
    #[schemars(with = "String")]
    pub configuration: Digest,
    /// The digest of all that the plan says of the image: build arguments, labels, platforms, repositories.
    #[schemars(with = "String")]
    pub plan: Digest,
    /// What built it.
    pub builder: String,
    /// Where it was pushed.
    #[schemars(with = "Vec<String>")]
    pub repositories: Vec<RepositoryName>,
    /// The image.
    pub image: String,
    /// The platform.
    pub platform: Platform,
    /// The manifest, as an index entry.
    #[schemars(with = "Entry")]
    pub manifest: Descriptor,
    /// BuildKit's attestation manifests about it, as index entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Entry>")]
    pub attestations: Vec<Descriptor>,
    /// The index of the image and its attestations, where the builder pushed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub index: Option<Digest>,
    /// The configuration's digest.
    #[schemars(with = "String")]
    pub config: Digest,
    /// The uncompressed layers' digests, base first.
    #[schemars(with = "Vec<String>")]
    pub diff_ids: Vec<Digest>,
    /// What went in besides the commit.
    pub materials: Vec<Material>,
    /// What its annotations say that it is built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The scan report that was made on the machine that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<BoundReport>,
}

/// An index entry (OCI descriptor.md), for the schema.
#[derive(JsonSchema)]
#[allow(dead_code, non_snake_case, reason = "only the schema is made of it")]
struct Entry {
    /// The media type.
    mediaType: String,
    /// The digest.
    digest: String,
    /// The size in bytes.
    size: u64,
    /// The platform: `os`, `architecture`, `variant`.
    platform: Option<serde_json::Map<String, serde_json::Value>>,
    /// Annotations.
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

/// A scan report, bound to the digest that it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoundReport {
    /// The file's name; it lies beside the record.
    pub file: String,
    /// The digest of its bytes.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// The manifest that was scanned.
    #[schemars(with = "String")]
    pub subject: Digest,
}

impl BoundReport {
    /// Binds a report to a manifest.
    ///
    /// # Errors
    /// It cannot be read, is larger than a gate reads, or has no name.
    pub fn bind(report: &Path, subject: &Digest) -> io::Result<Self> {
        let name = report.file_name().and_then(|name| name.to_str());
        let file = name.ok_or_else(|| io::Error::other("its name is not UTF-8"))?.to_owned();
        Ok(Self { file, digest: digest_of(report)?, subject: subject.clone() })
    }
}

/// The digest of a file that is not too large.
pub(super) fn digest_of(file: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::sha256();
    let read = io::copy(&mut File::open(file)?.take(REPORT_LIMIT + 1), &mut hasher)?;
    if read > REPORT_LIMIT {
        return Err(io::Error::other(format!("it has more than {REPORT_LIMIT} bytes")));
    }
    Ok(hasher.finish())
}

impl LegRecord {
    /// The record of a leg that was built as planned.
    pub fn new(plan: &Plan, image: &PlannedImage, leg: &Leg) -> Self {
        Self {
            version: plan.version.clone(),
            commit: plan.commit.clone(),
            dirty: plan.dirty.clone(),
            configuration: plan.configuration.clone(),
            plan: plan.digest_of(image),
            builder: image.builder.name().to_owned(),
            repositories: image.repositories.clone(),
            image: leg.image.clone(),
            platform: leg.platform.clone(),
            manifest: leg.manifest.clone(),
            attestations: leg.attestations.clone(),
            index: leg.index.clone(),
            config: leg.config.clone(),
            diff_ids: leg.diff_ids.clone(),
            materials: leg.materials.clone(),
            base: leg.base.clone(),
            report: None,
        }
    }

    /// The leg that it records.
    pub fn leg(&self) -> Leg {
        Leg {
            image: self.image.clone(),
            platform: self.platform.clone(),
            manifest: self.manifest.clone(),
            attestations: self.attestations.clone(),
            config: self.config.clone(),
            diff_ids: self.diff_ids.clone(),
            materials: self.materials.clone(),
            index: self.index.clone(),
            base: self.base.clone(),
        }
    }

    /// How it differs from what the plan says; nothing where it was built by this plan.
    pub fn differences(&self, plan: &Plan, image: &PlannedImage) -> Vec<String> {
        let tree = |dirty: &Option<Digest>| match dirty {
            None => "a clean tree".to_owned(),
            Some(digest) => format!("a tree with changes {}", digest.short()),
        };
        let differ = |pairs: Vec<(&str, String, String)>| -> Vec<String> {
            let differing = pairs.into_iter().filter(|(_, built, planned)| built != planned);
            differing.map(|(what, built, planned)| format!("{what} {built}, not {planned}")).collect()
        };
        let found = differ(vec![
            ("commit", self.commit.clone(), plan.commit.clone()),
            ("version", self.version.clone(), plan.version.clone()),
            ("from", tree(&self.dirty), tree(&plan.dirty)),
            ("configuration", self.configuration.to_string(), plan.configuration.to_string()),
        ]);
        if !found.is_empty() {
            return found;
        }
        // What else goes into a plan: the branch or tag that is built, `--existing`, SOURCE_DATE_EPOCH.
        differ(vec![("plan", self.plan.to_string(), plan.digest_of(image).to_string())])
    }
}
