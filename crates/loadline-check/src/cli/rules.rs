//! `--list` and `--explain`: what rules there are, and what they are about.

use loadline_core::config::nearest;
use loadline_core::document::RULES;
use loadline_core::{Code, Verdict};
use loadline_report::Format;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::document;
use super::{Answer, End};
use crate::codes::CODES;

const PASS: End = End::Verdict(Verdict::Pass);

/// The rules, as a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rules {
    /// All, or the one that was asked for.
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Serialize, JsonSchema)]
struct Rule {
    /// Its code.
    code: &'static str,
    /// What it says when it comes out.
    summary: &'static str,
    /// Why it matters, and the way out.
    explanation: &'static str,
}

impl Rule {
    fn of(code: &Code) -> Self {
        Self { code: code.name, summary: code.summary, explanation: code.explanation }
    }
}

/// All rules, sorted.
pub(crate) fn list(format: Format) -> Answer {
    let mut codes = CODES.to_vec();
    codes.sort_by_key(|code| code.name);
    if format == Format::Json {
        let rules = codes.into_iter().map(Rule::of).collect();
        return document(RULES, Rules { rules }, PASS);
    }
    let width = codes.iter().map(|code| code.name.len()).max().unwrap_or(0);
    let line = |code: &&Code| format!("{:width$}  {}\n", code.name, code.summary);
    Answer { out: codes.iter().map(line).collect(), err: String::new(), end: PASS }
}

/// One rule, and the way out.
pub(crate) fn explain(name: &str, format: Format) -> Answer {
    let Some(code) = CODES.iter().find(|code| code.name == name) else {
        let near = nearest(name, CODES.iter().map(|code| code.name));
        let help =
            near.map_or("`loadline check --list` names all".to_owned(), |n| format!("did you mean `{n}`?"));
        return Answer::usage(&format!("there is no rule `{name}`: {help}"));
    };
    if format == Format::Json {
        return document(RULES, Rules { rules: vec![Rule::of(code)] }, PASS);
    }
    let out = format!("{}: {}\n\n{}\n", code.name, code.summary, wrapped(code.explanation, 80));
    Answer { out, err: String::new(), end: PASS }
}

fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
