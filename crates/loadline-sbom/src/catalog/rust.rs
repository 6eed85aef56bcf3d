//! What `cargo auditable` writes into a binary: the section `.dep-v0`, JSON compressed with zlib
//! (cargo-auditable, PARSING.md).

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use crate::package::{Ecosystem, Kind, Package};
use crate::purl::purl;

/// The most bytes of JSON that are believed.
const MAX_JSON: u64 = 16 << 20;

#[derive(Deserialize)]
struct Listed {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

/// The crates that are in the binary; those that only its build needed are left out.
pub(super) fn packages(section: &[u8]) -> Result<Vec<Package>, String> {
    let mut json = Vec::new();
    ZlibDecoder::new(section).take(MAX_JSON + 1).read_to_end(&mut json).map_err(|error| error.to_string())?;
    if json.len() as u64 > MAX_JSON {
        return Err(format!("larger than the {MAX_JSON} bytes that are read"));
    }
    let listed: Listed = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let all: Vec<Package> = listed.packages.iter().map(package).collect();
    let refs: Vec<String> = all.iter().map(Package::bom_ref).collect();
    let built_in = |listed: &Crate| listed.kind != "build";
    let mut packages = Vec::new();
    for (mut package, listed_as) in all.into_iter().zip(&listed.packages) {
        if !built_in(listed_as) {
            continue;
        }
        let needs = listed_as.dependencies.iter().filter(|n| listed.packages.get(**n).is_some_and(built_in));
        package.depends = needs.filter_map(|n| refs.get(*n)).cloned().collect();
        packages.push(package);
    }
    Ok(packages)
}

fn package(listed: &Crate) -> Package {
    let kind = if listed.root { Kind::Application } else { Kind::Library };
    let mut package = Package::new(Ecosystem::Cargo, kind, listed.name.clone(), Some(listed.version.clone()));
    // A package URL of type cargo means crates.io; a crate from elsewhere only shares the name.
    if matches!(listed.source.as_str(), "crates.io" | "") {
        package.purl = purl("cargo", None, &listed.name, Some(&listed.version), &[]);
    } else {
        package.properties.insert(("loadline:cargo:source", listed.source.clone()));
    }
    package
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn section(json: &str) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(json.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn crates_sources_and_build_only_ones() {
        let json = r#"{"packages":[
            {"name":"app","version":"0.1.0","source":"local","dependencies":[1,2],"root":true},
            {"name":"serde","version":"1.0.0","source":"crates.io"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}],"format":1}"#;
        let found = packages(&section(json)).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].bom_ref().as_str()), (Kind::Application, "cargo:app@0.1.0"));
        assert_eq!(found[0].depends.iter().collect::<Vec<_>>(), ["pkg:cargo/serde@1.0.0"]);
    }

    #[test]
    fn what_is_hostile_is_refused() {
        assert!(packages(b"not zlib").is_err());
        assert!(packages(&section("{}")).is_err());
        let bomb = section(&" ".repeat(20 << 20));
        assert!(bomb.len() < 1 << 20 && packages(&bomb).is_err());
        let cut = section(r#"{"packages":[]}"#);
        assert!(packages(&cut[..cut.len() / 2]).is_err());
    }
}
