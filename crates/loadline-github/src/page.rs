//! Pages: the `Link` header (RFC 8288), and what stands on one page.

use http::HeaderMap;
use http::header::LINK;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

/// One page of attestations.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) attestations: Vec<Item>,
}

/// One attestation.
#[derive(Deserialize)]
pub(crate) struct Item {
    #[serde(default)]
    pub(crate) bundle: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) bundle_url: Option<String>,
}

impl Item {
    /// The bundle's bytes, where they are in the page.
    pub(crate) fn inside(&self) -> Option<&str> {
        self.bundle.as_ref().map(|raw| raw.get()).filter(|text| *text != "null")
    }
}

/// The next page's address; none after the last.
///
/// # Errors
/// An address elsewhere: the token belongs to GitHub alone.
pub(crate) fn next(address: &Url, headers: &HeaderMap) -> Result<Option<Url>, String> {
    for value in headers.get_all(LINK) {
        let Ok(text) = value.to_str() else { continue };
        for link in text.split(',') {
            let Some((target, parameters)) = link.trim().split_once('>') else { continue };
            let is_next = parameters.split(';').any(|parameter| {
                let parameter = parameter.trim();
                parameter.eq_ignore_ascii_case("rel=\"next\"") || parameter.eq_ignore_ascii_case("rel=next")
            });
            if !is_next {
                continue;
            }
            let target = target.trim_start_matches('<');
            let url = address.join(target).map_err(|_| "its next page's address is no URL".to_owned())?;
            if url.origin() != address.origin() {
                return Err(format!(
                    "its next page is elsewhere, at {}",
                    url.host_str().unwrap_or("an unnamed host")
                ));
            }
            return Ok(Some(url));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, text.parse().unwrap());
        let address = Url::parse("https://api.github.com").unwrap();
        next(&address, &headers).map(|url| url.map(|url| url.to_string()))
    }

    #[test]
    fn the_next_page_and_no_other() {
        let both = "<https://api.github.com/x?before=a>; rel=\"prev\", <https://api.github.com/x?after=b>; rel=\"next\"";
        assert_eq!(links(both), Ok(Some("https://api.github.com/x?after=b".to_owned())));
        assert_eq!(links("<https://api.github.com/x>; rel=\"last\""), Ok(None));
        assert_eq!(links("nonsense"), Ok(None));
        assert!(links("<https://evil.example/x>; rel=\"next\"").is_err());
        assert!(links("<http://api.github.com/x>; rel=\"next\"").is_err());
    }
}
