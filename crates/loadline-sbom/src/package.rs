//! One package, as a cataloger found it.

use std::collections::BTreeSet;

/// Who manages the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// The distribution itself.
    Os,
    /// dpkg.
    Deb,
    /// apk.
    Apk,
    /// npm.
    Npm,
    /// Python.
    Pypi,
    /// Go modules in a binary.
    Golang,
    /// Rust crates in a binary.
    Cargo,
}

impl Ecosystem {
    /// The package URL type, or `os`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
        }
    }
}

/// What the package is (CycloneDX `component.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A part of something else.
    Library,
    /// A program.
    Application,
    /// The distribution.
    OperatingSystem,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Application => "application",
            Self::OperatingSystem => "operating-system",
        }
    }
}

/// One package. Found in several places it is one, with all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Who manages it.
    pub ecosystem: Ecosystem,
    /// What it is.
    pub kind: Kind,
    /// npm's scope with its `@`; none elsewhere.
    pub group: Option<String>,
    /// The name, as its manager writes it.
    pub name: String,
    /// The version, where there is one.
    pub version: Option<String>,
    /// The package URL, where one names it truly.
    pub purl: Option<String>,
    /// Who publishes it.
    pub publisher: Option<String>,
    /// Its licences, as written.
    pub licences: BTreeSet<String>,
    /// Digests of what was installed: CycloneDX's algorithm name and the hexadecimal value.
    pub hashes: BTreeSet<(&'static str, String)>,
    /// The files that show that it is there.
    pub locations: BTreeSet<String>,
    /// The layers that put it there, counted from 0 at the base, where that is known.
    pub layers: BTreeSet<usize>,
    /// More that is worth keeping; the names begin with `loadline:`.
    pub properties: BTreeSet<(&'static str, String)>,
    /// The [`Package::bom_ref`]s of what it needs, where that is known.
    pub depends: BTreeSet<String>,
}

impl Package {
    /// A package of this name.
    pub fn new(ecosystem: Ecosystem, kind: Kind, name: impl Into<String>, version: Option<String>) -> Self {
        Self {
            ecosystem,
            kind,
            group: None,
            name: name.into(),
            version: version.filter(|v| !v.is_empty()),
            purl: None,
            publisher: None,
            licences: BTreeSet::new(),
            hashes: BTreeSet::new(),
            locations: BTreeSet::new(),
            layers: BTreeSet::new(),
            properties: BTreeSet::new(),
            depends: BTreeSet::new(),
        }
    }

    /// What stands for it in a document: its package URL, else `ecosystem:name@version`.
    pub fn bom_ref(&self) -> String {
        if let Some(purl) = &self.purl {
            return purl.clone();
        }
        let mut text = format!("{}:", self.ecosystem.name());
        if let Some(group) = &self.group {
            text.push_str(group);
            text.push('/');
        }
        text.push_str(&self.name);
        if let Some(version) = &self.version {
            text.push('@');
            text.push_str(version);
        }
        text
    }

    /// Takes in the same package found elsewhere.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.kind = self.kind.max(other.kind);
        self.publisher = self.publisher.take().or(other.publisher);
        self.licences.extend(other.licences);
        self.hashes.extend(other.hashes);
        self.locations.extend(other.locations);
        self.layers.extend(other.layers);
        self.properties.extend(other.properties);
        self.depends.extend(other.depends);
    }
}
