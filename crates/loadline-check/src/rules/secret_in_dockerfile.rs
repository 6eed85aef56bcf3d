//! No secrets in ARG, ENV or LABEL: what stands there is in the image for everyone.

use camino::Utf8Path;
use loadline_core::{Code, Finding, Location, Outcome, Severity};
use loadline_dockerfile::command::Command;
use loadline_dockerfile::{Dockerfile, Instruction};

use crate::images::Loaded;

/// A secret, by its name or its looks.
pub static SECRET: Code = Code::new(
    "secret-in-dockerfile",
    "an ARG, ENV or LABEL looks like it holds a secret",
    "What ARG and ENV hold can be read by everyone who has the image: values of ENV and LABEL are in its \
     configuration, those of ARG in its history and in the provenance. Mount secrets for the one command that \
     needs them (`RUN --mount=type=secret,id=token …`) and give the running container its own. A value that \
     has been committed is public: revoke it.",
);

/// Words of a name that speak of a secret, as BuildKit's own check has them.
const WORDS: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];

/// How known kinds of secrets begin, and how long they are at least.
const LOOKS: [(&str, usize, &str); 12] = [
    ("AKIA", 20, "an AWS access key"),
    ("ASIA", 20, "an AWS session key"),
    ("ghp_", 40, "a GitHub token"),
    ("gho_", 40, "a GitHub token"),
    ("ghs_", 40, "a GitHub token"),
    ("github_pat_", 60, "a GitHub token"),
    ("glpat-", 26, "a GitLab token"),
    ("npm_", 40, "an npm token"),
    ("xoxb-", 30, "a Slack token"),
    ("sk_live_", 24, "a Stripe key"),
    ("dckr_pat_", 30, "a Docker token"),
    ("-----BEGIN ", 20, "a private key"),
];

/// Looks at every stage, built or not: the file itself is in the repository.
pub(crate) fn check(images: &[Loaded<'_>], outcome: &mut Outcome) {
    let mut seen: Vec<&Utf8Path> = Vec::new();
    for image in images {
        if !seen.contains(&image.path.as_path()) {
            seen.push(&image.path);
            outcome.findings.extend(findings(&image.path, &image.dockerfile));
        }
    }
}

/// Looks at a Dockerfile that belongs to no image: what a secret is by its looks is public there too. What is
/// only named like one is the business of who releases it.
pub(crate) fn unlisted(path: &Utf8Path, dockerfile: &Dockerfile, outcome: &mut Outcome) {
    let certain = findings(path, dockerfile).into_iter().filter(|found| found.severity == Severity::Error);
    outcome.findings.extend(certain);
}

fn findings(path: &Utf8Path, dockerfile: &Dockerfile) -> Vec<Finding> {
    let mut found = Vec::new();
    for instruction in &dockerfile.instructions {
        for (kind, name, value) in values(instruction) {
            let Some((severity, why)) = judge(kind, &name, value.as_deref()) else { continue };
            // The value itself is never shown: what prints it would publish it once more.
            let message = format!("{kind} `{name}` in `{path}` {why}");
            let mut location = Location::line(path, instruction.line);
            location.span = Some(instruction.span.clone());
            let help = match severity {
                Severity::Error => "revoke it, and mount secrets instead: `RUN --mount=type=secret,id=…`",
                _ => "mount secrets instead: `RUN --mount=type=secret,id=…`",
            };
            found.push(Finding::new(&SECRET, severity, message).at(location).help(help));
        }
    }
    found
}

fn values(instruction: &Instruction) -> Vec<(&'static str, String, Option<String>)> {
    let pairs = |kind, pairs: Vec<loadline_dockerfile::command::Pair>| {
        pairs.into_iter().map(|pair| (kind, pair.name, Some(pair.value))).collect()
    };
    match instruction.onbuild.as_deref().unwrap_or(instruction).command() {
        Ok(Command::Arg(args)) => args.into_iter().map(|arg| ("ARG", arg.name, arg.default)).collect(),
        Ok(Command::Env(env)) => pairs("ENV", env),
        Ok(Command::Label(labels)) => pairs("LABEL", labels),
        _ => Vec::new(),
    }
}

fn judge(kind: &str, name: &str, value: Option<&str>) -> Option<(Severity, String)> {
    let bare = value.unwrap_or("").trim_matches(['"', '\'']);
    let begins = |(start, length, _): &&(&str, usize, &str)| bare.starts_with(start) && bare.len() >= *length;
    if let Some((.., what)) = LOOKS.iter().find(begins)
        && !bare.contains('$')
    {
        return Some((Severity::Error, format!("holds what looks like {what}")));
    }
    if kind == "LABEL" || !speaks_of_secrets(name) {
        return None;
    }
    let set = match (kind, value) {
        ("ENV", _) => !bare.is_empty(),
        // An ARG is a place to pass one in, with a default or without.
        _ => true,
    };
    // A path to a file is no secret, nor is a switch, nor the fingerprint of a key that others sign with.
    let is_fingerprint = bare.len() >= 16 && bare.bytes().all(|b| b.is_ascii_hexdigit() || b == b' ');
    let of_gpg = name.to_ascii_lowercase().split('_').any(|word| matches!(word, "gpg" | "pgp"));
    let harmless =
        bare.starts_with('/') || matches!(bare, "true" | "false" | "0" | "1") || (of_gpg && is_fingerprint);
    (set && !harmless).then(|| (Severity::Warning, "is named like a secret".to_owned()))
}

fn speaks_of_secrets(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    words.iter().any(|word| WORDS.contains(word)) && !words.contains(&"public")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_looks() {
        let severity = |kind, name, value| judge(kind, name, value).map(|(severity, _)| severity);
        assert_eq!(severity("ENV", "DB_PASSWORD", Some("x")), Some(Severity::Warning));
        assert_eq!(severity("ARG", "NPM_TOKEN", None), Some(Severity::Warning));
        assert_eq!(severity("ENV", "API_KEY", Some("\"\"")), None);
        assert_eq!(severity("ENV", "KEYBOARD", Some("x")), None);
        assert_eq!(severity("ENV", "PUBLIC_KEY", Some("x")), None);
        assert_eq!(severity("ENV", "TOKEN_FILE", Some("/run/secrets/token")), None);
        assert_eq!(severity("ENV", "GPG_KEY", Some("7169605F62C751356D054A26A821E680E5FA6305")), None);
        assert_eq!(severity("ENV", "GPG_KEY", Some("hunter2")), Some(Severity::Warning));
        assert_eq!(severity("LABEL", "org.example.key", Some("x")), None);
        assert_eq!(severity("ENV", "X", Some("AKIAIOSFODNN7EXAMPLE")), Some(Severity::Error));
        assert_eq!(severity("ENV", "X", Some("AKIA")), None);
        assert_eq!(severity("ENV", "X", Some("-----BEGIN RSA PRIVATE KEY-----")), Some(Severity::Error));
    }
}
