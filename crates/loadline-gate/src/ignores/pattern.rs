//! What an ignore covers: path patterns (doublestar) and package URLs.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use packageurl::PackageUrl;

/// A path pattern: `*` and `?` stop at `/`, `**` does not, `{a,b}` and `[a-z]` as usual.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: String,
    matcher: GlobMatcher,
    // `a/**` also means `a` itself to doublestar, though not to globset.
    folder: Option<GlobMatcher>,
}

impl PathPattern {
    /// Reads a pattern; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let build = |text: &str| {
            GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|error| error.kind().to_string())
        };
        let folder = match text.strip_suffix("/**") {
            Some(folder) if !folder.is_empty() => Some(build(folder)?),
            _ => None,
        };
        Ok(Self { text: text.to_owned(), matcher: build(text)?, folder })
    }

    /// Whether a path matches as a whole. The empty path never does.
    pub fn matches(&self, path: &str) -> bool {
        !path.is_empty()
            && (self.matcher.is_match(path)
                || self.folder.as_ref().is_some_and(|folder| folder.is_match(path)))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

/// A package URL that stands for all that it does not say: without a version for every version,
/// without a qualifier for every value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurlPattern {
    text: String,
    purl: PackageUrl<'static>,
}

impl PurlPattern {
    /// Reads a package URL; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let purl = PackageUrl::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), purl })
    }

    /// Whether a package URL is one of those meant.
    pub fn matches(&self, purl: &str) -> bool {
        let Ok(found) = PackageUrl::from_str(purl) else { return false };
        let mine = &self.purl;
        mine.ty() == found.ty()
            && mine.namespace() == found.namespace()
            && mine.name() == found.name()
            && mine.version().is_none_or(|version| found.version() == Some(version))
            && mine.subpath().is_none_or(|subpath| found.subpath() == Some(subpath))
            && mine.qualifiers().iter().all(|(key, value)| found.qualifiers().get(key) == Some(value))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars() {
        let cases = [
            ("*.json", "a.json", true),
            ("*.json", "a/b.json", false),
            ("**/*.json", "b.json", true),
            ("**/*.json", "a/b/c.json", true),
            ("data_backups/**", "data_backups/a/b", true),
            ("data_backups/**", "data_backups", true),
            ("tls/*/*.pem", "tls/x/y.pem", true),
            ("tls/*/*.pem", "tls/y.pem", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("{a,b}/c", "b/c", true),
            ("usr/lib/node_modules/x/package.json", "usr/lib/node_modules/x/package.json", true),
            ("usr/lib", "usr/lib/x", false),
            ("**", "", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), expected, "{pattern} on {path}");
        }
        assert!(PathPattern::parse("[a").is_err());
    }

    #[test]
    fn purls() {
        let matches = |pattern: &str, purl: &str| PurlPattern::parse(pattern).unwrap().matches(purl);
        assert!(matches("pkg:golang/golang.org/x/net", "pkg:golang/golang.org/x/net@v0.33.0"));
        assert!(matches("pkg:golang/golang.org/x/net@v0.33.0", "pkg:golang/golang.org/x/net@v0.33.0"));
        assert!(!matches("pkg:golang/golang.org/x/net@v0.33.0", "pkg:golang/golang.org/x/net@v0.34.0"));
        assert!(matches(
            "pkg:deb/debian/curl?arch=amd64",
            "pkg:deb/debian/curl@8?arch=amd64&distro=debian-13"
        ));
        assert!(!matches("pkg:deb/debian/curl?arch=arm64", "pkg:deb/debian/curl@8?arch=amd64"));
        assert!(!matches("pkg:npm/a", ""));
        assert!(PurlPattern::parse("curl").is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,60}", path in "\\PC{0,60}") {
            if let Ok(pattern) = PathPattern::parse(&pattern) {
                let _ = pattern.matches(&path);
            }
            if let Ok(pattern) = PurlPattern::parse(&pattern) {
                let _ = pattern.matches(&path);
            }
        }

        #[test]
        fn a_literal_path_matches_itself_alone(path in "[a-z]{1,5}(/[a-z]{1,5}){0,4}", other in "[a-z]{1,5}(/[a-z]{1,5}){0,4}") {
            let pattern = PathPattern::parse(&path).unwrap();
            prop_assert!(pattern.matches(&path));
            prop_assert_eq!(pattern.matches(&other), path == other);
        }
    }
}
