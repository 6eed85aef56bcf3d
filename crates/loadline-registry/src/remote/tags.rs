//! The list of tags.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Remote, paging};
use crate::error::{RegistryError, RegistryErrorKind};
use crate::repository::Tags;

/// The most pages that are read, and the largest page.
const PAGES: usize = 200;
const PAGE_LIMIT: u64 = 4 << 20;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Remote {
    /// All tags, in the registry's order.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let tags = self.first_tags(PAGES).await?;
        if tags.complete {
            return Ok(tags.names);
        }
        let kind = RegistryErrorKind::TooLarge { what: "the list of tags", limit: format!("{PAGES} pages") };
        Err(RegistryError::new(&self.name, "list the tags", kind))
    }

    /// The tags on the first pages.
    pub(crate) async fn first_tags(&self, pages: usize) -> Result<Tags, RegistryError> {
        let mut request = self.request("tags/list", "list the tags")?;
        request.url.query_pairs_mut().append_pair("n", "1000");
        let mut tags = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..pages {
            if !seen.insert(request.url.clone()) {
                return Err(request.protocol("its pages of tags go round in a circle"));
            }
            let answer = self.client.fetch(&request, PAGE_LIMIT, "a page of tags").await?;
            let page: Page = serde_json::from_slice(&answer.bytes)
                .map_err(|error| request.protocol(format!("its list of tags is none: {error}")))?;
            tags.extend(page.tags.unwrap_or_default());
            match paging::next(&request, &answer)? {
                Some(url) => request.url = url,
                None => return Ok(Tags { names: tags, complete: true }),
            }
        }
        Ok(Tags { names: tags, complete: false })
    }
}
