//! The version of a release: what its tags are made of, and which of two is newer.

use std::fmt;

use semver::Version;
use thiserror::Error;

use super::model::MovingTag;

/// Why a text is not the version of a release.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// It is no semantic version.
    #[error("`{text}` is not a version: {reason}; write it as 1.2.3 or 1.2.3-beta.1 (https://semver.org)")]
    NotSemantic {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It carries a prefix that belongs to git tags.
    #[error("`{text}` is a git tag, not a version: say `--version {bare}` or `--tag {text}`")]
    Prefixed {
        /// The text as given.
        text: String,
        /// The version in it.
        bare: String,
    },
    /// It carries build metadata.
    #[error(
        "version `{text}` has build metadata: a tag cannot hold `+`, and without it two versions would share a tag; release it as {bare}, or as a pre-release such as {bare}-build.1"
    )]
    BuildMetadata {
        /// The text as given.
        text: String,
        /// The version without it.
        bare: String,
    },
    /// Its pre-release would pass for a stable version's channel.
    #[error("version `{text}` is a pre-release, but its channel is called `stable`: give it another name")]
    ReservedChannel {
        /// The text as given.
        text: String,
    },
    /// It is no full commit id.
    #[error("`{text}` is not a commit: expected its full id, 40 or 64 lower-case hexadecimal digits")]
    NotACommit {
        /// The text as given.
        text: String,
    },
    /// A git tag does not begin with the configured prefix.
    #[error("tag `{tag}` does not begin with `{prefix}`: see `tag-prefix` under `[release]`")]
    TagPrefix {
        /// The tag.
        tag: String,
        /// The prefix.
        prefix: String,
    },
}

/// The channel of versions without a pre-release.
pub const STABLE: &str = "stable";

/// The version of a release: a semantic version without build metadata, or a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReleaseVersion {
    /// `1.2.3` or `1.2.3-beta.4`.
    Semantic(Version),
    /// A full commit id, for sets that are named after commits.
    Commit(String),
}

impl ReleaseVersion {
    /// A semantic version. Build metadata is refused rather than mapped: semantic versions that
    /// differ in it alone are equal in order, so that "never moves" and "newest" would lose their
    /// meaning.
    pub fn semantic(text: &str) -> Result<Self, VersionError> {
        let shown = || text.chars().take(100).collect::<String>();
        let version = match Version::parse(text) {
            Ok(version) => version,
            Err(error) => {
                if let Some(Ok(bare)) = text.strip_prefix(['v', 'V']).map(Version::parse) {
                    return Err(VersionError::Prefixed { text: shown(), bare: bare.to_string() });
                }
                return Err(VersionError::NotSemantic { text: shown(), reason: error.to_string() });
            }
        };
        if !version.build.is_empty() {
            let bare = Version { build: semver::BuildMetadata::EMPTY, ..version };
            return Err(VersionError::BuildMetadata { text: shown(), bare: bare.to_string() });
        }
        let version = Self::Semantic(version);
        if !version.is_stable() && version.channel() == Some(STABLE) {
            return Err(VersionError::ReservedChannel { text: shown() });
        }
        Ok(version)
    }

    /// A commit by its full id.
    pub fn commit(text: &str) -> Result<Self, VersionError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && matches!(text.len(), 40 | 64) {
            Ok(Self::Commit(text.to_owned()))
        } else {
            Err(VersionError::NotACommit { text: text.chars().take(100).collect() })
        }
    }

    /// The version that a git tag names: what stands after the prefix.
    pub fn from_tag(tag: &str, prefix: &str) -> Result<Self, VersionError> {
        match tag.strip_prefix(prefix) {
            Some(version) => Self::semantic(version),
            None => Err(VersionError::TagPrefix {
                tag: tag.chars().take(100).collect(),
                prefix: prefix.to_owned(),
            }),
        }
    }

    /// Whether it is a semantic version without a pre-release.
    pub fn is_stable(&self) -> bool {
        matches!(self, Self::Semantic(version) if version.pre.is_empty())
    }

    /// The channel: `stable`, or the pre-release's first identifier without digits at its end (`rc`
    /// for 1.2.3-rc1 and 1.2.3-rc.1), `pre` where nothing else is left. A commit has none.
    pub fn channel(&self) -> Option<&str> {
        let Self::Semantic(version) = self else { return None };
        if version.pre.is_empty() {
            return Some(STABLE);
        }
        let first = version.pre.as_str().split('.').next().unwrap_or_default();
        let name = first.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
        Some(if name.is_empty() { "pre" } else { name })
    }

    /// Whether it is newer than another of the same channel, in the order of
    /// <https://semver.org/#spec-item-11>. `None` where there is no order: across channels, and
    /// between commits.
    pub fn is_newer_than(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Semantic(one), Self::Semantic(two)) if self.channel() == other.channel() => {
                Some(one.cmp_precedence(two).is_gt())
            }
            _ => None,
        }
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semantic(version) => version.fmt(f),
            Self::Commit(id) => f.write_str(id),
        }
    }
}

impl MovingTag {
    /// Whether a release of this version moves the tag at all: a stable one for `"latest"`, one of
    /// the channel for `{ tag = "beta", channel = "beta" }`. That it only moves forward is asked of
    /// [`ReleaseVersion::is_newer_than`].
    pub fn follows(&self, version: &ReleaseVersion) -> bool {
        match self {
            Self::Stable(_) => version.is_stable(),
            Self::Channel(tag) => version.channel() == Some(tag.channel.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::ChannelTag;
    use super::*;

    fn version(text: &str) -> ReleaseVersion {
        ReleaseVersion::semantic(text).unwrap()
    }

    #[test]
    fn channels() {
        for (text, channel) in [
            ("1.2.3", "stable"),
            ("1.2.3-beta.4", "beta"),
            ("1.2.3-rc1", "rc"),
            ("1.2.3-rc-1", "rc"),
            ("1.2.3-0", "pre"),
            ("0.0.0-dev.3f2a", "dev"),
        ] {
            assert_eq!(version(text).channel(), Some(channel), "{text}");
        }
        let commit = ReleaseVersion::commit(&"a".repeat(40)).unwrap();
        assert_eq!(commit.channel(), None);
        assert!(!commit.is_stable());
    }

    #[test]
    fn newer_within_a_channel_only() {
        assert_eq!(version("1.10.0").is_newer_than(&version("1.9.9")), Some(true));
        assert_eq!(version("1.9.9").is_newer_than(&version("1.10.0")), Some(false));
        assert_eq!(version("1.0.0").is_newer_than(&version("1.0.0")), Some(false));
        assert_eq!(version("1.0.0-beta.10").is_newer_than(&version("1.0.0-beta.9")), Some(true));
        assert_eq!(version("1.0.0").is_newer_than(&version("1.0.0-beta.9")), None);
        assert_eq!(version("1.0.0-rc.1").is_newer_than(&version("1.0.0-beta.9")), None);
        let commit = ReleaseVersion::commit(&"b".repeat(64)).unwrap();
        assert_eq!(commit.is_newer_than(&commit), None);
    }

    #[test]
    fn what_cannot_be_a_tag_is_refused_with_the_way_out() {
        assert_eq!(
            ReleaseVersion::semantic("v1.2.3"),
            Err(VersionError::Prefixed { text: "v1.2.3".into(), bare: "1.2.3".into() })
        );
        assert_eq!(
            ReleaseVersion::semantic("1.2.3-rc.1+build.5"),
            Err(VersionError::BuildMetadata { text: "1.2.3-rc.1+build.5".into(), bare: "1.2.3-rc.1".into() })
        );
        assert!(matches!(
            ReleaseVersion::semantic("1.2.3-stable.1"),
            Err(VersionError::ReservedChannel { .. })
        ));
        for bad in ["", "1", "1.2", "01.2.3", "1.2.3 ", "latest", "1.2.3-", "1.2.3-β"] {
            assert!(matches!(ReleaseVersion::semantic(bad), Err(VersionError::NotSemantic { .. })), "{bad}");
        }
        for bad in ["", "abc", &"A".repeat(40), &"g".repeat(40), &"a".repeat(41)] {
            assert!(ReleaseVersion::commit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_loses_its_prefix() {
        assert_eq!(ReleaseVersion::from_tag("v1.2.3", "v").unwrap(), version("1.2.3"));
        assert_eq!(ReleaseVersion::from_tag("daemon/1.2.3", "daemon/").unwrap(), version("1.2.3"));
        assert!(matches!(ReleaseVersion::from_tag("1.2.3", "v"), Err(VersionError::TagPrefix { .. })));
    }

    #[test]
    fn moving_tags_follow_their_channel() {
        let latest = MovingTag::Stable("latest".into());
        let beta = MovingTag::Channel(ChannelTag { tag: "beta".into(), channel: "beta".into() });
        assert!(latest.follows(&version("1.2.3")) && !latest.follows(&version("1.2.3-beta.1")));
        assert!(beta.follows(&version("1.2.3-beta.1")) && !beta.follows(&version("1.2.3")));
        let commit = ReleaseVersion::commit(&"c".repeat(40)).unwrap();
        assert!(!latest.follows(&commit) && !beta.follows(&commit));
    }
}
