//! The tag that a copy gets: it stays where it is unless it may move, and a version's never does.

use loadline_core::{Digest, Platform};

use crate::error::{RegistryError, RegistryErrorKind};
use crate::manifest::Manifest;
use crate::repository::Repository;

/// What happens where the tag leads to something else already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagRule {
    /// It stays, and nothing is copied.
    Keep,
    /// It moves, unless it is a version's.
    Move,
}

/// What became of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagEnd {
    /// There was none; it was written.
    Written {
        /// The tag.
        tag: String,
    },
    /// It led to the image before.
    AlreadyThere {
        /// The tag.
        tag: String,
    },
    /// It led elsewhere and was moved, as asked.
    Moved {
        /// The tag.
        tag: String,
        /// Where it led before.
        led_to: Digest,
    },
    /// It leads elsewhere and may not move.
    Refused {
        /// The tag.
        tag: String,
        /// Where it leads.
        leads_to: Digest,
        /// Whether it is a version's, which never moves.
        version: bool,
    },
}

/// The image that a tag or digest leads to, or its child for a platform.
pub(super) async fn pinned(
    from: &Repository,
    source: &str,
    platform: Option<&Platform>,
) -> Result<Manifest, RegistryError> {
    let image = from.manifest(source).await?;
    let Some(platform) = platform else { return Ok(image) };
    let asked = || format!("take {platform} of {source}");
    if !image.is_index() {
        let message = "it is no index: leave the platform out".to_owned();
        return Err(from.error(asked(), RegistryErrorKind::Unsupported { message }));
    }
    let index = image.as_index().map_err(|kind| from.error(asked(), kind))?;
    let mut children = index.images().filter(|entry| entry.platform().as_ref() == Some(platform));
    match (children.next(), children.next()) {
        (Some(child), None) => from.manifest(&child.digest.to_string()).await,
        (Some(_), Some(_)) => {
            let message = "the index has several images for it: name one by its digest".to_owned();
            Err(from.error(asked(), RegistryErrorKind::Unsupported { message }))
        }
        (None, _) => Err(from.error(asked(), RegistryErrorKind::NotFound)),
    }
}

/// Where a tag stands, and what would become of it.
pub(super) async fn look(
    to: &Repository,
    tag: &str,
    digest: &Digest,
    rule: TagRule,
) -> Result<TagEnd, RegistryError> {
    let version = is_version(tag);
    let tag = tag.to_owned();
    Ok(match to.resolve(&tag).await? {
        None => TagEnd::Written { tag },
        Some(standing) if standing.digest == *digest => TagEnd::AlreadyThere { tag },
        Some(standing) if rule == TagRule::Move && !version => TagEnd::Moved { tag, led_to: standing.digest },
        Some(standing) => TagEnd::Refused { tag, leads_to: standing.digest, version },
    })
}

/// Writes a tag, unless somebody else gave it another image since it was looked at.
pub(super) async fn give(
    to: &Repository,
    tag: &str,
    image: &Manifest,
    before: TagEnd,
    rule: TagRule,
) -> Result<TagEnd, RegistryError> {
    if matches!(before, TagEnd::AlreadyThere { .. }) {
        return Ok(before);
    }
    let now = look(to, tag, image.digest(), rule).await?;
    if matches!(now, TagEnd::Written { .. } | TagEnd::Moved { .. }) {
        to.tag(tag, image.media_type(), image.bytes.clone()).await?;
    }
    Ok(now)
}

/// Whether a tag names one version: `1.2.3`, `v1.2.3-rc.1`, `1.2.3-server`. `1.2` and `latest` move on.
pub fn is_version(tag: &str) -> bool {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let numbers = text.split(['-', '_', '+']).next().unwrap_or(text);
    let mut parts = numbers.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    number(parts.next()) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_tags_that_move() {
        for version in ["1.2.3", "v1.2.3", "1.2.3-rc.1", "1.2.3-server", "0.0.0-dev.abc"] {
            assert!(is_version(version), "{version}");
        }
        for moving in ["latest", "1", "1.2", "v1", "edge", "1.2.3.4", "1..3", "v", "1.2.x"] {
            assert!(!is_version(moving), "{moving}");
        }
    }
}
