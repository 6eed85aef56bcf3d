//! The parent's environment, as an input.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How to get out: the proxies and the certificate authorities, for every program that talks to a network.
pub const NETWORK: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The variables that a run starts from. Built once from the process's own, or set by a test.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables that this process was started with.
    pub fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// A variable's value; none where it is unset, empty or no UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_os(name).and_then(OsStr::to_str).filter(|value| !value.is_empty())
    }

    /// A variable's value as the system holds it.
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The variables' names.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.variables.keys().map(OsString::as_os_str)
    }

    /// Where PATH finds a program, if it does. Relative and empty members of PATH are passed over: what a
    /// name means must not depend on the directory that a program is run in.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let path = self.get_os("PATH")?;
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| is_executable(file))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: half of what CI keeps in its environment is secret.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

pub(crate) fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_print() {
        let environment = Environment::empty().with("TOKEN", "hunter2");
        assert_eq!(format!("{environment:?}"), r#"{"TOKEN"}"#);
        assert_eq!(environment.get("TOKEN"), Some("hunter2"));
        assert_eq!(environment.get("OTHER"), None);
    }

    #[test]
    fn only_absolute_folders_of_path_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        let environment = Environment::empty().with("PATH", format!(".::{}", folder.path().display()));
        assert_eq!(environment.find_program("tool"), None, "it is not executable yet");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(environment.find_program("tool"), Some(file));
        assert_eq!(environment.find_program("Cargo.toml"), None);
    }
}
