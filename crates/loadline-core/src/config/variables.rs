//! Templates: texts with `{variables}` in tags, build arguments, labels and report paths.
//!
//! `{{` and `}}` stand for braces. Nothing is nested, and nothing that a variable expands to is
//! expanded again.

use std::borrow::Cow;
use std::ops::Range;

use thiserror::Error;

use super::suggest::nearest;
use super::version::ReleaseVersion;
use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::check_tag;

/// Why a template cannot be expanded. Spans are byte ranges in the template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// It names a variable that does not exist.
    #[error("template `{template}` names an unknown variable `{{{name}}}`{}", or_rather(nearest))]
    Unknown {
        /// The template.
        template: String,
        /// The name as written.
        name: String,
        /// The nearest variable there is.
        nearest: Option<&'static str>,
        /// Where the name is, braces and all.
        span: Range<usize>,
    },
    /// A `{` without its `}`.
    #[error("template `{template}` opens a brace that nothing closes: write `{{{{` for a brace itself")]
    Unclosed {
        /// The template.
        template: String,
        /// Where the brace is.
        span: Range<usize>,
    },
    /// A `}` without its `{`.
    #[error("template `{template}` closes a brace that nothing opened: write `}}}}` for a brace itself")]
    Unopened {
        /// The template.
        template: String,
        /// Where the brace is.
        span: Range<usize>,
    },
    /// The variable has no value in this release or this place.
    #[error("template `{template}` cannot be expanded: `{{{variable}}}` has no value, because {reason}")]
    NoValue {
        /// The template.
        template: String,
        /// The variable.
        variable: &'static str,
        /// Why it has none.
        reason: &'static str,
    },
    /// What came out is no tag.
    #[error(
        "template `{template}` expands to `{expanded}`, which is not a tag: at most 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`"
    )]
    Tag {
        /// The template.
        template: String,
        /// What came out.
        expanded: String,
    },
}

fn or_rather(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean `{{{name}}}`?"))
}

/// What a template can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// The whole version.
    Version,
    /// The version's first number.
    Major,
    /// The version's second number.
    Minor,
    /// The version's third number.
    Patch,
    /// `stable`, or the pre-release's name.
    Channel,
    /// The image's name in the configuration.
    Image,
    /// The platform as a slug, `linux-arm-v7`; only in `gate.report`.
    Platform,
    /// The full id of the commit that is built.
    Commit,
    /// The first seven digits of the commit's id.
    CommitShort,
    /// The branch that is built; in tags with `-` for what a tag cannot hold.
    Branch,
    /// The first twelve digits of the SHA-256 digest of `release.source`.
    RepositoryHash,
}

impl Variable {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Version,
        Self::Major,
        Self::Minor,
        Self::Patch,
        Self::Channel,
        Self::Image,
        Self::Platform,
        Self::Commit,
        Self::CommitShort,
        Self::Branch,
        Self::RepositoryHash,
    ];

    /// The name between the braces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Patch => "patch",
            Self::Channel => "channel",
            Self::Image => "image",
            Self::Platform => "platform",
            Self::Commit => "commit",
            Self::CommitShort => "commit.short",
            Self::Branch => "branch",
            Self::RepositoryHash => "repository.hash",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|variable| variable.name() == name)
    }
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(Variable, Range<usize>),
}

impl Template {
    /// Parses a template; all that is wrong with it is reported at once.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let mut parts = Vec::new();
        let mut errors = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            let brace = at + found;
            literal.push_str(&text[at..brace]);
            let rest = &text[brace..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                at = brace + 2;
            } else if rest.starts_with('}') {
                errors.push(TemplateError::Unopened { template: text.to_owned(), span: brace..brace + 1 });
                at = brace + 1;
            } else if let Some(length) = rest[1..].find(['{', '}']).filter(|l| rest[1 + l..].starts_with('}'))
            {
                let name = &rest[1..1 + length];
                let span = brace..brace + length + 2;
                match Variable::named(name) {
                    Some(variable) => {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal)));
                        }
                        parts.push(Part::Variable(variable, span));
                    }
                    None => errors.push(TemplateError::Unknown {
                        template: text.to_owned(),
                        name: name.to_owned(),
                        nearest: nearest(name.trim(), Variable::ALL.iter().map(|v| v.name())),
                        span,
                    }),
                }
                at = brace + length + 2;
            } else {
                errors.push(TemplateError::Unclosed { template: text.to_owned(), span: brace..brace + 1 });
                at = brace + 1;
            }
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if errors.is_empty() { Ok(Self { text: text.to_owned(), parts }) } else { Err(errors) }
    }

    /// The variables it names, with the byte range of each in the template.
    pub fn variables(&self) -> impl Iterator<Item = (Variable, Range<usize>)> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable, span) => Some((*variable, span.clone())),
            Part::Literal(_) => None,
        })
    }

    /// Whether it names one of these variables.
    pub fn names(&self, variables: &[Variable]) -> bool {
        self.variables().any(|(variable, _)| variables.contains(&variable))
    }

    /// Replaces the variables by their values.
    pub fn expand(&self, variables: &Variables) -> Result<String, TemplateError> {
        self.expand_with(|variable| variables.value(variable))
    }

    /// Replaces the variables by their values, for a tag: the branch is written with `-` for what a
    /// tag cannot hold, and the result is checked against the grammar of tags.
    pub fn expand_tag(&self, variables: &Variables) -> Result<String, TemplateError> {
        let expanded = self.expand_with(|variable| {
            let value = variables.value(variable)?;
            Ok(if variable == Variable::Branch { Cow::Owned(tag_safe(&value)) } else { value })
        })?;
        match check_tag(&expanded) {
            Ok(()) => Ok(expanded),
            Err(_) => Err(TemplateError::Tag {
                template: self.text.clone(),
                expanded: expanded.chars().take(200).collect(),
            }),
        }
    }

    fn expand_with<'v>(
        &self,
        value: impl Fn(Variable) -> Result<Cow<'v, str>, &'static str>,
    ) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(self.text.len() + 32);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Variable(variable, _) => match value(*variable) {
                    Ok(value) => out.push_str(&value),
                    Err(reason) => {
                        return Err(TemplateError::NoValue {
                            template: self.text.clone(),
                            variable: variable.name(),
                            reason,
                        });
                    }
                },
            }
        }
        Ok(out)
    }
}

fn tag_safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).collect()
}

/// The values of the variables for one image of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// The version that is released.
    pub version: ReleaseVersion,
    /// The image's name.
    pub image: String,
    /// The commit that is built, by its full id.
    pub commit: Option<String>,
    /// The branch that is built; absent on a detached HEAD.
    pub branch: Option<String>,
    /// What [`repository_hash`] makes of `release.source`.
    pub repository_hash: String,
    /// The platform, where one is meant.
    pub platform: Option<Platform>,
}

impl Variables {
    fn value(&self, variable: Variable) -> Result<Cow<'_, str>, &'static str> {
        const NOT_SEMANTIC: &str = "the version is a commit";
        let number = |get: fn(&semver::Version) -> u64| match &self.version {
            ReleaseVersion::Semantic(version) => Ok(Cow::Owned(get(version).to_string())),
            ReleaseVersion::Commit(_) => Err(NOT_SEMANTIC),
        };
        let commit = || self.commit.as_deref().ok_or("no git commit is known");
        match variable {
            Variable::Version => Ok(self.version.to_string().into()),
            Variable::Major => number(|version| version.major),
            Variable::Minor => number(|version| version.minor),
            Variable::Patch => number(|version| version.patch),
            Variable::Channel => self.version.channel().map(Cow::Borrowed).ok_or(NOT_SEMANTIC),
            Variable::Image => Ok(self.image.as_str().into()),
            Variable::Platform => match &self.platform {
                Some(platform) => Ok(platform.slug().into()),
                None => Err("no single platform is meant here"),
            },
            Variable::Commit => Ok(commit()?.into()),
            Variable::CommitShort => commit().map(|id| id.get(..7).unwrap_or(id).into()),
            Variable::Branch => self.branch.as_deref().map(Cow::Borrowed).ok_or("no branch is checked out"),
            Variable::RepositoryHash => Ok(self.repository_hash.as_str().into()),
        }
    }
}

/// The value of `{repository.hash}`: the first twelve digits of the SHA-256 digest of
/// `release.source`, as written.
pub fn repository_hash(source: &str) -> String {
    Digest::of(source).short().to_owned()
}

/// Expands a template; the first thing that is wrong with it is reported.
pub fn expand(template: &str, variables: &Variables) -> Result<String, TemplateError> {
    parse_one(template)?.expand(variables)
}

/// Expands a template that must become a tag.
pub fn expand_tag(template: &str, variables: &Variables) -> Result<String, TemplateError> {
    parse_one(template)?.expand_tag(variables)
}

fn parse_one(template: &str) -> Result<Template, TemplateError> {
    Template::parse(template).map_err(|mut errors| errors.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables() -> Variables {
        Variables {
            version: ReleaseVersion::semantic("1.2.3-beta.4").unwrap(),
            image: "daemon".into(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            branch: Some("feature/ä b".into()),
            repository_hash: repository_hash("github.com/a/b"),
            platform: Some("linux/arm/v7".parse().unwrap()),
        }
    }

    #[test]
    fn every_variable_has_its_value() {
        for (template, expected) in [
            ("{version}-{image}", "1.2.3-beta.4-daemon"),
            ("{major}.{minor}.{patch}", "1.2.3"),
            ("{channel}", "beta"),
            ("{image}-{platform}.json", "daemon-linux-arm-v7.json"),
            ("{commit}", "0123456789abcdef0123456789abcdef01234567"),
            ("{commit.short}", "0123456"),
            ("{branch}", "feature/ä b"),
            ("{{{image}}}", "{daemon}"),
            ("no variable", "no variable"),
            ("", ""),
        ] {
            assert_eq!(expand(template, &variables()).unwrap(), expected, "{template}");
        }
        assert_eq!(expand("{repository.hash}", &variables()).unwrap().len(), 12);
    }

    #[test]
    fn tags_are_made_safe_or_refused() {
        assert_eq!(expand_tag("{branch}", &variables()).unwrap(), "feature---b");
        for bad in ["-{version}", "{version}+x", "a b", "", ".{image}"] {
            assert!(matches!(expand_tag(bad, &variables()), Err(TemplateError::Tag { .. })), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let errors = Template::parse("{verison}-{x}{ }").unwrap_err();
        assert_eq!(errors.len(), 3);
        assert_eq!(
            errors[0],
            TemplateError::Unknown {
                template: "{verison}-{x}{ }".into(),
                name: "verison".into(),
                nearest: Some("version"),
                span: 0..9
            }
        );
        assert!(errors[0].to_string().ends_with("`{verison}`, did you mean `{version}`?"));
        for (bad, at) in [("a{version", 1), ("{{{", 2), ("{a{version}", 0)] {
            let errors = Template::parse(bad).unwrap_err();
            assert!(matches!(&errors[0], TemplateError::Unclosed { span, .. } if span.start == at), "{bad}");
        }
        let errors = Template::parse("a}b").unwrap_err();
        assert!(matches!(&errors[0], TemplateError::Unopened { span, .. } if *span == (1..2)));
    }

    #[test]
    fn a_commit_has_no_numbers_and_no_channel() {
        let mut variables = variables();
        variables.version = ReleaseVersion::commit(&"a".repeat(40)).unwrap();
        variables.branch = None;
        for bad in ["{major}", "{minor}", "{patch}", "{channel}", "{branch}"] {
            assert!(matches!(expand(bad, &variables), Err(TemplateError::NoValue { .. })), "{bad}");
        }
        assert_eq!(expand("{version}", &variables).unwrap(), "a".repeat(40));
    }

    proptest! {
        #[test]
        fn doubled_braces_give_any_text_back(text in ".{0,60}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(expand(&doubled, &variables()).unwrap(), text);
        }

        #[test]
        fn no_text_panics(text in "[{}a-z.é]{0,40}") {
            if let Err(errors) = Template::parse(&text) {
                for error in errors {
                    match error {
                        TemplateError::Unknown { span, .. }
                        | TemplateError::Unclosed { span, .. }
                        | TemplateError::Unopened { span, .. } => prop_assert!(text.get(span).is_some()),
                        other => prop_assert!(false, "{other}"),
                    }
                }
            }
        }
    }
}
