//! A client that we did not build on pulls what we pushed.

mod support;

use loadline_core::media_type::OCI_LAYER;
use loadline_registry::index::IndexBuilder;
use oci_client::Reference;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use support::{push_image, sandbox};

#[tokio::test]
async fn oci_client_pulls_what_was_pushed() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("team/app");
    let mut legs = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let (image, _) = push_image(&repository, platform.as_bytes()).await;
        legs.push(image.with_platform(&platform.parse().unwrap()));
    }
    let index = IndexBuilder::new().entries(legs).build().unwrap();
    repository.push_manifest(index.media_type, index.bytes.clone()).await.unwrap();
    repository.tag("v1", index.media_type, index.bytes.clone()).await.unwrap();

    let client =
        oci_client::Client::new(ClientConfig { protocol: ClientProtocol::Http, ..Default::default() });
    let reference: Reference = format!("{}/team/app:v1", server.host).parse().unwrap();
    let digest = client.fetch_manifest_digest(&reference, &RegistryAuth::Anonymous).await.unwrap();
    assert_eq!(digest, index.digest.to_string());
    // It chooses the leg of the platform it runs on.
    let pulled = client.pull(&reference, &RegistryAuth::Anonymous, vec![OCI_LAYER]).await.unwrap();
    let expected = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
    assert_eq!(pulled.layers.len(), 1);
    assert_eq!(&pulled.layers[0].data[..], expected.as_bytes());
    assert_eq!(pulled.config.media_type, "application/vnd.oci.image.config.v1+json");
}
