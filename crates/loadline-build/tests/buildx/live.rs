//! With docker itself: `LOADLINE_LIVE_REGISTRY=127.0.0.1:5000`, `LOADLINE_LIVE_BUILDER=NAME` an instance that
//! can push there and builds for linux/amd64 and linux/arm64, and `LOADLINE_LIVE_BASE=REFERENCE` an image with a
//! shell for both.

#![allow(clippy::print_stdout, reason = "what was measured is shown")]

use std::time::Instant;

use loadline_build::BuildRequest;
use loadline_build::buildx::{Buildx, Listener, Options, Progress, SecretFrom, SecretSource};
use loadline_core::RepositoryName;
use loadline_process::Environment;
use loadline_registry::{Client, Http, HttpOptions, Repository};

use crate::fake::run;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the top of this file"))
}

fn builder(instance: Option<String>) -> (Buildx, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = "ARG BASE\nFROM ${BASE} AS compile\nARG WHO=nobody\n\
        RUN --mount=type=secret,id=token read -r t < /run/secrets/token || test \"$t\" = hunter2 && echo $WHO on $(uname -m) > /greeting\n\
        FROM ${BASE}\nCOPY --from=compile /greeting /greeting\nCMD [\"cat\", \"/greeting\"]\n";
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(
        folder.path().join("Failing"),
        "ARG BASE\nFROM ${BASE}\nRUN echo about to fail; cat /proc/self/nothing\n",
    )
    .unwrap();
    let mut options = Options::new(folder.path());
    options.instance = instance;
    options.secrets =
        vec![SecretSource { id: "token".into(), from: SecretFrom::Variable("LIVE_TOKEN".into()) }];
    options.listener = Listener::new(|progress| {
        if let Progress::Ended { stage, cached, error } = progress {
            println!("  {stage}{}{}", if *cached { " (cached)" } else { "" }, error.as_deref().unwrap_or(""));
        }
    });
    let environment = Environment::of_this_process().with("LIVE_TOKEN", "hunter2");
    (Buildx::new(&environment, options), folder)
}

fn request(folder: &tempfile::TempDir, platform: &str) -> BuildRequest {
    let mut request = BuildRequest::new(folder.path(), platform.parse().unwrap());
    request.build_args =
        vec![("BASE".into(), variable("LOADLINE_LIVE_BASE")), ("WHO".into(), "loadline".into())];
    request.labels.insert("org.opencontainers.image.version".into(), "1.2.3".into());
    request.annotations.insert("org.opencontainers.image.version".into(), "1.2.3".into());
    request.source_date_epoch = 1_700_000_000;
    request
}

fn repository(path: &str) -> Repository {
    let client = Client::new(Http::new(HttpOptions::default()), loadline_registry::Options::default());
    Repository::at(&client, RepositoryName::new(&variable("LOADLINE_LIVE_REGISTRY"), path).unwrap())
}

#[test]
#[ignore = "needs docker: LOADLINE_LIVE_REGISTRY, LOADLINE_LIVE_BUILDER, LOADLINE_LIVE_BASE"]
fn both_legs_are_pushed_by_digest_with_their_provenance() {
    let (builder, folder) = builder(Some(variable("LOADLINE_LIVE_BUILDER")));
    let destination = repository("loadline/buildx");
    let base: loadline_core::Reference = variable("LOADLINE_LIVE_BASE").parse().unwrap();
    for platform in ["linux/amd64", "linux/arm64"] {
        let began = Instant::now();
        let built = run(builder.build(&request(&folder, platform), &destination)).unwrap();
        println!("{platform}: {} in {:?}", built.manifest.digest, began.elapsed());
        assert_eq!(built.attestations.len(), 1, "BuildKit's provenance");
        assert_eq!(built.layers.len(), built.diff_ids.len());
        assert_eq!(built.inputs.bases.len(), 1, "{:?}", built.inputs.bases);
        assert_eq!(built.inputs.bases[0].name, base.to_string());
        let manifest =
            run(destination.manifest(&built.manifest.digest.to_string())).unwrap().as_image().unwrap();
        assert_eq!(manifest.annotations["org.opencontainers.image.version"], "1.2.3");
        let config = run(destination.blob(&built.config, 1 << 20)).unwrap();
        let config: loadline_registry::image::ImageConfig = serde_json::from_slice(&config).unwrap();
        assert_eq!(config.config.labels["org.opencontainers.image.version"], "1.2.3");
        assert_eq!(config.created.as_deref(), Some("2023-11-14T22:13:20Z"));
        let layout = tempfile::tempdir().unwrap();
        let there = Repository::layout(layout.path());
        let manifests = std::iter::once(&built.manifest).chain(&built.attestations);
        run(loadline_build::copy_leg(&destination, &there, manifests)).unwrap();
    }
    // A repository without any tag is not there at all for some registries.
    match run(destination.tags()) {
        Ok(tags) => assert!(tags.is_empty(), "{tags:?}"),
        Err(error) => assert!(error.is_not_found(), "{error}"),
    }
}

#[test]
#[ignore = "needs docker: LOADLINE_LIVE_REGISTRY, LOADLINE_LIVE_BUILDER, LOADLINE_LIVE_BASE"]
fn a_failing_stage_is_told_by_docker_itself() {
    let (builder, folder) = builder(Some(variable("LOADLINE_LIVE_BUILDER")));
    let mut request = request(&folder, "linux/arm64");
    request.dockerfile = folder.path().join("Failing");
    let error = run(builder.build(&request, &repository("loadline/buildx"))).unwrap_err();
    println!("{error}");
    assert_eq!(error.code().name, "buildx-stage-failed");
    assert!(error.to_string().contains("about to fail"), "{error}");
}

#[test]
#[ignore = "needs docker: LOADLINE_LIVE_REGISTRY, LOADLINE_LIVE_BUILDER, LOADLINE_LIVE_BASE"]
fn dockers_own_instance_is_refused_a_push_but_writes_a_layout() {
    let (builder, folder) = builder(Some("default".into()));
    let request = request(&folder, "linux/amd64");
    let error = run(builder.build(&request, &repository("loadline/buildx"))).unwrap_err();
    assert_eq!(error.code().name, "buildx-no-push-by-digest");
    let layout = tempfile::tempdir().unwrap();
    let destination = Repository::layout(layout.path());
    let built = run(builder.build(&request, &destination)).unwrap();
    assert!(run(destination.resolve(&built.manifest.digest.to_string())).unwrap().is_some());
    assert_eq!(built.attestations.len(), 1);
}

/// One line for each entry of each layer, the base's left out: what is in the image, without times.
fn entries(built: &loadline_build::Built, layout: &std::path::Path) -> Vec<Vec<String>> {
    let layers = built.layers.iter().skip(1);
    let of_layer = |layer: &loadline_registry::Descriptor| {
        let path = loadline_registry::Layout::new(layout).blob_path(&layer.digest);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
        let of_entry = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let entry: tar::Entry<'_, flate2::read::GzDecoder<std::fs::File>> = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
            let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
            let mode = header.mode().unwrap() & 0o7777;
            format!("{path} {:?} {mode:o} {uid}:{gid} {}", header.entry_type(), entry.size())
        };
        let mut lines: Vec<String> = archive.entries().unwrap().map(of_entry).collect();
        lines.sort();
        lines
    };
    layers.map(of_layer).collect()
}

#[test]
#[ignore = "needs docker: LOADLINE_LIVE_REGISTRY, LOADLINE_LIVE_BUILDER, LOADLINE_LIVE_BASE"]
fn both_builders_make_the_same_image_of_a_dockerfile_without_run() {
    let (mut builder, folder) = builder(Some("default".into()));
    let mut options = Options::new(folder.path());
    options.instance = Some("default".into());
    builder = builder.with(options);
    let dockerfile = "ARG BASE\nFROM ${BASE} AS files\nCOPY --chmod=0750 tool /opt/tool\n\
        FROM ${BASE}\nARG WHO\nENV WHO=${WHO} PATH=/opt:$PATH\nWORKDIR /srv/app\nCOPY --from=files /opt /opt\n\
        COPY --chown=10:20 docs/ ./docs/\nLABEL a=b\nEXPOSE 80 53/udp\nUSER 10:20\nVOLUME /data\nSTOPSIGNAL SIGINT\n\
        HEALTHCHECK --interval=3s CMD [\"tool\"]\nENTRYPOINT [\"tool\"]\nCMD [\"serve\"]\n";
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(folder.path().join("tool"), "#!/bin/sh\n").unwrap();
    std::fs::create_dir_all(folder.path().join("docs/more")).unwrap();
    std::fs::write(folder.path().join("docs/more/one"), "one").unwrap();
    let request = request(&folder, "linux/arm64");
    let client = Client::new(Http::new(HttpOptions::default()), loadline_registry::Options::default());
    let layouts = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = [0, 1].map(|n: usize| Repository::layout(layouts[n].path()));
    let by_docker = run(builder.build(&request, &one)).unwrap();
    let assembler = loadline_build::Assembler::new(&client, None).unwrap();
    let by_us = run(assembler.assemble(&request, &two)).unwrap();
    let [theirs, ours] = [(&by_docker, &one), (&by_us, &two)].map(|(built, layout)| {
        let bytes = run(layout.blob(&built.config, 1 << 20)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    });
    for member in ["config", "architecture", "os", "variant", "created"] {
        assert_eq!(theirs.get(member), ours.get(member), "{member}");
    }
    // Two words of the history differ from one BuildKit to the next: the order of EXPOSE's ports, and how Go
    // prints the structure behind HEALTHCHECK. What they mean is in `config`, and equal.
    let steps = |config: &serde_json::Value| -> Vec<String> {
        let said = |step: &serde_json::Value| step["created_by"].as_str().unwrap_or_default().to_owned();
        let plain = |text: String| match text.split_once(' ') {
            Some((word @ ("EXPOSE" | "HEALTHCHECK"), _)) => word.to_owned(),
            _ => text,
        };
        config["history"].as_array().unwrap().iter().map(said).map(plain).collect()
    };
    assert_eq!(steps(&theirs), steps(&ours));
    assert_eq!(entries(&by_docker, layouts[0].path()), entries(&by_us, layouts[1].path()));
    assert_eq!(by_docker.inputs.bases[0].name, by_us.inputs.bases[0].name);
    assert_eq!(by_docker.inputs.bases[0].digest, by_us.inputs.bases[0].digest);
}
