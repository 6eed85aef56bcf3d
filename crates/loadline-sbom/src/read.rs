//! CycloneDX documents as other tools write them, versions 1.2 to 1.7, borrowed from the input. Only what is
//! needed to count, join and compare is looked at; all else stays as its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::sbom::{MAX_SBOM_BYTES, SbomError};

/// How deep components may hold components.
const MAX_DEPTH: usize = 32;
const MAX_COMPONENTS: usize = 2_000_000;

/// The members of an object in their order, values as bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.get(name)?.get();
        let borrowed: Result<&'a str, _> = serde_json::from_str(raw);
        match borrowed {
            Ok(text) => Some(Cow::Borrowed(text)),
            Err(_) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if members.len() < 64 && members.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format_args!("the member `{key}` is there twice")));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The elements of a list as bytes; null is the empty list.
pub(crate) struct Elements<'a>(pub(crate) Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Elements(Vec::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() == MAX_COMPONENTS {
                        return Err(A::Error::custom(format_args!("more than {MAX_COMPONENTS} in one list")));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// One component.
#[derive(Debug, Clone)]
pub struct Component<'a> {
    /// `library`, `application`, …
    pub kind: Cow<'a, str>,
    /// What the document calls it.
    pub bom_ref: Option<Cow<'a, str>>,
    /// The group or scope.
    pub group: Option<Cow<'a, str>>,
    /// The name.
    pub name: Cow<'a, str>,
    /// The version.
    pub version: Option<Cow<'a, str>>,
    /// The package URL, as written.
    pub purl: Option<Cow<'a, str>>,
    /// The components in it.
    pub components: Vec<Component<'a>>,
    pub(crate) members: Members<'a>,
}

impl<'a> Component<'a> {
    fn read(raw: &'a RawValue, depth: usize) -> Result<Self, SbomError> {
        if depth > MAX_DEPTH {
            return Err(malformed(format!("components are nested deeper than {MAX_DEPTH}")));
        }
        let members: Members<'a> = parse(raw.get())?;
        Ok(Self {
            kind: members.text("type").unwrap_or_default(),
            bom_ref: members.text("bom-ref"),
            group: members.text("group").filter(|group| !group.is_empty()),
            name: members.text("name").unwrap_or_default(),
            version: members.text("version").filter(|version| !version.is_empty()),
            purl: members.text("purl").filter(|purl| !purl.is_empty()),
            components: components(members.get("components"), depth + 1)?,
            members,
        })
    }

    /// This component and all in it, depth first.
    pub fn with_nested(&self) -> Vec<&Self> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(component) = all.get(next).copied() {
            next += 1;
            all.extend(&component.components);
        }
        all
    }
}

fn components<'a>(raw: Option<&'a RawValue>, depth: usize) -> Result<Vec<Component<'a>>, SbomError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let elements: Elements<'a> = parse(raw.get())?;
    elements.0.into_iter().map(|element| Component::read(element, depth)).collect()
}

/// What one component needs.
#[derive(Debug, Clone)]
pub struct Dependency<'a> {
    /// Which component.
    pub of: Cow<'a, str>,
    /// What it needs.
    pub on: Vec<Cow<'a, str>>,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    /// `1.2` to `1.7`.
    pub spec_version: Cow<'a, str>,
    /// `urn:uuid:…`.
    pub serial_number: Option<Cow<'a, str>>,
    /// What the document speaks of.
    pub subject: Option<Component<'a>>,
    /// The components, nested ones in their parents.
    pub components: Vec<Component<'a>>,
    /// What needs what.
    pub dependencies: Vec<Dependency<'a>>,
    /// How many vulnerabilities it lists.
    pub vulnerabilities: usize,
    pub(crate) metadata: Members<'a>,
    pub(crate) members: Members<'a>,
}

impl<'a> Document<'a> {
    /// Reads a document. A byte order mark before it is skipped.
    ///
    /// # Errors
    /// When it is too large, is not JSON, or is not CycloneDX 1.2 to 1.7. Whether it is *valid* is not looked at.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SbomError> {
        if bytes.len() > MAX_SBOM_BYTES {
            return Err(SbomError::TooLarge { size: bytes.len(), limit: MAX_SBOM_BYTES });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let members: Members<'a> = parse(text)?;
        let format = members.text("bomFormat").unwrap_or_default();
        if format != "CycloneDX" {
            let found =
                if format.is_empty() { "absent".to_owned() } else { format.chars().take(60).collect() };
            return Err(SbomError::NotCycloneDx { found });
        }
        let spec_version = members.text("specVersion").unwrap_or_default();
        if !matches!(&*spec_version, "1.2" | "1.3" | "1.4" | "1.5" | "1.6" | "1.7") {
            return Err(SbomError::Version { found: spec_version.chars().take(60).collect() });
        }
        let metadata: Members<'a> = match members.get("metadata") {
            Some(raw) => parse(raw.get())?,
            None => Members::default(),
        };
        let subject = metadata.get("component").map(|raw| Component::read(raw, 0)).transpose()?;
        Ok(Self {
            spec_version,
            serial_number: members.text("serialNumber"),
            subject,
            components: components(members.get("components"), 0)?,
            dependencies: dependencies(members.get("dependencies"))?,
            vulnerabilities: match members.get("vulnerabilities") {
                Some(raw) => parse::<Elements<'a>>(raw.get())?.0.len(),
                None => 0,
            },
            metadata,
            members,
        })
    }

    /// How many components it lists, nested ones too; the subject is none of them.
    pub fn component_count(&self) -> usize {
        self.components.iter().map(|component| component.with_nested().len()).sum()
    }

    /// What the document says with metadata properties of this name.
    pub fn metadata_properties(&self, name: &str) -> Vec<String> {
        let Some(raw) = self.metadata.get("properties") else { return Vec::new() };
        let Ok(list) = parse::<Elements<'_>>(raw.get()) else { return Vec::new() };
        let matching = list.0.into_iter().filter_map(|element| {
            let members: Members<'_> = parse(element.get()).ok()?;
            (members.text("name")? == name).then(|| members.text("value").unwrap_or_default().into_owned())
        });
        matching.collect()
    }
}

fn dependencies<'a>(raw: Option<&'a RawValue>) -> Result<Vec<Dependency<'a>>, SbomError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let elements: Elements<'a> = parse(raw.get())?;
    let mut dependencies = Vec::with_capacity(elements.0.len());
    for element in elements.0 {
        let members: Members<'a> = parse(element.get())?;
        let on = match members.get("dependsOn") {
            Some(raw) => parse::<Option<Vec<Key<'a>>>>(raw.get())?.unwrap_or_default(),
            None => Vec::new(),
        };
        dependencies.push(Dependency {
            of: members.text("ref").unwrap_or_default(),
            on: on.into_iter().map(|key| key.0).collect(),
        });
    }
    Ok(dependencies)
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, SbomError> {
    serde_json::from_str(text).map_err(|error| malformed(error.to_string()))
}

fn malformed(reason: String) -> SbomError {
    SbomError::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","serialNumber":"urn:uuid:1","version":1,
        "metadata":{"component":{"type":"container","name":"x"},"properties":[{"name":"a","value":"1"},{"name":"a","value":"2"}]},
        "components":[{"type":"library","name":"p\u0041","purl":"pkg:npm/p@1","components":[{"type":"library","name":"q"}]},
                      {"type":"library","name":"r","version":""}],
        "dependencies":[{"ref":"x","dependsOn":["y","z\n"]},{"ref":"y"}],"vulnerabilities":[{},{}]}"#;

    #[test]
    fn a_small_document() {
        let document = Document::parse(SMALL.as_bytes()).unwrap();
        assert_eq!((document.components.len(), document.component_count()), (2, 3));
        assert_eq!(document.components[0].name, "pA");
        assert_eq!(document.components[1].version, None);
        assert_eq!(document.subject.as_ref().unwrap().name, "x");
        assert_eq!(document.dependencies[0].on, ["y", "z\n"]);
        assert_eq!(document.vulnerabilities, 2);
        assert_eq!(document.metadata_properties("a"), ["1", "2"]);
    }

    #[test]
    fn what_is_no_document_is_told_apart() {
        let parse = |text: &str| Document::parse(text.as_bytes()).map(|_| ()).unwrap_err();
        assert!(matches!(parse("{}"), SbomError::NotCycloneDx { .. }));
        assert!(matches!(parse(r#"{"bomFormat":"SPDX"}"#), SbomError::NotCycloneDx { .. }));
        assert!(matches!(
            parse(r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#),
            SbomError::Version { .. }
        ));
        assert!(matches!(parse("[1]"), SbomError::Malformed { .. }));
        assert!(matches!(parse(""), SbomError::Malformed { .. }));
        let twice = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],"components":[{}]}"#;
        assert!(matches!(parse(twice), SbomError::Malformed { .. }));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let deep = r#"{"type":"library","name":"x","components":["#;
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{}{}]}}"#,
            deep.repeat(100_000),
            "]}".repeat(100_000)
        );
        assert!(matches!(Document::parse(text.as_bytes()), Err(SbomError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Document::parse(&bytes);
        }

        #[test]
        fn a_broken_byte_is_an_error_or_another_document(at in 0..SMALL.len(), byte in any::<u8>()) {
            let mut bytes = SMALL.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = Document::parse(&bytes);
        }
    }
}
