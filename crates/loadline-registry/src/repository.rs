//! A repository at a registry or an image layout directory: the same calls for both.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use loadline_core::{Digest, RepositoryName};

use crate::attach::{self, Attached};
use crate::client::Client;
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::layout::Layout;
use crate::manifest::Manifest;
use crate::remote::Remote;

/// A repository at a registry, or an OCI image layout directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository(pub(crate) Kind);

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Remote(Remote),
    Layout(Layout),
}

/// A blob to push.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// Bytes in memory; their digest is computed.
    Bytes(Bytes),
    /// A file that is streamed.
    File {
        /// The file.
        path: PathBuf,
        /// Its digest.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
}

impl BlobSource {
    /// The blob's digest.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::File { digest, .. } => digest.clone(),
        }
    }

    /// The blob's size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// How a blob came to be at a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pushed {
    /// It was sent.
    Sent,
    /// It was there already; nothing was sent.
    AlreadyThere,
    /// It was taken over from another repository of the same registry; nothing was sent.
    Mounted,
}

/// A manifest that is at a repository now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Whether the registry said that it lists the manifest among its subject's referrers (`OCI-Subject`).
    /// Always false where nothing was sent: the registry was not asked.
    pub subject_acknowledged: bool,
    /// Whether it was sent; false where it was there already.
    pub sent: bool,
}

/// What refers to a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The referrers, each once, the subject itself left out. Never trust their artifact type: some clients
    /// and registries write a wrong one. Look inside.
    pub descriptors: Vec<Descriptor>,
    /// Where they were listed.
    pub source: ReferrersSource,
    /// Whether these are all; false where a limit on pages or entries was hit.
    pub complete: bool,
}

/// Tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// Their names, in the registry's order.
    pub names: Vec<String>,
    /// Whether these are all.
    pub complete: bool,
}

/// Where referrers were listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferrersSource {
    /// The registry's API.
    Api,
    /// The fallback tag, kept by clients.
    FallbackTag,
    /// An image layout.
    Layout,
}

impl Repository {
    /// A repository at a registry.
    pub fn at(client: &Client, name: RepositoryName) -> Self {
        Self(Kind::Remote(Remote { client: client.clone(), name }))
    }

    /// An image layout directory; it is made with the first write.
    pub fn layout(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Layout(Layout::new(path)))
    }

    /// The repository's name, where it is at a registry.
    pub fn name(&self) -> Option<&RepositoryName> {
        match &self.0 {
            Kind::Remote(remote) => Some(&remote.name),
            Kind::Layout(_) => None,
        }
    }

    /// The layout's directory, where it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Remote(_) => None,
            Kind::Layout(layout) => Some(layout.directory()),
        }
    }

    /// An error about this repository, for what a caller finds wrong in what it read.
    pub fn error(&self, asked: impl Into<String>, kind: RegistryErrorKind) -> RegistryError {
        RegistryError::new(self, asked, kind)
    }

    /// What a tag or a digest leads to; none where there is no such thing.
    pub async fn resolve(&self, target: &str) -> Result<Option<Descriptor>, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.resolve(target).await,
            Kind::Layout(layout) => {
                let target = target.to_owned();
                layout.blocking(move |layout| layout.resolve(&target)).await
            }
        }
    }

    /// A manifest or index by tag or digest, at most 4 MiB, its digest checked, its bytes as they came.
    pub async fn manifest(&self, target: &str) -> Result<Manifest, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.manifest(target).await,
            Kind::Layout(layout) => {
                let target = target.to_owned();
                layout.blocking(move |layout| layout.manifest(&target)).await
            }
        }
    }

    /// A manifest by digest, where it is there.
    pub async fn find_manifest(&self, target: &str) -> Result<Option<Manifest>, RegistryError> {
        match self.manifest(target).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A blob's bytes, digest and size checked; refused before it is asked for where it says that it is larger
    /// than the limit.
    pub async fn blob(&self, blob: &Descriptor, limit: u64) -> Result<Bytes, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.blob(blob, limit).await,
            Kind::Layout(layout) => {
                let blob = blob.clone();
                layout.blocking(move |layout| layout.blob(&blob, limit)).await
            }
        }
    }

    /// Streams a blob into a file, digest and size checked; the file appears only when it is whole.
    pub async fn blob_to_file(&self, blob: &Descriptor, path: &Path) -> Result<(), RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.blob_to_file(blob, path).await,
            Kind::Layout(layout) => {
                let (blob, path) = (blob.clone(), path.to_owned());
                layout.blocking(move |layout| layout.blob_to_file(&blob, &path)).await
            }
        }
    }

    /// Whether a blob is there.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.has_blob(digest).await,
            Kind::Layout(layout) => {
                let digest = digest.clone();
                layout.blocking(move |layout| Ok(layout.has_blob(&digest))).await
            }
        }
    }

    /// Pushes a blob; nothing is sent where it is there already.
    pub async fn push_blob(&self, source: BlobSource) -> Result<Pushed, RegistryError> {
        self.push_blob_or_mount(source, None).await
    }

    /// Pushes a blob, or lets the registry take it from another of its repositories where it can.
    pub async fn push_blob_or_mount(
        &self,
        source: BlobSource,
        from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.push_blob(&source, from).await,
            Kind::Layout(layout) => layout.blocking(move |layout| layout.push_blob(&source)).await,
        }
    }

    /// Lets the registry take a blob from another of its repositories; false where it cannot.
    pub async fn mount_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<bool, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.mount_blob(digest, from).await,
            Kind::Layout(_) => self.has_blob(digest).await,
        }
    }

    /// Copies a blob from another repository, in constant memory: taken over within one registry where that
    /// can do so, streamed otherwise; nothing is sent where it is there already.
    pub async fn copy_blob(&self, blob: &Descriptor, from: &Self) -> Result<Pushed, RegistryError> {
        match (&self.0, &from.0) {
            (Kind::Remote(to), Kind::Remote(from)) => to.copy_blob(blob, from).await,
            (_, Kind::Layout(layout)) => {
                let (digest, size) = (blob.digest.clone(), blob.size);
                self.push_blob(BlobSource::File { path: layout.blob_path(&digest), digest, size }).await
            }
            (Kind::Layout(layout), Kind::Remote(from)) => {
                if layout.has_blob(&blob.digest) {
                    return Ok(Pushed::AlreadyThere);
                }
                let digest = blob.digest.clone();
                let path = layout.blocking(move |layout| layout.prepare_blob(&digest)).await?;
                from.blob_to_file(blob, &path).await?;
                Ok(Pushed::Sent)
            }
        }
    }

    /// Pushes a manifest by its digest; nothing is sent where it is there already. What it names must be
    /// there before.
    pub async fn push_manifest(
        &self,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<PushedManifest, RegistryError> {
        let bytes = bytes.into();
        match &self.0 {
            Kind::Remote(remote) => remote.push_manifest(media_type, bytes).await,
            Kind::Layout(layout) => {
                let media_type = media_type.to_owned();
                layout.blocking(move |layout| layout.push_manifest(&media_type, &bytes)).await
            }
        }
    }

    /// Sends a manifest by its digest without asking whether it is there: one request, which changes nothing
    /// where it is. What it names must be there before.
    pub async fn put_manifest(&self, media_type: &str, bytes: impl Into<Bytes>) -> Result<(), RegistryError> {
        let bytes = bytes.into();
        match &self.0 {
            Kind::Remote(remote) => {
                let target = Digest::of(&bytes).to_string();
                remote.put_digest(&target, media_type, bytes).await.map(|_| ())
            }
            Kind::Layout(_) => self.push_manifest(media_type, bytes).await.map(|_| ()),
        }
    }

    /// Gives a manifest a tag, whatever the tag led to before.
    pub async fn tag(
        &self,
        tag: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<(), RegistryError> {
        let bytes = bytes.into();
        match &self.0 {
            Kind::Remote(remote) => remote.tag(tag, media_type, bytes).await,
            Kind::Layout(layout) => {
                let (tag, media_type) = (tag.to_owned(), media_type.to_owned());
                layout.blocking(move |layout| layout.tag(&tag, &media_type, &bytes)).await
            }
        }
    }

    /// All tags.
    pub async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.tags().await,
            Kind::Layout(layout) => layout.blocking(Layout::tags).await,
        }
    }

    /// The tags on the first pages of the registry's list, of 1,000 tags each unless it gives fewer. A layout's
    /// are always complete.
    pub async fn first_tags(&self, pages: usize) -> Result<Tags, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.first_tags(pages).await,
            Kind::Layout(layout) => {
                let names = layout.blocking(Layout::tags).await?;
                Ok(Tags { names, complete: true })
            }
        }
    }

    /// What refers to a subject: by the registry's API, else by the fallback tag. A registry that could not
    /// say is an error, never "none".
    pub async fn referrers(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.referrers(subject).await,
            Kind::Layout(layout) => {
                let subject = subject.clone();
                layout.blocking(move |layout| layout.referrers(&subject)).await
            }
        }
    }

    /// What the fallback tag lists, API or not: a registry that has got the API lately may still hold old
    /// evidence there.
    pub async fn fallback_referrers(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        match &self.0 {
            Kind::Remote(remote) => remote.fallback_referrers(subject).await,
            Kind::Layout(_) => self.referrers(subject).await,
        }
    }

    /// Pushes a manifest that has a subject, and sees to it that it is found among the subject's referrers:
    /// by the registry's own doing, else through the fallback tag.
    pub async fn attach(&self, media_type: &str, bytes: impl Into<Bytes>) -> Result<Attached, RegistryError> {
        attach::attach(self, media_type, bytes.into()).await
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Remote(remote) => remote.name.fmt(f),
            Kind::Layout(layout) => write!(f, "the layout {}", layout.directory().display()),
        }
    }
}
