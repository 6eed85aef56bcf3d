//! Paths inside images and contexts: text, separated by `/`, whatever the machine's own are.

/// The shortest path of the same meaning, as Go's `path.Clean`: never empty, `.` at least.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The path as the tree holds it: from the root, without a leading `/`, no `.` or `..`; the root is empty.
pub fn from_root(path: &str) -> String {
    let cleaned = clean(&format!("/{path}"));
    cleaned[1..].to_owned()
}

/// A path and a name beneath it.
pub fn join(directory: &str, name: &str) -> String {
    match (directory.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => directory.to_owned(),
        _ => format!("{directory}/{name}"),
    }
}

/// The directory that holds a path, the root as the empty text.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The last part of a path.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The directories above a path, from the top, the root left out.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).filter(|parent| !parent.is_empty())
}

/// Whether a path climbs above where it starts: `../x`, `a/../../x`.
pub fn climbs(path: &str) -> bool {
    let mut depth = 0_i64;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_gos_clean() {
        for (given, expected) in [
            ("", "."),
            ("abc", "abc"),
            ("abc//def//ghi", "abc/def/ghi"),
            ("./abc", "abc"),
            ("abc/..", "."),
            ("abc/../../def", "../def"),
            ("/..", "/"),
            ("/abc/", "/abc"),
            ("../../abc", "../../abc"),
            ("//a/./b/", "/a/b"),
        ] {
            assert_eq!(clean(given), expected, "{given}");
        }
        assert_eq!(from_root("/"), "");
        assert_eq!(from_root("../a/./b/"), "a/b");
    }

    #[test]
    fn parts() {
        assert_eq!((parent("a/b/c"), name("a/b/c")), ("a/b", "c"));
        assert_eq!((parent("a"), name("a")), ("", "a"));
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(join("", "x"), "x");
        assert!(climbs("../x") && climbs("a/../../x") && !climbs("a/../x") && !climbs("/a/b"));
    }
}
