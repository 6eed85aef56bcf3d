//! Repository names, and what the path of a request means (distribution specification, "Endpoints").

use axum::http::StatusCode;
use loadline_core::{Digest, RepositoryName};
use percent_encoding::percent_decode_str;

use super::errors::{Code, Refusal};

/// A repository's name, checked against the specification's grammar; it may be nested.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        // Any registry that is not docker.io: its short forms are no names here.
        RepositoryName::new("localhost", text).map(|name| Self(name.path().to_owned())).map_err(|_| {
            Refusal::bad(
                Code::NameInvalid,
                format!("`{}` is not a repository name", text.chars().take(300).collect::<String>()),
            )
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a manifest is asked for by. A tag here is not yet checked against the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    Tag(String),
    Digest(Digest),
}

/// What a path speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Name),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Name, By),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Name, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Name, Digest),
}

impl Target {
    /// Reads a path that begins with `/v2`.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| Refusal::bad(Code::NameInvalid, "the path is not UTF-8"))?;
        let rest = path.strip_prefix("/v2").unwrap_or_default();
        let rest = match rest {
            "" | "/" => return Ok(Self::Base),
            "/_catalog" => return Ok(Self::Catalog),
            other => other.strip_prefix('/').ok_or_else(|| unknown(&path))?,
        };
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Ok(Self::Uploads(Name::parse(name)?));
        }
        // From the right, because a name may itself hold the words `blobs` or `manifests`.
        let (head, last) = rest.rsplit_once('/').ok_or_else(|| unknown(&path))?;
        if let Some(name) = head.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(Name::parse(name)?, last.to_owned()));
        }
        let (name, word) = head.rsplit_once('/').ok_or_else(|| unknown(&path))?;
        match word {
            "tags" if last == "list" => Ok(Self::Tags(Name::parse(name)?)),
            "manifests" if last.contains(':') => {
                Ok(Self::Manifest(Name::parse(name)?, By::Digest(parse_digest(last)?)))
            }
            "manifests" if !last.is_empty() => {
                Ok(Self::Manifest(Name::parse(name)?, By::Tag(last.to_owned())))
            }
            "blobs" => Ok(Self::Blob(Name::parse(name)?, parse_digest(last)?)),
            "referrers" => Ok(Self::Referrers(Name::parse(name)?, parse_digest(last)?)),
            _ => Err(unknown(&path)),
        }
    }

    /// The repository that it is about, if one.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

/// Reads a digest of a request.
pub(super) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: loadline_core::digest::DigestError| {
        Refusal::bad(Code::DigestInvalid, error.to_string())
    })
}

fn unknown(path: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        Code::Unsupported,
        format!("there is nothing at `{}`", path.chars().take(300).collect::<String>()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn paths_are_read_from_the_right() {
        let digest = Digest::of(b"x");
        for (path, expected) in [
            ("/v2/".to_owned(), Target::Base),
            ("/v2".to_owned(), Target::Base),
            ("/v2/a/b/c/tags/list".to_owned(), Target::Tags(name("a/b/c"))),
            ("/v2/a/manifests/1.0".to_owned(), Target::Manifest(name("a"), By::Tag("1.0".into()))),
            (format!("/v2/a/manifests/{digest}"), Target::Manifest(name("a"), By::Digest(digest.clone()))),
            (
                format!("/v2/a/manifests/{}", digest.to_string().replace(':', "%3A")),
                Target::Manifest(name("a"), By::Digest(digest.clone())),
            ),
            (
                format!("/v2/blobs/manifests/blobs/{digest}"),
                Target::Blob(name("blobs/manifests"), digest.clone()),
            ),
            ("/v2/a/b/blobs/uploads/".to_owned(), Target::Uploads(name("a/b"))),
            ("/v2/a/b/blobs/uploads".to_owned(), Target::Uploads(name("a/b"))),
            ("/v2/a/blobs/uploads/77".to_owned(), Target::Upload(name("a"), "77".into())),
            (format!("/v2/a/referrers/{digest}"), Target::Referrers(name("a"), digest.clone())),
        ] {
            assert_eq!(Target::parse(&path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_of_ours_is_refused() {
        for path in [
            "/v2/a",
            "/v2/a/tags/other",
            "/v2/A/tags/list",
            "/v2/../x/tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a/%2e%2e/tags/list",
            "/v2/a//b/tags/list",
            "/v2/_a/tags/list",
            "/v2/a/manifests/sha256:abc",
            "/v2/a/manifests/",
            "/v2/a/blobs/latest",
            "/v2//tags/list",
            "/v2x",
            "/v2/%ff/tags/list",
        ] {
            assert!(Target::parse(path).is_err(), "{path}");
        }
        let long = format!("/v2/{}/tags/list", "a/".repeat(128) + "a");
        assert!(Target::parse(&long).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_path_leads_out_of_the_folder(path in "/v2/[a-z./%2eEfF_~-]{0,30}(/tags/list|/manifests/[a-z.:/%2e]{0,9}|/blobs/uploads/[a-z./]{0,9})|.{0,60}") {
            let Ok(target) = Target::parse(&path) else { return Ok(()) };
            if let Some(name) = target.name() {
                let name = name.as_str();
                proptest::prop_assert!(name.split('/').all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric())), "{}", name);
                proptest::prop_assert!(!name.contains("..") && !name.contains('\0') && name.len() <= 255);
            }
        }
    }
}
