//! What is attested: an image's digest, read once, and which of its manifests the statement speaks of.

use loadline_core::statement::Subject;
use loadline_core::{Digest, Platform, Reference};
use loadline_registry::image::ImageIndex;
use loadline_registry::{Client, Descriptor, RegistryError, Repository};
use thiserror::Error;

/// Which manifests of an image a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// The index and every platform's.
    All,
    /// The index alone; of an image without one, its manifest.
    Index,
    /// These platforms' alone.
    Platforms(Vec<Platform>),
}

/// Why there is nothing to attest.
#[derive(Debug, Error)]
pub(super) enum TargetError {
    /// The registry refused or could not be reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such image.
    #[error("{reference} is not there")]
    Absent {
        /// The image as it was named.
        reference: String,
    },
    /// The image has no such platform.
    #[error("{reference} has no manifest for {platform}; it has {has}")]
    Platform {
        /// The image as it was named.
        reference: String,
        /// The platform.
        platform: Platform,
        /// The platforms that it has.
        has: String,
    },
}

/// An image, pinned.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) repository: Repository,
    pub(super) name: String,
    /// What the reference led to.
    pub(super) digest: Digest,
    /// The index, where it is one.
    pub(super) index: Option<ImageIndex>,
    /// What the statement speaks of, and what it hangs on.
    pub(super) subjects: Vec<Descriptor>,
    /// Everything that a statement may speak of: index and platforms' manifests.
    pub(super) all: Vec<Descriptor>,
}

impl Target {
    /// Asks the registry once; what the tag points at afterwards does not matter.
    pub(super) async fn find(
        client: &Client,
        reference: &Reference,
        which: &Which,
    ) -> Result<Self, TargetError> {
        let repository = Repository::at(client, reference.repository.clone());
        let absent = || TargetError::Absent { reference: reference.to_string() };
        let manifest = repository.find_manifest(&reference.target()).await?.ok_or_else(absent)?;
        let top = manifest.descriptor.clone();
        let wrong = |kind| TargetError::from(repository.error("read the image", kind));
        let index = if manifest.is_index() { Some(manifest.as_index().map_err(wrong)?) } else { None };
        let children: Vec<Descriptor> =
            index.as_ref().map(|index| index.images().cloned().collect()).unwrap_or_default();
        let all: Vec<Descriptor> = std::iter::once(top.clone()).chain(children.iter().cloned()).collect();
        let subjects = match which {
            Which::All => all.clone(),
            Which::Index => vec![top],
            Which::Platforms(platforms) => {
                let of = |platform: &Platform| {
                    let found = children.iter().find(|child| child.platform().as_ref() == Some(platform));
                    found.cloned().ok_or_else(|| TargetError::Platform {
                        reference: reference.to_string(),
                        platform: platform.clone(),
                        has: names(&children),
                    })
                };
                platforms.iter().map(of).collect::<Result<_, _>>()?
            }
        };
        Ok(Self {
            name: reference.repository.to_string(),
            digest: manifest.digest().clone(),
            repository,
            index,
            subjects,
            all,
        })
    }

    /// The subjects as a statement names them.
    pub(super) fn named(&self) -> Vec<Subject> {
        self.subjects.iter().map(|subject| Subject::new(&self.name, &subject.digest)).collect()
    }
}

fn names(children: &[Descriptor]) -> String {
    let names: Vec<String> =
        children.iter().filter_map(Descriptor::platform).map(|platform| platform.to_string()).collect();
    if names.is_empty() { "no platforms of its own".to_owned() } else { names.join(", ") }
}
