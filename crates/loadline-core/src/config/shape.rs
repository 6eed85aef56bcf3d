//! The tables of `loadline.toml`, read key by key into [`Config`]. What is missing or wrong is noted
//! and stood in for by something empty, so that the rest is read too and keeps its place in its list;
//! rules pass over what is empty, and a configuration with errors is never handed out.

use std::str::FromStr;

use camino::{Utf8Component, Utf8PathBuf};
use indexmap::IndexMap;

use super::attest::Attest;
use super::check::{Check, Contract};
use super::codes;
use super::model::{
    Builder, ChannelTag, Config, Gate, GateMode, Image, MovingTag, OneOrMany, Release, SharedRegion,
    ThresholdSeverity, TimeLimit, UnknownSeverity, VersionSource,
};
use super::public::Public;
use super::read::{Fields, Node, Reader, StringOr, shown};
use super::verify::Verify;
use crate::code::Code;
use crate::platform::Platform;
use crate::reference::RepositoryName;

impl Reader<'_> {
    /// The whole file.
    pub(super) fn config(&mut self, mut top: Fields<'_>) -> Config {
        let release = match self.required(
            &mut top,
            "release",
            "a table `[release]` with `source`, `repository` and `platforms`",
        ) {
            Some(node) => self.release(&node),
            None => Release::stand_in(),
        };
        let mut shared_regions = Vec::new();
        if let Some(node) = self.optional(&mut top, "shared-region") {
            for node in self.list(&node, "a list of tables: `[[shared-region]]`").unwrap_or_default() {
                shared_regions.push(self.shared_region(&node).unwrap_or_else(SharedRegion::stand_in));
            }
        }
        let mut images = IndexMap::new();
        if let Some(node) =
            self.required(&mut top, "image", "a table `[image.NAME]` with `dockerfile` for each image")
            && let Some(fields) = self.table(&node, "a table of images: `[image.NAME]`")
        {
            for (name, node) in self.entries(&fields) {
                if let Some(image) = self.image(&node) {
                    images.insert(name, image);
                }
            }
        }
        let verify = match self.optional(&mut top, "verify") {
            Some(node) => self.verify(&node),
            None => Verify::default(),
        };
        let attest = match self.optional(&mut top, "attest") {
            Some(node) => self.attest(&node),
            None => Attest::default(),
        };
        let check = match self.optional(&mut top, "check") {
            Some(node) => self.check_table(&node),
            None => Check::default(),
        };
        let mut pins = Vec::new();
        if let Some(node) = self.optional(&mut top, "pin") {
            for node in self.list(&node, "a list of tables: `[[pin]]`").unwrap_or_default() {
                pins.extend(self.pin(&node));
            }
        }
        let runners = match self.optional(&mut top, "runners") {
            Some(node) => self.runners(&node),
            None => IndexMap::new(),
        };
        let third_parties = match self.optional(&mut top, "third-party") {
            Some(node) => self.third_parties(&node),
            None => Vec::new(),
        };
        self.finish(top);
        Config { release, shared_regions, images, verify, attest, check, pins, runners, third_parties }
    }

    fn release(&mut self, node: &Node<'_>) -> Release {
        let mut release = Release::stand_in();
        let Some(mut fields) = self.table(node, "a table") else { return release };
        if let Some(node) = self.required(&mut fields, "source", "source = \"github.com/owner/name\"") {
            release.source = self.source(&node).unwrap_or_default();
        }
        if let Some(node) = self.required(&mut fields, "repository", "repository = \"ghcr.io/owner/name\"")
            && let Some(repository) = self.repository(&node)
        {
            release.repository = repository;
        }
        if let Some(node) =
            self.required(&mut fields, "platforms", "platforms = [\"linux/amd64\", \"linux/arm64\"]")
        {
            release.platforms = self.platforms(&node);
        }
        if let Some(node) = self.optional(&mut fields, "timeout") {
            release.timeout = self.time_limit(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "version") {
            let choices = [("tag", VersionSource::Tag), ("commit", VersionSource::Commit)];
            release.version = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "tag-prefix") {
            release.tag_prefix = self.string(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "public") {
            release.public = self.public(&node).unwrap_or_default();
        }
        self.finish(fields);
        release
    }

    fn shared_region(&mut self, node: &Node<'_>) -> Option<SharedRegion> {
        let mut fields = self.table(node, "a table")?;
        let mut text = |reader: &mut Self, key, example| {
            reader
                .required(&mut fields, key, example)
                .and_then(|node| reader.filled(&node))
                .unwrap_or_default()
        };
        let name = text(self, "name", "name = \"base\"");
        let begin = text(self, "begin", "begin = \"# --- SHARED-BASE-BEGIN ---\"");
        let end = text(self, "end", "end = \"# --- SHARED-BASE-END ---\"");
        let mut files = Vec::new();
        let example = "files = [\"Dockerfile.a\", \"Dockerfile.b\"]";
        if let Some(node) = self.required(&mut fields, "files", example) {
            for node in self.list(&node, "a list of files").unwrap_or_default() {
                files.push(self.path(&node).unwrap_or_default());
            }
        }
        self.finish(fields);
        Some(SharedRegion { name, begin, end, files })
    }

    fn image(&mut self, node: &Node<'_>) -> Option<Image> {
        let mut fields = self.table(node, "a table: `[image.NAME]`")?;
        let mut image = Image::stand_in();
        if let Some(node) = self.optional(&mut fields, "builder") {
            let choices = [Builder::Buildx, Builder::Assemble, Builder::Layout, Builder::Existing]
                .map(|b| (b.name(), b));
            image.builder = self.choice(&node, &choices).unwrap_or_default();
        }
        let dockerfile = match image.builder {
            Builder::Buildx | Builder::Assemble => {
                self.required(&mut fields, "dockerfile", "dockerfile = \"Dockerfile\"")
            }
            Builder::Layout | Builder::Existing => self.optional(&mut fields, "dockerfile"),
        };
        if let Some(node) = dockerfile {
            image.dockerfile = self.path(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "context") {
            image.context = self.path(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "target") {
            image.target = self.filled(&node);
        }
        if let Some(node) = self.optional(&mut fields, "repository") {
            image.repository = self.repository(&node);
        }
        if let Some(node) = self.optional(&mut fields, "platforms") {
            image.platforms = Some(self.platforms(&node));
        }
        if let Some(node) = self.optional(&mut fields, "timeout") {
            image.timeout = self.time_limit(&node);
        }
        if let Some(node) = self.optional(&mut fields, "public") {
            image.public = self.public(&node);
        }
        if let Some(node) = self.optional(&mut fields, "inputs") {
            for node in self.list(&node, "a list of files").unwrap_or_default() {
                image.inputs.extend(self.path(&node));
            }
        }
        if let Some(node) = self.optional(&mut fields, "tags") {
            image.tags.clear();
            for node in self.list(&node, "a list of tags").unwrap_or_default() {
                image.tags.push(self.filled(&node).unwrap_or_default());
            }
        }
        if let Some(node) = self.optional(&mut fields, "moving-tags") {
            for node in self.list(&node, "a list of tags").unwrap_or_default() {
                let tag = self.moving_tag(&node);
                image.moving_tags.push(tag.unwrap_or_else(|| MovingTag::Stable(String::new())));
            }
        }
        if let Some(node) = self.optional(&mut fields, "build-args") {
            image.build_args = self.texts(&node);
        }
        if let Some(node) = self.optional(&mut fields, "labels") {
            image.labels = self.texts(&node);
        }
        if let Some(node) = self.optional(&mut fields, "annotations") {
            image.annotations = self.texts(&node);
        }
        self.builder_keys(&mut fields, &mut image);
        if let Some(node) = self.optional(&mut fields, "gate") {
            image.gate = self.gate(&node);
        }
        if let Some(node) = self.optional(&mut fields, "contract") {
            image.contract = self.contract(&node);
        }
        self.finish(fields);
        Some(image)
    }

    fn moving_tag(&mut self, node: &Node<'_>) -> Option<MovingTag> {
        match self.string_or(node, "a string, or a table with `tag` and `channel`")? {
            StringOr::String => self.filled(node).map(MovingTag::Stable),
            StringOr::Table(mut fields) => {
                let mut text = |reader: &mut Self, key, example| {
                    reader.required(&mut fields, key, example).and_then(|node| reader.filled(&node))
                };
                let tag = text(self, "tag", "tag = \"beta\"");
                let channel = text(self, "channel", "channel = \"beta\"");
                self.finish(fields);
                Some(MovingTag::Channel(ChannelTag { tag: tag?, channel: channel? }))
            }
            StringOr::List(_) => None,
        }
    }

    fn gate(&mut self, node: &Node<'_>) -> Gate {
        let mut gate = Gate::default();
        let Some(mut fields) = self.table(node, "a table") else { return gate };
        if let Some(node) = self.optional(&mut fields, "mode") {
            let choices = [("block", GateMode::Block), ("regression", GateMode::Regression)];
            gate.mode = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "fail-on") {
            let choices = [
                ("low", ThresholdSeverity::Low),
                ("medium", ThresholdSeverity::Medium),
                ("high", ThresholdSeverity::High),
                ("critical", ThresholdSeverity::Critical),
            ];
            gate.fail_on = self.choice(&node, &choices).unwrap_or(gate.fail_on);
        }
        if let Some(node) = self.optional(&mut fields, "only-fixed") {
            gate.only_fixed = self.boolean(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "report") {
            gate.report = self.filled(&node).unwrap_or(gate.report);
        }
        if let Some(node) = self.optional(&mut fields, "ignore-file") {
            gate.ignore_file = self.path(&node);
        }
        if let Some(node) = self.optional(&mut fields, "unknown-severity") {
            let choices = [("warn", UnknownSeverity::Warn), ("block", UnknownSeverity::Block)];
            gate.unknown_severity = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "require-statement") {
            gate.require_statement = self.boolean(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "require-expiry") {
            gate.require_expiry = self.boolean(&node).unwrap_or_default();
        }
        self.finish(fields);
        gate
    }

    /// A table of names and texts. A name that is there with a value of another type is kept with an
    /// empty text: rules about names go on.
    pub(super) fn texts(&mut self, node: &Node<'_>) -> IndexMap<String, String> {
        let Some(fields) = self.table(node, "a table of strings") else { return IndexMap::new() };
        let mut texts = IndexMap::new();
        for (name, node) in self.entries(&fields) {
            let text = self.string(&node).unwrap_or_default();
            texts.insert(name, text);
        }
        texts
    }

    pub(super) fn parsed<T: FromStr>(
        &mut self,
        node: &Node<'_>,
        code: &'static Code,
        message: impl Fn(&T::Err) -> String,
        help: &str,
    ) -> Option<T> {
        let text = self.string(node)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(code, &node.path, message(&error), help);
                None
            }
        }
    }

    pub(super) fn time_limit(&mut self, node: &Node<'_>) -> Option<TimeLimit> {
        self.parsed(node, &codes::BAD_TIME_LIMIT, Clone::clone, "")
    }

    pub(super) fn platforms(&mut self, node: &Node<'_>) -> Vec<Platform> {
        let nodes = self.list(node, "a list of platforms").unwrap_or_default();
        nodes
            .iter()
            .filter_map(|node| self.parsed(node, &codes::BAD_PLATFORM, ToString::to_string, ""))
            .collect()
    }

    fn repository(&mut self, node: &Node<'_>) -> Option<OneOrMany<RepositoryName>> {
        match self.string_or(node, "a string, or a list of strings")? {
            StringOr::List(nodes) => {
                let all = nodes.iter().filter_map(|node| self.one_repository(node)).collect();
                Some(OneOrMany::Many(all))
            }
            _ => self.one_repository(node).map(OneOrMany::One),
        }
    }

    fn one_repository(&mut self, node: &Node<'_>) -> Option<RepositoryName> {
        let text = self.string(node)?;
        let help = if text.contains("://") {
            "write it without `https://`"
        } else if text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            "write it without tag and digest: tags are listed under `tags`"
        } else {
            ""
        };
        match text.parse() {
            Ok(repository) if help.is_empty() => Some(repository),
            Err(error) if help.is_empty() => {
                let message = format!("{error}");
                self.error(&codes::BAD_REPOSITORY, &node.path, message, help);
                None
            }
            _ => {
                let message = format!("`{}` is not a repository", shown(&text));
                self.error(&codes::BAD_REPOSITORY, &node.path, message, help);
                None
            }
        }
    }

    pub(super) fn source(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        let parts: Vec<&str> = text.split('/').collect();
        let part =
            |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if parts.len() >= 3 && parts.iter().all(part) && parts[0].contains('.') && !text.ends_with(".git") {
            return Some(text);
        }
        let bare = text.trim_start_matches("https://").trim_start_matches("git@").replacen(
            "github.com:",
            "github.com/",
            1,
        );
        let bare = bare.trim_end_matches('/').trim_end_matches(".git");
        let bare = if bare.split('/').count() == 2 { format!("github.com/{bare}") } else { bare.to_owned() };
        let help = if bare.split('/').count() >= 3 && bare.split('/').all(|p| part(&p)) {
            format!("write it as \"{bare}\"")
        } else {
            "write it as \"github.com/owner/name\"".to_owned()
        };
        let message =
            format!("`{}` is `{}`, which does not name a source repository", node.path, shown(&text));
        self.error(&codes::BAD_SOURCE, &node.path, message, &help);
        None
    }

    pub(super) fn workflow(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        let file = text.ends_with(".yml") || text.ends_with(".yaml");
        if file && text.contains('/') && !text.starts_with(['/', '.']) || text.starts_with(".github/") && file
        {
            return Some(text);
        }
        let message = format!("`{}` is `{}`, which is not a workflow's path", node.path, shown(&text));
        let help = match text.split_once('@') {
            Some((path, _)) if path.ends_with("ml") => format!("write it without the ref: \"{path}\""),
            _ => "write it as \".github/workflows/release.yml\"".to_owned(),
        };
        self.error(&codes::BAD_WORKFLOW, &node.path, message, &help);
        None
    }

    pub(super) fn issuer(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        let whole = |rest: &str| !rest.is_empty() && !rest.contains(char::is_whitespace);
        // A Sigstore of one's own on this machine, `loadline sandbox serve` for one, speaks http.
        let loopback = |rest: &str| {
            let host = rest.split('/').next().unwrap_or("");
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
        };
        if text.strip_prefix("https://").is_some_and(whole)
            || text.strip_prefix("http://").is_some_and(|rest| whole(rest) && loopback(rest))
        {
            return Some(text);
        }
        let message = format!("`{}` is `{}`, which is not an https address", node.path, shown(&text));
        let help = "GitHub Actions' issuer is \"https://token.actions.githubusercontent.com\"";
        self.error(&codes::BAD_ISSUER, &node.path, message, help);
        None
    }

    /// A path relative to the configuration file. `..` may stand at its beginning only.
    pub(super) fn path(&mut self, node: &Node<'_>) -> Option<Utf8PathBuf> {
        let text = self.filled(node)?;
        let path = Utf8PathBuf::from(&text);
        let mut inside = false;
        let mut normal = !text.contains('\\');
        for component in path.components() {
            match component {
                Utf8Component::Normal(_) => inside = true,
                Utf8Component::ParentDir => normal &= !inside,
                Utf8Component::CurDir => {}
                Utf8Component::RootDir | Utf8Component::Prefix(_) => normal = false,
            }
        }
        if normal {
            return Some(path);
        }
        let message =
            format!("`{}` is `{}`, which is not a relative path in normal form", node.path, shown(&text));
        let help = "write it relative to this file, with `/`, and with `..` at its beginning only";
        self.error(&codes::BAD_PATH, &node.path, message, help);
        None
    }
}

impl Release {
    fn stand_in() -> Self {
        Self {
            source: String::new(),
            repository: OneOrMany::Many(Vec::new()),
            platforms: Vec::new(),
            timeout: TimeLimit::default(),
            version: VersionSource::default(),
            tag_prefix: super::model::default_tag_prefix(),
            public: Public::default(),
        }
    }
}

impl SharedRegion {
    fn stand_in() -> Self {
        Self { name: String::new(), begin: String::new(), end: String::new(), files: Vec::new() }
    }
}

impl Image {
    fn stand_in() -> Self {
        Self {
            builder: Builder::default(),
            dockerfile: Utf8PathBuf::new(),
            context: super::model::default_context(),
            target: None,
            repository: None,
            platforms: None,
            timeout: None,
            public: None,
            inputs: Vec::new(),
            tags: super::model::default_tags(),
            moving_tags: Vec::new(),
            build_args: IndexMap::new(),
            labels: IndexMap::new(),
            annotations: IndexMap::new(),
            builder_instance: None,
            secrets: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            contexts: IndexMap::new(),
            provenance: super::build::BuildProvenance::default(),
            network: None,
            ssh: Vec::new(),
            sbom: None,
            rewrite_timestamp: false,
            layout: None,
            existing: None,
            gate: Gate::default(),
            contract: Contract::default(),
        }
    }
}
