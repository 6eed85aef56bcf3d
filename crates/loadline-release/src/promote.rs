//! Which tags may be written: version tags never move, moving tags never go back.
//!
//! Pure: what the registry says comes in, what is to be done comes out.

use loadline_core::config::ReleaseVersion;
use loadline_core::{Digest, Failure, Finding};

use crate::codes::{MOVING_TAG_AHEAD, MOVING_TAG_UNKNOWN, VERSION_TAG_TAKEN};

/// What kind of tag it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    /// Names one version for ever.
    Version,
    /// Follows the newest version of its channel or series.
    Moving,
}

/// What a tag points at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The digest.
    pub digest: Digest,
    /// The version that it says it is, where it says one.
    pub version: Option<ReleaseVersion>,
}

/// What is to be done with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write it.
    Write {
        /// What it points at now.
        previous: Option<Digest>,
    },
    /// It points there already.
    Keep,
    /// Leave it; the note says why.
    Leave(Finding),
    /// It must not be written, and so nothing is.
    Refuse(Finding),
    /// It cannot be told, and so nothing is written.
    Unknown(Failure),
}

/// Decides about one tag. `reference` is the tag with its repository, for messages.
pub fn decide(
    reference: &str,
    kind: TagKind,
    wanted: &Digest,
    version: &ReleaseVersion,
    present: Option<&Present>,
) -> Decision {
    let Some(present) = present else { return Decision::Write { previous: None } };
    if present.digest == *wanted {
        return Decision::Keep;
    }
    let digest = &present.digest;
    match kind {
        TagKind::Version => Decision::Refuse(
            Finding::error(
                &VERSION_TAG_TAKEN,
                format!(
                    "{reference} points at {digest}; a version tag never moves, and this release is {wanted}"
                ),
            )
            .about(digest)
            .help("release the next version"),
        ),
        TagKind::Moving => match present.version.as_ref().and_then(|now| version.is_newer_than(now)) {
            Some(true) => Decision::Write { previous: Some(digest.clone()) },
            Some(false) => {
                let now = present.version.as_ref().map(ToString::to_string).unwrap_or_default();
                Decision::Leave(
                    Finding::note(
                        &MOVING_TAG_AHEAD,
                        format!("{reference} stays at {now}, which is not older than {version}"),
                    )
                    .about(digest),
                )
            }
            None => Decision::Unknown(
                Failure::new(
                    &MOVING_TAG_UNKNOWN,
                    match &present.version {
                        Some(now) => format!(
                            "{reference} points at {digest}, version {now}, which has no order with {version}"
                        ),
                        None => format!("{reference} points at {digest}, which does not say its version"),
                    },
                )
                .help("delete the tag at the registry, or move it by hand once"),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ReleaseVersion {
        ReleaseVersion::semantic(text).unwrap()
    }

    fn at(digest: &str, v: Option<&str>) -> Present {
        Present { digest: Digest::of(digest), version: v.map(version) }
    }

    #[test]
    fn a_version_tag_never_moves() {
        let new = Digest::of("new");
        let decide =
            |present: Option<&Present>| decide("r:1", TagKind::Version, &new, &version("1.0.0"), present);
        assert_eq!(decide(None), Decision::Write { previous: None });
        assert_eq!(decide(Some(&at("new", None))), Decision::Keep);
        let Decision::Refuse(finding) = decide(Some(&at("old", Some("0.9.0")))) else { panic!() };
        assert_eq!(finding.code.name, "version-tag-taken");
    }

    #[test]
    fn a_moving_tag_only_goes_forward() {
        let new = Digest::of("new");
        let decide =
            |present: &Present| decide("r:latest", TagKind::Moving, &new, &version("1.10.0"), Some(present));
        assert_eq!(decide(&at("old", Some("1.9.0"))), Decision::Write { previous: Some(Digest::of("old")) });
        assert!(
            matches!(decide(&at("old", Some("2.0.0"))), Decision::Leave(f) if f.code.name == "moving-tag-ahead")
        );
        assert!(matches!(decide(&at("old", Some("1.10.0"))), Decision::Leave(_)));
        assert!(
            matches!(decide(&at("old", None)), Decision::Unknown(f) if f.code.name == "moving-tag-unknown")
        );
        assert!(matches!(decide(&at("old", Some("2.0.0-beta.1"))), Decision::Unknown(_)));
        assert_eq!(decide(&at("new", None)), Decision::Keep);
    }
}
