//! Every Trivy report and ignore file of the collection of real data comes out as its index says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use std::path::{Path, PathBuf};

use camino::Utf8Path;
use loadline_gate::ignores::Kind;
use loadline_gate::trivy::Report;
use loadline_gate::{Counts, Ignores, Severity};

fn data() -> PathBuf {
    let folder = std::env::var_os("LOADLINE_DATA");
    PathBuf::from(folder.expect("set LOADLINE_DATA to the folder of real data (cargo xtask data)"))
}

/// Path and truth of each file of one area.
fn truths(area: &str) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(data().join("INDEX.md")).unwrap();
    let rows = index.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect();
        let path = *cells.first()?;
        (cells.len() == 5 && path.starts_with(area)).then(|| (path.to_owned(), cells[4].to_owned()))
    });
    rows.collect()
}

/// The text after `word` up to its closing parenthesis, as a number and counts: `vulns 3 (MEDIUM=2 LOW=1)`.
fn counted(truth: &str, word: &str) -> Option<(u64, Counts)> {
    let rest = &truth[truth.find(&format!("{word} "))? + word.len() + 1..];
    let (number, rest) = rest.split_once(" (")?;
    let (inner, _) = rest.split_once(')')?;
    let mut counts = Counts::default();
    for pair in inner.split_whitespace() {
        let (name, n) = pair.split_once('=')?;
        for _ in 0..n.parse::<u64>().ok()? {
            counts.add(Severity::from_report(name));
        }
    }
    Some((number.parse().ok()?, counts))
}

fn number_before(truth: &str, word: &str) -> Option<usize> {
    truth[..truth.find(&format!(" {word}"))?].rsplit([' ', ';']).next()?.parse().ok()
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_report_comes_out_as_the_index_says() {
    let truths = truths("trivy/");
    assert!(truths.len() > 80, "only {} rows", truths.len());
    let mut wrong = Vec::new();
    let (mut read, mut refused) = (0, 0);
    for (path, truth) in &truths {
        let bytes = std::fs::read(data().join(path)).unwrap();
        let report = Report::parse(&bytes);
        if truth.contains("must be refused") {
            refused += 1;
            if report.is_ok() {
                wrong.push(format!("{path}: read, but {truth}"));
            }
            continue;
        }
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                wrong.push(format!("{path}: {error}, but {truth}"));
                continue;
            }
        };
        read += 1;
        let Some(vulnerabilities) = counted(truth, "vulns") else {
            // `null`: nothing was found.
            assert!(truth.starts_with("JSON after BOM"), "{path}: {truth}");
            continue;
        };
        let mut sums = [Counts::default(); 3];
        let mut left_out = 0;
        for result in &report.results {
            for (sum, counts) in
                sums.iter_mut().zip([&result.misconfigurations, &result.secrets, &result.licenses])
            {
                sum.merge(counts);
            }
            left_out += result.modified.len();
        }
        let expected = [
            ("vulns", vulnerabilities, report.counts()),
            ("fixed", counted(truth, "fixed").unwrap(), report.fixable()),
            ("misconfig FAIL", counted(truth, "misconfig FAIL").unwrap_or_default(), sums[0]),
            ("secrets", counted(truth, "secrets").unwrap_or_default(), sums[1]),
            ("licences", counted(truth, "licences").unwrap_or_default(), sums[2]),
        ];
        for (what, (total, counts), found) in expected {
            if found.total() != total || found != counts {
                wrong.push(format!("{path}: {what} {found}, but {truth}"));
            }
        }
        if number_before(truth, "results") != Some(report.results.len()) {
            wrong.push(format!("{path}: {} results, but {truth}", report.results.len()));
        }
        let suppressed =
            truth.split("modified/suppressed findings ").nth(1).map_or(0, |n| n.trim().parse().unwrap());
        if left_out != suppressed {
            wrong.push(format!("{path}: {left_out} left out, but {truth}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), truths.len(), wrong.join("\n"));
    println!("{read} read, {refused} refused, as the index says");
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_ignore_file_comes_out_as_the_index_says() {
    let truths = truths("trivyignore/");
    assert!(truths.len() > 15, "only {} rows", truths.len());
    for (path, truth) in &truths {
        let bytes = std::fs::read(data().join(path)).unwrap();
        let ignores = Ignores::parse(Utf8Path::new(path), &bytes);
        if truth.starts_with("Rego") {
            assert!(ignores.is_err(), "{path}");
            continue;
        }
        let ignores = ignores.unwrap_or_else(|error| panic!("{path}: {error}"));
        let entries = ignores.entries();
        if Path::new(path).extension().is_none_or(|e| e != "yaml") {
            assert_eq!(Some(entries.len()), number_before(truth, "entries"), "{path}: {truth}");
            let dated = number_before(truth, "with exp:").unwrap_or(0);
            assert_eq!(entries.iter().filter(|e| e.expiry.is_some()).count(), dated, "{path}");
            continue;
        }
        for part in truth.split("; ") {
            let (kind, rest) = part.split_once(": ").unwrap();
            let kind = match kind {
                "vulnerabilities" => Kind::Vulnerability,
                "misconfigurations" => Kind::Misconfiguration,
                "secrets" => Kind::Secret,
                other => panic!("{other}"),
            };
            let of_kind: Vec<_> = entries.iter().filter(|e| e.kind == kind).collect();
            let expected = number_before(rest, "entries").unwrap_or(0);
            assert_eq!(of_kind.len(), expected, "{path}: {truth}");
            let after = |word: &str| {
                let text = rest.split(word).nth(1)?;
                text.split([' ', ',', '(']).find(|t| !t.is_empty())?.parse::<usize>().ok()
            };
            let with_paths = of_kind.iter().filter(|e| !e.paths.is_empty()).count();
            assert_eq!(with_paths, after("paths on ").unwrap_or(0), "{path}");
            let with_expiry = of_kind.iter().filter(|e| e.expiry.is_some()).count();
            assert_eq!(with_expiry, after("expired_at on ").unwrap_or(0), "{path}");
            if let Some(missing) = after("statement missing on ") {
                assert_eq!(of_kind.iter().filter(|e| e.statement.is_none()).count(), missing, "{path}");
            }
        }
    }
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn a_report_of_100_mib_is_read_within_seconds() {
    let path = "trivy/aquasecurity+trivy/history/2021-10-04-b37f682/centos-7.json.golden";
    let one = std::fs::read_to_string(data().join(path)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&one).unwrap();
    let result = serde_json::to_string(&value["Results"][0]).unwrap();
    let copies = (100 << 20) / result.len();
    let mut text = String::from(r#"{"SchemaVersion":2,"Results":["#);
    for n in 0..copies {
        text.push_str(if n == 0 { "" } else { "," });
        text.push_str(&result);
    }
    text.push_str("]}");
    let begin = std::time::Instant::now();
    let report = Report::parse(text.as_bytes()).unwrap();
    let took = begin.elapsed();
    println!("{} MiB, {} vulnerabilities: {took:?}", text.len() >> 20, report.counts().total());
    assert_eq!(report.results.len(), copies);
    assert!(took.as_secs() < 20, "{took:?}");
}
