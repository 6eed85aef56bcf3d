//! Images that something else makes: `[image.NAME.layout]`, `existing`, and `[runners]`, the machines that legs
//! are built on.

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codes;
use super::model::{Builder, Image};
use super::read::{Fields, Node, Reader, StringOr, shown};
use crate::platform::Platform;
use crate::reference::Reference;

/// A tool whose command line is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `ko build`: Go programs.
    Ko,
    /// `buildah build`: Dockerfiles.
    Buildah,
    /// `podman build`: Dockerfiles.
    Podman,
    /// `devcontainer build`: development containers, by docker's buildx.
    Devcontainer,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ko, Self::Buildah, Self::Podman, Self::Devcontainer];

    /// Its name in the configuration, and the program's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::Buildah => "buildah",
            Self::Podman => "podman",
            Self::Devcontainer => "devcontainer",
        }
    }

    /// Whether it builds a Dockerfile, and can keep its instructions off the network and within limits.
    pub const fn builds_dockerfiles(self) -> bool {
        matches!(self, Self::Buildah | Self::Podman)
    }
}

/// How another tool is run, and where the OCI layout is that it leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LayoutTable {
    /// A tool whose command line is known.
    pub preset: Option<Preset>,
    /// The program and its arguments, run in a copy of the context. `{output}` is the folder that the layout is
    /// wanted in, `{platform}` the platform; without `{platform}` it runs once and leaves a whole index.
    pub command: Vec<String>,
    /// Where the layout is: of a command relative to the context, else to the configuration file.
    #[schemars(with = "Option<String>")]
    pub path: Option<Utf8PathBuf>,
    /// What ko builds: `./cmd/server`.
    pub package: Option<String>,
    /// Further arguments of the preset's build.
    pub arguments: Vec<String>,
    /// Further variables of the environment that the command may read.
    pub environment: Vec<String>,
    /// Whether instructions may use the network, where the preset can forbid it.
    pub network: bool,
    /// The most memory of a build, as `2g`, where the preset can limit it.
    pub memory: Option<String>,
    /// The most processors of a build, as `2` or `1.5`, where the preset can limit them.
    pub cpus: Option<String>,
    /// The most processes of a build, as `512`, where the preset can limit them.
    pub processes: Option<String>,
}

/// What is at a registry already.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Existing {
    /// An index of every platform, or the image of the only one.
    Whole(#[schemars(with = "String")] Reference),
    /// One reference for each platform.
    Platforms(#[schemars(with = "IndexMap<String, String>")] IndexMap<Platform, Reference>),
}

impl Existing {
    /// What there is for a platform.
    pub fn of(&self, platform: &Platform) -> Option<&Reference> {
        match self {
            Self::Whole(reference) => Some(reference),
            Self::Platforms(platforms) => platforms.get(platform),
        }
    }
}

/// What `runs-on` of a workflow's job takes: one label, or all that a machine must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Runner {
    /// One label.
    Label(String),
    /// Several, all of which the machine has.
    Labels(Vec<String>),
}

impl Reader<'_> {
    /// The keys of the builders `layout` and `existing`. Gives the paths of those that are for another builder
    /// than the image's.
    pub(super) fn made_keys(&mut self, fields: &mut Fields<'_>, image: &mut Image) -> Vec<String> {
        let mut others = Vec::new();
        if let Some(node) = self.optional(fields, "layout") {
            image.layout = Some(self.layout(&node, image));
            if image.builder != Builder::Layout {
                others.push(node.path);
            }
        } else if image.builder == Builder::Layout {
            let path = fields.path.clone();
            let message = format!("`{path}` is built by `layout`, and does not say how");
            self.error(
                &codes::BAD_LAYOUT,
                &path,
                message,
                "add a table `layout` with `preset`, `command` or `path`",
            );
        }
        if let Some(node) = self.optional(fields, "existing") {
            image.existing = self.existing(&node);
            if image.builder != Builder::Existing {
                others.push(node.path);
            }
        }
        others
    }

    fn layout(&mut self, node: &Node<'_>, image: &Image) -> LayoutTable {
        let mut layout = LayoutTable::default();
        let Some(mut fields) = self.table(node, "a table") else { return layout };
        if let Some(node) = self.optional(&mut fields, "preset") {
            layout.preset = self.choice(&node, &Preset::ALL.map(|preset| (preset.name(), preset)));
        }
        layout.command = self.words(&mut fields, "command");
        if let Some(node) = self.optional(&mut fields, "path") {
            layout.path = self.path(&node);
        }
        if let Some(node) = self.optional(&mut fields, "package") {
            layout.package = self.filled(&node);
        }
        layout.arguments = self.words(&mut fields, "arguments");
        layout.environment = self.words(&mut fields, "environment");
        if let Some(node) = self.optional(&mut fields, "network") {
            layout.network = self.boolean(&node).unwrap_or_default();
        }
        layout.memory = self.amount(&mut fields, "memory", "2g");
        layout.cpus = self.amount(&mut fields, "cpus", "1.5");
        layout.processes = self.amount(&mut fields, "processes", "512");
        self.finish(fields);
        if let Some((message, help)) = wrong(&layout, image) {
            self.error(&codes::BAD_LAYOUT, &node.path, message, help);
        }
        layout
    }

    fn words(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Vec<String> {
        let Some(node) = self.optional(fields, key) else { return Vec::new() };
        let nodes = self.list(&node, "a list of strings").unwrap_or_default();
        nodes.iter().map(|node| self.filled(node).unwrap_or_default()).collect()
    }

    /// An amount: digits, a point in between, a unit of one letter behind.
    fn amount(&mut self, fields: &mut Fields<'_>, key: &'static str, example: &str) -> Option<String> {
        let node = self.optional(fields, key)?;
        let text = self.filled(&node)?;
        let number = text.trim_end_matches(['k', 'm', 'g']);
        let plain = number.parse::<f64>().is_ok_and(|number| number > 0.0 && number.is_finite());
        if !plain || text.len() - number.len() > 1 || number.starts_with('+') {
            let message = format!("`{}` is `{}`, which is no amount", node.path, shown(&text));
            self.error(&codes::BAD_LAYOUT, &node.path, message, &format!("write it as \"{example}\""));
            return None;
        }
        Some(text)
    }

    fn existing(&mut self, node: &Node<'_>) -> Option<Existing> {
        match self.string_or(node, "a string, or a table of platforms")? {
            StringOr::Table(fields) => {
                let mut platforms = IndexMap::new();
                for (name, node) in self.entries(&fields) {
                    let reference = self.by_digest(&node);
                    match (name.parse(), reference) {
                        (Ok(platform), Some(reference)) => {
                            platforms.insert(platform, reference);
                        }
                        (Err(error), _) => {
                            let message = format!("`{}`: {error}", shown(&name));
                            self.error(&codes::BAD_PLATFORM, &node.path, message, "");
                        }
                        (Ok(_), None) => {}
                    }
                }
                Some(Existing::Platforms(platforms))
            }
            _ => self.by_digest(node).map(Existing::Whole),
        }
    }

    fn by_digest(&mut self, node: &Node<'_>) -> Option<Reference> {
        let text = self.filled(node)?;
        match text.parse::<Reference>() {
            Ok(reference) if reference.digest.is_some() => Some(reference),
            other => {
                let why =
                    other.err().map_or_else(|| "it has no digest".to_owned(), |error| error.to_string());
                let message = format!("`{}` does not name an image by digest: {why}", node.path);
                self.error(&codes::BAD_EXISTING, &node.path, message, "write it as `REPOSITORY@sha256:…`");
                None
            }
        }
    }

    /// `[runners]`.
    pub(super) fn runners(&mut self, node: &Node<'_>) -> IndexMap<Platform, Runner> {
        let mut runners = IndexMap::new();
        let Some(fields) = self.table(node, "a table of platforms") else { return runners };
        for (name, node) in self.entries(&fields) {
            let runner = match self.string_or(&node, "a string, or a list of strings") {
                Some(StringOr::List(nodes)) => {
                    let labels: Vec<String> = nodes.iter().filter_map(|node| self.filled(node)).collect();
                    (!labels.is_empty()).then_some(Runner::Labels(labels))
                }
                Some(_) => self.filled(&node).map(Runner::Label),
                None => continue,
            };
            match (name.parse::<Platform>(), runner) {
                (Ok(platform), Some(runner)) => {
                    if runners.insert(platform, runner).is_some() {
                        let message = format!("`{}` is named twice", shown(&name));
                        self.error(&codes::BAD_RUNNER, &node.path, message, "remove one of the two");
                    }
                }
                (Ok(_), None) => {
                    let message = format!("`{}` names no machine", node.path);
                    self.error(
                        &codes::BAD_RUNNER,
                        &node.path,
                        message,
                        "write a label, such as \"ubuntu-24.04\"",
                    );
                }
                (Err(error), _) => {
                    let message = format!("`{}` is no platform: {error}", shown(&name));
                    self.error(&codes::BAD_RUNNER, &node.path, message, "write it as \"linux/amd64\"");
                }
            }
        }
        runners
    }
}

fn wrong(layout: &LayoutTable, image: &Image) -> Option<(String, &'static str)> {
    let say = |message: &str, help| Some((message.to_owned(), help));
    match layout.preset {
        Some(_) if !layout.command.is_empty() => {
            say("a layout has a preset or a command, not both", "take one of the two out")
        }
        Some(preset) if layout.path.is_some() => {
            let message = format!("the preset `{}` knows where its layout is", preset.name());
            Some((message, "take `path` out"))
        }
        Some(Preset::Ko) if layout.package.is_none() => {
            say("ko is not told what to build", "add: package = \"./cmd/server\"")
        }
        Some(preset) if preset.builds_dockerfiles() && image.dockerfile.as_str().is_empty() => {
            let message = format!("{} is not told which Dockerfile to build", preset.name());
            Some((message, "add to the image: dockerfile = \"Dockerfile\""))
        }
        None if layout.command.is_empty() && layout.path.is_none() => {
            say("there is no preset, no command and no path", "add one of the three")
        }
        None if !layout.command.is_empty()
            && layout.path.is_none()
            && !layout.command.iter().any(|word| word.contains("{output}")) =>
        {
            say(
                "nothing says where the command leaves its layout",
                "add `path`, or `{output}` to the arguments",
            )
        }
        _ => None,
    }
}
