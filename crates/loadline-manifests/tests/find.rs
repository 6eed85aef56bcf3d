//! What is found in each kind of file, and what pinning makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use loadline_core::Digest;
use loadline_manifests::{Kind, ManifestError, Named, PinError, find, is_marked, pin};
use proptest::prelude::*;

/// Line, text and whether it is an image, of all mentions.
fn found(path: &str, text: &str) -> Vec<(u32, String, &'static str)> {
    let found = find(path, text).unwrap();
    found
        .mentions
        .iter()
        .map(|mention| {
            let named = match &mention.named {
                Named::Image(reference) if reference.digest.is_some() => "pinned",
                Named::Image(_) => "image",
                Named::Built => "built",
                Named::Unresolved(_) => "unresolved",
                Named::Invalid(_) => "invalid",
            };
            (mention.line, mention.text.clone(), named)
        })
        .collect()
}

fn said(lines: &[(u32, &str, &'static str)]) -> Vec<(u32, String, &'static str)> {
    lines.iter().map(|(line, text, named)| (*line, (*text).to_owned(), *named)).collect()
}

/// Pins every image that is not pinned, each to a digest made of its text.
fn pin_all(path: &str, text: &str) -> Result<String, PinError> {
    let found = find(path, text).unwrap();
    let open = |named: &Named| matches!(named, Named::Image(reference) if reference.digest.is_none());
    let digests: Vec<_> =
        found.mentions.iter().filter(|m| open(&m.named)).map(|m| (m, Digest::of(&m.text))).collect();
    let pins: Vec<_> = digests.iter().map(|(mention, digest)| (*mention, digest)).collect();
    pin(path, text, &pins)
}

/// The text in which every `<X>` became what X is pinned to.
fn expected(text: &str, references: &[&str]) -> String {
    references.iter().fold(text.to_owned(), |text, reference| {
        text.replace(&format!("<{reference}>"), &format!("{reference}@{}", Digest::of(reference)))
    })
}

const COMPOSE: &str = "\
# what runs
x-base: &base
  image: \"redis:7\"   # shared
services:
  web:
    <<: *base
    image: nginx:1.27 # the proxy
  cache: {<<: *base, restart: always}
  own:
    build: .
    image: acme/own
  any:
    image: ${REGISTRY:-docker.io}/acme/any:${TAG}
  odd: {image: 'ghcr.io/acme/odd', ports: [80]}
  bad:
    image: NotAReference
  data:
    image: acme/data:1
    volumes:
      - type: image
        source: acme/files:2
        target: /files
      - type: volume
        source: acme/volume
    build_:
      x: y
";

#[test]
fn compose() {
    let digest = Digest::of("x");
    assert_eq!(find("compose.yaml", COMPOSE).unwrap().kinds, [Kind::Compose]);
    assert_eq!(
        found("compose.yaml", COMPOSE),
        said(&[
            (3, "redis:7", "image"),
            (7, "nginx:1.27", "image"),
            (11, "acme/own", "built"),
            (13, "${REGISTRY:-docker.io}/acme/any:${TAG}", "unresolved"),
            (14, "ghcr.io/acme/odd", "image"),
            (16, "NotAReference", "invalid"),
            (18, "acme/data:1", "image"),
            (21, "acme/files:2", "image"),
        ])
    );
    let pinned = pin_all("compose.yaml", COMPOSE).unwrap();
    let template = COMPOSE
        .replace("\"redis:7\"", "\"<redis:7>\"")
        .replace(" nginx:1.27", " <nginx:1.27>")
        .replace("'ghcr.io/acme/odd'", "'<ghcr.io/acme/odd>'")
        .replace("acme/data:1", "<acme/data:1>")
        .replace("acme/files:2", "<acme/files:2>");
    let all = ["redis:7", "nginx:1.27", "ghcr.io/acme/odd", "acme/data:1", "acme/files:2"];
    assert_eq!(pinned, expected(&template, &all));
    assert_eq!(pin_all("compose.yaml", &pinned).unwrap(), pinned, "pinned once is pinned");
    let image = format!("services: {{a: {{image: 'a/b:c@{digest}'}}}}");
    assert_eq!(found("c.yml", &image)[0].2, "pinned");
}

const KUBERNETES: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {image: not/this:one}}
spec:
  template:
    spec:
      initContainers:
      - name: init
        image: busybox:1.36
      containers:
      - image: nginx:1.27
        name: web
      ephemeralContainers: [{name: debug, image: acme/debug}]
      volumes:
      - name: files
        image:
          reference: acme/files:1
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: acme/cron:1}]}}}}}
---
# nothing here
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  spec:
    containers:
    - image: acme/pod:1
- apiVersion: argoproj.io/v1alpha1
  kind: Rollout
  spec: {template: {spec: {containers: [{image: acme/rollout:1}]}}}
---
apiVersion: v1
kind: ConfigMap
data:
  image: not/this:one
  app.yaml: |
    containers:
    - image: not/this:one
";

#[test]
fn kubernetes() {
    assert_eq!(find("k8s/app.yaml", KUBERNETES).unwrap().kinds, [Kind::Kubernetes]);
    assert_eq!(
        found("k8s/app.yaml", KUBERNETES),
        said(&[
            (9, "busybox:1.36", "image"),
            (11, "nginx:1.27", "image"),
            (13, "acme/debug", "image"),
            (17, "acme/files:1", "image"),
            (21, "acme/cron:1", "image"),
            (32, "acme/pod:1", "image"),
            (35, "acme/rollout:1", "image"),
        ])
    );
    let mut template = KUBERNETES.to_owned();
    let all = [
        "busybox:1.36",
        "nginx:1.27",
        "acme/debug",
        "acme/files:1",
        "acme/cron:1",
        "acme/pod:1",
        "acme/rollout:1",
    ];
    for image in all {
        template = template.replace(image, &format!("<{image}>"));
    }
    assert_eq!(pin_all("k8s/app.yaml", KUBERNETES).unwrap(), expected(&template, &all));
}

#[test]
fn every_workload_kind_has_its_containers_found() {
    let pod = "containers: [{name: a, image: acme/a:1}]";
    let template = format!("template: {{spec: {{{pod}}}}}");
    let cases = [
        ("Pod", format!("spec: {{{pod}}}")),
        ("PodTemplate", template.clone()),
        ("Deployment", format!("spec: {{{template}}}")),
        ("ReplicaSet", format!("spec: {{{template}}}")),
        ("ReplicationController", format!("spec: {{{template}}}")),
        ("StatefulSet", format!("spec: {{{template}}}")),
        ("DaemonSet", format!("spec: {{{template}}}")),
        ("Job", format!("spec: {{{template}}}")),
        ("CronJob", format!("spec: {{jobTemplate: {{spec: {{{template}}}}}}}")),
    ];
    for (kind, body) in cases {
        let text = format!("apiVersion: v1\nkind: {kind}\n{body}\n");
        assert_eq!(found("a.yaml", &text), said(&[(3, "acme/a:1", "image")]), "{kind}");
    }
}

const KUSTOMIZE: &str = "\
resources: [../base]
images:
  - name: nginx
    newTag: \"1.27\" # kept
  - newName: registry.example.com/redis
    name: redis
  - {name: acme/a, newTag: v1}
  - name: acme/b
    newTag: v2
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
";

#[test]
fn kustomize() {
    let zeros = format!("acme/b:v2@sha256:{}", "0".repeat(64));
    let lines = said(&[
        (4, "nginx:1.27", "image"),
        (5, "registry.example.com/redis", "unresolved"),
        (7, "acme/a:v1", "image"),
        (10, &zeros, "pinned"),
    ]);
    assert_eq!(found("kustomization.yaml", KUSTOMIZE), lines);
    for (text, ending) in [(KUSTOMIZE.to_owned(), "\n"), (KUSTOMIZE.replace('\n', "\r\n"), "\r\n")] {
        let pinned = pin_all("base/kustomization.yaml", &text).unwrap();
        let (nginx, a) = (Digest::of("nginx:1.27"), Digest::of("acme/a:v1"));
        let wanted = text
            .replace("# kept", &format!("# kept{ending}    digest: {nginx}"))
            .replace("newTag: v1}", &format!("newTag: v1, digest: {a}}}"));
        assert_eq!(pinned, wanted);
    }
}

const WORKFLOW: &str = "\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    container: node:22
    services:
      db:
        image: postgres:17
        env: {A: b}
      none:
        image: ''
    steps:
      - uses: actions/checkout@v4
      - uses: docker://alpine:3.20   # a container
      - run: docker run not/this:one
  b:
    container:
      image: ghcr.io/acme/ci:${{ matrix.tag }}
    steps: []
";

#[test]
fn workflows() {
    let path = ".github/workflows/ci.yml";
    let lines = said(&[
        (5, "node:22", "image"),
        (8, "postgres:17", "image"),
        (14, "alpine:3.20", "image"),
        (18, "ghcr.io/acme/ci:${{ matrix.tag }}", "unresolved"),
    ]);
    assert_eq!(found(path, WORKFLOW), lines);
    let template = WORKFLOW
        .replace("node:22", "<node:22>")
        .replace("postgres:17", "<postgres:17>")
        .replace("alpine:3.20", "<alpine:3.20>");
    let all = ["node:22", "postgres:17", "alpine:3.20"];
    assert_eq!(pin_all(path, WORKFLOW).unwrap(), expected(&template, &all));

    let action = "name: x\nruns:\n  using: docker\n  image: docker://acme/action:1\n";
    assert_eq!(found("action.yml", action), said(&[(4, "acme/action:1", "image")]));
    let action = "runs:\n  using: docker\n  image: Dockerfile\n";
    assert_eq!(found("action.yml", action), []);
}

const DOCKERFILE: &str = "\
# syntax=docker/dockerfile:1
ARG TAG=3.20
FROM --platform=$BUILDPLATFORM golang:1.24 AS build
FROM alpine:${TAG} AS other
FROM build AS again
COPY --from=build /a /a
COPY --from=busybox:1.36 /bin/busybox /busybox
COPY --from=0 /x /x
RUN --mount=type=cache,target=/c --mount=type=bind,from=acme/tools:1,target=/t \\
    --mount=from=build,target=/b true
ONBUILD RUN --mount=from=acme/later:1 true
FROM \\
  debian:13 as last
FROM scratch
";

#[test]
fn dockerfiles() {
    let lines = said(&[
        (3, "golang:1.24", "image"),
        (4, "alpine:${TAG}", "unresolved"),
        (7, "busybox:1.36", "image"),
        (9, "acme/tools:1", "image"),
        (11, "acme/later:1", "image"),
        (13, "debian:13", "image"),
    ]);
    assert_eq!(found("Dockerfile.daemon", DOCKERFILE), lines);
    let template = DOCKERFILE
        .replace("golang:1.24", "<golang:1.24>")
        .replace("busybox:1.36", "<busybox:1.36>")
        .replace("acme/tools:1", "<acme/tools:1>")
        .replace("acme/later:1", "<acme/later:1>")
        .replace("debian:13", "<debian:13>");
    let all = ["golang:1.24", "busybox:1.36", "acme/tools:1", "acme/later:1", "debian:13"];
    assert_eq!(pin_all("Dockerfile", DOCKERFILE).unwrap(), expected(&template, &all));
}

const VALUES: &str = "\
# of a chart
replicas: 2
image:
  registry: ghcr.io
  repository: acme/web   # what it is
  tag: \"1.2\"
  pullPolicy: Always
sidecar: {repository: acme/side, tag: v1, digest: ''}
metrics:
  image: prom/exporter:v3 # whole
  initImage: busybox
init:
  image: acme/init
  tag: 1.10
own:
  repository: acme/own
  digest:
  tag: v2 # kept
chart:
  image: {repository: acme/default, pullPolicy: Never}
none: {image: '', tag: ''}
pullImage: true
git: {repository: https://example.com/not/this.git, branch: main}
pinned:
  image:
    repository: acme/pinned
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
again: &again {name: acme/named, tag: v4}
image2: *again
debug-image: *again
";

#[test]
fn helm_values() {
    let found_in = find("chart/values-prod.yaml", VALUES).unwrap();
    assert_eq!(found_in.kinds, [Kind::HelmValues]);
    let zeros = format!("acme/pinned@sha256:{}", "0".repeat(64));
    let lines = said(&[
        (6, "ghcr.io/acme/web:1.2", "image"),
        (8, "acme/side:v1", "image"),
        (10, "prom/exporter:v3", "image"),
        (11, "busybox", "image"),
        (14, "acme/init:1.10", "image"),
        (18, "acme/own:v2", "image"),
        (20, "acme/default", "unresolved"),
        (27, &zeros, "pinned"),
        (28, "acme/named:v4", "image"),
    ]);
    assert_eq!(found("chart/values-prod.yaml", VALUES), lines);
    for text in [VALUES.to_owned(), VALUES.replace('\n', "\r\n")] {
        let digest = |reference: &str| Digest::of(reference).to_string();
        let wanted = text
            .replace("\"1.2\"", &format!("\"1.2@{}\"", digest("ghcr.io/acme/web:1.2")))
            .replace("digest: ''", &format!("digest: '{}'", digest("acme/side:v1")))
            .replace("prom/exporter:v3", &format!("prom/exporter:v3@{}", digest("prom/exporter:v3")))
            .replace("busybox", &format!("busybox@{}", digest("busybox")))
            .replace("1.10", &format!("1.10@{}", digest("acme/init:1.10")))
            .replace("digest:\r\n", &format!("digest: {}\r\n", digest("acme/own:v2")))
            .replace("digest:\n", &format!("digest: {}\n", digest("acme/own:v2")))
            .replace("tag: v4", &format!("tag: v4@{}", digest("acme/named:v4")));
        let pinned = pin_all("values.yaml", &text).unwrap();
        assert_eq!(pinned, wanted);
        assert_eq!(pin_all("values.yaml", &pinned).unwrap(), pinned, "pinned once is pinned");
    }
    let text = format!("global: {{imageRegistry: registry.example.com}}\n{VALUES}");
    assert!(found("values.yaml", &text).iter().all(|(.., named)| *named == "unresolved"));
    assert_eq!(find("settings.yaml", VALUES).unwrap().kinds, []);
}

const SHELL: &str = "\
#!/bin/sh
# loadline: image
REDIS=redis:7
docker run --rm -v /a:/b \"ghcr.io/acme/tool:${TAG:-latest}\" now  # loadline: image
docker run acme/plain:1 # not marked
IMAGE='nginx' # loadline: image
# loadline: images are not meant by this
x=acme/not:this
# loadline: image

docker run acme/a:1 acme/b:1 # loadline: image
";

#[test]
fn any_file_by_its_marked_lines() {
    let lines = said(&[
        (3, "redis:7", "image"),
        (4, "ghcr.io/acme/tool:${TAG:-latest}", "unresolved"),
        (6, "nginx", "image"),
        (10, "", "invalid"),
        (11, "docker run acme/a:1 acme/b:1 # loadline: image", "invalid"),
    ]);
    let mut seen = found("run.sh", SHELL);
    seen[4].1 = lines[4].1.clone();
    assert_eq!(seen, lines);
    assert_eq!(find("run.sh", SHELL).unwrap().kinds, [Kind::Marked]);
    let template = SHELL.replace("redis:7", "<redis:7>").replace("'nginx'", "'<nginx>'");
    assert_eq!(pin_all("run.sh", SHELL).unwrap(), expected(&template, &["redis:7", "nginx"]));

    for (name, text) in [
        ("main.tf", "image = \"acme/a:1\" // loadline: image\r\n"),
        ("a.sql", "SELECT 'acme/a:1'; -- loadline: image"),
        ("a.html", "<!-- loadline: image -->\n<b>acme/a:1</b>\n"),
        ("a.js", "/* loadline: image */\nconst image = `acme/a:1`;\n"),
        ("a.json5", "{\"image\":\"acme/a:1\"} // loadline: image\n"),
        ("a.ini", "image = acme/a:1 ; loadline: image\n"),
        ("Makefile", "IMAGE := acme/a:1 ## loadline: image\n"),
        ("crd.yaml", "apiVersion: acme.io/v1\nkind: Thing\nspec:\n  runs: acme/a:1 # loadline: image\n"),
        ("unknown.yaml", "runs: {with: acme/a:1}   # loadline: image\n"),
        // Found by what it is too, and once.
        ("compose.yaml", "services:\n  a:\n    image: acme/a:1 # loadline: image\n"),
    ] {
        let all = found(name, text);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        assert_eq!((all[0].1.as_str(), all[0].2), ("acme/a:1", "image"), "{name}");
        let wanted = expected(&text.replace("acme/a:1", "<acme/a:1>"), &["acme/a:1"]);
        assert_eq!(pin_all(name, text).unwrap(), wanted, "{name}");
    }
    assert!(is_marked(SHELL) && !is_marked("x # loadline: imageless\n") && !is_marked("loadline: image"));
}

#[test]
fn every_way_of_writing_yaml_is_kept() {
    let text = "\
%YAML 1.2
---
services: # all of them
  a: {  image : \"acme/a:1\" , ports: [ '80:80' ] }
  b:
    \"image\":   &b acme/b:1   # anchored
  c:
    image: *b
  d: { image: !!str acme/d:1 }
  ? e
  : image: 'acme/e:1'
  f:
    image:
      acme/f:1
  g: {\"image\":\"acme/g:1\"}
...
";
    let all = ["acme/a:1", "acme/b:1", "acme/d:1", "acme/e:1", "acme/f:1", "acme/g:1"];
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let mut template = text.clone();
        for image in all {
            template = template.replace(image, &format!("<{image}>"));
        }
        assert_eq!(pin_all("compose.yaml", &text).unwrap(), expected(&template, &all));
    }
}

#[test]
fn what_is_not_known_or_not_yaml_is_said() {
    assert_eq!(find("settings.yaml", "image: a/b:c\n").unwrap().kinds, []);
    assert_eq!(find("empty.yaml", "").unwrap().kinds, []);
    let template = "apiVersion: v1\nkind: Pod\nspec:\n  {{- include \"x\" . }}\n";
    assert!(matches!(find("t.yaml", template), Err(ManifestError::Yaml { .. })));
    assert!(matches!(find("Dockerfile", "RUN true\n"), Err(ManifestError::Dockerfile(_))));
    let large = " ".repeat(loadline_manifests::MANIFEST_FILE_LIMIT + 1);
    assert!(matches!(find("a.yaml", &large), Err(ManifestError::TooLarge { .. })));
}

#[test]
fn marks_letters_and_brackets_of_all_sorts_do_not_shift_the_places() {
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: ünïcödé}\nspec: {containers: [{image: acme/a:1}]}\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"spec\": {\"containers\": [{\"image\": \"acme/a:1\"}]}}\n";
    for text in [
        format!("\u{feff}{pod}"),
        pod.replace('\n', "\r\n"),
        json.to_owned(),
        format!("--- # 🦀\n{pod}...\n"),
    ] {
        let wanted = expected(&text.replace("acme/a:1", "<acme/a:1>"), &["acme/a:1"]);
        assert_eq!(pin_all("a.json", &text).unwrap(), wanted, "{text:?}");
    }
}

#[test]
fn a_key_that_stands_twice_hides_nothing() {
    let text = "services:\n  a:\n    image: acme/one:1\n    image: acme/two:1\n";
    assert_eq!(found("compose.yml", text), said(&[(3, "acme/one:1", "image"), (4, "acme/two:1", "image")]));
}

#[test]
fn a_billion_laughs_are_gone_through_once() {
    let mut text = "apiVersion: v1\nkind: List\na0: &a0 {containers: [{image: acme/a:1}]}\n".to_owned();
    for level in 1..40 {
        let before = level - 1;
        let all = format!("*a{before}, ").repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{all}]\n"));
    }
    assert_eq!(found("a.yaml", &text).len(), 1);
    let mut text = "x0: &x0 {image: acme/a:1}\n".to_owned();
    for level in 1..40 {
        let before = level - 1;
        let all = format!("*x{before}, ").repeat(10);
        text.push_str(&format!("x{level}: &x{level} {{<<: [{all}]}}\n"));
    }
    text.push_str("services: {a: *x39}\n");
    assert!(found("a.yaml", &text).len() <= 1);
}

#[test]
fn what_cannot_be_changed_in_place_is_refused_and_nothing_is_changed() {
    for image in ["\"acme\\x2fa:1\"", ">-\n      acme/a:1"] {
        let text = format!("services:\n  a:\n    image: {image}\n");
        let found = find("compose.yaml", &text).unwrap();
        assert_eq!(found.mentions[0].text, "acme/a:1");
        assert!(matches!(pin_all("compose.yaml", &text), Err(PinError::Impossible { line: 3.., .. })));
    }
    let found = find("compose.yaml", COMPOSE).unwrap();
    let digest = Digest::of("x");
    assert!(matches!(
        pin("compose.yaml", KUBERNETES, &[(&found.mentions[0], &digest)]),
        Err(PinError::OtherText { .. })
    ));
    let built = found.mentions.iter().find(|mention| mention.named == Named::Built).unwrap();
    assert!(matches!(pin("compose.yaml", COMPOSE, &[(built, &digest)]), Err(PinError::Impossible { .. })));
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "(?s).{0,300}") {
        for path in ["a.yaml", "Dockerfile", "kustomization.yaml", ".github/workflows/a.yml", "values.yaml"] {
            let text = text.replace('~', "# loadline: image\n");
            if let Ok(found) = find(path, &text) {
                for mention in found.mentions {
                    prop_assert!(text.get(mention.span).is_some());
                }
            }
            let _ = find(path, &text);
        }
    }

    /// Comments, blanks, quotes and endings of all sorts stay as they are: what the digests are taken out of
    /// again is the text that was given.
    #[test]
    fn pinning_changes_nothing_else(
        images in proptest::collection::vec(("[a-z]{1,8}(/[a-z0-9]{1,8})?(:[a-z0-9.]{1,6})?", 0..3_u8, "( *#[ -~ü]{0,12})?"), 1..8),
        windows in any::<bool>(),
    ) {
        let mut text = "# top\nservices:\n".to_owned();
        for (number, (image, quotes, comment)) in images.iter().enumerate() {
            let quote = ["", "'", "\""][usize::from(*quotes)];
            let comment = if comment.is_empty() { String::new() } else { format!(" {}", comment.trim_start()) };
            text.push_str(&format!("  s{number}:\n    image: {quote}i{image}{quote}{comment}\n"));
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let found = find("compose.yaml", &text).unwrap();
        prop_assert_eq!(found.mentions.len(), images.len());
        let mut back = pin_all("compose.yaml", &text).unwrap();
        for mention in &found.mentions {
            back = back.replace(&format!("@{}", Digest::of(&mention.text)), "");
        }
        prop_assert_eq!(back, text);
    }
}
