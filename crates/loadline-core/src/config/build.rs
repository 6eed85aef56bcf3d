//! What the builder `buildx` is told of an image: `builder-instance`, `secrets`, `cache-from`, `cache-to`,
//! `contexts`, `provenance`.

use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::codes;
use super::model::{Builder, Image};
use super::read::{Fields, Node, Reader, shown};
use crate::reference::Reference;

/// Something that instructions may read while they run, and that is never in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildSecret {
    /// What instructions call it: `RUN --mount=type=secret,id=…`.
    pub id: String,
    /// The variable of the environment that holds it.
    pub env: Option<String>,
    /// The file that holds it, relative to the configuration file.
    #[schemars(with = "Option<String>")]
    pub file: Option<Utf8PathBuf>,
}

/// How much BuildKit's own provenance says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuildProvenance {
    /// Everything, build arguments and the Dockerfile's text too.
    #[default]
    Max,
    /// Without build arguments and steps.
    Min,
    /// There is none.
    Off,
}

impl BuildProvenance {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Off => "off",
        }
    }
}

/// The network of RUN instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The builder's own.
    Default,
    /// There is none.
    None,
    /// The machine's, which the builder instance must allow.
    Host,
}

impl Network {
    /// Its name in the configuration, and to builders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::None => "none",
            Self::Host => "host",
        }
    }
}

/// What a named context is (`--build-context` of buildx): a directory, `oci-layout://DIR[:TAG|@DIGEST]` or
/// `docker-image://REFERENCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory, relative to the configuration file.
    Directory(Utf8PathBuf),
    /// An image in an OCI layout, relative to the configuration file.
    OciLayout {
        /// The layout.
        directory: Utf8PathBuf,
        /// A tag or digest.
        target: Option<String>,
    },
    /// An image at a registry.
    Image(Reference),
}

impl FromStr for ContextSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(reference) = text.strip_prefix("docker-image://") {
            return reference.parse().map(Self::Image).map_err(|error| format!("`{}`: {error}", shown(text)));
        }
        if let Some(layout) = text.strip_prefix("oci-layout://") {
            let last = layout.rfind('/').map_or(0, |at| at + 1);
            let (directory, target) = match (layout.split_once('@'), layout[last..].split_once(':')) {
                (Some((directory, digest)), _) => (directory, Some(digest.to_owned())),
                (None, Some((name, tag))) => (&layout[..last + name.len()], Some(tag.to_owned())),
                (None, None) => (layout, None),
            };
            if directory.is_empty() {
                return Err(format!("`{}` names no directory", shown(text)));
            }
            return Ok(Self::OciLayout { directory: directory.into(), target });
        }
        if text.is_empty() || text.contains("://") {
            let known = "a directory, `docker-image://REFERENCE` or `oci-layout://DIRECTORY`";
            return Err(format!("`{}` is no context: write {known}", shown(text)));
        }
        Ok(Self::Directory(text.into()))
    }
}

impl fmt::Display for ContextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => f.write_str(path.as_str()),
            Self::OciLayout { directory, target: None } => write!(f, "oci-layout://{directory}"),
            Self::OciLayout { directory, target: Some(target) } if target.contains(':') => {
                write!(f, "oci-layout://{directory}@{target}")
            }
            Self::OciLayout { directory, target: Some(target) } => {
                write!(f, "oci-layout://{directory}:{target}")
            }
            Self::Image(reference) => write!(f, "docker-image://{reference}"),
        }
    }
}

impl<'de> Deserialize<'de> for ContextSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Reader<'_> {
    /// The keys of an image that are about its builder.
    pub(super) fn builder_keys(&mut self, fields: &mut Fields<'_>, image: &mut Image) {
        let mut of_buildx = Vec::new();
        if let Some(node) = self.optional(fields, "builder-instance") {
            image.builder_instance = self.filled(&node);
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "secrets") {
            for node in
                self.list(&node, "a list of tables with `id`, and `env` or `file`").unwrap_or_default()
            {
                image.secrets.push(self.secret(&node).unwrap_or_default());
            }
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "cache-from") {
            image.cache_from = self.caches(&node);
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "cache-to") {
            image.cache_to = self.caches(&node);
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "contexts") {
            image.contexts = self.contexts(&node);
        }
        if let Some(node) = self.optional(fields, "provenance") {
            let choices = [BuildProvenance::Max, BuildProvenance::Min, BuildProvenance::Off];
            image.provenance = self.choice(&node, &choices.map(|c| (c.name(), c))).unwrap_or_default();
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "network") {
            let choices = [Network::Default, Network::None, Network::Host];
            image.network = self.choice(&node, &choices.map(|c| (c.name(), c)));
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "ssh") {
            let nodes = self.list(&node, "a list of agents, such as [\"default\"]").unwrap_or_default();
            image.ssh = nodes.iter().map(|node| self.filled(node).unwrap_or_default()).collect();
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "sbom") {
            image.sbom = self.filled(&node);
            of_buildx.push(node.path);
        }
        if let Some(node) = self.optional(fields, "rewrite-timestamp") {
            image.rewrite_timestamp = self.boolean(&node).unwrap_or_default();
            of_buildx.push(node.path);
        }
        let builder = image.builder;
        let mut others = if builder == Builder::Buildx { Vec::new() } else { of_buildx };
        others.extend(self.made_keys(fields, image));
        for path in others {
            let message = format!("`{path}` says nothing to the builder `{}`", builder.name());
            self.error(
                &codes::OTHER_BUILDER,
                &path,
                message,
                "take it out, or choose the builder that it is for",
            );
        }
    }

    fn secret(&mut self, node: &Node<'_>) -> Option<BuildSecret> {
        let mut fields = self.table(node, "a table with `id`, and `env` or `file`")?;
        let id = self
            .required(&mut fields, "id", "id = \"npm\"")
            .and_then(|node| self.filled(&node))
            .unwrap_or_default();
        let env = self.optional(&mut fields, "env").map(|node| self.filled(&node).unwrap_or_default());
        let file = self.optional(&mut fields, "file").map(|node| self.path(&node).unwrap_or_default());
        self.finish(fields);
        let name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if env.is_some() == file.is_some() {
            let message = format!("the secret `{}` is not in one place", shown(&id));
            let help = "say where it is: `env = \"NPM_TOKEN\"` or `file = \"token.txt\"`";
            self.error(&codes::BAD_SECRET, &node.path, message, help);
        } else if let Some(env) = &env
            && !env.bytes().all(name)
        {
            let message =
                format!("the secret `{}` is in `{}`, which names no variable", shown(&id), shown(env));
            self.error(&codes::BAD_SECRET, &node.path, message, "name the variable, not its value");
        }
        Some(BuildSecret { id, env, file })
    }

    fn caches(&mut self, node: &Node<'_>) -> Vec<String> {
        let nodes = self.list(node, "a list of caches, such as [\"type=gha\"]").unwrap_or_default();
        nodes.iter().map(|node| self.filled(node).unwrap_or_default()).collect()
    }

    fn contexts(&mut self, node: &Node<'_>) -> IndexMap<String, ContextSource> {
        let Some(fields) = self.table(node, "a table of contexts") else { return IndexMap::new() };
        let mut contexts = IndexMap::new();
        for (name, node) in self.entries(&fields) {
            let Some(text) = self.filled(&node) else { continue };
            match text.parse() {
                Ok(context) => {
                    contexts.insert(name, context);
                }
                Err(message) => self.error(&codes::BAD_CONTEXT, &node.path, message, ""),
            }
        }
        contexts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_written_as_they_are_read() {
        for text in [
            "docker",
            "../shared",
            "oci-layout://out/base",
            "oci-layout://out/base:1.0",
            &format!("oci-layout://base@{}", crate::Digest::of("x")),
            "docker-image://docker.io/library/debian:13",
        ] {
            assert_eq!(text.parse::<ContextSource>().unwrap().to_string(), *text);
        }
        let short: ContextSource = "docker-image://debian:13".parse().unwrap();
        assert_eq!(short.to_string(), "docker-image://docker.io/library/debian:13");
        for wrong in
            ["", "https://example.com/x.git", "docker-image://A B", "oci-layout://", "oci-layout://:1"]
        {
            assert!(wrong.parse::<ContextSource>().is_err(), "{wrong}");
        }
    }
}
