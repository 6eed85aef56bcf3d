//! A sandbox with an image in it, a GitHub that answers as told, and the program that attests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use bytes::Bytes;
use loadline_core::media_type::{OCI_INDEX, OCI_MANIFEST};
use loadline_core::{Digest, Platform};
use loadline_registry::{
    BlobSource, Client, Descriptor, Http, HttpOptions, Options as RegistryOptions, Repository,
};
use loadline_sandbox::{Options, Sandbox, TokenRequest};
use serde_json::{Value, json};

use crate::support::{Run, run_of};

pub(crate) const WHO: &str = "dev@example.com";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const BUILT: &str = "fedcba9876543210fedcba9876543210fedcba98";
pub(crate) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) runtime: tokio::runtime::Runtime,
    /// The index and the platforms' manifests.
    pub(crate) digests: Vec<Digest>,
    /// The image by its tag.
    pub(crate) tagged: String,
    began_with: u64,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut options = Options::new(folder.path().join("sandbox"));
        change(&mut options);
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let mut stage =
            Self { folder, sandbox, runtime, digests: Vec::new(), tagged: String::new(), began_with: 0 };
        stage.began_with = stage.whole_log_size();
        stage.tagged = format!("{}:1", stage.image());
        stage.digests = stage.push_image();
        stage.write("predicate.json", &json!({"bomFormat": "CycloneDX", "specVersion": "1.6"}).to_string());
        stage.write("token", &stage.email_token(600));
        stage
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path().join(name)).unwrap()).unwrap()
    }

    /// A token of a person that lasts so many seconds.
    pub(crate) fn email_token(&self, seconds: i64) -> String {
        let mut request = TokenRequest::email(WHO);
        request.seconds = seconds;
        self.sandbox.token(&request).unwrap().expose().to_owned()
    }

    pub(crate) fn issuer(&self) -> String {
        self.sandbox.ready().issuer.clone()
    }

    pub(crate) fn image(&self) -> String {
        format!("{}/acme/widget", self.sandbox.ready().registry)
    }

    pub(crate) fn repository(&self) -> Repository {
        let client = Client::new(Http::new(HttpOptions::default()), RegistryOptions::default());
        Repository::at(&client, self.image().parse().unwrap())
    }

    /// An index of two platforms with what BuildKit attests of each, tagged `1`.
    fn push_image(&self) -> Vec<Digest> {
        let repository = self.repository();
        let host = self.sandbox.ready().registry.clone();
        self.runtime.block_on(async {
            let blob = |bytes: Vec<u8>| {
                let repository = repository.clone();
                async move {
                    repository.push_blob(BlobSource::Bytes(Bytes::from(bytes))).await.unwrap();
                }
            };
            let (mut entries, mut digests, mut attestations) = (Vec::new(), Vec::new(), Vec::new());
            for name in PLATFORMS {
                let platform: Platform = name.parse().unwrap();
                let config = json!({"os": "linux", "architecture": platform.architecture,
                    "rootfs": {"type": "layers", "diff_ids": []}, "config": {}})
                .to_string()
                .into_bytes();
                let config_of = Descriptor::of("application/vnd.oci.image.config.v1+json", &config);
                blob(config).await;
                let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_of, "layers": []})
                    .to_string()
                    .into_bytes();
                let entry = Descriptor::of(OCI_MANIFEST, &manifest).with_platform(&platform);
                repository.push_manifest(OCI_MANIFEST, manifest).await.unwrap();
                let statement = buildkit(&entry.digest, name, &host).to_string().into_bytes();
                let layer = Descriptor::of("application/vnd.in-toto+json", &statement)
                    .with_annotation("in-toto.io/predicate-type", "https://slsa.dev/provenance/v0.2");
                blob(statement).await;
                let empty = b"{}".to_vec();
                let config_of = Descriptor::of("application/vnd.oci.image.config.v1+json", &empty);
                blob(empty).await;
                let attestation = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_of, "layers": [layer]})
                    .to_string()
                    .into_bytes();
                let unknown = json!({"os": "unknown", "architecture": "unknown"});
                let of = Descriptor::of(OCI_MANIFEST, &attestation)
                    .with_annotation("vnd.docker.reference.type", "attestation-manifest")
                    .with_annotation("vnd.docker.reference.digest", entry.digest.to_string());
                repository.push_manifest(OCI_MANIFEST, attestation).await.unwrap();
                let mut of = serde_json::to_value(of).unwrap();
                of["platform"] = unknown;
                attestations.push(of);
                digests.push(entry.digest.clone());
                entries.push(serde_json::to_value(entry).unwrap());
            }
            entries.extend(attestations);
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
                .to_string()
                .into_bytes();
            let top = Digest::of(&index);
            let pushed = repository.push_manifest(OCI_INDEX, index.clone()).await.unwrap();
            assert!(pushed.sent);
            repository.tag("1", OCI_INDEX, index).await.unwrap();
            digests.insert(0, top);
            digests
        })
    }

    /// The arguments for this sandbox's services and trust.
    pub(crate) fn trust(&self) -> Vec<String> {
        let ready = self.sandbox.ready();
        vec![
            "--trusted-root".into(),
            ready.trusted_root.display().to_string(),
            "--signing-config".into(),
            ready.signing_config.display().to_string(),
        ]
    }

    pub(crate) fn command(&self, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("loadline"));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .args(args);
        for (name, value) in variables {
            command.env(name, value);
        }
        command
    }

    /// `loadline attest` with these arguments, by the sandbox, its document as JSON.
    pub(crate) fn attest_in(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let trust = self.trust();
        let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
        let all = [&["attest", "--format", "json"], trust.as_slice(), args].concat();
        run_of(&self.command(&all, variables).output().unwrap())
    }

    /// The same as someone with a token in a file.
    pub(crate) fn attest(&self, args: &[&str]) -> Run {
        self.attest_in(&[&["--identity-token", "token"], args].concat(), &[])
    }

    /// Starts the program and lets it run.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let trust = self.trust();
        std::process::Command::new(assert_cmd::cargo::cargo_bin!("loadline"))
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .args(["attest", "--format", "json", "--identity-token", "token"])
            .args(trust)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// How many entries the log has that the sandbox did not begin it with.
    pub(crate) fn log_size(&self) -> u64 {
        self.whole_log_size() - self.began_with
    }

    fn whole_log_size(&self) -> u64 {
        let url = format!("{}/api/v2/checkpoint", self.sandbox.ready().rekor);
        self.runtime.block_on(async {
            let text = reqwest::get(url).await.unwrap().text().await.unwrap();
            text.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0)
        })
    }

    /// How many bundles hang on a digest, by the types of their predicates.
    pub(crate) fn hangs_on(&self, digest: &Digest) -> Vec<String> {
        let repository = self.repository();
        let referrers = self.runtime.block_on(repository.referrers(digest)).unwrap();
        let mut types: Vec<String> = referrers
            .descriptors
            .iter()
            .map(|one| one.annotations["dev.sigstore.bundle.predicateType"].clone())
            .collect();
        types.sort();
        types
    }

    /// A signing config in which one of the services is at an address where nothing listens.
    pub(crate) fn without(&self, service: &str) -> String {
        let path = &self.sandbox.ready().signing_config;
        let mut config: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        config[service][0]["url"] = format!("http://{free}").into();
        let name = format!("without-{service}.json");
        self.write(&name, &config.to_string());
        name
    }

    /// Whether a bundle verifies, as who signed it, for a digest.
    pub(crate) fn verifies(&self, bundle: &str, who: &str, issuer: &str, digest: &Digest) -> bool {
        let root = self.sandbox.ready().trusted_root.display().to_string();
        let digest = digest.to_string();
        let args = [
            "verify-bundle",
            "--bundle",
            bundle,
            "--certificate-identity",
            who,
            "--certificate-oidc-issuer",
            issuer,
            "--trusted-root",
            &root,
            &digest,
        ];
        self.command(&args, &[]).output().unwrap().status.success()
    }
}

/// What BuildKit writes about a platform's image: provenance v0.2.
fn buildkit(image: &Digest, platform: &str, host: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "pkg:docker/widget", "digest": {"sha256": image.hex()}}],
        "predicate": {
            "buildType": "https://mobyproject.org/buildkit@v1",
            "builder": {"id": ""},
            "materials": [{
                "uri": format!("pkg:docker/{host}/base@13?platform={}", platform.replace('/', "%2F")),
                "digest": {"sha256": Digest::of(platform).hex()},
            }],
            "invocation": {
                "configSource": {"entryPoint": "Dockerfile.widget"},
                "parameters": {"frontend": "dockerfile.v0", "args": {"build-arg:VERSION": "1", "target": "production"}},
                "environment": {"platform": platform},
            },
            "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {
                "vcs": {"source": "https://github.com/acme/widget.git", "revision": BUILT},
            }},
        },
    })
}

/// What GitHub was asked, and what it has.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) posted: Vec<Value>,
    pub(crate) listed: usize,
    pub(crate) tokens: Vec<String>,
    /// How many additions are still answered with 429.
    pub(crate) limited: usize,
}

/// A GitHub that has attestations for one repository, `acme/widget`.
pub(crate) struct FakeGitHub {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Asked>>,
}

impl FakeGitHub {
    /// Starts it; `permitted` says whether attestations may be added.
    pub(crate) fn start(stage: &Stage, permitted: bool) -> Self {
        use axum::extract::{Path, State};
        use axum::http::{HeaderMap, StatusCode};
        use axum::response::{IntoResponse, Response};
        use axum::routing::{get, post};

        type Shared = Arc<Mutex<Asked>>;
        async fn list(State(asked): State<Shared>, Path((_, digest)): Path<(String, String)>) -> Response {
            let mut asked = asked.lock().unwrap();
            asked.listed += 1;
            let hex = digest.trim_start_matches("sha256:").to_owned();
            let about = |bundle: &&Value| {
                let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
                let bytes =
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap();
                String::from_utf8(bytes).unwrap().contains(&hex)
            };
            let found: Vec<Value> =
                asked.posted.iter().filter(about).map(|bundle| json!({"bundle": bundle})).collect();
            if found.is_empty() {
                return StatusCode::NOT_FOUND.into_response();
            }
            axum::Json(json!({"attestations": found})).into_response()
        }
        let add = move |State(asked): State<Shared>,
                        headers: HeaderMap,
                        axum::Json(body): axum::Json<Value>| async move {
            let mut asked = asked.lock().unwrap();
            let token = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
            asked.tokens.push(token.unwrap_or_default());
            if !permitted {
                let said = json!({"message": "Resource not accessible by integration"});
                return (StatusCode::FORBIDDEN, axum::Json(said)).into_response();
            }
            let Some(bundle) = body.get("bundle") else {
                let said = json!({"message": "Invalid request. \"bundle\" wasn't supplied."});
                return (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(said)).into_response();
            };
            if asked.limited > 0 {
                asked.limited -= 1;
                let said = json!({"message": "You have exceeded a secondary rate limit"});
                return (StatusCode::FORBIDDEN, [("retry-after", "1")], axum::Json(said)).into_response();
            }
            asked.posted.push(bundle.clone());
            (StatusCode::CREATED, axum::Json(json!({"id": asked.posted.len()}))).into_response()
        };
        let asked = Shared::default();
        let router = axum::Router::new()
            .route("/repos/acme/{name}/attestations", post(add))
            .route("/repos/acme/{name}/attestations/{digest}", get(list))
            .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
            .with_state(Arc::clone(&asked));
        let listener = stage.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        stage.runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    /// The variables of a job under GitHub Actions, but for its identity.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", &self.address),
            ("GITHUB_TOKEN", "a-token-of-github"),
            ("GITHUB_REPOSITORY", "acme/widget"),
        ]
    }
}

/// An issuer at which a person logs in: it sends a browser back with the code, and hands out the sandbox's token for
/// the code, where it was asked for by a browser once the verifier fits the challenge. What it was asked.
pub(crate) fn login(stage: &Stage, code: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    use axum::extract::Query;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Redirect, Response};
    use axum::routing::{get, post};
    use std::collections::BTreeMap;

    type Pairs = BTreeMap<String, String>;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let begun: Arc<Mutex<Option<Pairs>>> = Arc::default();
    let token = Arc::new(stage.email_token(600));
    let (own, at) = (Arc::clone(&asked), Arc::clone(&begun));
    let authorize = move |Query(query): Query<Pairs>| async move {
        let mut back = reqwest::Url::parse(&query["redirect_uri"]).unwrap();
        back.query_pairs_mut().append_pair("code", code).append_pair("state", &query["state"]);
        *at.lock().unwrap() = Some(query);
        Redirect::to(back.as_str())
    };
    let answer = move |body: String| async move {
        own.lock().unwrap().push(body.clone());
        let form: Pairs =
            reqwest::Url::parse(&format!("form:?{body}")).unwrap().query_pairs().into_owned().collect();
        let fits = |begun: &Pairs| {
            let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let challenge = base64::Engine::decode(&challenge, &begun["code_challenge"]).unwrap();
            let challenge: String = challenge.iter().map(|byte| format!("{byte:02x}")).collect();
            challenge == Digest::of(&form["code_verifier"]).hex()
                && begun["redirect_uri"] == form["redirect_uri"]
        };
        let by_browser = form["redirect_uri"].starts_with("http://127.0.0.1:");
        if form["code"] != code || by_browser != begun.lock().unwrap().as_ref().is_some_and(fits) {
            return (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_grant\"}").into_response();
        }
        let answer: Response = axum::Json(json!({"id_token": *token, "access_token": "x"})).into_response();
        answer
    };
    let router = axum::Router::new().route("/auth", get(authorize)).route("/token", post(answer));
    let listener = stage.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    stage.runtime.spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}
