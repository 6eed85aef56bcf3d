//! The reference of `loadline.toml`, from its JSON Schema.

use serde_json::{Map, Value};

use super::codes::escape;
use super::{MADE, Made};

/// The tables in the order of the page: definition in the schema, how the table is written.
const TABLES: &[(&str, &str)] = &[
    ("Release", "[release]"),
    ("SharedRegion", "[[shared-region]]"),
    ("Image", "[image.NAME]"),
    ("ChannelTag", "moving-tags = [{ … }]"),
    ("Gate", "[image.NAME.gate]"),
    ("BuildSecret", "secrets = [{ … }]"),
    ("LayoutTable", "[image.NAME.layout]"),
    ("Contract", "[image.NAME.contract]"),
    ("Verify", "[verify]"),
    ("VerifyIdentity", "[[verify.identity]]"),
    ("VerifyBuild", "[verify.build]"),
    ("Attest", "[attest]"),
    ("ThirdParty", "[[third-party]]"),
    ("Check", "[check]"),
    ("Pin", "[[pin]]"),
    ("PinPlace", "places = [{ … }]"),
];

pub(super) fn page() -> Made {
    let schema = loadline_core::config::json_schema().to_value();
    let mut text = String::from("# loadline.toml\n\n");
    text.push_str(MADE);
    text.push_str(
        "Unknown keys are refused, with the nearest known one suggested. Paths are relative to the file's directory. Texts with\n\
         `{variables}` are [templates](templates.md). The JSON Schema is `schemas/config.schema.json`.\n",
    );
    for (name, written) in TABLES {
        let table = &schema["$defs"][*name];
        text.push_str(&format!("\n## `{written}`\n\n{}\n\n", says(table)));
        text.push_str("| key | value | default | |\n|---|---|---|---|\n");
        let required: Vec<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in table["properties"].as_object().into_iter().flatten() {
            let default = match property.get("default") {
                Some(Value::Null) | None if required.contains(&key.as_str()) => "required".to_owned(),
                Some(Value::Null) | None => String::new(),
                Some(Value::Object(_)) => "none".to_owned(),
                Some(value) if value.as_array().is_some_and(Vec::is_empty) => "none".to_owned(),
                Some(value) => format!("`{value}`"),
            };
            let row = [format!("`{key}`"), kind(property, &schema), default, says(property)];
            text.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
    }
    Made { path: "docs/src/reference/configuration.md".into(), text }
}

fn says(value: &Value) -> String {
    let text = value["description"].as_str().unwrap_or_default();
    escape(&text.replace('\n', " "))
}

/// The definition that a value is, or points to.
fn resolve<'s>(value: &'s Value, schema: &'s Value) -> &'s Value {
    let name = value["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(value, |name| &schema["$defs"][name])
}

/// A value's type in words.
fn kind(value: &Value, schema: &Value) -> String {
    let own = resolve(value, schema);
    let alternatives = own["anyOf"].as_array().or_else(|| own["oneOf"].as_array());
    if let Some(alternatives) = alternatives {
        let constants: Vec<String> =
            alternatives.iter().filter_map(|a| a["const"].as_str()).map(|word| format!("`{word}`")).collect();
        if constants.len() == alternatives.len() {
            return constants.join(", ");
        }
        let kinds: Vec<String> = alternatives
            .iter()
            .filter(|alternative| alternative["type"] != "null")
            .map(|alternative| kind(alternative, schema))
            .collect();
        return kinds.join(", or ");
    }
    if let Some(words) = own["enum"].as_array() {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(|w| format!("`{w}`")).collect();
        return words.join(", ");
    }
    let name = match &own["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|n| *n != "null").unwrap_or(""),
        other => other.as_str().unwrap_or(""),
    };
    match name {
        "array" => format!("list of: {}", kind(&own["items"], schema)),
        "object" if own["properties"].as_object().is_some_and(|p: &Map<_, _>| !p.is_empty()) => {
            "table".to_owned()
        }
        "object" => "table of texts".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_on_the_page() {
        let schema = loadline_core::config::json_schema().to_value();
        let page = page().text;
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            let Some(properties) = definition["properties"].as_object() else { continue };
            assert!(TABLES.iter().any(|(table, _)| table == name), "{name} is not on the page");
            for key in properties.keys() {
                assert!(page.contains(&format!("\n| `{key}` | ")), "{name}.{key}");
            }
        }
        assert!(page.contains("| `mode` | `block`, `regression` |"), "{page}");
        assert!(page.contains("| `platforms` | list of: string | required |"), "{page}");
    }
}
