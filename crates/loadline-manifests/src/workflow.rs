//! Workflows and actions of GitHub: `container`, `services`, and `docker://` where an action may stand.

use crate::kind::Kind;
use crate::mention::Collector;
use crate::yaml::Node;

const PREFIX: &str = "docker://";

pub(crate) fn collect(document: &Node, collector: &mut Collector<'_>) {
    for (_, job) in document.get("jobs").flat_map(Node::pairs) {
        for container in job.get("container") {
            run_in(container, collector);
        }
        for (_, service) in job.get("services").flat_map(Node::pairs) {
            run_in(service, collector);
        }
        steps(job, collector);
    }
    for runs in document.get("runs") {
        runs.get("image").for_each(|image| docker(image, collector));
        steps(runs, collector);
    }
}

/// A container: a reference, or a mapping with an `image`.
fn run_in(container: &Node, collector: &mut Collector<'_>) {
    let whole = std::iter::once(container).filter(|node| node.text().is_some());
    for image in whole.chain(container.get("image")) {
        match image.text() {
            // No container at all; that is how a matrix leaves it out.
            Some("") => {}
            Some(text) if text.starts_with(PREFIX) => docker(image, collector),
            _ => collector.scalar(Kind::Workflow, image, ""),
        }
    }
}

fn steps(job: &Node, collector: &mut Collector<'_>) {
    for step in job.get("steps").flat_map(Node::items) {
        step.get("uses").for_each(|uses| docker(uses, collector));
    }
}

fn docker(image: &Node, collector: &mut Collector<'_>) {
    collector.scalar(Kind::Workflow, image, PREFIX);
}
