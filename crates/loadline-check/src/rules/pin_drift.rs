//! A value that stands in several files is the same in all of them.

use camino::Utf8Path;
use loadline_core::config::{Pin, PinPlace};
use loadline_core::{Code, Failure, Finding, Location, Outcome};
use loadline_dockerfile::Dockerfile;
use loadline_dockerfile::command::Command;
use regex::{Regex, RegexBuilder};

use crate::discover::is_dockerfile;
use crate::tree::{ReadError, Tree};
use crate::yaml::{self, Node};

/// The values differ.
pub static DRIFT: Code = Code::new(
    "pin-drift",
    "a pinned value is not the same in all its places",
    "A `[[pin]]` in `loadline.toml` says that a port, a tool's version or another value must be equal in \
     several files. One was changed and another forgotten. Give all places the same value; if they are meant \
     to differ, take the place out of the pin.",
);

/// A value is not where it should be.
pub static NOT_FOUND: Code = Code::new(
    "pin-not-found",
    "a pinned value is not where the configuration looks for it",
    "The file is not there, has no such key, or no line of it matches the pattern: the pin holds nothing \
     together. Mend the place in the pin, or restore what it found before. A pattern is a regular expression \
     whose first group is the value.",
);

/// A file that could not be read.
pub static UNREADABLE: Code = Code::new(
    "pin-unreadable",
    "a file with a pinned value could not be read",
    "The file lies outside the repository, is no regular file, is larger than 8 MiB, or the system refuses to \
     read it. Nothing can be said about it, so the verdict is unknown.",
);

/// The largest compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// A value in a file.
struct Found {
    value: String,
    line: Option<u32>,
}

/// Compares each pin's places.
pub(crate) fn check(tree: &dyn Tree, pins: &[Pin], outcome: &mut Outcome) {
    for pin in pins {
        let mut first: Option<(String, String)> =
            pin.value.clone().map(|value| (value, "the configuration".to_owned()));
        for place in &pin.places {
            for found in find(tree, pin, place, outcome) {
                let location = Location { line: found.line, ..Location::file(&place.file) };
                match &first {
                    None => first = Some((found.value, format!("`{}`", place.file))),
                    Some((value, _)) if *value == found.value => {}
                    Some((value, whose)) => {
                        let message = format!(
                            "`{}` is `{value}` in {whose} and `{}` in `{}`",
                            pin.name, found.value, place.file
                        );
                        let help = format!("make it `{value}` here, or the other value everywhere");
                        outcome.findings.push(Finding::error(&DRIFT, message).at(location).help(help));
                    }
                }
            }
        }
    }
}

fn find(tree: &dyn Tree, pin: &Pin, place: &PinPlace, outcome: &mut Outcome) -> Vec<Found> {
    let file = &place.file;
    let mut missing = |what: String, help: &str| {
        let message = format!("`{}` is not found in `{file}`: {what}", pin.name);
        outcome.findings.push(Finding::error(&NOT_FOUND, message).at(Location::file(file)).help(help));
        Vec::new()
    };
    let bytes = match tree.read(file) {
        Ok(bytes) => bytes,
        Err(ReadError::Absent { .. }) => {
            return missing("there is no such file".to_owned(), "mend `file`, or restore it");
        }
        Err(error) => {
            let message = format!("the pin `{}` cannot be examined: {error}", pin.name);
            outcome.failures.push(Failure::new(&UNREADABLE, message));
            return Vec::new();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    if let Some(pattern) = &place.pattern {
        let regex = match RegexBuilder::new(pattern).multi_line(true).size_limit(PATTERN_BYTES).build() {
            Ok(regex) if regex.captures_len() > 1 => regex,
            Ok(_) => return missing(format!("`{pattern}` has no group"), "put `( )` around the value"),
            Err(error) => {
                let reason = error.to_string();
                let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return missing(format!("`{pattern}` is no pattern: {last}"), "mend `pattern`");
            }
        };
        let found = by_pattern(&text, &regex);
        if found.is_empty() {
            return missing(format!("nothing matches `{pattern}`"), "mend `pattern`, or the file");
        }
        return found;
    }
    let key = place.key.as_deref().unwrap_or_default();
    match by_key(file, &text, key) {
        Ok(found) if found.is_empty() => missing(format!("it has no `{key}`"), "mend `key`, or the file"),
        Ok(found) => found,
        Err(reason) => missing(reason, "use a `pattern`"),
    }
}

fn by_pattern(text: &str, regex: &Regex) -> Vec<Found> {
    let group = |captures: regex::Captures<'_>| {
        let value = (1..captures.len()).find_map(|at| captures.get(at))?;
        Some(Found { value: value.as_str().to_owned(), line: Some(line_of(text, value.start())) })
    };
    regex.captures_iter(text).filter_map(group).collect()
}

fn line_of(text: &str, at: usize) -> u32 {
    let lines = text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
    u32::try_from(lines + 1).unwrap_or(u32::MAX)
}

fn by_key(file: &Utf8Path, text: &str, key: &str) -> Result<Vec<Found>, String> {
    let name = file.file_name().unwrap_or_default();
    let one = |found: Option<Found>| Ok(found.into_iter().collect());
    match file.extension() {
        _ if is_dockerfile(file) => in_dockerfile(text, key),
        _ if name == ".tool-versions" => Ok(in_lines(text, |line| {
            let mut words = line.split_whitespace();
            (words.next()? == key).then(|| words.next().unwrap_or_default().to_owned())
        })),
        _ if name.starts_with(".env") || name.ends_with(".env") => Ok(in_lines(text, |line| {
            let line = line.trim_start().trim_start_matches("export ");
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        })),
        Some("json") => {
            let value: serde_json::Value =
                serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
            let found = steps(key).try_fold(&value, |value, step| match step {
                Step::Name(name) => value.get(name),
                Step::Index(at) => value.get(at),
            });
            one(found.and_then(json_scalar).map(|value| Found { line: guess(text, key, &value), value }))
        }
        Some("toml") => {
            let value: toml::Value =
                toml::from_str(text).map_err(|error| format!("it is no TOML: {}", error.message()))?;
            let found = steps(key).try_fold(&value, |value, step| match step {
                Step::Name(name) => value.get(name),
                Step::Index(at) => value.get(at),
            });
            one(found.and_then(toml_scalar).map(|value| Found { line: guess(text, key, &value), value }))
        }
        Some("yml" | "yaml") => {
            let root = yaml::parse(text).map_err(|error| format!("it is no YAML: {error}"))?;
            let found = steps(key).try_fold(root.as_ref(), |node: &Node, step| match step {
                Step::Name(name) => node.get(name).map(AsRef::as_ref),
                Step::Index(at) => node.items().get(at).map(AsRef::as_ref),
            });
            one(found.and_then(|node| Some(Found { value: node.text()?.to_owned(), line: Some(node.line) })))
        }
        _ => {
            Err("keys are known in JSON, TOML, YAML, `.env`, `.tool-versions` and Dockerfiles only"
                .to_owned())
        }
    }
}

enum Step<'k> {
    Name(&'k str),
    Index(usize),
}

/// `a.b[0].c`, one step after the other.
fn steps(key: &str) -> impl Iterator<Item = Step<'_>> {
    key.split('.').flat_map(|part| {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        let indices = indices.split(['[', ']']).filter(|text| !text.is_empty());
        let name = (!name.is_empty()).then_some(Step::Name(name));
        name.into_iter().chain(indices.map(|text| text.parse().map_or(Step::Name(text), Step::Index)))
    })
}

fn json_scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn toml_scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Table(_) | toml::Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

/// The first line that has both the last name of the key and the value.
fn guess(text: &str, key: &str, value: &str) -> Option<u32> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let name = last.split('[').next().unwrap_or(last);
    let at = text.lines().position(|line| line.contains(name) && line.contains(value))?;
    u32::try_from(at + 1).ok()
}

fn in_lines(text: &str, value: impl Fn(&str) -> Option<String>) -> Vec<Found> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with('#'));
    lines.filter_map(|(line, number)| Some(Found { value: value(line)?, line: Some(number) })).collect()
}

fn in_dockerfile(text: &str, key: &str) -> Result<Vec<Found>, String> {
    let dockerfile = Dockerfile::parse(text.as_bytes()).map_err(|error| error.problem.to_string())?;
    let mut found = Vec::new();
    for instruction in &dockerfile.instructions {
        let mut note = |name: &str, value: &str| {
            if name == key {
                let value = value.trim_matches(['"', '\'']).to_owned();
                found.push(Found { value, line: Some(instruction.line) });
            }
        };
        match instruction.command() {
            Ok(Command::Arg(args)) => {
                for arg in &args {
                    if let Some(value) = &arg.default {
                        note(&arg.name, value);
                    }
                }
            }
            Ok(Command::Env(pairs) | Command::Label(pairs)) => {
                for pair in &pairs {
                    note(&pair.name, &pair.value);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Snapshot;

    fn pin(value: Option<&str>, places: &[(&str, Option<&str>, Option<&str>)]) -> Pin {
        let place = |(file, key, pattern): &(&str, Option<&str>, Option<&str>)| PinPlace {
            file: (*file).into(),
            key: key.map(str::to_owned),
            pattern: pattern.map(str::to_owned),
        };
        Pin {
            name: "p".to_owned(),
            value: value.map(str::to_owned),
            places: places.iter().map(place).collect(),
        }
    }

    fn said(files: &[(&str, &str)], pin: Pin) -> Vec<(&'static str, Option<u32>)> {
        let tree =
            Snapshot { files: files.iter().map(|(p, t)| ((*p).into(), t.as_bytes().to_vec())).collect() };
        let mut outcome = Outcome::new();
        check(&tree, &[pin], &mut outcome);
        assert!(outcome.failures.is_empty());
        outcome.findings.iter().map(|f| (f.code.name, f.location.as_ref().unwrap().line)).collect()
    }

    #[test]
    fn keys_are_found_in_every_kind_of_file() {
        let files = [
            ("package.json", "{\n  \"engines\": {\"node\": \"22.1\"}\n}"),
            (".tool-versions", "# tools\nnodejs 22.1\n"),
            ("x.toml", "[tools]\nnode = [\"22.1\"]\n"),
            ("ci.yaml", "env:\n  node: 22.1\n"),
            (".env.example", "A=1\nexport NODE=\"22.1\"\n"),
            ("Dockerfile", "ARG NODE=22.1\nFROM node:$NODE\nENV OTHER=1 NODE=22.1\n"),
        ];
        let places = [
            ("package.json", Some("engines.node"), None),
            (".tool-versions", Some("nodejs"), None),
            ("x.toml", Some("tools.node[0]"), None),
            ("ci.yaml", Some("env.node"), None),
            (".env.example", Some("NODE"), None),
            ("Dockerfile", Some("NODE"), None),
        ];
        assert_eq!(said(&files, pin(None, &places)), []);
        let lines = [(2), (2), (2), (2), (2), (1)];
        for (place, line) in places.iter().zip(lines) {
            let found = said(&files, pin(Some("20"), &[*place]));
            assert_eq!(found[0], ("pin-drift", Some(line)), "{}", place.0);
        }
        assert_eq!(said(&files, pin(Some("20"), &[places[5]])).len(), 2, "every place in a file counts");
    }

    #[test]
    fn patterns_match_line_by_line() {
        let files = [("Dockerfile", "FROM a:1\nEXPOSE 3000\n"), ("app.conf", "port: 3001\n")];
        let places =
            [("Dockerfile", None, Some("^EXPOSE (\\d+)$")), ("app.conf", None, Some("^port: (\\d+)"))];
        assert_eq!(said(&files, pin(None, &places)), [("pin-drift", Some(1))]);
        assert_eq!(said(&files, pin(Some("3000"), &places[..1])), []);
    }

    #[test]
    fn what_is_not_there_is_no_agreement() {
        let files = [("a.json", "{\"x\": {}}"), ("b.json", "{"), ("c.txt", "x")];
        for place in [
            ("a.json", Some("y"), None),
            ("a.json", Some("x"), None),
            ("b.json", Some("x"), None),
            ("c.txt", Some("x"), None),
            ("absent", Some("x"), None),
            ("c.txt", None, Some("(y)")),
            ("c.txt", None, Some("x")),
            ("c.txt", None, Some("(")),
        ] {
            assert_eq!(said(&files, pin(Some("1"), &[place])), [("pin-not-found", None)], "{place:?}");
        }
    }
}
