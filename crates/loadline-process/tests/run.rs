//! Real programs, run for real.

use std::time::{Duration, Instant};

use loadline_core::Secret;
use loadline_process::{Environment, Interrupt, Invocation, ProcessError, Stream};

fn shell(script: &str) -> Invocation {
    Invocation::new("sh", "/").arg("-c").arg(script).time_limit(Duration::from_secs(20))
}

fn environment() -> Environment {
    Environment::of_this_process()
}

#[test]
fn both_streams_and_the_status_come_back() {
    let output = shell("echo out; echo err >&2; exit 7").run(&environment()).unwrap();
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.status.code(), Some(7));
    let error = output.checked().unwrap_err();
    assert_eq!(error.to_string(), "`sh` ended with exit status: 7; it said: err");
}

#[test]
fn input_is_given_and_the_directory_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut invocation = shell("cat; pwd").stdin("hello\n");
    invocation.directory = folder.path().canonicalize().unwrap();
    let output = invocation.run(&environment()).unwrap();
    assert_eq!(output.stdout_text(), format!("hello\n{}\n", invocation.directory.display()));
}

#[test]
fn more_input_than_is_read_is_no_error() {
    let output = shell("exec true").stdin(vec![b'x'; 4 << 20]).run(&environment()).unwrap();
    assert!(output.success());
}

#[test]
fn only_what_is_allowed_is_in_the_environment() {
    let parent = environment().with("SECRET_OF_CI", "x").with("ALLOWED", "yes");
    let output = Invocation::new("env", "/")
        .pass(["ALLOWED", "UNSET_ANYWHERE"])
        .variable("GIVEN", "too")
        .run(&parent)
        .unwrap()
        .stdout_text();
    let mut names: Vec<&str> = output.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    names.retain(|name| *name != "HOME");
    assert_eq!(names, ["ALLOWED", "GIVEN", "PATH"]);
}

#[test]
fn a_missing_program_says_what_to_install() {
    let error = Invocation::new("no-such-program", "/")
        .hint("install it from somewhere")
        .run(&environment())
        .unwrap_err();
    assert!(matches!(error, ProcessError::NotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), "`no-such-program` was not found: install it from somewhere");
    let error = Invocation::new("/etc/passwd", "/").run(&environment()).unwrap_err();
    assert!(matches!(error, ProcessError::NotFound { .. }), "not executable: {error:?}");
    let error = Invocation::new("sh", "/no/such/folder").run(&environment()).unwrap_err();
    assert!(matches!(error, ProcessError::Directory { .. }), "{error:?}");
}

#[test]
fn the_time_limit_ends_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("alive");
    // The grandchild would write its mark after the limit, were it left alone.
    let script =
        format!("(trap '' TERM; sleep 4; echo x > {0}) & echo waiting >&2; sleep 30", mark.display());
    let before = Instant::now();
    let error = shell(&script).time_limit(Duration::from_millis(300)).run(&environment()).unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    match &error {
        ProcessError::TimedOut { stderr, .. } => assert_eq!(stderr, "waiting"),
        other => panic!("{other:?}"),
    }
    assert!(error.to_string().contains("did not end within 300 ms"), "{error}");
    std::thread::sleep(Duration::from_millis(4500));
    assert!(!mark.exists(), "a process of the group lived on");
}

#[test]
fn what_is_left_in_the_background_does_not_hold_the_run() {
    let before = Instant::now();
    let output = shell("sleep 30 & echo done").run(&environment()).unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[test]
fn too_much_output_is_refused_and_standard_error_keeps_its_end() {
    let error = shell("yes").output_limit(10_000).run(&environment()).unwrap_err();
    assert!(matches!(error, ProcessError::OutputTooLarge { limit: 10_000, .. }), "{error:?}");
    let output = shell("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done")
        .output_limit(500)
        .run(&environment());
    let output = output.unwrap();
    assert_eq!(output.stderr.len(), 500);
    assert!(output.stderr_text().ends_with("line 2999\n"));
}

#[test]
fn lines_come_as_they_are_printed() {
    let mut lines = Vec::new();
    let before = Instant::now();
    let mut first = None;
    shell("printf 'one\\r\\n' >&2; sleep 1; echo two; printf three >&2")
        .run_with(&environment(), None, &mut |stream, line| {
            first.get_or_insert(before.elapsed());
            lines.push((stream, line.to_owned()));
        })
        .unwrap();
    assert!(first.unwrap() < Duration::from_millis(900), "{first:?}");
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    let expected = [(Stream::Stderr, "one"), (Stream::Stderr, "three"), (Stream::Stdout, "two")];
    assert_eq!(lines, expected.map(|(stream, line)| (stream, line.to_owned())));
}

#[test]
fn secrets_are_masked_everywhere() {
    let secret = Secret::new("hunter2hunter2");
    let invocation = shell("echo $TOKEN; echo \"say $TOKEN\" >&2; exit 1")
        .secret_variable("TOKEN", &secret)
        .arg("--password=hunter2hunter2");
    assert!(!format!("{invocation} {invocation:?}").contains("hunter2"), "{invocation:?}");
    let mut lines = String::new();
    let output = invocation.run_with(&environment(), None, &mut |_, line| lines.push_str(line)).unwrap();
    assert_eq!(output.stdout, b"***\n");
    assert_eq!(output.stderr, b"say ***\n");
    assert!(!lines.contains("hunter2") && lines.contains("***"));
    assert!(!output.checked().unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn a_secret_at_the_cut_of_a_long_line_does_not_show() {
    let secret = Secret::new("s3cr3t-s3cr3t");
    let fill = (1 << 20) - 5;
    let script = format!(
        "head -c {fill} /dev/zero | tr '\\0' x >&2; printf '%s' \"$T\" >&2; head -c 100000 /dev/zero | tr '\\0' y >&2; echo >&2"
    );
    let output = shell(&script).secret_variable("T", &secret).run(&environment()).unwrap();
    let text = output.stderr_text();
    assert!(text.ends_with(" [cut]\n"), "{}", &text[text.len() - 40..]);
    assert!(!text.contains("s3c"));
}

#[test]
fn an_interrupt_ends_it() {
    let interrupt = Interrupt::new();
    let other = interrupt.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.interrupt();
    });
    let before = Instant::now();
    let error = shell("sleep 30").run_with(&environment(), Some(&interrupt), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, ProcessError::Interrupted { .. }), "{error:?}");
    assert!(before.elapsed() < Duration::from_secs(3));
    thread.join().unwrap();
}

#[test]
fn a_detached_program_is_not_waited_for_and_what_it_starts_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    // The program ends at once; what it left in its group writes later.
    let script = format!("(sleep 0.5; echo done > '{}') & exit 3", mark.display());
    let began = Instant::now();
    let mut detached = shell(&script).detach(&environment()).unwrap();
    assert!(began.elapsed() < Duration::from_millis(400));
    let until = Instant::now() + Duration::from_secs(20);
    while !mark.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(mark.exists());
    assert_eq!(detached.ended().and_then(|status| status.code()), Some(3));
    let missing = Invocation::new("no-such-program-anywhere", "/").detach(&environment());
    assert!(matches!(missing, Err(ProcessError::NotFound { .. })));
}
