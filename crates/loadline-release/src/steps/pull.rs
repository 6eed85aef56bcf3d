//! The set, pulled once more as its users will: every manifest and all evidence, the signed verdict among it,
//! and without credentials where everyone may pull.

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use loadline_core::predicate::verification_summary;
use loadline_core::{Failure, Finding, Outcome, RepositoryName};
use loadline_evidence::verify_image;
use loadline_registry::{Manifest, RegistryError, RegistryErrorKind, Repository};

use crate::codes::IMAGE_NOT_PUBLIC;
use crate::error::ReleaseError;
use crate::event::Step;
use crate::plan::PlannedImage;
use crate::release::{Index, PARALLEL, Progress, Release};

/// Pulls every image from every repository. Once the tags are written, it is for others to pull.
pub(crate) async fn run(release: &Release<'_>, progress: &Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Pull, progress.indexes.len());
    if release.ledger.completed() {
        for index in &progress.indexes {
            release.part(Step::Pull, &index.image, true);
        }
        return Ok(Outcome::new());
    }
    let mut demanded = release.predicate_types.to_vec();
    if !demanded.iter().any(|demanded| demanded == verification_summary::PREDICATE_TYPE) {
        demanded.push(verification_summary::PREDICATE_TYPE.to_owned());
    }
    let demanded = &demanded;
    let images = progress.indexes.iter().map(|index| async move {
        let mut outcome = Outcome::new();
        let Some(image) = release.planned(&index.image) else { return outcome };
        let places = 0..image.repositories.len();
        let pulled = places.map(|place| pull(release, image, index, place, demanded));
        for pulled in join_all(pulled).await {
            outcome.merge(pulled);
        }
        release.part(Step::Pull, &index.image, false);
        outcome
    });
    let mut outcome = Outcome::new();
    for pulled in join_all(images).await {
        for finding in pulled.findings {
            // Images share repositories: what is wrong with one is said once.
            let said = |other: &Finding| {
                finding.code.name == IMAGE_NOT_PUBLIC.name && other.message == finding.message
            };
            if !outcome.findings.iter().any(said) {
                outcome.findings.push(finding);
            }
        }
        outcome.failures.extend(pulled.failures);
    }
    Ok(outcome)
}

async fn pull(
    release: &Release<'_>,
    image: &PlannedImage,
    index: &Index,
    place: usize,
    demanded: &[String],
) -> Outcome {
    let digest = &index.descriptor.digest;
    let Some(name) = image.repositories.get(place) else { return Outcome::new() };
    let public = release.is_public(image, place);
    let repository = match public {
        true => Repository::at(&release.everyone, name.clone()),
        false => Repository::at(&release.client, name.clone()),
    };
    let whole = match repository.manifest(&digest.to_string()).await {
        Ok(manifest) => manifests(&repository, &manifest).await,
        Err(error) => Err(error),
    };
    if let Err(error) = whole {
        return match public && is_refusal(&error) {
            true => Outcome::from(vec![not_public(name, &error)]),
            false => Failure::from(&error).into(),
        };
    }
    verify_image(&repository, digest, &release.consumer(demanded, &image.platforms)).await.outcome
}

/// Reads all that an index lists: images, and what BuildKit attests of them. Each is held against its digest.
async fn manifests(repository: &Repository, manifest: &Manifest) -> Result<(), RegistryError> {
    let index = manifest.as_index().map_err(|kind| repository.error("read the index", kind))?;
    let read = stream::iter(index.manifests.iter().map(|child| child.digest.to_string()))
        .map(|child| async move { repository.manifest(&child).await })
        .buffered(PARALLEL)
        .collect::<Vec<_>>();
    read.await.into_iter().try_for_each(|read| read.map(drop))
}

/// Registries tell strangers nothing of what is private: it is refused, or not there.
fn is_refusal(error: &RegistryError) -> bool {
    matches!(
        error.kind(),
        RegistryErrorKind::NotFound
            | RegistryErrorKind::Unauthorised { .. }
            | RegistryErrorKind::Denied { .. }
    )
}

fn not_public(name: &RepositoryName, error: &RegistryError) -> Finding {
    let message =
        format!("{name} is to be public, but cannot be pulled from without credentials: {}", error.kind());
    Finding::error(&IMAGE_NOT_PUBLIC, message).help(where_to_change(name))
}

/// Where a repository's visibility is changed, and what goes on after that.
fn where_to_change(name: &RepositoryName) -> String {
    let (owner, rest) = name.path().split_once('/').unwrap_or((name.path(), ""));
    let place = match name.registry() {
        "ghcr.io" => format!(
            "a first push to GitHub's registry is private: change the visibility of the package `{rest}` at \
             https://github.com/{owner}?tab=packages (Package settings, Change visibility)"
        ),
        "docker.io" => format!(
            "make it public at https://hub.docker.com/repository/docker/{}/settings (Visibility settings)",
            name.path()
        ),
        "quay.io" => format!("make it public at https://quay.io/repository/{}?tab=settings", name.path()),
        registry => format!("make the repository `{}` public at {registry}", name.path()),
    };
    format!(
        "{place}; or take `public` out of the configuration. Then run again: the release goes on from here"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_to_change_it_is_named() {
        let at = |name: &str| where_to_change(&name.parse().unwrap());
        assert!(
            at("ghcr.io/acme/widget/api").contains("`widget/api` at https://github.com/acme?tab=packages")
        );
        assert!(
            at("docker.io/acme/widget").contains("hub.docker.com/repository/docker/acme/widget/settings")
        );
        assert!(at("registry.example.com/a/b").contains("`a/b` public at registry.example.com"));
    }
}
