//! An image's tree, for people and as a document.

use std::collections::BTreeMap;
use std::fmt::Write;

use loadline_core::predicate::build_story::{BuildStory, Material};
use loadline_core::predicate::short_name;
use loadline_core::verdict::OutcomeDocument;
use loadline_evidence::inspect::{Attested, Hanging, InspectedImage, Inspection, TagsHere};
use loadline_report::one_line;
use loadline_sigstore::UnverifiedSigner;
use schemars::JsonSchema;
use serde::Serialize;

use crate::place::Place;

/// The schema of the document.
pub(crate) const INSPECT: &str = "loadline/inspect/v1";
/// The annotations and labels that are shown to people; the document has all.
const WORTH_READING: &str = "org.opencontainers.image.";

/// The body of `loadline/inspect/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InspectDocument {
    #[serde(flatten)]
    outcome: OutcomeDocument,
    /// The reference as it was given, spelled out.
    reference: String,
    /// The same by digest.
    pinned: String,
    /// The digest.
    digest: String,
    /// The media type.
    media_type: String,
    /// The size of the manifest in bytes.
    size: u64,
    /// The index's annotations; an image's by itself are with the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// The index's children, or the image itself.
    images: Vec<ImageDocument>,
    /// What hangs on the index. Not verified.
    evidence: Vec<EvidenceDocument>,
    /// The tags that lead here.
    tags: TagsDocument,
    /// How many requests it took.
    requests: u64,
}

/// One image for one platform.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageDocument {
    /// The platform, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The digest.
    digest: String,
    /// The media type.
    media_type: String,
    /// What kind of artifact it is, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    /// The size of the manifest in bytes.
    size: u64,
    /// How many layers.
    layers: usize,
    /// The bytes of all layers, as they are stored.
    layer_bytes: u64,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// What the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigDocument>,
    /// What BuildKit attests. Signed by nobody.
    buildkit: Vec<AttestedDocument>,
    /// What hangs on it. Not verified.
    evidence: Vec<EvidenceDocument>,
}

/// What an image's configuration says.
#[derive(Debug, Serialize, JsonSchema)]
struct ConfigDocument {
    /// When it was made, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// The user that its programs run as; root where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    /// The exposed ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// One of BuildKit's attestations.
#[derive(Debug, Serialize, JsonSchema)]
struct AttestedDocument {
    /// The statement's digest.
    digest: String,
    /// The predicate's type.
    predicate_type: String,
    /// The statement's size in bytes.
    size: u64,
    /// What it tells of the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<BuildDocument>,
    /// Why it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What a provenance tells of a build.
#[derive(Debug, Serialize, JsonSchema)]
struct BuildDocument {
    /// Who built.
    #[serde(skip_serializing_if = "Option::is_none")]
    builder: Option<String>,
    /// Images that it was built on or took from.
    base_images: Vec<MaterialDocument>,
    /// What else went in.
    materials: Vec<MaterialDocument>,
    /// Build arguments.
    build_args: BTreeMap<String, String>,
    /// The stage that was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// Where the source came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// The Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    dockerfile: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    /// Names of secrets that it could see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
}

/// Something that went into a build.
#[derive(Debug, Serialize, JsonSchema)]
struct MaterialDocument {
    /// Its name.
    name: String,
    /// Its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// `algorithm:value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// Evidence, by its own word.
#[derive(Debug, Serialize, JsonSchema)]
struct EvidenceDocument {
    /// Always false: `loadline verify` verifies.
    verified: bool,
    /// The digest of the manifest around it.
    digest: String,
    /// What kind of artifact it says it is.
    artifact_type: String,
    /// What its statement is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<String>,
    /// Who is said to have signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// Who is said to vouch for the signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// Where it was found.
    found: String,
    /// Its size in bytes.
    size: u64,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// Why it was not read, or what is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The tags that lead here.
#[derive(Debug, Serialize, JsonSchema)]
struct TagsDocument {
    /// Their names.
    names: Vec<String>,
    /// How many tags were looked up.
    looked_at: usize,
    /// How many there are, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<usize>,
    /// Whether others may lead here too.
    cut: bool,
}

impl InspectDocument {
    pub(crate) fn new(place: &Place, inspection: &Inspection, requests: u64) -> Self {
        Self {
            outcome: (&inspection.outcome).into(),
            reference: place.to_string(),
            pinned: place.pinned(&inspection.descriptor.digest),
            digest: inspection.descriptor.digest.to_string(),
            media_type: inspection.descriptor.media_type.clone(),
            size: inspection.descriptor.size,
            annotations: if inspection.is_index { inspection.annotations.clone() } else { BTreeMap::new() },
            images: inspection.images.iter().map(image).collect(),
            evidence: inspection.evidence.iter().map(evidence).collect(),
            tags: tags(&inspection.tags),
            requests,
        }
    }
}

fn image(image: &InspectedImage) -> ImageDocument {
    let config = image.config.as_ref().map(|config| ConfigDocument {
        created: config.created.clone(),
        user: config.config.user.clone().filter(|user| !user.is_empty()),
        entrypoint: config.config.entrypoint.clone(),
        cmd: config.config.cmd.clone(),
        ports: config.config.exposed_ports.keys().cloned().collect(),
        labels: config.config.labels.clone(),
    });
    ImageDocument {
        platform: image.platform.as_ref().map(ToString::to_string),
        digest: image.descriptor.digest.to_string(),
        media_type: image.descriptor.media_type.clone(),
        artifact_type: image.artifact_type.clone(),
        size: image.descriptor.size,
        layers: image.layers,
        layer_bytes: image.layer_bytes,
        annotations: image.annotations.clone(),
        config,
        buildkit: image.attested.iter().map(attested).collect(),
        evidence: image.evidence.iter().map(evidence).collect(),
    }
}

fn attested(attested: &Attested) -> AttestedDocument {
    AttestedDocument {
        digest: attested.digest.to_string(),
        predicate_type: attested.predicate_type.clone(),
        size: attested.size,
        build: attested.story.as_ref().map(build),
        note: attested.note.clone(),
    }
}

fn build(story: &BuildStory) -> BuildDocument {
    let materials = |all: &[Material]| {
        let one = |material: &Material| MaterialDocument {
            name: material.name.clone(),
            platform: material.platform.clone(),
            digest: material.digest.clone(),
        };
        all.iter().map(one).collect()
    };
    BuildDocument {
        builder: story.builder.clone(),
        base_images: materials(&story.base_images),
        materials: materials(&story.materials),
        build_args: story.build_args.clone(),
        target: story.target.clone(),
        source: story.source.clone(),
        revision: story.revision.clone(),
        dockerfile: story.dockerfile.clone(),
        started: story.started.clone(),
        finished: story.finished.clone(),
        secrets: story.secrets.clone(),
    }
}

fn evidence(hanging: &Hanging) -> EvidenceDocument {
    let (signer, issuer) = match &hanging.signer {
        Some(UnverifiedSigner::Certificate { subject, issuer }) => (Some(subject.clone()), issuer.clone()),
        Some(UnverifiedSigner::Key { hint }) => (Some(format!("key {hint}")), None),
        None => (None, None),
    };
    EvidenceDocument {
        verified: false,
        digest: hanging.digest.to_string(),
        artifact_type: hanging.artifact_type.clone(),
        predicate_type: hanging.predicate_type.clone(),
        signer,
        issuer,
        found: hanging.found.clone(),
        size: hanging.size,
        created: hanging.created.clone(),
        note: hanging.note.clone(),
    }
}

fn tags(tags: &TagsHere) -> TagsDocument {
    TagsDocument { names: tags.names.clone(), looked_at: tags.looked_at, known: tags.known, cut: tags.cut }
}

/// The tree for people.
pub(crate) fn tree(place: &Place, inspection: &Inspection) -> String {
    let mut out = String::new();
    let descriptor = &inspection.descriptor;
    let kind = if inspection.is_index { "index" } else { "image" };
    let _ = writeln!(out, "{place}");
    let _ = writeln!(out, "{kind} {} ({})", descriptor.digest, one_line(&descriptor.media_type));
    if inspection.is_index {
        pairs(&mut out, "  ", &inspection.annotations);
    }
    tag_line(&mut out, &inspection.tags);
    hangings(&mut out, "  ", &inspection.evidence);
    for image in &inspection.images {
        image_lines(&mut out, image);
    }
    let signed = |evidence: &[Hanging]| evidence.iter().any(|hanging| hanging.signer.is_some());
    if signed(&inspection.evidence) || inspection.images.iter().any(|image| signed(&image.evidence)) {
        let _ =
            writeln!(out, "nothing here is verified: loadline verify {}", place.pinned(&descriptor.digest));
    }
    out
}

fn tag_line(out: &mut String, tags: &TagsHere) {
    let _ = write!(out, "  tags here: ");
    match tags.names.as_slice() {
        [] => out.push_str("none"),
        names => out.push_str(&names.join(", ")),
    }
    if tags.cut {
        let known = tags.known.map_or_else(|| "more than are listed".to_owned(), |known| known.to_string());
        let _ = write!(out, " (cut: {} looked up of {known}; --tags N looks up more)", tags.looked_at);
    }
    out.push('\n');
}

fn image_lines(out: &mut String, image: &InspectedImage) {
    let platform = image.platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string);
    let _ = writeln!(out, "  {platform} {}", image.descriptor.digest);
    if let Some(kind) = &image.artifact_type {
        let _ = writeln!(out, "    artifact {}", one_line(kind));
    }
    let layers = if image.layers == 1 { "1 layer".to_owned() } else { format!("{} layers", image.layers) };
    let _ = write!(out, "    {layers}, {}", bytes(image.layer_bytes));
    if let Some(config) = &image.config {
        if let Some(created) = &config.created {
            let _ = write!(out, ", made {}", one_line(created));
        }
        let user = config.config.user.as_deref().filter(|user| !user.is_empty()).unwrap_or("root");
        let _ = write!(out, ", runs as {}", one_line(user));
    }
    out.push('\n');
    pairs(out, "    ", &image.annotations);
    for attested in &image.attested {
        attested_lines(out, attested);
    }
    hangings(out, "    ", &image.evidence);
}

fn attested_lines(out: &mut String, attested: &Attested) {
    let kind = one_line(&attested.predicate_type);
    let kind = kind
        .strip_prefix("https://slsa.dev/provenance/")
        .map_or_else(|| short_name(&kind).to_owned(), |version| format!("slsa-provenance {version}"));
    let _ = writeln!(out, "    BuildKit says, unsigned: {kind} ({})", bytes(attested.size));
    if let Some(note) = &attested.note {
        let _ = writeln!(out, "      {}", one_line(note));
    }
    let Some(story) = &attested.story else { return };
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "      {name:8} {}", one_line(value));
    };
    for base in &story.base_images {
        line("base", &[base.name.as_str(), base.digest.as_deref().unwrap_or_default()].join(" "));
    }
    for (name, value) in &story.build_args {
        line("arg", &format!("{name}={value}"));
    }
    let optional = [
        ("target", &story.target),
        ("source", &story.source),
        ("commit", &story.revision),
        ("file", &story.dockerfile),
        ("builder", &story.builder),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            line(name, value);
        }
    }
    for secret in &story.secrets {
        line("secret", secret);
    }
}

fn hangings(out: &mut String, indent: &str, evidence: &[Hanging]) {
    for hanging in evidence {
        let kind = hanging.predicate_type.as_deref().map_or(hanging.artifact_type.as_str(), short_name);
        let _ = write!(out, "{indent}{}, not verified", one_line(kind));
        match &hanging.signer {
            Some(UnverifiedSigner::Certificate { subject, .. }) => {
                let _ = write!(out, ", by {}", one_line(subject));
            }
            Some(UnverifiedSigner::Key { hint }) => {
                let _ = write!(out, ", by the key {}", one_line(hint));
            }
            None => {}
        }
        if let Some(note) = &hanging.note {
            let _ = write!(out, "; {}", one_line(note));
        }
        let _ = writeln!(out, " ({}, {})", hanging.found, bytes(hanging.size));
    }
}

fn pairs(out: &mut String, indent: &str, pairs: &BTreeMap<String, String>) {
    for (name, value) in pairs.iter().filter(|(name, _)| name.starts_with(WORTH_READING)) {
        let name = name.trim_start_matches(WORTH_READING);
        let _ = writeln!(out, "{indent}{} {}", one_line(name), one_line(value));
    }
}

/// A number of bytes as people say it.
pub(crate) fn bytes(count: u64) -> String {
    // Nobody reads the digits that are lost.
    #[allow(clippy::cast_precision_loss)]
    let of = |unit: u64| count as f64 / unit as f64;
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", of(1 << 10)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", of(1 << 20)),
        _ => format!("{:.1} GiB", of(1 << 30)),
    }
}
