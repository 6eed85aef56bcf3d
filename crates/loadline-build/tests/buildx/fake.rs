//! A program named `docker` that behaves as a test wants, and a leg as BuildKit writes one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use loadline_build::buildx::{Buildx, BuildxError, Listener, Options, Progress};
use loadline_build::{BuildRequest, Built};
use loadline_core::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use loadline_core::{Digest, Platform};
use loadline_process::Environment;
use loadline_registry::{BlobSource, Descriptor, PlatformObject, Repository};
use serde_json::json;
use tempfile::TempDir;

pub(crate) const VERSION: &str = "echo 'github.com/docker/buildx v0.29.1 a1b2c3'";
pub(crate) const INSPECT: &str = "printf 'Name: farm\\nDriver: docker-container\\n\\nNodes:\\nName: farm0\\nStatus: running\\nPlatforms: linux/amd64, linux/arm64\\n'";

/// A folder with a fake docker, a context to build and what was heard.
pub(crate) struct Fake {
    folder: TempDir,
    pub(crate) environment: Environment,
    pub(crate) options: Options,
    heard: Arc<Mutex<Vec<Progress>>>,
}

impl Fake {
    /// A docker whose three commands run these pieces of shell. `$meta` is the metadata file, `$dest` the
    /// layout to write.
    pub(crate) fn new(version: &str, inspect: &str, build: &str) -> Self {
        let fake = Self::without_docker();
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> {log}\ncase \"$1 $2\" in\n'buildx version') {version} ;;\n'buildx inspect') {inspect} ;;\n\
             'buildx build')\nwhile [ $# -gt 0 ]; do case \"$1\" in --metadata-file) meta=$2;; --output) dest=${{2##*dest=}};; esac; shift; done\n\
             {build} ;;\n*) echo \"docker: unknown command: docker $1\" >&2; exit 1 ;;\nesac\n",
            log = fake.path("log").display()
        );
        let file = fake.path("bin/docker");
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        fake
    }

    pub(crate) fn without_docker() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "context"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("context/Dockerfile"), "FROM scratch\n").unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().join("bin").display());
        // The machine's own docker must not be found where the test wants none.
        let path =
            if Path::new("/usr/bin/docker").exists() { path.replace("/usr/bin", "/nowhere") } else { path };
        let heard: Arc<Mutex<Vec<Progress>>> = Arc::default();
        let mut options = Options::new(folder.path());
        let ears = Arc::clone(&heard);
        options.listener = Listener::new(move |progress| ears.lock().unwrap().push(progress.clone()));
        Self { environment: Environment::empty().with("PATH", path), folder, options, heard }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn request(&self) -> BuildRequest {
        BuildRequest::new(self.path("context"), arm64())
    }

    pub(crate) fn builder(&self) -> Buildx {
        Buildx::new(&self.environment, self.options.clone())
    }

    pub(crate) fn destination(&self) -> Repository {
        Repository::layout(self.path("destination"))
    }

    /// Builds the leg into a layout.
    pub(crate) fn build(&self) -> Result<Built, BuildxError> {
        run(self.builder().build(&self.request(), &self.destination()))
    }

    pub(crate) fn heard(&self) -> Vec<Progress> {
        self.heard.lock().unwrap().clone()
    }

    /// The command lines that docker was called with.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

pub(crate) fn arm64() -> Platform {
    "linux/arm64".parse().unwrap()
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Where a leg is to differ from what BuildKit writes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lie {
    pub(crate) platform: Option<&'static str>,
    pub(crate) entry_platform: Option<&'static str>,
    pub(crate) more_diff_ids: bool,
    pub(crate) two_images: bool,
    pub(crate) foreign_attestation: bool,
}

/// A leg as BuildKit writes one: an index of the image and the attestation of its provenance.
pub(crate) struct Leg {
    pub(crate) index: Descriptor,
    pub(crate) manifest: Descriptor,
    pub(crate) attestation: Descriptor,
}

pub(crate) async fn write_leg(to: &Repository, lie: Lie) -> Leg {
    let put = async |media_type: &str, bytes: &[u8]| {
        to.push_blob(BlobSource::Bytes(bytes.to_vec().into())).await.unwrap();
        Descriptor::of(media_type, bytes)
    };
    let layer = put(OCI_LAYER, b"a layer").await;
    let mut diff_ids = vec![Digest::of("a layer")];
    if lie.more_diff_ids {
        diff_ids.push(Digest::of("another"));
    }
    let says: Platform = lie.platform.unwrap_or("linux/arm64").parse().unwrap();
    let says = PlatformObject::from(&says);
    let config = json!({"os": says.os, "architecture": says.architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = put(OCI_CONFIG, config.to_string().as_bytes()).await;
    let manifest = push(
        to,
        OCI_MANIFEST,
        &json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}),
    )
    .await;
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [], "predicate": {"materials": [
            {"uri": "pkg:docker/debian@13?platform=linux%2Farm64", "digest": {"sha256": Digest::of("debian").hex()}},
            {"uri": "https://example.com/x.tar", "digest": {"sha256": Digest::of("x").hex()}}]}});
    let statement = put("application/vnd.in-toto+json", statement.to_string().as_bytes())
        .await
        .with_annotation("in-toto.io/predicate-type", "https://slsa.dev/provenance/v0.2");
    let empty = put(OCI_CONFIG, b"{}").await;
    let attestation =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [statement]});
    let of = if lie.foreign_attestation { Digest::of("another") } else { manifest.digest.clone() };
    let mut attestation = push(to, OCI_MANIFEST, &attestation)
        .await
        .with_annotation("vnd.docker.reference.type", "attestation-manifest")
        .with_annotation("vnd.docker.reference.digest", of.to_string());
    attestation.platform =
        Some(PlatformObject { os: "unknown".into(), architecture: "unknown".into(), ..Default::default() });
    let entry = manifest.clone().with_platform(&lie.entry_platform.unwrap_or("linux/arm64").parse().unwrap());
    let mut entries = vec![entry, attestation.clone()];
    if lie.two_images {
        entries.insert(
            0,
            Descriptor::of(OCI_MANIFEST, b"another").with_platform(&"linux/amd64".parse().unwrap()),
        );
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let index = push(to, OCI_INDEX, &index).await;
    Leg { index, manifest, attestation }
}

async fn push(to: &Repository, media_type: &str, document: &serde_json::Value) -> Descriptor {
    let bytes = document.to_string().into_bytes();
    to.push_manifest(media_type, bytes.clone()).await.unwrap();
    Descriptor::of(media_type, &bytes)
}
