//! Which tags lead to an image. Registries cannot be asked that: each tag is looked up, up to a limit.

use std::cmp::Reverse;

use futures_util::stream::{self, StreamExt};
use loadline_core::Digest;
use loadline_registry::walk::is_of_a_digest;
use loadline_registry::{Repository, Tags};

use super::PARALLEL;

/// The tags that lead to an image, as far as was looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagsHere {
    /// Their names.
    pub names: Vec<String>,
    /// How many tags were looked up.
    pub looked_at: usize,
    /// How many tags the repository has, where its whole list is known.
    pub known: Option<usize>,
    /// Whether there may be more that lead here.
    pub cut: bool,
}

/// Looks up at most so many tags; the asked one is known to lead here.
pub(super) async fn here(
    repository: &Repository,
    digest: &Digest,
    asked: Option<&str>,
    tags: Option<&Tags>,
    limit: usize,
) -> TagsHere {
    let mut here =
        TagsHere { names: asked.iter().map(|tag| (*tag).to_owned()).collect(), ..TagsHere::default() };
    let Some(tags) = tags else {
        here.cut = true;
        return here;
    };
    let mut names: Vec<&String> =
        tags.names.iter().filter(|tag| !is_of_a_digest(tag) && Some(tag.as_str()) != asked).collect();
    here.known = tags.complete.then(|| names.len() + asked.iter().len());
    here.cut = !tags.complete || names.len() > limit;
    names.sort_by_cached_key(|tag| rank(tag));
    names.truncate(limit);
    here.looked_at = names.len();
    let found: Vec<_> = stream::iter(names)
        .map(|tag| async move { (tag, repository.resolve(tag).await) })
        .buffered(PARALLEL)
        .collect()
        .await;
    for (tag, result) in found {
        match result {
            Ok(Some(standing)) if standing.digest == *digest => here.names.push(tag.clone()),
            Ok(_) => {}
            // Not to know of one tag is to know less of the tags, and nothing of the image.
            Err(_) => here.cut = true,
        }
    }
    here
}

/// Moving tags first, then versions, the newest first: those that somebody is likely to ask about.
fn rank(tag: &str) -> (bool, Reverse<Vec<u64>>, String) {
    let numbers = tag.trim_start_matches('v').split(['.', '-', '_', '+']).map_while(|part| part.parse().ok());
    let numbers: Vec<u64> = numbers.collect();
    (tag != "latest" && !numbers.is_empty(), Reverse(numbers), tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_likely_comes_first() {
        let mut tags = ["1.2.3", "v1.10.0", "latest", "edge", "0.9", "1.2.3-server"];
        tags.sort_by_cached_key(|tag| rank(tag));
        assert_eq!(tags, ["edge", "latest", "v1.10.0", "1.2.3", "1.2.3-server", "0.9"]);
    }
}
