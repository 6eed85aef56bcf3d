//! What a manifest must be before it is taken (image specification, "manifest" and "index"; distribution
//! specification, "Pushing manifests").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::{Digest, media_type as mt};
use serde::{Deserialize, Serialize};

use super::errors::{Code, Refusal};

/// Layers that a registry need not hold: who pulls them asks their `urls`.
const FOREIGN: &[&str] = &[
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// The fields that the registry looks at. All others are kept, because the bytes are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    data: Option<String>,
}

/// A reference of a manifest that the repository must be able to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// Whether it is a manifest; else a blob.
    pub(super) manifest: bool,
}

/// What the registry keeps of a manifest beside its bytes.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) media_type: String,
    pub(super) needed: Vec<Needed>,
    pub(super) subject: Option<Digest>,
    /// How the manifest appears among the referrers of its subject.
    pub(super) referrer: Referrer,
}

/// A descriptor in a list of referrers (distribution specification, "Listing Referrers").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Referrer {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// Checks a manifest by itself; whether its references are there is the store's question.
///
/// # Errors
///
/// `MANIFEST_INVALID` with what is wrong and where.
pub(super) fn check(bytes: &[u8], content_type: Option<&str>, digest: &Digest) -> Result<Checked, Refusal> {
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("the manifest is no manifest: {error}")))?;
    if manifest.schema_version != Some(2) {
        return Err(invalid("`schemaVersion` must be 2"));
    }
    let media_type = media_type(&manifest, content_type)?;
    let mut needed = Vec::new();
    if mt::is_index(&media_type) {
        if manifest.config.is_some() || manifest.layers.is_some() {
            return Err(invalid("an index has neither `config` nor `layers`"));
        }
        for entry in manifest.manifests.as_ref().ok_or_else(|| invalid("an index must have `manifests`"))? {
            check_data(entry)?;
            let manifest = mt::is_index(&entry.media_type) || mt::is_manifest(&entry.media_type);
            needed.push(Needed { digest: entry.digest.clone(), size: entry.size, manifest });
        }
    } else {
        if manifest.manifests.is_some() {
            return Err(invalid("an image manifest has no `manifests`"));
        }
        let config =
            manifest.config.as_ref().ok_or_else(|| invalid("an image manifest must have a `config`"))?;
        let layers =
            manifest.layers.as_ref().ok_or_else(|| invalid("an image manifest must have `layers`"))?;
        for descriptor in std::iter::once(config).chain(layers) {
            check_data(descriptor)?;
            if !FOREIGN.contains(&descriptor.media_type.as_str()) {
                needed.push(Needed {
                    digest: descriptor.digest.clone(),
                    size: descriptor.size,
                    manifest: false,
                });
            }
        }
    }
    if let Some(subject) = &manifest.subject {
        check_data(subject)?;
    }
    let config_type = manifest.config.map(|config| config.media_type);
    Ok(Checked {
        subject: manifest.subject.map(|subject| subject.digest),
        referrer: Referrer {
            media_type: media_type.clone(),
            digest: digest.clone(),
            size: bytes.len() as u64,
            artifact_type: manifest.artifact_type.filter(|text| !text.is_empty()).or(config_type),
            annotations: manifest.annotations.filter(|map| !map.is_empty()),
        },
        media_type,
        needed,
    })
}

/// The type that the request and the document agree on.
fn media_type(manifest: &Manifest, content_type: Option<&str>) -> Result<String, Refusal> {
    let header = content_type
        .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .filter(|text| !text.is_empty());
    let found = match (header, &manifest.media_type) {
        (Some(header), Some(field)) if header != *field => {
            return Err(invalid(format!(
                "Content-Type is `{header}`, but `mediaType` is `{field}`: they must be the same"
            )));
        }
        (Some(header), _) => header,
        (None, Some(field)) => field.clone(),
        (None, None) => {
            let index = manifest.manifests.is_some() && manifest.config.is_none();
            if index { mt::OCI_INDEX.to_owned() } else { mt::OCI_MANIFEST.to_owned() }
        }
    };
    if mt::is_index(&found) || mt::is_manifest(&found) {
        return Ok(found);
    }
    Err(invalid(format!("`{found}` is no type of manifest that this registry takes")))
}

/// A descriptor's `data` must be the very content that it describes.
fn check_data(descriptor: &Descriptor) -> Result<(), Refusal> {
    let Some(data) = &descriptor.data else { return Ok(()) };
    let content = STANDARD
        .decode(data)
        .map_err(|error| invalid(format!("`data` of {} is no base64: {error}", descriptor.digest)))?;
    if content.len() as u64 != descriptor.size || !descriptor.digest.matches(&content) {
        return Err(invalid(format!("`data` of {} is not the content it describes", descriptor.digest)));
    }
    Ok(())
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad(Code::ManifestInvalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn descriptor(content: &[u8]) -> Value {
        json!({ "mediaType": mt::OCI_CONFIG, "digest": Digest::of(content), "size": content.len() })
    }

    fn image() -> Value {
        json!({ "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "config": descriptor(b"{}"), "layers": [] })
    }

    fn run(value: &Value, content_type: Option<&str>) -> Result<Checked, Refusal> {
        let bytes = serde_json::to_vec(value).unwrap();
        check(&bytes, content_type, &Digest::of(&bytes))
    }

    #[test]
    fn a_good_manifest_without_layers() {
        let checked =
            run(&image(), Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")).unwrap();
        assert_eq!(checked.media_type, mt::OCI_MANIFEST);
        assert_eq!(checked.referrer.artifact_type.as_deref(), Some(mt::OCI_CONFIG));
        assert_eq!(checked.needed.len(), 1);
    }

    #[test]
    fn each_fault_is_refused() {
        let with = |key: &str, value: Value| {
            let mut image = image();
            image[key] = value;
            image
        };
        let mut data = descriptor(b"{}");
        data["data"] = json!(STANDARD.encode(b"{ }"));
        let mut negative = descriptor(b"{}");
        negative["size"] = json!(-1);
        let mut digest = descriptor(b"{}");
        digest["digest"] = json!("md5:d41d8cd98f00b204e9800998ecf8427e");
        for bad in [
            json!([]),
            with("schemaVersion", json!(1)),
            with("schemaVersion", Value::Null),
            with("mediaType", json!(mt::OCI_INDEX)),
            with("config", Value::Null),
            with("layers", Value::Null),
            with("layers", json!([{}])),
            with("manifests", json!([])),
            with("config", data),
            with("config", negative),
            with("config", digest),
            with("subject", json!({ "digest": Digest::of(b"x") })),
            with("annotations", json!({ "a": 1 })),
        ] {
            assert!(run(&bad, Some(mt::OCI_MANIFEST)).is_err(), "{bad}");
        }
        assert!(run(&with("mediaType", json!("text/plain")), None).is_err());
        let both = json!({ "schemaVersion": 2, "manifests": [], "layers": [] });
        assert!(run(&both, Some(mt::OCI_INDEX)).is_err());
    }

    #[test]
    fn foreign_layers_are_not_needed() {
        let mut layer = descriptor(b"far away");
        layer["mediaType"] = json!(FOREIGN[1]);
        let mut image = image();
        image["layers"] = json!([layer]);
        assert_eq!(run(&image, None).unwrap().needed.len(), 1);
    }

    #[test]
    fn an_index_of_any_depth_and_none() {
        let mut child = descriptor(b"child");
        child["mediaType"] = json!(mt::OCI_INDEX);
        let index =
            json!({ "schemaVersion": 2, "manifests": [child, descriptor(b"blob")], "artifactType": "a/b" });
        let checked = run(&index, None).unwrap();
        assert_eq!(checked.media_type, mt::OCI_INDEX);
        assert_eq!(checked.needed.iter().map(|n| n.manifest).collect::<Vec<_>>(), [true, false]);
        assert_eq!(checked.referrer.artifact_type.as_deref(), Some("a/b"));
        assert!(run(&json!({ "schemaVersion": 2, "manifests": [] }), None).is_ok());
    }
}
