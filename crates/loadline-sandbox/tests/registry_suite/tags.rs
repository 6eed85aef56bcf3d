//! Listing tags and repositories in pages.

use serde_json::{Value, json};

use crate::support::{Server, code, header, start, start_with};

async fn walk(server: &Server, first: &str, key: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let response = server.send("GET", &path).await;
        assert_eq!(response.status(), 200);
        next = header(&response, "link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
        let body: Value = response.json().await.unwrap();
        pages.push(serde_json::from_value(body[key].clone()).unwrap());
        assert!(pages.len() < 100, "the links go round in circles");
    }
    pages
}

#[tokio::test]
async fn in_pages_by_n_and_last() {
    let server = start().await;
    let tags = ["1.0", "1.10", "1.9", "A", "_x", "a", "latest"];
    let (_, manifest) = server.image("a/b", tags[0], b"layer").await;
    for tag in &tags[1..] {
        server.manifest("a/b", tag, &manifest).await;
    }
    let all: Value = server.send("GET", "/v2/a/b/tags/list").await.json().await.unwrap();
    assert_eq!(all, json!({ "name": "a/b", "tags": tags }));
    let pages = walk(&server, "/v2/a/b/tags/list?n=3", "tags").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), tags);
    let rest: Value = server.send("GET", "/v2/a/b/tags/list?last=1.9").await.json().await.unwrap();
    assert_eq!(rest["tags"], json!(tags[3..]));
    let none = server.send("GET", "/v2/a/b/tags/list?n=0").await;
    assert_eq!(header(&none, "link"), "");
    assert_eq!(none.json::<Value>().await.unwrap()["tags"], json!([]));
    assert_eq!(server.status("GET", "/v2/a/b/tags/list?n=x").await, 400);
}

#[tokio::test]
async fn a_page_is_capped_and_says_what_follows() {
    let server = start_with(|config| config.page = 2).await;
    let (_, manifest) = server.image("a", "t0", b"layer").await;
    for index in 1..5 {
        server.manifest("a", &format!("t{index}"), &manifest).await;
    }
    for first in ["/v2/a/tags/list", "/v2/a/tags/list?n=10000"] {
        let pages = walk(&server, first, "tags").await;
        assert_eq!(pages, [vec!["t0", "t1"], vec!["t2", "t3"], vec!["t4"]]);
    }
}

#[tokio::test]
async fn no_repository_no_list() {
    let server = start().await;
    let response = server.send("GET", "/v2/none/tags/list").await;
    assert_eq!(response.status(), 404);
    assert_eq!(code(response).await, "NAME_UNKNOWN");
    server.blob("a/b", b"x").await;
    let list: Value = server.send("GET", "/v2/a/b/tags/list").await.json().await.unwrap();
    assert_eq!(list["tags"], json!([]));
    assert_eq!(server.status("GET", "/v2/a/tags/list").await, 404, "a part of a name is no repository");
}

#[tokio::test]
async fn the_catalog() {
    let server = start().await;
    for name in ["b", "a/b/c", "a/b", "a-b"] {
        server.blob(name, b"x").await;
    }
    let pages = walk(&server, "/v2/_catalog?n=3", "repositories").await;
    assert_eq!(pages, [vec!["a-b", "a/b", "a/b/c"], vec!["b"]]);
}
