//! Who must be proven: every platform times every demanded predicate.

use loadline_core::predicate::{short_name, slsa_provenance, verification_summary};
use loadline_core::{Digest, Platform};

/// An artifact that evidence is demanded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its digest.
    pub digest: Digest,
    /// Its platform; `None` for an index, or for what has none.
    pub platform: Option<Platform>,
    /// The index that names it, where it is an index's child.
    pub index: Option<Digest>,
}

/// One demand: this predicate about this artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The artifact.
    pub target: Target,
    /// The predicate's type; `None` demands any good signature.
    pub predicate_type: Option<String>,
}

impl Demand {
    /// What is demanded, in words: `slsa-provenance of linux/arm64 (sha256:…)`.
    pub fn describe(&self) -> String {
        let what = self.predicate_type.as_deref().map_or("a signature", short_name);
        match &self.target.platform {
            Some(platform) => format!("{what} of {platform} ({})", self.target.digest),
            None => format!("{what} of {}", self.target.digest),
        }
    }
}

/// The table of all demands, target by target. No predicate demanded means any good signature.
pub fn demands(targets: &[Target], predicate_types: &[String]) -> Vec<Demand> {
    let wanted: Vec<Option<String>> = if predicate_types.is_empty() {
        vec![None]
    } else {
        predicate_types.iter().cloned().map(Some).collect()
    };
    targets
        .iter()
        .flat_map(|target| {
            wanted.iter().map(|predicate_type| Demand {
                target: target.clone(),
                predicate_type: predicate_type.clone(),
            })
        })
        .collect()
}

/// Which predicates about an index count for the children it names by digest.
///
/// An index is a list of digests, so who built it built what it lists: its provenance speaks for the
/// children. An SBOM or a scan of "the index" looked at one platform, usually, and speaks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexEvidence {
    /// Only statements that name the child itself.
    Nothing,
    /// Provenance, verification summaries and plain signatures.
    #[default]
    Provenance,
    /// Every predicate: for images of others who attest the index alone.
    Everything,
}

impl IndexEvidence {
    /// Whether a predicate about the index counts for a child; `None` is a plain signature.
    pub fn covers(self, predicate_type: Option<&str>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Provenance => predicate_type.is_none_or(|found| {
                found.starts_with("https://slsa.dev/provenance/")
                    || found == slsa_provenance::PREDICATE_TYPE
                    || found == verification_summary::PREDICATE_TYPE
                    || found == "https://sigstore.dev/cosign/sign/v1"
            }),
        }
    }

    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Nothing => "evidence about an index counts for the index alone",
            Self::Provenance => "provenance of an index counts for the images it names",
            Self::Everything => "all evidence about an index counts for the images it names",
        }
    }
}

#[cfg(test)]
mod tests {
    use loadline_core::predicate::cyclonedx;

    use super::*;

    #[test]
    fn every_platform_times_every_predicate() {
        let target = |name: &str| Target {
            digest: Digest::of(name),
            platform: Some(name.parse().unwrap()),
            index: Some(Digest::of("index")),
        };
        let targets = [target("linux/amd64"), target("linux/arm64")];
        let table = demands(&targets, &["p".to_owned(), "q".to_owned()]);
        let words: Vec<_> =
            table.iter().map(|d| (d.target.digest.clone(), d.predicate_type.clone().unwrap())).collect();
        let (a, b) = (Digest::of("linux/amd64"), Digest::of("linux/arm64"));
        assert_eq!(
            words,
            [(a.clone(), "p".into()), (a, "q".into()), (b.clone(), "p".into()), (b, "q".into())]
        );
        assert_eq!(demands(&targets, &[]).len(), 2);
    }

    #[test]
    fn an_index_speaks_for_its_children_about_provenance_only() {
        let rule = IndexEvidence::default();
        assert!(rule.covers(Some(slsa_provenance::PREDICATE_TYPE)) && rule.covers(None));
        assert!(!rule.covers(Some(cyclonedx::PREDICATE_TYPE)));
        assert!(!IndexEvidence::Nothing.covers(None));
        assert!(IndexEvidence::Everything.covers(Some(cyclonedx::PREDICATE_TYPE)));
    }
}
