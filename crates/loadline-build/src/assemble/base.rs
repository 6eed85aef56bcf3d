//! Images that are built on or copied from: fetched once, pinned to the digest that was read first,
//! checked layer by layer against what their configuration says.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loadline_core::{Digest, Hasher, Platform, Reference, media_type};
use loadline_registry::image::ImageManifest;
use loadline_registry::{Client, Descriptor, Manifest, RegistryError, Repository};
use tokio::sync::OnceCell;

use super::config::Config;
use super::context::Context;
use super::error::Problem;
use super::spool::{Spool, SpooledLayer};
use super::tree::{Content, Tree};
use super::unpack::apply_layer;
use crate::built::BaseImageUsed;
use crate::request::NamedContext;

/// How large an image configuration may be.
const MAX_CONFIG_BYTES: u64 = 8 << 20;
/// How large a base image's compressed layer may be.
const MAX_LAYER_BYTES: u64 = 32 << 30;
/// How many layers an image may have: what overlay file systems can stack.
const MAX_LAYERS: usize = 500;

/// What a name outside the Dockerfile stands for.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Image(Arc<BaseImage>),
    Directory(Arc<Context>),
}

/// An image, its layers on disk.
#[derive(Debug)]
pub(crate) struct BaseImage {
    pub(crate) tree: Tree,
    pub(crate) config: Config,
    pub(crate) layers: Vec<BaseLayer>,
    pub(crate) used: BaseImageUsed,
    /// Where it came from, so that its blobs can be taken over rather than sent.
    pub(crate) repository: Repository,
}

/// A layer of it, as its manifest has it, in OCI's words.
#[derive(Debug, Clone)]
pub(crate) struct BaseLayer {
    pub(crate) descriptor: Descriptor,
    pub(crate) file: PathBuf,
}

/// Where an image is.
#[derive(Debug, Clone)]
struct Source {
    /// As messages and the provenance call it.
    name: String,
    repository: Repository,
    /// Tag or digest; none for the only image of a layout.
    target: Option<String>,
}

type Slots<K, V> = Mutex<HashMap<K, Arc<OnceCell<V>>>>;

/// Fetches images, each once.
#[derive(Debug)]
pub(crate) struct BaseImages {
    client: Client,
    tops: Slots<String, Manifest>,
    images: Slots<(String, Platform), Arc<BaseImage>>,
    pins: Mutex<BTreeMap<String, Digest>>,
}

fn slot<K: std::hash::Hash + Eq, V>(slots: &Slots<K, V>, key: K) -> Arc<OnceCell<V>> {
    Arc::clone(slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}

impl BaseImages {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, tops: Mutex::default(), images: Mutex::default(), pins: Mutex::default() }
    }

    /// The digests that names were read to, or were given beforehand.
    pub(crate) fn pins(&self) -> BTreeMap<String, Digest> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a name to be this digest, without asking its tag.
    pub(crate) fn pin(&self, name: &str, digest: Digest) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), digest);
    }

    /// Loads an image for a platform.
    pub(crate) async fn load(
        &self,
        name: &str,
        platform: &Platform,
        context: &Path,
        contexts: &BTreeMap<String, NamedContext>,
        spool: &Arc<Spool>,
    ) -> Result<Arc<BaseImage>, Problem> {
        let source = self.source(name, context, contexts)?;
        let cell = slot(&self.images, (source.name.clone(), platform.clone()));
        cell.get_or_try_init(|| self.fetch(&source, platform, spool)).await.cloned()
    }

    fn source(
        &self,
        name: &str,
        context: &Path,
        contexts: &BTreeMap<String, NamedContext>,
    ) -> Result<Source, Problem> {
        let at_registry = |reference: &Reference| Source {
            name: tagged(reference).to_string(),
            repository: Repository::at(&self.client, reference.repository.clone()),
            target: Some(reference.target()),
        };
        let layout = |directory: &Path, target: Option<&str>| Source {
            name: format!(
                "oci-layout://{}{}",
                directory.display(),
                target
                    .map(|target| format!("{}{target}", if target.contains(':') { "@" } else { ":" }))
                    .unwrap_or_default()
            ),
            repository: Repository::layout(context.join(directory)),
            target: target.map(str::to_owned),
        };
        Ok(match contexts.get(name) {
            Some(NamedContext::Image(reference)) => at_registry(reference),
            Some(NamedContext::OciLayout { directory, target }) => layout(directory, target.as_deref()),
            Some(NamedContext::Directory(_)) => {
                return Err(Problem::DirectoryAsBase { name: name.to_owned() });
            }
            None => match name.strip_prefix("oci-layout://") {
                Some(written) => {
                    let (directory, target) = split_layout(written);
                    layout(Path::new(directory), target)
                }
                None => at_registry(&name.parse::<Reference>()?),
            },
        })
    }

    async fn top(&self, source: &Source) -> Result<Manifest, Problem> {
        let failed =
            |error: RegistryError| Problem::Fetch { name: source.name.clone(), source: Box::new(error) };
        let cell = slot(&self.tops, source.name.clone());
        cell.get_or_try_init(|| async {
            let pinned = self.pins().get(&source.name).map(ToString::to_string);
            let target = match (pinned, &source.target) {
                (Some(digest), _) => digest,
                (None, Some(target)) => target.clone(),
                (None, None) => only_image(source).await?,
            };
            let manifest = source.repository.manifest(&target).await.map_err(failed)?;
            self.pin(&source.name, manifest.digest().clone());
            Ok(manifest)
        })
        .await
        .cloned()
    }

    async fn fetch(
        &self,
        source: &Source,
        platform: &Platform,
        spool: &Arc<Spool>,
    ) -> Result<Arc<BaseImage>, Problem> {
        let name = &source.name;
        let failed = |error: RegistryError| Problem::Fetch { name: name.clone(), source: Box::new(error) };
        let bad = |reason: String| Problem::BadImage { name: name.clone(), reason };
        let top = self.top(source).await?;
        let (manifest, found) = if top.is_index() {
            let index = top.as_index().map_err(|kind| bad(kind.to_string()))?;
            let available: Vec<(Platform, &Descriptor)> =
                index.images().filter_map(|entry| Some((entry.platform()?, entry))).collect();
            let (found, entry) = choose(&available, platform).ok_or_else(|| Problem::NoSuchPlatform {
                name: name.clone(),
                wanted: platform.clone(),
                available: available.iter().map(|(platform, _)| platform.clone()).collect(),
            })?;
            (source.repository.manifest(&entry.digest.to_string()).await.map_err(failed)?, Some(found))
        } else {
            (top.clone(), None)
        };
        let image: ImageManifest = manifest.as_image().map_err(|kind| bad(kind.to_string()))?;
        if image.layers.len() > MAX_LAYERS {
            return Err(bad(format!(
                "it has {} layers, more than the {MAX_LAYERS} that are read",
                image.layers.len()
            )));
        }
        let bytes = source.repository.blob(&image.config, MAX_CONFIG_BYTES).await.map_err(failed)?;
        let config = Config::read(&bytes)
            .map_err(|error| bad(format!("its configuration cannot be read: {error}")))?;
        let said = Platform::new(&config.os, &config.architecture, config.variant.as_deref());
        if found.is_none() && choose(&[(said.clone(), ())], platform).is_none() {
            return Err(Problem::NoSuchPlatform {
                name: name.clone(),
                wanted: platform.clone(),
                available: vec![said],
            });
        }
        if config.rootfs.diff_ids.len() != image.layers.len() {
            let (layers, ids) = (image.layers.len(), config.rootfs.diff_ids.len());
            return Err(bad(format!("its manifest has {layers} layers, its configuration {ids}")));
        }
        let mut layers = Vec::new();
        for layer in &image.layers {
            if layer.size > MAX_LAYER_BYTES {
                return Err(bad(format!(
                    "layer {} has {} bytes, more than are read",
                    layer.digest, layer.size
                )));
            }
            let media_type = oci_layer(&layer.media_type).ok_or_else(|| {
                bad(format!("layer {} is a {}, which is not read", layer.digest, layer.media_type))
            })?;
            let descriptor = Descriptor::new(media_type, layer.digest.clone(), layer.size);
            layers.push(BaseLayer { descriptor, file: spool.file("base") });
        }
        let fetches = layers.iter().zip(&image.layers).map(|(layer, as_written)| async {
            // A layer that another one repeats is fetched again: it is rare, and the files stay apart.
            source.repository.blob_to_file(as_written, &layer.file).await.map_err(failed)
        });
        futures_util::future::try_join_all(fetches).await?;
        let (tree, layers, config) = {
            let name = name.clone();
            let task = tokio::task::spawn_blocking(move || {
                let tree = read_layers(&name, &layers, &config.rootfs.diff_ids)?;
                Ok::<_, Problem>((tree, layers, config))
            });
            let stopped = |error: tokio::task::JoinError| bad(format!("reading it stopped: {error}"));
            task.await.map_err(stopped)??
        };
        let mut config = config;
        config.set_platform(&said);
        let used = BaseImageUsed {
            name: name.clone(),
            digest: top.digest().clone(),
            manifest: Some(manifest.digest().clone()),
            platform: said,
        };
        Ok(Arc::new(BaseImage { tree, config, layers, used, repository: source.repository.clone() }))
    }
}

/// A reference with the tag that docker would take.
fn tagged(reference: &Reference) -> Reference {
    let mut reference = reference.clone();
    if reference.tag.is_none() && reference.digest.is_none() {
        reference.tag = Some("latest".to_owned());
    }
    reference
}

/// `PATH@sha256:…`, `PATH:tag`, `PATH`.
pub(crate) fn split_layout(text: &str) -> (&str, Option<&str>) {
    if let Some((directory, digest)) = text.rsplit_once('@')
        && digest.parse::<Digest>().is_ok()
    {
        return (directory, Some(digest));
    }
    match text.rsplit_once(':') {
        Some((directory, tag))
            if !directory.is_empty() && loadline_core::reference::check_tag(tag).is_ok() =>
        {
            (directory, Some(tag))
        }
        _ => (text, None),
    }
}

/// The tag or digest of the only image in a layout; where there are several, `latest`.
async fn only_image(source: &Source) -> Result<String, Problem> {
    let name = source.name.clone();
    let failed = |error: RegistryError| Problem::Fetch { name: name.clone(), source: Box::new(error) };
    let Some(directory) = source.repository.directory() else { return Ok("latest".to_owned()) };
    let entries = loadline_registry::Layout::new(directory).entries().map_err(failed)?;
    match entries.as_slice() {
        [only] => Ok(only.digest.to_string()),
        _ => Ok("latest".to_owned()),
    }
}

/// The entry for a platform: the same, else the nearest lesser variant that runs on it (as containerd's
/// platform matcher has it).
fn choose<T: Clone>(available: &[(Platform, T)], wanted: &Platform) -> Option<(Platform, T)> {
    let variants: Vec<Option<&str>> = match (wanted.architecture.as_str(), wanted.variant.as_deref()) {
        ("arm", Some("v8")) => vec![Some("v8"), Some("v7"), Some("v6"), Some("v5")],
        ("arm", Some("v7")) => vec![Some("v7"), Some("v6"), Some("v5")],
        ("arm", Some("v6")) => vec![Some("v6"), Some("v5")],
        ("amd64", Some("v4")) => vec![Some("v4"), Some("v3"), Some("v2"), None],
        ("amd64", Some("v3")) => vec![Some("v3"), Some("v2"), None],
        ("amd64", Some("v2")) => vec![Some("v2"), None],
        ("arm64", Some(variant)) => vec![Some(variant), None],
        (_, variant) => vec![variant],
    };
    variants.into_iter().find_map(|variant| {
        available
            .iter()
            .find(|(platform, _)| {
                platform.os == wanted.os
                    && platform.architecture == wanted.architecture
                    && platform.variant.as_deref() == variant
            })
            .cloned()
    })
}

/// A layer's media type in OCI's words; nothing for what is no layer, or may not be distributed.
fn oci_layer(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        media_type::OCI_LAYER | "application/vnd.docker.image.rootfs.diff.tar" => media_type::OCI_LAYER,
        media_type::OCI_LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        media_type::OCI_LAYER_ZSTD | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            media_type::OCI_LAYER_ZSTD
        }
        _ => return None,
    })
}

fn read_layers(name: &str, layers: &[BaseLayer], diff_ids: &[Digest]) -> Result<Tree, Problem> {
    let mut tree = Tree::default();
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let digest = &layer.descriptor.digest;
        let bad = |source| Problem::BadLayer { name: name.to_owned(), digest: digest.clone(), source };
        let spooled = Arc::new(SpooledLayer::new(layer.file.clone()));
        let stream = spooled.stream().map_err(|error| bad(error.into()))?;
        let mut stream = Hashed { inner: stream, hasher: Hasher::new(diff_id.algorithm()) };
        apply_layer(&mut tree, &mut stream, |offset, size| Content::Layer {
            layer: Arc::clone(&spooled),
            offset,
            size,
        })
        .map_err(bad)?;
        // The digest is of all bytes, those behind the end of the archive too.
        io::copy(&mut stream, &mut io::sink()).map_err(|error| bad(error.into()))?;
        let found = stream.hasher.finish();
        if found != *diff_id {
            return Err(Problem::BadImage {
                name: name.to_owned(),
                reason: format!("layer {digest} unpacks to {found}, but its configuration says {diff_id}"),
            });
        }
    }
    Ok(tree)
}

struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_from_their_targets() {
        let digest = Digest::of(b"x").to_string();
        let pinned = format!("/a/b@{digest}");
        assert_eq!(split_layout(&pinned), ("/a/b", Some(digest.as_str())));
        assert_eq!(split_layout("a/b:tag"), ("a/b", Some("tag")));
        assert_eq!(split_layout("a:b/c"), ("a:b/c", None));
        assert_eq!(split_layout("a/b"), ("a/b", None));
    }

    #[test]
    fn the_nearest_lesser_variant_is_taken() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let available: Vec<(Platform, u8)> =
            vec![(platform("linux/arm/v6"), 1), (platform("linux/arm/v5"), 2), (platform("linux/amd64"), 3)];
        let chosen = |text: &str| choose(&available, &platform(text)).map(|(_, n)| n);
        assert_eq!(chosen("linux/arm/v7"), Some(1));
        assert_eq!(chosen("linux/arm/v5"), Some(2));
        assert_eq!(chosen("linux/amd64/v3"), Some(3));
        assert_eq!(chosen("linux/arm64"), None);
    }

    #[test]
    fn only_layers_are_layers() {
        assert_eq!(
            oci_layer("application/vnd.docker.image.rootfs.diff.tar.gzip"),
            Some(media_type::OCI_LAYER_GZIP)
        );
        assert_eq!(oci_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), None);
        assert_eq!(oci_layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), None);
    }
}
