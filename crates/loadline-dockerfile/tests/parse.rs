//! Whole Dockerfiles: what is read, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use loadline_dockerfile::command::{Arg, CommandLine, From, Healthcheck, Pair, Source};
use loadline_dockerfile::{Command, Dockerfile, Instruction, Keyword, ParseError, Problem};

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse(text).unwrap()
}

fn refused(text: &str) -> ParseError {
    Dockerfile::parse(text).unwrap_err()
}

fn only(text: &str) -> Instruction {
    let mut all = parse(text).instructions;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn command(text: &str) -> Command {
    only(text).command().unwrap()
}

fn problem(text: &str) -> Problem {
    only(text).command().unwrap_err().problem
}

#[test]
fn continuations_fold_as_in_buildkit() {
    assert_eq!(only("RUN a\\\n  b \\ \t\n# comment\n\n  # another\nc").arguments.text, "a  b c");
    assert_eq!(only("RUN a \\\\\n").arguments.text, "a \\\\");
    assert_eq!(only("RUN a \\\r\n b\r\n").arguments.text, "a  b");
    assert_eq!(only("  \tRUN a").keyword, Keyword::Run);
    assert_eq!(only("FR\\\nOM a").keyword, Keyword::From);
    assert_eq!(only("RUN a \\").arguments.text, "a");
    assert_eq!(only("# escape=`\nRUN a `\n \\b").arguments.text, "a  \\b");
    let dangling = only("RUN a \\\n# comment\n\n");
    assert_eq!((dangling.line, dangling.end_line, dangling.blank_continuation), (1, 3, Some(3)));
}

#[test]
fn directives_stand_at_the_top_only() {
    let top = parse("\u{feff}# syntax=docker/dockerfile:1\r\n#check=skip=all\r\n# Escape = `\r\nFROM a\r\n");
    assert_eq!(top.directives.escape, '`');
    assert_eq!(top.directives.syntax.unwrap().value, "docker/dockerfile:1");
    assert_eq!(top.directives.check.unwrap().value, "skip=all");
    assert_eq!(parse("# hello\n# escape=`\nFROM a").directives.escape, '\\');
    assert_eq!(parse("\n# escape=`\nFROM a").directives.escape, '\\');
    assert_eq!(parse("# unknown=1\n# escape=`\nFROM a").directives.escape, '\\');
    let shebang = parse("#!/usr/bin/env docker\n# syntax=a\nFROM a");
    assert_eq!(shebang.directives.syntax.map(|d| (d.value, d.line)), Some(("a".into(), 2)));
    let twice = Problem::RepeatedDirective { name: "escape".into() };
    assert_eq!(refused("# escape=`\n# escape=\\\nFROM a"), ParseError { line: 2, problem: twice });
    assert_eq!(refused("# escape=x\nFROM a").problem, Problem::EscapeDirective { value: "x".into() });
}

#[test]
fn heredocs_belong_to_run_copy_and_add() {
    let file = parse(
        "FROM a\nUSER <<X\nRUN <<A cat <<-'B'\n1\nA\n\t2\n\tB\nCOPY <<f.txt <<g /d/\nx\r\nf.txt\r\n\ng\nONBUILD RUN <<C\nc\nC\n",
    );
    let all = &file.instructions;
    assert_eq!(all.len(), 5);
    assert!(all[1].heredocs.is_empty());
    let run: Vec<_> =
        all[2].heredocs.iter().map(|h| (h.name.as_str(), h.content.as_str(), h.expand, h.chomp)).collect();
    assert_eq!(run, [("A", "1\n", true, false), ("B", "\t2\n", false, true)]);
    assert_eq!(all[2].heredocs[1].text(), "2\n");
    let Command::Copy(copy) = all[3].command().unwrap() else { panic!() };
    let file = |name: &str, content: &str| Source::Heredoc {
        name: name.into(),
        content: content.into(),
        expand: true,
    };
    assert_eq!(copy.sources, [file("f.txt", "x\r\n"), file("g", "\n")]);
    assert_eq!((copy.destination.as_str(), all[3].line, all[3].end_line), ("/d/", 8, 12));
    assert_eq!(all[4].heredocs, all[4].onbuild.as_ref().unwrap().heredocs);
    assert_eq!(all[4].heredocs[0].content, "c\n");

    let open = refused("FROM a\nRUN <<EOF\necho\n");
    assert_eq!(open, ParseError { line: 2, problem: Problem::UnterminatedHeredoc { name: "EOF".into() } });
    assert!(only("RUN [\"<<EOF\"]").heredocs.is_empty());
    assert!(only("RUN \"<<EOF\"").heredocs.is_empty());
    let mut list = parse("RUN a \\\n <<EOF \\\n b\nx\nEOF\nFROM b").instructions;
    assert_eq!(list.remove(0).heredocs[0].content, "x\n");
}

#[test]
fn what_the_parser_refuses() {
    assert_eq!(refused("").problem, Problem::NoInstructions);
    assert_eq!(refused("# only\n\n# comments").problem, Problem::NoInstructions);
    assert_eq!(refused("FROM a\nENV x").problem, Problem::MissingValue { keyword: "ENV".into() });
    assert_eq!(refused("LABEL a=1 b").problem, Problem::MissingEquals { word: "b".into() });
    assert_eq!(refused("CMD [1]").problem, Problem::NotStrings { keyword: "CMD".into() });
    assert_eq!(refused("ONBUILD ONBUILD RUN x").problem, Problem::ChainedOnbuild);
    assert_eq!(refused("FROM a\n\n\nENV \\\n x").line, 4);
    assert!(matches!(
        refused(&format!("FROM a\nRUN {}", "x".repeat(70_000))).problem,
        Problem::LineTooLong { .. }
    ));
    assert_eq!(Dockerfile::parse(b"\xFF\xFEF\0R\0").unwrap_err().problem, Problem::Utf16);
    assert_eq!(
        Dockerfile::parse(b"FROM a\nRUN \xE4").unwrap_err(),
        ParseError { line: 2, problem: Problem::NotUtf8 }
    );
    assert!(Dockerfile::parse(b"# Gr\xFC\xDFe\nFROM a").is_ok());
    assert!(matches!(Dockerfile::parse(vec![b'\n'; 9 << 20]).unwrap_err().problem, Problem::TooLarge { .. }));
}

#[test]
fn froms_and_stages() {
    let file = parse(
        "ARG V=1\nARG W\nFROM --platform=$BUILDPLATFORM a:$V AS Build\nRUN x\nCOPY a b\nFROM scratch\nFROM build as last-1.x\n",
    );
    assert_eq!(file.global_args().len(), 2);
    let stages = file.stages().unwrap();
    let seen: Vec<_> = stages
        .iter()
        .map(|s| (s.index, s.name.as_deref(), s.base.image.as_str(), s.instructions.len()))
        .collect();
    assert_eq!(
        seen,
        [(0, Some("build"), "a:$V", 2), (1, None, "scratch", 0), (2, Some("last-1.x"), "build", 0)]
    );
    assert_eq!(stages[0].base.platform.as_deref(), Some("$BUILDPLATFORM"));

    let error = |text: &str| parse(text).stages().unwrap_err();
    assert_eq!(
        error("RUN x\nFROM a"),
        ParseError { line: 1, problem: Problem::BeforeFrom { keyword: "RUN".into() } }
    );
    assert_eq!(error("ARG x").problem, Problem::NoStages);
    let typo = Problem::UnknownInstruction { keyword: "FORM".into(), nearest: Some("FROM") };
    assert_eq!(error("FORM a").problem, typo);
    assert_eq!(error("FROM a AS 1x").problem, Problem::StageName { name: "1x".into() });
    assert!(matches!(error("FROM a b").problem, Problem::ArgumentCount { .. }));
    assert!(matches!(error("FROM").problem, Problem::ArgumentCount { .. }));
    assert_eq!(error("FROM --x=1 a").problem, Problem::UnknownFlag { keyword: "FROM", flag: "x".into() });
}

#[test]
fn typed_views() {
    let pair = |n: &str, v: &str, legacy| Pair { name: n.into(), value: v.into(), legacy };
    assert_eq!(
        command("ENV a=1 b='2 3'"),
        Command::Env(vec![pair("a", "1", false), pair("b", "'2 3'", false)])
    );
    assert_eq!(command("ENV a  b c"), Command::Env(vec![pair("a", "b c", true)]));
    assert_eq!(command("LABEL \"a b\"=c"), Command::Label(vec![pair("\"a b\"", "c", false)]));
    let arg = |n: &str, d: Option<&str>| Arg { name: n.into(), default: d.map(Into::into) };
    assert_eq!(
        command("ARG a b= c=\"d e\""),
        Command::Arg(vec![arg("a", None), arg("b", Some("")), arg("c", Some("\"d e\""))])
    );
    assert_eq!(command("CMD [\"a\", \"b\"]"), Command::Cmd(CommandLine::Exec(vec!["a".into(), "b".into()])));
    assert_eq!(command("CMD ['a']"), Command::Cmd(CommandLine::Shell("['a']".into())));
    assert_eq!(command("CMD"), Command::Cmd(CommandLine::Shell(String::new())));
    assert_eq!(command("ENTRYPOINT []"), Command::Entrypoint(CommandLine::Exec(vec![])));
    assert_eq!(command("EXPOSE 80/tcp  81"), Command::Expose(vec!["80/tcp".into(), "81".into()]));
    assert_eq!(command("ARG --x=1 a"), Command::Arg(vec![arg("a", None)]));
    assert_eq!(command("USER 1000:1000"), Command::User("1000:1000".into()));
    assert_eq!(command("WORKDIR /a b"), Command::Workdir("/a b".into()));
    assert_eq!(command("VOLUME [\"/a b\"]"), Command::Volume(vec!["/a b".into()]));
    assert_eq!(command("STOPSIGNAL SIGQUIT"), Command::Stopsignal("SIGQUIT".into()));
    assert_eq!(command("MAINTAINER a b"), Command::Maintainer("a b".into()));
    assert_eq!(command("SHELL [\"pwsh\"]"), Command::Shell(vec!["pwsh".into()]));
    assert_eq!(command("FROM a"), Command::From(From { image: "a".into(), platform: None, name: None }));
    let Command::Onbuild(inner) = command("ONBUILD COPY --from=x a b") else { panic!() };
    let Command::Copy(copy) = inner.command().unwrap() else { panic!() };
    assert_eq!(copy.from.as_deref(), Some("x"));
    let Command::Run(run) =
        command("RUN --mount=type=cache,target=/a --mount=type=secret,id=b --network=none x")
    else {
        panic!()
    };
    assert_eq!((run.mounts.len(), run.network.as_deref()), (2, Some("none")));
    assert_eq!(run.line, CommandLine::Shell("x".into()));
}

#[test]
fn copies_and_their_flags() {
    let Command::Copy(copy) =
        command("COPY --link --parents=false --chown=1:2 --chmod=0644 --exclude=a --exclude=b x y z/")
    else {
        panic!()
    };
    assert_eq!(copy.sources, [Source::Path("x".into()), Source::Path("y".into())]);
    assert!(copy.link && !copy.parents);
    assert_eq!((copy.chown.as_deref(), copy.chmod.as_deref()), (Some("1:2"), Some("0644")));
    assert_eq!(copy.exclude, ["a", "b"]);
    let Command::Copy(json) = command("COPY [\"a b\", \"c\"]") else { panic!() };
    assert_eq!((json.sources, json.destination), (vec![Source::Path("a b".into())], "c".into()));
    let Command::Add(add) = command("ADD --keep-git-dir --checksum=sha256:1 --unpack=false a b") else {
        panic!()
    };
    assert!(add.keep_git_dir && add.unpack == Some(false) && add.checksum.is_some());

    assert!(matches!(problem("COPY a"), Problem::ArgumentCount { .. }));
    assert_eq!(problem("ADD --from=a b c"), Problem::UnknownFlag { keyword: "ADD", flag: "from".into() });
    assert_eq!(problem("COPY --from=a --from=b c d"), Problem::RepeatedFlag { flag: "from".into() });
    assert_eq!(problem("COPY --from a b"), Problem::FlagValue { flag: "from".into(), expected: "a value" });
    assert!(matches!(problem("COPY --link=maybe a b"), Problem::FlagValue { .. }));
    assert_eq!(problem("COPY a <<EOF\nEOF"), Problem::HeredocDestination { keyword: "COPY" });
}

#[test]
fn healthchecks() {
    assert_eq!(command("HEALTHCHECK NONE"), Command::Healthcheck(Healthcheck::None));
    let text = "HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 cmd [\"a\"]";
    let Command::Healthcheck(Healthcheck::Cmd(probe)) = command(text) else { panic!() };
    assert_eq!((probe.interval.as_secs(), probe.timeout.as_millis(), probe.retries), (90, 500, 3));
    assert_eq!(probe.line, CommandLine::Exec(vec!["a".into()]));
    assert!(matches!(problem("HEALTHCHECK"), Problem::ArgumentCount { .. }));
    assert!(matches!(problem("HEALTHCHECK CMD"), Problem::ArgumentCount { .. }));
    assert!(matches!(problem("HEALTHCHECK NONE x"), Problem::ArgumentCount { .. }));
    assert_eq!(problem("HEALTHCHECK CONNECT TCP 7000"), Problem::HealthcheckType { word: "CONNECT".into() });
    assert!(matches!(problem("HEALTHCHECK --interval=1us CMD a"), Problem::FlagValue { .. }));
    assert!(matches!(problem("HEALTHCHECK --retries=-1 CMD a"), Problem::FlagValue { .. }));
}

#[test]
fn what_the_instructions_refuse() {
    assert_eq!(problem("SHELL /bin/sh -c"), Problem::ShellNotJson);
    assert_eq!(problem("ONBUILD FROM a"), Problem::OnbuildTrigger { keyword: "FROM".into() });
    assert!(matches!(problem("ONBUILD"), Problem::ArgumentCount { .. }));
    assert_eq!(problem("VOLUME [\"/a\", \" \"]"), Problem::BlankVolume);
    assert_eq!(problem("ARG =x"), Problem::BlankName { keyword: "ARG" });
    assert_eq!(problem("ENV =x"), Problem::BlankName { keyword: "ENV" });
    assert_eq!(problem("USER --x=1 a"), Problem::UnknownFlag { keyword: "USER", flag: "x".into() });
    for text in ["USER", "WORKDIR", "EXPOSE", "VOLUME", "ENV", "ARG", "LABEL", "STOPSIGNAL", "SHELL []"] {
        assert!(matches!(problem(text), Problem::ArgumentCount { .. }), "{text}");
    }
}

#[test]
fn arguments_know_where_they_come_from() {
    let text = "# x\nFROM --platform=a \\\n  # why\n  image:1 AS \\\n  base\n";
    let from = only(text);
    let at = |word: &str| {
        let start = from.arguments.text.find(word).unwrap();
        from.arguments.source(start..start + word.len())
    };
    assert_eq!(&text[at("image:1")], "image:1");
    assert_eq!(&text[at("base")], "base");
    assert_eq!(&text[from.span.clone()], text["# x\n".len()..].trim_end());
    let split = only("ENV a=one\\\ntwo");
    let start = split.arguments.text.find("onetwo").unwrap();
    assert_eq!(split.arguments.source(start..start + 6), 6..14);
    let inner = only("ONBUILD   RUN  x y");
    let run = inner.onbuild.unwrap();
    assert_eq!(run.arguments.source(0..1), 15..16);
}
