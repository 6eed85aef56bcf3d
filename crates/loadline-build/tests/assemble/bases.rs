//! Building on images: layouts, indexes, named contexts, and bases that must be refused.

use std::fs;
use std::path::PathBuf;

use loadline_build::{Assembler, NamedContext};
use loadline_core::Digest;
use loadline_core::media_type::{
    DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST,
};
use loadline_registry::{BlobSource, Descriptor, Repository};
use serde_json::{Value, json};

use crate::kitchen::{Kitchen, assembler, read, run};

/// Builds a base with the builder itself and gives it a tag.
fn base(kitchen: &Kitchen, name: &str, dockerfile: &str, platform: &str) -> (PathBuf, Descriptor) {
    let file = kitchen.context().join(format!("{name}.Dockerfile"));
    fs::write(&file, dockerfile).unwrap();
    let mut request = kitchen.request();
    request.dockerfile = file;
    request.platform = platform.parse().unwrap();
    let layout = kitchen.layout(name);
    let built = run(assembler().assemble(&request, &Repository::layout(&layout))).unwrap();
    (layout, built.manifest)
}

fn push(repository: &Repository, media_type: &str, bytes: &[u8]) -> Descriptor {
    run(repository.push_blob(BlobSource::Bytes(bytes.to_vec().into()))).unwrap();
    Descriptor::of(media_type, bytes)
}

fn tag(repository: &Repository, tag: &str, media_type: &str, document: &Value) -> Descriptor {
    let bytes = document.to_string().into_bytes();
    run(repository.tag(tag, media_type, bytes.clone())).unwrap();
    Descriptor::of(media_type, &bytes)
}

const BASE: &str = "FROM scratch\nCOPY etc /etc\nENV FROM_BASE=1\nWORKDIR /srv\nUSER app\nCMD [\"base\"]\n";

fn with_etc(dockerfile: &str) -> Kitchen {
    Kitchen::new(dockerfile).file("etc/passwd", "app:x:77:78::/:\n").file("etc/conf", "base")
}

#[test]
fn an_image_is_built_on_a_layout() {
    let kitchen = with_etc(
        "FROM base\nCOPY own conf\nENV MORE=$FROM_BASE$FROM_BASE\nCOPY --chown=app etc/conf /etc/conf\n",
    )
    .file("own", "own");
    let (layout, manifest) = base(&kitchen, "base", BASE, "linux/amd64");
    let mut request = kitchen.request();
    let named = NamedContext::OciLayout { directory: layout.clone(), target: None };
    request.contexts.insert("base".into(), named);
    let image = kitchen.build_with(&request).unwrap();
    assert_eq!(image.layers.len(), 4);
    assert_eq!(image.names(2), ["srv/", "srv/conf"]);
    assert_eq!(image.names(3), ["etc/", "etc/conf"]);
    assert_eq!(image.at("etc/conf").owner, (77, 78));
    assert_eq!(image.env()[1..], ["FROM_BASE=1", "MORE=11"]);
    assert_eq!(image.config["config"]["User"], "app");
    assert_eq!(image.config["config"]["Cmd"], json!(["base"]));
    assert_eq!(image.history().len(), 5 + 3);
    let [used] = image.built.inputs.bases.as_slice() else { panic!() };
    assert_eq!((&used.digest, &used.manifest), (&manifest.digest, &Some(manifest.digest.clone())));
    assert_eq!(used.name, format!("oci-layout://{}", layout.display()));
    // The layers of the base are its own bytes.
    assert_eq!(image.manifest["layers"][0]["mediaType"], OCI_LAYER_GZIP);
    // A layout named in the Dockerfile itself, by digest, relative to the context.
    let kitchen = kitchen.file("Dockerfile", &format!("FROM oci-layout://../base@{}\n", manifest.digest));
    assert_eq!(kitchen.build().unwrap().text("etc/conf"), "base");
}

#[test]
fn the_platform_is_chosen_from_an_index() {
    let kitchen = with_etc("FROM base\nCOPY --from=other /etc/conf /copied\n");
    let (layout, amd64) = base(&kitchen, "base", BASE, "linux/amd64");
    let (_, arm) = base(&kitchen, "base", &BASE.replace("CMD [\"base\"]", "CMD [\"arm\"]"), "linux/arm/v6");
    let repository = Repository::layout(&layout);
    let attestation = json!({"mediaType": OCI_MANIFEST, "digest": Digest::of("x").to_string(), "size": 1,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [amd64, arm, attestation]});
    let top = tag(&repository, "1", OCI_INDEX, &index);
    let mut request = kitchen.request();
    request.platform = "linux/arm/v7".parse().unwrap();
    let named = NamedContext::OciLayout { directory: layout, target: Some("1".into()) };
    request.contexts.insert("base".into(), named.clone());
    request.contexts.insert("other".into(), named);
    let image = kitchen.build_with(&request).unwrap();
    assert_eq!(image.config["config"]["Cmd"], json!(["arm"]));
    // What is built is for the platform asked for, whatever the base was for.
    assert_eq!(image.config["variant"], "v7");
    assert_eq!(image.text("copied"), "base");
    let [used] = image.built.inputs.bases.as_slice() else { panic!() };
    assert_eq!((&used.digest, &used.manifest), (&top.digest, &Some(arm.digest.clone())));
    request.platform = "linux/s390x".parse().unwrap();
    let error = kitchen.build_with(&request).err().unwrap();
    assert!(error.is_input());
    assert!(error.to_string().ends_with(
        "is not there for linux/s390x, only for linux/amd64, linux/arm/v6; build for one of these, or write FROM --platform"
    ), "{error}");
    // The way out that it names.
    let kitchen = kitchen.file("Dockerfile", "FROM --platform=$BUILDPLATFORM base\n");
    let image = kitchen.build_with(&request).unwrap();
    assert_eq!(
        (image.config["architecture"].as_str(), image.config["config"]["Cmd"][0].as_str()),
        (Some("s390x"), Some("base"))
    );
}

#[test]
fn a_tag_is_read_once() {
    let kitchen = with_etc("FROM base\n");
    let (layout, first) = base(&kitchen, "base", BASE, "linux/amd64");
    let repository = Repository::layout(&layout);
    let bytes = run(repository.manifest(&first.digest.to_string())).unwrap().bytes;
    run(repository.tag("moving", OCI_MANIFEST, bytes)).unwrap();
    let mut request = kitchen.request();
    let named = NamedContext::OciLayout { directory: layout.clone(), target: Some("moving".into()) };
    request.contexts.insert("base".into(), named);
    let assembler = assembler();
    let destination = Repository::layout(kitchen.layout("image"));
    let before = run(assembler.assemble(&request, &destination)).unwrap();
    let pins = assembler.pins();
    assert_eq!(pins.values().collect::<Vec<_>>(), [&first.digest]);

    let (_, second) = base(&kitchen, "base", "FROM scratch\nENV NEW=1\n", "linux/amd64");
    let bytes = run(repository.manifest(&second.digest.to_string())).unwrap().bytes;
    run(repository.tag("moving", OCI_MANIFEST, bytes)).unwrap();
    assert_eq!(run(assembler.assemble(&request, &destination)).unwrap(), before);
    let fresh = Assembler::new(&crate::kitchen::client(), None).unwrap();
    assert_ne!(run(fresh.assemble(&request, &destination)).unwrap().manifest, before.manifest);
    // A digest that was recorded goes before the tag.
    let pinned = Assembler::new(&crate::kitchen::client(), None).unwrap();
    for (name, digest) in pins {
        pinned.pin(&name, digest);
    }
    assert_eq!(run(pinned.assemble(&request, &destination)).unwrap().manifest, before.manifest);
}

#[test]
fn directories_are_named_contexts_to_copy_from() {
    let kitchen = Kitchen::new("FROM scratch\nCOPY --from=extra sub /x\n");
    let extra = kitchen.layout("extra");
    fs::create_dir_all(extra.join("sub")).unwrap();
    fs::write(extra.join("sub/file"), "extra").unwrap();
    fs::write(extra.join("sub/hidden"), "no").unwrap();
    fs::write(extra.join(".dockerignore"), "**/hidden").unwrap();
    let mut request = kitchen.request();
    request.contexts.insert("extra".into(), NamedContext::Directory(extra));
    assert_eq!(kitchen.build_with(&request).unwrap().last(), ["x/", "x/file"]);
    let kitchen = kitchen.file("Dockerfile", "FROM extra\n");
    let error = kitchen.build_with(&request).err().unwrap().to_string();
    assert!(error.contains("the named context `extra` is a directory"), "{error}");
}

fn handmade(kitchen: &Kitchen, config: &Value, layer: &[u8], docker: bool) -> PathBuf {
    let layout = kitchen.layout("handmade");
    let repository = Repository::layout(&layout);
    let (manifest_type, layer_type) =
        if docker { (DOCKER_MANIFEST, DOCKER_LAYER_GZIP) } else { (OCI_MANIFEST, OCI_LAYER_GZIP) };
    let config = push(&repository, OCI_CONFIG, config.to_string().as_bytes());
    let layer = push(&repository, layer_type, layer);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer]});
    tag(&repository, "1", manifest_type, &manifest);
    layout
}

fn layer(entries: &[(&str, &str)]) -> (Vec<u8>, Digest) {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &plain).unwrap();
    (encoder.finish().unwrap(), Digest::of(&plain))
}

#[test]
fn bases_are_checked() {
    let build = |config: Value, bytes: &[u8], docker: bool| {
        let kitchen = Kitchen::new("FROM base\nCOPY --from=base /etc/conf /copied\n");
        let layout = handmade(&kitchen, &config, bytes, docker);
        let mut request = kitchen.request();
        let named = NamedContext::OciLayout { directory: layout, target: Some("1".into()) };
        request.contexts.insert("base".into(), named);
        kitchen.build_with(&request).map_err(|error| error.to_string())
    };
    let (bytes, diff_id) = layer(&[("etc/conf", "handmade")]);
    let config = |ids: Vec<String>| json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
    let good = config(vec![diff_id.to_string()]);
    let image = build(good.clone(), &bytes, true).unwrap();
    assert_eq!(image.text("copied"), "handmade");
    // Docker's layer is called by OCI's name, and is the same blob.
    assert_eq!(image.manifest["layers"][0]["mediaType"], OCI_LAYER_GZIP);
    assert_eq!(image.manifest["layers"][0]["digest"], Digest::of(&bytes).to_string());
    assert_eq!(image.env().len(), 1);

    let mut triggers = good.clone();
    triggers["config"] = json!({"OnBuild": ["RUN evil"]});
    assert!(build(triggers, &bytes, false).err().unwrap().contains("ONBUILD triggers (RUN evil …)"));
    let wrong = config(vec![Digest::of("other").to_string()]);
    assert!(build(wrong, &bytes, false).err().unwrap().contains("but its configuration says sha256:"));
    assert!(
        build(config(vec![]), &bytes, false).err().unwrap().contains("has 1 layers, its configuration 0")
    );
    let (hostile, diff_id) = layer(&[("../../etc/conf", "x")]);
    let error = build(config(vec![diff_id.to_string()]), &hostile, false).err().unwrap();
    assert!(error.contains("`../../etc/conf` lies outside the root"), "{error}");
    let garbage = build(config(vec![diff_id.to_string()]), b"garbage", false).err().unwrap();
    assert!(garbage.starts_with("Dockerfile:1: layer sha256:"), "{garbage}");
    let foreign = json!({"os": "linux", "architecture": "arm64", "rootfs": good["rootfs"]});
    assert!(
        build(foreign, &bytes, false)
            .err()
            .unwrap()
            .contains("is not there for linux/amd64, only for linux/arm64")
    );
}

#[test]
fn whiteouts_of_the_base_hide() {
    let kitchen = Kitchen::new("FROM base\nCOPY --from=base / /all\n");
    let (one, first) = layer(&[("a/x", "1"), ("a/y", "2"), ("b", "3")]);
    let (two, second) = layer(&[("a/.wh.x", ""), (".wh.b", ""), ("c", "4")]);
    let layout = kitchen.layout("handmade");
    let repository = Repository::layout(&layout);
    let config = json!({"os": "linux", "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [first.to_string(), second.to_string()]}});
    let config = push(&repository, OCI_CONFIG, config.to_string().as_bytes());
    let layers = [push(&repository, OCI_LAYER_GZIP, &one), push(&repository, OCI_LAYER_GZIP, &two)];
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
    tag(&repository, "latest", OCI_MANIFEST, &manifest);
    let mut request = kitchen.request();
    request.contexts.insert("base".into(), NamedContext::OciLayout { directory: layout, target: None });
    let built = run(assembler().assemble(&request, &Repository::layout(kitchen.layout("image")))).unwrap();
    let image = read(&kitchen.layout("image"), built);
    assert_eq!(image.last(), ["all/", "all/a/", "all/a/y", "all/c"]);
}
