//! Paths of layer entries: made safe, and whiteouts told apart (layer.md, "Whiteouts").

/// What the name of an entry means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The root itself.
    Root,
    /// A path, without `.` and empty parts.
    Path(Vec<u8>),
    /// This path of the layers below is gone.
    Whiteout(Vec<u8>),
    /// All that the layers below have in this directory is gone; empty for the root.
    Opaque(Vec<u8>),
    /// Bookkeeping of AUFS: nothing.
    Nothing,
}

/// The path leaves the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsafe;

/// A path without `.` and empty parts. A leading `/` is of the image's root, as all that unpack layers take
/// it. A part `..` is refused wherever it stands: with symbolic links on the way nobody can say where it leads.
pub(super) fn normalise(path: &[u8]) -> Result<Vec<u8>, Unsafe> {
    let mut normal = Vec::with_capacity(path.len());
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Unsafe),
            part if part.contains(&0) => return Err(Unsafe),
            part => {
                if !normal.is_empty() {
                    normal.push(b'/');
                }
                normal.extend_from_slice(part);
            }
        }
    }
    Ok(normal)
}

/// What the name of an entry means.
pub(super) fn understand(path: &[u8]) -> Result<Name, Unsafe> {
    let path = normalise(path)?;
    if path.is_empty() {
        return Ok(Name::Root);
    }
    let (parent, base) = match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], &path[..]),
    };
    let Some(hidden) = base.strip_prefix(b".wh.") else { return Ok(Name::Path(path)) };
    match hidden {
        b".wh..opq" => Ok(Name::Opaque(parent.to_vec())),
        b"" | b"." | b".." => Err(Unsafe),
        hidden if hidden.starts_with(b".wh.") => Ok(Name::Nothing),
        hidden => {
            let mut gone = parent.to_vec();
            if !gone.is_empty() {
                gone.push(b'/');
            }
            gone.extend_from_slice(hidden);
            Ok(Name::Whiteout(gone))
        }
    }
}

/// The directories that a path lies in, the root left out, the nearest first.
pub(super) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..path.len()).rev().filter(|at| path[*at] == b'/').map(|at| &path[..at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_understood() {
        let path = |text: &str| Ok(Name::Path(text.as_bytes().to_vec()));
        assert_eq!(understand(b"./usr//bin/./x"), path("usr/bin/x"));
        assert_eq!(understand(b"/etc/passwd"), path("etc/passwd"));
        assert_eq!(understand(b"./"), Ok(Name::Root));
        assert_eq!(understand(b"a/.wh.b"), Ok(Name::Whiteout(b"a/b".to_vec())));
        assert_eq!(understand(b".wh.b"), Ok(Name::Whiteout(b"b".to_vec())));
        assert_eq!(understand(b"a/.wh..wh..opq"), Ok(Name::Opaque(b"a".to_vec())));
        assert_eq!(understand(b".wh..wh..opq"), Ok(Name::Opaque(Vec::new())));
        assert_eq!(understand(b".wh..wh.plnk"), Ok(Name::Nothing));
        for bad in [&b"../x"[..], b"a/../b", b"..", b"a/..", b"a/.wh...", b"a/.wh..", b"a/.wh.", b"a\0b"] {
            assert_eq!(understand(bad), Err(Unsafe), "{}", bad.escape_ascii());
        }
        assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!(ancestors(b"a").count(), 0);
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_root(name in "[./a-cw]{0,12}(\\.wh\\.)?[./a-c]{0,6}") {
            if let Ok(Name::Path(path) | Name::Whiteout(path) | Name::Opaque(path)) = understand(name.as_bytes()) {
                for part in path.split(|b| *b == b'/') {
                    prop_assert!(part != b".." && part != b"." && (!part.is_empty() || path.is_empty()));
                }
            }
        }
    }
}
