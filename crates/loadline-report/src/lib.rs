//! Findings and verdicts to text: for people, for scripts, for code scanning, for workflow logs and
//! for step summaries.
//!
//! Every renderer is a pure function from an [`Outcome`] to a text: colour, width and the text of the
//! files that findings point into are inputs.

mod format;
mod github;
mod human;
mod json;
mod markdown;
mod place;
mod sarif;
mod visible;

use camino::Utf8Path;
use loadline_core::Outcome;
use thiserror::Error;

pub use format::{Format, UnknownFormat};
pub use github::github;
pub use human::human;
pub use json::json;
pub use markdown::markdown;
pub use sarif::sarif;
pub use visible::one_line;

/// Gives the text of a file that a finding points into; `None` where it cannot be had.
pub type Sources<'a> = dyn Fn(&Utf8Path) -> Option<String> + 'a;

/// What a rendering may take into account beside the outcome.
pub struct Options<'a> {
    /// Whether ANSI colours are written; [`Format::Human`] alone heeds it.
    pub colour: bool,
    /// The terminal's width in columns; [`Format::Human`] alone heeds it.
    pub width: usize,
    /// What was examined, in a word or two: the heading of [`Format::Markdown`].
    pub title: &'a str,
    /// The file to which code scanning pins findings that have no place in a file.
    pub anchor: &'a Utf8Path,
    /// The text of the files that findings point into.
    pub sources: &'a Sources<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            colour: false,
            width: 120,
            title: "loadline",
            anchor: Utf8Path::new("loadline.toml"),
            sources: &|_| None,
        }
    }
}

/// Why nothing could be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A document could not be written as JSON.
    #[error("the {format} document cannot be written: {source}")]
    Json {
        /// The format that was asked for.
        format: Format,
        /// What went wrong.
        source: serde_json::Error,
    },
}

/// Renders an outcome in a format. What comes out ends with a line end, or is empty.
///
/// # Errors
/// When a JSON document cannot be written; that of no other format can fail.
pub fn render(outcome: &Outcome, format: Format, options: &Options<'_>) -> Result<String, RenderError> {
    let failed = |source| RenderError::Json { format, source };
    Ok(match format {
        Format::Human => human(outcome, options),
        Format::Json => json(outcome).map_err(failed)?,
        Format::Sarif => sarif(outcome, options).map_err(failed)?,
        Format::Github => github(outcome),
        Format::Markdown => markdown(outcome, options),
    })
}

#[cfg(test)]
mod fixture;
