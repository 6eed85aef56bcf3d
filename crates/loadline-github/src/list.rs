//! The bundles that GitHub has of a digest.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use http::{Method, Request};
use loadline_core::Digest;
use octocrab::OctoBody;
use tokio::time::timeout;
use url::Url;

use crate::client::GitHub;
use crate::error::{GitHubError, GitHubErrorKind, classify};
use crate::page::{Item, Page, next};
use crate::repository::RepositorySlug;

/// How much of what GitHub has is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many bundles of one digest.
    pub bundles: usize,
    /// How many pages.
    pub pages: usize,
    /// How many bytes one bundle may have.
    pub bundle_bytes: usize,
    /// How many bytes all bundles of one digest may have together, pages included.
    pub all_bytes: usize,
    /// How many bundles elsewhere are fetched at once.
    pub parallel: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bundles: 64, pages: 10, bundle_bytes: 16 << 20, all_bytes: 128 << 20, parallel: 8 }
    }
}

/// A bundle that GitHub has, not yet verified.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its bytes.
    pub bytes: Bytes,
}

/// What GitHub has of a digest.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The bundles.
    pub bundles: Vec<Listed>,
    /// Why others could not be had: an address elsewhere that failed, data that is no snappy, pages that broke
    /// off. What was found before them counts.
    pub errors: Vec<GitHubError>,
    /// Whether nothing was left out for a limit's sake.
    pub complete: bool,
    /// Whether GitHub answered 404: it has nothing, or the repository is not there or not shown to this token.
    pub not_found: bool,
}

/// What reading needs in private repositories.
const PERMISSION: &str = "attestations: read";
/// How many attestations are asked for at once.
const PER_PAGE: usize = 30;

impl GitHub {
    /// The bundles that GitHub has of a digest in a repository, of one predicate type where one is named.
    /// Other types may be among them all the same: GitHub Enterprise servers of old do not filter.
    ///
    /// # Errors
    /// When the first page could not be had. 404 is none: [`Listing::not_found`].
    pub async fn attestations(
        &self,
        repository: &RepositorySlug,
        digest: &Digest,
        predicate_type: Option<&str>,
        limits: &Limits,
    ) -> Result<Listing, GitHubError> {
        let asked = format!("list the attestations of {digest} in {repository}");
        let mut listing = Listing { complete: true, ..Listing::default() };
        let mut url = self.route(repository, &format!("/{digest}"));
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("per_page", &PER_PAGE.min(limits.bundles).max(1).to_string());
            if let Some(kind) = predicate_type {
                query.append_pair("predicate_type", kind);
            }
        }
        let mut left = limits.all_bytes;
        let mut items: Vec<Item> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            if !seen.insert(url.clone()) {
                let reason = "its pages go round in a circle".to_owned();
                listing.errors.push(self.error(&asked, GitHubErrorKind::Answer { reason }));
                break;
            }
            let page = match self.page(&asked, &url, left).await {
                Ok(page) => page,
                Err(error) if seen.len() == 1 => {
                    if error.kind == GitHubErrorKind::NotFound {
                        listing.not_found = true;
                        return Ok(listing);
                    }
                    return Err(error);
                }
                Err(error) => {
                    listing.errors.push(error);
                    break;
                }
            };
            left = left.saturating_sub(page.size);
            items.extend(page.items);
            if items.len() > limits.bundles {
                items.truncate(limits.bundles);
                listing.complete = false;
                break;
            }
            match page.next {
                None => break,
                Some(_) if seen.len() >= limits.pages || items.len() == limits.bundles => {
                    listing.complete = false;
                    break;
                }
                Some(next) => url = next,
            }
        }
        self.fetch_all(&asked, items, left, limits, &mut listing).await;
        Ok(listing)
    }

    pub(crate) fn route(&self, repository: &RepositorySlug, rest: &str) -> Url {
        let mut url = self.address.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/repos/{repository}/attestations{rest}"));
        url
    }

    async fn page(&self, asked: &str, url: &Url, limit: usize) -> Result<OnePage, GitHubError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .body(OctoBody::empty())
            .map_err(|error| self.error(asked, GitHubErrorKind::Answer { reason: error.to_string() }))?;
        let answer = self.call(asked, request, limit, PERMISSION).await?;
        let page: Page = serde_json::from_slice(&answer.bytes).map_err(|error| {
            let reason = format!("no list of attestations: {error}");
            self.error(asked, GitHubErrorKind::Answer { reason })
        })?;
        let next = next(&self.address, &answer.headers)
            .map_err(|reason| self.error(asked, GitHubErrorKind::Answer { reason }))?;
        Ok(OnePage { items: page.attestations, next, size: answer.bytes.len() })
    }

    /// Takes what is in the pages, fetches what is elsewhere.
    async fn fetch_all(
        &self,
        asked: &str,
        items: Vec<Item>,
        mut left: usize,
        limits: &Limits,
        listing: &mut Listing,
    ) {
        let mut elsewhere = Vec::new();
        for item in items {
            match (item.inside(), item.bundle_url.as_deref()) {
                (Some(text), _) if text.len() > limits.bundle_bytes => {
                    let limit = limits.bundle_bytes;
                    let kind = GitHubErrorKind::TooLarge { what: "a bundle", limit };
                    listing.errors.push(self.error(asked, kind));
                }
                (Some(text), _) => {
                    listing.bundles.push(Listed { bytes: Bytes::copy_from_slice(text.as_bytes()) });
                }
                (None, Some(address)) => elsewhere.push(address.to_owned()),
                (None, None) => {
                    let reason = "an attestation with neither bundle nor bundle_url".to_owned();
                    listing.errors.push(self.error(asked, GitHubErrorKind::Answer { reason }));
                }
            }
        }
        let mut fetched = stream::iter(elsewhere)
            .map(|address| async move { self.elsewhere(asked, &address, limits.bundle_bytes).await })
            .buffered(limits.parallel.max(1));
        while let Some(result) = fetched.next().await {
            match result {
                Ok(bytes) if bytes.len() > left => listing.complete = false,
                Ok(bytes) => {
                    left -= bytes.len();
                    listing.bundles.push(Listed { bytes });
                }
                Err(error) => listing.errors.push(error),
            }
        }
    }

    /// A bundle behind an address that is signed for a short time: raw snappy, a block. No token goes there.
    async fn elsewhere(&self, asked: &str, address: &str, limit: usize) -> Result<Bytes, GitHubError> {
        let wrong = |reason: String| self.error(asked, GitHubErrorKind::Answer { reason });
        let url = Url::parse(address).map_err(|_| wrong("a bundle_url that is no URL".to_owned()))?;
        // What is plain on the way may be read on the way; only an API that is plain itself points there.
        if url.scheme() != "https" && url.scheme() != self.address.scheme() {
            return Err(wrong("a bundle_url that is not https".to_owned()));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let transport = |error: reqwest::Error| {
            let kind = classify(&error.without_url(), self.time_limit);
            GitHubError { asked: asked.to_owned(), address: host.clone(), kind }
        };
        let whole = async {
            let mut response = self.http.get(url).send().await.map_err(transport)?;
            if !response.status().is_success() {
                let (status, said) =
                    (response.status().as_u16(), "the bundle behind a bundle_url".to_owned());
                let kind = GitHubErrorKind::Refused { status, said };
                return Err(GitHubError { asked: asked.to_owned(), address: host.clone(), kind });
            }
            // Incompressible data grows by a sixth at most.
            let most = limit + limit / 6 + 32;
            let mut bytes = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(transport)? {
                if bytes.len() + chunk.len() > most {
                    return Err(self.error(asked, GitHubErrorKind::TooLarge { what: "a bundle", limit }));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes.freeze())
        };
        let packed = match timeout(self.time_limit, whole).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(self.error(asked, GitHubErrorKind::TimedOut { limit: self.time_limit }));
            }
        };
        unpack(&packed, limit).map_err(|problem| match problem {
            Unpack::TooLarge => self.error(asked, GitHubErrorKind::TooLarge { what: "a bundle", limit }),
            Unpack::Malformed(error) => wrong(format!("a bundle that is no snappy block: {error}")),
        })
    }
}

struct OnePage {
    items: Vec<Item>,
    next: Option<Url>,
    size: usize,
}

enum Unpack {
    TooLarge,
    Malformed(snap::Error),
}

/// Unpacks a snappy block; what it says of its own length is held against the limit before any room is made.
fn unpack(packed: &[u8], limit: usize) -> Result<Bytes, Unpack> {
    if snap::raw::decompress_len(packed).map_err(Unpack::Malformed)? > limit {
        return Err(Unpack::TooLarge);
    }
    snap::raw::Decoder::new().decompress_vec(packed).map(Bytes::from).map_err(Unpack::Malformed)
}
