//! OCI image layouts (OCI image specification, image-layout.md): a directory that is read and written like
//! a repository.

mod files;
mod index_file;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use loadline_core::Digest;
use loadline_core::media_type;
use loadline_core::reference::check_tag;

use crate::MANIFEST_LIMIT;
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::manifest::Manifest;
use crate::remote::{Collected, fallback_tag};
use crate::repository::{BlobSource, Pushed, PushedManifest, Referrers, ReferrersSource};
use crate::walk::is_of_a_digest;

/// The annotation that holds a tag.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image layout directory.
///
/// Manifests that are pushed are listed in `index.json`: those with a tag under
/// `org.opencontainers.image.ref.name`, those with a subject because that is how referrers are found, and
/// others until an index names them. Writes are atomic: content first, then `index.json` by a rename, under a
/// lock that other loadline processes respect.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: PathBuf,
}

type Outcome<T> = Result<T, RegistryError>;

impl Layout {
    /// A layout at a directory, which need not be there yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that holds a blob, whether it is there or not.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// What `index.json` lists, in its order.
    ///
    /// # Errors
    /// There is no layout, or it is of another version, or the file is none.
    pub fn entries(&self) -> Outcome<Vec<Descriptor>> {
        Ok(index_file::read(self)?.manifests)
    }

    /// What somebody means who names the layout alone: its one tag, else the one manifest in it that refers to
    /// no other.
    ///
    /// # Errors
    /// There is no layout, or there are several such; the message names the tags.
    pub fn only_target(&self) -> Outcome<String> {
        let wrong =
            |message: String| self.error("choose the image", RegistryErrorKind::Unsupported { message });
        let mut tags = self.tags()?;
        tags.retain(|tag| !is_of_a_digest(tag));
        match tags.as_slice() {
            [tag] => return Ok(tag.clone()),
            [] => {}
            many => return Err(wrong(format!("it has several tags, name one: {}", many.join(", ")))),
        }
        let mut images = Vec::new();
        for entry in self.entries()? {
            let manifest = self.read_manifest(&entry.digest, Some(&entry.media_type), "of index.json")?;
            if !manifest.as_referrer().is_ok_and(|(_, subject)| subject.is_some()) {
                images.push(entry.digest.to_string());
            }
        }
        match images.as_slice() {
            [digest] => Ok(digest.clone()),
            [] => Err(self.error("choose the image", RegistryErrorKind::NotFound)),
            many => Err(wrong(format!("it has {} images and no tags: name one by its digest", many.len()))),
        }
    }

    pub(crate) async fn blocking<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Outcome<T> + Send + 'static,
    {
        let layout = self.clone();
        match tokio::task::spawn_blocking(move || work(&layout)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let source = std::io::Error::other(error);
                let path = self.directory.clone();
                Err(self.error("work", RegistryErrorKind::Io { path, source }))
            }
        }
    }

    pub(crate) fn error(&self, asked: impl Into<String>, kind: RegistryErrorKind) -> RegistryError {
        RegistryError::new(format!("the layout {}", self.directory.display()), asked, kind)
    }

    pub(crate) fn resolve(&self, target: &str) -> Outcome<Option<Descriptor>> {
        match self.locate(target) {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn locate(&self, target: &str) -> Outcome<Descriptor> {
        if let Ok(digest) = target.parse::<Digest>() {
            let manifest = self.read_manifest(&digest, None, target)?;
            return Ok(manifest.descriptor);
        }
        let index = index_file::read(self)?;
        let asked = format!("look up the manifest {target}");
        let named =
            |entry: &&Descriptor| entry.annotations.get(REF_NAME).is_some_and(|name| names(name, target));
        let mut found = index.manifests.iter().filter(named);
        let Some(entry) = found.next() else { return Err(self.error(asked, RegistryErrorKind::NotFound)) };
        if found.any(|other| other.digest != entry.digest) {
            let message = format!("index.json lists the tag {target} for several manifests");
            return Err(self.error(asked, RegistryErrorKind::Malformed { message }));
        }
        let mut descriptor = Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size);
        descriptor.platform.clone_from(&entry.platform);
        Ok(descriptor)
    }

    pub(crate) fn manifest(&self, target: &str) -> Outcome<Manifest> {
        if let Ok(digest) = target.parse::<Digest>() {
            return self.read_manifest(&digest, None, target);
        }
        let descriptor = self.locate(target)?;
        self.read_manifest(&descriptor.digest, Some(&descriptor.media_type), target)
    }

    fn read_manifest(&self, digest: &Digest, named: Option<&str>, target: &str) -> Outcome<Manifest> {
        let asked = format!("read the manifest {target}");
        let bytes = files::read(&self.blob_path(digest), MANIFEST_LIMIT, "the manifest")
            .map_err(|kind| self.error(&asked, kind))?;
        if !digest.matches(&bytes) {
            let actual = Digest::of(&bytes).to_string();
            let expected = digest.clone();
            return Err(self.error(asked, RegistryErrorKind::DigestMismatch { expected, actual }));
        }
        Manifest::new(bytes.into(), digest.clone(), named).map_err(|kind| self.error(asked, kind))
    }

    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    pub(crate) fn blob(&self, blob: &Descriptor, limit: u64) -> Outcome<Bytes> {
        let asked = || format!("read the blob {}", blob.digest);
        if blob.size > limit {
            let limit = format!("{limit} bytes");
            return Err(self.error(asked(), RegistryErrorKind::TooLarge { what: "the blob", limit }));
        }
        if let Some(bytes) = blob.embedded() {
            return Ok(bytes.into());
        }
        let bytes = files::read(&self.blob_path(&blob.digest), blob.size, "the blob")
            .map_err(|kind| self.error(asked(), kind))?;
        if blob.digest.matches(&bytes) {
            return Ok(bytes.into());
        }
        let (expected, actual) = (blob.digest.clone(), Digest::of(&bytes).to_string());
        Err(self.error(asked(), RegistryErrorKind::DigestMismatch { expected, actual }))
    }

    pub(crate) fn blob_to_file(&self, blob: &Descriptor, path: &Path) -> Outcome<()> {
        files::copy(&self.blob_path(&blob.digest), path, &blob.digest, blob.size)
            .map_err(|kind| self.error(format!("read the blob {}", blob.digest), kind))
    }

    pub(crate) fn push_blob(&self, source: &BlobSource) -> Outcome<Pushed> {
        let digest = source.digest();
        let wrong = |kind| self.error(format!("write the blob {digest}"), kind);
        if self.has_blob(&digest) {
            return Ok(Pushed::AlreadyThere);
        }
        index_file::prepare(self).map_err(wrong)?;
        let to = self.blob_path(&digest);
        match source {
            BlobSource::Bytes(bytes) => files::write(&to, bytes),
            BlobSource::File { path, size, .. } => files::copy(path, &to, &digest, *size),
        }
        .map_err(wrong)?;
        Ok(Pushed::Sent)
    }

    /// The place of a blob that is to be written, its folder made.
    pub(crate) fn prepare_blob(&self, digest: &Digest) -> Outcome<PathBuf> {
        let path = self.blob_path(digest);
        index_file::prepare(self)
            .and_then(|()| files::folder_of(&path))
            .map_err(|kind| self.error(format!("write the blob {digest}"), kind))?;
        Ok(path)
    }

    pub(crate) fn push_manifest(&self, media_type: &str, bytes: &Bytes) -> Outcome<PushedManifest> {
        let manifest = self.check(media_type, bytes, "write")?;
        let digest = manifest.digest().clone();
        let there = self.has_blob(&digest);
        self.store(&manifest)?;
        let (descriptor, subject) = self.referrer(&manifest)?;
        index_file::update(self, |index| {
            if !index.manifests.iter().any(|entry| entry.digest == digest) {
                index.manifests.push(descriptor.clone());
            }
            drop_children(index, &manifest);
        })?;
        // Being listed in index.json is all that a referrer needs here.
        Ok(PushedManifest { digest, subject_acknowledged: subject, sent: !there })
    }

    pub(crate) fn tag(&self, tag: &str, media_type: &str, bytes: &Bytes) -> Outcome<()> {
        check_tag(tag).map_err(|error| {
            self.error(format!("tag {tag}"), RegistryErrorKind::Malformed { message: error.to_string() })
        })?;
        let manifest = self.check(media_type, bytes, "tag")?;
        self.store(&manifest)?;
        let mut descriptor = manifest.descriptor.clone();
        descriptor.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        index_file::update(self, |index| {
            for entry in &mut index.manifests {
                if entry.annotations.get(REF_NAME).is_some_and(|name| name == tag) {
                    entry.annotations.remove(REF_NAME);
                    // What lost its tag stays, so that nothing that was pushed gets lost.
                }
            }
            let digest = manifest.digest();
            let same =
                |entry: &Descriptor| entry.digest == *digest && !entry.annotations.contains_key(REF_NAME);
            index.manifests.retain(|entry| !same(entry));
            index.manifests.push(descriptor.clone());
            drop_children(index, &manifest);
        })
    }

    pub(crate) fn tags(&self) -> Outcome<Vec<String>> {
        let index = index_file::read(self)?;
        let mut tags: Vec<String> =
            index.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME).cloned()).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// What refers to a subject: every manifest of `index.json` that says so, and what other tools keep under
    /// the fallback tag.
    pub(crate) fn referrers(&self, subject: &Digest) -> Outcome<Referrers> {
        let mut all = Collected::new(subject, ReferrersSource::Layout);
        let index = match index_file::read(self) {
            Ok(index) => index,
            Err(error) if error.is_not_found() => return Ok(all.referrers),
            Err(error) => return Err(error),
        };
        let fallback = fallback_tag(subject);
        for entry in &index.manifests {
            if entry.annotations.get(REF_NAME).is_some_and(|name| *name == fallback) {
                let manifest = self.read_manifest(&entry.digest, Some(&entry.media_type), &fallback)?;
                let listed = manifest.as_index().map_err(|kind| self.error("list referrers", kind))?;
                all.add(listed.manifests);
            } else if media_type::is_manifest(&entry.media_type) || media_type::is_index(&entry.media_type) {
                let target = entry.digest.to_string();
                let manifest = self.read_manifest(&entry.digest, Some(&entry.media_type), &target)?;
                if let Ok((descriptor, Some(of))) = manifest.as_referrer()
                    && of.digest == *subject
                {
                    all.add([descriptor]);
                }
            }
        }
        Ok(all.referrers)
    }

    fn check(&self, media_type: &str, bytes: &Bytes, verb: &str) -> Outcome<Manifest> {
        let digest = Digest::of(bytes);
        let asked = format!("{verb} the manifest {digest}");
        if bytes.len() as u64 > MANIFEST_LIMIT {
            let limit = format!("{MANIFEST_LIMIT} bytes");
            return Err(self.error(asked, RegistryErrorKind::TooLarge { what: "the manifest", limit }));
        }
        let manifest = Manifest::new(bytes.clone(), digest, Some(media_type));
        manifest.map_err(|kind| self.error(asked, kind))
    }

    fn store(&self, manifest: &Manifest) -> Outcome<()> {
        let digest = manifest.digest();
        let wrong = |kind| self.error(format!("write the manifest {digest}"), kind);
        index_file::prepare(self).map_err(wrong)?;
        let path = self.blob_path(digest);
        if path.is_file() { Ok(()) } else { files::write(&path, &manifest.bytes).map_err(wrong) }
    }

    /// The entry of `index.json` for a manifest, and whether it has a subject.
    fn referrer(&self, manifest: &Manifest) -> Outcome<(Descriptor, bool)> {
        match manifest.as_referrer() {
            Ok((descriptor, subject)) => Ok((descriptor, subject.is_some())),
            Err(RegistryErrorKind::Malformed { .. })
                if !manifest.is_index() && !media_type::is_manifest(manifest.media_type()) =>
            {
                Ok((manifest.descriptor.clone(), false))
            }
            Err(kind) => Err(self.error(format!("write the manifest {}", manifest.digest()), kind)),
        }
    }
}

/// Once an index names them, its children need no entry of their own: other tools take a layout with one
/// entry for one image.
fn drop_children(index: &mut crate::image::ImageIndex, parent: &Manifest) {
    let Ok(parent) = parent.as_index() else { return };
    index.manifests.retain(|entry| {
        entry.annotations.contains_key(REF_NAME)
            || !parent.manifests.iter().any(|child| child.digest == entry.digest)
    });
}

/// Whether a name of `index.json` is a tag: some tools write the tag, some the whole reference.
fn names(name: &str, tag: &str) -> bool {
    name == tag || name.rsplit_once(':').is_some_and(|(before, last)| last == tag && before.contains('/'))
}

#[cfg(test)]
mod tests;
