//! The reference of all codes.

use super::{MADE, Made};
use crate::codes::tables;

pub(super) fn page() -> Made {
    let mut text = String::from("# Codes\n\n");
    text.push_str(MADE);
    text.push_str(
        "Every finding and every failure has a code: a stable name that scripts match on. A finding is something wrong in what was\n\
         examined (verdict `fail`, exit 1; `config-…` exit 2). A failure is an examination that could not be done (verdict `unknown`,\n\
         exit 3).\n",
    );
    for (room, codes) in tables() {
        text.push_str(&format!("\n## {room}\n"));
        let mut codes = codes.to_vec();
        codes.sort_by_key(|code| code.name);
        for code in codes {
            let summary = sentence(code.summary);
            text.push_str(&format!("\n### {}\n\n*{summary}*\n\n{}\n", code.name, escape(code.explanation)));
        }
    }
    Made { path: "docs/src/reference/codes.md".into(), text }
}

/// A summary as a sentence.
fn sentence(summary: &str) -> String {
    let mut letters = summary.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", escape(letters.as_str()))
}

/// Angle brackets are no HTML here; what stands between backticks is left alone.
pub(super) fn escape(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => part.replace('<', "&lt;").replace('>', "&gt;"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_on_the_page() {
        let page = page();
        for (_, codes) in tables() {
            for code in codes {
                assert!(page.text.contains(&format!("\n### {}\n", code.name)), "{}", code.name);
            }
        }
    }

    #[test]
    fn brackets_outside_of_code_are_escaped() {
        assert_eq!(escape("a <b> `c <d>` e"), "a &lt;b&gt; `c <d>` e");
        assert_eq!(sentence("an image"), "An image.");
    }
}
