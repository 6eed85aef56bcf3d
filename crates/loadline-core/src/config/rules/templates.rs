//! Templates: known variables, each in a place where it has a value.

use crate::config::codes;
use crate::config::model::{Config, Image, VersionSource};
use crate::config::read::{Reader, shown};
use crate::config::suggest::did_you_mean;
use crate::config::variables::{Template, TemplateError, Variable};
use crate::finding::Finding;

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    for (name, image) in &config.images {
        for (path, template, report) in of_image(name, image) {
            one(reader, config, &path, template, report);
        }
    }
}

/// Every template of an image with its path, and whether it may name a platform.
fn of_image<'c>(name: &str, image: &'c Image) -> Vec<(String, &'c str, bool)> {
    let mut all = Vec::new();
    let path = |rest: String| format!("image.{name}.{rest}");
    for (index, tag) in image.tags.iter().enumerate() {
        all.push((path(format!("tags[{index}]")), tag.as_str(), false));
    }
    for (index, tag) in image.moving_tags.iter().enumerate() {
        all.push((path(format!("moving-tags[{index}]")), tag.template(), false));
    }
    for (key, value) in &image.build_args {
        all.push((path(format!("build-args.{key}")), value.as_str(), false));
    }
    for (key, value) in &image.labels {
        all.push((path(format!("labels.{key}")), value.as_str(), false));
    }
    for (key, value) in &image.annotations {
        all.push((path(format!("annotations.{key}")), value.as_str(), false));
    }
    for (key, caches) in [("cache-from", &image.cache_from), ("cache-to", &image.cache_to)] {
        for (index, cache) in caches.iter().enumerate() {
            all.push((path(format!("{key}[{index}]")), cache.as_str(), true));
        }
    }
    all.push((path("gate.report".to_owned()), image.gate.report.as_str(), true));
    all
}

fn one(reader: &mut Reader<'_>, config: &Config, path: &str, text: &str, report: bool) {
    let errors = match Template::parse(text) {
        Ok(template) => {
            for (variable, span) in template.variables() {
                let commits = config.release.version == VersionSource::Commit;
                let numbers = [Variable::Major, Variable::Minor, Variable::Patch, Variable::Channel]
                    .contains(&variable);
                let (why, help) = match variable {
                    Variable::Platform if !report => (
                        "has no value here",
                        "a tag, a build argument and a label hold for all platforms; BuildKit's TARGETARCH is there in the Dockerfile",
                    ),
                    _ if commits && numbers => {
                        ("has no value where versions are commits", "use `{commit}` or `{commit.short}`")
                    }
                    _ => continue,
                };
                let message = format!("`{{{}}}` {why}", variable.name());
                let span = reader.span_inside(path, text, span);
                reader.note(Finding::error(&codes::VARIABLE_HERE, message).help(help), span);
            }
            return;
        }
        Err(errors) => errors,
    };
    for error in errors {
        let (code, span, message, help) = match error {
            TemplateError::Unknown { name, span, .. } => {
                let names: Vec<&str> = Variable::ALL
                    .iter()
                    .filter(|v| report || **v != Variable::Platform)
                    .map(|v| v.name())
                    .collect();
                let help = did_you_mean(name.trim(), &names, "variables");
                let message = format!("there is no variable `{{{}}}`", shown(&name));
                (&codes::UNKNOWN_VARIABLE, span, message, help)
            }
            TemplateError::Unclosed { span, .. } => {
                let message = "this brace is never closed".to_owned();
                (&codes::BAD_TEMPLATE, span, message, "write `{{` for a brace itself".to_owned())
            }
            TemplateError::Unopened { span, .. } => {
                let message = "this brace closes nothing".to_owned();
                (&codes::BAD_TEMPLATE, span, message, "write `}}` for a brace itself".to_owned())
            }
            // Parsing gives none of these.
            TemplateError::NoValue { .. } | TemplateError::Tag { .. } => continue,
        };
        let span = reader.span_inside(path, text, span);
        reader.note(Finding::error(code, message).help(help), span);
    }
}
