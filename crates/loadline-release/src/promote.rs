//! Which tags may be written: version tags never move, moving tags never go back.
//!
//! Pure: what the registry says comes in, what is to be done comes out.

use loadline_core::config::{MovingTag, ReleaseVersion};
use loadline_core::{Digest, Failure, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::{MOVING_TAG_AHEAD, MOVING_TAG_LEFT, MOVING_TAG_UNKNOWN, VERSION_TAG_TAKEN};

/// What kind of tag it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind<'a> {
    /// Names one version for ever.
    Version,
    /// Follows the newest version of its channel or series; these are the entries of the configuration that
    /// follow by this tag.
    Moving(&'a [&'a MovingTag]),
}

/// What a tag points at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The digest.
    pub digest: Digest,
    /// The version that it says it is, where it says one.
    pub version: Option<ReleaseVersion>,
}

/// A tag that is about to be written, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagWrite {
    /// The tag, with its repository.
    pub reference: String,
    /// What it is to point at.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// What it points at now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub previous: Option<Digest>,
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

/// One tag and what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The tag with its repository, for messages.
    pub reference: &'a str,
    /// What kind of tag it is.
    pub kind: TagKind<'a>,
    /// What it is to point at.
    pub wanted: &'a Digest,
    /// The version that is released.
    pub version: &'a ReleaseVersion,
    /// What it points at now; none where there is no such tag.
    pub present: Option<&'a Present>,
    /// Whether this release gave it its place before: whoever moved it since, by a rollback mostly, meant it.
    pub completed: bool,
}

/// Decides about one tag.
pub fn decide(question: &Question<'_>) -> Decision {
    let Question { reference, kind, wanted, version, present, completed } = *question;
    let Some(present) = present else { return Decision::Write { previous: None } };
    if present.digest == *wanted {
        return Decision::Keep;
    }
    let digest = &present.digest;
    let followed = match kind {
        TagKind::Moving(followed) => followed,
        TagKind::Version => {
            return Decision::Refuse(
                Finding::error(
                    &VERSION_TAG_TAKEN,
                    format!(
                        "{reference} points at {digest}; a version tag never moves, and this release is {wanted}"
                    ),
                )
                .about(digest)
                .help("release the next version"),
            );
        }
    };
    match order(present, version, followed) {
        Some(true) if completed => Decision::Leave(
            Finding::note(
                &MOVING_TAG_LEFT,
                format!(
                    "{reference} stays at {digest}: {version} had it once, and it was moved since{}",
                    present.version.as_ref().map(|now| format!(" to {now}")).unwrap_or_default()
                ),
            )
            .about(digest)
            .help(format!("to move it there again: `loadline promote --rollback {version}`")),
        ),
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
        None => Decision::Unknown(no_order(reference, present, version)),
    }
}

/// Whether a version is newer than what a moving tag points at now; none where there is no order.
pub fn order(present: &Present, version: &ReleaseVersion, followed: &[&MovingTag]) -> Option<bool> {
    let now = present.version.as_ref()?;
    version.is_newer_than(now).or_else(|| match (version, now) {
        // A tag that follows both channels is for whoever wants the newest of either.
        (ReleaseVersion::Semantic(one), ReleaseVersion::Semantic(two))
            if followed.iter().any(|entry| entry.follows(now)) =>
        {
            Some(one.cmp_precedence(two).is_gt())
        }
        _ => None,
    })
}

/// What is said of a moving tag without an order.
pub fn no_order(reference: &str, present: &Present, version: &ReleaseVersion) -> Failure {
    let digest = &present.digest;
    let message = match &present.version {
        Some(now) => {
            format!("{reference} points at {digest}, version {now}, which has no order with {version}")
        }
        None => format!("{reference} points at {digest}, which does not say its version"),
    };
    Failure::new(&MOVING_TAG_UNKNOWN, message).help("delete the tag at the registry, or move it by hand once")
}

#[cfg(test)]
mod tests {
    use loadline_core::config::ChannelTag;
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> ReleaseVersion {
        ReleaseVersion::semantic(text).unwrap()
    }

    fn at(digest: &str, v: Option<&str>) -> Present {
        Present { digest: Digest::of(digest), version: v.map(version) }
    }

    fn ask(kind: TagKind<'_>, v: &str, present: Option<&Present>, completed: bool) -> Decision {
        let (wanted, version) = (Digest::of("new"), version(v));
        decide(&Question { reference: "r:t", kind, wanted: &wanted, version: &version, present, completed })
    }

    fn stable() -> MovingTag {
        MovingTag::Stable("latest".into())
    }

    fn channel(name: &str) -> MovingTag {
        MovingTag::Channel(ChannelTag { tag: "latest".into(), channel: name.into() })
    }

    #[test]
    fn a_version_tag_never_moves() {
        let decide = |present: Option<&Present>| ask(TagKind::Version, "1.0.0", present, false);
        assert_eq!(decide(None), Decision::Write { previous: None });
        assert_eq!(decide(Some(&at("new", None))), Decision::Keep);
        let Decision::Refuse(finding) = decide(Some(&at("old", Some("0.9.0")))) else { panic!() };
        assert_eq!(finding.code.name, "version-tag-taken");
        assert!(matches!(ask(TagKind::Version, "1.0.0", Some(&at("old", None)), true), Decision::Refuse(_)));
    }

    #[test]
    fn a_moving_tag_only_goes_forward() {
        let latest = stable();
        let decide = |present: &Present| ask(TagKind::Moving(&[&latest]), "1.10.0", Some(present), false);
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

    #[test]
    fn channels_are_compared_only_where_one_tag_follows_both() {
        let (stable, beta) = (stable(), channel("beta"));
        let both = [&stable, &beta];
        let decide = |v: &str, now: &str, followed: &[&MovingTag]| {
            ask(TagKind::Moving(followed), v, Some(&at("old", Some(now))), false)
        };
        assert!(matches!(decide("2.0.0", "2.0.0-beta.3", &both), Decision::Write { .. }));
        assert!(matches!(decide("2.0.0-beta.1", "1.9.0", &both), Decision::Write { .. }));
        assert!(matches!(decide("1.9.1", "2.0.0-beta.1", &both), Decision::Leave(_)));
        assert!(matches!(decide("2.0.0", "2.0.0-beta.3", &[&stable]), Decision::Unknown(_)));
        assert!(matches!(decide("2.0.0", "2.0.0-rc.1", &both), Decision::Unknown(_)));
    }

    #[test]
    fn what_was_moved_after_a_release_is_left() {
        let latest = stable();
        let kind = TagKind::Moving(&[&latest]);
        let back = at("old", Some("1.0.0"));
        assert!(
            matches!(ask(kind, "1.1.0", Some(&back), true), Decision::Leave(f) if f.code.name == "moving-tag-left")
        );
        assert_eq!(ask(kind, "1.1.0", None, true), Decision::Write { previous: None });
    }

    proptest! {
        /// Whatever order releases come in, a moving tag ends at the newest of its channel.
        #[test]
        fn the_newest_wins_in_any_order(
            versions in proptest::collection::vec((0u64..4, 0u64..4, 0u64..4), 1..8)
        ) {
            let latest = stable();
            let mut tag: Option<Present> = None;
            for (major, minor, patch) in &versions {
                let text = format!("{major}.{minor}.{patch}");
                let (wanted, version) = (Digest::of(&text), version(&text));
                let question = Question {
                    reference: "r:latest",
                    kind: TagKind::Moving(&[&latest]),
                    wanted: &wanted,
                    version: &version,
                    present: tag.as_ref(),
                    completed: false,
                };
                if let Decision::Write { .. } = decide(&question) {
                    tag = Some(Present { digest: wanted, version: Some(version) });
                }
            }
            let newest = versions.iter().max().unwrap();
            let expected = format!("{}.{}.{}", newest.0, newest.1, newest.2);
            prop_assert_eq!(tag.unwrap().version.unwrap().to_string(), expected);
        }
    }
}
