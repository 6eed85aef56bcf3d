//! Any bytes as a Dockerfile: its tokens are the file again, its parts lie inside it in their order, and
//! nothing panics on the way down to commands, stages and expanded variables.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadline_dockerfile::expand::{self, Lexer};
use loadline_dockerfile::ignore::{Inherited, Patterns};
use loadline_dockerfile::{Dockerfile, encoding, lines, region};

/// Variables as they are and as they are not, one of them of a size that doubles quickly.
fn lookup(name: &str) -> Option<String> {
    match name {
        "unset" => None,
        "empty" => Some(String::new()),
        "x" => Some("a b*c\"'\\${x}".to_owned()),
        _ => (!name.starts_with('_')).then(|| name.repeat(3)),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let all = lines(bytes);
    let mut at = 0;
    for line in &all {
        assert_eq!(line.span.start, at);
        assert!(line.span.start <= line.text.start && line.text.end <= line.span.end);
        at = line.span.end;
    }
    assert_eq!(at, bytes.len());
    let _ = encoding(bytes);
    for (begin, end) in [("# begin", "# end"), ("# end", "# end"), ("", "# end")] {
        if let Ok(found) = region::find(bytes, begin, end) {
            assert!(found.span.start <= found.body.start && found.body.start <= found.body.end);
            assert!(found.body.end <= found.span.end && found.span.end <= bytes.len());
            assert!(bytes[found.span.clone()].starts_with(begin.as_bytes()));
            // What is cut out and put back is the file.
            let again = [&bytes[..found.span.start], &bytes[found.span.clone()], &bytes[found.span.end..]].concat();
            assert_eq!(region::find(&again, begin, end).as_ref(), Ok(&found));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        for escape in ['\\', '`'] {
            let _ = expand::expand(text, &lookup, escape);
            let _ = expand::expand_words(text, &lookup, escape);
            let lexer = Lexer { keep_unset: true, raw_quotes: true, raw_escapes: true, ..Lexer::new(escape) };
            let _ = lexer.expand(text, &lookup);
        }
        let _ = expand::expand_heredoc(text, &lookup);
        if let Ok(patterns) = Patterns::read(text) {
            let mut inherited = Inherited::default();
            for path in ["a", "a/.env", "a/.env/b*", text] {
                (_, inherited) = patterns.matches(path, &inherited);
            }
        }
    }
    let Ok(dockerfile) = Dockerfile::parse(bytes) else { return };
    assert_eq!(dockerfile.source(), bytes);
    let mut at = 0;
    for token in dockerfile.tokens() {
        assert_eq!(token.span.start, at);
        assert!(token.span.end > at, "an empty token");
        at = token.span.end;
    }
    assert_eq!(at, bytes.len());
    assert_eq!(dockerfile.kinds.len(), dockerfile.lines.len());
    let escape = dockerfile.directives.escape;
    let mut last = 0;
    for instruction in &dockerfile.instructions {
        assert!(instruction.line > last && instruction.end_line >= instruction.line);
        assert!(instruction.span.start <= instruction.span.end && instruction.span.end <= bytes.len());
        last = instruction.end_line;
        let _ = instruction.command();
        if let Some(inner) = &instruction.onbuild {
            let _ = inner.command();
        }
        let text = &instruction.arguments.text;
        for (start, c) in text.char_indices() {
            let source = instruction.arguments.source(start..start + c.len_utf8());
            let (found, wanted) = (&bytes[source], c.to_string());
            let (found, wanted) = (found, wanted.as_bytes());
            // A continuation can stand inside of a character; then its bytes are in between.
            let broken = found.len() > wanted.len() && found.first() == wanted.first() && found.last() == wanted.last();
            assert!(found == wanted || broken, "{c:?} is not at {found:?}");
        }
        let _ = expand::expand_words(text, &lookup, escape);
        for heredoc in &instruction.heredocs {
            let _ = heredoc.text();
            let _ = expand::expand_heredoc(&heredoc.content, &lookup);
        }
    }
    if let Ok(stages) = dockerfile.stages() {
        assert!(stages.iter().enumerate().all(|(index, stage)| stage.index == index));
    }
});
