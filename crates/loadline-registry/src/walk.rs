//! Everything that belongs to an image: the index, its children, what BuildKit attests of them, the evidence
//! that refers to any of these, and the tags under which cosign kept evidence of old.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt};
use loadline_core::{Digest, Platform};

use crate::MANIFEST_LIMIT;
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::manifest::Manifest;
use crate::remote::fallback_tag;
use crate::repository::{Referrers, ReferrersSource, Repository, Tags};

/// The most manifests that are taken to belong to one image.
const MANIFESTS: usize = 4096;
/// How many requests are under way at once.
const PARALLEL: usize = 8;
/// What cosign put behind the name of a digest, before registries knew referrers.
const COSIGN: &[&str] = &["att", "sig", "sbom"];

/// What a manifest is to the image it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// An index or manifest list.
    Index,
    /// An image for one platform, or an artifact that an index names.
    Image,
    /// What BuildKit attests of an image of the same index; unsigned.
    Attestation,
    /// Refers to another manifest as its subject.
    Evidence,
    /// Lies under a tag of cosign's: `sha256-….att`, `.sig` or `.sbom`.
    Cosign,
}

/// One manifest that belongs to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The manifest.
    pub manifest: Manifest,
    /// What it is.
    pub role: Role,
    /// The index that names it, the subject that it refers to, or the digest in cosign's tag.
    pub of: Option<Digest>,
    /// The index's entry for it.
    pub entry: Option<Descriptor>,
    /// Where evidence was listed.
    pub listed: Option<ReferrersSource>,
    /// Cosign's tag.
    pub tag: Option<String>,
}

/// Something that is spoken of and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its digest.
    pub digest: Digest,
    /// Which manifest speaks of it.
    pub of: Digest,
    /// What it would have been.
    pub role: Role,
}

/// Everything that belongs to an image.
#[derive(Debug, Default)]
pub struct Belongings {
    /// The manifests, each once; the image itself comes first.
    pub items: Vec<Item>,
    /// What is spoken of and not there.
    pub lost: Vec<Lost>,
    /// What could not be asked, and limits that were hit. Where there is any, this is not all.
    pub failures: Vec<RegistryError>,
    /// The first page of the repository's tags, which tells which of them are named after digests. None where the
    /// registry did not give it: then each such tag was asked for, and nothing is lacking.
    pub tags: Option<Tags>,
}

impl Belongings {
    /// The item of this digest.
    pub fn get(&self, digest: &Digest) -> Option<&Item> {
        self.items.iter().find(|item| item.manifest.digest() == digest)
    }
}

/// Finds everything that belongs to an image; with platforms, only those of an index's children and what
/// belongs to them. Evidence on evidence is followed too.
pub async fn belongings(repository: &Repository, image: Manifest, platforms: &[Platform]) -> Belongings {
    let mut walk =
        Walk { repository, platforms, seen: HashSet::new(), found: Belongings::default(), first: 0 };
    walk.take(Item { manifest: image, role: Role::Image, of: None, entry: None, listed: None, tag: None });
    // The list of tags and the children do not wait for each other.
    let tags = OldTags::of(repository);
    let (tags, ()) = tokio::join!(tags, walk.below());
    let mut asked = 0;
    while asked < walk.found.items.len() {
        let subjects: Vec<Digest> =
            walk.found.items[asked..].iter().map(|item| item.manifest.digest().clone()).collect();
        asked = walk.found.items.len();
        walk.evidence(&subjects, &tags).await;
        walk.below().await;
    }
    walk.found.tags = tags.list;
    walk.found
}

struct Walk<'a> {
    repository: &'a Repository,
    platforms: &'a [Platform],
    seen: HashSet<Digest>,
    found: Belongings,
    /// The first item whose children were not looked at.
    first: usize,
}

impl Walk<'_> {
    fn take(&mut self, mut item: Item) {
        if item.manifest.is_index() && item.role == Role::Image {
            item.role = Role::Index;
        }
        if self.found.items.len() < MANIFESTS {
            self.found.items.push(item);
        }
    }

    /// Whether a manifest is new, and there is room for it.
    fn is_new(&mut self, digest: &Digest) -> bool {
        if !self.seen.insert(digest.clone()) {
            return false;
        }
        if self.seen.len() == MANIFESTS {
            let limit = format!("{MANIFESTS} manifests");
            let kind = RegistryErrorKind::TooLarge { what: "what belongs to the image", limit };
            self.found.failures.push(self.repository.error("find what belongs to the image", kind));
        }
        self.seen.len() < MANIFESTS
    }

    /// The children of all indexes, and theirs.
    async fn below(&mut self) {
        while self.first < self.found.items.len() {
            let mut wanted = Vec::new();
            for at in self.first..self.found.items.len() {
                let item = &self.found.items[at];
                let of = item.manifest.digest().clone();
                let root = at == 0;
                self.seen.insert(of.clone());
                if !item.manifest.is_index() {
                    continue;
                }
                match item.manifest.as_index() {
                    Ok(index) => {
                        let kept = kept(&index.manifests, if root { self.platforms } else { &[] });
                        wanted.extend(kept.into_iter().map(|entry| (of.clone(), entry)));
                    }
                    Err(kind) => self.found.failures.push(self.repository.error(format!("read {of}"), kind)),
                }
            }
            self.first = self.found.items.len();
            wanted.retain(|(_, entry)| self.is_new(&entry.digest));
            let repository = self.repository;
            let fetched: Vec<_> = stream::iter(wanted)
                .map(|(of, entry)| async move { (fetch(repository, &entry).await, of, entry) })
                .buffered(PARALLEL)
                .collect()
                .await;
            for (result, of, entry) in fetched {
                let role = if entry.is_buildkit_attestation() { Role::Attestation } else { Role::Image };
                match result {
                    Ok(manifest) => {
                        let (of, entry) = (Some(of), Some(entry));
                        self.take(Item { manifest, role, of, entry, listed: None, tag: None });
                    }
                    Err(error) => self.lose(error, entry.digest, of, role),
                }
            }
        }
    }

    fn lose(&mut self, error: RegistryError, digest: Digest, of: Digest, role: Role) {
        if error.is_not_found() {
            self.found.lost.push(Lost { digest, of, role });
        } else {
            self.found.failures.push(error);
        }
    }

    /// What refers to these.
    async fn evidence(&mut self, subjects: &[Digest], tags: &OldTags) {
        let repository = self.repository;
        let listed: Vec<_> = stream::iter(subjects.iter().cloned())
            .map(|subject| async move { (list(repository, &subject, tags).await, subject) })
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut wanted = Vec::new();
        for (lists, subject) in listed {
            for list in lists {
                match list {
                    Ok(list) => {
                        if !list.complete {
                            let what = "the list of referrers";
                            let kind =
                                RegistryErrorKind::TooLarge { what, limit: "what is read of it".to_owned() };
                            let error = repository.error(format!("list the referrers of {subject}"), kind);
                            self.found.failures.push(error);
                        }
                        let source = list.source;
                        wanted.extend(list.descriptors.into_iter().map(|d| (subject.clone(), d, source)));
                    }
                    Err(error) => self.found.failures.push(error),
                }
            }
        }
        wanted.retain(|(_, descriptor, _)| self.is_new(&descriptor.digest));
        let fetched: Vec<_> = stream::iter(wanted)
            .map(|(of, descriptor, source)| async move {
                (fetch(repository, &descriptor).await, of, descriptor.digest, source)
            })
            .buffered(PARALLEL)
            .collect()
            .await;
        for (result, of, digest, source) in fetched {
            match result {
                Ok(manifest) => {
                    let (of, listed) = (Some(of), Some(source));
                    self.take(Item { manifest, role: Role::Evidence, of, entry: None, listed, tag: None });
                }
                Err(error) => self.lose(error, digest, of, Role::Evidence),
            }
        }
        self.cosign(subjects, tags).await;
    }

    async fn cosign(&mut self, subjects: &[Digest], tags: &OldTags) {
        let repository = self.repository;
        let names = subjects.iter().flat_map(|subject| {
            COSIGN.iter().map(move |kind| (subject.clone(), format!("{}.{kind}", fallback_tag(subject))))
        });
        let names: Vec<_> = names.filter(|(_, tag)| tags.may_have(tag)).collect();
        let fetched: Vec<_> = stream::iter(names)
            .map(|(of, tag)| async move { (repository.find_manifest(&tag).await, of, tag) })
            .buffered(PARALLEL)
            .collect()
            .await;
        for (result, of, tag) in fetched {
            match result {
                // The same content may lie under several tags: each is an item of its own.
                Ok(Some(manifest)) => {
                    self.seen.insert(manifest.digest().clone());
                    let (of, tag) = (Some(of), Some(tag));
                    self.take(Item { manifest, role: Role::Cosign, of, entry: None, listed: None, tag });
                }
                Ok(None) => {}
                Err(error) => self.found.failures.push(error),
            }
        }
    }
}

/// The entries of an index that are wanted: all, or those of some platforms with what BuildKit attests of them.
fn kept(entries: &[Descriptor], platforms: &[Platform]) -> Vec<Descriptor> {
    if platforms.is_empty() {
        return entries.to_vec();
    }
    let wanted = |entry: &&Descriptor| entry.platform().is_some_and(|platform| platforms.contains(&platform));
    let images: Vec<String> = entries.iter().filter(wanted).map(|entry| entry.digest.to_string()).collect();
    let speaks = |entry: &Descriptor| {
        let of = entry.annotations.get("vnd.docker.reference.digest");
        entry.is_buildkit_attestation() && of.is_some_and(|of| images.contains(of))
    };
    entries.iter().filter(|entry| wanted(entry) || speaks(entry)).cloned().collect()
}

/// A manifest that a descriptor names. Its size is held against what was promised.
async fn fetch(repository: &Repository, descriptor: &Descriptor) -> Result<Manifest, RegistryError> {
    if descriptor.size > MANIFEST_LIMIT {
        let limit = format!("{MANIFEST_LIMIT} bytes");
        let kind = RegistryErrorKind::TooLarge { what: "the manifest", limit };
        return Err(repository.error(format!("read the manifest {}", descriptor.digest), kind));
    }
    repository.manifest(&descriptor.digest.to_string()).await
}

/// All lists of what refers to a subject.
async fn list(
    repository: &Repository,
    subject: &Digest,
    tags: &OldTags,
) -> Vec<Result<Referrers, RegistryError>> {
    let first = repository.referrers(subject).await;
    let api = first.as_ref().is_ok_and(|list| list.source == ReferrersSource::Api);
    let mut lists = vec![first];
    // A registry that has got the API lately keeps old evidence under the tag.
    if api && tags.may_have(&fallback_tag(subject)) {
        lists.push(repository.fallback_referrers(subject).await);
    }
    lists
}

/// The tags that are named after digests; unknown where the list is long or cannot be had.
struct OldTags {
    named: Option<HashSet<String>>,
    list: Option<Tags>,
}

impl OldTags {
    async fn of(repository: &Repository) -> Self {
        // Without the whole list, each tag is asked for.
        let list = repository.first_tags(1).await.ok();
        let whole = list.as_ref().filter(|tags| tags.complete);
        let named = whole.map(|tags| tags.names.iter().filter(|tag| is_of_a_digest(tag)).cloned().collect());
        Self { named, list }
    }

    fn may_have(&self, tag: &str) -> bool {
        self.named.as_ref().is_none_or(|tags| tags.contains(tag))
    }
}

/// Whether a tag is named after a digest: the referrers' fallback, or one of cosign's.
pub fn is_of_a_digest(tag: &str) -> bool {
    let Some(hex) = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-")) else { return false };
    let hex = hex.split('.').next().unwrap_or(hex);
    hex.len() >= 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The waves in which manifests can be pushed: what an index names before it, a subject before its evidence.
pub(crate) fn waves(items: &[Item]) -> Vec<Vec<&Item>> {
    let mut waves: BTreeMap<usize, Vec<&Item>> = BTreeMap::new();
    let deepest = items.iter().map(|item| depth(items, item, 0)).max().unwrap_or(0);
    for item in items {
        let wave = match item.role {
            Role::Evidence | Role::Cosign => deepest + 1 + depth(items, item, 0),
            _ => deepest - depth(items, item, 0),
        };
        waves.entry(wave).or_default().push(item);
    }
    waves.into_values().collect()
}

/// How many manifests lie between one and the image that all belongs to.
fn depth(items: &[Item], item: &Item, so_far: usize) -> usize {
    let above = item.of.as_ref().and_then(|of| items.iter().find(|item| item.manifest.digest() == of));
    match above {
        Some(above) if so_far < 16 => depth(items, above, so_far + 1),
        _ => so_far,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_digests_are_told_from_others() {
        let hex = "a".repeat(64);
        assert!(is_of_a_digest(&format!("sha256-{hex}")));
        assert!(is_of_a_digest(&format!("sha256-{hex}.att")));
        assert!(!is_of_a_digest("sha256-abc"));
        assert!(!is_of_a_digest("1.0.0"));
        assert!(!is_of_a_digest(&format!("sha256-{}", "g".repeat(64))));
    }
}
