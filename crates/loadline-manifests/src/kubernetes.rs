//! Kubernetes objects: the containers of every kind that has some.
//!
//! Kinds are not listed one by one: whatever has `containers`, `initContainers` or `ephemeralContainers`
//! whose items have an `image` runs them, be it a Pod, a CronJob, a List of either or a resource of
//! somebody's own. Custom resources that name images in other ways are not known.

use std::collections::HashSet;

use crate::kind::Kind;
use crate::mention::Collector;
use crate::yaml::{Content, Node};

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

pub(crate) fn collect(document: &Node, collector: &mut Collector<'_>) {
    walk(document, collector, &mut HashSet::new());
}

fn walk(node: &Node, collector: &mut Collector<'_>, seen: &mut HashSet<*const Node>) {
    // What aliases repeat is gone through once: a few lines of them can mean a billion nodes.
    if !seen.insert(std::ptr::from_ref(node)) {
        return;
    }
    match &node.content {
        Content::Sequence(items) => items.iter().for_each(|item| walk(item, collector, seen)),
        Content::Mapping { .. } => {
            for (key, value) in node.pairs() {
                if CONTAINERS.contains(&key) {
                    for container in value.items() {
                        container
                            .get("image")
                            .for_each(|image| collector.scalar(Kind::Kubernetes, image, ""));
                    }
                }
                if key == "volumes" {
                    // Image volumes (KEP-4639): `image: {reference: …}`.
                    for volume in
                        value.items().iter().flat_map(|volume| volume.get("image").collect::<Vec<_>>())
                    {
                        volume
                            .get("reference")
                            .for_each(|image| collector.scalar(Kind::Kubernetes, image, ""));
                    }
                }
                walk(value, collector, seen);
            }
        }
        Content::Scalar { .. } | Content::Nothing => {}
    }
}
