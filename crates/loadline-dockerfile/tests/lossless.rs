//! Any bytes: lines and tokens are the file, and nothing panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use loadline_dockerfile::{Dockerfile, encoding, lines, region};
use proptest::prelude::*;

/// Pieces that Dockerfiles are made of, so that many of the made-up files parse.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("FROM a AS b\n"),
        Just("RUN "),
        Just("COPY --from=b "),
        Just("ENV a=1 b "),
        Just("ONBUILD "),
        Just("HEALTHCHECK CMD "),
        Just("<<EOF "),
        Just("<<-'E F' "),
        Just("EOF\n"),
        Just("\tE F\n"),
        Just("\\"),
        Just("`"),
        Just("\\\n"),
        Just("\\ \t\r\n"),
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("# comment\n"),
        Just("# escape=`\n"),
        Just("# syntax=x\n"),
        Just("[\"a\", \"b\"]"),
        Just("[1]"),
        Just(" "),
        Just("\t"),
        Just("\u{a0}"),
        Just("\u{feff}"),
        Just("\"'"),
        Just("${x:-y}"),
    ];
    (prop::collection::vec(piece, 0..30), any::<bool>(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(
        |(pieces, from, junk)| {
            let mut out = if from { b"FROM x\n".to_vec() } else { Vec::new() };
            pieces.iter().for_each(|p| out.extend_from_slice(p.as_bytes()));
            out.extend(junk);
            out
        },
    )
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut at = 0;
    for line in lines(bytes) {
        prop_assert_eq!(line.span.start, at);
        prop_assert!(line.span.start <= line.text.start && line.text.end <= line.span.end);
        at = line.span.end;
    }
    prop_assert_eq!(at, bytes.len());
    let _ = encoding(bytes);
    let _ = region::find(bytes, "# comment", "EOF");
    let Ok(dockerfile) = Dockerfile::parse(bytes) else { return Ok(()) };
    let joined: Vec<u8> = dockerfile.tokens().iter().flat_map(|t| &bytes[t.span.clone()]).copied().collect();
    prop_assert_eq!(&joined[..], bytes);
    prop_assert_eq!(dockerfile.kinds.len(), dockerfile.lines.len());
    let _ = dockerfile.stages();
    let mut last = 0;
    for instruction in &dockerfile.instructions {
        prop_assert!(instruction.line > last && instruction.end_line >= instruction.line);
        prop_assert!(instruction.span.start <= instruction.span.end && instruction.span.end <= bytes.len());
        last = instruction.end_line;
        let _ = instruction.command();
        let text = &instruction.arguments.text;
        for (start, c) in text.char_indices() {
            let source = instruction.arguments.source(start..start + c.len_utf8());
            let (found, expected) = (&bytes[source], c.to_string());
            let (found, expected) = (found, expected.as_bytes());
            // A continuation can stand inside of a character; then its bytes are in between.
            let broken = found.len() > expected.len()
                && found.first() == expected.first()
                && found.last() == expected.last();
            prop_assert!(found == expected || broken, "{c:?} is not at {found:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn made_of_pieces(bytes in pieces()) {
        check(&bytes)?;
    }

    #[test]
    fn of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }
}

#[test]
fn a_character_may_be_broken_by_a_continuation() {
    let bytes = b"FROM a\nRUN \xc3\\\n\xa4\n";
    check(bytes).unwrap();
    let dockerfile = Dockerfile::parse(bytes).unwrap();
    let arguments = &dockerfile.instructions[1].arguments;
    assert_eq!(arguments.text, "\u{e4}");
    assert_eq!(&bytes[arguments.source(0..2)], b"\xc3\\\n\xa4");
}
