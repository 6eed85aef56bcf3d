//! The gate's rules, each with the input that passes and the one that does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use camino::Utf8Path;
use jiff::Timestamp;
use loadline_core::{Digest, Platform, Verdict};
use loadline_gate::{
    BoundBy, GateOutcome, GatePolicy, GateSubject, Ignores, Mode, Previous, Request, Severity,
    UnknownSeverity, evaluate, evaluate_set,
};

fn subject(architecture: &str) -> GateSubject {
    GateSubject {
        image: "daemon".to_owned(),
        platform: Platform::new("linux", architecture, None),
        manifest_digest: Digest::of(format!("manifest {architecture}")),
        config_digest: Digest::of(format!("config {architecture}")),
        diff_ids: vec![Digest::of("base"), Digest::of(format!("app {architecture}"))],
    }
}

fn vulnerability(id: &str, package: &str, severity: &str, fixed: &str) -> String {
    format!(
        r#"{{"VulnerabilityID":"{id}","PkgName":"{package}","PkgPath":"app/node_modules/{package}/package.json",
            "PkgIdentifier":{{"PURL":"pkg:npm/{package}@1.0.0"}},"InstalledVersion":"1.0.0","FixedVersion":"{fixed}","Severity":"{severity}"}}"#
    )
}

fn report_with(metadata: &str, vulnerabilities: &[String], more: &str) -> Vec<u8> {
    format!(
        r#"{{"SchemaVersion":2,"ArtifactName":"daemon:dev","ArtifactType":"container_image","Metadata":{{{metadata}}},
            "Results":[{{"Target":"Node.js","Class":"lang-pkgs","Type":"node-pkg","Vulnerabilities":[{}]{more}}}]}}"#,
        vulnerabilities.join(",")
    )
    .into_bytes()
}

fn report(subject: &GateSubject, vulnerabilities: &[String]) -> Vec<u8> {
    report_with(&format!(r#""ImageID":"{}""#, subject.config_digest), vulnerabilities, "")
}

struct Case {
    subject: GateSubject,
    policy: GatePolicy,
    ignores: Ignores,
    now: Timestamp,
}

impl Case {
    fn new() -> Self {
        Self {
            subject: subject("amd64"),
            policy: GatePolicy::default(),
            ignores: Ignores::default(),
            now: "2026-06-01T12:00:00Z".parse().unwrap(),
        }
    }

    fn ignoring(yaml: &str) -> Self {
        let ignores = Ignores::parse(Utf8Path::new(".trivyignore.yaml"), yaml.as_bytes()).unwrap();
        Self { ignores, ..Self::new() }
    }

    fn request<'a>(&'a self, report: Option<&'a [u8]>) -> Request<'a> {
        Request {
            subject: &self.subject,
            report,
            report_file: Some(Utf8Path::new("reports/daemon.json")),
            ignores: &self.ignores,
            policy: &self.policy,
            previous: None,
            now: self.now,
        }
    }

    fn judge(&self, report: &[u8]) -> GateOutcome {
        evaluate(&self.request(Some(report)))
    }
}

fn codes(outcome: &GateOutcome) -> Vec<&'static str> {
    outcome.outcome.findings.iter().map(|finding| finding.code.name).collect()
}

#[test]
fn no_report_is_unknown_never_pass() {
    let case = Case::new();
    let outcome = evaluate(&case.request(None));
    assert_eq!(outcome.outcome.verdict(), Verdict::Unknown);
    assert_eq!(outcome.outcome.failures[0].code.name, "report-missing");
}

#[test]
fn a_report_that_cannot_be_read_is_unknown() {
    let case = Case::new();
    let whole = report(&case.subject, &[]);
    for bytes in [b"".as_slice(), b"Total: 0", b"{}", br#"{"runs":[]}"#, &whole[..whole.len() - 2]] {
        let outcome = case.judge(bytes);
        assert_eq!(outcome.outcome.verdict(), Verdict::Unknown);
        assert_eq!(outcome.outcome.failures[0].code.name, "report-unreadable");
    }
}

#[test]
fn each_of_the_three_ties_binds() {
    let case = Case::new();
    let s = &case.subject;
    let ties = [
        (format!(r#""ImageID":"{}""#, s.config_digest), BoundBy::ImageId),
        (
            format!(r#""RepoDigests":["x/y@{}","x/daemon@{}"]"#, Digest::of("index"), s.manifest_digest),
            BoundBy::RepoDigest,
        ),
        (
            format!(
                r#""ImageID":"{}","DiffIDs":["{}","{}"]"#,
                Digest::of("other"),
                s.diff_ids[0],
                s.diff_ids[1]
            ),
            BoundBy::DiffIds,
        ),
    ];
    for (metadata, expected) in ties {
        let outcome = case.judge(&report_with(&metadata, &[], ""));
        assert_eq!(outcome.bound_by, Some(expected), "{metadata}");
        assert_eq!(outcome.outcome.verdict(), Verdict::Pass);
    }
}

#[test]
fn nothing_less_binds() {
    let case = Case::new();
    let s = &case.subject;
    let other = subject("arm64");
    let untied = [
        String::new(),
        format!(r#""ImageID":"{}""#, other.config_digest),
        // The manifest's digest where the config's belongs, and the other way round.
        format!(r#""ImageID":"{}""#, s.manifest_digest),
        format!(r#""RepoDigests":["x/daemon@{}"]"#, s.config_digest),
        // An index alone.
        format!(r#""RepoDigests":["x/daemon@{}"]"#, Digest::of("index")),
        // A digest in a tag's place, and one that only begins alike.
        format!(r#""RepoTags":["x/daemon@{}"]"#, s.manifest_digest),
        format!(r#""RepoDigests":["x/daemon@{}0"]"#, s.manifest_digest),
        // Layers that are missing, swapped, or more.
        format!(r#""DiffIDs":["{}"]"#, s.diff_ids[0]),
        format!(r#""DiffIDs":["{}","{}"]"#, s.diff_ids[1], s.diff_ids[0]),
        format!(r#""DiffIDs":["{0}","{1}","{1}"]"#, s.diff_ids[0], s.diff_ids[1]),
        r#""DiffIDs":[]"#.to_owned(),
    ];
    for metadata in untied {
        let outcome = case.judge(&report_with(&metadata, &[], ""));
        assert_eq!(outcome.outcome.verdict(), Verdict::Fail, "{metadata}");
        assert_eq!(codes(&outcome), ["report-mismatch"], "{metadata}");
        assert_eq!((outcome.bound_by, outcome.considered), (None, 0));
    }
    let mut bare = Case::new();
    bare.subject.diff_ids.clear();
    assert_eq!(codes(&bare.judge(&report_with(r#""DiffIDs":[]"#, &[], ""))), ["report-mismatch"]);
    for shapeless in [b"[]".as_slice(), b"null", br#"{"ClusterName":"c","Resources":[]}"#] {
        assert_eq!(codes(&case.judge(shapeless)), ["report-mismatch"]);
    }
}

#[test]
fn a_mismatch_names_the_platform_that_was_scanned() {
    let case = Case::new();
    let metadata = r#""ImageID":"sha256:x","ImageConfig":{"os":"linux","architecture":"arm64"}"#;
    let outcome = case.judge(&report_with(metadata, &[], ""));
    let message = &outcome.outcome.findings[0].message;
    assert!(message.contains("for linux/arm64") && message.contains("daemon for linux/amd64"), "{message}");
}

#[test]
fn the_line_is_drawn_at_the_severity() {
    let mut case = Case::new();
    let bytes = report(
        &case.subject,
        &[
            vulnerability("CVE-2026-0001", "a", "CRITICAL", "2"),
            vulnerability("CVE-2026-0002", "b", "HIGH", ""),
            vulnerability("CVE-2026-0003", "c", "MEDIUM", "2"),
        ],
    );
    let blocked = |case: &Case| case.judge(&bytes).blocking.iter().map(|w| w.id.clone()).collect::<Vec<_>>();
    assert_eq!(blocked(&case), ["CVE-2026-0001", "CVE-2026-0002"]);
    case.policy.fail_on = Severity::Medium;
    assert_eq!(blocked(&case).len(), 3);
    case.policy.only_fixed = true;
    assert_eq!(blocked(&case), ["CVE-2026-0001", "CVE-2026-0003"]);
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.unfixed, outcome.considered, outcome.counts.total()), (1, 3, 3));
    let finding = &outcome.outcome.findings[0];
    assert_eq!(finding.code.name, "vulnerability");
    assert_eq!(finding.digest.as_ref(), Some(&case.subject.manifest_digest));
    for part in ["CVE-2026-0001", "critical", "a 1.0.0", "app/node_modules/a/package.json", "fixed in 2"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    case.policy.fail_on = Severity::Critical;
    assert_eq!(blocked(&case), ["CVE-2026-0001"]);
}

#[test]
fn an_unknown_severity_never_passes_without_a_word() {
    let mut case = Case::new();
    let bytes = report(&case.subject, &[vulnerability("GHSA-a", "a", "UNKNOWN", "2")]);
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Pass, vec!["severity-unknown"]));
    case.policy.unknown = UnknownSeverity::Block;
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Fail, vec!["vulnerability"]));
}

#[test]
fn an_ignore_covers_until_its_day_comes() {
    let yaml =
        "vulnerabilities:\n  - id: CVE-2026-0001\n    expired_at: 2026-06-02\n    statement: not reachable\n";
    let mut case = Case::ignoring(yaml);
    let bytes = report(&case.subject, &[vulnerability("CVE-2026-0001", "a", "HIGH", "2")]);
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Pass, vec![]));
    assert_eq!(outcome.ignored[0].statement.as_deref(), Some("not reachable"));
    case.now = "2026-06-01T23:59:59Z".parse().unwrap();
    assert_eq!(case.judge(&bytes).outcome.verdict(), Verdict::Pass);
    case.now = "2026-06-02T00:00:00Z".parse().unwrap();
    let outcome = case.judge(&bytes);
    assert_eq!(
        (outcome.outcome.verdict(), codes(&outcome)),
        (Verdict::Fail, vec!["vulnerability", "ignore-expired"])
    );
}

#[test]
fn an_ignore_covers_its_paths_and_packages_only() {
    let bytes = report(&subject("amd64"), &[vulnerability("CVE-2026-0001", "a", "HIGH", "2")]);
    let verdict = |scope: &str| {
        let yaml = format!(
            "vulnerabilities:\n  - id: CVE-2026-0001\n    expired_at: 2030-01-01\n    statement: x\n    {scope}\n"
        );
        Case::ignoring(&yaml).judge(&bytes).outcome.verdict()
    };
    for covers in [
        "paths: ['**/a/package.json']",
        "paths: ['Node.js']",
        "purls: ['pkg:npm/a']",
        "purls: ['pkg:npm/a@1.0.0']",
    ] {
        assert_eq!(verdict(covers), Verdict::Pass, "{covers}");
    }
    for does_not in [
        "paths: ['*/package.json']",
        "paths: ['usr/**']",
        "purls: ['pkg:npm/a@2.0.0']",
        "purls: ['pkg:npm/b']",
    ] {
        assert_eq!(verdict(does_not), Verdict::Fail, "{does_not}");
    }
}

#[test]
fn ignores_are_looked_at_themselves() {
    let case = Case::ignoring(
        "vulnerabilities:\n  - id: CVE-2026-0009\n    statement: x\n    expires_at: 2026-01-01\nmisconfigurations:\n  - id: DS-0002\n",
    );
    let outcome = case.judge(&report(&case.subject, &[]));
    assert_eq!(codes(&outcome), ["ignore-unknown-key", "ignore-unexplained", "ignore-unused"]);
    assert_eq!(outcome.outcome.verdict(), Verdict::Pass);
    assert_eq!(outcome.outcome.findings[2].location.as_ref().unwrap().line, Some(2));
}

#[test]
fn a_demanded_reason_makes_the_ignore_worthless() {
    let mut case = Case::ignoring("vulnerabilities:\n  - id: CVE-2026-0001\n");
    let bytes = report(&case.subject, &[vulnerability("CVE-2026-0001", "a", "HIGH", "2")]);
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Pass, vec!["ignore-unexplained"]));
    case.policy.require_statement = true;
    let outcome = case.judge(&bytes);
    assert_eq!(codes(&outcome), ["vulnerability", "ignore-unexplained"]);
    assert_eq!(outcome.outcome.verdict(), Verdict::Fail);
}

#[test]
fn a_regression_is_what_the_previous_release_did_not_have() {
    let mut case = Case::new();
    case.policy.mode = Mode::Regression;
    let old = vulnerability("CVE-2026-0001", "a", "HIGH", "2");
    let now = report(&case.subject, &[old.clone(), vulnerability("CVE-2026-0002", "a", "HIGH", "2")]);
    let earlier = subject("arm64");
    let before = report(&earlier, &[old]);
    let with = |previous| {
        let outcome = evaluate(&Request { previous, ..case.request(Some(&now)) });
        let ids: Vec<String> = outcome.blocking.iter().map(|w| w.id.clone()).collect();
        (ids, codes(&outcome).contains(&"regression-without-baseline"), outcome.known)
    };
    let new = vec!["CVE-2026-0002".to_owned()];
    let both = vec!["CVE-2026-0001".to_owned(), "CVE-2026-0002".to_owned()];
    assert_eq!(with(Some(Previous { report: &before, subject: None })), (new.clone(), false, 1));
    assert_eq!(with(Some(Previous { report: &before, subject: Some(&earlier) })), (new, false, 1));
    assert_eq!(with(None), (both.clone(), true, 0));
    assert_eq!(with(Some(Previous { report: b"{", subject: None })), (both.clone(), true, 0));
    // The new report handed in as the old one would let everything through.
    assert_eq!(with(Some(Previous { report: &now, subject: Some(&earlier) })), (both, true, 0));
}

#[test]
fn what_the_scanner_left_out_is_told() {
    let left_out = |status: &str| {
        format!(
            r#","ExperimentalModifiedFindings":[{{"Type":"vulnerability","Status":"{status}","Source":".trivyignore","Statement":"",
                "Finding":{}}}]"#,
            vulnerability("CVE-2026-0001", "a", "HIGH", "2")
        )
    };
    let case = Case::new();
    let metadata = format!(r#""ImageID":"{}""#, case.subject.config_digest);
    let bytes = report_with(&metadata, &[], &left_out("ignored"));
    let outcome = case.judge(&bytes);
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Pass, vec!["report-suppressed"]));
    // With the ignore at hand the gate judges by itself, and one that has lapsed no longer covers.
    let mut case = Case::ignoring(
        "vulnerabilities:\n  - id: CVE-2026-0001\n    expired_at: 2026-06-02\n    statement: x\n",
    );
    let outcome = case.judge(&bytes);
    assert_eq!(
        (outcome.outcome.verdict(), codes(&outcome), outcome.ignored.len()),
        (Verdict::Pass, vec![], 1)
    );
    case.now = "2027-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(codes(&case.judge(&bytes)), ["vulnerability", "ignore-expired"]);
}

#[test]
fn secrets_end_of_life_and_empty_reports_are_told() {
    let case = Case::new();
    let id = format!(r#""ImageID":"{}""#, case.subject.config_digest);
    let metadata = format!(r#"{id},"OS":{{"Family":"debian","Name":"10","EOSL":true}}"#);
    let outcome = case.judge(&report_with(&metadata, &[], r#","Secrets":[{"Severity":"HIGH"}]"#));
    assert_eq!(codes(&outcome), ["os-end-of-life", "report-secrets"]);
    let empty = format!(r#"{{"SchemaVersion":2,"Metadata":{{{id}}}}}"#);
    let outcome = case.judge(empty.as_bytes());
    assert_eq!((outcome.outcome.verdict(), codes(&outcome)), (Verdict::Pass, vec!["report-empty"]));
}

#[test]
fn over_a_set_an_ignore_is_unused_only_when_no_platform_needs_it() {
    let case = Case::ignoring(
        "vulnerabilities:\n  - id: CVE-2026-0001\n    expired_at: 2030-01-01\n    statement: x\n  - id: CVE-2026-0002\n    expired_at: 2030-01-01\n    statement: x\n",
    );
    let arm = subject("arm64");
    let first = report(&case.subject, &[vulnerability("CVE-2026-0001", "a", "HIGH", "2")]);
    let second = report(&arm, &[]);
    let requests = [case.request(Some(&first)), Request { subject: &arm, ..case.request(Some(&second)) }];
    let set = evaluate_set(&requests);
    let codes: Vec<_> =
        set.outcome.findings.iter().map(|f| (f.code.name, f.message.contains("CVE-2026-0002"))).collect();
    assert_eq!(codes, [("ignore-unused", true)]);
    assert_eq!(set.outcome.verdict(), Verdict::Pass);
    // Without the second report nobody can tell.
    let requests = [case.request(Some(&first)), Request { subject: &arm, ..case.request(None) }];
    let set = evaluate_set(&requests);
    assert!(set.outcome.findings.is_empty());
    assert_eq!(set.outcome.verdict(), Verdict::Unknown);
    assert_eq!(set.members.len(), 2);
}
