//! BuildKit's attestations: statements in an index beside the image, signed by nobody.

use futures_util::stream::{self, StreamExt};
use loadline_core::media_type::IN_TOTO;
use loadline_core::predicate::build_story::BuildStory;
use loadline_core::statement::{STATEMENT_V01, STATEMENT_V1};
use loadline_registry::walk::Item;
use loadline_registry::{Descriptor, RegistryError, Repository};
use serde_json::Value;

use super::{Attested, PARALLEL};

/// The largest provenance that is read; bills of materials are not read here.
const LIMIT: u64 = 8 << 20;
/// The annotation by which a layer says what its statement is of.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// Reads the attestations of one image, and says what could not be.
pub(super) async fn read(repository: &Repository, items: Vec<&Item>) -> (Vec<Attested>, Vec<RegistryError>) {
    let layers: Vec<Descriptor> = items
        .into_iter()
        .filter_map(|item| item.manifest.as_image().ok())
        .flat_map(|image| image.layers)
        .filter(|layer| layer.media_type == IN_TOTO)
        .collect();
    let all: Vec<_> = stream::iter(layers)
        .map(|layer| async move { one(repository, layer).await })
        .buffered(PARALLEL)
        .collect()
        .await;
    let mut failures = Vec::new();
    let attested = all.into_iter().map(|(attested, failure)| {
        failures.extend(failure);
        attested
    });
    (attested.collect(), failures)
}

async fn one(repository: &Repository, layer: Descriptor) -> (Attested, Option<RegistryError>) {
    let said = layer.annotations.get(PREDICATE_TYPE).cloned().unwrap_or_default();
    let mut attested = Attested {
        digest: layer.digest.clone(),
        predicate_type: said.clone(),
        size: layer.size,
        story: None,
        note: None,
    };
    if !said.contains("slsa.dev/provenance") {
        return (attested, None);
    }
    if layer.size > LIMIT {
        attested.note = Some(format!("not read: it has {} bytes", layer.size));
        return (attested, None);
    }
    let bytes = match repository.blob(&layer, LIMIT).await {
        Ok(bytes) => bytes,
        Err(error) => {
            attested.note = Some("not read".to_owned());
            return (attested, Some(error));
        }
    };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(statement) => tell(&mut attested, &statement),
        Err(error) => attested.note = Some(format!("no statement: {error}")),
    }
    (attested, None)
}

fn tell(attested: &mut Attested, statement: &Value) {
    let kind = statement["_type"].as_str().unwrap_or_default();
    if kind != STATEMENT_V1 && kind != STATEMENT_V01 {
        attested.note = Some(format!("no statement of a known type: `{kind}`"));
        return;
    }
    // Its own word counts, not the annotation's.
    if let Some(own) = statement["predicateType"].as_str() {
        own.clone_into(&mut attested.predicate_type);
    }
    attested.story = BuildStory::of(&attested.predicate_type, &statement["predicate"]);
    if attested.story.is_none() {
        attested.note = Some("no provenance that is known".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use loadline_core::Digest;
    use serde_json::json;

    use super::*;

    fn told(statement: &Value) -> Attested {
        let mut attested = Attested {
            digest: Digest::of("x"),
            predicate_type: "https://slsa.dev/provenance/v1".into(),
            size: 0,
            story: None,
            note: None,
        };
        tell(&mut attested, statement);
        attested
    }

    #[test]
    fn both_types_of_statement_are_read_and_others_are_not() {
        for kind in [STATEMENT_V01, STATEMENT_V1] {
            let statement = json!({
                "_type": kind, "predicateType": "https://slsa.dev/provenance/v0.2",
                "predicate": {"builder": {"id": "b"}},
            });
            let attested = told(&statement);
            assert_eq!(attested.predicate_type, "https://slsa.dev/provenance/v0.2");
            assert_eq!(attested.story.unwrap().builder.as_deref(), Some("b"));
        }
        let attested = told(&json!({"_type": "x", "predicate": {}}));
        assert!(attested.story.is_none() && attested.note.unwrap().contains("`x`"));
    }
}
