//! A tree that is asked once.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::tree::{ReadError, Tree};

/// Remembers what a tree answered: many rules read the same files.
pub(crate) struct Cached<'a> {
    tree: &'a dyn Tree,
    files: OnceCell<Vec<Utf8PathBuf>>,
    read: RefCell<HashMap<Utf8PathBuf, Vec<u8>>>,
}

impl<'a> Cached<'a> {
    pub(crate) fn new(tree: &'a dyn Tree) -> Self {
        Self { tree, files: OnceCell::new(), read: RefCell::default() }
    }
}

impl Tree for Cached<'_> {
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.read.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = self.tree.read(path)?;
        self.read.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError> {
        if let Some(files) = self.files.get() {
            return Ok(files.clone());
        }
        let files = self.tree.files()?;
        Ok(self.files.get_or_init(|| files).clone())
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError> {
        self.tree.list(directory)
    }

    fn top(&self) -> Utf8PathBuf {
        self.tree.top()
    }
}
