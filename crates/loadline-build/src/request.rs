//! What to build: the same for every builder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use loadline_core::{Digest, Platform, Reference};

/// One leg: an image for one platform.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The build context's directory.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// What messages call the Dockerfile: its path from the repository's root.
    pub dockerfile_name: String,
    /// The stage to build: its name or number; the last one where none is named.
    pub target: Option<String>,
    /// What it is built for.
    pub platform: Platform,
    /// What `BUILDPLATFORM` says. It is an input, and linux/amd64 by default, so that the result does not
    /// depend on the machine.
    pub build_platform: Platform,
    /// Build arguments in the order given; of two with one name the later counts.
    pub build_args: Vec<(String, String)>,
    /// Labels, which go over those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The time that everything in the image has, in seconds since 1970. A build argument
    /// `SOURCE_DATE_EPOCH` goes before it, as with BuildKit.
    pub source_date_epoch: i64,
    /// What labels and annotations say that it is built on; a builder that built on another refuses its own work.
    pub base: Option<BaseAnnotation>,
    /// Named contexts, which go before images and stages of the same name.
    pub contexts: BTreeMap<String, NamedContext>,
}

impl BuildRequest {
    /// A request for `Dockerfile` in a context, everything else left at its default.
    pub fn new(context: impl Into<PathBuf>, platform: Platform) -> Self {
        let context = context.into();
        Self {
            dockerfile: context.join("Dockerfile"),
            dockerfile_name: "Dockerfile".to_owned(),
            context,
            target: None,
            platform,
            build_platform: Platform::new("linux", "amd64", None),
            build_args: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            source_date_epoch: 0,
            base: None,
            contexts: BTreeMap::new(),
        }
    }
}

/// The image that another is built on, as its annotations have it (OCI annotations.md,
/// `org.opencontainers.image.base.name` and `.base.digest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseAnnotation {
    /// The image's name.
    pub reference: Reference,
    /// The digest that it was resolved to.
    pub digest: Digest,
}

/// What a named context is (`--build-context` of buildx).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory to copy from.
    Directory(PathBuf),
    /// An image in an OCI layout; a relative directory is beneath the build context.
    OciLayout {
        /// The layout.
        directory: PathBuf,
        /// A tag or digest; the only image where none is named.
        target: Option<String>,
    },
    /// An image at a registry.
    Image(Reference),
}
