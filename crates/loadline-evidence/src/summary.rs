//! SLSA verification summaries: the release's own verdict, as a statement others can demand.

use loadline_core::Digest;
use loadline_core::predicate::slsa_provenance::ResourceDescriptor;
use loadline_core::predicate::verification_summary::{PREDICATE_TYPE, VerificationSummary, Verifier};
use loadline_core::statement::{Statement, Subject};

/// What was verified, and against what.
#[derive(Debug, Clone)]
pub struct Verified<'a> {
    /// The verifier, a URI: who runs the release.
    pub verifier: &'a str,
    /// When, RFC 3339.
    pub at: &'a str,
    /// The image, by digest.
    pub resource: &'a str,
    /// What the policy is called, a URI.
    pub policy: &'a str,
    /// The digest of the policy's text.
    pub policy_digest: &'a Digest,
    /// The digests of the statements that were looked at.
    pub evidence: &'a [Digest],
    /// The levels that were verified, as SLSA 1.0 calls them.
    pub levels: &'a [&'a str],
}

/// A summary that says `PASSED`; nothing else is ever signed.
pub fn statement(subjects: Vec<Subject>, verified: &Verified<'_>) -> Statement<VerificationSummary> {
    let descriptor = |digest: &Digest| ResourceDescriptor {
        digest: [(digest.algorithm().name().to_owned(), digest.hex().to_owned())].into(),
        ..ResourceDescriptor::default()
    };
    let summary = VerificationSummary {
        verifier: Verifier {
            id: verified.verifier.to_owned(),
            version: [("loadline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
        },
        time_verified: verified.at.to_owned(),
        resource_uri: verified.resource.to_owned(),
        policy: ResourceDescriptor {
            uri: Some(verified.policy.to_owned()),
            ..descriptor(verified.policy_digest)
        },
        input_attestations: verified.evidence.iter().map(descriptor).collect(),
        verification_result: "PASSED".to_owned(),
        verified_levels: verified.levels.iter().map(|level| (*level).to_owned()).collect(),
        slsa_version: Some("1.0".to_owned()),
    };
    Statement::new(subjects, PREDICATE_TYPE, summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_it_looked_at() {
        let evidence = [Digest::of("provenance"), Digest::of("sbom")];
        let policy = Digest::of("policy");
        let verified = Verified {
            verifier: "https://github.com/acme/widget",
            at: "2026-01-01T00:00:00Z",
            resource: "docker.io/acme/widget@sha256:00",
            policy: "https://github.com/acme/widget/blob/main/loadline.toml",
            policy_digest: &policy,
            evidence: &evidence,
            levels: &["SLSA_BUILD_LEVEL_1"],
        };
        let subject = Subject::new("docker.io/acme/widget", &Digest::of("index"));
        let value = serde_json::to_value(statement(vec![subject], &verified)).unwrap();
        assert_eq!(value["predicate"]["verificationResult"], "PASSED");
        assert_eq!(value["predicate"]["verifiedLevels"], serde_json::json!(["SLSA_BUILD_LEVEL_1"]));
        assert_eq!(value["predicate"]["inputAttestations"][1]["digest"]["sha256"], evidence[1].hex());
        assert_eq!(value["predicate"]["policy"]["digest"]["sha256"], policy.hex());
    }
}
