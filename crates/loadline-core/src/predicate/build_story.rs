//! What a provenance tells of a build in a few lines, whatever its version: BuildKit's own (SLSA v0.2 and v1,
//! <https://docs.docker.com/build/metadata/attestations/slsa-definitions/>) and others of those types. For
//! showing only: nothing here is verified.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// SLSA provenance, version 0.2.
pub const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";
/// SLSA provenance, version 1.
pub const SLSA_V1: &str = super::slsa_provenance::PREDICATE_TYPE;
/// The most of each kind that is told.
const MOST: usize = 64;

/// What is told of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildStory {
    /// The kind of build, a URI.
    pub build_type: Option<String>,
    /// Who built, where it says.
    pub builder: Option<String>,
    /// Images that it was built on or took from.
    pub base_images: Vec<Material>,
    /// Everything else that went in: sources, files.
    pub materials: Vec<Material>,
    /// Build arguments.
    pub build_args: BTreeMap<String, String>,
    /// The stage that was built.
    pub target: Option<String>,
    /// Where the source came from: BuildKit's own word, else what the client told it of git.
    pub source: Option<String>,
    /// The commit.
    pub revision: Option<String>,
    /// The Dockerfile.
    pub dockerfile: Option<String>,
    /// When it began and ended, RFC 3339.
    pub started: Option<String>,
    /// When it ended.
    pub finished: Option<String>,
    /// The names of the secrets that it could see; a provenance never holds their values.
    pub secrets: Vec<String>,
}

/// Something that went into a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// Its name: of an image the reference, else the URI.
    pub name: String,
    /// The platform, where its URI says one.
    pub platform: Option<String>,
    /// `algorithm:value`, where it says one.
    pub digest: Option<String>,
}

impl BuildStory {
    /// What a predicate of this type tells; none for other types and for what is no object.
    pub fn of(predicate_type: &str, predicate: &Value) -> Option<Self> {
        let old = predicate_type == SLSA_V02;
        if !old && !super::satisfies(predicate_type, SLSA_V1) {
            return None;
        }
        predicate.as_object()?;
        Some(if old { Self::of_v02(predicate) } else { Self::of_v1(predicate) })
    }

    fn of_v02(predicate: &Value) -> Self {
        let mut story = Self {
            build_type: text(&predicate["buildType"]),
            builder: text(&predicate["builder"]["id"]),
            ..Self::default()
        };
        let invocation = &predicate["invocation"];
        let parameters = &invocation["parameters"];
        story.arguments(&parameters["args"]);
        story.secrets(&parameters["secrets"]);
        story.take(&predicate["materials"]);
        let metadata = &predicate["metadata"];
        story.started = text(&metadata["buildStartedOn"]);
        story.finished = text(&metadata["buildFinishedOn"]);
        let own = metadata.as_object().into_iter().flatten().find(|(key, _)| key.ends_with("#metadata"));
        story.origin(&invocation["configSource"], "entryPoint", own.map(|(_, value)| &value["vcs"]));
        story
    }

    fn of_v1(predicate: &Value) -> Self {
        let (build, run) = (&predicate["buildDefinition"], &predicate["runDetails"]);
        let parameters = &build["externalParameters"];
        let mut story = Self {
            build_type: text(&build["buildType"]),
            builder: text(&run["builder"]["id"]),
            ..Self::default()
        };
        let request = &parameters["request"];
        story.arguments(&request["args"]);
        story.secrets(&request["secrets"]);
        story.take(&build["resolvedDependencies"]);
        let metadata = &run["metadata"];
        story.started = text(&metadata["startedOn"]);
        story.finished = text(&metadata["finishedOn"]);
        story.origin(&parameters["configSource"], "path", Some(&metadata["buildkit_metadata"]["vcs"]));
        // GitHub's own build type names the workflow instead.
        let workflow = &parameters["workflow"];
        story.source = story.source.or_else(|| text(&workflow["repository"]));
        story
    }

    fn origin(&mut self, config_source: &Value, file: &str, vcs: Option<&Value>) {
        let vcs = vcs.unwrap_or(&Value::Null);
        self.source = text(&config_source["uri"]).or_else(|| text(&vcs["source"]));
        let digest = config_source["digest"].as_object();
        self.revision = text(&vcs["revision"]).or_else(|| {
            let digest = digest?;
            ["sha1", "gitCommit", "sha256"].iter().find_map(|name| text(digest.get(*name)?))
        });
        self.dockerfile = text(&config_source[file]);
    }

    fn arguments(&mut self, args: &Value) {
        for (name, value) in args.as_object().unwrap_or(&Map::new()) {
            let Some(value) = value.as_str() else { continue };
            if let Some(argument) = name.strip_prefix("build-arg:") {
                if self.build_args.len() < MOST {
                    self.build_args.insert(argument.to_owned(), value.to_owned());
                }
            } else if name == "target" {
                self.target = text(&Value::from(value));
            }
        }
    }

    fn secrets(&mut self, secrets: &Value) {
        let names = secrets.as_array().into_iter().flatten().filter_map(|secret| text(&secret["id"]));
        self.secrets = names.take(MOST).collect();
    }

    fn take(&mut self, materials: &Value) {
        for material in materials.as_array().into_iter().flatten() {
            let Some(uri) = text(&material["uri"]).or_else(|| text(&material["name"])) else { continue };
            let digest = material["digest"].as_object().and_then(|digests| {
                let (algorithm, value) = digests.iter().next()?;
                Some(format!("{algorithm}:{}", value.as_str()?))
            });
            let (kind, image) = match image(&uri) {
                Some((name, platform)) => (&mut self.base_images, Material { name, platform, digest }),
                None => (&mut self.materials, Material { name: uri, platform: None, digest }),
            };
            if kind.len() < MOST && !kind.contains(&image) {
                kind.push(image);
            }
        }
    }
}

/// The reference and platform of a package URL of an image: `pkg:docker/alpine@3.20?platform=linux%2Famd64`.
fn image(uri: &str) -> Option<(String, Option<String>)> {
    if let Some(reference) = uri.strip_prefix("oci://") {
        return Some((reference.to_owned(), None));
    }
    let rest = uri.strip_prefix("pkg:docker/").or_else(|| uri.strip_prefix("pkg:oci/"))?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, version) = path.split_once('@').map_or((path, None), |(name, version)| (name, Some(version)));
    let mut platform = None;
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if key == "platform" {
            platform = Some(decoded(value));
        }
    }
    let version = version.map(decoded);
    let between =
        if version.as_deref().is_some_and(|version| version.starts_with("sha256:")) { '@' } else { ':' };
    let name =
        version.map_or_else(|| decoded(name), |version| format!("{}{between}{version}", decoded(name)));
    Some((name, platform))
}

/// Percent-encoding taken off; what is none stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn version_02_as_buildkit_wrote_it() {
        let predicate = json!({
            "builder": {"id": "https://github.com/acme/app/actions/runs/1"},
            "buildType": "https://mobyproject.org/buildkit@v1",
            "materials": [
                {"uri": "pkg:docker/alpine@3.17?platform=linux%2Famd64", "digest": {"sha256": "aa"}},
                {"uri": "https://github.com/acme/app.git#v1", "digest": {"sha1": "bb"}}],
            "invocation": {
                "configSource": {"uri": "https://github.com/acme/app.git#v1", "digest": {"sha1": "bb"}, "entryPoint": "Dockerfile"},
                "parameters": {"frontend": "dockerfile.v0", "args": {"build-arg:A": "1", "target": "prod", "label:x": "y"},
                    "secrets": [{"id": "token"}]}},
            "metadata": {"buildStartedOn": "2024-01-01T00:00:00Z", "buildFinishedOn": "2024-01-01T00:01:00Z",
                "https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"source": "https://github.com/acme/app", "revision": "cc"}}},
        });
        let story = BuildStory::of(SLSA_V02, &predicate).unwrap();
        assert_eq!(story.base_images.len(), 1);
        assert_eq!(
            story.base_images[0],
            Material {
                name: "alpine:3.17".into(),
                platform: Some("linux/amd64".into()),
                digest: Some("sha256:aa".into())
            }
        );
        assert_eq!(story.materials[0].name, "https://github.com/acme/app.git#v1");
        assert_eq!(story.build_args, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
        assert_eq!(story.target.as_deref(), Some("prod"));
        assert_eq!(story.source.as_deref(), Some("https://github.com/acme/app.git#v1"));
        assert_eq!(story.revision.as_deref(), Some("cc"));
        assert_eq!(story.dockerfile.as_deref(), Some("Dockerfile"));
        assert_eq!(story.started.as_deref(), Some("2024-01-01T00:00:00Z"));
        assert_eq!(story.secrets, ["token"]);
    }

    #[test]
    fn version_1_as_buildkit_writes_it() {
        let predicate = json!({
            "buildDefinition": {
                "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                "externalParameters": {"configSource": {"path": "Dockerfile"},
                    "request": {"frontend": "dockerfile.v0", "args": {"build-arg:B": "2"}, "locals": [{"name": "context"}]}},
                "internalParameters": {"builderPlatform": "linux/amd64"},
                "resolvedDependencies": [
                    {"uri": "pkg:docker/ghcr.io/a/b@sha256:aa?digest=sha256:aa&platform=linux%2Farm64%2Fv8", "digest": {"sha256": "aa"}}]},
            "runDetails": {"builder": {"id": ""}, "metadata": {"invocationId": "x", "startedOn": "2024-01-01T00:00:00Z",
                "buildkit_metadata": {"vcs": {"source": "https://github.com/acme/app", "revision": "cc"}}}},
        });
        let story = BuildStory::of(SLSA_V1, &predicate).unwrap();
        assert_eq!(story.base_images[0].name, "ghcr.io/a/b@sha256:aa");
        assert_eq!(story.base_images[0].platform.as_deref(), Some("linux/arm64/v8"));
        assert_eq!((story.source.as_deref(), story.builder), (Some("https://github.com/acme/app"), None));
        assert_eq!(story.build_args["B"], "2");
    }

    #[test]
    fn what_is_no_provenance_tells_nothing() {
        assert_eq!(BuildStory::of("https://spdx.dev/Document", &json!({})), None);
        assert_eq!(BuildStory::of(SLSA_V1, &json!([])), None);
        let empty = BuildStory::of(SLSA_V1, &json!({"buildDefinition": 7, "runDetails": null})).unwrap();
        assert_eq!(empty, BuildStory::default());
        assert_eq!(decoded("a%2Fb%zz%"), "a/b%zz%");
    }
}
