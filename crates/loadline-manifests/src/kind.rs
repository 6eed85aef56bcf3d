//! What kind of file it is.

/// What kind of file mentions an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A compose file (compose-spec, `services`).
    Compose,
    /// A Kubernetes object, or a List of them.
    Kubernetes,
    /// A kustomization's `images`.
    Kustomize,
    /// A workflow or an action of GitHub.
    Workflow,
    /// A Dockerfile.
    Dockerfile,
}

impl Kind {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose file",
            Self::Kubernetes => "Kubernetes manifest",
            Self::Kustomize => "kustomization",
            Self::Workflow => "workflow",
            Self::Dockerfile => "Dockerfile",
        }
    }
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Whether a name is a Dockerfile's: `Dockerfile`, `Dockerfile.daemon`, `daemon.Dockerfile`, `Containerfile`.
pub(crate) fn is_dockerfile(path: &str) -> bool {
    let name = file_name(path);
    if name.ends_with(".dockerignore") || name.ends_with(".md") {
        return false;
    }
    ["Dockerfile", "Containerfile"].iter().any(|known| {
        let beside = |rest: &str| rest.starts_with(['.', '-', '_']);
        name == *known
            || name.strip_prefix(known).is_some_and(beside)
            || name.strip_suffix(known).is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    }) || name.ends_with(".dockerfile")
}

/// Whether a name is a kustomization's (kustomize knows these three).
pub(crate) fn is_kustomization(path: &str) -> bool {
    matches!(file_name(path), "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

/// Whether a file of this name may mention images, for going through a folder.
pub fn may_be_manifest(path: &str) -> bool {
    let name = file_name(path);
    is_dockerfile(path)
        || is_kustomization(path)
        || [".yaml", ".yml", ".json"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfiles_are_known_by_their_names() {
        for name in
            ["Dockerfile", "a/Dockerfile.daemon", "x/daemon.Dockerfile", "Containerfile", "b.dockerfile"]
        {
            assert!(is_dockerfile(name) && may_be_manifest(name), "{name}");
        }
        for name in
            ["Dockerfiles", "Dockerfile.dockerignore", "Dockerfile.md", "mydockerfile", "a/Dockerfile/b"]
        {
            assert!(!is_dockerfile(name), "{name}");
        }
        assert!(
            may_be_manifest("k8s/app.YAML") && may_be_manifest("Kustomization") && !may_be_manifest("a.txt")
        );
    }
}
