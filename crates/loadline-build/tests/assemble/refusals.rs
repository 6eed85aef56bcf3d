//! What is refused, all at once, with lines and ways out, before any work.

use loadline_build::AssembleError;

use crate::kitchen::Kitchen;

#[test]
fn run_is_refused_with_its_lines_and_the_way_out() {
    let kitchen = Kitchen::new(
        "# syntax=docker/dockerfile:1\n\
         FROM no.such.registry.invalid/base AS build\n\
         RUN make \\\n    all\n\
         FROM scratch\n\
         ADD https://example.com/x /x\n\
         ADD git@github.com:a/b.git /y\n\
         COPY --from=build /a /a\n\
         ONBUILD COPY . /\n\
         RUN <<EOF\nls\nEOF\n",
    );
    let mut request = kitchen.request();
    request.dockerfile_name = "images/Dockerfile.daemon".into();
    let error = kitchen.build_with(&request).err().unwrap();
    let AssembleError::Refused { refusals } = &error else { panic!("{error}") };
    let seen: Vec<(u32, &str)> =
        refusals.iter().map(|refusal| (refusal.at.line, refusal.what.as_str())).collect();
    assert_eq!(
        seen,
        [
            (3, "RUN"),
            (6, "ADD of a URL or git repository"),
            (7, "ADD of a URL or git repository"),
            (9, "ONBUILD"),
            (10, "RUN")
        ]
    );
    assert!(error.to_string().starts_with(
        "images/Dockerfile.daemon:3: assemble does not carry out RUN: build with `builder = \"buildx\"`"
    ));
    assert!(error.is_input());
    let findings = error.findings();
    assert_eq!(findings.len(), 5);
    assert_eq!(findings[0].code.name, "assemble-refused");
    assert_eq!(findings[0].location.as_ref().unwrap().line, Some(3));
    assert_eq!(error.failure(), None);
}

#[test]
fn lines_that_make_no_sense_are_named() {
    for (dockerfile, expected) in [
        ("FROM scratch\nCOPY a\n", "Dockerfile:2: COPY requires a source and a destination"),
        ("FROM scratch\nFROB x\n", "Dockerfile:2: unknown instruction `FROB`"),
        ("ARG X\nFROM $X\n", "Dockerfile:2: the image name `$X` expands to nothing"),
        ("FROM --platform=$NOPE scratch\n", "Dockerfile:1: `--platform=` is no platform"),
        ("FROM scratch\nEXPOSE http\n", "Dockerfile:2: `http` is no port"),
        ("FROM scratch\nSTOPSIGNAL SIGNOPE\n", "Dockerfile:2: `SIGNOPE` is no signal"),
        ("FROM scratch\nWORKDIR $NOPE\n", "Dockerfile:2: WORKDIR is empty"),
        (
            "FROM scratch\nENV A=\"${B?must be set}\"\n",
            "Dockerfile:2: cannot expand `\"${B?must be set}\"`: B: must be set",
        ),
        ("FROM scratch AS a\nCOPY --from=a x /x\n", "Dockerfile:2: --from=a is no stage before this one"),
        ("FROM scratch\nCOPY --from=1 x /x\n", "Dockerfile:2: --from=1 is no stage before this one"),
        (
            "FROM scratch\nCOPY --from=$X x /x\n",
            "Dockerfile:2: assemble does not carry out a variable in --from=$X",
        ),
        (
            "# syntax=example.com/other:1\nFROM scratch\n",
            "Dockerfile:1: assemble does not carry out the frontend",
        ),
        ("FROM UPPER/case\n", "Dockerfile:1: `UPPER/case` is not an image reference"),
        (
            "FROM scratch\nUSER app\nWORKDIR /x\n",
            "Dockerfile:3: user `app` is not in the image's /etc/passwd",
        ),
        (
            "FROM oci-layout://nothing-here\n",
            "Dockerfile:1: the image oci-layout://nothing-here cannot be read",
        ),
    ] {
        let message = Kitchen::new(dockerfile).refused();
        assert!(message.starts_with(expected), "{dockerfile}\n{message}");
    }
}

#[test]
fn what_the_world_did_is_a_failure() {
    let kitchen = Kitchen::new("FROM oci-layout://nothing-here\n");
    let error = kitchen.build().err().unwrap();
    assert!(!error.is_input());
    assert_eq!(error.failure().unwrap().code.name, "assemble-unfinished");
    assert!(error.findings().is_empty());
    let mut request = kitchen.request();
    request.dockerfile = kitchen.context().join("Dockerfile.gone");
    assert!(matches!(kitchen.build_with(&request), Err(AssembleError::Unreadable { .. })));
}
