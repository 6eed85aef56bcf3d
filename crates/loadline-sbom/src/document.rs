//! One document for one platform's image.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use loadline_core::{Digest, Platform, RepositoryName};
use serde_json::value::to_raw_value;

use crate::catalog::Catalogued;
use crate::licence::licences;
use crate::model::{
    Bom, Component, Composition, Dependency, Evidence, Hash, Metadata, Occurrence, Property, Tools,
};
use crate::package::Package;
use crate::purl::purl;
use crate::sbom::{Sbom, SbomError};

/// How many paths that could not be read are listed; all of them are counted.
const MAX_UNREAD_LISTED: usize = 100;
/// How many places of one package are listed.
const MAX_OCCURRENCES: usize = 100;

/// What a document speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The image's name.
    pub name: &'a str,
    /// Where it is; goes into its package URL.
    pub repository: Option<&'a RepositoryName>,
    /// The digest of the platform's manifest, or of the index.
    pub digest: &'a Digest,
    /// The platform; `None` for an index.
    pub platform: Option<&'a Platform>,
    /// The config's `rootfs.diff_ids`, base first; where given, packages name the layer they come from.
    pub diff_ids: &'a [Digest],
    /// The date that the document carries: that of the source, so that the same source gives the same bytes.
    pub created: Timestamp,
}

impl Subject<'_> {
    /// The image's package URL (purl-spec, type `oci`).
    pub(crate) fn purl(&self) -> Option<String> {
        let repository = self.repository.map(ToString::to_string).unwrap_or_default();
        let path = if repository.is_empty() { self.name } else { &repository };
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let architecture = self.platform.map_or("", |platform| &platform.architecture);
        let digest = self.digest.to_string();
        purl("oci", None, &name, Some(&digest), &[("arch", architecture), ("repository_url", &repository)])
    }

    pub(crate) fn component<'b>(
        &'b self,
        bom_ref: &'b str,
        purl: Option<&'b str>,
        version: &'b str,
    ) -> Component<'b> {
        let platform = self
            .platform
            .map(|platform| Property { name: "loadline:platform", value: Cow::Owned(platform.to_string()) });
        Component {
            r#type: "container",
            bom_ref,
            publisher: None,
            group: None,
            name: self.name,
            version: Some(version),
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl,
            properties: platform.into_iter().collect(),
            evidence: None,
        }
    }
}

/// Writes the document of one platform.
///
/// # Errors
/// When it would be larger than [`MAX_SBOM_BYTES`](crate::MAX_SBOM_BYTES).
pub fn document(catalogued: &Catalogued, subject: &Subject<'_>) -> Result<Sbom, SbomError> {
    let purl = subject.purl();
    let version = subject.digest.to_string();
    let root = purl.clone().unwrap_or_else(|| format!("image:{version}"));

    let mut packages: BTreeMap<String, &Package> = BTreeMap::new();
    for package in &catalogued.packages {
        packages.insert(package.bom_ref(), package);
    }
    let layer_ids: Vec<String> = subject.diff_ids.iter().map(ToString::to_string).collect();
    let mut components = Vec::with_capacity(packages.len());
    for (bom_ref, package) in &packages {
        components.push(to_raw_value(&component(bom_ref, package, &layer_ids)).map_err(SbomError::write)?);
    }
    let metadata = Metadata {
        timestamp: subject.created.to_string(),
        tools: Tools::ours(),
        component: subject.component(&root, purl.as_deref(), &version),
        properties: unread_properties(catalogued),
    };
    let aggregate = if catalogued.unread.is_empty() { "unknown" } else { "incomplete" };
    Sbom::write(Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata,
        components,
        dependencies: dependencies(&root, &packages),
        compositions: vec![Composition { aggregate, assemblies: vec![&root] }],
    })
}

fn component<'a>(bom_ref: &'a str, package: &'a Package, layer_ids: &'a [String]) -> Component<'a> {
    let layers = package.layers.iter().filter_map(|layer| layer_ids.get(*layer));
    let mut properties: Vec<Property<'a>> = layers
        .map(|diff_id| Property { name: "loadline:layer:diffid", value: Cow::Borrowed(diff_id.as_str()) })
        .collect();
    properties.extend(
        package
            .properties
            .iter()
            .map(|(name, value)| Property { name, value: Cow::Borrowed(value.as_str()) }),
    );
    if package.locations.len() > MAX_OCCURRENCES {
        let count = package.locations.len().to_string();
        properties.push(Property { name: "loadline:occurrences", value: Cow::Owned(count) });
    }
    let occurrences: Vec<_> =
        package.locations.iter().take(MAX_OCCURRENCES).map(|location| Occurrence { location }).collect();
    Component {
        r#type: package.kind.name(),
        bom_ref,
        publisher: package.publisher.as_deref(),
        group: package.group.as_deref(),
        name: &package.name,
        version: package.version.as_deref(),
        hashes: package.hashes.iter().map(|(alg, content)| Hash { alg, content }).collect(),
        licenses: licences(&package.licences),
        purl: package.purl.as_deref(),
        properties,
        evidence: (!occurrences.is_empty()).then_some(Evidence { occurrences }),
    }
}

fn dependencies<'a>(root: &'a str, packages: &'a BTreeMap<String, &'a Package>) -> Vec<Dependency<'a>> {
    let mut by_ref: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    by_ref.insert(root, packages.keys().map(String::as_str).collect());
    for (bom_ref, package) in packages {
        let needs: BTreeSet<&str> = package
            .depends
            .iter()
            .filter(|needed| *needed != bom_ref)
            .filter_map(|needed| packages.get_key_value(needed.as_str()))
            .map(|(key, _)| key.as_str())
            .collect();
        if !needs.is_empty() {
            by_ref.insert(bom_ref, needs.into_iter().collect());
        }
    }
    by_ref
        .into_iter()
        .map(|(from, to)| Dependency {
            r#ref: Cow::Borrowed(from),
            depends_on: to.into_iter().map(Cow::Borrowed).collect(),
        })
        .collect()
}

/// `loadline:unread` is how many files could not be read; `loadline:unread:<reason>` how many for that
/// reason; `loadline:unread:path` names the first of them.
fn unread_properties(catalogued: &Catalogued) -> Vec<Property<'static>> {
    let mut properties =
        vec![Property { name: "loadline:unread", value: Cow::Owned(catalogued.unread.len().to_string()) }];
    let mut by_reason: BTreeMap<&'static str, usize> = BTreeMap::new();
    for unread in &catalogued.unread {
        *by_reason.entry(unread.reason.property()).or_default() += 1;
    }
    properties.extend(
        by_reason.into_iter().map(|(name, count)| Property { name, value: Cow::Owned(count.to_string()) }),
    );
    properties.extend(catalogued.unread.iter().take(MAX_UNREAD_LISTED).map(|unread| Property {
        name: "loadline:unread:path",
        value: Cow::Owned(format!("{}: {}", unread.path, unread.reason)),
    }));
    properties
}
