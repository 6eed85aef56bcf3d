//! Typed contents of statements: one predicate a file.

pub mod build_story;
pub mod cyclonedx;
pub mod release_build;
pub mod slsa_provenance;
pub mod verification_summary;

/// The short names that configuration and command line know, and the predicate types they mean.
pub const NAMES: &[(&str, &str)] = &[
    ("slsa-provenance", slsa_provenance::PREDICATE_TYPE),
    ("cyclonedx", cyclonedx::PREDICATE_TYPE),
    ("vsa", verification_summary::PREDICATE_TYPE),
    ("spdx", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
];

/// The predicate type that a short name means; a URI stands for itself.
pub fn predicate_type(name: &str) -> Option<&str> {
    if name.contains("://") {
        return Some(name);
    }
    NAMES.iter().find(|(short, _)| *short == name).map(|(_, uri)| *uri)
}

/// The short name of a predicate type, or the type itself.
pub fn short_name(predicate_type: &str) -> &str {
    NAMES.iter().find(|(_, uri)| *uri == predicate_type).map_or(predicate_type, |(short, _)| *short)
}

/// Whether a predicate type found in a statement satisfies the one demanded: equal, or a version of
/// it (SPDX statements append `/v2.3`; OpenVEX ones `/v0.2.0`).
pub fn satisfies(found: &str, demanded: &str) -> bool {
    found == demanded
        || found.strip_prefix(demanded).is_some_and(|rest| {
            rest.strip_prefix("/v").is_some_and(|version| {
                !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types() {
        assert_eq!(predicate_type("cyclonedx"), Some("https://cyclonedx.org/bom"));
        assert_eq!(predicate_type("https://example.com/x"), Some("https://example.com/x"));
        assert_eq!(predicate_type("cyclonedy"), None);
        assert_eq!(short_name("https://slsa.dev/provenance/v1"), "slsa-provenance");
    }

    #[test]
    fn a_version_satisfies_but_a_prefix_does_not() {
        assert!(satisfies("https://spdx.dev/Document/v2.3", "https://spdx.dev/Document"));
        assert!(!satisfies("https://spdx.dev/Documents", "https://spdx.dev/Document"));
        assert!(!satisfies("https://spdx.dev/Document/vx", "https://spdx.dev/Document"));
    }
}
