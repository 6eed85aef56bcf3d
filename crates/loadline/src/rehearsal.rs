//! A rehearsal: the configured builders, with nobody's secrets. What a pull request from a fork may run.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use loadline_core::config::{BuildSecret, Config};
use loadline_core::{Failure, Finding};
use loadline_process::{Environment, NETWORK};
use serde::Deserialize;
use serde_json::json;

use crate::codes::{REHEARSAL_FAILED, SECRET_STOOD_IN};

/// The variables that a rehearsal hands on: how to find programs and builders, and how to get out. No token, no
/// password, and no address of anything that would hand out either.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "SOURCE_DATE_EPOCH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
];

/// The largest docker configuration that is read.
const CONFIG_LIMIT: u64 = 1 << 20;

/// What stands in for every secret.
const SECRET: &str = "loadline-rehearsal\n";

/// A release with nobody's secrets.
pub(crate) struct Rehearsal {
    /// The environment without them.
    pub(crate) environment: Environment,
    /// The configuration, its build secrets replaced and its caches only read.
    pub(crate) config: Config,
    /// What was replaced.
    pub(crate) notes: Vec<Finding>,
}

/// The members of docker's configuration that are needed to find its engine and its plugins; credentials are
/// others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    current_context: Option<String>,
    cli_plugins_extra_dirs: Vec<PathBuf>,
}

impl Rehearsal {
    /// Prepares one in a folder of its own.
    pub(crate) fn prepare(from: &Environment, config: &Config, folder: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                &REHEARSAL_FAILED,
                format!("the rehearsal cannot be prepared in {}: {error}", folder.display()),
            )
            .help("make the folder writable, or remove it")
        };
        let docker = folder.join("docker");
        let own = from
            .get("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| from.get("HOME").map(|home| Path::new(home).join(".docker")));
        docker_config(own.as_deref(), &docker).map_err(failed)?;
        let mut environment =
            PASSED.iter().chain(NETWORK).fold(Environment::empty(), |passed, name| match from.get_os(name) {
                Some(value) => passed.with(*name, value),
                None => passed,
            });
        environment = environment.with("DOCKER_CONFIG", docker.as_os_str());
        if let Some(own) = own.filter(|_| from.get("BUILDX_CONFIG").is_none()) {
            // Builder instances are kept beside the credentials, and are none.
            environment = environment.with("BUILDX_CONFIG", own.join("buildx"));
        }
        let mut config = config.clone();
        let notes = replace_secrets(&mut config, &folder.join("secrets")).map_err(failed)?;
        for image in config.images.values_mut() {
            image.cache_to.clear();
        }
        Ok(Self { environment, config, notes })
    }
}

/// A docker configuration that knows what the user's own knows, credentials aside.
fn docker_config(own: Option<&Path>, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut known = DockerConfig::default();
    if let Some(own) = own {
        if let Ok(file) = fs::File::open(own.join("config.json")) {
            let mut text = Vec::new();
            file.take(CONFIG_LIMIT).read_to_end(&mut text)?;
            // A broken file is docker's to complain of; here it only says nothing.
            known = serde_json::from_slice(&text).unwrap_or_default();
        }
        known.cli_plugins_extra_dirs.push(own.join("cli-plugins"));
        if own.join("contexts").is_dir() {
            std::os::unix::fs::symlink(own.join("contexts"), folder.join("contexts"))?;
        }
    }
    let mut document = json!({"cliPluginsExtraDirs": known.cli_plugins_extra_dirs});
    if let Some(context) = known.current_context {
        document["currentContext"] = context.into();
    }
    fs::write(folder.join("config.json"), document.to_string())
}

/// Puts a text that is no secret where builds read theirs; one that is there is not read either.
fn replace_secrets(config: &mut Config, folder: &Path) -> io::Result<Vec<Finding>> {
    let mut notes = Vec::new();
    for (name, image) in &mut config.images {
        if image.secrets.is_empty() {
            continue;
        }
        fs::create_dir_all(folder)?;
        let file = folder.join("secret");
        fs::write(&file, SECRET)?;
        let file = Utf8PathBuf::from_path_buf(file)
            .map_err(|path| io::Error::other(format!("{} is not UTF-8", path.display())))?;
        for secret in &mut image.secrets {
            let message = format!(
                "the build secret `{}` of `{name}` is not read: the build sees the text `{}` instead",
                secret.id,
                SECRET.trim()
            );
            notes.push(
                Finding::warning(&SECRET_STOOD_IN, message).help(
                    "a build that cannot do without it fails here, and must not be rehearsed without it",
                ),
            );
            *secret = BuildSecret { id: secret.id.clone(), env: None, file: Some(file.clone()) };
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use loadline_core::config::{PathKind, load};

    use super::*;

    const CONFIG: &str = r#"
[release]
source = "github.com/a/b"
repository = "ghcr.io/a/b"
platforms = ["linux/amd64"]
[image.a]
dockerfile = "Dockerfile"
secrets = [{ id = "npm", env = "NPM_TOKEN" }]
cache-to = ["type=registry,ref=ghcr.io/a/cache"]
cache-from = ["type=registry,ref=ghcr.io/a/cache"]
"#;

    #[test]
    fn nothing_secret_is_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir_all(home.join(".docker/contexts")).unwrap();
        let own =
            r#"{"auths":{"ghcr.io":{"auth":"aHVudGVyMg=="}},"credsStore":"pass","currentContext":"colima"}"#;
        fs::write(home.join(".docker/config.json"), own).unwrap();
        let from = Environment::empty()
            .with("PATH", "/bin")
            .with("HOME", home.as_os_str())
            .with("SIGSTORE_ID_TOKEN", "hunter2")
            .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter2")
            .with("GITHUB_TOKEN", "hunter2")
            .with("REGISTRY_AUTH_FILE", "/auth.json")
            .with("AWS_SECRET_ACCESS_KEY", "hunter2")
            .with("NPM_TOKEN", "hunter2");
        let config: Config = load("loadline.toml".into(), CONFIG, &|path| {
            Some(if path == "." { PathKind::Directory } else { PathKind::File })
        })
        .map(|loaded| loaded.config)
        .unwrap_or_else(|findings| panic!("{findings:?}"));
        let rehearsal = Rehearsal::prepare(&from, &config, &folder.path().join("r")).unwrap();
        let names: Vec<_> = rehearsal.environment.names().map(|name| name.to_string_lossy()).collect();
        assert_eq!(names, ["BUILDX_CONFIG", "DOCKER_CONFIG", "HOME", "PATH"]);
        let docker = fs::read_to_string(folder.path().join("r/docker/config.json")).unwrap();
        assert!(docker.contains("colima") && docker.contains(".docker/cli-plugins"), "{docker}");
        assert!(!docker.contains("aHVudGVyMg") && !docker.contains("pass"), "{docker}");
        let image = &rehearsal.config.images["a"];
        assert!(image.cache_to.is_empty() && image.cache_from.len() == 1);
        assert_eq!(image.secrets[0].env, None);
        let stand_in = image.secrets[0].file.as_ref().unwrap();
        assert_eq!(fs::read_to_string(stand_in).unwrap(), SECRET);
        assert_eq!(rehearsal.notes.len(), 1);
        assert!(rehearsal.notes[0].message.contains("`npm` of `a`"), "{:?}", rehearsal.notes);
    }
}
