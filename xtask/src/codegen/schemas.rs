//! The JSON Schemas of `loadline.toml` and of every document that loadline writes.

use super::Made;

pub(super) fn all() -> Vec<Made> {
    loadline::documents()
        .into_iter()
        .map(|(name, schema)| Made {
            path: format!("schemas/{name}.schema.json").into(),
            text: format!("{:#}\n", schema.as_value()),
        })
        .collect()
}
