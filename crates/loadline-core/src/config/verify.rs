//! What a consumer demands: `[verify]`. It says what a policy file says, by the same keys: those of its `[source]`
//! and `[evidence]` stand in the table itself, `[[verify.identity]]` and `[verify.build]` are its `[[identity]]` and
//! `[build]`.

use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::Deserialize;

use super::codes;
use super::read::{Fields, Node, Reader, StringOr, shown};

/// What a consumer demands of every platform of every image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Verify {
    /// Whose key signed: the workflow in the certificate's subject, a path in the signer's repository.
    pub signer_workflow: Option<String>,
    /// The signer's repository, if it is not the source's; any workflow of it where none is named.
    pub signer_repository: Option<String>,
    /// Others who may sign: any one of these, or the workflow that is named here, is enough.
    pub identity: Vec<VerifyIdentity>,
    /// The top workflow that called it.
    pub workflow: Option<String>,
    /// The OIDC issuer, also of identities that name none; GitHub Actions' if absent.
    pub issuer: Option<String>,
    /// The git ref that the workflow ran for: `refs/tags/v1.2.3`, or a pattern.
    #[serde(rename = "ref")]
    pub git_ref: Option<Text>,
    /// The forge's number of the source's repository; it survives a rename.
    pub repository_id: Option<u64>,
    /// The predicates that must be proven, by short name or predicate type.
    pub predicates: Vec<String>,
    /// Whether the workflow's commit may differ from the commit that was built.
    pub allow_other_commit: bool,
    /// Which predicates about an index count for the images it names.
    #[schemars(extend("default" = "provenance"))]
    pub of_index: IndexEvidence,
    /// How long ago it may be signed at most: `12h`, `30d`.
    pub max_age: Option<String>,
    /// The timestamp authorities that may vouch for the time; any of the trust root where none is named. The
    /// sandbox's own stands in for them there.
    pub timestamp_authorities: Vec<Text>,
    /// How it must be built.
    pub build: VerifyBuild,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            signer_workflow: None,
            signer_repository: None,
            identity: Vec::new(),
            workflow: None,
            issuer: None,
            git_ref: None,
            repository_id: None,
            predicates: vec!["slsa-provenance".to_owned(), "cyclonedx".to_owned()],
            allow_other_commit: false,
            of_index: IndexEvidence::default(),
            max_age: None,
            timestamp_authorities: Vec::new(),
            build: VerifyBuild::default(),
        }
    }
}

/// A text: exactly this one, or a pattern over the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Text {
    /// Exactly this text.
    Exact(String),
    /// A regular expression that must match from the first character to the last.
    Pattern {
        /// The expression; `^` and `$` need not be written.
        pattern: String,
    },
}

/// One who may sign: a certificate's subject, a workflow, or any workflow of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct VerifyIdentity {
    /// The certificate's subject: exact, or a pattern.
    pub subject: Option<Text>,
    /// The workflow that holds the key: a path in the signer's repository, or
    /// `github.com/OWNER/REPO/.github/workflows/FILE[@REF]`.
    pub signer_workflow: Option<String>,
    /// The repository whose workflows sign; the source's where only a workflow is named.
    pub signer_repository: Option<String>,
    /// Who vouches for the subject; the issuer under `[verify]` where it is not said.
    pub issuer: Option<Text>,
    /// The versions it may sign, `>=1.2, <2` for example; all where it is not said.
    pub versions: Option<String>,
}

/// How an image must be built.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct VerifyBuild {
    /// The provenance's build types, any one of these.
    pub types: Vec<Text>,
    /// The provenance's builders, any one of these.
    pub builders: Vec<Text>,
    /// What every base image that the provenance names must be: `pkg:docker/…` or `pkg:oci/…` without its query.
    pub base_images: Option<Vec<Text>>,
    /// Whether it may be built on self-hosted runners.
    pub self_hosted: bool,
}

impl Default for VerifyBuild {
    fn default() -> Self {
        Self { types: Vec::new(), builders: Vec::new(), base_images: None, self_hosted: true }
    }
}

/// Which predicates about an index count for the images it names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IndexEvidence {
    /// None.
    Nothing,
    /// Provenance, verification summaries and plain signatures.
    #[default]
    Provenance,
    /// All.
    Everything,
}

impl Verify {
    /// All who may sign, as identities: the workflow or repository that the table itself names is the first.
    pub fn identities(&self) -> Vec<VerifyIdentity> {
        let mut all = Vec::with_capacity(1 + self.identity.len());
        if self.signer_workflow.is_some() || self.signer_repository.is_some() {
            all.push(VerifyIdentity {
                signer_workflow: self.signer_workflow.clone(),
                signer_repository: self.signer_repository.clone(),
                ..VerifyIdentity::default()
            });
        }
        all.extend(self.identity.iter().cloned());
        for identity in &mut all {
            if identity.issuer.is_none() {
                identity.issuer = self.issuer.clone().map(Text::Exact);
            }
        }
        all
    }
}

impl VerifyIdentity {
    /// Whether it may sign this version; a set without versions is signed by those that may sign all.
    pub fn may_sign(&self, version: Option<&Version>) -> bool {
        let Some(range) = &self.versions else { return true };
        let Some(version) = version else { return false };
        VersionReq::parse(range).is_ok_and(|range| range.matches(version))
    }
}

impl Reader<'_> {
    /// `[verify]`.
    pub(super) fn verify(&mut self, node: &Node<'_>) -> Verify {
        let mut verify = Verify::default();
        let Some(mut fields) = self.table(node, "a table") else { return verify };
        if let Some(node) = self.optional(&mut fields, "signer-workflow") {
            verify.signer_workflow = self.workflow(&node);
        }
        if let Some(node) = self.optional(&mut fields, "signer-repository") {
            verify.signer_repository = self.source(&node);
        }
        if let Some(node) = self.optional(&mut fields, "issuer") {
            verify.issuer = self.issuer(&node);
        }
        if let Some(node) = self.optional(&mut fields, "identity") {
            for node in self.list(&node, "a list of tables: `[[verify.identity]]`").unwrap_or_default() {
                verify.identity.extend(self.identity(&node, verify.issuer.is_some()));
            }
        }
        if let Some(node) = self.optional(&mut fields, "workflow") {
            verify.workflow = self.workflow(&node);
        }
        if let Some(node) = self.optional(&mut fields, "ref") {
            verify.git_ref = self.text_rule(&node);
        }
        if let Some(node) = self.optional(&mut fields, "repository-id") {
            verify.repository_id = self.number(&node);
        }
        if let Some(node) = self.optional(&mut fields, "predicates") {
            verify.predicates.clear();
            for node in self.list(&node, "a list of predicates").unwrap_or_default() {
                verify.predicates.push(self.filled(&node).unwrap_or_default());
            }
        }
        if let Some(node) = self.optional(&mut fields, "allow-other-commit") {
            verify.allow_other_commit = self.boolean(&node).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "of-index") {
            let choices = [
                ("nothing", IndexEvidence::Nothing),
                ("provenance", IndexEvidence::Provenance),
                ("everything", IndexEvidence::Everything),
            ];
            verify.of_index = self.choice(&node, &choices).unwrap_or_default();
        }
        if let Some(node) = self.optional(&mut fields, "max-age") {
            verify.max_age = self.age(&node);
        }
        verify.timestamp_authorities =
            self.text_rules(&mut fields, "timestamp-authorities").unwrap_or_default();
        if let Some(node) = self.optional(&mut fields, "build") {
            verify.build = self.verify_build(&node);
        }
        self.finish(fields);
        verify
    }

    fn verify_build(&mut self, node: &Node<'_>) -> VerifyBuild {
        let mut build = VerifyBuild::default();
        let Some(mut fields) = self.table(node, "a table") else { return build };
        build.types = self.text_rules(&mut fields, "types").unwrap_or_default();
        build.builders = self.text_rules(&mut fields, "builders").unwrap_or_default();
        build.base_images = self.text_rules(&mut fields, "base-images");
        if let Some(node) = self.optional(&mut fields, "self-hosted") {
            build.self_hosted = self.boolean(&node).unwrap_or(true);
        }
        self.finish(fields);
        build
    }

    fn identity(&mut self, node: &Node<'_>, issuer_above: bool) -> Option<VerifyIdentity> {
        let mut fields = self.table(node, "a table")?;
        let subject = self.optional(&mut fields, "subject");
        let workflow = self.optional(&mut fields, "signer-workflow");
        let repository = self.optional(&mut fields, "signer-repository");
        let issuer = self.optional(&mut fields, "issuer");
        let versions = self.optional(&mut fields, "versions");
        // A key that is no text is one problem, not two.
        let wrong = match (&subject, &workflow, &repository) {
            (None, None, None) => Some("names nobody"),
            (Some(_), None, None) if issuer.is_none() && !issuer_above => {
                Some("names a subject without the issuer that vouches for it")
            }
            (Some(_), None, None) | (None, ..) => None,
            (Some(_), ..) => Some("names several at once"),
        };
        let identity = VerifyIdentity {
            subject: subject.and_then(|node| self.text_rule(&node)),
            signer_workflow: workflow.and_then(|node| self.signing_workflow(&node)),
            signer_repository: repository.and_then(|node| self.source(&node)),
            issuer: issuer.and_then(|node| match node.is_table() {
                true => self.text_rule(&node),
                false => self.issuer(&node).map(Text::Exact),
            }),
            versions: versions.and_then(|node| self.versions(&node)),
        };
        self.finish(fields);
        if let Some(wrong) = wrong {
            let message = format!("`{}` {wrong}", node.path);
            let help = "name a `signer-workflow`, a `signer-repository`, or a `subject` and its `issuer`";
            self.error(&codes::BAD_IDENTITY, &node.path, message, help);
        }
        Some(identity)
    }

    /// A workflow that may say where it is, and at which ref.
    fn signing_workflow(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        let path = text.split_once('@').map_or(text.as_str(), |(path, _)| path);
        let file = path.ends_with(".yml") || path.ends_with(".yaml");
        let elsewhere = path.contains('/') && !path.starts_with(['/', '.']);
        if file && (elsewhere || path.starts_with(".github/")) {
            return Some(text);
        }
        let message = format!("`{}` is `{}`, which is not a workflow's path", node.path, shown(&text));
        self.error(
            &codes::BAD_WORKFLOW,
            &node.path,
            message,
            "write it as \".github/workflows/release.yml\"",
        );
        None
    }

    fn versions(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        if let Err(error) = VersionReq::parse(&text) {
            let message =
                format!("`{}` is `{}`, which is no range of versions: {error}", node.path, shown(&text));
            self.error(&codes::BAD_IDENTITY, &node.path, message, "write it as \">=1.2, <2\"");
            return None;
        }
        Some(text)
    }

    fn age(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.filled(node)?;
        let number = text.strip_suffix(['m', 'h', 'd', 'w']).and_then(|number| number.parse::<u32>().ok());
        if number.is_none() {
            let message = format!("`{}` is `{}`, which is no age", node.path, shown(&text));
            let help = "write a number and one of m, h, d and w: \"30d\"";
            self.error(&codes::BAD_AGE, &node.path, message, help);
            return None;
        }
        Some(text)
    }

    fn text_rules(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Vec<Text>> {
        let node = self.optional(fields, key)?;
        let nodes = self.list(&node, "a list of strings and patterns")?;
        Some(nodes.iter().filter_map(|node| self.text_rule(node)).collect())
    }

    fn text_rule(&mut self, node: &Node<'_>) -> Option<Text> {
        match self.string_or(node, "a string, or a table with a `pattern`")? {
            StringOr::Table(mut fields) => {
                let pattern = self.required(&mut fields, "pattern", "pattern = \"refs/tags/v.*\"");
                let pattern = pattern.and_then(|node| self.filled(&node));
                self.finish(fields);
                pattern.map(|pattern| Text::Pattern { pattern })
            }
            StringOr::String | StringOr::List(_) => self.filled(node).map(Text::Exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Loaded, PathKind, load};
    use super::*;
    use crate::finding::Finding;

    const HEAD: &str = "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n\
        [image.x]\nbuilder = \"assemble\"\ndockerfile = \"Dockerfile\"\n";

    fn read(verify: &str) -> Result<Loaded, Vec<Finding>> {
        let look =
            |path: &camino::Utf8Path| Some(if path == "." { PathKind::Directory } else { PathKind::File });
        load("loadline.toml".into(), &format!("{HEAD}{verify}"), &look)
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        for (text, code, says) in [
            ("[[verify.identity]]\n", "config-bad-identity", "nobody"),
            ("[[verify.identity]]\nissuer = \"https://i.example\"\n", "config-bad-identity", "nobody"),
            ("[[verify.identity]]\nsubject = \"a\"\n", "config-bad-identity", "without the issuer"),
            (
                "[[verify.identity]]\nsubject = \"a\"\nissuer = \"https://i.example\"\nsigner-repository = \"github.com/a/b\"\n",
                "config-bad-identity",
                "several at once",
            ),
            (
                "[[verify.identity]]\nsigner-repository = \"github.com/a/b\"\nversions = \"two\"\n",
                "config-bad-identity",
                "no range",
            ),
            (
                "[[verify.identity]]\nsigner-repository = \"github.com/a/b\"\nversion = \">=2\"\n",
                "config-unknown-key",
                "version",
            ),
            ("[[verify.identity]]\nsigner-workflow = \"release\"\n", "config-bad-workflow", "release"),
            (
                "[[verify.identity]]\nkey = \"release.pub\"\nsigner-repository = \"github.com/a/b\"\n",
                "config-unknown-key",
                "key",
            ),
            ("[verify]\nref = { patern = \"x\" }\n", "config-unknown-key", "patern"),
            ("[verify]\nref = {}\n", "config-missing-key", "pattern"),
            ("[verify]\nref = 1\n", "config-wrong-type", "verify.ref"),
            ("[verify]\nref = \"\"\n", "config-empty", "verify.ref"),
            ("[verify]\nrepository-id = \"4711\"\n", "config-wrong-type", "whole number"),
            ("[verify]\nrepository-id = -1\n", "config-wrong-type", "whole number"),
            ("[verify]\nmax-age = \"30\"\n", "config-bad-age", "30"),
            ("[verify]\nmax-age = \"1.5h\"\n", "config-bad-age", "1.5h"),
            ("[verify]\nof-index = \"all\"\n", "config-unknown-value", "all"),
            ("[verify]\ncommit = \"0123\"\n", "config-unknown-key", "commit"),
            ("[verify.build]\nbase-image = []\n", "config-unknown-key", "base-image"),
            ("[verify.build]\nbuilders = \"x\"\n", "config-wrong-type", "builders"),
            ("[verify.build]\nself-hosted = \"no\"\n", "config-wrong-type", "self-hosted"),
        ] {
            let findings = read(text).expect_err(text);
            assert_eq!(findings.len(), 1, "{text}: {findings:?}");
            assert_eq!(findings[0].code.name, code, "{text}");
            assert!(findings[0].message.contains(says), "{text}: {}", findings[0].message);
        }
        let near = read("[verify.build]\nbase-image = []\n").unwrap_err();
        assert_eq!(near[0].help.as_deref(), Some("did you mean `base-images`?"));
    }

    #[test]
    fn who_signs_is_one_list() {
        let text = "[verify]\nsigner-workflow = \".github/workflows/r.yml\"\nissuer = \"https://i.example\"\n\
            [[verify.identity]]\nsubject = { pattern = \"https://x/.*\" }\nversions = \"<2\"\n\
            [[verify.identity]]\nsigner-workflow = \"github.com/a/ci/.github/workflows/s.yml@refs/heads/main\"\nissuer = { pattern = \"https://.*\" }\n";
        let all = read(text).unwrap().config.verify.identities();
        assert_eq!(all.len(), 3);
        let issuer = Some(Text::Exact("https://i.example".into()));
        assert_eq!(all[0].signer_workflow.as_deref(), Some(".github/workflows/r.yml"));
        assert_eq!((&all[0].issuer, &all[1].issuer), (&issuer, &issuer));
        assert_eq!(all[2].issuer, Some(Text::Pattern { pattern: "https://.*".into() }));
        let version = |text: &str| Version::parse(text).unwrap();
        assert!(all[1].may_sign(Some(&version("1.9.0"))) && !all[1].may_sign(Some(&version("2.0.0"))));
        assert!(!all[1].may_sign(None) && all[0].may_sign(None));
        assert!(Verify::default().identities().is_empty());
    }
}
