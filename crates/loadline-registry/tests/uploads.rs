//! Large blobs in pieces: a broken connection costs one piece, a session that is gone begins anew, and a
//! registry that takes no pieces gets all at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use futures_util::StreamExt;
use loadline_core::Digest;
use loadline_core::media_type::OCI_LAYER;
use loadline_registry::{BlobSource, Client, Descriptor, Pushed, Repository};
use support::{Server, answer, client_with, faulty, options, quirky, sandbox};

const PIECE: u64 = 100_000;
const SIZE: u64 = 1_000_000;

fn pieces() -> Client {
    let mut options = options();
    options.piece = PIECE;
    client_with(options)
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|n| (n * n / 251) as u8).collect()
}

/// A blob in a file.
fn file(folder: &tempfile::TempDir) -> BlobSource {
    let (path, content) = (folder.path().join("blob"), content());
    std::fs::write(&path, &content).unwrap();
    BlobSource::File { path, digest: Digest::of(&content), size: SIZE }
}

fn at(client: &Client, server: &Server, path: &str) -> Repository {
    Repository::at(client, server.name(path))
}

#[tokio::test]
async fn pieces_arrive_in_order_and_whole() {
    let server = sandbox(|_| {}).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    let repository = at(&client, &server, "app");
    let source = file(&folder);
    assert_eq!(repository.push_blob(source.clone()).await.unwrap(), Pushed::Sent);
    assert_eq!((server.count("POST"), server.count("PATCH"), server.count("PUT")), (1, 10, 1));
    let blob = Descriptor::new(OCI_LAYER, source.digest(), SIZE);
    assert_eq!(repository.blob(&blob, SIZE).await.unwrap(), content());
    // The same from memory, of a length that is no multiple.
    let bytes = content()[..250_001].to_vec();
    assert_eq!(repository.push_blob(BlobSource::Bytes(bytes.into())).await.unwrap(), Pushed::Sent);
    assert_eq!(server.count("PATCH"), 13);
}

#[tokio::test]
async fn what_broke_goes_on_where_it_stopped() {
    let server = faulty(&["PATCH uploads:reset;after=4*2"]).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    let repository = at(&client, &server, "app");
    let source = file(&folder);
    assert_eq!(repository.push_blob(source.clone()).await.unwrap(), Pushed::Sent);
    assert!(repository.has_blob(&source.digest()).await.unwrap());
    assert_eq!(server.count("POST"), 1, "one session: {:?}", server.asked());
    assert_eq!(server.count("GET /v2/app/blobs/uploads"), 2, "{:?}", server.asked());
    let sent = client.counters().bytes_sent;
    assert!(sent < SIZE + 3 * PIECE, "{sent} bytes were sent for {SIZE}");
}

#[tokio::test]
async fn a_session_that_is_gone_begins_anew() {
    // As distribution 2.8 does: the connection's end is the session's.
    let server = faulty(&["PATCH uploads:reset;after=4*1", "GET uploads:404"]).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    let repository = at(&client, &server, "app");
    let source = file(&folder);
    assert_eq!(repository.push_blob(source.clone()).await.unwrap(), Pushed::Sent);
    assert!(repository.has_blob(&source.digest()).await.unwrap());
    assert_eq!(server.count("POST"), 2, "{:?}", server.asked());
    assert_eq!(server.count("PATCH"), 15);
    // One that refuses the next piece with 404 is gone as well.
    let server = faulty(&["PATCH uploads:404;after=3*1"]).await;
    let repository = at(&client, &server, "app");
    assert_eq!(repository.push_blob(source).await.unwrap(), Pushed::Sent);
    assert_eq!(server.count("POST"), 2, "{:?}", server.asked());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_no_second_upload() {
    let server = faulty(&["PUT uploads:lost*1"]).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    let repository = at(&client, &server, "app");
    assert_eq!(repository.push_blob(file(&folder)).await.unwrap(), Pushed::Sent);
    assert_eq!((server.count("POST"), server.count("PATCH")), (1, 10), "{:?}", server.asked());
    let server = faulty(&["PUT uploads:lost*1"]).await;
    let repository = at(&client, &server, "app");
    assert_eq!(repository.push_blob(BlobSource::Bytes("small".into())).await.unwrap(), Pushed::Sent);
    assert_eq!(server.count("POST"), 1, "{:?}", server.asked());
}

#[tokio::test]
async fn a_registry_that_takes_no_pieces_gets_all_at_once() {
    for status in ["405", "404", "400", "501", "416"] {
        let server = faulty(&[&format!("PATCH uploads:{status}")]).await;
        let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
        let repository = at(&client, &server, "app");
        let source = file(&folder);
        assert_eq!(repository.push_blob(source.clone()).await.unwrap(), Pushed::Sent, "{status}");
        assert!(repository.has_blob(&source.digest()).await.unwrap());
        assert_eq!((server.count("PATCH"), server.count("PUT")), (1, 1), "{status}: {:?}", server.asked());
    }
    // Not to be let in is another matter.
    let server = faulty(&["PATCH uploads:403"]).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    assert!(at(&client, &server, "app").push_blob(file(&folder)).await.is_err());
    assert_eq!((server.count("PATCH"), server.count("PUT")), (1, 0), "{:?}", server.asked());
}

#[tokio::test]
async fn a_registry_that_keeps_breaking_is_given_up() {
    let server = faulty(&["PATCH uploads:503"]).await;
    let (folder, client) = (tempfile::tempdir().unwrap(), pieces());
    let error = at(&client, &server, "app").push_blob(file(&folder)).await.unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
    assert_eq!(server.count("PATCH"), 4);
}

/// An upload of a registry that answers pieces as it likes.
async fn registry(least: &'static str, says: fn(u64) -> String) -> (Server, Arc<AtomicU64>) {
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let server = quirky(Router::new().fallback(move |request: Request| {
        let count = Arc::clone(&count);
        async move {
            let location = ("location", "/v2/app/blobs/uploads/1?state=x");
            match request.method().as_str() {
                "HEAD" => answer(404, &[], ""),
                "POST" => answer(202, &[location, ("oci-chunk-min-length", least)], ""),
                "PATCH" => {
                    let mut body = request.into_body().into_data_stream();
                    while let Some(Ok(piece)) = body.next().await {
                        count.fetch_add(piece.len() as u64, Ordering::SeqCst);
                    }
                    let has = says(count.load(Ordering::SeqCst));
                    answer(202, &[location, ("range", &has)], "")
                }
                _ => answer(201, &[], ""),
            }
        }
    }))
    .await;
    (server, received)
}

#[tokio::test]
async fn a_registry_says_how_large_a_piece_must_be() {
    let (server, received) = registry("400000", |has| format!("0-{}", has - 1)).await;
    let client = pieces();
    let repository = at(&client, &server, "app");
    repository.push_blob(BlobSource::Bytes(content().into())).await.unwrap();
    assert_eq!((server.count("PATCH"), received.load(Ordering::SeqCst)), (3, SIZE));
}

#[tokio::test]
async fn a_registry_that_takes_nothing_ends_it() {
    let (server, _) = registry("0", |_| "0-0".to_owned()).await;
    let client = pieces();
    let error = at(&client, &server, "app").push_blob(BlobSource::Bytes(content().into())).await.unwrap_err();
    assert!(error.to_string().contains("no more than before"), "{error}");
    assert_eq!(server.count("PATCH"), 1);
}

#[tokio::test]
async fn a_copy_goes_on_where_it_stopped_on_both_sides() {
    let source = sandbox(|_| {}).await;
    let one = source.repository("app");
    let blob = Descriptor::of(OCI_LAYER, &content());
    one.push_blob(BlobSource::Bytes(content().into())).await.unwrap();
    let server = faulty(&["PATCH uploads:reset;after=5*1"]).await;
    let client = pieces();
    let (from, to) = (at(&client, &source, "app"), at(&client, &server, "app"));
    assert_eq!(to.copy_blob(&blob, &from).await.unwrap(), Pushed::Sent);
    assert_eq!(server.count("POST"), 1, "{:?}", server.asked());
    assert_eq!(source.count("GET /v2/app/blobs"), 2, "the second from the middle on: {:?}", source.asked());
    assert!(source.asked().iter().any(|line| line.starts_with("GET") && line.ends_with(" 206")));
    assert_eq!(to.blob(&blob, SIZE).await.unwrap(), content());

    // The source breaks off in the middle.
    let source = faulty(&["GET blobs:reset*1"]).await;
    let one = source.repository("app");
    one.push_blob(BlobSource::Bytes(content().into())).await.unwrap();
    let server = sandbox(|_| {}).await;
    let (from, to) = (at(&client, &source, "app"), at(&client, &server, "app"));
    assert_eq!(to.copy_blob(&blob, &from).await.unwrap(), Pushed::Sent);
    assert_eq!(to.blob(&blob, SIZE).await.unwrap(), content());
    assert_eq!(server.count("POST"), 1, "{:?}", server.asked());
}

#[tokio::test]
async fn a_source_without_ranges_is_read_over() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let source = quirky(Router::new().fallback(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async move { answer(200, &[], content()) }
    }))
    .await;
    let server = faulty(&["PATCH uploads:reset;after=5*1"]).await;
    let client = pieces();
    let (from, to) = (at(&client, &source, "app"), at(&client, &server, "app"));
    let blob = Descriptor::of(OCI_LAYER, &content());
    assert_eq!(to.copy_blob(&blob, &from).await.unwrap(), Pushed::Sent);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(to.blob(&blob, SIZE).await.unwrap(), content());
}

#[tokio::test]
async fn a_source_that_lies_is_refused_by_the_destination() {
    let source = faulty(&["GET blobs:wrong-digest"]).await;
    let one = source.repository("app");
    one.push_blob(BlobSource::Bytes(content().into())).await.unwrap();
    let server = sandbox(|_| {}).await;
    let client = pieces();
    let (from, to) = (at(&client, &source, "app"), at(&client, &server, "app"));
    let blob = Descriptor::of(OCI_LAYER, &content());
    let error = to.copy_blob(&blob, &from).await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
    assert!(!to.has_blob(&blob.digest).await.unwrap());
}

#[tokio::test]
async fn what_is_read_into_a_file_goes_on_too() {
    let server = faulty(&["GET blobs:truncate*3"]).await;
    let repository = server.repository("app");
    repository.push_blob(BlobSource::Bytes(content().into())).await.unwrap();
    let blob = Descriptor::of(OCI_LAYER, &content());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    let client = client_with(options());
    at(&client, &server, "app").blob_to_file(&blob, &path).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    let statuses: Vec<String> =
        server.asked().iter().filter(|line| line.starts_with("GET")).cloned().collect();
    assert_eq!(statuses.len(), 4);
    assert!(statuses[1..].iter().all(|line| line.ends_with(" 206")), "{statuses:?}");
    let received = client.counters().bytes_received;
    assert!(received < 2 * SIZE, "{received} bytes were asked for, of {SIZE}");
}
