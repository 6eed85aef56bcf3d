//! Blobs pushed: looked for first, mounted where they are next door, else sent whole.

use http::Method;
use http::header::{CONTENT_TYPE, LOCATION};
use loadline_core::{Digest, RepositoryName};
use url::Url;

use super::Remote;
use crate::client::{Access, Body, Request, Tally};
use crate::descriptor::Descriptor;
use crate::error::RegistryError;
use crate::repository::{BlobSource, Pushed};

impl Remote {
    /// Pushes a blob unless it is there. Concurrent pushes of one blob send it once.
    pub(crate) async fn push_blob(
        &self,
        source: &BlobSource,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        let digest = source.digest();
        let slot = self.client.blob_slot(&self.name, &digest);
        let mut there = slot.lock().await;
        if *there || self.has_blob(&digest).await? {
            *there = true;
            return Ok(Pushed::AlreadyThere);
        }
        let mount_from =
            mount_from.filter(|other| other.registry() == self.name.registry() && **other != self.name);
        // A session that broke is not taken up again but begun anew: many registries end it with the
        // connection.
        let mut attempts = self.client.attempts();
        loop {
            match self.upload(source, &digest, mount_from).await {
                Ok(pushed) => {
                    *there = true;
                    Tally::add(&self.client.tally().blobs_pushed, 1);
                    return Ok(pushed);
                }
                Err(error) if attempts.again(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Mounts a blob of another repository of the same registry; false where the registry did not.
    pub(crate) async fn mount_blob(
        &self,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool, RegistryError> {
        if from.registry() != self.name.registry() {
            return Ok(false);
        }
        let slot = self.client.blob_slot(&self.name, digest);
        let mut there = slot.lock().await;
        if *there || self.has_blob(digest).await? {
            *there = true;
            return Ok(true);
        }
        let mut attempts = self.client.attempts();
        loop {
            match self.open_upload(digest, Some(from)).await {
                Ok(None) => {
                    *there = true;
                    Tally::add(&self.client.tally().blobs_pushed, 1);
                    return Ok(true);
                }
                Ok(Some(_)) => return Ok(false),
                Err(error) if attempts.again(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn upload(
        &self,
        source: &BlobSource,
        digest: &Digest,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        let Some(upload) = self.open_upload(digest, mount_from).await? else {
            return Ok(Pushed::Mounted);
        };
        let body = match source {
            BlobSource::Bytes(bytes) if bytes.is_empty() => Body::Empty,
            BlobSource::Bytes(bytes) => Body::Bytes(bytes.clone()),
            BlobSource::File { path, size, .. } => Body::File { path: path.clone(), size: *size },
        };
        self.send_upload(upload, digest, body).await
    }

    /// Copies a blob from another registry, streamed from answer to request; the registry that takes it
    /// checks the digest.
    pub(crate) async fn copy_blob(&self, blob: &Descriptor, from: &Self) -> Result<Pushed, RegistryError> {
        let slot = self.client.blob_slot(&self.name, &blob.digest);
        let mut there = slot.lock().await;
        if *there || self.has_blob(&blob.digest).await? {
            *there = true;
            return Ok(Pushed::AlreadyThere);
        }
        let mount_from = Some(&from.name).filter(|other| other.registry() == self.name.registry());
        let mut attempts = self.client.attempts();
        loop {
            let copied = async {
                let Some(upload) = self.open_upload(&blob.digest, mount_from).await? else {
                    return Ok(Pushed::Mounted);
                };
                let body = from.open_blob(blob).await?;
                self.send_upload(upload, &blob.digest, body).await
            };
            match copied.await {
                Ok(pushed) => {
                    *there = true;
                    Tally::add(&self.client.tally().blobs_pushed, 1);
                    return Ok(pushed);
                }
                Err(error) if attempts.again(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn send_upload(
        &self,
        (mut url, ours): (Url, bool),
        digest: &Digest,
        body: Body,
    ) -> Result<Pushed, RegistryError> {
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = Request {
            method: Method::PUT,
            access: Access::Push,
            body,
            ours,
            repeatable: false,
            ..Request::new(&self.name, url, format!("push the blob {digest}"))
        }
        .header(CONTENT_TYPE, "application/octet-stream")?;
        self.client.send(&request).await?;
        Ok(Pushed::Sent)
    }

    /// Opens an upload: where to send it and whether that is the registry itself, or nothing where the blob
    /// was mounted.
    async fn open_upload(
        &self,
        digest: &Digest,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Option<(Url, bool)>, RegistryError> {
        let request = self.request("blobs/uploads/", format!("push the blob {digest}"))?;
        let mut request = Request { method: Method::POST, access: Access::Push, ..request };
        if let Some(from) = mount_from {
            request.access = Access::PushFrom(from);
            request
                .url
                .query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from.path());
        }
        let response = self.client.send(&request).await?;
        match response.status().as_u16() {
            201 if mount_from.is_some() => return Ok(None),
            202 => {}
            other => return Err(request.protocol(format!("status {other} where an upload was to begin"))),
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location else {
            return Err(request.protocol("it opened an upload and did not say where (no Location header)"));
        };
        let mut url = response
            .url()
            .join(location)
            .map_err(|_| request.protocol("its Location header is no address"))?;
        let home = &request.url;
        if home.scheme() == "https" && url.scheme() == "http" {
            // A registry behind a proxy that ends TLS may not know that it is asked by https.
            let same_host = url.host_str() == home.host_str();
            if !same_host || url.set_scheme("https").is_err() {
                return Err(request.protocol("its Location header leads from https to http"));
            }
        }
        let ours = url.origin() == home.origin();
        Ok(Some((url, ours)))
    }
}
