//! The images that went in, by what a provenance names.

use loadline_core::proof::Proof;
use loadline_core::{Finding, Reference};

use crate::codes::BASE_IMAGE_NOT_ALLOWED;
use crate::judge::{JudgeContext, Rule};
use crate::rules::build_type::any_of;
use crate::rules::provenance::stated;
use crate::text::TextRule;

/// How provenances name images: BuildKit by package URL, this program's own by `oci://` or `oci-layout://`.
const IMAGES: [&str; 5] = ["pkg:docker/", "pkg:oci/", "docker-image://", "oci://", "oci-layout://"];

/// Every image that a provenance says went in has one of these URIs, without its query; other predicates are
/// left alone. `oci://` and `docker-image://` count by the package URL that BuildKit would write, too.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImages(pub Vec<TextRule>);

impl BaseImages {
    fn allows(&self, uri: &str) -> bool {
        let allowed = |uri: &str| self.0.iter().any(|rule| rule.allows(uri));
        allowed(uri) || package_url(uri).is_some_and(|url| allowed(&url))
    }
}

/// The package URL of an image that is named by reference, as BuildKit spells it: `pkg:docker/debian@13` for
/// `oci://docker.io/library/debian:13`.
fn package_url(uri: &str) -> Option<String> {
    let reference = uri.strip_prefix("oci://").or_else(|| uri.strip_prefix("docker-image://"))?;
    let reference: Reference = reference.parse().ok()?;
    let name = reference.repository.to_string();
    let name = name.strip_prefix("docker.io/").map_or(name.as_str(), |path| {
        path.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(path)
    });
    let version = reference.tag.clone().unwrap_or_else(|| reference.target());
    Some(format!("pkg:docker/{name}@{version}"))
}

impl Rule for BaseImages {
    fn describe(&self) -> String {
        format!("base images are {}", any_of(&self.0))
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let Some(stated) = stated(proof) else { return Vec::new() };
        stated
            .dependencies
            .iter()
            .filter_map(|dependency| dependency.uri.as_deref())
            .filter(|uri| IMAGES.iter().any(|prefix| uri.starts_with(prefix)))
            .map(|uri| uri.split('?').next().unwrap_or(uri))
            .filter(|uri| !self.allows(uri))
            .map(|uri| {
                Finding::error(
                    &BASE_IMAGE_NOT_ALLOWED,
                    format!("expected {} as base images, the provenance names `{uri}`", any_of(&self.0)),
                )
            })
            .collect()
    }
}
