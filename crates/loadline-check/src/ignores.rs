//! Ignores with a reason, in a comment: `# loadline: ignore RULE: reason`.
//!
//! The comment speaks of the next line that is neither comment nor blank, or of its own line where
//! something stands before it. One above everything else in its file speaks of the whole file too: of
//! findings that have no line. Several may stand one below the other.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::nearest;
use loadline_core::{Code, Finding, Location, Outcome};

use crate::codes::CODES;
use crate::tree::Tree;

/// An ignore that cannot be followed.
pub static MALFORMED: Code = Code::new(
    "comment-ignore-malformed",
    "a comment wants a rule ignored, but not in the way that counts",
    "An ignore names one rule and says why: `# loadline: ignore base-unpinned: rebuilt nightly from our own \
     base`. Without a reason nobody can tell later whether it still holds, and the name of a rule that does \
     not exist ignores nothing. What shared regions must hold cannot be ignored in a comment: take the file \
     out of the region instead.",
);

/// An ignore that nothing needs.
pub static UNUSED: Code = Code::new(
    "comment-ignore-unused",
    "a comment ignores a rule that finds nothing there",
    "What it once spoke of was mended or moved. Remove it: left behind, it would hide the next finding of \
     that rule at this place.",
);

const WORD: &str = "loadline: ignore";

/// An ignore comment.
#[derive(Debug, PartialEq, Eq)]
struct Ignore {
    rule: String,
    reason: String,
    /// The line of the comment.
    line: u32,
    /// The line that it speaks of.
    target: u32,
    /// Whether it stands above everything else.
    top: bool,
}

/// Leaves out the findings that comments ignore. Looked at are the files that findings point into, and
/// those named.
pub(crate) fn apply(tree: &dyn Tree, mut files: Vec<Utf8PathBuf>, outcome: &mut Outcome) {
    files.extend(outcome.findings.iter().filter_map(|f| Some(f.location.as_ref()?.file.clone())));
    for file in &mut files {
        *file = file.components().filter(|c| c.as_str() != ".").collect();
    }
    files.sort();
    files.dedup();
    let mut ignores: BTreeMap<Utf8PathBuf, Vec<(Ignore, bool)>> = BTreeMap::new();
    for file in files {
        // What cannot be read has been said already by the rule that wanted to.
        let Ok(bytes) = tree.read(&file) else { continue };
        let found = read(&String::from_utf8_lossy(&bytes));
        let mut good = Vec::new();
        for ignore in found {
            match refuse(&ignore, &file) {
                Some(finding) => outcome.findings.push(finding),
                None => good.push((ignore, false)),
            }
        }
        if !good.is_empty() {
            ignores.insert(file, good);
        }
    }
    outcome.findings.retain(|finding| {
        let Some(location) = &finding.location else { return true };
        let Some(known) = ignores.get_mut(&location.file) else { return true };
        let mut keep = true;
        for (ignore, used) in known.iter_mut().filter(|(ignore, _)| ignore.rule == finding.code.name) {
            let here = match location.line {
                Some(line) => line == ignore.target,
                None => ignore.top,
            };
            if here {
                *used = true;
                keep = false;
            }
        }
        keep
    });
    for (file, known) in ignores {
        for (ignore, _) in known.iter().filter(|(_, used)| !used) {
            let message = format!("`{}` finds nothing here to ignore", ignore.rule);
            let finding = Finding::warning(&UNUSED, message).at(Location::line(&file, ignore.line));
            outcome.findings.push(finding.help("remove the comment"));
        }
    }
}

fn refuse(ignore: &Ignore, file: &Utf8Path) -> Option<Finding> {
    let rule = ignore.rule.as_str();
    let known = || CODES.iter().map(|code| code.name);
    let (message, help) = if rule.is_empty() {
        ("this ignores no rule in particular".to_owned(), format!("write `# {WORD} RULE: reason`"))
    } else if !known().any(|name| name == rule) {
        let help = match nearest(rule, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`loadline check --list` names all rules".to_owned(),
        };
        (format!("there is no rule `{rule}` to ignore"), help)
    } else if is_firm(rule) {
        let help = "mend it, or take the file out of the region";
        (format!("`{rule}` cannot be ignored in a comment"), help.to_owned())
    } else if ignore.reason.is_empty() {
        (format!("`{rule}` is ignored without a reason"), format!("write `# {WORD} {rule}: reason`"))
    } else {
        return None;
    };
    Some(Finding::error(&MALFORMED, message).at(Location::line(file, ignore.line)).help(help))
}

/// What a comment cannot switch off: shared regions, and these very rules.
fn is_firm(rule: &str) -> bool {
    ["shared-region-", "region-", "comment-ignore-", "fix-", "config-"]
        .iter()
        .any(|family| rule.starts_with(family))
}

fn read(text: &str) -> Vec<Ignore> {
    if !text.contains(WORD) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_quiet = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let first = lines.iter().position(|line| !is_quiet(line)).unwrap_or(lines.len());
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(hash) = line.rfind('#') else { continue };
        let Some(rest) = line[hash + 1..].trim_start().strip_prefix(WORD) else { continue };
        if !(rest.is_empty() || rest.starts_with([' ', ':', '\t'])) {
            continue;
        }
        let (rule, reason) = rest.split_once(':').unwrap_or((rest, ""));
        let own = !line[..hash].trim().is_empty();
        let target = if own { Some(at) } else { (at + 1..lines.len()).find(|next| !is_quiet(lines[*next])) };
        let number = |at: usize| u32::try_from(at + 1).unwrap_or(u32::MAX);
        found.push(Ignore {
            rule: rule.trim().to_owned(),
            reason: reason.trim().to_owned(),
            line: number(at),
            target: target.map_or(0, number),
            top: at < first,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use loadline_core::Severity;

    use super::*;
    use crate::rules::base_unpinned::UNPINNED;
    use crate::rules::dockerfile_unlisted::UNLISTED;
    use crate::tree::Snapshot;

    fn after(text: &str, findings: Vec<Finding>) -> Vec<(&'static str, Option<u32>)> {
        let tree = Snapshot { files: [("Dockerfile".into(), text.as_bytes().to_vec())].into() };
        let mut outcome = Outcome::from(findings);
        apply(&tree, vec!["./Dockerfile".into()], &mut outcome);
        outcome.findings.iter().map(|f| (f.code.name, f.location.as_ref().and_then(|l| l.line))).collect()
    }

    fn unpinned(line: u32) -> Finding {
        Finding::error(&UNPINNED, "x").at(Location::line("Dockerfile", line))
    }

    #[test]
    fn an_ignore_speaks_of_the_next_line() {
        let text = "# loadline: ignore base-unpinned: ours\n\n# more\nFROM a\nFROM b\n";
        assert_eq!(after(text, vec![unpinned(4)]), []);
        assert_eq!(after(text, vec![unpinned(4), unpinned(5)]), [("base-unpinned", Some(5))]);
        assert_eq!(after("x: y # loadline: ignore base-unpinned: ours\n", vec![unpinned(1)]), []);
    }

    #[test]
    fn at_the_top_it_speaks_of_the_whole_file() {
        let unlisted = Finding::note(&UNLISTED, "x").at(Location::file("Dockerfile"));
        let text = "# loadline: ignore dockerfile-unlisted: development\nFROM a\n";
        assert_eq!(after(text, vec![unlisted.clone()]), []);
        let text = "FROM a\n# loadline: ignore dockerfile-unlisted: development\n";
        assert_eq!(
            after(text, vec![unlisted]),
            [("dockerfile-unlisted", None), ("comment-ignore-unused", Some(2))]
        );
    }

    #[test]
    fn without_a_reason_or_a_rule_nothing_is_ignored() {
        for rest in [
            " base-unpinned",
            " base-unpinned:  ",
            ": reason",
            " base-unpined: reason",
            " shared-region-drift: x",
        ] {
            let text = format!("# loadline: ignore{rest}\nFROM a\n");
            assert_eq!(
                after(&text, vec![unpinned(2)]),
                [("base-unpinned", Some(2)), ("comment-ignore-malformed", Some(1))],
                "{rest}"
            );
        }
        assert_eq!(after("# loadline: ignored\n", Vec::new()), []);
    }

    #[test]
    fn what_nothing_needs_is_said() {
        let found = after("# loadline: ignore base-unpinned: ours\nFROM a:1\n", Vec::new());
        assert_eq!(found, [("comment-ignore-unused", Some(1))]);
        assert_eq!(Finding::warning(&UNUSED, "").severity, Severity::Warning);
    }
}
