//! `loadline schema`: JSON Schemas of the configuration and of every document.

use loadline_check::cli::{FixDocument, Regions, Rules};
use loadline_core::verdict::OutcomeDocument;
use loadline_release::current::StatusDocument;
use loadline_release::document::ReleaseDocument;
use loadline_release::event::Event;
use loadline_release::ledger::Line;
use loadline_release::legs::LegRecord;
use loadline_release::plan::Plan;
use loadline_release::rollback::RollbackDocument;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};

use crate::exit::Exit;
use crate::render::copy::CopyDocument;
use crate::render::inspect::InspectDocument;
use crate::render::verification::VerificationDocument;
use crate::verbs::attest::AttestationDocument;
use crate::verbs::build::BuildDocument;
use crate::verbs::image_verifier::configuration::{self, VerifierDocument};
use crate::verbs::merge::MergeDocument;
use crate::verbs::sandbox::gc::{GcDocument, SANDBOX_GC};
use crate::verbs::trust::show::{TRUST, TrustDocument};
use crate::world::World;

/// Print the JSON Schema of the configuration or of a document
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which: `config` or a document's name. Without it, the names.
    name: Option<String>,
}

/// Every schema, by the name it is printed and stored under.
pub fn documents() -> Vec<(&'static str, Schema)> {
    fn body<T: schemars::JsonSchema>(id: &str) -> Schema {
        let generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<T>();
        // Every document names its schema before all else.
        let object = schema.ensure_object();
        let name = serde_json::json!({"type": "string", "const": id, "description": "the schema's name and version"});
        if let Some(properties) = object.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
            properties.insert("schema".to_owned(), name);
        }
        let required = object.entry("required").or_insert_with(|| serde_json::json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, "schema".into());
        }
        schema
    }
    vec![
        ("build", body::<BuildDocument>(loadline_core::document::BUILD)),
        ("attestation", body::<AttestationDocument>(crate::verbs::attest::ATTESTATION)),
        ("config", loadline_core::config::json_schema()),
        ("copy", body::<CopyDocument>(crate::render::copy::COPY)),
        ("event", body::<Event>(crate::render::progress::EVENT)),
        ("findings", body::<OutcomeDocument>(loadline_core::document::FINDINGS)),
        ("fix", body::<FixDocument>(loadline_core::document::FIX)),
        ("inspect", body::<InspectDocument>(crate::render::inspect::INSPECT)),
        ("image-verifier", body::<VerifierDocument>(configuration::SCHEMA)),
        ("ledger", body::<Line>(loadline_core::document::LEDGER)),
        ("leg", body::<LegRecord>(loadline_core::document::LEG)),
        ("merge", body::<MergeDocument>(loadline_core::document::MERGE)),
        ("plan", body::<Plan>(loadline_core::document::PLAN)),
        ("policy", body::<loadline_policy::PolicyDocument>(loadline_policy::document::SCHEMA)),
        ("regions", body::<Regions>(loadline_core::document::REGIONS)),
        ("release", body::<ReleaseDocument>(loadline_core::document::RELEASE)),
        ("rollback", body::<RollbackDocument>(loadline_core::document::ROLLBACK)),
        ("rules", body::<Rules>(loadline_core::document::RULES)),
        ("sandbox-gc", body::<GcDocument>(SANDBOX_GC)),
        ("status", body::<StatusDocument>(loadline_core::document::STATUS)),
        ("trust", body::<TrustDocument>(TRUST)),
        ("verification", body::<VerificationDocument>(loadline_core::document::VERIFICATION)),
    ]
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let documents = documents();
    let Some(name) = &args.name else {
        for (name, _) in &documents {
            world.print(name);
        }
        return Exit::Pass;
    };
    match documents.iter().find(|(known, _)| known == name) {
        Some((_, schema)) => {
            world.print(&format!("{:#}", schema.as_value()));
            Exit::Pass
        }
        None => {
            let known: Vec<_> = documents.iter().map(|(name, _)| *name).collect();
            world.tell(&format!("error: there is no schema `{name}`; there are {}", known.join(", ")));
            Exit::Usage
        }
    }
}
