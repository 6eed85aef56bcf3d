//! Lists in pages (distribution specification, `Link` headers as RFC 5988 writes them).

use url::Url;

use crate::client::{Answer, Request};
use crate::error::RegistryError;

/// The next page's address, if there is one. It must be of the same registry: the token goes there.
pub(super) fn next(request: &Request<'_>, answer: &Answer) -> Result<Option<Url>, RegistryError> {
    let Some(link) = answer.headers.get_all("link").iter().filter_map(|v| v.to_str().ok()).find_map(target)
    else {
        return Ok(None);
    };
    let url = answer.url.join(link).map_err(|_| request.protocol("its Link header is no address"))?;
    if url.origin() != request.url.origin() {
        return Err(request.protocol("its Link header leads to another host"));
    }
    Ok(Some(url))
}

/// The target of `<…>; rel="next"`.
fn target(link: &str) -> Option<&str> {
    let mut rest = link;
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        let end = after.find('>')?;
        let (target, parameters) = (&after[..end], &after[end + 1..]);
        let upto = parameters.find('<').unwrap_or(parameters.len());
        let is_next = parameters[..upto]
            .split([';', ','])
            .filter_map(|part| part.trim().split_once('='))
            .any(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"') == "next"
            });
        if is_next {
            return Some(target);
        }
        rest = &parameters[upto..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_as_registries_write_them() {
        assert_eq!(target(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#), Some("/v2/a/tags/list?last=x&n=2"));
        assert_eq!(target("<https://r/x>;rel=next"), Some("https://r/x"));
        assert_eq!(target(r#"<a>; rel="prev", <b>; rel="next""#), Some("b"));
        assert_eq!(target("<a>; rel=prev"), None);
        assert_eq!(target("<a"), None);
        assert_eq!(target(""), None);
    }
}
