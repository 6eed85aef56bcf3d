//! What pre-commit finds at the repository's root: hooks that this program understands, and a package that
//! depends on the wheel of this very version.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Parser;
use loadline_check::{cli, yaml};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    _args: cli::Args,
}

fn root() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn hooks_are_lines_that_the_program_takes() {
    let hooks = yaml::parse(&fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap()).unwrap();
    let mut ids = Vec::new();
    for hook in hooks.items() {
        let text = |key: &str| hook.get(key).and_then(|node| node.text()).unwrap_or_default();
        let (id, language) = (text("id"), text("language"));
        let words: Vec<&str> = text("entry").split(' ').collect();
        assert_eq!(words[0], "loadline-check", "{id}");
        assert!(Line::try_parse_from(&words).is_ok(), "{id}: {words:?}");
        assert_eq!(words.contains(&"--fix"), id.contains("-fix"), "{id}");
        assert_eq!(language, if id.ends_with("-wheel") { "python" } else { "rust" }, "{id}");
        assert_eq!((text("pass_filenames"), text("always_run")), ("false", "true"), "{id}");
        ids.push(id.to_owned());
    }
    let wanted = ["loadline-check", "loadline-check-fix", "loadline-check-wheel", "loadline-check-fix-wheel"];
    assert_eq!(ids, wanted);
}

#[test]
fn the_package_at_the_root_depends_on_this_versions_wheel() {
    let read =
        |path: &str| -> toml::Table { fs::read_to_string(root().join(path)).unwrap().parse().unwrap() };
    let (hook, wheel) = (read("pyproject.toml"), read("packaging/wheel/pyproject.toml"));
    let version = env!("CARGO_PKG_VERSION");
    let name = wheel["project"]["name"].as_str().unwrap();
    assert_eq!(hook["project"]["version"].as_str(), Some(version));
    let dependencies = hook["project"]["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), 1);
    assert_eq!(dependencies[0].as_str(), Some(format!("{name}=={version}").as_str()));
    // The wheel's own version is Cargo's.
    assert_eq!(wheel["project"]["dynamic"][0].as_str(), Some("version"));
    assert!(wheel["project"].get("version").is_none());
}
