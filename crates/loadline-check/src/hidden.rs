//! What git is told to keep out by name, where the name speaks of a secret: it lies on developers' machines,
//! though no checkout has it.

use camino::{Utf8Path, Utf8PathBuf};

use crate::tree::Tree;

/// A name that `.gitignore` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// As git's file has it.
    pub(crate) written: String,
    /// What an ignore file of docker has to say for the same.
    pub(crate) pattern: String,
    /// A path that it means, from the context on.
    pub(crate) example: String,
}

/// Names of secrets that git ignores in a build context.
pub(crate) fn hidden(tree: &dyn Tree, context: &Utf8Path) -> Vec<Hidden> {
    let own = context.join(".gitignore");
    let top: Utf8PathBuf = tree.top().join(".gitignore");
    let mut found: Vec<Hidden> = Vec::new();
    for (file, inside) in [(&own, true), (&top, false)] {
        if !inside && top == own {
            continue;
        }
        // Where it cannot be read, what git ignores is not known, and other names are looked at all the same.
        let Ok(bytes) = tree.read(file) else { continue };
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Some(hidden) = read(line, inside)
                && !found.iter().any(|known| known.pattern == hidden.pattern)
            {
                found.push(hidden);
            }
        }
    }
    found
}

/// A line of `.gitignore`; `own`: of the context's own, so that paths count.
fn read(line: &str, own: bool) -> Option<Hidden> {
    let written = line.trim();
    if written.is_empty() || written.starts_with(['#', '!']) || written.contains(['[', '\\']) {
        return None;
    }
    let directory = written.ends_with('/');
    let bare = written.trim_end_matches('/');
    let anchored = bare.trim_start_matches("**/").contains('/');
    if anchored && !own {
        return None;
    }
    let path = bare.trim_start_matches('/');
    let plain = path.replace("**/", "").replace(['*', '?'], "x");
    let name = plain.rsplit('/').next().unwrap_or_default();
    let is_folder = matches!(name, ".aws" | ".ssh" | ".gnupg" | ".kube" | "secrets" | ".secrets");
    if !(is_folder || !directory && is_secret(name)) {
        return None;
    }
    let pattern = if anchored || path.starts_with("**/") { path.to_owned() } else { format!("**/{path}") };
    let example = if is_folder { format!("{plain}/x") } else { plain };
    Some(Hidden { written: written.to_owned(), pattern, example })
}

/// Whether a file's name speaks of a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let example = ["example", "sample", "template", "dist", "defaults", "schema"];
    if example.iter().any(|word| lower.ends_with(word)) {
        return false;
    }
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    lower.starts_with(".env")
        || matches!(
            extension,
            Some("pem" | "key" | "p12" | "pfx" | "jks" | "keystore" | "ppk" | "kubeconfig")
        )
        || matches!(
            lower.as_str(),
            "id_rsa"
                | "id_ed25519"
                | "id_ecdsa"
                | "id_dsa"
                | ".netrc"
                | ".npmrc"
                | ".pypirc"
                | ".git-credentials"
                | "kubeconfig"
                | "credentials.json"
                | "secrets.json"
                | "secrets.yml"
                | "secrets.yaml"
                | "secrets.toml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_gitignore() {
        let of = |line: &str, own: bool| read(line, own).map(|h| (h.pattern, h.example));
        let some = |pattern: &str, example: &str| Some((pattern.to_owned(), example.to_owned()));
        assert_eq!(of("*.pem", false), some("**/*.pem", "x.pem"));
        assert_eq!(of(" .env.local ", false), some("**/.env.local", ".env.local"));
        assert_eq!(of("/config/master.key", true), some("config/master.key", "config/master.key"));
        assert_eq!(of("/config/master.key", false), None);
        assert_eq!(of("**/.env*", false), some("**/.env*", ".envx"));
        assert_eq!(of("secrets/", false), some("**/secrets", "secrets/x"));
        for line in ["", "# *.pem", "!.env.local", "target/", "*.log", ".env.example", "[a].pem", ".env/"] {
            assert_eq!(of(line, true), None, "{line}");
        }
    }
}
