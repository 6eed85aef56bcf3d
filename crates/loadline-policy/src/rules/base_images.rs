//! The images that went in, by what a provenance names.

use loadline_core::Finding;
use loadline_core::proof::Proof;

use crate::codes::BASE_IMAGE_NOT_ALLOWED;
use crate::judge::{JudgeContext, Rule};
use crate::rules::build_type::any_of;
use crate::rules::provenance::stated;
use crate::text::TextRule;

/// Every image that a provenance says went in (`pkg:docker/…`, `pkg:oci/…`, `docker-image://…`) has one of
/// these URIs, without its query; other predicates are left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImages(pub Vec<TextRule>);

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
            .filter(|uri| ["pkg:docker/", "pkg:oci/", "docker-image://"].iter().any(|p| uri.starts_with(p)))
            .map(|uri| uri.split('?').next().unwrap_or(uri))
            .filter(|uri| !self.0.iter().any(|rule| rule.allows(uri)))
            .map(|uri| {
                Finding::error(
                    &BASE_IMAGE_NOT_ALLOWED,
                    format!("expected {} as base images, the provenance names `{uri}`", any_of(&self.0)),
                )
            })
            .collect()
    }
}
