//! `.dockerignore` keeps secrets and history out of the build context.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::{Code, Failure, Finding, Location, Outcome, Severity};
use loadline_dockerfile::command::{Command, Source};
use loadline_dockerfile::ignore::{Inherited, Patterns};
use loadline_dockerfile::{Instruction, Stage, path};

use crate::hidden::{Hidden, hidden};
use crate::images::Loaded;
use crate::rules::dockerfile_invalid;
use crate::tree::{ReadError, Tree};

/// The context has what no image should.
pub static OPEN: Code = Code::new(
    "dockerignore-open",
    "the ignore file lets `.env`, `.git` or private keys into the build context",
    "`COPY . .` copies whatever the context holds. `.env` and keys are on the machines of developers, `.git` \
     is in every checkout: with them in a layer, everyone who can pull the image has the secrets and the whole \
     history, and each commit makes another image. What `.gitignore` names like a secret is on those machines \
     too. Name them in `.dockerignore`, or in \
     `NAME.dockerignore` beside the Dockerfile, which replaces it. Where nothing copies the whole context \
     it is a warning: the next instruction may.",
);

/// A pattern that docker refuses.
pub static INVALID: Code = Code::new(
    "dockerignore-invalid",
    "an ignore file has a pattern that is none",
    "The builder refuses the whole file, and the build with it. Mend the pattern: a `[` wants its `]`, a `!` \
     something to except.",
);

/// Names that the ignore file leaves open.
pub static KEYS: Code = Code::new(
    "dockerignore-keys",
    "the ignore file would let keys and secrets into the build context",
    "Nothing of the kind is known to lie there now. But `COPY . .` copies what lies there when the image is built: \
     a key that is put beside the sources for a moment, or the `.env` of a folder further down (`.env` alone \
     means the one at the root). An ignore file that names what is needed, `*` and then `!src`, is safe against \
     all of it; else name the usual ones.",
);

/// Names that secrets usually have, and a path that each means.
const USUAL: [(&str, &str); 4] =
    [("**/.env", "x/.env"), ("**/*.pem", "x.pem"), ("**/*.key", "x.key"), ("**/id_rsa", "id_rsa")];

/// What every checkout or developer's machine has.
const ALWAYS: [(&str, &str); 2] = [(".env", ".env"), (".git", ".git/config")];

/// What lies or may lie in a context, found once for all images that are built from it.
#[derive(Default)]
pub(crate) struct Contexts(BTreeMap<Utf8PathBuf, Secrets>);

struct Secrets {
    present: Vec<String>,
    hidden: Vec<Hidden>,
}

/// Looks at the ignore file of an image's context.
pub(crate) fn check(
    tree: &dyn Tree,
    contexts: &mut Contexts,
    image: &Loaded<'_>,
    stages: &[Stage<'_>],
    outcome: &mut Outcome,
) {
    let context: Utf8PathBuf = image.spec.context.components().filter(|c| c.as_str() != ".").collect();
    let (file, patterns) = match patterns(tree, image, &context, outcome) {
        Some(found) => found,
        None => return,
    };
    let all = stages.to_vec();
    let built = image.built(&all);
    if !built.iter().flat_map(|stage| stage.instructions).any(takes) {
        return;
    }
    let wholesale = built.iter().flat_map(|stage| stage.instructions).find_map(|i| Some((i, whole(i)?)));
    let visible = |inside: &str| {
        is_visible(&patterns, inside)
            && wholesale.as_ref().is_none_or(|(_, excluded)| is_visible(excluded, inside))
    };
    let mut open: Vec<(String, String)> = ALWAYS
        .iter()
        .filter(|(_, probe)| visible(probe))
        .map(|(name, _)| ((*name).to_owned(), (*name).to_owned()))
        .collect();
    let secrets = contexts.0.entry(context).or_insert_with_key(|context| Secrets {
        present: keys(tree, context, outcome),
        hidden: hidden(tree, context),
    });
    let present = secrets.present.iter().filter(|key| visible(key));
    open.extend(present.map(|key| (key.clone(), key.clone())));
    for hidden in secrets.hidden.iter().filter(|hidden| visible(&hidden.example)) {
        if !open.iter().any(|(name, _)| *name == hidden.example) {
            open.push((hidden.written.clone(), hidden.pattern.clone()));
        }
    }
    if let Some((instruction, _)) = &wholesale {
        let known = |pattern: &str| open.iter().any(|(_, known)| known == pattern);
        let usual = USUAL.iter().filter(|(pattern, probe)| visible(probe) && !known(pattern));
        let usual: Vec<String> = usual.map(|(pattern, _)| format!("`{pattern}`")).collect();
        if !usual.is_empty() {
            let message = format!(
                "`{}` copies its whole context, and `{file}` would not keep {} out",
                image.spec.name,
                usual.join(", ")
            );
            let help = format!("add them to `{file}`, or let it name what is needed: `*`, then `!src`");
            let location = Location::line(&image.path, instruction.line);
            outcome.findings.push(Finding::note(&KEYS, message).at(location).help(help));
        }
    }
    if open.is_empty() {
        return;
    }
    let quoted = |names: Vec<&String>| {
        names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let named = quoted(open.iter().map(|(name, _)| name).collect());
    let name = image.spec.name;
    let (severity, message, line) = match &wholesale {
        Some((instruction, _)) => {
            let message =
                format!("`{name}` copies its whole context, and `{file}` does not keep {named} out");
            (Severity::Error, message, instruction.line)
        }
        None => {
            let message = format!("`{file}` does not keep {named} out of the context of `{name}`");
            (Severity::Warning, message, 1)
        }
    };
    let help = format!("add to `{file}`: {}", quoted(open.iter().map(|(_, pattern)| pattern).collect()));
    let finding = Finding::new(&OPEN, severity, message).at(Location::line(&image.path, line)).help(help);
    outcome.findings.push(finding);
}

/// The ignore file that counts, and its patterns; an absent one keeps nothing out.
fn patterns(
    tree: &dyn Tree,
    image: &Loaded<'_>,
    context: &Utf8Path,
    outcome: &mut Outcome,
) -> Option<(Utf8PathBuf, Patterns)> {
    let own = Utf8PathBuf::from(format!("{}.dockerignore", image.path));
    let general = context.join(".dockerignore");
    for file in [own, general.clone()] {
        let bytes = match tree.read(&file) {
            Ok(bytes) => bytes,
            Err(ReadError::Absent { .. }) => continue,
            Err(error) => {
                let message = format!("the context of `{}` cannot be examined: {error}", image.spec.name);
                outcome.failures.push(Failure::new(&dockerfile_invalid::UNREADABLE, message));
                return None;
            }
        };
        match Patterns::read(&String::from_utf8_lossy(&bytes)) {
            Ok(patterns) => return Some((file, patterns)),
            Err(error) => {
                let finding = Finding::error(&INVALID, error.to_string()).at(Location::file(file));
                outcome.findings.push(finding);
                return None;
            }
        }
    }
    Some((general, Patterns::default()))
}

/// As the builder's walk asks: from the top down, each directory's answer handed on.
fn is_visible(patterns: &Patterns, inside: &str) -> bool {
    let mut inherited = Inherited::default();
    let mut ignored = false;
    let ends = inside.match_indices('/').map(|(at, _)| at).chain([inside.len()]);
    for end in ends {
        (ignored, inherited) = patterns.matches(&inside[..end], &inherited);
    }
    !ignored
}

/// Whether an instruction takes anything from the context.
fn takes(instruction: &Instruction) -> bool {
    match instruction.command() {
        Ok(Command::Copy(transfer) | Command::Add(transfer)) => {
            let is_path = |source: &Source| match source {
                Source::Path(text) => !text.contains("://") && !text.starts_with("git@"),
                Source::Heredoc { .. } => false,
            };
            transfer.from.is_none() && transfer.sources.iter().any(is_path)
        }
        Ok(Command::Run(run)) => run.mounts.iter().any(|mount| {
            let bind = !mount.contains("type=") || mount.contains("type=bind");
            bind && !mount.contains("from=")
        }),
        _ => false,
    }
}

/// Whether an instruction takes the whole context, and what it leaves out of it.
fn whole(instruction: &Instruction) -> Option<Patterns> {
    match instruction.command() {
        Ok(Command::Copy(transfer) | Command::Add(transfer)) if transfer.from.is_none() => {
            let all = transfer.sources.iter().any(|source| match source {
                Source::Path(text) => matches!(path::from_root(text).as_str(), "" | "*" | "**"),
                Source::Heredoc { .. } => false,
            });
            all.then(|| Patterns::new(&transfer.exclude).unwrap_or_default())
        }
        Ok(Command::Run(run)) => run.mounts.iter().any(|mount| mounts_all(mount)).then(Patterns::default),
        _ => None,
    }
}

/// `type=bind` without `from`, of the context's root.
fn mounts_all(mount: &str) -> bool {
    let value = |long: &str, short: &str| {
        mount.split(',').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            (name == long || name == short).then_some(value)
        })
    };
    value("type", "type").unwrap_or("bind") == "bind"
        && value("from", "from").is_none()
        && value("source", "src").is_none_or(|source| path::from_root(source).is_empty())
}

/// Private keys and files of secrets that lie in the context, by their names and, where the name alone does
/// not tell, their content.
fn keys(tree: &dyn Tree, context: &Utf8Path, outcome: &mut Outcome) -> Vec<String> {
    let files = match tree.files() {
        Ok(files) => files,
        Err(error) => {
            outcome.failures.push(Failure::new(&dockerfile_invalid::UNREADABLE, error.to_string()));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for file in files {
        let Ok(inside) = file.strip_prefix(context) else { continue };
        let name = file.file_name().unwrap_or_default();
        let is_secret = match inside.extension() {
            _ if inside == ".env" => false,
            _ if matches!(name, ".env" | "id_rsa" | "id_ed25519" | "id_ecdsa" | "id_dsa" | ".netrc") => true,
            Some("pem" | "key") => {
                let bytes = tree.read(&file).unwrap_or_default();
                bytes.windows(11).any(|window| window == b"PRIVATE KEY")
            }
            Some("p12" | "pfx" | "jks" | "keystore") => true,
            _ => false,
        };
        if is_secret {
            found.push(inside.to_string());
        }
    }
    found
}
