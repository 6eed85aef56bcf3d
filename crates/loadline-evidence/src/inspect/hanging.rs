//! What hangs on a digest, by its own word: bundles, cosign's envelopes and signatures of old, and the rest.

use futures_util::stream::{self, StreamExt};
use loadline_core::{Digest, Failure};
use loadline_registry::image::ImageManifest;
use loadline_registry::walk::{Belongings, Item, Role};
use loadline_registry::{Descriptor, ReferrersSource, RegistryErrorKind, Repository};
use loadline_sigstore::Unverified;

use super::{Hanging, PARALLEL, failure};

/// The largest bundle that is read for its signer. Larger ones hold bills of materials; what they are of, their
/// manifest says.
const LIMIT: u64 = 4 << 20;
/// What every bundle's media type begins with.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// A DSSE envelope, as cosign puts it under `.att` tags.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// The annotations by which manifests and layers say what is inside.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
const OLD_PREDICATE_TYPE: &str = "predicateType";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CREATED: &str = "org.opencontainers.image.created";

/// Everything that hangs on something here: what it hangs on, what it says, and what stood in the way.
pub(super) async fn on(
    repository: &Repository,
    found: &Belongings,
) -> Vec<(Digest, Hanging, Option<Failure>)> {
    let mut layers = Vec::new();
    for item in &found.items {
        if let (Role::Evidence | Role::Cosign, Some(of)) = (item.role, &item.of) {
            match item.manifest.as_image() {
                // Under cosign's tags each layer is a piece of evidence by itself.
                Ok(image) if item.role == Role::Cosign => {
                    layers.extend(
                        image.layers.iter().map(|l| (of, item, Some(image.clone()), Some(l.clone()))),
                    );
                }
                Ok(image) => {
                    let layer = image.layers.first().cloned();
                    layers.push((of, item, Some(image), layer));
                }
                Err(_) => layers.push((of, item, None, None)),
            }
        }
    }
    stream::iter(layers)
        .map(|(of, item, image, layer)| async move {
            let (hanging, failure) = one(repository, item, image, layer).await;
            (of.clone(), hanging, failure)
        })
        .buffered(PARALLEL)
        .collect()
        .await
}

async fn one(
    repository: &Repository,
    item: &Item,
    image: Option<ImageManifest>,
    layer: Option<Descriptor>,
) -> (Hanging, Option<Failure>) {
    let annotation = |name: &str| {
        let own = image.as_ref().and_then(|image| image.annotations.get(name));
        own.or_else(|| layer.as_ref()?.annotations.get(name)).cloned()
    };
    let kind = match (&layer, &image) {
        (Some(layer), _) if layer.media_type.starts_with(BUNDLE) || item.role == Role::Cosign => {
            layer.media_type.clone()
        }
        (_, Some(image)) => image.artifact_type().to_owned(),
        _ => item.manifest.media_type().to_owned(),
    };
    let mut hanging = Hanging {
        digest: item.manifest.digest().clone(),
        artifact_type: kind,
        predicate_type: annotation(PREDICATE_TYPE).or_else(|| annotation(OLD_PREDICATE_TYPE)),
        signer: annotation(CERTIFICATE).as_deref().and_then(Unverified::signer_of_pem),
        found: place(item),
        size: layer.as_ref().map_or(0, |layer| layer.size),
        created: annotation(CREATED),
        note: None,
    };
    let Some(layer) = layer else { return (hanging, None) };
    let bundle = layer.media_type.starts_with(BUNDLE);
    if !bundle && layer.media_type != ENVELOPE {
        return (hanging, None);
    }
    if layer.size > LIMIT {
        hanging.note = Some(format!("not read: it has {} bytes", layer.size));
        return (hanging, None);
    }
    let bytes = match repository.blob(&layer, LIMIT).await {
        Ok(bytes) => bytes,
        Err(error) => {
            hanging.note = Some(error.to_string());
            let gone = matches!(error.kind(), RegistryErrorKind::NotFound);
            return (hanging, (!gone).then(|| failure(&error)));
        }
    };
    let said = match bundle {
        true => Unverified::of_bundle(&bytes),
        false => Unverified::of_envelope(&bytes, layer.annotations.get(CERTIFICATE).map(String::as_str)),
    };
    match said {
        Ok(said) => {
            hanging.signer = said.signer.or(hanging.signer);
            // The statement's word goes before the annotation's: this is what would be verified.
            hanging.predicate_type = said.predicate_type.or(hanging.predicate_type);
            let subject = item.of.as_ref();
            if !said.subjects.is_empty()
                && !subject.is_some_and(|of| said.subjects.iter().any(|subject| subject.is(of)))
            {
                hanging.note = Some("its statement speaks of something else".to_owned());
            }
        }
        Err(error) => hanging.note = Some(error.to_string()),
    }
    (hanging, None)
}

fn place(item: &Item) -> String {
    match (&item.tag, item.listed) {
        (Some(tag), _) => format!("the tag {tag}"),
        (None, Some(ReferrersSource::FallbackTag)) => "the fallback tag".to_owned(),
        (None, Some(ReferrersSource::Layout)) => "the layout".to_owned(),
        _ => "the referrers API".to_owned(),
    }
}
