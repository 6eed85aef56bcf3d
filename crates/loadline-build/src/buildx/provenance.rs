//! What BuildKit's provenance says went into a build (SLSA provenance v0.2, `materials`, or v1,
//! `buildDefinition.resolvedDependencies`).

use std::collections::BTreeMap;

use loadline_core::{Digest, Platform, Reference};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use crate::built::BaseImageUsed;

/// Something that went in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Material {
    /// What it is: `pkg:docker/debian@13?platform=linux%2Farm64`, a git or https address.
    #[serde(default)]
    pub uri: String,
    /// Its digests: algorithm to value.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
}

impl Material {
    /// Its SHA-256 digest.
    pub fn sha256(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.get("sha256")?).parse().ok()
    }

    /// The image that it is, if it is one.
    fn base(&self, platform: &Platform) -> Option<BaseImageUsed> {
        let rest = self.uri.strip_prefix("pkg:docker/")?;
        let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, version) = match path.rsplit_once('@') {
            Some((name, version)) => (name, Some(decoded(version)?)),
            None => (path, None),
        };
        let name = decoded(name)?;
        let written = match version {
            Some(version) => format!("{name}:{version}"),
            None => name,
        };
        let mut of = platform.clone();
        let mut pinned = None;
        for pair in qualifiers.split('&') {
            match pair.split_once('=') {
                Some(("platform", value)) => of = decoded(value)?.parse().ok()?,
                Some(("digest", value)) => pinned = decoded(value)?.parse::<Digest>().ok(),
                _ => {}
            }
        }
        let digest = self.sha256().or_else(|| pinned.clone())?;
        let mut reference: Reference = written.parse().ok()?;
        reference.digest = pinned;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some("latest".to_owned());
        }
        Some(BaseImageUsed { name: reference.to_string(), digest, manifest: None, platform: of })
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// All that a predicate says went in; what is none of the two forms says nothing.
pub fn materials(predicate: &Value) -> Vec<Material> {
    let lists = [predicate.get("materials"), predicate.pointer("/buildDefinition/resolvedDependencies")];
    lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|material| Material::deserialize(material).ok())
        .collect()
}

/// The images among materials, each once. A material that names no platform has the leg's.
pub fn bases(materials: &[Material], platform: &Platform) -> Vec<BaseImageUsed> {
    let mut all: Vec<BaseImageUsed> =
        materials.iter().filter_map(|material| material.base(platform)).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(uri: &str) -> Option<BaseImageUsed> {
        let digest = [("sha256".to_owned(), "a".repeat(64))].into();
        Material { uri: uri.into(), digest }.base(&"linux/amd64".parse().unwrap())
    }

    #[test]
    fn images_are_spelled_out() {
        let base = one("pkg:docker/127.0.0.1:5000/base/busybox@1?platform=linux%2Farm64").unwrap();
        assert_eq!(base.name, "127.0.0.1:5000/base/busybox:1");
        assert_eq!(base.platform.to_string(), "linux/arm64");
        assert_eq!(base.digest.hex(), "a".repeat(64));
        assert_eq!(one("pkg:docker/debian@13").unwrap().name, "docker.io/library/debian:13");
        assert_eq!(one("pkg:docker/debian").unwrap().name, "docker.io/library/debian:latest");
        assert_eq!(one("pkg:docker/debian@13").unwrap().platform.to_string(), "linux/amd64");
        let pinned =
            format!("pkg:docker/ghcr.io/a/b@1.2?digest=sha256:{}&platform=linux%2Famd64", "b".repeat(64));
        assert_eq!(one(&pinned).unwrap().name, format!("ghcr.io/a/b:1.2@sha256:{}", "b".repeat(64)));
        for none in ["https://github.com/a/b.git#main", "pkg:docker/%ff@1", "pkg:docker/A B@1", ""] {
            assert_eq!(one(none), None, "{none}");
        }
    }

    #[test]
    fn both_versions_of_slsa_are_read() {
        let list = json!([{"uri": "pkg:docker/debian@13", "digest": {"sha256": "a".repeat(64)}}, 7]);
        let old = materials(&json!({"materials": list}));
        let new = materials(&json!({"buildDefinition": {"resolvedDependencies": list}}));
        assert_eq!(old, new);
        assert_eq!(old.len(), 1);
        assert_eq!(materials(&json!(null)), []);
        let twice = [old.clone(), new].concat();
        assert_eq!(bases(&twice, &"linux/arm64".parse().unwrap()).len(), 1);
    }
}
