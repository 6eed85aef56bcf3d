//! The JSON Schema of `loadline.toml`, for editors.

use schemars::Schema;
use serde_json::Value;

use super::model::Config;

/// The JSON Schema (draft 2020-12) of `loadline.toml`, made from the same types that read it.
pub fn json_schema() -> Schema {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".to_owned(), Value::from("loadline.toml"));
    schema
}
