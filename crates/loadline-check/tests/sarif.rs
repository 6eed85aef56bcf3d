//! SARIF of the check: valid by the committee's own schema, and of use to code scanning: every result has a
//! rule with help, and a file and line that are there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Parser;
use jsonschema::Validator;
use loadline_check::cli::{self, End, Inputs};
use loadline_core::Verdict;
use loadline_process::Environment;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: cli::Args,
}

struct Checkout {
    _folder: TempDir,
    root: Utf8PathBuf,
}

impl Checkout {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        let checkout = Self { _folder: folder, root };
        files.iter().for_each(|(path, text)| checkout.write(path, text));
        checkout
    }

    fn write(&self, path: &str, text: &str) {
        let full = self.root.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    fn sarif(&self, below: &str, more: &[&str]) -> (Value, End) {
        let line = ["check", "--format", "sarif"].iter().chain(more);
        let args = Line::try_parse_from(line).unwrap().args;
        let environment = Environment::of_this_process();
        let folder = self.root.join(below);
        let answer = cli::run(&args, &Inputs { environment: &environment, folder: &folder, colour: true });
        assert_eq!(answer.err, "");
        (serde_json::from_str(&answer.out).unwrap(), answer.end)
    }
}

fn schema() -> Validator {
    let text = fs::read_to_string(
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sarif/sarif-schema-2.1.0.json"),
    );
    let mut schema: Value = serde_json::from_str(&text.unwrap()).unwrap();
    // Its brackets do not match, so no engine with Unicode takes it; we write no `language`.
    for owner in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{owner}/properties/language")).unwrap();
        assert!(language.as_object_mut().unwrap().remove("pattern").is_some());
    }
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn valid(log: &Value) {
    let schema = schema();
    let errors: Vec<String> =
        schema.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{log:#}");
}

/// As code scanning shows results: by rule with its help, in a file of the checkout, at lines it has. Gives
/// back `rule file:line`.
fn shown(checkout: &Checkout, log: &Value) -> Vec<String> {
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let mut out = Vec::new();
    for result in run["results"].as_array().unwrap() {
        let id = result["ruleId"].as_str().unwrap();
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], id);
        for text in [&rule["shortDescription"]["text"], &rule["help"]["text"], &rule["help"]["markdown"]] {
            assert!(text.as_str().unwrap().len() > 10, "{rule:#}");
        }
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let locations = result["locations"].as_array().unwrap();
        assert_eq!(locations.len(), 1, "{result:#}");
        let place = &locations[0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        let file = percent_decode_str(uri).decode_utf8().unwrap().into_owned();
        let text = String::from_utf8_lossy(&fs::read(checkout.root.join(&file)).expect(&file)).into_owned();
        let number = |name: &str| place["region"][name].as_u64();
        let lines: Vec<&str> = text.split('\n').collect();
        let (start, end) = (number("startLine").unwrap(), number("endLine").or(number("startLine")).unwrap());
        assert!(1 <= start && start <= end && end <= lines.len() as u64, "{result:#}");
        for (line, column) in [(start, "startColumn"), (end, "endColumn")] {
            let line = lines[usize::try_from(line).unwrap() - 1];
            let most = line.trim_end_matches('\r').chars().count() as u64 + 1;
            assert!(number(column).is_none_or(|column| 1 <= column && column <= most), "{result:#}");
        }
        out.push(format!("{id} {file}:{start}"));
    }
    out
}

const CONFIG: &str = r##"
[release]
source = "github.com/acme/widget"
repository = "registry.example.com/acme/widget"
platforms = ["linux/amd64"]
[[shared-region]]
name = "base"
begin = "# begin"
end = "# end"
files = ["Dockerfile a", "ä.Dockerfile"]
[image.a]
dockerfile = "Dockerfile a"
[image.b]
dockerfile = "ä.Dockerfile"
[verify]
signer-workflow = ".github/workflows/absent.yml"
"##;

fn everything() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Dockerfile a", "# begin\nFROM a:1\n# end\nENV TOKEN=x\n"),
        ("ä.Dockerfile", "# begin\r\nFROM a:1\n# end\nCOPY . .\nUSER 1"),
        ("other/Dockerfile", "FROM a\n"),
    ]
}

#[test]
fn what_is_found_is_valid_and_shown_where_it_is() {
    let checkout = Checkout::new(&everything());
    checkout.write("loadline.toml", CONFIG);
    let (log, end) = checkout.sarif("", &[]);
    assert_eq!(end, End::Verdict(Verdict::Fail));
    valid(&log);
    let mut shown = shown(&checkout, &log);
    shown.sort();
    let expected = [
        "dockerfile-unlisted other/Dockerfile:1",
        "dockerignore-keys ä.Dockerfile:4",
        "dockerignore-open ä.Dockerfile:4",
        "secret-in-dockerfile Dockerfile a:4",
        "shared-region-drift ä.Dockerfile:1",
        // Without a place of its own: the configuration's.
        "workflow-absent loadline.toml:1",
    ];
    assert_eq!(shown, expected);
    assert_eq!(log["runs"][0]["invocations"], json!([{"executionSuccessful": true}]));
}

#[test]
fn paths_count_from_the_top_wherever_the_configuration_is() {
    let files: Vec<(String, &str)> =
        everything().iter().map(|(path, text)| (format!("deploy/{path}"), *text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let checkout = Checkout::new(&files);
    checkout.write("deploy/release.toml", CONFIG);
    for (below, config) in [("", "deploy/release.toml"), ("deploy/other", "../release.toml")] {
        let (log, _) = checkout.sarif(below, &["--config", config]);
        valid(&log);
        let shown = shown(&checkout, &log);
        assert!(shown.contains(&"workflow-absent deploy/release.toml:1".to_owned()), "{shown:?}");
        assert!(shown.contains(&"shared-region-drift deploy/ä.Dockerfile:1".to_owned()), "{shown:?}");
    }
}

#[test]
fn what_could_not_be_looked_at_is_a_notification() {
    let checkout = Checkout::new(&everything()[..1]);
    checkout.write("loadline.toml", CONFIG);
    let large = fs::File::create(checkout.root.join("ä.Dockerfile")).unwrap();
    large.set_len(9 << 20).unwrap();
    let (log, end) = checkout.sarif("", &[]);
    assert_eq!(end, End::Verdict(Verdict::Unknown), "{log:#}");
    valid(&log);
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let ids: Vec<&Value> = invocation["toolExecutionNotifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notification| &notification["descriptor"]["id"])
        .collect();
    assert!(
        ids.contains(&&json!("region-file-unreadable")) && ids.contains(&&json!("dockerfile-unreadable"))
    );
}

#[test]
fn without_a_configuration_and_with_a_wrong_one_it_is_valid_too() {
    let text = |body: &str| format!("# SHARED-X-BEGIN\n{body}\n# SHARED-X-END\n");
    let checkout = Checkout::new(&[]);
    checkout.write("a.Dockerfile", &text("FROM a"));
    checkout.write("b.Dockerfile", &text("FROM b"));
    let (log, _) = checkout.sarif("", &[]);
    valid(&log);
    assert_eq!(shown(&checkout, &log), ["shared-region-drift b.Dockerfile:2"]);
    checkout.write("loadline.toml", "[release]\nsorce = 1\n");
    let (log, end) = checkout.sarif("", &[]);
    assert_eq!(end, End::Usage);
    valid(&log);
    assert!(!shown(&checkout, &log).is_empty());
    let clean = Checkout::new(&[]);
    clean.write("a.Dockerfile", &text("FROM a"));
    clean.write("b.Dockerfile", &text("FROM a"));
    let (log, end) = clean.sarif("", &[]);
    assert_eq!(end, End::Verdict(Verdict::Pass));
    valid(&log);
}

#[test]
fn the_schema_refuses_what_is_no_sarif() {
    let checkout = Checkout::new(&everything());
    checkout.write("loadline.toml", CONFIG);
    let (log, _) = checkout.sarif("", &[]);
    let schema = schema();
    for (pointer, wrong) in [
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!("a b")),
        ("/runs/0/tool/driver/rules/0/help", json!({"markdown": "x"})),
        ("/version", json!("2.0.0")),
    ] {
        let mut log = log.clone();
        *log.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&log), "{pointer}");
    }
}
