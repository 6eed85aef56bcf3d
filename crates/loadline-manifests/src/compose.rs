//! Compose files (compose-spec, `services`): images that are pulled, and those that are built.

use crate::kind::Kind;
use crate::mention::{Collector, Named};
use crate::yaml::Node;

const PREFIX: &str = "docker-image://";

pub(crate) fn collect(document: &Node, collector: &mut Collector<'_>) {
    for services in document.get("services") {
        for (_, service) in services.pairs() {
            let built = service.get("build").next().is_some();
            for image in service.get("image") {
                match image.text() {
                    Some(text) if built => collector.named(Kind::Compose, image, "", text, Named::Built),
                    _ => collector.scalar(Kind::Compose, image, ""),
                }
            }
            for volume in service.get("volumes").flat_map(Node::items) {
                if volume.get("type").any(|kind| kind.text() == Some("image")) {
                    volume.get("source").for_each(|source| collector.scalar(Kind::Compose, source, ""));
                }
            }
            contexts(service, collector);
        }
    }
}

/// Images that go into a build by another way than its Dockerfile.
fn contexts(service: &Node, collector: &mut Collector<'_>) {
    for contexts in
        service.get("build").flat_map(|build| build.get("additional_contexts").collect::<Vec<_>>())
    {
        for (_, context) in contexts.pairs() {
            collector.scalar(Kind::Compose, context, PREFIX);
        }
        for context in contexts.items() {
            // `NAME=docker-image://…`
            let prefix = context
                .text()
                .and_then(|text| text.find(PREFIX).map(|at| text[..at + PREFIX.len()].to_owned()));
            if let Some(prefix) = prefix {
                collector.scalar(Kind::Compose, context, &prefix);
            }
        }
    }
}
