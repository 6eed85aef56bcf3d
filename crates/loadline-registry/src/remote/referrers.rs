//! What refers to a subject: the API, else the fallback tag (distribution specification, "Listing
//! Referrers", "Referrers Tag Schema").

use std::collections::HashSet;

use http::header::{ACCEPT, CONTENT_TYPE};
use loadline_core::Digest;
use loadline_core::media_type::OCI_INDEX;

use super::{Remote, paging};
use crate::client::{Answer, Request};
use crate::descriptor::Descriptor;
use crate::error::RegistryError;
use crate::image::ImageIndex;
use crate::repository::{Referrers, ReferrersSource};

/// The most pages that are read, and the most referrers that are kept.
const PAGES: usize = 100;
const REFERRERS: usize = 10_000;

/// The tag under which a client keeps the referrers of a subject where the registry does not.
pub(crate) fn fallback_tag(subject: &Digest) -> String {
    let hex = subject.hex();
    format!("{}-{}", subject.algorithm().name(), &hex[..hex.len().min(64)])
}

impl Remote {
    /// The referrers of a subject: from the API, else from the fallback tag.
    pub(crate) async fn referrers(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        let registry = self.name.registry();
        if self.client.has_referrers_api(registry) != Some(false) {
            let found = self.api_referrers(subject).await?;
            self.client.note_referrers_api(registry, found.is_some());
            if let Some(referrers) = found {
                return Ok(referrers);
            }
        }
        self.fallback_referrers(subject).await
    }

    /// The referrers that the API lists; none where the registry has no such API.
    pub(crate) async fn api_referrers(&self, subject: &Digest) -> Result<Option<Referrers>, RegistryError> {
        let request =
            self.request(&format!("referrers/{subject}"), format!("list the referrers of {subject}"))?;
        // These are the ways in which registries say that they do not know the path. 429 and 5xx are not among
        // them: "could not say" must not become "none".
        let mut request = Request { answers: &[400, 404, 405, 406], ..request }.header(ACCEPT, OCI_INDEX)?;
        let mut all = Collected::new(subject, ReferrersSource::Api);
        let mut seen = HashSet::new();
        let limit = self.client.options().manifest_limit;
        loop {
            if !seen.insert(request.url.clone()) {
                return Err(request.protocol("its pages of referrers go round in a circle"));
            }
            let answer = self.client.fetch(&request, limit, "a page of referrers").await?;
            if answer.status >= 400 || !is_index(&answer) {
                if seen.len() == 1 {
                    return Ok(None);
                }
                return Err(request.protocol("a further page of its referrers is none"));
            }
            let page: ImageIndex = serde_json::from_slice(&answer.bytes)
                .map_err(|error| request.protocol(format!("its list of referrers is no index: {error}")))?;
            all.add(page.manifests);
            let Some(url) = paging::next(&request, &answer)? else { break };
            if seen.len() >= PAGES || all.is_full() {
                all.referrers.complete = false;
                break;
            }
            request.url = url;
        }
        Ok(Some(all.referrers))
    }

    /// The referrers that the fallback tag lists.
    pub(crate) async fn fallback_referrers(&self, subject: &Digest) -> Result<Referrers, RegistryError> {
        let mut all = Collected::new(subject, ReferrersSource::FallbackTag);
        match self.manifest(&fallback_tag(subject)).await {
            Ok(manifest) => {
                let index = manifest.as_index().map_err(|kind| {
                    RegistryError::new(&self.name, format!("list the referrers of {subject}"), kind)
                })?;
                all.add(index.manifests);
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(all.referrers)
    }
}

/// Whether an answer is an index at all: some registries answer unknown paths with their web page.
fn is_index(answer: &Answer) -> bool {
    let content_type = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    content_type == OCI_INDEX
        || (content_type == "application/json" && serde_json::from_slice::<ImageIndex>(&answer.bytes).is_ok())
}

/// Collects referrers: each once, and never the subject itself.
pub(crate) struct Collected<'a> {
    subject: &'a Digest,
    seen: HashSet<Digest>,
    pub(crate) referrers: Referrers,
}

impl<'a> Collected<'a> {
    pub(crate) fn new(subject: &'a Digest, source: ReferrersSource) -> Self {
        let referrers = Referrers { descriptors: Vec::new(), source, complete: true };
        Self { subject, seen: HashSet::new(), referrers }
    }

    pub(crate) fn add(&mut self, descriptors: impl IntoIterator<Item = Descriptor>) {
        for descriptor in descriptors {
            // GitLab lists a subject as its own referrer.
            if descriptor.digest == *self.subject || !self.seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if self.is_full() {
                self.referrers.complete = false;
                return;
            }
            self.referrers.descriptors.push(descriptor);
        }
    }

    fn is_full(&self) -> bool {
        self.referrers.descriptors.len() >= REFERRERS
    }
}
