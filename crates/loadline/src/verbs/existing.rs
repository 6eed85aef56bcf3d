//! `--existing IMAGE=REFERENCE`: what another CI pushed just now, which no configuration can know.

use loadline_core::config::{Builder, Config, Existing};
use loadline_core::{Platform, Reference};

/// Puts what was named on the command line into the configuration.
pub(crate) fn take(config: &mut Config, named: &[String]) -> Result<(), String> {
    for text in named {
        let (leg, reference) = text
            .split_once('=')
            .ok_or_else(|| format!("`--existing {text}` is not written as IMAGE=REFERENCE@DIGEST"))?;
        let (name, platform) = match leg.split_once(':') {
            Some((name, platform)) => {
                let platform = platform.parse::<Platform>();
                (name, Some(platform.map_err(|error| format!("`--existing {text}`: {error}"))?))
            }
            None => (leg, None),
        };
        let reference: Reference =
            reference.parse().map_err(|error| format!("`--existing {text}`: {error}"))?;
        if reference.digest.is_none() {
            return Err(format!(
                "`--existing {text}` names no digest, and a tag can move between two readings"
            ));
        }
        let known: Vec<String> = config.images.keys().cloned().collect();
        let Some(image) = config.images.get_mut(name) else {
            return Err(format!(
                "`--existing {text}`: there is no image `{name}`; there are {}",
                known.join(", ")
            ));
        };
        if image.builder != Builder::Existing {
            let builder = image.builder.name();
            return Err(format!("`--existing {text}`: `{name}` is built by `{builder}`, not by `existing`"));
        }
        image.existing = Some(match (platform, image.existing.take()) {
            (None, _) => Existing::Whole(reference),
            (Some(platform), Some(Existing::Platforms(mut platforms))) => {
                platforms.insert(platform, reference);
                Existing::Platforms(platforms)
            }
            (Some(platform), _) => Existing::Platforms([(platform, reference)].into_iter().collect()),
        });
    }
    Ok(())
}
