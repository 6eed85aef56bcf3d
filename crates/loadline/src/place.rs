//! Where an image is: a reference to a registry, or `oci:DIR[:TAG]`, an image layout on disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use loadline_core::reference::check_tag;
use loadline_core::{Digest, Reference};
use loadline_registry::{Client, Http, HttpOptions, Layout, Options, RegistryError, Repository};

use crate::world::World;

/// Where an image is or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a registry.
    Registry(Reference),
    /// In an image layout.
    Layout {
        /// The directory, as it was given.
        directory: PathBuf,
        /// A tag or digest; none where the layout has one image.
        target: Option<String>,
    },
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("oci:") else {
            return text
                .parse()
                .map(Self::Registry)
                .map_err(|error: loadline_core::reference::ReferenceError| error.to_string());
        };
        let (directory, target) = match rest.split_once('@') {
            Some((directory, digest)) => {
                let digest: Digest = digest.parse().map_err(|error| format!("`{text}`: {error}"))?;
                (directory, Some(digest.to_string()))
            }
            // What has a slash behind the colon is a path, and no tag.
            None => match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
                Some((directory, tag)) => {
                    check_tag(tag).map_err(|error| error.to_string())?;
                    (directory, Some(tag.to_owned()))
                }
                None => (rest, None),
            },
        };
        if directory.is_empty() {
            return Err(format!("`{text}` names no directory: write oci:DIR or oci:DIR:TAG"));
        }
        Ok(Self::Layout { directory: PathBuf::from(directory), target })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout { directory, target: None } => write!(f, "oci:{}", directory.display()),
            Self::Layout { directory, target: Some(target) } => {
                let between = if target.contains(':') { '@' } else { ':' };
                write!(f, "oci:{}{between}{target}", directory.display())
            }
        }
    }
}

impl Place {
    /// The repository or layout.
    pub(crate) fn repository(&self, client: &Client, folder: &Path) -> Repository {
        match self {
            Self::Registry(reference) => Repository::at(client, reference.repository.clone()),
            Self::Layout { directory, .. } => Repository::layout(folder.join(directory)),
        }
    }

    /// The tag or digest to ask for; of a layout that has one image, that one.
    pub(crate) fn target(&self, folder: &Path) -> Result<String, RegistryError> {
        match self {
            Self::Registry(reference) => Ok(reference.target()),
            Self::Layout { target: Some(target), .. } => Ok(target.clone()),
            Self::Layout { directory, target: None } => Layout::new(folder.join(directory)).only_target(),
        }
    }

    /// The tag that was written, if one was.
    pub(crate) fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag.as_deref(),
            Self::Layout { target, .. } => target.as_deref().filter(|target| !target.contains(':')),
        }
    }

    /// Whether a digest was written.
    pub(crate) fn has_digest(&self) -> bool {
        match self {
            Self::Registry(reference) => reference.digest.is_some(),
            Self::Layout { target, .. } => target.as_deref().is_some_and(|target| target.contains(':')),
        }
    }

    /// The same place, by digest.
    pub(crate) fn pinned(&self, digest: &Digest) -> String {
        match self {
            Self::Registry(reference) => reference.repository.at(digest).to_string(),
            Self::Layout { directory, .. } => format!("oci:{}@{digest}", directory.display()),
        }
    }
}

/// A client for registries, by this world's environment and clock.
pub(crate) fn client(world: &World) -> Client {
    let environment = world.environment.clone();
    let http = Http::new(HttpOptions { environment: environment.clone(), ..HttpOptions::default() });
    Client::new(http, Options { environment, clock: world.clock, ..Options::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["oci:usb", "oci:/mnt/usb:1.0.0", "oci:a:b/c", "ghcr.io/acme/widget:1", "oci:../x:latest"]
        {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let digest = Digest::of("x");
        let place: Place = format!("oci:usb@{digest}").parse().unwrap();
        assert!(place.has_digest() && place.tag().is_none());
        assert_eq!(place.to_string(), format!("oci:usb@{digest}"));
        let tagged: Place = "oci:/mnt/usb:1.0.0".parse().unwrap();
        assert_eq!(
            (tagged.tag(), tagged.target(Path::new("/")).unwrap()),
            (Some("1.0.0"), "1.0.0".to_owned())
        );
        for bad in ["oci:", "oci:x:", "oci:x@sha256:1", "oci::tag", "Bad Name"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
