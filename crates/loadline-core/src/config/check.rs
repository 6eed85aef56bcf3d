//! What `loadline check` is told: `[check]`, `[[pin]]` and `[image.NAME.contract]`.

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::codes;
use super::read::{Node, Reader, shown};

/// How the rules over the repository are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Check {
    /// How base images must be pinned.
    #[schemars(extend("default" = "tag"))]
    pub pin_bases: PinBases,
    /// Which workflows are looked at.
    #[schemars(extend("default" = "release"))]
    pub workflows: Workflows,
    /// How much a rule weighs, by its code, where it is not what the rule itself says.
    pub rules: IndexMap<String, RuleLevel>,
}

/// How base images must be pinned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PinBases {
    /// Not at all.
    Nothing,
    /// By a tag other than `latest`, or by a digest.
    #[default]
    Tag,
    /// By a digest.
    Digest,
}

/// Which workflows are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Workflows {
    /// None.
    Nothing,
    /// Those that `[verify]` names, what they call and what calls them.
    #[default]
    Release,
    /// All of the repository.
    All,
}

/// How much a rule weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleLevel {
    /// Its findings are left out.
    Off,
    /// Worth knowing.
    Note,
    /// Worth mending.
    Warning,
    /// Makes the verdict `fail`.
    Error,
}

/// A value that must be equal in several files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pin {
    /// What it is called in messages.
    pub name: String,
    /// The value; that of the first place if absent.
    pub value: Option<String>,
    /// Where it stands.
    pub places: Vec<PinPlace>,
}

/// A place where a pinned value stands, found by a key or by a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PinPlace {
    /// The file, relative to the configuration file.
    #[schemars(with = "String")]
    pub file: Utf8PathBuf,
    /// A key: `engines.node` in JSON, TOML and YAML, a name in `.env`, `.tool-versions` and Dockerfiles.
    pub key: Option<String>,
    /// A regular expression, a line at a time; its first group is the value. Every match counts.
    pub pattern: Option<String>,
}

/// What operators rely on in an image. What is absent is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Contract {
    /// Exactly these ports: `3000`, `53/udp`. An empty list: none at all.
    pub expose: Option<Vec<String>>,
    /// As whom it runs, as USER has it.
    pub user: Option<String>,
    /// Whether it has a health check.
    pub healthcheck: Option<bool>,
    /// By which signal it stops.
    pub stop_signal: Option<String>,
    /// Labels that it must have, by name.
    pub labels: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn check_table(&mut self, node: &Node<'_>) -> Check {
        let mut check = Check::default();
        let Some(mut fields) = self.table(node, "a table") else { return check };
        if let Some(node) = self.optional(&mut fields, "pin-bases") {
            let choices =
                [("nothing", PinBases::Nothing), ("tag", PinBases::Tag), ("digest", PinBases::Digest)];
            check.pin_bases = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "workflows") {
            let choices =
                [("nothing", Workflows::Nothing), ("release", Workflows::Release), ("all", Workflows::All)];
            check.workflows = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "rules")
            && let Some(rules) = self.table(&node, "a table of rules: `RULE = \"warning\"`")
        {
            let choices = [
                ("off", RuleLevel::Off),
                ("note", RuleLevel::Note),
                ("warning", RuleLevel::Warning),
                ("error", RuleLevel::Error),
            ];
            for (name, node) in self.entries(&rules) {
                if let Some(level) = self.choice(&node, &choices) {
                    check.rules.insert(name, level);
                }
            }
        }
        self.finish(fields);
        check
    }

    pub(super) fn pin(&mut self, node: &Node<'_>) -> Option<Pin> {
        let mut fields = self.table(node, "a table")?;
        let name = self
            .required(&mut fields, "name", "name = \"node\"")
            .and_then(|node| self.filled(&node))
            .unwrap_or_default();
        let value = self.optional(&mut fields, "value").and_then(|node| self.filled(&node));
        let mut places = Vec::new();
        let example = "places = [{ file = \".tool-versions\", key = \"nodejs\" }, …]";
        if let Some(node) = self.required(&mut fields, "places", example) {
            for place in
                self.list(&node, "a list of tables with `file` and `key` or `pattern`").unwrap_or_default()
            {
                places.push(self.pin_place(&place).unwrap_or_default());
            }
            let needed = if value.is_some() { 1 } else { 2 };
            if places.len() < needed {
                let message = format!("the pin `{}` is looked for in too few places", shown(&name));
                let help = "name two places that must agree, or one and the `value` that it must have";
                self.error(&codes::BAD_PIN, &node.path, message, help);
            }
        }
        self.finish(fields);
        Some(Pin { name, value, places })
    }

    fn pin_place(&mut self, node: &Node<'_>) -> Option<PinPlace> {
        let mut fields = self.table(node, "a table with `file` and `key` or `pattern`")?;
        let file = self
            .required(&mut fields, "file", "file = \".tool-versions\"")
            .and_then(|node| self.path(&node))
            .unwrap_or_default();
        let key = self.optional(&mut fields, "key").and_then(|node| self.filled(&node));
        let pattern = self.optional(&mut fields, "pattern").and_then(|node| self.filled(&node));
        if key.is_some() == pattern.is_some() {
            let message = "a place is found by `key` or by `pattern`, one of the two";
            self.error(&codes::BAD_PIN, &node.path, message, "write the one that is meant");
        }
        self.finish(fields);
        Some(PinPlace { file, key, pattern })
    }

    pub(super) fn contract(&mut self, node: &Node<'_>) -> Contract {
        let mut contract = Contract::default();
        let Some(mut fields) = self.table(node, "a table") else { return contract };
        if let Some(node) = self.optional(&mut fields, "expose") {
            contract.expose = Some(self.strings(&node, "a list of ports as strings"));
        }
        if let Some(node) = self.optional(&mut fields, "user") {
            contract.user = self.filled(&node);
        }
        if let Some(node) = self.optional(&mut fields, "healthcheck") {
            contract.healthcheck = self.boolean(&node);
        }
        if let Some(node) = self.optional(&mut fields, "stop-signal") {
            contract.stop_signal = self.filled(&node);
        }
        if let Some(node) = self.optional(&mut fields, "labels") {
            contract.labels = self.strings(&node, "a list of labels' names");
        }
        self.finish(fields);
        contract
    }

    fn strings(&mut self, node: &Node<'_>, wanted: &str) -> Vec<String> {
        let nodes = self.list(node, wanted).unwrap_or_default();
        nodes.iter().filter_map(|node| self.filled(node)).collect()
    }
}
