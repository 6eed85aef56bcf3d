//! Writes a file so that at no moment half of it is there.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};

use camino::{Utf8Path, Utf8PathBuf};
use thiserror::Error;

use crate::tree::WorkTree;

/// Why a file was not written. It is as it was before.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    /// The file changed while it was being examined.
    #[error("`{path}` changed in the meantime: run it again")]
    Changed {
        /// The path, relative to the root.
        path: Utf8PathBuf,
    },
    /// A symbolic link leads out of the repository.
    #[error("`{path}` leads out of the repository, to `{target}`: mend that file where it belongs")]
    Outside {
        /// The path, relative to the root.
        path: Utf8PathBuf,
        /// Where it leads.
        target: Utf8PathBuf,
    },
    /// The system refuses.
    #[error("`{path}` cannot be written: {source}")]
    Io {
        /// The path, relative to the root.
        path: Utf8PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Replaces a file's content: a new file beside it takes its place in one step, with its permissions and,
/// where the system lets us, its owner. A symbolic link stays one; what it leads to is written. A hard link
/// is parted from its other names.
pub(crate) fn replace(
    tree: &WorkTree,
    path: &Utf8Path,
    before: &[u8],
    after: &[u8],
) -> Result<(), WriteError> {
    let failed = |source| WriteError::Io { path: path.to_owned(), source };
    let top = tree.top().canonicalize_utf8().map_err(failed)?;
    let target = tree.root().join(path).canonicalize_utf8().map_err(failed)?;
    if !target.starts_with(&top) {
        return Err(WriteError::Outside { path: path.to_owned(), target });
    }
    let found = fs::metadata(&target).map_err(failed)?;
    if fs::read(&target).map_err(failed)? != before {
        return Err(WriteError::Changed { path: path.to_owned() });
    }
    // A file that may not be written must not be replaced either, though its directory would allow it.
    OpenOptions::new().write(true).open(&target).map_err(failed)?;
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let temporary = folder.join(format!(".{name}.loadline-{}", std::process::id()));
    let written = write(&temporary, after, &found).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    // The rename itself is only safe on disk once the directory is.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn write(temporary: &Utf8Path, bytes: &[u8], like: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(bytes)?;
    // Only root may give a file away; for everyone else the owner is the same already.
    let _ = chown(temporary, Some(like.uid()), Some(like.gid()));
    file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}
