//! Registries as the source of bases and as the destination.

use std::collections::BTreeSet;

use loadline_build::Assembler;
use loadline_core::RepositoryName;
use loadline_core::media_type::OCI_MANIFEST;
use loadline_registry::Repository;
use loadline_sandbox::registry::{Config, Registry, serve};

use crate::kitchen::{Kitchen, client, run};

async fn registry(data: &std::path::Path) -> String {
    let registry = Registry::open(Config::new(data)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, registry.router(), std::future::pending()));
    address
}

#[test]
fn bases_and_images_at_a_registry() {
    let kitchen = Kitchen::new("FROM scratch\nCOPY file /base\nCOPY file /more\n").file("file", "text");
    // The Dockerfile changes below, and is no part of what is copied.
    let kitchen = kitchen.file(".dockerignore", "Dockerfile\n");
    run(async {
        let host = registry(&kitchen.layout("registry")).await;
        let at = |name: &str| format!("{host}/{name}").parse::<RepositoryName>().unwrap();
        let client = client();
        let (bases, app) = (Repository::at(&client, at("bases")), Repository::at(&client, at("app")));
        let assembler = Assembler::new(&client, None).unwrap();
        let base = assembler.assemble(&kitchen.request(), &bases).await.unwrap();
        let bytes = bases.manifest(&base.manifest.digest.to_string()).await.unwrap().bytes;
        bases.tag("1", OCI_MANIFEST, bytes).await.unwrap();

        let kitchen = kitchen.file("Dockerfile", &format!("FROM {host}/bases:1\nCOPY file /own\n"));
        let before = client.counters();
        let built = assembler.assemble(&kitchen.request(), &app).await.unwrap();
        let first = client.counters() - before;
        assert_eq!(built.layers[..2], base.layers);
        let [used] = built.inputs.bases.as_slice() else { panic!() };
        assert_eq!((used.name.clone(), &used.digest), (format!("{host}/bases:1"), &base.manifest.digest));
        // Its own layer and its configuration were sent; the base's layers the registry took over.
        let sent = first.bytes_sent;
        assert!(sent < 4096, "{sent}");
        assert_eq!((first.blobs_pushed, first.manifests_pushed, first.tags_written), (4, 1, 0));
        assert!(app.tags().await.unwrap_or_default().is_empty());

        // A second run sends nothing, a second builder neither, and both come to the same.
        let before = client.counters();
        assert_eq!(assembler.assemble(&kitchen.request(), &app).await.unwrap(), built);
        let fresh = Assembler::new(&client, None).unwrap();
        assert_eq!(fresh.assemble(&kitchen.request(), &app).await.unwrap(), built);
        let again = client.counters() - before;
        assert_eq!((again.blobs_pushed, again.manifests_pushed, again.bytes_sent), (0, 0, 0));
        let digests: BTreeSet<_> = built.layers.iter().map(|layer| &layer.digest).collect();
        assert_eq!(digests.len(), 3);
        for digest in digests {
            assert!(app.has_blob(digest).await.unwrap());
        }
    });
}

#[test]
fn a_registry_that_is_down_is_a_failure() {
    let kitchen = Kitchen::new("FROM scratch\n");
    run(async {
        // Bound and closed again: nobody listens there.
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let name: RepositoryName = format!("127.0.0.1:{port}/app").parse().unwrap();
        let options = loadline_registry::Options {
            backoff: loadline_registry::Backoff { attempts: 1, ..Default::default() },
            ..Default::default()
        };
        let client = loadline_registry::Client::new(
            loadline_registry::Http::new(loadline_registry::HttpOptions::default()),
            options,
        );
        let assembler = Assembler::new(&client, None).unwrap();
        let error = assembler.assemble(&kitchen.request(), &Repository::at(&client, name)).await.unwrap_err();
        assert!(!error.is_input());
        assert!(error.to_string().starts_with("the image cannot be written to its destination: "), "{error}");
    });
}
