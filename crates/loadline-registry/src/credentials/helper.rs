//! Docker's credential helpers: `docker-credential-NAME get`, the server on standard input.

use std::time::Duration;

use loadline_core::Secret;
use loadline_process::{Environment, Invocation, NETWORK};
use serde::Deserialize;

use super::Credential;
use crate::error::RegistryErrorKind;

const TIME_LIMIT: Duration = Duration::from_secs(20);
const OUTPUT_LIMIT: usize = 64 << 10;
/// What every helper may need: where its files and the desktop's key ring are, and the way out to the network.
const PASSED: &[&str] = &[
    "USER",
    "LOGNAME",
    "LANG",
    "TMPDIR",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
];
/// Variables of a cloud go to that cloud's helper only.
const CLOUDS: &[(&str, &[&str])] = &[
    ("ecr", &["AWS_"]),
    ("gcloud", &["CLOUDSDK_", "GOOGLE_"]),
    ("gcr", &["GOOGLE_", "CLOUDSDK_"]),
    ("acr", &["AZURE_", "ACR_"]),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    secret: String,
}

/// Asks a helper for a server's credential; none where it has none.
pub(super) fn ask(
    suffix: &str,
    server: &str,
    parent: &Environment,
    more: &[String],
) -> Result<Option<Credential>, RegistryErrorKind> {
    let program = format!("docker-credential-{suffix}");
    let refuse = |message: String| RegistryErrorKind::Credential {
        source_name: program.clone(),
        message,
        source: None,
    };
    if suffix.is_empty() || !suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(refuse("the configuration names a helper that is no name".to_owned()));
    }
    let invocation = Invocation::new(&program, "/")
        .arg("get")
        .stdin(server.as_bytes())
        .pass(PASSED.iter().chain(NETWORK).copied())
        .pass(more.iter().cloned())
        .pass(of_the_cloud(suffix, parent))
        .time_limit(TIME_LIMIT)
        .output_limit(OUTPUT_LIMIT)
        .hint("docker's configuration names this credential helper: install it, or take it out there");
    let output = invocation.run(parent).map_err(|error| RegistryErrorKind::Credential {
        source_name: program.clone(),
        message: error.to_string(),
        source: Some(Box::new(error)),
    })?;
    if !output.success() {
        // This is how the protocol says "none"; helpers write it on standard output.
        let said = output.stdout_text();
        let none = ["credentials not found", "no credentials", "not found in"];
        if none.iter().any(|words| said.to_ascii_lowercase().contains(words)) {
            return Ok(None);
        }
        let said = if said.trim().is_empty() { output.stderr_text() } else { said };
        let said: String = said.trim().chars().filter(|c| !c.is_control()).take(300).collect();
        return Err(refuse(format!("it ended with {}: {said}", output.status)));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| refuse("its answer is not what the protocol says".to_owned()))?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(match answer.username.as_str() {
        // The protocol's word for "this is an identity token".
        "<token>" => Credential::IdentityToken(Secret::new(answer.secret)),
        _ => Credential::Basic { username: answer.username, password: Secret::new(answer.secret) },
    }))
}

fn of_the_cloud(suffix: &str, parent: &Environment) -> Vec<String> {
    let prefixes: Vec<&str> = CLOUDS
        .iter()
        .filter(|(cloud, _)| suffix == *cloud || suffix.starts_with(&format!("{cloud}-")))
        .flat_map(|(_, prefixes)| prefixes.iter().copied())
        .collect();
    parent
        .names()
        .filter_map(|name| name.to_str())
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn helper(suffix: &str, script: &str) -> (tempfile::TempDir, Environment) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("docker-credential-{suffix}"));
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        (folder, Environment::empty().with("PATH", path))
    }

    #[test]
    fn a_helper_is_asked_as_docker_asks_it() {
        let (_folder, environment) = helper(
            "test",
            r#"read server; [ "$1" = get ] || exit 9; echo "{\"ServerURL\":\"$server\",\"Username\":\"u-$server\",\"Secret\":\"s\"}""#,
        );
        let found = ask("test", "ghcr.io", &environment, &[]).unwrap();
        assert_eq!(found, Some(Credential::basic("u-ghcr.io", "s")));
    }

    #[test]
    fn identity_tokens_and_none_are_told_apart() {
        let (_folder, environment) = helper("test", r#"echo '{"Username":"<token>","Secret":"refresh"}'"#);
        let token = Credential::IdentityToken(Secret::new("refresh"));
        assert_eq!(ask("test", "x", &environment, &[]).unwrap(), Some(token));
        let (_folder, environment) =
            helper("test", "echo 'credentials not found in native keychain'; exit 1");
        assert_eq!(ask("test", "x", &environment, &[]).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_with_a_helper_is_said() {
        let (_folder, environment) = helper("test", "echo 'vault is sealed' >&2; exit 3");
        let error = ask("test", "x", &environment, &[]).unwrap_err().to_string();
        assert!(error.contains("docker-credential-test") && error.contains("vault is sealed"), "{error}");
        let error = ask("missing", "x", &environment, &[]).unwrap_err().to_string();
        assert!(error.contains("install it"), "{error}");
        assert!(ask("../../bin/sh", "x", &environment, &[]).is_err());
        let (_folder, environment) = helper("test", "echo 'my secret is hunter2'");
        let error = ask("test", "x", &environment, &[]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_clouds_variables_go_to_its_own_helper_only() {
        let script = r#"echo "{\"Username\":\"${AWS_PROFILE:-none}\",\"Secret\":\"${CI_TOKEN:-none}\"}""#;
        let with = |environment: Environment| environment.with("AWS_PROFILE", "prod").with("CI_TOKEN", "x");
        let (_folder, environment) = helper("ecr-login", script);
        let found = ask("ecr-login", "x", &with(environment), &[]).unwrap();
        assert_eq!(found, Some(Credential::basic("prod", "none")));
        let (_folder, environment) = helper("other", script);
        let found = ask("other", "x", &with(environment), &["CI_TOKEN".to_owned()]).unwrap();
        assert_eq!(found, Some(Credential::basic("none", "x")));
    }
}
