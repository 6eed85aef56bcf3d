//! Docker's `config.json` and podman's `auth.json`, which is the same with paths in its keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use loadline_core::{RepositoryName, Secret};
use loadline_process::Environment;
use serde::Deserialize;

use super::Credential;
use crate::error::RegistryErrorKind;

/// The largest configuration that is read.
const LIMIT: u64 = 1 << 20;
/// What docker calls its own registry, in the order in which its tools look.
const DOCKER_HUB: &[&str] =
    &["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"];

/// A place where a configuration may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The text itself in DOCKER_AUTH_CONFIG, as GitLab gives it.
    Variable,
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("DOCKER_AUTH_CONFIG"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Where configurations are looked for, the first that answers counting.
pub(super) fn places(environment: &Environment) -> Vec<Place> {
    let mut places = Vec::new();
    if environment.get("DOCKER_AUTH_CONFIG").is_some() {
        places.push(Place::Variable);
    }
    let path = |name: &str| environment.get_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    places.extend(path("REGISTRY_AUTH_FILE").map(Place::File));
    let home = path("HOME");
    let docker = path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
    places.extend(docker.map(|folder| Place::File(folder.join("config.json"))));
    places.extend(path("XDG_RUNTIME_DIR").map(|folder| Place::File(folder.join("containers/auth.json"))));
    let config = path("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
    places.extend(config.map(|folder| Place::File(folder.join("containers/auth.json"))));
    places
}

/// One configuration.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// The file's path, or the variable's name.
    pub(super) name: String,
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a configuration has for a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Credential(Credential),
    Helper { suffix: String, server: String },
}

/// Reads all configurations that are there.
pub(super) fn load(environment: &Environment) -> Result<Vec<ConfigFile>, RegistryErrorKind> {
    let mut files = Vec::new();
    for place in places(environment) {
        let name = place.to_string();
        let text = match &place {
            Place::Variable => environment.get("DOCKER_AUTH_CONFIG").map(|text| text.as_bytes().to_vec()),
            Place::File(path) => read(path)?,
        };
        let Some(text) = text.filter(|text| !text.trim_ascii().is_empty()) else { continue };
        let config = serde_json::from_slice(&text).map_err(|error| RegistryErrorKind::Credential {
            source_name: name.clone(),
            // The position only: the text around it may be the secret.
            message: format!(
                "it is not docker's configuration (line {}, column {})",
                error.line(),
                error.column()
            ),
            source: None,
        })?;
        files.push(ConfigFile { name, config });
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, RegistryErrorKind> {
    let refuse = |source| RegistryErrorKind::Io { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(refuse(error)),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > LIMIT {
        return Err(RegistryErrorKind::TooLarge {
            what: "docker's configuration",
            limit: format!("{LIMIT} bytes"),
        });
    }
    Ok(Some(bytes))
}

impl ConfigFile {
    /// What it has for a repository, in the order in which to try.
    pub(super) fn find(&self, name: &RepositoryName) -> Vec<Found> {
        let names = names_of(name.registry());
        let server = names.first().cloned().unwrap_or_default();
        let mut found = Vec::new();
        let helper = names.iter().find_map(|name| self.config.cred_helpers.get(name));
        for suffix in helper.into_iter().chain(&self.config.creds_store).filter(|suffix| !suffix.is_empty()) {
            found.push(Found::Helper { suffix: suffix.clone(), server: server.clone() });
        }
        found.extend(self.auth(name, &names).map(Found::Credential));
        found
    }

    fn auth(&self, name: &RepositoryName, hosts: &[String]) -> Option<Credential> {
        // podman's keys may name a path; the longest that leads to the repository counts.
        let mut path = name.path();
        loop {
            for host in hosts {
                let key = format!("{host}/{path}");
                if let Some(credential) = self.config.auths.get(&key).and_then(Auth::credential) {
                    return Some(credential);
                }
            }
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
        let keys = || self.config.auths.iter();
        hosts.iter().find_map(|host| {
            let (_, auth) =
                keys().find(|(key, auth)| bare(key) == bare(host) && auth.credential().is_some())?;
            auth.credential()
        })
    }
}

/// A key without scheme and without docker's `/v1/` and `/v2/` behind it.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key)
}

/// A registry's host, however it is written; docker's own by the name that references use.
pub(super) fn bare_host(text: &str) -> &str {
    let host = bare(text);
    if DOCKER_HUB.iter().any(|name| bare(name) == host) { "docker.io" } else { host }
}

fn names_of(registry: &str) -> Vec<String> {
    if registry == "docker.io" {
        DOCKER_HUB.iter().map(|name| (*name).to_owned()).collect()
    } else {
        vec![registry.to_owned()]
    }
}

impl Auth {
    fn credential(&self) -> Option<Credential> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Some(Credential::IdentityToken(Secret::new(token)));
        }
        if let Some(token) = given(&self.registrytoken) {
            return Some(Credential::RegistryToken(Secret::new(token)));
        }
        if let (Some(username), Some(password)) = (given(&self.username), given(&self.password)) {
            return Some(Credential::basic(username, password));
        }
        let encoded = given(&self.auth)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (username, password) = text.split_once(':')?;
        let password = password.trim_end_matches('\0');
        (!username.is_empty() && !password.is_empty()).then(|| Credential::basic(username, password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ConfigFile {
        ConfigFile { name: "test".into(), config: serde_json::from_str(text).unwrap() }
    }

    fn find(config: &ConfigFile, name: &str) -> Vec<Found> {
        config.find(&name.parse().unwrap())
    }

    fn basic(username: &str, password: &str) -> Found {
        Found::Credential(Credential::basic(username, password))
    }

    #[test]
    fn keys_are_found_however_they_are_written() {
        // bob:pw, hub:pw, org:pw
        let config = config(
            r#"{"auths":{"https://ghcr.io/v2/":{"auth":"Ym9iOnB3"},"https://index.docker.io/v1/":{"auth":"aHViOnB3"},
                "quay.io":{"username":"q","password":"pw"},"quay.io/org":{"auth":"b3JnOnB3"},"empty.io":{},
                "acr.io":{"identitytoken":"t"}}}"#,
        );
        assert_eq!(find(&config, "ghcr.io/a/b"), [basic("bob", "pw")]);
        assert_eq!(find(&config, "debian"), [basic("hub", "pw")]);
        assert_eq!(find(&config, "quay.io/org/x"), [basic("org", "pw")]);
        assert_eq!(find(&config, "quay.io/organ/x"), [basic("q", "pw")]);
        assert_eq!(find(&config, "empty.io/x"), []);
        assert_eq!(
            find(&config, "acr.io/x"),
            [Found::Credential(Credential::IdentityToken(Secret::new("t")))]
        );
        assert_eq!(find(&config, "notghcr.io/a"), []);
        assert!(!format!("{config:?}").contains("Ym9iOnB3"));
    }

    #[test]
    fn helpers_go_before_what_is_written() {
        let config = config(
            r#"{"auths":{"ghcr.io":{"auth":"Ym9iOnB3"}},"credsStore":"pass","credHelpers":{"docker.io":"ecr-login"}}"#,
        );
        let helper =
            |suffix: &str, server: &str| Found::Helper { suffix: suffix.into(), server: server.into() };
        assert_eq!(find(&config, "ghcr.io/x"), [helper("pass", "ghcr.io"), basic("bob", "pw")]);
        let hub = "https://index.docker.io/v1/";
        assert_eq!(find(&config, "x"), [helper("ecr-login", hub), helper("pass", hub)]);
    }

    #[test]
    fn places_follow_the_environment() {
        let environment = Environment::empty().with("HOME", "/h").with("REGISTRY_AUTH_FILE", "/r/auth.json");
        let shown: Vec<String> = places(&environment).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["/r/auth.json", "/h/.docker/config.json", "/h/.config/containers/auth.json"]);
        assert_eq!(places(&Environment::empty()), []);
    }

    #[test]
    fn a_broken_file_is_said_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"auths": {"x": {"auth": "hunter2" "#).unwrap();
        let environment = Environment::empty().with("DOCKER_CONFIG", folder.path());
        let error = load(&environment).unwrap_err().to_string();
        assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
    }
}
