//! An image is what its contract says: ports, user, health check, stop signal, labels.
//!
//! Looked at is what the Dockerfile itself says, along the stages that the target is built on. What a base
//! image from a registry brings along is not known here; where the file says nothing, nothing is found
//! about a user, a stop signal or ports that the base may have set, unless the contract demands them.

use std::collections::BTreeSet;

pub use loadline_core::config::Contract;
use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::Stage;
use loadline_dockerfile::command::{Command, Healthcheck};

use crate::images::{Loaded, find};

/// It is not.
pub static CONTRACT: Code = Code::new(
    "image-contract",
    "a Dockerfile does not make the image that its contract describes",
    "The contract in `loadline.toml` says what operators rely on: which ports the image exposes, as whom it \
     runs, whether it reports its health, by which signal it stops, which labels it has. Mend the Dockerfile; \
     if the change is meant, change the contract with it, so that the change is seen in review.",
);

/// What a Dockerfile says of an image, with the lines that say it.
#[derive(Default)]
struct Said {
    ports: Vec<(String, u32)>,
    user: Option<(String, u32)>,
    healthcheck: Option<(bool, u32)>,
    stop_signal: Option<(String, u32)>,
    labels: BTreeSet<String>,
}

/// Compares what the Dockerfile says with the contract.
pub(crate) fn check(image: &Loaded<'_>, stages: &[Stage<'_>], outcome: &mut Outcome) {
    let contract = &image.spec.contract;
    if *contract == Contract::default() {
        return;
    }
    let target = match image.spec.target {
        Some(name) => find(stages, name),
        None => stages.last(),
    };
    let Some(target) = target else { return };
    let said = said(stages, target);
    let name = image.spec.name;
    let mut report = |line: u32, message: String, help: String| {
        let location = Location::line(&image.path, line);
        outcome.findings.push(Finding::error(&CONTRACT, message).at(location).help(help));
    };
    if let Some(wanted) = &contract.expose {
        let wanted: BTreeSet<String> = wanted.iter().map(|port| port_name(port)).collect();
        for (port, line) in
            said.ports.iter().filter(|(port, _)| !wanted.contains(port) && !port.contains('$'))
        {
            report(
                *line,
                format!("`{name}` exposes {port}, which is not in its contract"),
                "remove the EXPOSE, or add the port to the contract".to_owned(),
            );
        }
        let has = |port: &String| said.ports.iter().any(|(p, _)| p == port || p.contains('$'));
        for port in wanted.iter().filter(|port| !has(port)) {
            report(
                target.from.line,
                format!("`{name}` does not expose {port}, which its contract demands"),
                format!("add `EXPOSE {port}`"),
            );
        }
    }
    if let Some(wanted) = &contract.user {
        match &said.user {
            Some((user, _)) if user == wanted || user.contains('$') => {}
            Some((user, line)) => report(
                *line,
                format!("`{name}` runs as `{user}`, not as `{wanted}`"),
                format!("write `USER {wanted}`"),
            ),
            None => report(
                target.from.line,
                format!("`{name}` does not say that it runs as `{wanted}`"),
                format!("add `USER {wanted}`"),
            ),
        }
    }
    if let Some(wanted) = contract.healthcheck {
        let (has, line) = said.healthcheck.unwrap_or((false, target.from.line));
        if has && !wanted {
            report(
                line,
                format!("`{name}` has a health check, which its contract excludes"),
                "remove it".into(),
            );
        } else if wanted && !has {
            report(line, format!("`{name}` has no health check"), "add `HEALTHCHECK CMD …`".into());
        }
    }
    if let Some(wanted) = &contract.stop_signal {
        match &said.stop_signal {
            Some((signal, _)) if signal_name(signal) == signal_name(wanted) || signal.contains('$') => {}
            Some((signal, line)) => report(
                *line,
                format!("`{name}` stops by {signal}, not by {wanted}"),
                format!("write `STOPSIGNAL {wanted}`"),
            ),
            None => report(
                target.from.line,
                format!("`{name}` does not say that it stops by {wanted}"),
                format!("add `STOPSIGNAL {wanted}`"),
            ),
        }
    }
    let given = |label: &String| image.spec.labels.contains(&label.as_str());
    for label in contract.labels.iter().filter(|label| !said.labels.contains(*label) && !given(label)) {
        report(
            target.from.line,
            format!("`{name}` has no label `{label}`"),
            format!("add `LABEL {label}=…`, or give it under `[image.{name}.labels]`"),
        );
    }
}

/// What holds at the end of a stage, its bases first.
fn said(stages: &[Stage<'_>], target: &Stage<'_>) -> Said {
    let mut chain = vec![target.index];
    let mut at = target;
    while let Some(base) = find(&stages[..at.index], &at.base.image) {
        chain.push(base.index);
        at = base;
    }
    let mut said = Said::default();
    for instruction in chain.iter().rev().flat_map(|index| stages[*index].instructions) {
        let line = instruction.line;
        match instruction.command() {
            Ok(Command::Expose(ports)) => said.ports.extend(ports.iter().map(|port| (port_name(port), line))),
            Ok(Command::User(user)) => said.user = Some((user, line)),
            Ok(Command::Healthcheck(check)) => {
                said.healthcheck = Some((matches!(check, Healthcheck::Cmd(_)), line));
            }
            Ok(Command::Stopsignal(signal)) => said.stop_signal = Some((signal, line)),
            Ok(Command::Label(labels)) => {
                said.labels.extend(labels.into_iter().map(|l| l.name.trim_matches(['"', '\'']).to_owned()));
            }
            _ => {}
        }
    }
    said
}

/// `3000/tcp` and `3000` are one port.
fn port_name(port: &str) -> String {
    let port = port.trim_matches(['"', '\'']);
    port.strip_suffix("/tcp").unwrap_or(port).to_owned()
}

/// `SIGTERM`, `TERM` and `sigterm` are one signal.
fn signal_name(signal: &str) -> String {
    let upper = signal.trim_matches(['"', '\'']).to_ascii_uppercase();
    upper.strip_prefix("SIG").unwrap_or(&upper).to_owned()
}
