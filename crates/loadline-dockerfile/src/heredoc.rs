//! Heredocs: the words that announce them, and their content.

use crate::error::Problem;
use crate::expand::{ExpandError, Lexer};

/// A heredoc of RUN, COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it; for COPY and ADD the file's name too.
    pub name: String,
    /// The lines between, endings included, as they are in the file.
    pub content: String,
    /// Whether variables in it are expanded: no part of the word was quoted.
    pub expand: bool,
    /// Whether it was announced by `<<-`: leading tabs go. See [`Heredoc::text`].
    pub chomp: bool,
    /// The file descriptor before `<<`, 0 where there is none.
    pub descriptor: u32,
}

impl Heredoc {
    /// The content as it is used: without leading tabs where `<<-` announced it.
    pub fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// Reads a word such as `<<EOF`, `3<<-"EOF"`: a heredoc without content yet, or none.
    pub(crate) fn from_word(word: &str) -> Result<Option<Self>, Problem> {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let Some(rest) = word[digits..].strip_prefix("<<") else { return Ok(None) };
        let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        if rest.is_empty() || rest.contains('<') {
            return Ok(None);
        }
        let unset = |_: &str| None;
        let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
        let failed = |e: ExpandError| Problem::MalformedHeredoc {
            word: word.to_owned(),
            reason: e.problem.to_string(),
        };
        let plain = lexer.expand(rest, &unset).map_err(failed)?.words;
        let [name] = plain.as_slice() else { return Ok(None) };
        let raw = Lexer { raw_quotes: true, ..lexer }.expand(rest, &unset).map_err(failed)?.words;
        let quotes = |text: &str| text.chars().filter(|c| matches!(c, '\'' | '"')).count();
        let expand = raw.iter().map(|word| quotes(word)).sum::<usize>() == quotes(name);
        let descriptor = word[..digits].parse().unwrap_or(0);
        Ok(Some(Self { name: name.clone(), content: String::new(), expand, chomp, descriptor }))
    }

    /// The heredocs that a folded line announces, in order.
    pub(crate) fn announced(line: &str) -> Result<Vec<Self>, Problem> {
        if !line.contains("<<") {
            return Ok(Vec::new());
        }
        let lexer = Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..Lexer::new('\\') };
        // A line that the lexer cannot read announces nothing; the shell may well read it.
        let Ok(expansion) = lexer.expand(line, &|_| None) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for word in &expansion.words {
            found.extend(Self::from_word(word)?);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(word: &str) -> Option<String> {
        Heredoc::from_word(word).unwrap().map(|h| h.name)
    }

    #[test]
    fn words_that_announce() {
        for word in ["<<EOF", "<<'EOF'", "<<\"EOF\"", "<<-EOF", "<<-'EOF'", "<<EO\"F\"", "<< EOF", "<<- EOF"]
        {
            assert_eq!(named(word).as_deref(), Some("EOF"), "{word}");
        }
        for word in ["", "EOF", "<<", "<<-", "<EOF", "<<<EOF", "<<EOF sh", "a<<EOF"] {
            assert_eq!(named(word), None, "{word}");
        }
        for word in ["<<'EOF", "<<\"EOF", "<<EOF'", "<<EOF\""] {
            assert!(matches!(Heredoc::from_word(word), Err(Problem::MalformedHeredoc { .. })), "{word}");
        }
        assert_eq!(named("<<$EOF").as_deref(), Some("$EOF"));
        assert_eq!(named(r"<<eo\'f").as_deref(), Some("eo'f"));
        assert!(Heredoc::from_word(r"<<eo\'f").unwrap().unwrap().expand);
        assert!(!Heredoc::from_word(r"<<'e'o\'f").unwrap().unwrap().expand);
        assert_eq!(Heredoc::from_word("3<<A").unwrap().unwrap().descriptor, 3);
    }

    #[test]
    fn lines_that_announce() {
        let names = |line: &str| -> Vec<String> {
            Heredoc::announced(line).unwrap().into_iter().map(|h| h.name).collect()
        };
        assert_eq!(names("COPY <<A <<-'b c' /d"), ["A", "b c"]);
        assert_eq!(names("RUN <<  EOF  > foo"), ["EOF"]);
        assert_eq!(names("RUN << -EOF"), ["-EOF"]);
        assert_eq!(names("RUN \"<<EOF\" '<<B'"), Vec::<String>::new());
        assert_eq!(names("RUN cat <<<here"), Vec::<String>::new());
        assert_eq!(names("RUN echo 'open <<EOF"), Vec::<String>::new());
    }

    #[test]
    fn leading_tabs_go() {
        let mut heredoc = Heredoc::from_word("<<-EOF").unwrap().unwrap();
        heredoc.content = "\t\ta\n\tb\tc\n\n d\n".into();
        assert_eq!(heredoc.text(), "a\nb\tc\n\n d\n");
    }
}
