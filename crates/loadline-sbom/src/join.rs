//! The join for the index: consumers ask the index, so it gets one document that lists what any of its
//! platforms holds, and each component says which platforms those are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use loadline_core::{Digest, Platform};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;

use crate::document::Subject;
use crate::model::{Bom, Dependency, Metadata, Property, Tools};
use crate::read::{Component, Document, Elements, parse};
use crate::sbom::{Sbom, SbomError};

/// Why documents could not be joined.
#[derive(Debug, Error)]
pub enum JoinError {
    /// There is nothing to join.
    #[error("there are no documents to join: an index needs one of every platform")]
    Nothing,
    /// Two documents of one platform.
    #[error("there are two documents of {platform}: give one of every platform")]
    Twice {
        /// The platform.
        platform: Platform,
    },
    /// A document that speaks of another image than it was given for.
    #[error("the document given for {platform} speaks of {found}, not of {expected}")]
    Mismatch {
        /// The platform.
        platform: Platform,
        /// What its subject says.
        found: String,
        /// The platform's digest.
        expected: Digest,
    },
    /// A document that cannot be read.
    #[error("the document of {platform}: {source}")]
    Document {
        /// The platform.
        platform: Platform,
        /// What is wrong.
        source: SbomError,
    },
    /// The join cannot be written.
    #[error(transparent)]
    Write(#[from] SbomError),
}

/// One platform's document.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// The digest of the platform's manifest.
    pub digest: &'a Digest,
    /// Its document.
    pub sbom: &'a Sbom,
}

/// Joins the documents of an index's platforms. `index` names the index; its platform is `None`.
///
/// Components that are the same (same package URL, else same kind, group, name and version) become one, with
/// `loadline:platform` for each platform that has it; its other properties are united, its other members are
/// those of the first platform that has it, in the platforms' order. Components inside others come out of
/// them. Each platform's image is a component of its own, so that what could not be read stays said for the
/// platform that it was about. Vulnerabilities, services and signatures of the parts are left out.
///
/// # Errors
/// When there is nothing to join, a platform is there twice, a document cannot be read or speaks of another digest.
pub fn join(index: &Subject<'_>, parts: &[Part<'_>]) -> Result<Sbom, JoinError> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| part.platform);
    if parts.is_empty() {
        return Err(JoinError::Nothing);
    }
    let mut documents = Vec::new();
    let mut platforms = HashSet::new();
    for part in &parts {
        if !platforms.insert(part.platform) {
            return Err(JoinError::Twice { platform: part.platform.clone() });
        }
        let wrong = |source| JoinError::Document { platform: part.platform.clone(), source };
        let document = Document::parse(part.sbom.as_bytes()).map_err(wrong)?;
        speaks_of(part, &document)?;
        documents.push(document);
    }

    let index_purl = index.purl();
    let index_version = index.digest.to_string();
    let index_ref = index_purl.clone().unwrap_or_else(|| format!("image:{index_version}"));
    let mut joining = Joining { used: HashSet::from([index_ref.clone()]), ..Joining::default() };
    let mut unread = 0_usize;
    let mut platform_refs = Vec::new();
    for (part, document) in parts.iter().zip(&documents) {
        unread += document
            .metadata_properties("loadline:unread")
            .iter()
            .filter_map(|n| n.parse::<usize>().ok())
            .sum::<usize>();
        platform_refs.push(joining.take(index, part, document)?);
    }
    joining.edges.entry(index_ref.clone()).or_default().extend(platform_refs);

    let spec_version =
        documents.iter().map(|d| &*d.spec_version).fold("1.6", |a, b| if b > a { b } else { a });
    let metadata = Metadata {
        timestamp: index.created.to_string(),
        tools: Tools::ours(),
        component: index.component(&index_ref, index_purl.as_deref(), &index_version),
        properties: vec![Property { name: "loadline:unread", value: Cow::Owned(unread.to_string()) }],
    };
    let mut components = joining.images;
    for joined in &joining.components {
        components.push((joined.bom_ref.clone(), to_raw_value(joined).map_err(SbomError::write)?));
    }
    components.sort_by(|a, b| a.0.cmp(&b.0));
    let dependencies = joining
        .edges
        .into_iter()
        .map(|(from, to)| Dependency {
            r#ref: Cow::Owned(from),
            depends_on: to.into_iter().map(Cow::Owned).collect(),
        })
        .collect();
    Ok(Sbom::write(Bom {
        bom_format: "CycloneDX",
        spec_version,
        serial_number: None,
        version: 1,
        metadata,
        components: components.into_iter().map(|(_, raw)| raw).collect(),
        dependencies,
        compositions: Vec::new(),
    })?)
}

/// A document of ours names the digest it speaks of; one of another tool may say nothing, or name another
/// thing by another digest (a config, an index), which proves nothing.
fn speaks_of(part: &Part<'_>, document: &Document<'_>) -> Result<(), JoinError> {
    let Some(subject) = &document.subject else { return Ok(()) };
    let ours = subject.purl.as_deref().is_some_and(|purl| purl.starts_with("pkg:oci/"));
    match subject.version.as_deref().map(str::parse::<Digest>) {
        Some(Ok(found)) if ours && found != *part.digest => Err(JoinError::Mismatch {
            platform: part.platform.clone(),
            found: found.to_string(),
            expected: part.digest.clone(),
        }),
        _ => Ok(()),
    }
}

/// One component of the join: the members of the first, with its own reference and properties.
struct Joined<'a> {
    bom_ref: String,
    component: &'a Component<'a>,
    properties: Vec<&'a RawValue>,
    platforms: BTreeSet<String>,
}

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut written = false;
        let mut referred = false;
        for (key, value) in &self.component.members.0 {
            match &**key {
                "components" => {}
                "bom-ref" => {
                    referred = true;
                    map.serialize_entry(key, &self.bom_ref)?;
                }
                "properties" => {
                    written = true;
                    map.serialize_entry(key, &Properties(self))?;
                }
                _ => map.serialize_entry(key, value)?,
            }
        }
        if !referred {
            map.serialize_entry("bom-ref", &self.bom_ref)?;
        }
        if !written {
            map.serialize_entry("properties", &Properties(self))?;
        }
        map.end()
    }
}

struct Properties<'a, 'b>(&'b Joined<'a>);

impl Serialize for Properties<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let joined = self.0;
        let mut list = serializer.serialize_seq(None)?;
        for platform in &joined.platforms {
            list.serialize_element(&Property {
                name: "loadline:platform",
                value: Cow::Borrowed(platform.as_str()),
            })?;
        }
        for property in &joined.properties {
            list.serialize_element(property)?;
        }
        list.end()
    }
}

/// What makes two components the same, and the how-manieth of that kind it is in its document: some tools
/// list a package once for every place it is found in.
type Identity = (String, usize);

#[derive(Default)]
struct Joining<'a> {
    /// The platforms' own images, by reference.
    images: Vec<(String, Box<RawValue>)>,
    components: Vec<Joined<'a>>,
    by_identity: HashMap<Identity, usize>,
    used: HashSet<String>,
    suffixes: HashMap<String, usize>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Joining<'a> {
    /// Takes in one platform's document; gives the reference of the platform's image.
    fn take(
        &mut self,
        index: &Subject<'_>,
        part: &Part<'_>,
        document: &'a Document<'a>,
    ) -> Result<String, SbomError> {
        let image = self.image(index, part, document)?;
        let platform = part.platform.to_string();
        let mut refs: HashMap<&str, String> = HashMap::new();
        if let Some(bom_ref) = document.subject.as_ref().and_then(|subject| subject.bom_ref.as_deref()) {
            refs.insert(bom_ref, image.clone());
        }
        let mut counted: HashMap<String, usize> = HashMap::new();
        let mut all = BTreeSet::new();
        let mut waiting: Vec<(&'a Component<'a>, Option<String>)> =
            document.components.iter().rev().map(|component| (component, None)).collect();
        while let Some((component, parent)) = waiting.pop() {
            let identity = identity(component);
            let nth = counted.entry(identity.clone()).or_default();
            let joined = self.component((identity, *nth), component, &platform)?;
            *nth += 1;
            if let Some(bom_ref) = component.bom_ref.as_deref() {
                refs.insert(bom_ref, joined.clone());
            }
            waiting.extend(component.components.iter().rev().map(|inner| (inner, Some(joined.clone()))));
            if let Some(parent) = parent {
                self.edges.entry(parent).or_default().insert(joined.clone());
            }
            all.insert(joined);
        }
        for dependency in &document.dependencies {
            let Some(of) = refs.get(&*dependency.of) else { continue };
            let on = dependency.on.iter().filter_map(|on| refs.get(&**on)).filter(|on| *on != of).cloned();
            let on: Vec<String> = on.collect();
            if !on.is_empty() {
                self.edges.entry(of.clone()).or_default().extend(on);
            }
        }
        // A document that does not say what its subject needs means all that it lists.
        if !all.is_empty() {
            self.edges.entry(image.clone()).or_insert(all);
        }
        Ok(image)
    }

    fn image(
        &mut self,
        index: &Subject<'_>,
        part: &Part<'_>,
        document: &Document<'_>,
    ) -> Result<String, SbomError> {
        let subject = Subject { digest: part.digest, platform: Some(part.platform), ..*index };
        let purl = subject.purl();
        let version = part.digest.to_string();
        let bom_ref = self.unused(purl.as_deref().unwrap_or(&version));
        let mut component = subject.component(&bom_ref, purl.as_deref(), &version);
        let said =
            document.metadata.get("properties").map(|raw| parse::<Elements<'_>>(raw.get())).transpose()?;
        let mut properties = Vec::new();
        for element in said.map(|elements| elements.0).unwrap_or_default() {
            let members: crate::read::Members<'_> = parse(element.get())?;
            if let (Some(name), Some(value)) = (members.text("name"), members.text("value"))
                && name.starts_with("loadline:unread")
            {
                properties.push((name, value));
            }
        }
        component
            .properties
            .extend(properties.iter().map(|(name, value)| Property { name, value: Cow::Borrowed(&**value) }));
        let raw = to_raw_value(&component).map_err(SbomError::write)?;
        self.images.push((bom_ref.clone(), raw));
        Ok(bom_ref)
    }

    /// Finds or adds a component; gives its reference.
    fn component(
        &mut self,
        identity: Identity,
        component: &'a Component<'a>,
        platform: &str,
    ) -> Result<String, SbomError> {
        let properties = match component.members.get("properties") {
            Some(raw) => parse::<Elements<'a>>(raw.get())?.0,
            None => Vec::new(),
        };
        if let Some(joined) = self.by_identity.get(&identity).and_then(|at| self.components.get_mut(*at)) {
            joined.platforms.insert(platform.to_owned());
            for property in properties {
                if !joined.properties.iter().any(|known| known.get() == property.get()) {
                    joined.properties.push(property);
                }
            }
            return Ok(joined.bom_ref.clone());
        }
        let bom_ref = self.unused(component.bom_ref.as_deref().unwrap_or(&identity.0));
        self.by_identity.insert(identity, self.components.len());
        self.components.push(Joined {
            bom_ref: bom_ref.clone(),
            component,
            properties,
            platforms: BTreeSet::from([platform.to_owned()]),
        });
        Ok(bom_ref)
    }

    /// This reference, or, where another component has it, one like it.
    fn unused(&mut self, wanted: &str) -> String {
        let mut bom_ref = wanted.to_owned();
        while !self.used.insert(bom_ref.clone()) {
            let suffix = self.suffixes.entry(wanted.to_owned()).or_insert(1);
            *suffix += 1;
            bom_ref = format!("{wanted}#{suffix}");
        }
        bom_ref
    }
}

fn identity(component: &Component<'_>) -> String {
    match &component.purl {
        Some(purl) => purl.to_string(),
        None => format!(
            "{}:{}/{}@{}",
            component.kind,
            component.group.as_deref().unwrap_or(""),
            component.name,
            component.version.as_deref().unwrap_or("")
        ),
    }
}
