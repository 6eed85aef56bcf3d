//! Whether everyone may pull what is released: `public`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::codes;
use super::model::{Config, Image};
use super::read::{Node, Reader, shown};
use super::suggest::did_you_mean;

/// Whether everyone may pull what is released, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Public {
    /// From all its repositories, or from none.
    Everywhere(bool),
    /// From its repositories at these registries.
    At(Vec<String>),
}

impl Default for Public {
    fn default() -> Self {
        Self::Everywhere(false)
    }
}

impl Public {
    /// Whether it holds at this registry.
    pub fn holds_at(&self, registry: &str) -> bool {
        match self {
            Self::Everywhere(everywhere) => *everywhere,
            Self::At(registries) => registries.iter().any(|listed| listed == registry),
        }
    }
}

impl Config {
    /// Whether everyone may pull this image from this registry: its own word, else the set's.
    pub fn is_public(&self, image: &Image, registry: &str) -> bool {
        image.public.as_ref().unwrap_or(&self.release.public).holds_at(registry)
    }
}

impl Reader<'_> {
    /// `public = true` or `public = ["ghcr.io"]`.
    pub(super) fn public(&mut self, node: &Node<'_>) -> Option<Public> {
        if node.is_list() {
            let nodes = self.list(node, "true, false or a list of registries")?;
            return Some(Public::At(nodes.iter().filter_map(|node| self.filled(node)).collect()));
        }
        self.boolean(node).map(Public::Everywhere)
    }
}

/// A registry that is called public must be one that something goes to: a typing error would check nothing.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let of = |image: &Image| -> Vec<String> {
        let repositories = image.repository.as_ref().unwrap_or(&config.release.repository);
        repositories.as_slice().iter().map(|name| name.registry().to_owned()).collect()
    };
    let mut all: Vec<String> = config.images.values().flat_map(of).collect();
    all.extend(config.release.repository.as_slice().iter().map(|name| name.registry().to_owned()));
    let mut listed = vec![("release.public".to_owned(), &config.release.public, all)];
    for (name, image) in &config.images {
        if let Some(public) = &image.public {
            listed.push((format!("image.{name}.public"), public, of(image)));
        }
    }
    for (path, public, registries) in listed {
        let Public::At(named) = public else { continue };
        for (at, name) in named.iter().enumerate().filter(|(_, name)| !registries.contains(name)) {
            let known: Vec<&str> = registries.iter().map(String::as_str).collect();
            let message = format!("`{path}` names `{}`, a registry that nothing goes to", shown(name));
            let help = did_you_mean(name, &known, "the registries");
            reader.error(&codes::UNKNOWN_VALUE, &format!("{path}[{at}]"), message, &help);
        }
    }
}
