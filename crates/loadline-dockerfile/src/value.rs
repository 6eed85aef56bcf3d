//! The values of an instruction, as BuildKit's parser splits them.

use crate::error::Problem;
use crate::flag::{ends_word, is_blank};
use crate::json::{self, Array};
use crate::keyword::Keyword;

/// Values, and whether they came out of a JSON array.
pub(crate) type Values = (Vec<String>, bool);

/// Splits the rest of a line as the instruction demands.
pub(crate) fn values(keyword: &Keyword, rest: &str, escape: char) -> Result<Values, Problem> {
    let plain = |values| Ok((values, false));
    match keyword {
        Keyword::Add | Keyword::Copy | Keyword::Volume => json_or(keyword, rest, split_at_blanks),
        Keyword::Cmd | Keyword::Entrypoint | Keyword::Run | Keyword::Shell => json_or(keyword, rest, whole),
        Keyword::Arg => plain(words(rest, escape)),
        Keyword::Env | Keyword::Label => plain(pairs(keyword, rest, escape)?),
        Keyword::Expose | Keyword::From => plain(split_at_blanks(rest)),
        Keyword::Maintainer | Keyword::Stopsignal | Keyword::User | Keyword::Workdir => plain(whole(rest)),
        Keyword::Healthcheck => healthcheck(keyword, rest),
        Keyword::Onbuild | Keyword::Other(_) => plain(Vec::new()),
    }
}

fn whole(rest: &str) -> Vec<String> {
    if rest.is_empty() { Vec::new() } else { vec![rest.to_owned()] }
}

fn split_at_blanks(rest: &str) -> Vec<String> {
    let is_blank = |c: char| u8::try_from(c).is_ok_and(is_blank);
    rest.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn json_or(keyword: &Keyword, rest: &str, other: fn(&str) -> Vec<String>) -> Result<Values, Problem> {
    match json::array(rest) {
        Array::Strings(values) => Ok((values, true)),
        Array::Mixed => Err(Problem::NotStrings { keyword: keyword.name().to_owned() }),
        Array::NotJson => Ok((other(rest), false)),
    }
}

fn healthcheck(keyword: &Keyword, rest: &str) -> Result<Values, Problem> {
    let end = rest.find(ends_word).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    if word.is_empty() {
        return Ok((Vec::new(), false));
    }
    let (command, json) = json_or(keyword, rest.trim_start_matches(ends_word), whole)?;
    Ok((std::iter::once(word.to_owned()).chain(command).collect(), json))
}

/// `name=value` pairs, or the old `name value`: name, value, and `=` or nothing between them.
fn pairs(keyword: &Keyword, rest: &str, escape: char) -> Result<Vec<String>, Problem> {
    let words = words(rest, escape);
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    if !first.contains('=') {
        let missing = || Problem::MissingValue { keyword: keyword.name().to_owned() };
        let end = rest.bytes().position(is_blank).ok_or_else(missing)?;
        let value = rest[end..].trim_start_matches(|c| u8::try_from(c).is_ok_and(is_blank));
        return Ok(vec![rest[..end].to_owned(), value.to_owned(), String::new()]);
    }
    let mut out = Vec::with_capacity(words.len() * 3);
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Problem::MissingEquals { word });
        };
        out.extend([name.to_owned(), value.to_owned(), "=".to_owned()]);
    }
    Ok(out)
}

/// Words, with their quotes and escapes still in them.
fn words(rest: &str, escape: char) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut in_word = false;
    let mut quoted = false;
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        if !in_word {
            if c.is_whitespace() {
                continue;
            }
            in_word = true;
        }
        match quote {
            None if c.is_whitespace() => {
                if quoted || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                (in_word, quoted) = (false, false);
                continue;
            }
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                quoted = true;
            }
            Some(q) if c == q => quote = None,
            _ => {}
        }
        // Between single quotes nothing is escaped.
        if c == escape && quote != Some('\'') {
            let Some(escaped) = chars.next() else { break };
            word.push(c);
            word.push(escaped);
        } else {
            word.push(c);
        }
    }
    if in_word && (quoted || !word.is_empty()) {
        out.push(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(rest: &str) -> Result<Vec<String>, Problem> {
        pairs(&Keyword::Env, rest, '\\')
    }

    #[test]
    fn pairs_new_and_old() {
        assert_eq!(
            env(r#"a=1 b="2 3" c=4\ 5 d="#).unwrap(),
            ["a", "1", "=", "b", "\"2 3\"", "=", "c", "4\\ 5", "=", "d", "", "="]
        );
        assert_eq!(env("name some value = x").unwrap(), ["name", "some value = x", ""]);
        assert_eq!(env("name"), Err(Problem::MissingValue { keyword: "ENV".into() }));
        assert_eq!(env("a=1 b"), Err(Problem::MissingEquals { word: "b".into() }));
        assert_eq!(env("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn words_keep_their_quotes() {
        assert_eq!(words(r#"abc="123 456" def"#, '\\'), [r#"abc="123 456""#, "def"]);
        assert_eq!(words(r"'a\' b\", '\\'), [r"'a\'", "b"]);
        assert_eq!(words("a` b c", '`'), ["a` b", "c"]);
        assert_eq!(words("\"\" ''", '\\'), ["\"\"", "''"]);
        assert_eq!(words("\"open a", '\\'), ["\"open a"]);
    }

    #[test]
    fn json_forms_that_are_not_json() {
        let run = |rest| values(&Keyword::Run, rest, '\\');
        assert_eq!(run(r#"["a", "b"]"#).unwrap(), (vec!["a".into(), "b".into()], true));
        assert_eq!(run("['a']").unwrap(), (vec!["['a']".into()], false));
        assert_eq!(run("[1]"), Err(Problem::NotStrings { keyword: "RUN".into() }));
        assert_eq!(run("[]").unwrap(), (vec![], true));
        let copy = values(&Keyword::Copy, r#"[a b] "c"#, '\\').unwrap();
        assert_eq!(copy, (vec!["[a".into(), "b]".into(), "\"c".into()], false));
        let health = values(&Keyword::Healthcheck, r#"CMD  ["a"]"#, '\\').unwrap();
        assert_eq!(health, (vec!["CMD".into(), "a".into()], true));
    }
}
