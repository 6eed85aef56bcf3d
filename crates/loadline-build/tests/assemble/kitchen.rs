//! A build context in a temporary directory, and images read back by other crates than the builder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use loadline_build::{AssembleError, Assembler, BuildRequest, Built};
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};
use serde_json::Value;

/// A context and a place for images.
pub(crate) struct Kitchen {
    directory: tempfile::TempDir,
}

/// An entry of a layer: kind, mode, owner, and content or target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: char,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) text: String,
}

/// An image as read back.
pub(crate) struct Image {
    pub(crate) built: Built,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
    /// The entries of each layer in their order.
    pub(crate) layers: Vec<Vec<(String, Seen)>>,
}

pub(crate) fn client() -> Client {
    Client::new(Http::new(HttpOptions::default()), Options::default())
}

pub(crate) fn assembler() -> Assembler {
    Assembler::new(&client(), None).unwrap()
}

impl Kitchen {
    pub(crate) fn new(dockerfile: &str) -> Self {
        let kitchen = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(kitchen.context()).unwrap();
        kitchen.file("Dockerfile", dockerfile)
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    pub(crate) fn layout(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.context().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn executable(self, path: &str, text: &str) -> Self {
        let kitchen = self.file(path, text);
        fs::set_permissions(kitchen.context().join(path), fs::Permissions::from_mode(0o755)).unwrap();
        kitchen
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let path = self.context().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    pub(crate) fn request(&self) -> BuildRequest {
        BuildRequest::new(self.context(), "linux/amd64".parse().unwrap())
    }

    pub(crate) fn build(&self) -> Result<Image, AssembleError> {
        self.build_with(&self.request())
    }

    pub(crate) fn build_with(&self, request: &BuildRequest) -> Result<Image, AssembleError> {
        let layout = self.layout("image");
        let built = run(assembler().assemble(request, &Repository::layout(&layout)))?;
        Ok(read(&layout, built))
    }

    /// The message that a build is refused with.
    pub(crate) fn refused(&self) -> String {
        match self.build() {
            Ok(_) => panic!("the build was not refused"),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    fs::read(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())).unwrap()
}

/// Reads an image by nothing but its files.
pub(crate) fn read(layout: &Path, built: Built) -> Image {
    let manifest: Value = serde_json::from_slice(&blob(layout, &built.manifest.digest.to_string())).unwrap();
    let config: Value =
        serde_json::from_slice(&blob(layout, manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let layers = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| entries(&blob(layout, layer["digest"].as_str().unwrap())))
        .collect();
    Image { built, manifest, config, layers }
}

fn entries(gzip: &[u8]) -> Vec<(String, Seen)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(gzip));
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let mut text = String::new();
            let kind = match header.entry_type() {
                tar::EntryType::Directory => 'd',
                tar::EntryType::Symlink => {
                    text = String::from_utf8(entry.link_name_bytes().unwrap().into_owned()).unwrap();
                    'l'
                }
                tar::EntryType::Regular => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).unwrap();
                    text = String::from_utf8_lossy(&bytes).into_owned();
                    'f'
                }
                other => panic!("{other:?}"),
            };
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            (path, Seen { kind, mode: header.mode().unwrap(), owner, text })
        })
        .collect()
}

impl Image {
    /// The names in a layer.
    pub(crate) fn names(&self, layer: usize) -> Vec<&str> {
        self.layers[layer].iter().map(|(path, _)| path.as_str()).collect()
    }

    /// The last layer's names.
    pub(crate) fn last(&self) -> Vec<&str> {
        self.names(self.layers.len() - 1)
    }

    /// What is seen at a path once all layers lie over each other.
    pub(crate) fn at(&self, path: &str) -> Seen {
        let all: BTreeMap<&str, &Seen> = self.layers.iter().flatten().map(|(p, s)| (p.as_str(), s)).collect();
        all.get(path).copied().cloned().unwrap_or_else(|| panic!("{path} is not in {:?}", all.keys()))
    }

    pub(crate) fn text(&self, path: &str) -> String {
        self.at(path).text
    }

    /// Each step and whether it made a layer.
    pub(crate) fn history(&self) -> Vec<(String, bool)> {
        self.config["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| (step["created_by"].as_str().unwrap().to_owned(), step.get("empty_layer").is_none()))
            .collect()
    }

    pub(crate) fn env(&self) -> Vec<&str> {
        self.config["config"]["Env"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
    }
}
