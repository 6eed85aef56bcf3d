//! `.dockerignore`: which files of the context no instruction can see.
//!
//! The rules are those of moby's `patternmatcher` and of the walk in `fsutil`, quirks included: the last
//! pattern that matches wins, a pattern that matches a directory matches all beneath it, `!` takes back.
//! (<https://docs.docker.com/build/concepts/context/#dockerignore-files>)

use crate::glob::{Dialect, Glob, PatternError};
use crate::path;

/// How a pattern is compared. The first three are how patterns without other wildcards have always been
/// compared, and they differ from the general rule: `**x` matches `ax`, `x**` matches `xa/b`.
#[derive(Debug, Clone)]
enum Comparison {
    Exact,
    Prefix(String),
    Suffix(String),
    Glob(Glob),
}

#[derive(Debug, Clone)]
struct Pattern {
    /// The cleaned text without its `!`.
    text: String,
    exception: bool,
    comparison: Comparison,
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match &self.comparison {
            Comparison::Exact => path == self.text,
            Comparison::Prefix(prefix) => path.starts_with(prefix),
            Comparison::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|rest| path == rest)
            }
            Comparison::Glob(glob) => glob.matches(path),
        }
    }
}

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
    exceptions: bool,
}

/// Which patterns matched a directory: what its entries need to know of it.
#[derive(Debug, Clone, Default)]
pub struct Inherited(Option<Vec<bool>>);

impl Patterns {
    /// Compiles patterns, each with its `!` if it has one. Empty ones are passed over.
    ///
    /// # Errors
    /// One is no pattern.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut compiled = Self::default();
        for text in patterns {
            let text = text.as_ref().trim();
            if text.is_empty() {
                continue;
            }
            let cleaned = path::clean(text);
            let (exception, cleaned) = match cleaned.strip_prefix('!') {
                Some("") => {
                    return Err(PatternError { pattern: text.to_owned(), reason: "`!` excepts nothing" });
                }
                Some(rest) => (true, rest.to_owned()),
                None => (false, cleaned),
            };
            compiled.exceptions |= exception;
            compiled.patterns.push(Pattern { comparison: comparison(&cleaned)?, text: cleaned, exception });
        }
        Ok(compiled)
    }

    /// Reads an ignore file: one pattern a line, `#` at the line's start begins a comment, a leading `/` has
    /// no meaning.
    ///
    /// # Errors
    /// A line is no pattern.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::new(text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let line = line.trim();
            let (exception, line) = match line.strip_prefix('!') {
                Some(rest) => ("!", rest.trim()),
                None => ("", line),
            };
            if line.is_empty() {
                return (!exception.is_empty()).then(|| exception.to_owned());
            }
            let cleaned = path::clean(line);
            let cleaned = if cleaned.len() > 1 { cleaned.trim_start_matches('/') } else { &cleaned };
            Some(format!("{exception}{cleaned}"))
        }))
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a path is matched, given what was inherited from its directory, and what its own entries
    /// inherit. A path at the top inherits the default.
    pub fn matches(&self, path: &str, inherited: &Inherited) -> (bool, Inherited) {
        let mut matched = false;
        let mut own = vec![false; self.patterns.len()];
        for (at, pattern) in self.patterns.iter().enumerate() {
            let mut hit = inherited.0.as_ref().is_some_and(|parent| parent.get(at).copied().unwrap_or(false));
            if !hit {
                // An exception has nothing to take back yet, or a pattern nothing to add.
                if pattern.exception != matched {
                    continue;
                }
                hit = pattern.matches(path);
                if !hit && inherited.0.is_none() {
                    hit = path::parents(path).any(|parent| pattern.matches(parent));
                }
            }
            own[at] = hit;
            if hit {
                matched = !pattern.exception;
            }
        }
        (matched, Inherited(Some(own)))
    }

    /// Whether an exception could take back anything beneath a directory that is matched.
    pub fn may_except_beneath(&self, directory: &str) -> bool {
        if !self.exceptions {
            return false;
        }
        let beneath = format!("{directory}/");
        self.patterns.iter().filter(|pattern| pattern.exception).any(|pattern| {
            let stem = pattern.text.strip_suffix("/**").unwrap_or(&pattern.text);
            let stem = stem.strip_suffix("/*").unwrap_or(stem);
            stem.contains(['*', '[', ']', '?', '^', '\\']) || format!("{stem}/").starts_with(&beneath)
        })
    }
}

fn comparison(pattern: &str) -> Result<Comparison, PatternError> {
    let glob = Glob::new(pattern, Dialect::Ignore)?;
    let plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\']);
    Ok(if plain(pattern) {
        Comparison::Exact
    } else if let Some(suffix) = pattern.strip_prefix("**").filter(|rest| plain(rest)) {
        Comparison::Suffix(suffix.to_owned())
    } else if let Some(prefix) = pattern.strip_suffix("**").filter(|rest| plain(rest)) {
        Comparison::Prefix(prefix.to_owned())
    } else {
        Comparison::Glob(glob)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ignored(patterns: &[&str], path: &str) -> bool {
        walk(&Patterns::new(patterns).unwrap(), path)
    }

    /// As the walk asks: from the top down, each directory's answer handed on.
    fn walk(patterns: &Patterns, path: &str) -> bool {
        let mut inherited = Inherited::default();
        let mut matched = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            (matched, inherited) = patterns.matches(&path[..end], &inherited);
        }
        matched
    }

    #[test]
    fn as_mobys_patternmatcher() {
        for (pattern, path, expected) in [
            ("**", "file", true),
            ("**", "file/", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/file", true),
            ("**file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/file*.txt*", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("**/*.txt", "file.txt", true),
            ("**/**/*.txt", "file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a/*.txt", "a/file.txt", true),
            ("a[b-d]e", "ae", false),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc.def", "abc.def", true),
            ("abc.def", "abcZdef", false),
            ("abc?def", "abcZdef", true),
            ("abc?def", "abcdef", false),
            ("a\\\\", "a\\", true),
            ("**/foo/bar", "foo/bar", true),
            ("**/foo/bar", "dir/foo/bar", true),
            ("**/foo/bar", "dir/dir2/foo/bar", true),
            ("abc/**", "abc", false),
            ("abc/**", "abc/def", true),
            ("abc/**", "abc/def/ghi", true),
            ("**/.foo", ".foo", true),
            ("**/.foo", "bar.foo", false),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            (
                "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
                "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
                true,
            ),
        ] {
            assert_eq!(ignored(&[pattern], path.trim_end_matches('/')), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_match_wins_and_directories_hand_on() {
        for (patterns, path, expected) in [
            (&["*", "!keep.txt"][..], "keep.txt", false),
            (&["*", "!keep.txt"], "other.txt", true),
            (&["!keep.txt", "*"], "keep.txt", true),
            (&["docs", "!docs/README.md"], "docs/README.md", false),
            (&["docs", "!docs/README.md"], "docs/a/b", true),
            (&["**", "!src/**", "src/secret"], "src/secret", true),
            (&["**", "!src/**", "src/secret"], "src/a/secret", false),
            (&["a", "!a/b", "a/b/c"], "a/b/c", true),
            (&["a", "!a/b", "a/b/c"], "a/b/d", false),
            (&["*/b/*", "!x/b/y"], "x/b/y", false),
            // The directory is not excluded, so an exception for it takes nothing back beneath it.
            (&["a/b", "!a"], "a/b", true),
            (&["util/docker/web", "!util/docker/web/foo"], "util/docker/web/foo", false),
        ] {
            assert_eq!(ignored(patterns, path), expected, "{patterns:?} {path}");
        }
    }

    #[test]
    fn files_are_read_as_docker_reads_them() {
        let patterns = Patterns::read(
            "\u{feff}# a comment\n\n/rooted\n  spaced  \n! kept\n #not-a-comment\na//b/../c/\n",
        )
        .unwrap();
        let texts: Vec<(bool, &str)> =
            patterns.patterns.iter().map(|p| (p.exception, p.text.as_str())).collect();
        assert_eq!(
            texts,
            [(false, "rooted"), (false, "spaced"), (true, "kept"), (false, "#not-a-comment"), (false, "a/c")]
        );
        assert!(Patterns::read("!").is_err());
        assert!(Patterns::read("a[").is_err());
    }

    #[test]
    fn a_matched_directory_is_walked_only_for_an_exception() {
        let patterns = Patterns::new(["node_modules", "!docs/keep"]).unwrap();
        assert!(!patterns.may_except_beneath("node_modules"));
        assert!(patterns.may_except_beneath("docs"));
        assert!(Patterns::new(["*", "!**/keep"]).unwrap().may_except_beneath("any"));
        assert!(!Patterns::new(["*"]).unwrap().may_except_beneath("any"));
    }

    fn component() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[a-c.]{1,3}").unwrap().prop_filter("dots", |s| s != "." && s != "..")
    }

    fn a_path() -> impl Strategy<Value = String> {
        prop::collection::vec(component(), 1..4).prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #[test]
        fn nothing_panics(patterns in prop::collection::vec("[a-c/*?!\\[\\]^\\\\. -]{0,8}", 0..6), path in a_path()) {
            if let Ok(patterns) = Patterns::new(&patterns) {
                walk(&patterns, &path);
                patterns.may_except_beneath(&path);
            }
        }

        #[test]
        fn a_literal_pattern_matches_itself_and_all_beneath(path in a_path(), beneath in a_path(), other in a_path()) {
            let patterns = Patterns::new([&path]).unwrap();
            prop_assert!(walk(&patterns, &path));
            let deeper = format!("{path}/{beneath}");
            prop_assert!(walk(&patterns, &deeper));
            let expected = other == path || other.starts_with(&format!("{path}/"));
            prop_assert_eq!(walk(&patterns, &other), expected);
        }

        #[test]
        fn an_exception_takes_back_what_went_before(path in a_path()) {
            let excepted = format!("!{path}");
            let patterns = Patterns::new(["**", &excepted]).unwrap();
            prop_assert!(!walk(&patterns, &path));
            let patterns = Patterns::new([excepted.as_str(), "**"]).unwrap();
            prop_assert!(walk(&patterns, &path));
        }

        #[test]
        fn a_pruned_directory_hides_nothing(
            patterns in prop::collection::vec("!?[a-c*/]{1,6}", 1..5), directory in a_path(), beneath in a_path(),
        ) {
            let Ok(patterns) = Patterns::new(&patterns) else { return Ok(()) };
            // What the walk skips must be ignored in full.
            if walk(&patterns, &directory) && !patterns.may_except_beneath(&directory) {
                let deeper = format!("{directory}/{beneath}");
                prop_assert!(walk(&patterns, &deeper));
            }
        }
    }
}
