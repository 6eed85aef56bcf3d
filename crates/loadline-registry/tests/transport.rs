//! What is below the registry's protocol: TLS with an authority of one's own, HTTP/2, proxies.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use loadline_process::Environment;
use loadline_registry::{
    Client, ConnectionProblem, Http, HttpOptions, Options, RegistryErrorKind, Repository,
};
use support::{answer, options, quirky};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A registry of one tag behind TLS, that speaks nothing but HTTP/2.
async fn behind_tls() -> (String, tokio::task::JoinHandle<()>) {
    let read = |name: &str| std::fs::read(fixture(name)).unwrap();
    let certificate = CertificateDer::from_pem_slice(&read("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let body = format!(r#"{{"tags":["{:?}"]}}"#, request.version()).replace('/', "-");
                    let response = http::Response::builder().status(200).body(()).unwrap();
                    if let Ok(mut stream) = respond.send_response(response, false) {
                        let _ = stream.send_data(bytes::Bytes::from(body), true);
                    }
                }
            });
        }
    });
    (host, task)
}

fn over_tls(host: &str, http: HttpOptions) -> Repository {
    let options = Options { secure_loopback: vec![host.to_owned()], ..options() };
    Repository::at(&Client::new(Http::new(http), options), format!("{host}/app").parse().unwrap())
}

#[tokio::test]
async fn an_authority_of_ones_own_and_http_2() {
    let (host, task) = behind_tls().await;
    let error = over_tls(&host, HttpOptions::default()).tags().await.unwrap_err();
    let problem = match error.kind() {
        RegistryErrorKind::Connection { problem, .. } => Some(*problem),
        _ => None,
    };
    assert_eq!(problem, Some(ConnectionProblem::Tls), "nobody knows this authority: {error}");

    let given = HttpOptions { ca_files: vec![fixture("ca.pem")], ..HttpOptions::default() };
    assert_eq!(over_tls(&host, given).tags().await.unwrap(), ["HTTP-2.0"]);
    let environment = Environment::empty().with("LOADLINE_CA_FILE", fixture("ca.pem"));
    let named = HttpOptions { environment, ..HttpOptions::default() };
    assert_eq!(over_tls(&host, named).tags().await.unwrap(), ["HTTP-2.0"]);
    task.abort();
}

#[tokio::test]
async fn many_calls_share_one_connection() {
    let (host, task) = behind_tls().await;
    let given = HttpOptions { ca_files: vec![fixture("ca.pem")], ..HttpOptions::default() };
    let repository = over_tls(&host, given);
    let calls = futures_util::future::join_all((0..50).map(|_| repository.tags())).await;
    assert!(calls.into_iter().all(|tags| tags.unwrap() == ["HTTP-2.0"]));
    task.abort();
}

/// A client whose way out is a proxy, to a registry that is spoken to by http.
fn through(environment: Environment) -> Repository {
    let options = Options { insecure: vec!["registry.test".into()], ..options() };
    let http = Http::new(HttpOptions { environment, ..HttpOptions::default() });
    Repository::at(&Client::new(http, options), "registry.test/app".parse().unwrap())
}

#[tokio::test]
async fn a_proxy_is_gone_through_and_told_who_asks() {
    let proxy = quirky(Router::new().fallback(|request: Request| async move {
        let host = request.uri().host().unwrap_or_default().to_owned();
        // bob:hunter2, to the proxy.
        match request.headers().get("proxy-authorization").and_then(|value| value.to_str().ok()) {
            Some("Basic Ym9iOmh1bnRlcjI=") => answer(200, &[], format!(r#"{{"tags":["{host}"]}}"#)),
            _ => answer(407, &[], "who are you"),
        }
    }))
    .await;
    let address = format!("http://bob:hunter2@{}", proxy.host);
    let tags = through(Environment::empty().with("HTTP_PROXY", &address)).tags().await.unwrap();
    assert_eq!(tags, ["registry.test"]);
    assert_eq!(proxy.asked().len(), 1);

    let stranger = format!("http://bob:wrong-one@{}", proxy.host);
    let error = through(Environment::empty().with("http_proxy", stranger)).tags().await.unwrap_err();
    assert!(error.to_string().contains("407") && !error.to_string().contains("wrong-one"), "{error}");

    // NO_PROXY counts, and nothing on loopback goes out.
    let asked = proxy.asked().len();
    let environment = Environment::empty().with("HTTP_PROXY", &address).with("NO_PROXY", "registry.test");
    assert!(through(environment).tags().await.is_err(), "there is no such host");
    let local = quirky(Router::new().fallback(|| async { answer(200, &[], r#"{"tags":["local"]}"#) })).await;
    let http = Http::new(HttpOptions {
        environment: Environment::empty().with("HTTP_PROXY", &address),
        ..HttpOptions::default()
    });
    let tags = Repository::at(&Client::new(http, options()), local.name("app")).tags().await.unwrap();
    assert_eq!((tags, proxy.asked().len()), (vec!["local".to_owned()], asked));
}

#[tokio::test]
async fn https_goes_through_a_proxy_as_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        let n = stream.read(&mut buffer).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    });
    let environment = Environment::empty().with("HTTPS_PROXY", address);
    let mut few = options();
    few.backoff.attempts = 1;
    let http = Http::new(HttpOptions { environment, ..HttpOptions::default() });
    let repository = Repository::at(&Client::new(http, few), "ghcr.io/acme/app".parse().unwrap());
    assert!(repository.tags().await.is_err());
    assert!(asked.await.unwrap().starts_with("CONNECT ghcr.io:443 HTTP/1.1"));
}
