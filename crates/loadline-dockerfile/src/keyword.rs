//! The instructions' names.

use std::fmt;

/// The name of an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
    /// A word that is no instruction, as written. BuildKit's parser lets it pass; its builder does not.
    Other(String),
}

const KNOWN: [(&str, Keyword); 18] = [
    ("ADD", Keyword::Add),
    ("ARG", Keyword::Arg),
    ("CMD", Keyword::Cmd),
    ("COPY", Keyword::Copy),
    ("ENTRYPOINT", Keyword::Entrypoint),
    ("ENV", Keyword::Env),
    ("EXPOSE", Keyword::Expose),
    ("FROM", Keyword::From),
    ("HEALTHCHECK", Keyword::Healthcheck),
    ("LABEL", Keyword::Label),
    ("MAINTAINER", Keyword::Maintainer),
    ("ONBUILD", Keyword::Onbuild),
    ("RUN", Keyword::Run),
    ("SHELL", Keyword::Shell),
    ("STOPSIGNAL", Keyword::Stopsignal),
    ("USER", Keyword::User),
    ("VOLUME", Keyword::Volume),
    ("WORKDIR", Keyword::Workdir),
];

impl Keyword {
    /// Reads a word; upper and lower case are alike.
    pub fn new(word: &str) -> Self {
        KNOWN
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
            .map_or_else(|| Self::Other(word.to_owned()), |(_, keyword)| keyword.clone())
    }

    /// The name in capitals; what is no instruction as it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Other(word) => word,
            known => KNOWN.iter().find(|(_, k)| k == known).map_or("", |(name, _)| name),
        }
    }

    /// Whether heredocs may follow it.
    pub(crate) const fn takes_heredocs(&self) -> bool {
        matches!(self, Self::Add | Self::Copy | Self::Run)
    }

    /// The instruction that a misspelt word is one edit away from.
    pub(crate) fn nearest(word: &str) -> Option<&'static str> {
        let word = word.to_ascii_uppercase();
        KNOWN.iter().map(|(name, _)| *name).find(|name| one_edit_apart(name.as_bytes(), word.as_bytes()))
    }
}

fn one_edit_apart(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (rest_short, rest_long) = (&short[same..], &long[same..]);
    if short.len() < long.len() {
        return rest_long.get(1..) == Some(rest_short);
    }
    match (rest_short, rest_long) {
        ([_, x @ ..], [_, y @ ..]) if x == y => true,
        ([p, q, x @ ..], [r, s, y @ ..]) => p == s && q == r && x == y,
        _ => false,
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_typos_are_recognised() {
        assert_eq!(Keyword::new("from"), Keyword::From);
        assert_eq!(Keyword::new("FRoM").name(), "FROM");
        assert_eq!(Keyword::new("FORM"), Keyword::Other("FORM".into()));
        assert_eq!(Keyword::nearest("FORM"), Some("FROM"));
        assert_eq!(Keyword::nearest("copyy"), Some("COPY"));
        assert_eq!(Keyword::nearest("ENTRYPOIT"), Some("ENTRYPOINT"));
        assert_eq!(Keyword::nearest("echo"), None);
    }
}
