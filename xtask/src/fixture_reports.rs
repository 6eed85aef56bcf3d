//! `fixture-reports`: binds the scan reports of `fixtures/two-images` to its images.
//!
//! The reports are written by hand, in the shape that Trivy gives them. What ties a report to an image is
//! `Metadata.DiffIDs`, and only a build knows those: this command assembles each leg into a layout of its
//! own and writes the DiffIDs, and for each finding the layer that its package lies in, into the reports.
//! `reports/failing/` is the same reports with one finding more, which must stop a release.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_build::{BuildRequest, assemble};
use loadline_core::config::{self, Config, Variables};
use loadline_core::rootfs::{RootFs, RootFsError};
use loadline_core::{Digest, Finding, Platform};
use loadline_registry::layers::{Compression, Layer, LayeredRootFs, Limits};
use loadline_registry::{Client, Http, HttpOptions, Layout, Options, Repository};
use serde_json::{Value, json};
use thiserror::Error;

const FIXTURE: &str = "fixtures/two-images";

/// Why the reports could not be bound.
#[derive(Debug, Error)]
pub(crate) enum ReportsError {
    /// The configuration has errors.
    #[error("{FIXTURE}/loadline.toml: {}", .0.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; "))]
    Config(Vec<Finding>),
    /// A template of the configuration names nothing here.
    #[error(transparent)]
    Template(#[from] config::TemplateError),
    /// A leg could not be assembled.
    #[error("{leg}: {source}")]
    Assemble { leg: String, source: Box<assemble::AssembleError> },
    /// A leg's layers could not be read back.
    #[error("{leg}: {source}")]
    Layers { leg: String, source: RootFsError },
    /// A report speaks of a package that is not in the image.
    #[error("`{report}`: `{path}` is not in the image")]
    NoSuchFile { report: Utf8PathBuf, path: String },
    /// A report is not a report.
    #[error("`{report}` is not a report: {reason}")]
    Malformed { report: Utf8PathBuf, reason: String },
    /// A file could not be read or written.
    #[error("`{path}`: {source}")]
    File { path: Utf8PathBuf, source: io::Error },
}

/// What is known of a leg after it was assembled: its DiffIDs, and which layer each file comes from.
struct Leg {
    diff_ids: Vec<Digest>,
    files: Vec<(String, usize)>,
}

/// Assembles every leg and binds its reports; says which it wrote.
pub(crate) fn bind(root: &Utf8Path) -> Result<Vec<String>, ReportsError> {
    let fixture = root.join(FIXTURE);
    let config = config::load_file(&fixture.join("loadline.toml")).map_err(ReportsError::Config)?.config;
    let folder = root.join("target/fixture-reports");
    let fail = |path: &Utf8Path, source| ReportsError::File { path: path.to_owned(), source };
    fs::create_dir_all(&folder).map_err(|source| fail(&folder, source))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| fail(&folder, source))?;
    let mut lines = Vec::new();
    for name in config.images.keys() {
        for platform in &config.release.platforms {
            let leg = runtime.block_on(assemble(&fixture, &config, name, platform, &folder))?;
            for report in reports(&config, name, platform)? {
                let path = fixture.join(&report);
                let text = fs::read_to_string(&path).map_err(|source| fail(&path, source))?;
                let bound = bound(&report, &text, &leg)?;
                if bound != text {
                    fs::write(&path, bound).map_err(|source| fail(&path, source))?;
                    lines.push(format!("bound: {FIXTURE}/{report}"));
                }
            }
        }
    }
    if lines.is_empty() {
        lines.push("the reports are bound to the images as they are".to_owned());
    }
    Ok(lines)
}

/// The report that the configuration names for a leg, and its failing sister.
fn reports(config: &Config, name: &str, platform: &Platform) -> Result<[Utf8PathBuf; 2], ReportsError> {
    let variables = variables(config, name, Some(platform));
    let report = Utf8PathBuf::from(config::expand(&config.images[name].gate.report, &variables)?);
    let file = report.file_name().unwrap_or_default();
    let failing = report.with_file_name("failing").join(file);
    Ok([report, failing])
}

/// A release that does not matter: version and commit are in labels alone.
fn variables(config: &Config, name: &str, platform: Option<&Platform>) -> Variables {
    Variables {
        version: config::ReleaseVersion::Semantic(semver::Version::new(0, 0, 0)),
        image: name.to_owned(),
        commit: Some("0".repeat(40)),
        branch: Some("main".to_owned()),
        repository_hash: config::repository_hash(&config.release.source),
        platform: platform.cloned(),
    }
}

async fn assemble(
    fixture: &Utf8Path,
    config: &Config,
    name: &str,
    platform: &Platform,
    folder: &Utf8Path,
) -> Result<Leg, ReportsError> {
    let image = &config.images[name];
    let leg = format!("{name} for {platform}");
    let refuse = |source| ReportsError::Assemble { leg: leg.clone(), source: Box::new(source) };
    let variables = variables(config, name, None);
    let mut request = BuildRequest::new(fixture.join(&image.context), platform.clone());
    request.dockerfile = fixture.join(&image.dockerfile).into();
    request.dockerfile_name = image.dockerfile.to_string();
    request.target = image.target.clone();
    for (argument, template) in &image.build_args {
        request.build_args.push((argument.clone(), config::expand(template, &variables)?));
    }
    // Nothing is fetched: the Dockerfiles begin with scratch.
    let client = Client::new(Http::new(HttpOptions::default()), Options::default());
    let assembler = assemble::Assembler::new(&client, Some(folder.as_std_path())).map_err(refuse)?;
    let directory = folder.join("layout");
    let built =
        assembler.assemble(&request, &Repository::layout(directory.as_std_path())).await.map_err(refuse)?;

    let layout = Layout::new(directory.as_std_path());
    let mut layers = Vec::new();
    for layer in &built.layers {
        let compression =
            Compression::of_media_type(&layer.media_type).map_err(|kind| ReportsError::Layers {
                leg: leg.clone(),
                source: RootFsError::Layer {
                    layer: layers.len(),
                    source: io::Error::other(kind.to_string()),
                },
            })?;
        layers.push(Layer::file(layout.blob_path(&layer.digest), compression));
    }
    let mut files = Vec::new();
    let rootfs = LayeredRootFs::new(layers, Limits::default());
    rootfs
        .visit(&mut |entry, _| {
            files.push((entry.path.clone(), entry.layer));
            Ok(())
        })
        .map_err(|source| ReportsError::Layers { leg, source })?;
    Ok(Leg { diff_ids: built.diff_ids, files })
}

/// A report's text with the DiffIDs of a leg.
fn bound(report: &Utf8Path, text: &str, leg: &Leg) -> Result<String, ReportsError> {
    let malformed = |reason: String| ReportsError::Malformed { report: report.to_owned(), reason };
    let mut document: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let diff_ids = json!(leg.diff_ids);
    document["Metadata"]["DiffIDs"] = diff_ids.clone();
    document["Metadata"]["ImageConfig"]["rootfs"]["diff_ids"] = diff_ids;
    let results =
        document["Results"].as_array_mut().ok_or_else(|| malformed("it has no Results".to_owned()))?;
    for result in results {
        let kind = result["Type"].as_str().unwrap_or_default().to_owned();
        for found in result["Vulnerabilities"].as_array_mut().into_iter().flatten() {
            // Packages of a distribution lie in its database, others in the file that the report names.
            let path = match (kind.as_str(), found["PkgPath"].as_str()) {
                (_, Some(path)) => path,
                ("debian", None) => "var/lib/dpkg/status",
                ("alpine", None) => "lib/apk/db/installed",
                _ => return Err(malformed(format!("a finding of type `{kind}` says no PkgPath"))),
            };
            let layer = leg.files.iter().find(|(file, _)| file == path).map(|(_, layer)| *layer);
            // The failing reports speak of a package that a later build might bring: it lies in the top layer.
            let failing = report.components().any(|component| component.as_str() == "failing");
            let layer = match layer {
                Some(layer) => layer,
                None if failing => leg.diff_ids.len().saturating_sub(1),
                None => {
                    return Err(ReportsError::NoSuchFile {
                        report: report.to_owned(),
                        path: path.to_owned(),
                    });
                }
            };
            found["Layer"] = json!({ "DiffID": leg.diff_ids.get(layer) });
        }
    }
    Ok(format!("{document:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg() -> Leg {
        Leg {
            diff_ids: vec![Digest::of(b"a"), Digest::of(b"b")],
            files: vec![("app/x/package.json".to_owned(), 1), ("var/lib/dpkg/status".to_owned(), 0)],
        }
    }

    #[test]
    fn diff_ids_and_layers_are_filled_in() {
        let text = r#"{"Metadata": {}, "Results": [
            {"Type": "debian", "Vulnerabilities": [{"PkgName": "libc6"}]},
            {"Type": "node-pkg", "Vulnerabilities": [{"PkgPath": "app/x/package.json"}]},
            {"Type": "node-pkg"}]}"#;
        let bound: Value = serde_json::from_str(&bound("r.json".into(), text, &leg()).unwrap()).unwrap();
        let ids = json!(leg().diff_ids);
        assert_eq!(bound["Metadata"]["DiffIDs"], ids);
        assert_eq!(bound["Metadata"]["ImageConfig"]["rootfs"]["diff_ids"], ids);
        assert_eq!(bound["Results"][0]["Vulnerabilities"][0]["Layer"]["DiffID"], ids[0]);
        assert_eq!(bound["Results"][1]["Vulnerabilities"][0]["Layer"]["DiffID"], ids[1]);
    }

    #[test]
    fn a_package_that_is_not_there_is_refused_unless_it_is_meant_to_fail() {
        let text =
            r#"{"Metadata": {}, "Results": [{"Type": "node-pkg", "Vulnerabilities": [{"PkgPath": "no"}]}]}"#;
        assert!(matches!(bound("r.json".into(), text, &leg()), Err(ReportsError::NoSuchFile { .. })));
        assert!(bound("reports/failing/r.json".into(), text, &leg()).is_ok());
        assert!(matches!(bound("r.json".into(), "{}", &leg()), Err(ReportsError::Malformed { .. })));
    }

    #[test]
    fn the_reports_are_bound_to_the_images_as_they_are() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let fixture = root.join(FIXTURE);
        let config = config::load_file(&fixture.join("loadline.toml")).unwrap().config;
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for name in config.images.keys() {
            for platform in &config.release.platforms {
                let leg = runtime.block_on(assemble(&fixture, &config, name, platform, folder)).unwrap();
                for report in reports(&config, name, platform).unwrap() {
                    let text = fs::read_to_string(fixture.join(&report)).unwrap();
                    let bound = bound(&report, &text, &leg).unwrap();
                    assert!(bound == text, "{report} is out of date: run `cargo xtask fixture-reports`");
                }
            }
        }
    }
}
