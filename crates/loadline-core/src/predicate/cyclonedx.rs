//! CycloneDX documents as predicates: the document itself is the predicate.

/// The predicate type of a CycloneDX document of any version.
pub const PREDICATE_TYPE: &str = "https://cyclonedx.org/bom";
