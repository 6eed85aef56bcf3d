//! Predicates: known ones, and at least one, because a verification without any proves nothing.

use crate::config::codes;
use crate::config::model::Config;
use crate::config::read::{Reader, shown};
use crate::config::suggest::did_you_mean;
use crate::predicate::{NAMES, predicate_type};

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let list = "verify.predicates";
    if reader.is_empty_list(list) {
        let help = "name at least one: [\"slsa-provenance\", \"cyclonedx\"]";
        reader.error(&codes::EMPTY, list, "`verify.predicates` is empty: nothing would be demanded", help);
    }
    for (index, name) in config.verify.predicates.iter().enumerate() {
        if !name.is_empty() && predicate_type(name).is_none() {
            let names: Vec<&str> = NAMES.iter().map(|(short, _)| *short).collect();
            let place = format!("{list}[{index}]");
            let message = format!("there is no predicate `{}`", shown(name));
            let help = did_you_mean(name, &names, "known predicates");
            reader.error(&codes::UNKNOWN_PREDICATE, &place, message, &help);
        }
    }
}
