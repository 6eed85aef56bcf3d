//! A credential from variables, for machines without docker.

use std::io::Read;

use loadline_process::Environment;

use super::Credential;
use super::docker_config::bare_host;
use crate::error::RegistryErrorKind;

/// The registry's host that the credential is for. Without it nothing is sent anywhere: a password must not go
/// to every registry that an image happens to name.
pub(super) const REGISTRY: &str = "LOADLINE_REGISTRY";
/// The user's name.
const USER: &str = "LOADLINE_REGISTRY_USER";
/// The password or token.
const PASSWORD: &str = "LOADLINE_REGISTRY_PASSWORD";
/// A file with the password or token; `/dev/stdin` is standard input.
const PASSWORD_FILE: &str = "LOADLINE_REGISTRY_PASSWORD_FILE";
/// The largest password that is read.
const LIMIT: u64 = 64 << 10;

/// The host and its credential; none where no variable is set.
pub(super) fn read(environment: &Environment) -> Result<Option<(String, Credential)>, RegistryErrorKind> {
    let set = |name: &str| environment.get(name);
    let (user, password, file) = (set(USER), set(PASSWORD), set(PASSWORD_FILE));
    if user.is_none() && password.is_none() && file.is_none() {
        return Ok(None);
    }
    let refuse = |source_name: &str, message: &str| RegistryErrorKind::Credential {
        source_name: source_name.to_owned(),
        message: message.to_owned(),
        source: None,
    };
    let Some(registry) = set(REGISTRY) else {
        return Err(refuse(REGISTRY, "it is not set: name the host that the user and password are for"));
    };
    let Some(user) = user else { return Err(refuse(USER, "it is not set, and the password is")) };
    let password = match (password, file) {
        (Some(password), None) => password.to_owned(),
        (None, Some(file)) => read_file(file).map_err(|message| refuse(PASSWORD_FILE, &message))?,
        (Some(_), Some(_)) => return Err(refuse(PASSWORD, "it is set, and so is the file: set one of them")),
        (None, None) => return Err(refuse(PASSWORD, "it is not set, and the user is")),
    };
    if password.is_empty() {
        return Err(refuse(PASSWORD, "it is empty"));
    }
    Ok(Some((bare_host(registry).to_owned(), Credential::basic(user, password))))
}

fn read_file(path: &str) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| format!("{path}: {error}"))?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("{path} has more than {LIMIT} bytes: that is no password"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<(String, Credential)>, RegistryErrorKind> {
        let environment = variables
            .iter()
            .fold(Environment::empty(), |environment, (name, value)| environment.with(*name, *value));
        read(&environment)
    }

    #[test]
    fn a_host_a_user_and_a_password() {
        assert_eq!(of(&[(REGISTRY, "ghcr.io")]).unwrap(), None);
        let bob = |host: &str| Some((host.to_owned(), Credential::basic("bob", "pw")));
        let with = |host| of(&[(REGISTRY, host), (USER, "bob"), (PASSWORD, "pw")]).unwrap();
        assert_eq!(with("ghcr.io"), bob("ghcr.io"));
        assert_eq!(with("https://r.example:5000/v2/"), bob("r.example:5000"));
        assert_eq!(with("https://index.docker.io/v1/"), bob("docker.io"));
        assert_eq!(with("registry-1.docker.io"), bob("docker.io"));
    }

    #[test]
    fn a_file_may_hold_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let file = path.to_str().unwrap();
        let found = of(&[(REGISTRY, "r.io"), (USER, "bob"), (PASSWORD_FILE, file)]).unwrap().unwrap();
        assert_eq!(found.1, Credential::basic("bob", "hunter2"));
        let missing = of(&[(REGISTRY, "r.io"), (USER, "bob"), (PASSWORD_FILE, "/no/such")]).unwrap_err();
        assert!(missing.to_string().contains("/no/such"), "{missing}");
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        for (variables, expected) in [
            (&[(USER, "bob"), (PASSWORD, "hunter2")][..], REGISTRY),
            (&[(REGISTRY, "r.io"), (PASSWORD, "hunter2")], USER),
            (&[(REGISTRY, "r.io"), (USER, "bob")], PASSWORD),
            (&[(REGISTRY, "r.io"), (USER, "bob"), (PASSWORD, "hunter2"), (PASSWORD_FILE, "/x")], PASSWORD),
        ] {
            let error = of(variables).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
