//! Tags: valid, version tags with a version in them, moving ones without, no tag claimed twice. And
//! scan reports, which are claimed like tags.
//!
//! Templates are expanded with a made-up release whose values cannot be confused, so that two
//! templates come out alike only if they always do.

use std::collections::HashMap;

use crate::config::codes;
use crate::config::model::{Config, Image, VersionSource};
use crate::config::read::Reader;
use crate::config::variables::{Template, TemplateError, Variable, Variables};
use crate::config::version::ReleaseVersion;
use crate::finding::Finding;

const WHOLE_VERSION: &[Variable] = &[Variable::Version, Variable::Commit, Variable::CommitShort];

/// Who claims a tag in a repository.
struct Claim {
    image: usize,
    moving: bool,
    path: String,
}

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let mut claims: HashMap<(String, String), Claim> = HashMap::new();
    for (index, (name, image)) in config.images.iter().enumerate() {
        emptiness(reader, config, name, image);
        let repositories = image.repository.as_ref().unwrap_or(&config.release.repository);
        for (path, text, moving) in of_image(name, image) {
            let Some(tag) = expanded(reader, config, name, &path, text, moving) else { continue };
            for repository in repositories.as_slice() {
                let key = (repository.to_string(), tag.clone());
                let claim = Claim { image: index, moving, path: path.clone() };
                if let Some(earlier) = claims.get(&key) {
                    // One moving tag may follow several channels of one image.
                    let follows_both = earlier.image == index && earlier.moving && moving;
                    if !follows_both || same_entry(image, &earlier.path, &claim.path) {
                        conflict(reader, config, earlier, &claim, &repository.to_string());
                        break;
                    }
                } else {
                    claims.insert(key, claim);
                }
            }
        }
    }
    reports(reader, config);
}

fn of_image<'c>(name: &str, image: &'c Image) -> impl Iterator<Item = (String, &'c str, bool)> {
    let tags = image.tags.iter().enumerate();
    let moving = image.moving_tags.iter().enumerate();
    let (one, two) = (name.to_owned(), name.to_owned());
    tags.map(move |(at, tag)| (format!("image.{one}.tags[{at}]"), tag.as_str(), false))
        .chain(moving.map(move |(at, tag)| (format!("image.{two}.moving-tags[{at}]"), tag.template(), true)))
        .filter(|(_, text, _)| !text.is_empty())
}

fn emptiness(reader: &mut Reader<'_>, config: &Config, name: &str, image: &Image) {
    let path = format!("image.{name}.tags");
    if reader.is_empty_list(&path) {
        let help = "remove the line for the default, [\"{version}-{image}\"]";
        reader.error(&codes::EMPTY, &path, format!("`{path}` is empty: the image would have no tag"), help);
    }
    if config.release.version == VersionSource::Commit && !image.moving_tags.is_empty() {
        let message = format!("image `{name}` has moving tags, but versions are commits");
        let help = "remove `moving-tags`: commits have no order in which a tag could move forward";
        reader.error(&codes::MOVING_TAGS_OF_COMMITS, &format!("image.{name}.moving-tags"), message, help);
    }
}

/// The tag that a template becomes in the made-up release, if it becomes one.
fn expanded(
    reader: &mut Reader<'_>,
    config: &Config,
    image: &str,
    path: &str,
    text: &str,
    moving: bool,
) -> Option<String> {
    // Templates that do not parse have findings already.
    let template = Template::parse(text).ok()?;
    let whole = template.names(WHOLE_VERSION);
    if moving && whole {
        let message = format!("the moving tag `{text}` holds the whole version: it is new in every release");
        let finding = Finding::warning(&codes::MOVING_TAG_NEVER_MOVES, message);
        reader.note_at(finding, path, "list it under `tags`");
    } else if !moving && !whole {
        let message =
            format!("the tag `{text}` does not hold the version: only the first release could have it");
        let help = "put `{version}` into it, or list it under `moving-tags`";
        reader.error(&codes::TAG_FIXED, path, message, help);
    }
    match template.expand_tag(&made_up(config, image)) {
        Ok(tag) => Some(tag),
        Err(TemplateError::Tag { expanded, .. }) => {
            let message = format!("`{text}` would become `{expanded}`, which is not a tag");
            let help =
                "tags have at most 128 letters, digits, `_`, `.` and `-`, and do not begin with `.` or `-`";
            reader.error(&codes::BAD_TAG, path, message, help);
            None
        }
        // A variable without a value here has its finding already.
        Err(_) => None,
    }
}

/// A release whose values are as long as they get and stand in nobody's template by chance.
fn made_up(config: &Config, image: &str) -> Variables {
    let commit = "5eed".repeat(10);
    let version = match config.release.version {
        VersionSource::Tag => ReleaseVersion::Semantic(semver::Version::new(70_001, 80_002, 90_003)),
        VersionSource::Commit => ReleaseVersion::Commit(commit.clone()),
    };
    Variables {
        version,
        image: image.to_owned(),
        commit: Some(commit),
        branch: Some("made-up-branch".to_owned()),
        repository_hash: "0ddba11c0ffe".to_owned(),
        platform: None,
    }
}

fn same_entry(image: &Image, one: &str, two: &str) -> bool {
    let entry = |path: &str| {
        let index: usize = path.rsplit_once('[')?.1.trim_end_matches(']').parse().ok()?;
        image.moving_tags.get(index)
    };
    entry(one) == entry(two)
}

fn conflict(reader: &mut Reader<'_>, config: &Config, earlier: &Claim, later: &Claim, repository: &str) {
    let name = |claim: &Claim| config.images.get_index(claim.image).map_or("", |(name, _)| name.as_str());
    let (message, help) = if earlier.image == later.image {
        let message = format!("image `{}` claims this tag twice", name(later));
        (message, "remove one of the two".to_owned())
    } else {
        let message =
            format!("images `{}` and `{}` claim the same tag in {repository}", name(earlier), name(later));
        let help = format!(
            "put `{{image}}` into one of the two templates, or give `{}` a repository of its own",
            name(later)
        );
        (message, help)
    };
    reader.error(&codes::TAG_CONFLICT, &later.path, message, &help);
}

fn reports(reader: &mut Reader<'_>, config: &Config) {
    let mut claims: HashMap<String, String> = HashMap::new();
    for (name, image) in &config.images {
        let Ok(template) = Template::parse(&image.gate.report) else { continue };
        for platform in image.platforms.as_ref().unwrap_or(&config.release.platforms) {
            let mut variables = made_up(config, name);
            variables.platform = Some(platform.clone());
            let Ok(report) = template.expand(&variables) else { continue };
            let leg = format!("{name}:{platform}");
            match claims.get(&report) {
                Some(other) if *other != leg => {
                    let message = format!("the scan reports of {other} and {leg} are one file, `{report}`");
                    let help = "put `{image}` and `{platform}` into `gate.report`";
                    reader.error(
                        &codes::REPORT_CONFLICT,
                        &format!("image.{name}.gate.report"),
                        message,
                        help,
                    );
                    break;
                }
                _ => {
                    claims.insert(report, leg);
                }
            }
        }
    }
}
