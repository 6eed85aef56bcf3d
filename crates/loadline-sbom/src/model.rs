//! The parts of CycloneDX 1.6 that are written, their members in the specification's order.

use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

/// A document. Components are written one by one, so that foreign ones pass through untouched.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bom<'a> {
    pub(crate) bom_format: &'static str,
    pub(crate) spec_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial_number: Option<String>,
    pub(crate) version: u32,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) components: Vec<Box<RawValue>>,
    pub(crate) dependencies: Vec<Dependency<'a>>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) compositions: Vec<Composition<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Metadata<'a> {
    pub(crate) timestamp: String,
    pub(crate) tools: Tools,
    pub(crate) component: Component<'a>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    r#type: &'static str,
    name: &'static str,
    version: &'static str,
}

impl Tools {
    /// This tool.
    pub(crate) const fn ours() -> Self {
        Self {
            components: [Tool {
                r#type: "application",
                name: "loadline",
                version: env!("CARGO_PKG_VERSION"),
            }],
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Component<'a> {
    pub(crate) r#type: &'static str,
    #[serde(rename = "bom-ref")]
    pub(crate) bom_ref: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publisher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<&'a str>,
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) hashes: Vec<Hash<'a>>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) licenses: Vec<License>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) purl: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) properties: Vec<Property<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Hash<'a> {
    pub(crate) alg: &'static str,
    pub(crate) content: &'a str,
}

/// One entry of `licenses`: either several of `License`, or exactly one `Expression`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum License {
    License(Named),
    #[serde(untagged)]
    Expression {
        expression: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Named {
    /// An SPDX identifier.
    Id(String),
    /// Any other name.
    Name(String),
}

#[derive(Serialize)]
pub(crate) struct Property<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
pub(crate) struct Evidence<'a> {
    pub(crate) occurrences: Vec<Occurrence<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Occurrence<'a> {
    pub(crate) location: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dependency<'a> {
    pub(crate) r#ref: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) depends_on: Vec<std::borrow::Cow<'a, str>>,
}

#[derive(Serialize)]
pub(crate) struct Composition<'a> {
    pub(crate) aggregate: &'static str,
    pub(crate) assemblies: Vec<&'a str>,
}
