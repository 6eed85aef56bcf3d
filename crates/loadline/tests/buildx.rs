//! `loadline release` of images that buildx builds: with a `docker` that hands out legs which were made
//! before, as BuildKit writes them, so that it runs anywhere. `scripts/live` tries it with docker itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use loadline_build::{Assembler, BuildRequest};
use loadline_core::Platform;
use loadline_core::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use loadline_registry::{BlobSource, Client, Descriptor, Http, HttpOptions, PlatformObject, Repository};
use loadline_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use support::{PLATFORMS, Project, Run, images, run_of};
use tokio::runtime::Runtime;

const STATEMENT: &str = "application/vnd.in-toto+json";

/// Hands out `legs/DOCKERFILE-PLATFORM`, and tells what it was asked.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/log"
case "$1 $2" in
'buildx version') echo 'github.com/docker/buildx v0.29.1 a1b2c3' ;;
'buildx inspect') printf 'Name: default\nDriver: docker\n\nNodes:\nName: default\nPlatforms: linux/amd64, linux/arm64\n' ;;
'buildx build')
  [ ! -e "$here/broken" ] || { cat "$here/broken" >&2; exit 1; }
  while [ $# -gt 0 ]; do
    case "$1" in
    --platform) platform=$2 ;; --file) file=$2 ;; --metadata-file) meta=$2 ;; --output) dest=${2##*dest=} ;;
    esac
    shift
  done
  leg=$here/legs/${file##*.}-${platform##*/}
  cp -R "$leg" "$dest"
  printf '{"containerimage.digest":"%s"}' "$(cat "$leg.digest")" > "$meta" ;;
*) exit 1 ;;
esac
"#;

struct Fake {
    project: Project,
    runtime: Runtime,
}

impl Fake {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let fake = Self { project: Project::new(), runtime };
        fake.project.edit("loadline.toml", "builder = \"assemble\"", "builder = \"buildx\"");
        fake.project.commit("Build with buildx");
        fake.project.write("target/fake/docker", DOCKER);
        let docker = fake.folder().join("docker");
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        for image in ["server", "worker"] {
            for platform in PLATFORMS {
                fake.leg(image, &platform.parse().unwrap());
            }
        }
        fake
    }

    /// Beneath what the checkout ignores, so that it stays clean.
    fn folder(&self) -> PathBuf {
        self.project.path().join("target/fake")
    }

    /// A leg with the layers that its scan report speaks of, and an attestation beside it.
    fn leg(&self, image: &str, platform: &Platform) {
        let architecture = platform.to_string().replace("linux/", "");
        let folder = self.folder().join("legs").join(format!("{image}-{architecture}"));
        let layout = Repository::layout(&folder);
        let mut request = BuildRequest::new(self.project.path(), platform.clone());
        request.dockerfile = self.project.path().join(format!("Dockerfile.{image}"));
        let assembler = Assembler::new(&client(), None).unwrap();
        let index = self.runtime.block_on(async {
            let built = assembler.assemble(&request, &layout).await.unwrap();
            let text = json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": [],
                "predicateType": "https://slsa.dev/provenance/v0.2",
                "predicate": {"materials": [{"uri": "pkg:docker/debian@13", "digest": {"sha256": "a".repeat(64)}}]}});
            let statement = text.to_string().into_bytes();
            let layer = Descriptor::of(STATEMENT, &statement)
                .with_annotation("in-toto.io/predicate-type", "https://slsa.dev/provenance/v0.2");
            let config = Descriptor::of(OCI_CONFIG, b"{}");
            for blob in [statement, b"{}".to_vec()] {
                layout.push_blob(BlobSource::Bytes(blob.into())).await.unwrap();
            }
            let attestation = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
            let attestation = attestation.to_string().into_bytes();
            layout.push_manifest(OCI_MANIFEST, attestation.clone()).await.unwrap();
            let mut entry = Descriptor::of(OCI_MANIFEST, &attestation)
                .with_annotation("vnd.docker.reference.type", "attestation-manifest")
                .with_annotation("vnd.docker.reference.digest", built.manifest.digest.to_string());
            let unknown = || "unknown".to_owned();
            entry.platform = Some(PlatformObject { os: unknown(), architecture: unknown(), ..Default::default() });
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [built.manifest, entry]});
            let index = index.to_string().into_bytes();
            layout.push_manifest(OCI_INDEX, index.clone()).await.unwrap();
            Descriptor::of(OCI_INDEX, &index)
        });
        std::fs::write(folder.with_extension("digest"), index.digest.to_string()).unwrap();
    }

    fn release(&self) -> Run {
        let path = std::env::var("PATH").unwrap();
        let mut command =
            self.project.command(&["release", "--sandbox", "--version", "1.0.0", "--format", "json"]);
        command.env("PATH", format!("{}:{path}", self.folder().display()));
        run_of(&command.output().unwrap())
    }

    fn builds(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        log.lines().filter(|line| line.starts_with("buildx build ")).map(str::to_owned).collect()
    }

    /// A manifest of the sandbox's registry, once the release is over.
    fn manifest(&self, digest: &str) -> Value {
        self.runtime.block_on(async {
            let sandbox = Sandbox::start(Options::new(self.project.sandbox().join("data"))).await.unwrap();
            let name = format!("{}/acme/widget", sandbox.ready().registry).parse().unwrap();
            let manifest = Repository::at(&client(), name).manifest(digest).await.unwrap();
            sandbox.stop().await;
            serde_json::from_slice(&manifest.bytes).unwrap()
        })
    }
}

fn client() -> Client {
    Client::new(Http::new(HttpOptions::default()), loadline_registry::Options::default())
}

#[test]
fn attestations_stay_beside_their_images_and_nothing_is_built_twice() {
    let fake = Fake::new();
    let run = fake.release();
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let builds = fake.builds();
    assert_eq!(builds.len(), 4, "{builds:?}");
    for build in &builds {
        assert!(build.contains("--provenance mode=max"), "{build}");
        assert!(build.contains("--annotation manifest:org.opencontainers.image.version=1.0.0"), "{build}");
        // The commit's time, not 1970.
        assert!(build.contains("--build-arg SOURCE_DATE_EPOCH=1700000000"), "{build}");
    }
    for (digest, _) in images(&run.json()).values() {
        let index = fake.manifest(digest);
        let entries = index["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 4, "{index}");
        for pair in entries.chunks(2) {
            assert_eq!(pair[0]["platform"]["os"], "linux");
            assert_eq!(pair[1]["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
            assert_eq!(pair[1]["annotations"]["vnd.docker.reference.digest"], pair[0]["digest"]);
            let attestation = fake.manifest(pair[1]["digest"].as_str().unwrap());
            assert_eq!(attestation["layers"][0]["mediaType"], STATEMENT);
        }
    }
    let again = fake.release();
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
    assert_eq!(fake.builds().len(), 4, "nothing is built again");
    assert_eq!(images(&again.json()), images(&run.json()));
    let effects = &again.json()["effects"];
    assert_eq!(*effects, json!({"blobs_pushed": 0, "manifests_pushed": 0, "tags_moved": 0}));
}

#[test]
fn what_buildkit_says_went_in_is_in_the_signed_provenance() {
    let fake = Fake::new();
    assert_eq!(fake.release().code, Some(0));
    let folder = fake.project.sandbox().join("releases/1.0.0/statements");
    let statements: Vec<Value> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    let provenance: Vec<&Value> =
        statements.iter().filter(|s| s["predicateType"] == "https://slsa.dev/provenance/v1").collect();
    assert_eq!(provenance.len(), 2);
    for statement in provenance {
        let dependencies = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
        let base = dependencies.as_array().unwrap().iter().find(|of| of["name"] == "base").unwrap();
        assert_eq!(base["uri"], "oci://docker.io/library/debian:13");
        assert_eq!(base["digest"]["sha256"], "a".repeat(64));
    }
}

#[test]
fn a_failing_stage_ends_the_release_without_a_tag() {
    let fake = Fake::new();
    let line = r#"{"vertexes":[{"digest":"sha256:a","name":"[2/3] RUN make","started":"x","completed":"y","error":"exit code: 2"}]}"#;
    fake.project.write("target/fake/broken", &format!("{line}\nERROR: failed to solve: exit code: 2\n"));
    let run = fake.release();
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.codes(), ["buildx-stage-failed"]);
    assert!(run.stderr.contains("[2/3] RUN make: exit code: 2"), "{}", run.stderr);
    assert_eq!(run.json()["effects"]["manifests_pushed"], 0);
    std::fs::remove_file(fake.folder().join("broken")).unwrap();
    let again = fake.release();
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
}
