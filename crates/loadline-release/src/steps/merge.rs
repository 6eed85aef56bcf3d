//! Joining each image's legs into an index, by digest.

use bytes::Bytes;
use loadline_core::Outcome;

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::join::{Joined, join};
use crate::release::{Index, Progress, Release};

/// Builds and pushes every index.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Merge, release.plan.images.len());
    for image in &release.plan.images {
        let legs = progress.legs.iter().filter(|leg| leg.image == image.name);
        let Joined { descriptor, bytes, children } = join(image, legs, release.key_of(image)?.as_deref())?;
        let index = Index { image: image.name.clone(), descriptor, bytes, children };
        let digest = index.descriptor.digest.clone();
        let mut unchanged = true;
        for (repository, name) in release.repositories(image).iter().zip(&image.repositories) {
            let bytes = Bytes::from(index.bytes.clone());
            let push = async {
                repository.push_manifest(&index.descriptor.media_type, bytes).await?;
                Ok(())
            };
            let key = format!("merge {name} {}", image.name);
            unchanged &= release.ensure_manifest(&key, repository, &digest, push).await?;
        }
        release.part(Step::Merge, &image.name, unchanged);
        release.listener.hear(&Event::IndexMerged { image: image.name.clone(), digest });
        progress.indexes.push(index);
    }
    Ok(Outcome::new())
}
