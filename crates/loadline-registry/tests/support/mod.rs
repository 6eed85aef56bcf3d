//! Servers for these tests: the sandbox's registry, and small ones that misbehave.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::middleware::{self, Next};
use loadline_core::RepositoryName;
use loadline_core::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_LAYER, OCI_MANIFEST};
use loadline_registry::{Backoff, BlobSource, Client, Descriptor, Http, HttpOptions, Options, Repository};
use loadline_sandbox::registry::{Config, Faults, Log, Registry, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A server on loopback, and what it was asked: `METHOD PATH?QUERY`.
pub struct Server {
    pub host: String,
    pub lines: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
    _data: Option<TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub fn asked(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|line| line.contains(part)).count()
    }

    pub fn name(&self, path: &str) -> RepositoryName {
        RepositoryName::new(&self.host, path).unwrap()
    }

    pub fn repository(&self, path: &str) -> Repository {
        Repository::at(&client(), self.name(path))
    }
}

/// The sandbox's registry.
pub async fn sandbox(configure: impl FnOnce(&mut Config)) -> Server {
    let data = tempfile::tempdir().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let mut config = Config::new(data.path().join("registry"));
    let sink = Arc::clone(&lines);
    config.log = Some(Log::new(move |line| {
        sink.lock().unwrap().push(format!("{} {} {}", line.method, line.path, line.status));
    }));
    configure(&mut config);
    let router = Registry::open(config).unwrap().router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let _ = serve(listener, router, std::future::pending()).await;
    });
    Server { host, lines, task, _data: Some(data) }
}

pub async fn faulty(faults: &[&str]) -> Server {
    let faults = Faults::parse(faults, 7).unwrap();
    sandbox(|config| config.faults = faults).await
}

/// An answer of a small server.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// A server of these routes.
pub async fn quirky(router: Router) -> Server {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let note = move |request: Request, next: Next| {
        let authorized = if request.headers().contains_key("authorization") { " +auth" } else { "" };
        sink.lock().unwrap().push(format!("{} {}{authorized}", request.method(), request.uri()));
        async move { next.run(request).await }
    };
    let router = router.layer(middleware::from_fn(note));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { host, lines, task, _data: None }
}

pub fn options() -> Options {
    Options {
        backoff: Backoff { attempts: 4, first: Duration::from_millis(5), longest: Duration::from_secs(2) },
        time_limit: Duration::from_secs(5),
        ..Options::default()
    }
}

pub fn client() -> Client {
    client_with(options())
}

pub fn client_with(options: Options) -> Client {
    Client::new(Http::new(HttpOptions::default()), options)
}

/// Pushes an image of one layer; its manifest's descriptor and bytes.
pub async fn push_image(repository: &Repository, content: &[u8]) -> (Descriptor, Vec<u8>) {
    let config =
        br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    repository.push_blob(BlobSource::Bytes(config.to_vec().into())).await.unwrap();
    repository.push_blob(BlobSource::Bytes(content.to_vec().into())).await.unwrap();
    let bytes = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, config),
        "layers": [Descriptor::of(OCI_LAYER, content)],
    }))
    .unwrap();
    repository.push_manifest(OCI_MANIFEST, bytes.clone()).await.unwrap();
    (Descriptor::of(OCI_MANIFEST, &bytes), bytes)
}

/// Evidence about a subject: its blobs are pushed, the manifest is not.
pub async fn evidence(repository: &Repository, subject: &Descriptor, content: &str) -> Vec<u8> {
    repository.push_blob(BlobSource::Bytes("{}".into())).await.unwrap();
    repository.push_blob(BlobSource::Bytes(content.to_owned().into())).await.unwrap();
    serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/test",
        "config": Descriptor::of(OCI_EMPTY, b"{}"),
        "layers": [Descriptor::of("application/test", content.as_bytes())],
        "subject": Descriptor::new(&subject.media_type, subject.digest.clone(), subject.size),
        "annotations": {"content": content},
    }))
    .unwrap()
}
