//! Who may import whom: a room imports only rooms on floors below its own, on one floor nobody imports a
//! neighbour, and what is not so is written here (docs/src/architecture.md).

use std::collections::BTreeSet;

use camino::Utf8Path;
use toml::Table;

use super::{Report, TidyError, packages, read};

/// Each floor's rooms, the ground floor first.
const FLOORS: &[&[&str]] = &[
    &["loadline-core"],
    &[
        "loadline-dockerfile",
        "loadline-gate",
        "loadline-manifests",
        "loadline-policy",
        "loadline-report",
        "loadline-sbom",
    ],
    &["loadline-process", "loadline-registry", "loadline-sigstore", "loadline-github"],
    &["loadline-check", "loadline-build", "loadline-evidence"],
    &["loadline-release"],
    &["loadline"],
];

/// The garden: imports the ground floor alone, and the door alone imports it outside of tests.
const GARDEN: &str = "loadline-sandbox";
const DOOR: &str = "loadline";

/// Imports between neighbours, and why each is allowed.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("loadline-manifests", "loadline-dockerfile", "FROM lines are read as Dockerfiles are"),
    ("loadline-registry", "loadline-process", "credential helpers are programs"),
    ("loadline-github", "loadline-process", "git is a program"),
    ("loadline-sigstore", "loadline-process", "tokens may come from a program"),
];

/// Crates that only certain rooms may know; a name that ends in `-` stands for all that begin so.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("sigstore-merkle", &["loadline-sigstore", GARDEN], "the sandbox's logs hash their trees with it"),
    ("sigstore-", &["loadline-sigstore"], "every minor release changes the API"),
    ("oci-spec", &["loadline-registry", "loadline-build"], "formats of registries"),
];

/// What opens connections, and so has no place on the ground and knowledge floors and in `check`.
const NETWORK: &[&str] = &["tokio", "reqwest", "hyper", "axum", "octocrab", "rustls", "aws-lc-rs", "http"];

pub(super) fn look(root: &Utf8Path, report: &mut Report) -> Result<(), TidyError> {
    for folder in packages(root)? {
        let path = folder.join("Cargo.toml");
        let manifest: Table = read(&path)?
            .parse()
            .map_err(|source| TidyError::Manifest { path: path.clone(), source: Box::new(source) })?;
        let name = folder.file_name().unwrap_or_default();
        report.problems.extend(judge(name, &manifest));
    }
    Ok(())
}

/// What is wrong with the imports of one package.
fn judge(name: &str, manifest: &Table) -> Vec<String> {
    let names = |table: &str| -> BTreeSet<String> {
        let own = manifest.get(table).and_then(|t| t.as_table());
        let of_targets = manifest
            .get("target")
            .and_then(|t| t.as_table())
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(|t| t.get(table).and_then(|t| t.as_table())));
        own.into_iter().chain(of_targets).flat_map(|t| t.keys().cloned()).collect()
    };
    let mut problems = Vec::new();
    let package = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str());
    if package != Some(name) {
        problems.push(format!("crates/{name}: its package is called {}", package.unwrap_or("nothing")));
    }
    if name == "xtask" {
        return problems;
    }
    if floor(name).is_none() && name != GARDEN {
        problems.push(format!("{name} stands on no floor: name its place in xtask/src/tidy/floors.rs"));
        return problems;
    }
    for import in names("dependencies").iter().chain(&names("build-dependencies")) {
        if let Some(problem) = refused(name, import) {
            problems.push(problem);
        }
    }
    problems
}

fn refused(name: &str, import: &str) -> Option<String> {
    if import == DOOR || import.starts_with("loadline-") {
        if EXCEPTIONS.iter().any(|(from, to, _)| *from == name && *to == import) {
            return None;
        }
        if import == GARDEN {
            return (name != DOOR)
                .then(|| format!("{name} imports {GARDEN}: outside of tests the door alone may"));
        }
        if name == GARDEN {
            return (import != FLOORS[0][0])
                .then(|| format!("{GARDEN} imports {import}: it may import core alone"));
        }
        return match (floor(name), floor(import)) {
            (Some(own), Some(other)) if other < own => None,
            (Some(own), Some(other)) if other == own => {
                Some(format!("{name} imports its neighbour {import} on the same floor"))
            }
            (_, None) => Some(format!("{name} imports {import}, which stands on no floor")),
            _ => Some(format!("{name} imports {import}, which is on a floor above it")),
        };
    }
    if NETWORK.contains(&import) && (floor(name).is_some_and(|f| f < 2) || name == "loadline-check") {
        return Some(format!("{name} imports {import}: no room there opens connections"));
    }
    let reserved = RESERVED
        .iter()
        .find(|(known, ..)| *known == import || known.ends_with('-') && import.starts_with(known));
    match reserved {
        Some((_, rooms, why)) if !rooms.contains(&name) => {
            Some(format!("{name} imports {import}, which belongs to {} alone ({why})", rooms.join(" and ")))
        }
        _ => None,
    }
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, dependencies: &[&str]) -> usize {
        let mut text = format!("[package]\nname = \"{name}\"\n[dependencies]\n");
        for dependency in dependencies {
            text.push_str(&format!("{dependency}.workspace = true\n"));
        }
        judge(name, &text.parse().unwrap()).len()
    }

    #[test]
    fn imports_go_down_only() {
        assert_eq!(problems("loadline-gate", &["loadline-core", "serde"]), 0);
        assert_eq!(problems("loadline-gate", &["loadline-sbom"]), 1, "a neighbour");
        assert_eq!(problems("loadline-core", &["loadline-gate"]), 1, "upwards");
        assert_eq!(problems("loadline-registry", &["loadline-process"]), 0, "a written exception");
        assert_eq!(problems("loadline-process", &["loadline-registry"]), 1);
        assert_eq!(problems("loadline-new", &[]), 1, "on no floor");
        assert_eq!(problems("loadline-release", &["loadline-new"]), 1);
    }

    #[test]
    fn the_garden_is_for_tests_and_the_door() {
        assert_eq!(problems("loadline", &["loadline-sandbox"]), 0);
        assert_eq!(problems("loadline-release", &["loadline-sandbox"]), 1);
        assert_eq!(problems("loadline-sandbox", &["loadline-core", "axum"]), 0);
        assert_eq!(problems("loadline-sandbox", &["loadline-registry"]), 1);
        let tests =
            "[package]\nname = \"loadline-gate\"\n[dev-dependencies]\nloadline-sandbox.workspace = true\n";
        assert!(judge("loadline-gate", &tests.parse().unwrap()).is_empty());
    }

    #[test]
    fn some_crates_belong_to_some_rooms() {
        assert_eq!(problems("loadline-evidence", &["sigstore-types"]), 1);
        assert_eq!(problems("loadline-sandbox", &["sigstore-merkle"]), 0);
        assert_eq!(problems("loadline-sandbox", &["sigstore-sign"]), 1);
        assert_eq!(problems("loadline-policy", &["reqwest"]), 1);
        assert_eq!(problems("loadline-check", &["tokio"]), 1);
        let target =
            "[package]\nname = \"loadline-core\"\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n";
        assert_eq!(judge("loadline-core", &target.parse().unwrap()).len(), 1, "for one target too");
    }
}
