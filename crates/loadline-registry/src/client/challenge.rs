//! What a registry wants to see: `WWW-Authenticate` (RFC 9110, section 11; docker's token specification).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token from elsewhere.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The challenge of an answer: a bearer one where there is a choice.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            for (scheme, parameters) in parse(text) {
                let get = |name: &str| {
                    parameters
                        .iter()
                        .find(|(n, _)| n == name)
                        .map(|(_, v)| v.clone())
                        .filter(|v| !v.is_empty())
                };
                match scheme.as_str() {
                    "bearer" => {
                        if let Some(realm) = get("realm") {
                            return Some(Self::Bearer {
                                realm,
                                service: get("service"),
                                scope: get("scope"),
                            });
                        }
                    }
                    "basic" => basic = Some(Self::Basic),
                    _ => {}
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// Schemes with their parameters, names in lower case.
fn parse(text: &str) -> Vec<(String, Parameters)> {
    let mut all: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after_space = after.trim_start();
        if let Some(value) = after_space.strip_prefix('=') {
            let (value, left) = take_value(value.trim_start());
            if let Some((_, parameters)) = all.last_mut() {
                parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = left;
        } else {
            if !word.is_empty() {
                all.push((word.to_ascii_lowercase(), Vec::new()));
            }
            rest = after_space;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if rest.len() == text.len() {
            break;
        }
    }
    all
}

fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: &str| text.to_owned();
        Some(Challenge::Bearer { realm: own(realm), service: service.map(own), scope: scope.map(own) })
    }

    #[test]
    fn challenges_as_registries_write_them() {
        assert_eq!(
            of(&[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull,push""#
            ]),
            bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:library/debian:pull,push")
            )
        );
        assert_eq!(of(&["Basic realm=\"x, y\""]), Some(Challenge::Basic));
        assert_eq!(
            of(&["Basic realm=x, bearer realm=https://t/a, service=s"]),
            bearer("https://t/a", Some("s"), None)
        );
        assert_eq!(of(&["Negotiate", "BASIC"]), Some(Challenge::Basic));
        assert_eq!(of(&["Bearer"]), None);
        assert_eq!(of(&[r#"Bearer realm = "a\"b" , service="""#]), bearer("a\"b", None, None));
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn nothing_hangs_or_breaks(text in "[ -~]{0,80}") {
            let _ = of(&[&text]);
        }
    }
}
