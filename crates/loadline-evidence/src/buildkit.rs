//! What BuildKit recorded of a build, unsigned, beside the image: SLSA provenance v0.2 or v1 in a statement of
//! v0.1 or v1 (<https://github.com/moby/buildkit/tree/master/docs/attestations>).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::predicate::slsa_provenance::ResourceDescriptor;
use loadline_core::{Digest, Platform};
use loadline_registry::image::ImageIndex;
use loadline_registry::{Descriptor, RegistryError, Repository};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The largest statement that is read, in bytes.
const LIMIT: u64 = 32 << 20;
/// Predicate types that begin so are provenance.
const PROVENANCE: &str = "https://slsa.dev/provenance/";
/// Where v0.2 keeps what BuildKit knows besides.
const METADATA: &str = "https://mobyproject.org/buildkit@v1#metadata";

/// What was recorded of one image's build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// The image that it is about.
    pub image: Option<Digest>,
    /// What it was built for.
    pub platform: Option<Platform>,
    /// The Dockerfile's path, as it was given.
    pub dockerfile: Option<String>,
    /// The digests of the Dockerfile's bytes, where they are recorded.
    pub dockerfile_digest: Option<Digest>,
    /// The stage that was built, where one was named.
    pub target: Option<String>,
    /// The build arguments; none where BuildKit was told to record little.
    pub build_args: BTreeMap<String, String>,
    /// The repository that was built, as an https address without credentials.
    pub source: Option<String>,
    /// The commit that was built.
    pub commit: Option<String>,
    /// What went in: base images, and whatever instructions fetched.
    pub materials: Vec<ResourceDescriptor>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    subject: Vec<loadline_core::statement::Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

impl Recorded {
    /// Reads a statement; none where it is no provenance.
    pub fn read(statement: &[u8]) -> Option<Self> {
        let statement: Statement = serde_json::from_slice(statement).ok()?;
        if !statement.predicate_type.starts_with(PROVENANCE) {
            return None;
        }
        let predicate = &statement.predicate;
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| predicate.pointer(pointer));
        let text = |pointers: &[&str]| Some(first(pointers)?.as_str().filter(|s| !s.is_empty())?.to_owned());
        let arguments =
            first(&["/invocation/parameters/args", "/buildDefinition/externalParameters/request/args"])
                .and_then(Value::as_object);
        let argument = |name: &str| {
            let value = arguments?.get(name)?.as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let build_args = arguments
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix("build-arg:")?.to_owned(), value.as_str()?.to_owned()))
            })
            .collect();
        let metadata = predicate
            .pointer("/metadata")
            .and_then(|metadata| metadata.get(METADATA))
            .or_else(|| first(&["/runDetails/metadata/buildkit_metadata"]));
        let vcs = |name: &str| {
            let from_metadata = metadata.and_then(|metadata| metadata.get("vcs")?.get(name)?.as_str());
            from_metadata.map(str::to_owned).or_else(|| argument(&format!("vcs:{name}")))
        };
        let image = statement
            .subject
            .iter()
            .find_map(|subject| format!("sha256:{}", subject.digest.get("sha256")?).parse::<Digest>().ok());
        let dockerfile = text(&["/invocation/configSource/entryPoint"])
            .or_else(|| text(&["/buildDefinition/externalParameters/configSource/path"]));
        Some(Self {
            image,
            platform: text(&[
                "/invocation/environment/platform",
                "/buildDefinition/internalParameters/builderPlatform",
            ])
            .and_then(|text| text.parse().ok()),
            dockerfile_digest: metadata.and_then(|metadata| source(metadata, dockerfile.as_deref())),
            dockerfile,
            target: argument("target"),
            build_args,
            source: vcs("source").and_then(|address| plain(&address)),
            commit: vcs("revision")
                .map(|revision| revision.trim_end_matches("-dirty").to_owned())
                .filter(|text| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())),
            materials: first(&["/materials", "/buildDefinition/resolvedDependencies"])
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|material| ResourceDescriptor::deserialize(material).ok())
                .filter(|material| !material.digest.is_empty())
                .collect(),
        })
    }
}

/// The digest of the Dockerfile that is recorded under this name; of the only one, where there is one.
fn source(metadata: &Value, name: Option<&str>) -> Option<Digest> {
    let infos = metadata.pointer("/source/infos")?.as_array()?;
    let named = infos.iter().find(|info| info.get("filename").and_then(Value::as_str) == name);
    let info = named.or(if let [only] = infos.as_slice() { Some(only) } else { None })?;
    let data = STANDARD.decode(info.get("data")?.as_str()?).ok()?;
    Some(Digest::of(data))
}

/// A repository's address as https, without credentials and `.git`; `git@HOST:PATH` too.
fn plain(address: &str) -> Option<String> {
    let address = match address.split_once("://") {
        Some(_) => address.to_owned(),
        None => {
            let (host, path) = address.split_once(':')?;
            format!("https://{}/{path}", host.rsplit('@').next()?)
        }
    };
    let mut url = Url::parse(&address).ok()?;
    let host = url.host_str()?.to_owned();
    let path = url.path().trim_matches('/').trim_end_matches(".git").to_owned();
    if path.is_empty() {
        return None;
    }
    let _ = url.set_username("");
    let port = url.port().filter(|_| url.scheme() == "https").map(|port| format!(":{port}"));
    Some(format!("https://{host}{}/{path}", port.unwrap_or_default()))
}

/// What BuildKit recorded of an image in an index; none where it recorded nothing.
///
/// # Errors
/// A registry that could not be asked.
pub async fn recorded(
    repository: &Repository,
    index: &ImageIndex,
    image: &Digest,
) -> Result<Option<Recorded>, RegistryError> {
    recorded_in(repository, index.attestations_of(image)).await
}

/// What these attestation manifests record; the first provenance among them.
///
/// # Errors
/// A registry that could not be asked.
pub async fn recorded_in<'a>(
    repository: &Repository,
    attestations: impl Iterator<Item = &'a Descriptor>,
) -> Result<Option<Recorded>, RegistryError> {
    for attestation in attestations {
        let manifest = repository.manifest(&attestation.digest.to_string()).await?;
        let Ok(image) = manifest.as_image() else { continue };
        for layer in image.layers.iter().filter(|layer| {
            let kind = layer.annotations.get("in-toto.io/predicate-type");
            layer.size <= LIMIT && kind.is_some_and(|kind| kind.starts_with(PROVENANCE))
        }) {
            let bytes = repository.blob(layer, LIMIT).await?;
            if let Some(recorded) = Recorded::read(&bytes) {
                return Ok(Some(recorded));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn the_old_and_the_new_form_say_the_same() {
        let base = json!({"uri": "pkg:docker/debian@13?platform=linux%2Famd64", "digest": {"sha256": "a".repeat(64)}});
        let args = json!({"build-arg:VERSION": "1.2.3", "target": "production", "label:x": "y"});
        let infos = json!([{"filename": "Dockerfile.daemon", "data": STANDARD.encode("FROM debian:13\n")}]);
        let vcs = json!({"source": "git@github.com:acme/widget.git", "revision": COMMIT});
        let subject = json!([{"name": "x", "digest": {"sha256": "b".repeat(64)}}]);
        let old = json!({"_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2", "subject": subject,
            "predicate": {"buildType": "https://mobyproject.org/buildkit@v1", "materials": [base],
                "invocation": {"configSource": {"entryPoint": "Dockerfile.daemon"},
                    "parameters": {"frontend": "dockerfile.v0", "args": args},
                    "environment": {"platform": "linux/amd64"}},
                "metadata": {METADATA: {"vcs": vcs, "source": {"infos": infos}}}}});
        let new = json!({"_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://slsa.dev/provenance/v1", "subject": subject,
            "predicate": {"buildDefinition": {"buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                "externalParameters": {"configSource": {"path": "Dockerfile.daemon"}, "request": {"frontend": "dockerfile.v0", "args": args}},
                "internalParameters": {"builderPlatform": "linux/amd64"}, "resolvedDependencies": [base]},
                "runDetails": {"builder": {"id": ""}, "metadata": {"buildkit_metadata": {"vcs": vcs, "source": {"infos": infos}}}}}});
        let read = |value: &Value| Recorded::read(value.to_string().as_bytes()).unwrap();
        let recorded = read(&old);
        assert_eq!(recorded, read(&new));
        assert_eq!(recorded.image.unwrap().hex(), "b".repeat(64));
        assert_eq!(recorded.source.as_deref(), Some("https://github.com/acme/widget"));
        assert_eq!(recorded.commit.as_deref(), Some(COMMIT));
        assert_eq!(recorded.dockerfile.as_deref(), Some("Dockerfile.daemon"));
        assert_eq!(recorded.dockerfile_digest, Some(Digest::of("FROM debian:13\n")));
        assert_eq!(recorded.build_args, BTreeMap::from([("VERSION".to_owned(), "1.2.3".to_owned())]));
        assert_eq!(recorded.target.as_deref(), Some("production"));
        assert_eq!(recorded.materials.len(), 1);
    }

    #[test]
    fn what_says_nothing_is_no_error_and_credentials_are_not_passed_on() {
        let statement = |kind: &str| json!({"predicateType": kind, "predicate": 7}).to_string();
        assert_eq!(Recorded::read(statement("https://spdx.dev/Document").as_bytes()), None);
        assert_eq!(Recorded::read(b"nonsense"), None);
        assert_eq!(
            Recorded::read(statement("https://slsa.dev/provenance/v1").as_bytes()),
            Some(Recorded::default())
        );
        for (given, expected) in [
            ("https://user:hunter2@github.com/acme/widget.git", Some("https://github.com/acme/widget")),
            ("ssh://git@github.com/acme/widget", Some("https://github.com/acme/widget")),
            ("https://git.example.com:8443/a/b", Some("https://git.example.com:8443/a/b")),
            ("/home/me/widget", None),
            ("", None),
        ] {
            assert_eq!(plain(given).as_deref(), expected, "{given}");
        }
    }
}
