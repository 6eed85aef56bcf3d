//! Blobs pushed: looked for first, mounted where they are next door, else sent; large ones in pieces, so that
//! a broken connection costs one piece (distribution specification, "Pushing blobs").

use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderMap, Method};
use loadline_core::{Digest, RepositoryName};
use reqwest::Response;
use url::Url;

use super::Remote;
use super::source::{Feed, Source};
use crate::client::{Access, Body, Request, Tally};
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::repository::{BlobSource, Pushed};

/// Where an upload goes on, and whether that is the registry itself: elsewhere no credential is sent.
#[derive(Debug, Clone)]
struct Session {
    url: Url,
    ours: bool,
    /// The smallest piece that the registry takes.
    least: u64,
}

/// How far an upload came, and why not further.
struct Broken {
    error: RegistryError,
    session: Session,
    /// What the registry is known to have.
    offset: u64,
}

impl Remote {
    /// Pushes a blob unless it is there. Concurrent pushes of one blob send it once.
    pub(crate) async fn push_blob(
        &self,
        source: &BlobSource,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        self.push(&source.digest(), source.into(), mount_from).await
    }

    /// Copies a blob from another registry, streamed from answer to request; the registry that takes it
    /// checks the digest.
    pub(crate) async fn copy_blob(&self, blob: &Descriptor, from: &Self) -> Result<Pushed, RegistryError> {
        self.push(&blob.digest, Source::Remote { from, blob }, Some(&from.name)).await
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

    async fn push(
        &self,
        digest: &Digest,
        source: Source<'_>,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        let slot = self.client.blob_slot(&self.name, digest);
        let mut there = slot.lock().await;
        if *there || self.has_blob(digest).await? {
            *there = true;
            return Ok(Pushed::AlreadyThere);
        }
        let mount_from =
            mount_from.filter(|other| other.registry() == self.name.registry() && **other != self.name);
        let pushed = match source.size() > self.client.options().piece {
            true => self.push_in_pieces(digest, &source, mount_from).await?,
            false => self.push_whole(digest, &source, mount_from).await?,
        };
        *there = true;
        Tally::add(&self.client.tally().blobs_pushed, 1);
        Ok(pushed)
    }

    /// All in one request. What broke is begun anew.
    async fn push_whole(
        &self,
        digest: &Digest,
        source: &Source<'_>,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        let mut attempts = self.client.attempts();
        loop {
            let sent = async {
                let Some(session) = self.open_upload(digest, mount_from).await? else {
                    return Ok(Pushed::Mounted);
                };
                self.finish(&session, digest, source.whole().await?).await?;
                Ok(Pushed::Sent)
            };
            match sent.await {
                Ok(pushed) => return Ok(pushed),
                Err(error) if attempts.again(&error).await => {
                    // The answer alone may have been lost.
                    if self.has_blob(digest).await? {
                        return Ok(Pushed::Sent);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A large blob, piece by piece. What broke goes on where the registry says that it stopped; where the
    /// session is gone, as some registries end it with the connection, it is begun anew. A registry that
    /// takes no pieces gets all at once.
    async fn push_in_pieces(
        &self,
        digest: &Digest,
        source: &Source<'_>,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Pushed, RegistryError> {
        let mut attempts = self.client.attempts();
        let mut furthest = 0;
        let mut going_on: Option<(Session, u64)> = None;
        loop {
            let (session, offset) = match going_on.take() {
                Some(known) => known,
                None => match self.open_upload(digest, mount_from).await {
                    Ok(None) => return Ok(Pushed::Mounted),
                    Ok(Some(session)) => (session, 0),
                    Err(error) if attempts.again(&error).await => continue,
                    Err(error) => return Err(error),
                },
            };
            let Err(broken) = self.send_pieces(session, offset, digest, source).await else {
                return Ok(Pushed::Sent);
            };
            if broken.offset > furthest {
                furthest = broken.offset;
                attempts = self.client.attempts();
            }
            if attempts.again(&broken.error).await {
                going_on = self.where_it_stopped(&broken, source.size()).await;
                if going_on.is_none() && self.has_blob(digest).await? {
                    return Ok(Pushed::Sent);
                }
                continue;
            }
            match broken.error.kind() {
                kind if lost_session(kind) && broken.offset > 0 && attempts.spend() => {}
                kind if refuses_pieces(kind) && broken.offset == 0 => {
                    return self.push_whole(digest, source, None).await;
                }
                _ => return Err(broken.error),
            }
        }
    }

    async fn send_pieces(
        &self,
        mut session: Session,
        mut offset: u64,
        digest: &Digest,
        source: &Source<'_>,
    ) -> Result<(), Box<Broken>> {
        let size = source.size();
        let mut feed: Option<Feed> = None;
        while offset < size {
            let broken = |error, session| Box::new(Broken { error, session, offset });
            let current = match feed.take() {
                Some(feed) => feed,
                None => match source.feed(offset).await {
                    Ok(feed) => feed,
                    Err(error) => return Err(broken(error, session)),
                },
            };
            let piece = self.client.options().piece.max(session.least).max(1).min(size - offset);
            let sent = self.send_piece(&session, digest, current.body(piece), offset, piece).await;
            match sent {
                Ok((next, has)) => {
                    session = next;
                    // The registry's own word counts; a feed that is elsewhere is opened anew.
                    feed = (has == offset + piece).then_some(current);
                    if has <= offset {
                        let message =
                            "it took a piece of an upload, and says that it has no more than before";
                        let request = Request::new(&self.name, session.url.clone(), asked(digest));
                        return Err(broken(request.protocol(message), session));
                    }
                    offset = has;
                }
                Err(error) => return Err(broken(error, session)),
            }
        }
        match self.finish(&session, digest, Body::Empty).await {
            Ok(()) => Ok(()),
            Err(error) => Err(Box::new(Broken { error, session, offset })),
        }
    }

    /// Sends one piece; where to go on, and how much the registry has now.
    async fn send_piece(
        &self,
        session: &Session,
        digest: &Digest,
        body: Body,
        offset: u64,
        size: u64,
    ) -> Result<(Session, u64), RegistryError> {
        let request = Request {
            method: Method::PATCH,
            access: Access::Push,
            body,
            ours: session.ours,
            repeatable: false,
            ..Request::new(&self.name, session.url.clone(), asked(digest))
        }
        .header(CONTENT_TYPE, "application/octet-stream")?
        .header(CONTENT_RANGE, &format!("{offset}-{}", offset + size - 1))?;
        let response = self.client.send(&request).await?;
        let has = received(response.headers()).unwrap_or(offset + size).min(offset + size);
        let next = self.session(&request, &response)?.unwrap_or_else(|| session.clone());
        Ok((Session { least: session.least, ..next }, has))
    }

    /// Asks the registry how much of an upload it has; nothing where the session is gone.
    async fn where_it_stopped(&self, broken: &Broken, size: u64) -> Option<(Session, u64)> {
        let session = &broken.session;
        let request = Request {
            access: Access::Push,
            ours: session.ours,
            ..Request::new(&self.name, session.url.clone(), "ask how far an upload came")
        };
        let response = self.client.send(&request).await.ok()?;
        let has = received(response.headers())?;
        let next = self.session(&request, &response).ok()?.unwrap_or_else(|| session.clone());
        (response.status().as_u16() == 204 && has <= size)
            .then_some((Session { least: session.least, ..next }, has))
    }

    async fn finish(&self, session: &Session, digest: &Digest, body: Body) -> Result<(), RegistryError> {
        let mut url = session.url.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = Request {
            method: Method::PUT,
            access: Access::Push,
            body,
            ours: session.ours,
            repeatable: false,
            ..Request::new(&self.name, url, asked(digest))
        }
        .header(CONTENT_TYPE, "application/octet-stream")?;
        self.client.send(&request).await?;
        Ok(())
    }

    /// Opens an upload; nothing where the blob was mounted.
    async fn open_upload(
        &self,
        digest: &Digest,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Option<Session>, RegistryError> {
        let request = self.request("blobs/uploads/", asked(digest))?;
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
        match self.session(&request, &response)? {
            Some(session) => Ok(Some(session)),
            None => Err(request.protocol("it opened an upload and did not say where (no Location header)")),
        }
    }

    /// Where an answer says that an upload goes on.
    fn session(&self, request: &Request<'_>, response: &Response) -> Result<Option<Session>, RegistryError> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(location) = header(LOCATION.as_str()) else { return Ok(None) };
        let mut url = response
            .url()
            .join(location)
            .map_err(|_| request.protocol("its Location header is no address"))?;
        // An upload's later answers come from where it is; whether that is the registry, its name says.
        let home = self.request("", &request.asked)?.url;
        if home.scheme() == "https" && url.scheme() == "http" {
            // A registry behind a proxy that ends TLS may not know that it is asked by https.
            let same_host = url.host_str() == home.host_str();
            if !same_host || url.set_scheme("https").is_err() {
                return Err(request.protocol("its Location header leads from https to http"));
            }
        }
        let ours = url.origin() == home.origin();
        let least = header("oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(Session { url, ours, least }))
    }
}

fn asked(digest: &Digest) -> String {
    format!("push the blob {digest}")
}

/// How many bytes of an upload a registry has: `Range: 0-LAST`, with `bytes=` before it at some.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let (first, last) = text.split_once('-')?;
    let last: u64 = last.parse().ok()?;
    // `0-0` is what is said of nothing and of one byte; pieces are never one byte.
    (first == "0").then_some(if last == 0 { 0 } else { last.checked_add(1)? })
}

/// Whether a refusal in the middle of an upload says that its session is no more.
fn lost_session(kind: &RegistryErrorKind) -> bool {
    matches!(kind, RegistryErrorKind::NotFound | RegistryErrorKind::Protocol { status: Some(416), .. })
}

/// Whether a registry takes no pieces, rather than not taking this blob or this account.
fn refuses_pieces(kind: &RegistryErrorKind) -> bool {
    match kind {
        RegistryErrorKind::NotFound | RegistryErrorKind::Unsupported { .. } => true,
        RegistryErrorKind::TooLarge { .. } => true,
        RegistryErrorKind::Protocol { status: Some(status), .. } => {
            matches!(status, 400 | 411 | 415 | 416 | 501)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_has_is_read_as_registries_write_it() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, http::HeaderValue::from_static(text));
            received(&headers)
        };
        assert_eq!(of("0-99"), Some(100));
        assert_eq!(of("bytes=0-99"), Some(100));
        assert_eq!(of("0-0"), Some(0));
        assert_eq!(of("5-99"), None);
        assert_eq!(of("0--1"), None);
        assert_eq!(of("0-18446744073709551615"), None);
        assert_eq!(received(&HeaderMap::new()), None);
    }
}
