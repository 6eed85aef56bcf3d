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
    /// A Helm chart's values.
    HelmValues,
    /// Any file with lines that are marked.
    Marked,
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
            Self::HelmValues => "Helm values",
            Self::Marked => "marked line",
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

/// Whether a name is that of a chart's values: `values.yaml`, `values-prod.yaml`, `prod.values.yml`.
pub(crate) fn is_helm_values(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return false };
    let beside = |rest: &str| rest.is_empty() || rest.starts_with(['.', '-', '_']);
    stem.strip_prefix("values").is_some_and(beside)
        || stem.strip_suffix("values").is_some_and(|rest| rest.ends_with(['.', '-', '_']))
}

/// Whether a name says that the file is YAML, or JSON, which is some; `-` is what a rendering program writes.
pub(crate) fn is_yaml(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    path == "-" || is_kustomization(path) || [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// Whether a file of this name may mention images, for going through a folder. One of another name may have
/// marked lines still: see [`is_marked`](crate::is_marked).
pub fn may_be_manifest(path: &str) -> bool {
    is_dockerfile(path) || is_yaml(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_names() {
        for name in
            ["values.yaml", "chart/Values.YML", "values-prod.yaml", "values.dev.yml", "prod-values.yaml"]
        {
            assert!(is_helm_values(name), "{name}");
        }
        for name in ["values.json", "valuestream.yaml", "myvalues.yaml", "values", "values.yaml/app.yaml"] {
            assert!(!is_helm_values(name), "{name}");
        }
    }

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
