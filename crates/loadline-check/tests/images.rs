//! What is found wrong with the Dockerfiles of a set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use camino::Utf8Path;
use loadline_check::rules::base_unpinned::Pin;
use loadline_check::rules::image_contract::Contract;
use loadline_check::{ImageSpec, ImagesRequest, Snapshot, check_images};
use loadline_core::{Outcome, Severity, Verdict};

fn image<'a>(name: &'a str, dockerfile: &'a str) -> ImageSpec<'a> {
    ImageSpec {
        name,
        dockerfile: Utf8Path::new(dockerfile),
        target: None,
        build_args: Vec::new(),
        labels: Vec::new(),
        context: Utf8Path::new("."),
        contract: Contract::default(),
    }
}

fn run(files: &[(&str, &str)], images: &[ImageSpec<'_>], pin: Pin) -> Outcome {
    let tree = Snapshot { files: files.iter().map(|(p, t)| ((*p).into(), t.as_bytes().to_vec())).collect() };
    check_images(&ImagesRequest { tree: &tree, images, pin })
}

fn one(text: &str) -> Outcome {
    run(&[("Dockerfile", text)], &[image("a", "./Dockerfile")], Pin::Tag)
}

fn said(outcome: &Outcome) -> Vec<(&str, Option<u32>)> {
    let findings = outcome.findings.iter();
    findings.map(|f| (f.code.name, f.location.as_ref().unwrap().line)).collect()
}

fn message(outcome: &Outcome) -> &str {
    assert_eq!(outcome.findings.len(), 1, "{outcome:#?}");
    &outcome.findings[0].message
}

#[test]
fn what_buildkit_refuses_is_said_line_by_line() {
    let outcome = one("FROM debian:12\nRUNN x\nUSER\nCOPY --form=a b c\n");
    assert_eq!(
        said(&outcome),
        [("dockerfile-invalid", Some(2)), ("dockerfile-invalid", Some(3)), ("dockerfile-invalid", Some(4))]
    );
    assert!(outcome.findings[0].message.contains("did you mean RUN?"));
    assert_eq!(said(&one("RUN x\nFROM a:1")), [("dockerfile-invalid", Some(1))]);
    let mut spec = image("a", "Dockerfile");
    spec.target = Some("PROD");
    let run = |text| run(&[("Dockerfile", text)], &[spec.clone()], Pin::Tag);
    assert_eq!(run("FROM a:1 AS prod"), Outcome::new());
    assert!(message(&run("FROM a:1 AS dev")).contains("has no stage `PROD`"));
    assert_eq!(one("").verdict(), Verdict::Fail);
    let absent = self::run(&[], &[image("a", "Dockerfile")], Pin::Tag);
    assert_eq!((absent.verdict(), absent.failures[0].code.name), (Verdict::Unknown, "dockerfile-unreadable"));
}

#[test]
fn bases_are_pinned() {
    let text = "ARG V=12\nARG G\nFROM debian AS a\nFROM debian:latest AS b\nFROM debian:$V AS c\nFROM debian:$G AS d\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=2 / /\nCOPY --from=d / /\nCOPY --from=busybox /x /\nRUN --mount=type=bind,from=alpine,target=/a x\n";
    let with = |pin, text: &str| {
        let mut spec = image("a", "Dockerfile");
        spec.build_args = vec!["G"];
        run(&[("Dockerfile", text)], &[spec], pin)
    };
    let lines = |pin| {
        said(&with(pin, text))
            .into_iter()
            .map(|(code, line)| {
                assert_eq!(code, "base-unpinned");
                line.unwrap()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(Pin::Tag), [3, 4, 12, 13]);
    assert_eq!(lines(Pin::Digest), [3, 4, 5, 12, 13]);
    assert!(lines(Pin::Nothing).is_empty());
    let digest = format!("FROM debian:12@sha256:{}\n", "a".repeat(64));
    assert_eq!(with(Pin::Digest, &format!("ARG G=1\n{digest}")), Outcome::new());
    let unbuilt = with(Pin::Tag, &format!("ARG G=1\nFROM debian AS unused\n{digest}"));
    assert_eq!(unbuilt, Outcome::new(), "what is not built pulls nothing");
    let bad = with(Pin::Tag, "ARG G=1\nFROM Debian:12\n");
    assert!(message(&bad).contains("is no image reference"));
}

#[test]
fn build_arguments_given_and_declared() {
    let text = "ARG GLOBAL\nFROM debian:12 AS unused\nARG ONLY_HERE=1\nFROM debian:12\nARG GIT_HASH\nARG WITH=1\nARG TARGETARCH\nARG GLOBAL\n";
    let with = |args: &[&'static str]| {
        let mut spec = image("a", "Dockerfile");
        spec.build_args = args.to_vec();
        run(&[("Dockerfile", text)], &[spec], Pin::Tag)
    };
    assert_eq!(with(&["GIT_HASH", "GLOBAL", "HTTP_PROXY"]), Outcome::new());
    let missing = with(&[]);
    assert_eq!(said(&missing), [("build-arg-not-given", Some(5)), ("build-arg-not-given", Some(8))]);
    assert!(missing.findings.iter().all(|f| f.severity == Severity::Warning));
    let misspelt = with(&["GIT_HASH", "GLOBAL", "WITHH", "ONLY_HERE"]);
    assert_eq!(said(&misspelt), [("build-arg-undeclared", None), ("build-arg-undeclared", None)]);
    assert_eq!(misspelt.findings[0].help.as_deref(), Some("is `WITH` meant?"));
}

#[test]
fn secrets_are_found_and_not_repeated() {
    let token = format!("ghp_{}", "x1".repeat(18));
    let text = format!(
        "FROM debian:12\nENV A={token} DB_PASSWORD=hunter2\nARG NPM_TOKEN=\nONBUILD ENV SECRET=x\nENV KEY_FILE=/run/key\n"
    );
    let outcome = one(&text);
    let severities: Vec<_> =
        outcome.findings.iter().map(|f| (f.severity, f.location.as_ref().unwrap().line)).collect();
    assert_eq!(
        severities,
        [
            (Severity::Error, Some(2)),
            (Severity::Warning, Some(2)),
            (Severity::Warning, Some(3)),
            (Severity::Warning, Some(4)),
        ]
    );
    let shown = format!("{outcome:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("ghp_"));
}

#[test]
fn one_tool_has_one_version_and_every_dockerfile_an_image() {
    let a = "FROM debian:12\nARG HELM_VERSION=v4.1.4\nARG PACKAGE_VERSION=1\nARG X_VERSION=$Y\n";
    let b = "FROM debian:12\nARG HELM_VERSION=\"v4.1.3\"\nARG PACKAGE_VERSION=2\nARG X_VERSION=1\n";
    let files = [("a.Dockerfile", a), ("b/Dockerfile", b), ("c/Dockerfile.old", a)];
    let outcome = run(&files, &[image("a", "a.Dockerfile"), image("b", "./b/Dockerfile")], Pin::Tag);
    assert_eq!(said(&outcome), [("tool-version-drift", Some(2)), ("dockerfile-unlisted", None)]);
    assert_eq!(
        outcome.findings[0].message,
        "`HELM_VERSION` is `v4.1.4` in `a.Dockerfile` (line 2) and `v4.1.3` in `b/Dockerfile`"
    );
    assert_eq!(outcome.findings[1].location.as_ref().unwrap().file, "c/Dockerfile.old");
    assert_eq!(outcome.verdict(), Verdict::Pass);
    let twice = run(&files[..1], &[image("a", "a.Dockerfile"), image("b", "a.Dockerfile")], Pin::Tag);
    assert_eq!(twice, Outcome::new());
}

#[test]
fn an_image_keeps_its_contract() {
    let text = "FROM debian:12 AS base\nEXPOSE 3000/tcp\nSTOPSIGNAL SIGTERM\nFROM base AS other\nEXPOSE 9\nFROM base AS prod\nEXPOSE 3002\nUSER 1000\nHEALTHCHECK CMD x\nLABEL a=b \"c\"=d\n";
    let with = |contract: Contract| {
        let mut spec = image("a", "Dockerfile");
        spec.contract = contract;
        run(&[("Dockerfile", text)], &[spec], Pin::Tag)
    };
    let good = Contract {
        expose: Some(vec!["3002".into(), "3000".into()]),
        user: Some("1000".into()),
        healthcheck: Some(true),
        stop_signal: Some("TERM".into()),
        labels: vec!["a".into(), "c".into()],
    };
    assert_eq!(with(good.clone()), Outcome::new());
    let ports = with(Contract { expose: Some(vec!["3000".into(), "53/udp".into()]), ..good.clone() });
    assert_eq!(said(&ports), [("image-contract", Some(7)), ("image-contract", Some(6))]);
    let none = with(Contract { expose: Some(vec![]), ..good.clone() });
    assert_eq!(none.findings.len(), 2);
    for (contract, words) in [
        (Contract { user: Some("0".into()), ..good.clone() }, "runs as `1000`, not as `0`"),
        (Contract { healthcheck: Some(false), ..good.clone() }, "has a health check"),
        (
            Contract { stop_signal: Some("SIGQUIT".into()), ..good.clone() },
            "stops by SIGTERM, not by SIGQUIT",
        ),
        (Contract { labels: vec!["z".into()], ..good }, "has no label `z`"),
    ] {
        let outcome = with(contract);
        assert!(message(&outcome).contains(words), "{}", message(&outcome));
    }
}
