//! Credentials: variables, docker's configuration, podman's, and the helpers that both name.

mod docker_config;
mod helper;
mod variables;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use loadline_core::{RepositoryName, Secret};
use loadline_process::Environment;
use tokio::sync::OnceCell;

use crate::client::{Options, Slots};
use crate::error::RegistryErrorKind;
use docker_config::{ConfigFile, Found};

/// What a registry is convinced with. Printing one shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password or personal token.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, changed at the registry's token service for an access token (Azure's, mostly).
    IdentityToken(Secret),
    /// An access token, sent as it is.
    RegistryToken(Secret),
}

impl Credential {
    /// A name and a password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { username: username.into(), password: Secret::new(password) }
    }

    /// `user:password`, as variables and standard input carry it.
    pub fn from_pair(text: &str) -> Option<Self> {
        let (username, password) = text.trim_end_matches(['\r', '\n']).split_once(':')?;
        (!username.is_empty() && !password.is_empty()).then(|| Self::basic(username, password))
    }

    /// The value of an `Authorization` header with name and password.
    pub(crate) fn basic_header(username: &str, password: &Secret) -> String {
        let pair = format!("{username}:{}", password.expose());
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }
}

/// A credential and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) credential: Credential,
    pub(crate) from: String,
}

/// Where a client's credentials come from.
pub(crate) struct Credentials {
    explicit: std::collections::BTreeMap<String, Credential>,
    anonymous: bool,
    environment: Environment,
    helper_variables: Vec<String>,
    variables: OnceCell<Option<(String, Credential)>>,
    files: OnceCell<Vec<ConfigFile>>,
    helped: Slots<(String, String), Option<Option<Credential>>>,
}

impl Credentials {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            explicit: options.credentials.clone(),
            anonymous: options.anonymous,
            environment: options.environment.clone(),
            helper_variables: options.helper_variables.clone(),
            variables: OnceCell::new(),
            files: OnceCell::new(),
            helped: Mutex::default(),
        }
    }

    /// The credential for a repository, if there is one.
    pub(crate) async fn find(&self, name: &RepositoryName) -> Result<Option<Origin>, RegistryErrorKind> {
        if self.anonymous {
            return Ok(None);
        }
        if let Some(credential) = self.explicit.get(name.registry()) {
            return Ok(Some(Origin { credential: credential.clone(), from: "what was given".to_owned() }));
        }
        let variables = self
            .variables
            .get_or_try_init(|| async {
                let environment = self.environment.clone();
                blocking(move || variables::read(&environment)).await
            })
            .await?;
        if let Some((registry, credential)) = variables
            && registry == name.registry()
        {
            let from = "the variables LOADLINE_REGISTRY_*".to_owned();
            return Ok(Some(Origin { credential: credential.clone(), from }));
        }
        let files = self
            .files
            .get_or_try_init(|| async {
                let environment = self.environment.clone();
                blocking(move || docker_config::load(&environment)).await
            })
            .await?;
        for file in files {
            for found in file.find(name) {
                match found {
                    Found::Credential(credential) => {
                        return Ok(Some(Origin { credential, from: file.name.clone() }));
                    }
                    Found::Helper { suffix, server } => {
                        if let Some(credential) = self.ask_helper(&suffix, &server).await? {
                            let from = format!("docker-credential-{suffix} ({})", file.name);
                            return Ok(Some(Origin { credential, from }));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    async fn ask_helper(&self, suffix: &str, server: &str) -> Result<Option<Credential>, RegistryErrorKind> {
        let key = (suffix.to_owned(), server.to_owned());
        let slot = {
            let mut slots = self.helped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(slots.entry(key.clone()).or_default())
        };
        let mut answer = slot.lock().await;
        if let Some(credential) = &*answer {
            return Ok(credential.clone());
        }
        let environment = self.environment.clone();
        let more = self.helper_variables.clone();
        let credential = blocking(move || helper::ask(&key.0, &key.1, &environment, &more)).await?;
        *answer = Some(credential.clone());
        Ok(credential)
    }

    /// Where is looked, for a message.
    pub(crate) fn looked_in(&self) -> String {
        if self.anonymous {
            return "asked without credentials".to_owned();
        }
        let places: Vec<String> =
            docker_config::places(&self.environment).iter().map(|place| place.to_string()).collect();
        if places.is_empty() {
            "neither LOADLINE_REGISTRY nor HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE says where to look"
                .to_owned()
        } else {
            format!("looked in {}, {}", variables::REGISTRY, places.join(", "))
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("hosts", &self.explicit.keys()).finish_non_exhaustive()
    }
}

/// Runs what blocks where it may.
async fn blocking<T, F>(work: F) -> Result<T, RegistryErrorKind>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, RegistryErrorKind> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| RegistryErrorKind::Io {
        path: PathBuf::new(),
        source: std::io::Error::other(error),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_do_not_print() {
        let credential = Credential::from_pair("bob:hunter2:x\n").unwrap();
        assert_eq!(credential, Credential::basic("bob", "hunter2:x"));
        assert!(!format!("{credential:?}").contains("hunter2"));
        assert_eq!(Credential::from_pair("bob"), None);
        assert_eq!(Credential::from_pair("bob:"), None);
    }

    #[tokio::test]
    async fn given_ones_go_first_and_anonymous_uses_none() {
        let mut options = Options::default();
        options.credentials.insert("ghcr.io".into(), Credential::basic("a", "b"));
        let name: RepositoryName = "ghcr.io/x/y".parse().unwrap();
        let found = Credentials::new(&options).find(&name).await.unwrap().unwrap();
        assert_eq!(found.credential, Credential::basic("a", "b"));
        options.anonymous = true;
        assert!(Credentials::new(&options).find(&name).await.unwrap().is_none());
    }
}
