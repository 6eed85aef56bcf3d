//! What a release left in its sandbox, served again for consumers.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use loadline_core::Digest;
use loadline_core::media_type::OCI_MANIFEST;
use loadline_registry::{BlobSource, Client, Http, HttpOptions, Repository};
use loadline_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::support::{Project, Run, images};

/// A project that was released, and its sandbox up again as the registry and Sigstore it was released to.
pub struct Released {
    pub project: Project,
    pub sandbox: Sandbox,
    pub runtime: tokio::runtime::Runtime,
    /// By tag, and by digest.
    pub server: (String, String),
    pub worker: (String, String),
}

impl Released {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let project = Project::new();
        let run = project.release(&["--version", "1.0.0"]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let released = images(&run.json());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = Options::new(project.sandbox().join("data"));
        let port: u16 = project.read("target/loadline-sandbox/port").trim().parse().unwrap();
        options.listen.set_port(port);
        change(&mut options);
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let repository = format!("{}/acme/widget", sandbox.ready().registry);
        let named = |image: &str, tag: &str| {
            (format!("{repository}:{tag}"), format!("{repository}@{}", released[image].0))
        };
        let (server, worker) = (named("server", "1.0.0"), named("worker", "1.0.0-worker"));
        Self { project, sandbox, runtime, server, worker }
    }

    /// Verifies, believing the sandbox.
    pub fn verify(&self, args: &[&str]) -> Run {
        let root = self.sandbox.ready().trusted_root.display().to_string();
        let issuer = self.sandbox.ready().issuer.clone();
        self.project.run(&[&["verify", "--trusted-root", &root, "--issuer", &issuer], args].concat())
    }

    pub fn json(&self, args: &[&str]) -> Run {
        self.verify(&[args, &["--format", "json"]].concat())
    }

    fn repository(&self, path: &str) -> Repository {
        let client = Client::new(Http::new(HttpOptions::default()), loadline_registry::Options::default());
        Repository::at(&client, format!("{}/{path}", self.sandbox.ready().registry).parse().unwrap())
    }

    /// An image that nobody signed, by tag and by digest.
    pub fn unsigned(&self, path: &str) -> (String, String) {
        let repository = self.repository(path);
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {"Labels": {"for": path}}}).to_string();
        let descriptor = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config), "size": config.len()});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor, "layers": []})
                .to_string();
        let digest = Digest::of(&manifest);
        self.runtime.block_on(async {
            repository.push_blob(BlobSource::Bytes(config.into())).await.unwrap();
            repository.push_manifest(OCI_MANIFEST, manifest.clone()).await.unwrap();
            repository.tag("1", OCI_MANIFEST, manifest).await.unwrap();
        });
        (format!("{repository}:1"), format!("{repository}@{digest}"))
    }

    /// Hangs all that is said of one image on another one of the same repository. It is no less signed for it.
    pub fn hang(&self, path: &str, from: &str, to: &str) {
        let digest = |pinned: &str| -> Digest { pinned.split_once('@').unwrap().1.parse().unwrap() };
        let repository = self.repository(path);
        self.runtime.block_on(async {
            let subject = repository.manifest(&digest(to).to_string()).await.unwrap().descriptor;
            for referrer in repository.referrers(&digest(from)).await.unwrap().descriptors {
                let manifest = repository.manifest(&referrer.digest.to_string()).await.unwrap();
                let mut value: Value = serde_json::from_slice(&manifest.bytes).unwrap();
                value["subject"] =
                    json!({"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size});
                repository.attach(OCI_MANIFEST, value.to_string()).await.unwrap();
            }
        });
    }
}
