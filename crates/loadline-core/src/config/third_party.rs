//! Images of others in the files that are verified: `[[third-party]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::codes;
use super::model::Config;
use super::read::{Node, Reader};
use super::verify::Verify;
use crate::reference::RepositoryName;
use crate::repository_pattern::RepositoryPattern;

/// What is demanded of images that are not this repository's: others sign them, or nobody does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ThirdParty {
    /// The repositories, registry included: `docker.io/library/*`. `*` is anything but `/`, `**` anything. The
    /// first table that names a repository counts.
    pub images: Vec<RepositoryPattern>,
    /// Why a digest is all that is demanded of them: nobody says who made them. Instead of `source`.
    pub only_pinned: Option<String>,
    /// The repository whose workflows sign them, as under `[release]`.
    pub source: Option<String>,
    /// What is demanded of their evidence, as under `[verify]`.
    #[serde(default)]
    pub verify: Verify,
}

impl Config {
    /// What is said of a repository of others; nothing where none of the tables names it.
    pub fn third_party(&self, name: &RepositoryName) -> Option<&ThirdParty> {
        self.third_parties.iter().find(|one| one.images.iter().any(|pattern| pattern.matches(name)))
    }
}

impl Reader<'_> {
    /// `[[third-party]]`.
    pub(super) fn third_parties(&mut self, node: &Node<'_>) -> Vec<ThirdParty> {
        let nodes = self.list(node, "a list of tables: `[[third-party]]`").unwrap_or_default();
        nodes.iter().filter_map(|node| self.third_party(node)).collect()
    }

    fn third_party(&mut self, node: &Node<'_>) -> Option<ThirdParty> {
        let mut fields = self.table(node, "a table")?;
        let mut images = Vec::new();
        if let Some(node) = self.required(&mut fields, "images", "images = [\"docker.io/library/*\"]") {
            for node in self.list(&node, "a list of repositories").unwrap_or_default() {
                images.extend(self.parsed(&node, &codes::UNKNOWN_VALUE, ToString::to_string, ""));
            }
        }
        let only_pinned = self.optional(&mut fields, "only-pinned").and_then(|node| self.filled(&node));
        let source = self.optional(&mut fields, "source").and_then(|node| self.source(&node));
        let verify = match self.optional(&mut fields, "verify") {
            Some(node) => self.verify(&node),
            None => Verify::default(),
        };
        self.finish(fields);
        if only_pinned.is_some() == source.is_some() {
            let message = format!("`{}` must say either `only-pinned` or `source`", node.path);
            let help = "`only-pinned = \"REASON\"` demands a digest and no evidence; `source = \"github.com/owner/name\"` evidence of its workflows";
            self.error(&codes::UNKNOWN_VALUE, &node.path, message, help);
        }
        Some(ThirdParty { images, only_pinned, source, verify })
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;

    const HEAD: &str = "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n\
        [image.x]\nbuilder = \"assemble\"\ndockerfile = \"Dockerfile\"\n[verify]\nsigner-workflow = \".github/workflows/r.yml\"\n";

    fn look(path: &camino::Utf8Path) -> Option<super::super::PathKind> {
        Some(if path == "." { super::super::PathKind::Directory } else { super::super::PathKind::File })
    }

    fn codes(more: &str) -> Vec<(String, String)> {
        match load("loadline.toml".into(), &format!("{HEAD}{more}"), &look) {
            Ok(_) => Vec::new(),
            Err(findings) => findings.iter().map(|f| (f.code.name.to_owned(), f.message.clone())).collect(),
        }
    }

    #[test]
    fn the_first_table_that_names_a_repository_counts() {
        let more = "[[third-party]]\nimages = [\"docker.io/library/redis\"]\nsource = \"github.com/x/y\"\nverify = { signer-workflow = \".github/workflows/s.yml\", predicates = [] }\n\
            [[third-party]]\nimages = [\"docker.io/library/*\"]\nonly-pinned = \"no evidence is published\"\n";
        let config = load("loadline.toml".into(), &format!("{HEAD}{more}"), &look).unwrap().config;
        let said = |name: &str| config.third_party(&name.parse().unwrap());
        assert_eq!(said("redis").unwrap().source.as_deref(), Some("github.com/x/y"));
        assert!(said("redis").unwrap().verify.predicates.is_empty());
        assert_eq!(said("nginx").unwrap().only_pinned.as_deref(), Some("no evidence is published"));
        assert!(said("ghcr.io/a/b").is_none());
    }

    #[test]
    fn a_table_says_one_thing_and_a_reason_is_not_empty() {
        for more in [
            "[[third-party]]\nimages = [\"docker.io/library/*\"]\n",
            "[[third-party]]\nimages = [\"docker.io/library/*\"]\nonly-pinned = \"\"\n",
            "[[third-party]]\nimages = [\"docker.io/library/*\"]\nonly-pinned = \"x\"\nsource = \"github.com/x/y\"\n",
            "[[third-party]]\nimages = [\"library/*\"]\nonly-pinned = \"x\"\n",
            "[[third-party]]\nonly-pinned = \"x\"\n",
            "[[third-party]]\nimages = [\"docker.io/library/*\"]\nonly-pined = \"x\"\nsource = \"github.com/x/y\"\n",
        ] {
            assert!(!codes(more).is_empty(), "{more}");
        }
        assert_eq!(codes("[[third-party]]\nimages = [\"docker.io/library/*\"]\nonly-pinned = \"x\"\n"), []);
        assert!(
            codes("[[third-party]]\nimages = [\"library/*\"]\nonly-pinned = \"x\"\n")[0]
                .1
                .contains("registry")
        );
    }
}
