//! Owners: `--chown` and `USER` into numbers, by the image's own `/etc/passwd` and `/etc/group`.

use thiserror::Error;

use super::tree::{AboveRoot, Kind, Tree};

/// How large either file may be.
const MAX_BYTES: u64 = 8 << 20;

/// Why an owner could not be told.
#[derive(Debug, Error)]
pub enum OwnerError {
    /// The name is not in the image's file.
    #[error(
        "{kind} `{name}` is not in the image's /{file}: add it there in an earlier stage, or write its number"
    )]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// The name as written.
        name: String,
        /// The file looked into.
        file: &'static str,
    },
    /// The image's file could not be read.
    #[error("/{file} of the image cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// The user and group of `user[:group]`. A number without a group is both, a name without one has the
/// group that its line says.
pub(crate) fn resolve(text: &str, tree: &Tree) -> Result<(u64, u64), OwnerError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let (uid, own_gid) = match number(user) {
        Some(uid) => (uid, uid),
        None => find(tree, "user", "etc/passwd", user, |fields| {
            Some((number(fields.get(2)?)?, number(fields.get(3)?)?))
        })?,
    };
    let gid = match group {
        None => own_gid,
        Some(group) => match number(group) {
            Some(gid) => gid,
            None => find(tree, "group", "etc/group", group, |fields| number(fields.get(2)?))?,
        },
    };
    Ok((uid, gid))
}

fn number(text: &str) -> Option<u64> {
    text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())).map(u64::from)
}

fn find<T>(
    tree: &Tree,
    kind: &'static str,
    file: &'static str,
    name: &str,
    read: impl Fn(&[&str]) -> Option<T>,
) -> Result<T, OwnerError> {
    let unreadable = |reason: String| OwnerError::Unreadable { file, reason };
    let unknown = || OwnerError::Unknown { kind, name: name.to_owned(), file };
    let path = tree
        .resolve(file, true, AboveRoot::Stays)
        .map_err(|_| unreadable("too many symbolic links".into()))?;
    let Some(node) = tree.get(&path) else { return Err(unknown()) };
    let Kind::File(content) = &node.kind else {
        return Err(unreadable(format!("it is {}", node.kind.word())));
    };
    let bytes = content.read(MAX_BYTES).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .map(|line| line.trim().split(':').collect::<Vec<_>>())
        .filter(|fields| fields.first() == Some(&name))
        .find_map(|fields| read(&fields))
        .ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    #[test]
    fn names_and_numbers() {
        let tree = tree(&[
            ("etc/passwd", "file root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:\nbroken:x\n"),
            ("etc/group", "file root:x:0:\nstaff:x:50:app\n"),
        ]);
        let owner = |text| resolve(text, &tree).map_err(|error| error.to_string());
        assert_eq!(owner("12"), Ok((12, 12)));
        assert_eq!(owner("12:34"), Ok((12, 34)));
        assert_eq!(owner("app"), Ok((1000, 1001)));
        assert_eq!(owner("app:staff"), Ok((1000, 50)));
        assert_eq!(owner("app:7"), Ok((1000, 7)));
        assert!(owner("broken").is_err());
        assert!(owner("nobody").unwrap_err().contains("/etc/passwd"));
        assert!(owner("app:wheel").unwrap_err().contains("/etc/group"));
        assert!(resolve("app", &Tree::default()).is_err());
        assert_eq!(resolve("5:6", &Tree::default()).unwrap(), (5, 6));
    }
}
