//! The image verifier's file: which images are demanded what.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadline_core::config::TimeLimit;
use loadline_core::{Platform, RepositoryName, RepositoryPattern};
use loadline_policy::Policy;
use loadline_policy::document::{POLICY_LIMIT, PolicyDocument};
use loadline_sigstore::{KeyTrust, PublicKey, Verifier};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::trust;
use crate::world::World;

/// The schema's name and version, which the file begins with.
pub(crate) const SCHEMA: &str = "loadline/image-verifier/v1";
/// The variable that names the file.
const VARIABLE: &str = "LOADLINE_IMAGE_VERIFIER";
/// The file where nothing else is said.
const EVERYWHERE: &str = "/etc/loadline/image-verifier.toml";
/// Beside the folder of verifiers, or beside the program.
const BESIDE: &str = "loadline-image-verifier.toml";
/// A public key has a few hundred bytes.
const KEY_LIMIT: u64 = 1 << 16;

/// The file, as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct VerifierDocument {
    /// `loadline/image-verifier/v1`.
    #[schemars(skip)]
    pub(crate) schema: String,
    /// What becomes of images that no table names.
    pub(crate) others: Others,
    /// How long a verdict may take; below containerd's own limit, which is 10 s by default. `9s` if absent.
    #[schemars(with = "Option<String>")]
    pub(crate) deadline: Option<TimeLimit>,
    /// The folder of docker's configuration, where the environment names none: containerd has no HOME, mostly.
    #[schemars(with = "Option<String>")]
    pub(crate) docker_config: Option<PathBuf>,
    /// Whether GitHub's attestations of a policy's source are asked for where the registry has nothing that
    /// suffices. Strangers may ask a few times an hour only: set GITHUB_TOKEN in containerd's environment.
    #[serde(default)]
    pub(crate) github: bool,
    /// Verdicts that are kept for a while.
    #[serde(default)]
    pub(crate) cache: CacheDocument,
    /// What is demanded of which images; the first table that names an image counts.
    #[serde(default, rename = "image")]
    pub(crate) images: Vec<ImageTable>,
}

/// What becomes of images that no table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Others {
    /// They are not pulled.
    Refuse,
    /// They are pulled unseen.
    Allow,
}

/// Verdicts that are kept for a while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct CacheDocument {
    /// Whether any are kept.
    pub(crate) enabled: bool,
    /// Where, a folder of this user's own.
    #[schemars(with = "String")]
    pub(crate) folder: PathBuf,
    /// How long a verdict is believed.
    #[schemars(with = "String")]
    pub(crate) max_age: TimeLimit,
}

impl Default for CacheDocument {
    fn default() -> Self {
        Self {
            enabled: true,
            folder: "/var/cache/loadline/verdicts".into(),
            max_age: TimeLimit(Duration::from_secs(600)),
        }
    }
}

/// What is demanded of some images.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ImageTable {
    /// The repositories, registry included: `*` is anything but `/`, `**` anything.
    pub(crate) images: Vec<RepositoryPattern>,
    /// The policy file that they must satisfy (`loadline/policy/v1`), relative to this file.
    #[schemars(with = "Option<String>")]
    pub(crate) policy: Option<PathBuf>,
    /// Why they may be pulled without evidence. Instead of `policy`.
    pub(crate) allow: Option<String>,
    /// The platforms that must be proven; every one of the image's if absent.
    #[schemars(with = "Vec<String>")]
    #[serde(default)]
    pub(crate) platforms: Vec<Platform>,
}

/// What is demanded of one image.
#[derive(Debug)]
pub(super) enum Demanded<'a> {
    /// That its evidence satisfies this policy file.
    Policy(PathBuf, &'a [Platform]),
    /// Nothing, for this reason.
    Allowed(&'a str),
    /// That it is not pulled: nothing is said of it.
    Refused,
}

/// The file that was found, and where.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) document: VerifierDocument,
}

impl Found {
    /// Reads the file: the one that LOADLINE_IMAGE_VERIFIER names, else the one beside the folder of verifiers
    /// (in it, containerd would run it), beside the program itself, or below /etc.
    pub(super) fn read(world: &World, program: &Path) -> Result<Self, String> {
        let path = match world.environment.get(VARIABLE) {
            Some(path) => world.folder.join(path),
            None => {
                let places = places(program);
                let found = places.iter().find(|path| path.is_file()).cloned();
                found.ok_or_else(|| {
                    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
                    format!("there is no policy: name it by {VARIABLE}, or write {}", places.join(" or "))
                })?
            }
        };
        let text = text(&path, POLICY_LIMIT)?;
        let wrong = |what: &str| format!("{}: {what}", path.display());
        let document: VerifierDocument =
            toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end()))?;
        if document.schema != SCHEMA {
            return Err(wrong(&format!("its schema is `{}`, not `{SCHEMA}`", document.schema)));
        }
        for (number, table) in document.images.iter().enumerate() {
            let is_reason = table.allow.as_ref().is_some_and(|reason| !reason.trim().is_empty());
            if table.policy.is_some() == table.allow.is_some() || table.allow.is_some() != is_reason {
                let number = number + 1;
                return Err(wrong(&format!(
                    "[[image]] {number} must say either `policy = \"FILE\"` or `allow = \"REASON\"`"
                )));
            }
        }
        Ok(Self { path, document })
    }

    /// What is demanded of a repository's images.
    pub(super) fn demanded(&self, name: &RepositoryName) -> Demanded<'_> {
        let table =
            self.document.images.iter().find(|table| table.images.iter().any(|one| one.matches(name)));
        match (table, self.document.others) {
            (Some(ImageTable { policy: Some(policy), platforms, .. }), _) => {
                Demanded::Policy(self.folder().join(policy), platforms)
            }
            (Some(table), _) => Demanded::Allowed(table.allow.as_deref().unwrap_or_default()),
            (None, Others::Allow) => Demanded::Allowed("no table names it, and others are allowed"),
            (None, Others::Refuse) => Demanded::Refused,
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

fn places(program: &Path) -> Vec<PathBuf> {
    let own = std::env::current_exe().ok();
    let folders = [program.parent().and_then(Path::parent), own.as_deref().and_then(Path::parent)];
    let mut places: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(BESIDE))
        .collect();
    places.push(EVERYWHERE.into());
    places.dedup();
    places
}

fn text(path: &Path, limit: u64) -> Result<String, String> {
    let wrong = |what: String| format!("{} cannot be read: {what}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(wrong(format!("it has more than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

/// A policy file, ready to judge by.
pub(super) struct Judge {
    pub(super) policy: Policy,
    pub(super) predicate_types: Vec<String>,
    pub(super) verifier: Verifier,
    pub(super) log_online: bool,
    pub(super) key_alone: bool,
    /// The repository that GitHub may have attestations of.
    pub(super) github: Option<String>,
}

impl Judge {
    pub(super) fn read(world: &World, path: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let folder = path.parent().unwrap_or(Path::new("/"));
        let document = PolicyDocument::from_toml(&text(path, POLICY_LIMIT)?)
            .map_err(|error| wrong(error.to_string()))?;
        let mut keys = Vec::new();
        let policy = document
            .policy(&mut |file| {
                let pem = text(&folder.join(file), KEY_LIMIT)?;
                let key = PublicKey::from_pem(&pem).map_err(|error| format!("{file}: {error}"))?;
                let digest = key.spki_sha256();
                keys.push(key);
                Ok(digest)
            })
            .map_err(|error| wrong(error.to_string()))?;
        let predicate_types = document.predicate_types().map_err(|error| wrong(error.to_string()))?;
        let names: Vec<String> = document.trust.roots.iter().map(|name| from_folder(name, folder)).collect();
        let roots = trust::chosen(world, &names).map_err(|failure| wrong(failure.message))?;
        let key_alone = document.trust.key_alone;
        let trust = if key_alone { KeyTrust::SignatureAlone } else { KeyTrust::Logged };
        let verifier = Verifier::new(roots).with_keys(keys, trust);
        let github = document.source.repository.filter(|_| trust::believes_github(&names));
        let log_online = document.evidence.log_online;
        Ok(Self { policy, predicate_types, verifier, log_online, key_alone, github })
    }
}

/// Files count from the policy's folder.
fn from_folder(name: &str, folder: &Path) -> String {
    match name {
        "public-good" | "github" | "staging" => name.to_owned(),
        file => folder.join(file).display().to_string(),
    }
}
