//! What must hold between the values of a configuration: one matter a file.

mod files;
mod images;
mod platforms;
mod predicates;
mod regions;
mod tags;
mod templates;

use camino::Utf8Path;

use super::PathKind;
use super::model::Config;
use super::read::Reader;

/// Holds a configuration against every rule.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config, look: &dyn Fn(&Utf8Path) -> Option<PathKind>) {
    images::check(reader, config);
    platforms::check(reader, config);
    regions::check(reader, config);
    files::check(reader, config, look);
    templates::check(reader, config);
    tags::check(reader, config);
    predicates::check(reader, config);
    super::public::check(reader, config);
}
