//! Package URLs (<https://github.com/package-url/purl-spec>), built from parts and encoded by the
//! `packageurl` crate. What cannot be one (an empty name) has none.

use packageurl::PackageUrl;

/// A package URL of these parts; empty ones are left out.
pub(crate) fn purl(
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    version: Option<&str>,
    qualifiers: &[(&'static str, &str)],
) -> Option<String> {
    let mut purl = PackageUrl::new(kind.to_owned(), name.to_owned()).ok()?;
    if let Some(namespace) = namespace.filter(|n| !n.is_empty()) {
        purl.with_namespace(namespace.to_owned()).ok()?;
    }
    if let Some(version) = version.filter(|v| !v.is_empty()) {
        purl.with_version(version.to_owned()).ok()?;
    }
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        purl.add_qualifier(*key, (*value).to_owned()).ok()?;
    }
    Some(purl.to_string())
}

/// `pkg:golang/…` of a module path.
pub(crate) fn golang(module: &str, version: Option<&str>) -> Option<String> {
    match module.rsplit_once('/') {
        Some((namespace, name)) => purl("golang", Some(namespace), name, version, &[]),
        None => purl("golang", None, module, version, &[]),
    }
}

/// `pkg:npm/…`; a scope keeps its `@`.
pub(crate) fn npm(scope: Option<&str>, name: &str, version: Option<&str>) -> Option<String> {
    purl("npm", scope, name, version, &[])
}

/// `pkg:pypi/…` of a name normalised as the Python packaging guide says (PEP 503).
pub(crate) fn pypi(name: &str, version: Option<&str>) -> Option<String> {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' => {
                if !normal.ends_with('-') {
                    normal.push('-');
                }
            }
            other => normal.extend(other.to_lowercase()),
        }
    }
    purl("pypi", None, &normal, version, &[])
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn each_kind() {
        let deb = purl(
            "deb",
            Some("debian"),
            "libstdc++6",
            Some("1:14.2.0-19+b1"),
            &[("arch", "amd64"), ("distro", "debian-13")],
        );
        assert_eq!(
            deb.as_deref(),
            Some("pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13")
        );
        assert_eq!(
            npm(Some("@babel"), "core", Some("7.0.0")).as_deref(),
            Some("pkg:npm/%40babel/core@7.0.0")
        );
        assert_eq!(npm(None, "left-pad", None).as_deref(), Some("pkg:npm/left-pad"));
        assert_eq!(pypi("Zope.Interface__x", Some("1")).as_deref(), Some("pkg:pypi/zope-interface-x@1"));
        assert_eq!(
            golang("github.com/docker/docker", Some("v24.0.0+incompatible")).as_deref(),
            Some("pkg:golang/github.com/docker/docker@v24.0.0%2Bincompatible")
        );
        assert_eq!(golang("stdlib", Some("1.22.1")).as_deref(), Some("pkg:golang/stdlib@1.22.1"));
        assert_eq!(purl("cargo", None, "", None, &[]), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in
            ["pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64", "pkg:npm/%40babel/core@7.0.0"]
        {
            assert_eq!(PackageUrl::from_str(text).unwrap().to_string(), text);
        }
    }
}
