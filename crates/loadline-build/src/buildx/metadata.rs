//! The file that `--metadata-file` leaves.

use loadline_core::Digest;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::provenance::{Material, materials};

/// The largest metadata file that is read, in bytes: with all of the provenance in it, a large build's has a
/// few megabytes.
pub(super) const LIMIT: u64 = 64 << 20;

/// What a build left, as buildx writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The digest of what was written: an index where there is provenance, else the image's manifest.
    pub digest: Digest,
    /// buildx's own name for the build.
    pub build: Option<String>,
    /// What went in.
    pub materials: Vec<Material>,
}

/// Why a metadata file cannot be used.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// It is no JSON of this form.
    #[error("the metadata file of buildx cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It names no image.
    #[error("the metadata file of buildx names no image: {what}")]
    NoDigest {
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "containerimage.digest")]
    digest: Option<String>,
    #[serde(rename = "buildx.build.ref")]
    build: Option<String>,
    #[serde(rename = "buildx.build.provenance")]
    provenance: Option<Value>,
}

/// Reads a metadata file.
///
/// # Errors
/// It is no JSON, or it names no image.
pub fn parse(bytes: &[u8]) -> Result<Metadata, MetadataError> {
    let written: Written = serde_json::from_slice(bytes)?;
    let Some(digest) = written.digest else {
        return Err(MetadataError::NoDigest { what: "it has no `containerimage.digest`".to_owned() });
    };
    let digest = digest
        .parse()
        .map_err(|error| MetadataError::NoDigest { what: format!("`containerimage.digest`: {error}") })?;
    Ok(Metadata {
        digest,
        build: written.build,
        materials: written.provenance.as_ref().map(materials).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metadata_file_is_read() {
        let image = Digest::of("image");
        let base = Digest::of("base");
        let text = format!(
            r#"{{"buildx.build.provenance":{{"buildType":"https://mobyproject.org/buildkit@v1",
               "materials":[{{"uri":"pkg:docker/debian@13?platform=linux%2Farm64","digest":{{"sha256":"{}"}}}}]}},
               "buildx.build.ref":"live/live0/x","containerimage.digest":"{image}","image.name":"a/b"}}"#,
            base.hex()
        );
        let metadata = parse(text.as_bytes()).unwrap();
        assert_eq!(metadata.digest, image);
        assert_eq!(metadata.build.as_deref(), Some("live/live0/x"));
        assert_eq!(metadata.materials[0].sha256(), Some(base));
    }

    #[test]
    fn what_names_no_image_is_refused() {
        assert!(matches!(parse(b"{}"), Err(MetadataError::NoDigest { .. })));
        assert!(matches!(parse(b"[]"), Err(MetadataError::Json(_))));
        assert!(matches!(parse(b""), Err(MetadataError::Json(_))));
        let bad = parse(br#"{"containerimage.digest":"sha256:short"}"#).unwrap_err();
        assert!(bad.to_string().contains("containerimage.digest"), "{bad}");
    }
}
