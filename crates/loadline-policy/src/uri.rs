//! The URIs that certificates and provenance name workflows and repositories by.

/// A workflow as a certificate names it: `https://HOST/OWNER/REPO/PATH@REF` at GitHub,
/// `https://HOST/GROUP/PROJECT//PATH@REF` at GitLab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowUri {
    /// The repository, as a URL.
    pub repository: String,
    /// The file within it.
    pub path: String,
    /// The git ref, `refs/heads/main`.
    pub reference: String,
}

impl WorkflowUri {
    /// Reads such a URI; `None` when it is something else, a mail address for example.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let scheme = &text[..text.len() - rest.len()];
        let (location, reference) = rest.split_once('@')?;
        let (repository, path) = match location.split_once("//") {
            Some(parts) => parts,
            None => {
                let end = location.match_indices('/').nth(2)?.0;
                (&location[..end], &location[end + 1..])
            }
        };
        let whole = repository.split('/').count() >= 3 && !repository.split('/').any(str::is_empty);
        if !whole || path.is_empty() || reference.is_empty() {
            return None;
        }
        Some(Self {
            repository: format!("{scheme}{repository}"),
            path: path.to_owned(),
            reference: reference.to_owned(),
        })
    }
}

/// Whether two texts name one repository: `github.com/o/r`, `https://github.com/o/r` and
/// `https://GitHub.com/O/r.git` do. Forges compare owners and names without regard to case.
pub fn same_repository(a: &str, b: &str) -> bool {
    bare_repository(a).eq_ignore_ascii_case(bare_repository(b))
}

/// A repository without scheme, `.git` and the last slash.
pub(crate) fn bare_repository(text: &str) -> &str {
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    text.strip_suffix(".git").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn github_and_gitlab() {
        let uri = WorkflowUri::parse("https://github.com/acme/widget/.github/workflows/b.yml@refs/heads/a@b")
            .unwrap();
        assert_eq!(uri.repository, "https://github.com/acme/widget");
        assert_eq!(uri.path, ".github/workflows/b.yml");
        assert_eq!(uri.reference, "refs/heads/a@b");
        let uri = WorkflowUri::parse("https://gitlab.com/a/b/c//.gitlab-ci.yml@refs/tags/v1").unwrap();
        assert_eq!(
            (uri.repository.as_str(), uri.path.as_str()),
            ("https://gitlab.com/a/b/c", ".gitlab-ci.yml")
        );
        for other in
            ["dev@example.com", "https://github.com/a/b@r", "https://github.com//b/c/d@r", "https://x"]
        {
            assert_eq!(WorkflowUri::parse(other), None, "{other}");
        }
    }

    #[test]
    fn one_repository_by_many_names() {
        assert!(same_repository("github.com/acme/widget", "https://GitHub.com/Acme/widget.git"));
        assert!(same_repository("https://github.com/acme/widget/", "https://github.com/acme/widget"));
        assert!(!same_repository("github.com/acme/widget", "github.com/acme/widgets"));
        assert!(!same_repository("github.com/acme/widget", "evil.example/github.com/acme/widget"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = WorkflowUri::parse(&text);
            let _ = WorkflowUri::parse(&format!("https://{text}"));
            prop_assert!(same_repository(&text, &text));
        }
    }
}
