//! One report: who was scanned, and what was found. Borrowed from the input; what the gate does not
//! weigh (descriptions, references, CVSS vectors) is skipped without being kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::fields::{list, nullable, text, texts};
use crate::counts::Counts;
use crate::severity::Severity;

/// The largest report that is read.
pub const MAX_REPORT_BYTES: usize = 512 << 20;
const MAX_RESULTS: usize = 200_000;
const MAX_VULNERABILITIES: usize = 1_000_000;

/// Why a report could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// More bytes than are read.
    #[error("the report is {size} bytes, more than the {limit} that are read: scan with fewer scanners")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Not JSON, cut off, or with members of a wrong type.
    #[error(
        "the report is no whole Trivy JSON report: {reason}: write it anew with `trivy image --format json`"
    )]
    Malformed {
        /// What is wrong and where.
        reason: String,
    },
    /// JSON, but not Trivy's.
    #[error("the report is not Trivy's JSON ({looks_like}): write it with `trivy image --format json`")]
    NotTrivy {
        /// What it seems to be.
        looks_like: &'static str,
    },
    /// A schema version that is not known.
    #[error("the report has SchemaVersion {found}; only 2 is known: use a Trivy that writes it")]
    SchemaVersion {
        /// The version found.
        found: u64,
    },
}

/// What kind of report it is. Only [`Shape::Artifact`] can be bound to an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// One artifact: an image, a file system, a repository, an SBOM (schema version 2).
    #[default]
    Artifact,
    /// A bare list of results, as Trivy wrote before 0.20. It does not say what was scanned.
    List,
    /// A Kubernetes cluster: the results of many resources.
    Cluster,
}

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report<'a> {
    /// What kind of report it is.
    pub shape: Shape,
    /// The scanner's version; empty where it does not say.
    pub scanner_version: Cow<'a, str>,
    /// When the scan was made, RFC 3339; empty where it does not say.
    pub created_at: Cow<'a, str>,
    /// What was scanned, as it was named.
    pub artifact_name: Cow<'a, str>,
    /// `container_image`, `filesystem`, …
    pub artifact_type: Cow<'a, str>,
    /// What was scanned, by digests.
    pub metadata: Metadata<'a>,
    /// What was found; of a cluster, of all its resources.
    pub results: Vec<ResultEntry<'a>>,
}

/// What was scanned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata<'a> {
    /// The digest of the image's config.
    #[serde(rename = "ImageID", borrow, deserialize_with = "text")]
    pub image_id: Cow<'a, str>,
    /// The digests of the uncompressed layers, base first.
    #[serde(rename = "DiffIDs", borrow, deserialize_with = "texts")]
    pub diff_ids: Vec<Cow<'a, str>>,
    /// `repository@digest`, each the digest of a manifest or of an index.
    #[serde(rename = "RepoDigests", borrow, deserialize_with = "texts")]
    pub repo_digests: Vec<Cow<'a, str>>,
    /// `repository:tag`.
    #[serde(rename = "RepoTags", borrow, deserialize_with = "texts")]
    pub repo_tags: Vec<Cow<'a, str>>,
    /// The distribution.
    #[serde(rename = "OS", borrow, deserialize_with = "nullable")]
    pub os: OperatingSystem<'a>,
    /// The image's own config, as far as the gate reads it.
    #[serde(rename = "ImageConfig", borrow, deserialize_with = "nullable")]
    pub config: ImageConfig<'a>,
}

/// The distribution that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OperatingSystem<'a> {
    /// `debian`, `alpine`, …
    #[serde(borrow, deserialize_with = "text")]
    pub family: Cow<'a, str>,
    /// Its version.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Whether its end of life has passed.
    #[serde(rename = "EOSL", deserialize_with = "nullable")]
    pub end_of_life: bool,
}

/// The platform in the scanned image's config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ImageConfig<'a> {
    /// The architecture, as Go's GOARCH.
    #[serde(borrow, deserialize_with = "text")]
    pub architecture: Cow<'a, str>,
    /// The operating system, as Go's GOOS.
    #[serde(borrow, deserialize_with = "text")]
    pub os: Cow<'a, str>,
}

/// What was found in one target: the distribution's packages, a lock file, a binary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ResultEntry<'a> {
    /// The target.
    #[serde(borrow, deserialize_with = "text")]
    pub target: Cow<'a, str>,
    /// `os-pkgs`, `lang-pkgs`, `config`, `secret`, `license`, …
    #[serde(borrow, deserialize_with = "text")]
    pub class: Cow<'a, str>,
    /// `debian`, `gobinary`, `node-pkg`, …
    #[serde(borrow, deserialize_with = "text")]
    pub r#type: Cow<'a, str>,
    /// The vulnerabilities.
    #[serde(borrow, deserialize_with = "list::<_, _, MAX_VULNERABILITIES>")]
    pub vulnerabilities: Vec<Vulnerability<'a>>,
    /// What the scanner left out, and why (`--show-suppressed`).
    #[serde(
        borrow,
        rename = "ExperimentalModifiedFindings",
        deserialize_with = "list::<_, _, MAX_VULNERABILITIES>"
    )]
    pub modified: Vec<ModifiedFinding<'a>>,
    /// Misconfigurations by severity; those with `Status` other than `FAIL` are not counted.
    #[serde(deserialize_with = "failed")]
    pub misconfigurations: Counts,
    /// Secrets by severity.
    #[serde(deserialize_with = "rated")]
    pub secrets: Counts,
    /// Licences by severity.
    #[serde(deserialize_with = "rated")]
    pub licenses: Counts,
}

/// One vulnerability of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Vulnerability<'a> {
    /// `CVE-…`, `GHSA-…`, …
    #[serde(borrow, rename = "VulnerabilityID", deserialize_with = "text")]
    pub id: Cow<'a, str>,
    /// The package's name.
    #[serde(borrow, rename = "PkgName", deserialize_with = "text")]
    pub package: Cow<'a, str>,
    /// The file that makes the package; empty for the distribution's packages.
    #[serde(borrow, rename = "PkgPath", deserialize_with = "text")]
    pub path: Cow<'a, str>,
    /// The package's other names.
    #[serde(borrow, rename = "PkgIdentifier", deserialize_with = "nullable")]
    pub identifier: PackageIdentifier<'a>,
    /// The version that is installed.
    #[serde(borrow, rename = "InstalledVersion", deserialize_with = "text")]
    pub installed: Cow<'a, str>,
    /// The versions that mend it; empty when there is none.
    #[serde(borrow, rename = "FixedVersion", deserialize_with = "text")]
    pub fixed: Cow<'a, str>,
    /// `affected`, `fixed`, `will_not_fix`, …
    #[serde(borrow, deserialize_with = "text")]
    pub status: Cow<'a, str>,
    /// Its severity.
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    /// One line about it.
    #[serde(borrow, deserialize_with = "text")]
    pub title: Cow<'a, str>,
    /// Where to read about it.
    #[serde(borrow, rename = "PrimaryURL", deserialize_with = "text")]
    pub url: Cow<'a, str>,
}

/// A package's other names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PackageIdentifier<'a> {
    /// Its package URL.
    #[serde(rename = "PURL", borrow, deserialize_with = "text")]
    pub purl: Cow<'a, str>,
}

/// A finding that the scanner left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ModifiedFinding<'a> {
    /// `vulnerability`, `misconfiguration`, …
    #[serde(borrow, deserialize_with = "text")]
    pub r#type: Cow<'a, str>,
    /// `ignored`, or a VEX status such as `not_affected`.
    #[serde(borrow, deserialize_with = "text")]
    pub status: Cow<'a, str>,
    /// Why.
    #[serde(borrow, deserialize_with = "text")]
    pub statement: Cow<'a, str>,
    /// The file that says so.
    #[serde(borrow, deserialize_with = "text")]
    pub source: Cow<'a, str>,
    /// What was left out.
    #[serde(borrow, deserialize_with = "nullable")]
    pub finding: Vulnerability<'a>,
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    text(deserializer).map(|text| Severity::from_report(&text))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Rated<'a> {
    #[serde(deserialize_with = "severity")]
    severity: Severity,
    #[serde(borrow, deserialize_with = "text")]
    status: Cow<'a, str>,
}

fn rated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
    let mut counts = Counts::default();
    for entry in list::<_, Rated<'de>, MAX_VULNERABILITIES>(deserializer)? {
        counts.add(entry.severity);
    }
    Ok(counts)
}

fn failed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
    let mut counts = Counts::default();
    for entry in list::<_, Rated<'de>, MAX_VULNERABILITIES>(deserializer)? {
        if entry.status.is_empty() || entry.status == "FAIL" {
            counts.add(entry.severity);
        }
    }
    Ok(counts)
}

impl<'a> Report<'a> {
    /// Reads a report. A byte order mark before it is skipped.
    ///
    /// # Errors
    /// When it is too large, is not JSON, or is not what Trivy writes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReportError> {
        if bytes.len() > MAX_REPORT_BYTES {
            return Err(ReportError::TooLarge { size: bytes.len(), limit: MAX_REPORT_BYTES });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let top: Top<'a> = serde_json::from_slice(bytes)
            .map_err(|error| ReportError::Malformed { reason: error.to_string() })?;
        match (top.report.shape, top.schema_version) {
            (Shape::List | Shape::Cluster, _) | (Shape::Artifact, Some(2)) => Ok(top.report),
            (Shape::Artifact, Some(found)) => Err(ReportError::SchemaVersion { found }),
            (Shape::Artifact, None) => Err(ReportError::NotTrivy { looks_like: top.looks_like }),
        }
    }

    /// Vulnerabilities by severity, over all results; a vulnerability that is listed twice counts twice.
    pub fn counts(&self) -> Counts {
        self.count(|_| true)
    }

    /// Vulnerabilities that have a fixed version, by severity.
    pub fn fixable(&self) -> Counts {
        self.count(|vulnerability| !vulnerability.fixed.is_empty())
    }

    fn count(&self, which: impl Fn(&Vulnerability<'_>) -> bool) -> Counts {
        let mut counts = Counts::default();
        for vulnerability in self.results.iter().flat_map(|result| &result.vulnerabilities) {
            if which(vulnerability) {
                counts.add(vulnerability.severity);
            }
        }
        counts
    }
}

struct Top<'a> {
    report: Report<'a>,
    schema_version: Option<u64>,
    looks_like: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Scanner<'a> {
    #[serde(borrow, deserialize_with = "text")]
    version: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Resource<'a> {
    #[serde(borrow, deserialize_with = "list::<_, _, MAX_RESULTS>")]
    results: Vec<ResultEntry<'a>>,
}

/// Wrappers that let a map's values be read with the functions of `fields`.
#[derive(Deserialize)]
#[serde(transparent)]
struct AsText<'a>(#[serde(borrow, deserialize_with = "text")] Cow<'a, str>);
#[derive(Deserialize)]
#[serde(transparent)]
struct AsResults<'a>(#[serde(borrow, deserialize_with = "list::<_, _, MAX_RESULTS>")] Vec<ResultEntry<'a>>);
#[derive(Deserialize)]
#[serde(transparent)]
struct AsResources<'a>(#[serde(borrow, deserialize_with = "list::<_, _, MAX_RESULTS>")] Vec<Resource<'a>>);

impl<'de> Deserialize<'de> for Top<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    // Old scanners wrote `null` when they found nothing.
    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        let report = Report { shape: Shape::List, ..Report::default() };
        Ok(Top { report, schema_version: None, looks_like: "null" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut report = Report { shape: Shape::List, ..Report::default() };
        while let Some(result) = seq.next_element()? {
            if report.results.len() == MAX_RESULTS {
                return Err(A::Error::custom(format_args!("more than {MAX_RESULTS} results")));
            }
            report.results.push(result);
        }
        Ok(Top { report, schema_version: None, looks_like: "a list" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut report = Report::default();
        let mut schema_version = None;
        let mut looks_like = "it has no SchemaVersion";
        let mut seen = HashSet::new();
        while let Some(AsText(key)) = map.next_key()? {
            // Readers differ in which of two equal members they believe.
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("the member `{key}` is there twice")));
            }
            match &*key {
                "SchemaVersion" => schema_version = map.next_value()?,
                "Trivy" => {
                    report.scanner_version =
                        map.next_value::<Option<Scanner<'de>>>()?.unwrap_or_default().version
                }
                "CreatedAt" => report.created_at = map.next_value::<AsText<'de>>()?.0,
                "ArtifactName" => report.artifact_name = map.next_value::<AsText<'de>>()?.0,
                "ArtifactType" => report.artifact_type = map.next_value::<AsText<'de>>()?.0,
                "Metadata" => {
                    report.metadata = map.next_value::<Option<Metadata<'de>>>()?.unwrap_or_default()
                }
                "Results" => report.results.append(&mut map.next_value::<AsResults<'de>>()?.0),
                "ClusterName" => {
                    report.shape = Shape::Cluster;
                    map.next_value::<IgnoredAny>()?;
                }
                // Older cluster reports keep the resources under what was found in them.
                "Resources" | "Vulnerabilities" | "Misconfigurations" => {
                    report.shape = Shape::Cluster;
                    let resources = map.next_value::<AsResources<'de>>()?.0;
                    report.results.extend(resources.into_iter().flat_map(|resource| resource.results));
                }
                other => {
                    looks_like = match other {
                        "runs" => "it is SARIF",
                        "bomFormat" => "it is CycloneDX",
                        "spdxVersion" => "it is SPDX",
                        "matches" => "it seems to be Grype's",
                        "apiVersion" => "it is a Kubernetes resource",
                        _ => looks_like,
                    };
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Top { report, schema_version, looks_like })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &[u8] = br#"{
        "SchemaVersion": 2, "Trivy": {"Version": "0.72.0"}, "ArtifactName": "x", "ArtifactType": "container_image",
        "Metadata": {"ImageID": "sha256:aa", "DiffIDs": ["sha256:bb"], "RepoDigests": null, "OS": {"Family": "alpine", "EOSL": true}},
        "Results": [
          {"Target": "x (alpine)", "Class": "os-pkgs", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2019-14697", "PkgName": "musl", "InstalledVersion": "1", "FixedVersion": "2", "Severity": "CRITICAL"},
            {"VulnerabilityID": "CVE-2", "PkgName": "a\u0062c", "Severity": "NONE", "FixedVersion": null}]},
          {"Target": "y", "Vulnerabilities": null, "Misconfigurations": [{"Status": "PASS", "Severity": "LOW"}, {"Status": "FAIL", "Severity": "HIGH"}]}
        ]}"#;

    #[test]
    fn a_small_report() {
        let report = Report::parse(SMALL).unwrap();
        assert_eq!(report.scanner_version, "0.72.0");
        assert!(report.metadata.os.end_of_life);
        assert_eq!(report.counts().of(Severity::Critical), 1);
        assert_eq!(report.counts().of(Severity::Unknown), 1);
        assert_eq!(report.fixable().total(), 1);
        assert_eq!(report.results[0].vulnerabilities[1].package, "abc");
        assert_eq!(report.results[1].misconfigurations.total(), 1);
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        let looks_like = |bytes: &[u8]| match Report::parse(bytes) {
            Err(ReportError::NotTrivy { looks_like }) => looks_like,
            other => panic!("{other:?}"),
        };
        assert_eq!(looks_like(br#"{"version":"2.1.0","runs":[]}"#), "it is SARIF");
        assert_eq!(looks_like(br#"{"bomFormat":"CycloneDX"}"#), "it is CycloneDX");
        assert_eq!(looks_like(b"{}"), "it has no SchemaVersion");
        assert_eq!(Report::parse(br#"{"SchemaVersion":3}"#), Err(ReportError::SchemaVersion { found: 3 }));
        assert!(matches!(Report::parse(b"Total: 3 (HIGH: 1)"), Err(ReportError::Malformed { .. })));
        assert!(matches!(Report::parse(b""), Err(ReportError::Malformed { .. })));
    }

    #[test]
    fn a_report_cut_off_anywhere_is_refused() {
        for end in 0..SMALL.len() - 1 {
            assert!(Report::parse(&SMALL[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn lists_and_clusters_are_counted() {
        let list = Report::parse(br#"[{"Target":"t","Vulnerabilities":[{"Severity":"HIGH"}]}]"#).unwrap();
        assert_eq!((list.shape, list.counts().of(Severity::High)), (Shape::List, 1));
        let cluster = Report::parse(
            br#"{"ClusterName":"c","Resources":[{"Results":[{"Vulnerabilities":[{"Severity":"LOW"}]}]}]}"#,
        )
        .unwrap();
        assert_eq!((cluster.shape, cluster.counts().of(Severity::Low)), (Shape::Cluster, 1));
        assert_eq!(Report::parse(b"\xef\xbb\xbfnull").unwrap().shape, Shape::List);
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Report::parse(&bytes);
        }

        #[test]
        fn a_broken_byte_is_an_error_or_another_report(at in 0..SMALL.len(), byte in any::<u8>()) {
            let mut bytes = SMALL.to_vec();
            bytes[at] = byte;
            let _ = Report::parse(&bytes);
        }
    }
}
