//! Dockerfiles that are parsed once, however many rules read them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_dockerfile::{Dockerfile, ParseError};

/// The Dockerfiles of one tree, by their path from its root.
#[derive(Default)]
pub(crate) struct Parsed {
    files: RefCell<HashMap<Utf8PathBuf, Result<Rc<Dockerfile>, ParseError>>>,
}

impl Parsed {
    /// The Dockerfile at a path, whose bytes are at hand.
    pub(crate) fn get(&self, path: &Utf8Path, bytes: &[u8]) -> Result<Rc<Dockerfile>, ParseError> {
        if let Some(known) = self.files.borrow().get(path) {
            return known.clone();
        }
        let parsed = Dockerfile::parse(bytes).map(Rc::new);
        self.files.borrow_mut().insert(path.to_owned(), parsed.clone());
        parsed
    }
}
