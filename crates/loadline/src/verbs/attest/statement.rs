//! The statement that is signed: given whole, made around a predicate, or provenance of the pipeline's own.

use std::path::Path;

use loadline_core::predicate::{NAMES, predicate_type, slsa_provenance};
use loadline_core::statement::{STATEMENT_V1, Statement, StatementRef};
use loadline_core::{Digest, Failure, Platform};
use loadline_evidence::buildkit::{Recorded, recorded, recorded_in};
use loadline_evidence::provenance::{Attested, attested};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::target::Target;
use crate::codes::INPUT_UNREADABLE;
use crate::files;
use crate::signing::Pipeline;
use crate::world::World;

/// The largest statement or predicate that is read at all; whether it may be signed is the budget's to say.
const LIMIT: u64 = 64 << 20;

/// Where a statement comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file that is one.
    Given(Vec<u8>),
    /// A file that is a predicate, and its type.
    Predicate(Vec<u8>, String),
    /// The pipeline that this runs in.
    Provenance,
}

/// A statement's bytes, and what they say of themselves.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    pub(super) predicate_type: String,
}

/// The predicate type that `--type` names: a short name or a URI.
pub(super) fn kind(text: &str) -> Result<String, String> {
    let known = || NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    predicate_type(text)
        .map(str::to_owned)
        .ok_or_else(|| format!("`{text}` is no predicate type: use one of {}, or a URI", known()))
}

impl Source {
    /// Reads the file that is named.
    pub(super) fn read(
        world: &World,
        statement: Option<&Path>,
        predicate: Option<(&Path, &str)>,
    ) -> Result<Self, Failure> {
        match (statement, predicate) {
            (Some(path), _) => Ok(Self::Given(files::read(world, path, LIMIT)?)),
            (None, Some((path, kind))) => {
                let bytes = files::read(world, path, LIMIT)?;
                let wrong = |what: String| {
                    Failure::new(&INPUT_UNREADABLE, format!("{} is no predicate: {what}", path.display()))
                        .help("a predicate is a JSON document: the SBOM, the report, the provenance itself")
                };
                let json = serde_json::from_slice::<&RawValue>(&bytes).map_err(|e| wrong(e.to_string()))?;
                if !json.get().starts_with('{') {
                    return Err(wrong("it is no JSON object".to_owned()));
                }
                if serde_json::from_str::<Envelope>(json.get()).is_ok_and(|of| of.is_statement()) {
                    return Err(wrong("it is a whole statement: give it with --statement".to_owned()));
                }
                let kind = versioned(kind, json.get());
                Ok(Self::Predicate(bytes, kind))
            }
            (None, None) => Ok(Self::Provenance),
        }
    }

    /// The statement about an image.
    pub(super) async fn about(
        &self,
        target: &mut Target,
        pipeline: Option<&Pipeline>,
    ) -> Result<Made, Failure> {
        let unreadable = |reason: String| Failure::new(&INPUT_UNREADABLE, reason);
        match self {
            Self::Given(bytes) => {
                let read: StatementRef<'_> = serde_json::from_slice(bytes)
                    .map_err(|error| unreadable(format!("what was given is no statement: {error}")))?;
                let spoken = |digest: &Digest| read.subject.iter().any(|subject| subject.is(digest));
                target.subjects = target.all.iter().filter(|one| spoken(&one.digest)).cloned().collect();
                if target.subjects.is_empty() {
                    return Err(unreadable(format!(
                        "the statement speaks of neither {} nor any of its platforms",
                        target.digest
                    ))
                    .help("its subjects must name the image's digest, or a platform's manifest's"));
                }
                Ok(Made { predicate_type: read.predicate_type, bytes: bytes.clone() })
            }
            Self::Predicate(bytes, kind) => {
                let predicate: &RawValue =
                    serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
                write(&Statement::new(target.named(), kind, predicate))
            }
            Self::Provenance => {
                let Some(pipeline) = pipeline else {
                    return Err(unreadable(
                        "this is no pipeline that could be named as builder, and no predicate is given"
                            .to_owned(),
                    )
                    .help("give a predicate with --predicate and --type, or a statement with --statement"));
                };
                let recorded = what_buildkit_recorded(target).await.map_err(|error| Failure::from(&error))?;
                let known = Attested {
                    workflow: &pipeline.workflow,
                    builder_id: &pipeline.builder_id,
                    recorded: &recorded,
                };
                let statement = attested(target.named(), &known);
                debug_assert_eq!(statement.predicate_type, slsa_provenance::PREDICATE_TYPE);
                write(&statement)
            }
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "_type")]
    statement_type: String,
}

impl Envelope {
    fn is_statement(&self) -> bool {
        self.statement_type == STATEMENT_V1
            || self.statement_type.starts_with("https://in-toto.io/Statement/")
    }
}

/// SPDX statements carry the document's version in their type, as GitHub's actions write it.
fn versioned(kind: &str, json: &str) -> String {
    #[derive(Deserialize)]
    struct Spdx {
        #[serde(rename = "spdxVersion")]
        version: String,
    }
    let version = serde_json::from_str::<Spdx>(json).ok();
    let version = version.as_ref().and_then(|spdx| spdx.version.strip_prefix("SPDX-"));
    match version.filter(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
        Some(version) if kind == "https://spdx.dev/Document" => format!("{kind}/v{version}"),
        _ => kind.to_owned(),
    }
}

fn write<P: serde::Serialize>(statement: &Statement<P>) -> Result<Made, Failure> {
    let bytes = serde_json::to_vec(statement).map_err(|error| {
        Failure::new(&INPUT_UNREADABLE, format!("the statement cannot be written: {error}"))
    })?;
    Ok(Made { bytes, predicate_type: statement.predicate_type.clone() })
}

/// What BuildKit recorded of the image, platform by platform.
async fn what_buildkit_recorded(
    target: &Target,
) -> Result<Vec<(Option<Platform>, Recorded)>, loadline_registry::RegistryError> {
    let mut all = Vec::new();
    match &target.index {
        Some(index) => {
            for image in index.images() {
                if let Some(found) = recorded(&target.repository, index, &image.digest).await? {
                    all.push((image.platform().or_else(|| found.platform.clone()), found));
                }
            }
        }
        None => {
            // An image without an index may have BuildKit's attestations as referrers.
            let referrers = target.repository.referrers(&target.digest).await?;
            let attestations = referrers.descriptors.iter().filter(|one| {
                one.artifact_type.as_deref() == Some("application/vnd.docker.attestation.manifest.v1+json")
            });
            if let Some(found) = recorded_in(&target.repository, attestations).await? {
                all.push((found.platform.clone(), found));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_uris_are_types_and_spdx_says_its_version() {
        assert_eq!(kind("cyclonedx").unwrap(), "https://cyclonedx.org/bom");
        assert_eq!(kind("https://example.com/x").unwrap(), "https://example.com/x");
        assert!(kind("cyclonedy").unwrap_err().contains("slsa-provenance"));
        assert_eq!(
            versioned("https://spdx.dev/Document", r#"{"spdxVersion":"SPDX-2.3"}"#),
            "https://spdx.dev/Document/v2.3"
        );
        assert_eq!(
            versioned("https://spdx.dev/Document", r#"{"spdxVersion":"SPDX-x"}"#),
            "https://spdx.dev/Document"
        );
        assert_eq!(
            versioned("https://cyclonedx.org/bom", r#"{"spdxVersion":"SPDX-2.3"}"#),
            "https://cyclonedx.org/bom"
        );
    }
}
