//! A registry on a port of its own, and the few requests that most tests begin with.

use std::net::SocketAddr;
use std::path::Path;

use loadline_core::{Digest, digest::Hasher, media_type as mt};
use loadline_sandbox::registry::{Config, Registry, serve};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) struct Server {
    pub(crate) registry: Option<Registry>,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) dir: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<std::io::Result<()>>>,
}

pub(crate) async fn start() -> Server {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start_in(&dir.path().join("data"), change).await;
    server.dir = Some(dir);
    server
}

pub(crate) async fn start_in(data: &Path, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::new(data);
    change(&mut config);
    let registry = Registry::open(config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, registry.router(), async {
        let _ = stopped.await;
    }));
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Server { registry: Some(registry), address, client, dir: None, stop: Some(stop), task: Some(task) }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(crate) async fn status(&self, method: &str, path: &str) -> StatusCode {
        self.send(method, path).await.status()
    }

    pub(crate) async fn begin(&self, name: &str) -> String {
        let response = self.send("POST", &format!("/v2/{name}/blobs/uploads/")).await;
        assert_eq!(response.status(), 202);
        header(&response, LOCATION.as_str())
    }

    /// Pushes a blob and returns its digest.
    pub(crate) async fn blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let at = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let response = self.request("POST", &at).body(content.to_vec()).send().await.unwrap();
        assert_eq!(response.status(), 201);
        digest
    }

    /// Pushes a manifest and expects it to be taken.
    pub(crate) async fn manifest(&self, name: &str, reference: &str, manifest: &Value) -> Digest {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let response = self.put(name, reference, manifest).await;
        let status = response.status();
        assert_eq!(status, 201, "{}", response.text().await.unwrap());
        Digest::of(bytes)
    }

    pub(crate) async fn put(&self, name: &str, reference: &str, manifest: &Value) -> Response {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let media_type = manifest["mediaType"].as_str().unwrap_or(mt::OCI_MANIFEST).to_owned();
        self.request("PUT", &format!("/v2/{name}/manifests/{reference}"))
            .header(CONTENT_TYPE, media_type)
            .body(bytes)
            .send()
            .await
            .unwrap()
    }

    /// Pushes an image of one layer and returns its manifest.
    pub(crate) async fn image(&self, name: &str, tag: &str, layer: &[u8]) -> (Digest, Value) {
        let manifest = image(self, name, layer).await;
        (self.manifest(name, tag, &manifest).await, manifest)
    }

    /// Ends the server, frees its folder, and keeps the folder.
    pub(crate) async fn end(mut self) -> Option<TempDir> {
        drop(self.registry.take());
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            task.await.unwrap().unwrap();
        }
        self.dir.take()
    }
}

pub(crate) async fn image(server: &Server, name: &str, layer: &[u8]) -> Value {
    server.blob(name, b"{}").await;
    server.blob(name, layer).await;
    json!({
        "schemaVersion": 2,
        "mediaType": mt::OCI_MANIFEST,
        "config": descriptor(mt::OCI_CONFIG, b"{}"),
        "layers": [descriptor(mt::OCI_LAYER, layer)],
    })
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(content), "size": content.len() })
}

pub(crate) fn of_manifest(manifest: &Value) -> Value {
    descriptor(manifest["mediaType"].as_str().unwrap(), &serde_json::to_vec(manifest).unwrap())
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

pub(crate) async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

pub(crate) fn sha512(content: &[u8]) -> Digest {
    let mut hasher = Hasher::new(loadline_core::Algorithm::Sha512);
    hasher.update(content);
    hasher.finish()
}

/// Bytes that do not repeat within a block, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
