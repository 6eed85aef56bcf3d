//! What instructions do to the configuration, and how variables are expanded.

use serde_json::json;

use crate::kitchen::Kitchen;

#[test]
fn a_small_image_has_what_it_says() {
    let image = Kitchen::new(
        "FROM scratch\n\
         LABEL org.example.b=2 org.example.a=\"one word\"\n\
         MAINTAINER someone\n\
         ENV A=1 B=\"two words\"\n\
         COPY hello /bin/hello\n\
         WORKDIR /srv/app\n\
         EXPOSE 80 53/udp 8000-8001\n\
         VOLUME [\"/data\"]\n\
         USER 1000:1000\n\
         STOPSIGNAL SIGINT\n\
         SHELL [\"/bin/hello\", \"-x\"]\n\
         HEALTHCHECK --interval=90s --retries=2 CMD /bin/hello --check\n\
         ENTRYPOINT [\"/bin/hello\"]\n\
         CMD [\"a\", \"b \\\"c\\\"\"]\n",
    )
    .executable("hello", "program")
    .build()
    .unwrap();
    assert_eq!(
        image.config["config"],
        json!({
            "User": "1000:1000",
            "ExposedPorts": {"53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {}},
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words"],
            "Entrypoint": ["/bin/hello"],
            "Cmd": ["a", "b \"c\""],
            "Volumes": {"/data": {}},
            "WorkingDir": "/srv/app",
            "Labels": {"org.example.a": "one word", "org.example.b": "2"},
            "StopSignal": "SIGINT",
            "ArgsEscaped": true,
            "Healthcheck": {"Test": ["CMD-SHELL", "/bin/hello --check"], "Interval": 90_000_000_000_i64, "Retries": 2},
            "Shell": ["/bin/hello", "-x"]
        })
    );
    let history = image.history();
    let steps: Vec<(&str, bool)> = history.iter().map(|(step, layer)| (step.as_str(), *layer)).collect();
    assert_eq!(
        steps,
        [
            ("LABEL org.example.b=2 org.example.a=one word", false),
            ("MAINTAINER someone", false),
            ("ENV A=1 B=two words", false),
            ("COPY hello /bin/hello # buildkit", true),
            ("WORKDIR /srv/app", true),
            ("EXPOSE [80/tcp 53/udp 8000/tcp 8001/tcp]", false),
            ("VOLUME [/data]", false),
            ("USER 1000:1000", false),
            ("STOPSIGNAL SIGINT", false),
            ("SHELL [/bin/hello -x]", false),
            (
                "HEALTHCHECK {Test:[CMD-SHELL /bin/hello --check] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}",
                false
            ),
            ("ENTRYPOINT [\"/bin/hello\"]", false),
            ("CMD [\"a\" \"b \\\"c\\\"\"]", false),
        ]
    );
    assert_eq!(image.config["author"], "someone");
    assert_eq!(image.config["created"], "1970-01-01T00:00:00Z");
    assert_eq!((&image.config["os"], &image.config["architecture"]), (&json!("linux"), &json!("amd64")));
    assert_eq!(image.manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(image.manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(image.names(0), ["bin/", "bin/hello"]);
    assert_eq!(image.names(1), ["srv/", "srv/app/"]);
    assert_eq!(image.at("bin/hello").mode, 0o755);
    let ids: Vec<String> = image.built.diff_ids.iter().map(ToString::to_string).collect();
    assert_eq!(image.config["rootfs"], json!({"type": "layers", "diff_ids": ids}));
}

#[test]
fn arguments_have_their_scopes() {
    let kitchen = Kitchen::new(
        "ARG GLOBAL=g\n\
         ARG DERIVED=${GLOBAL}-${GIVEN:-unset}\n\
         ARG EMPTY\n\
         FROM scratch AS base\n\
         ARG ONLY=here\n\
         ENV SEEN=[$GLOBAL] ONLY_SEEN=$ONLY\n\
         ARG GLOBAL\n\
         ARG DERIVED\n\
         ARG EMPTY=local\n\
         ARG GIVEN=default\n\
         ENV NOW=$GLOBAL/$DERIVED/$EMPTY/$GIVEN\n\
         FROM base\n\
         ENV INHERITED=$ONLY PLATFORM=$TARGETPLATFORM\n\
         ARG TARGETARCH\n\
         ARG TARGETVARIANT\n\
         ARG BUILDPLATFORM\n\
         ARG HTTP_PROXY\n\
         ENV ARCH=$TARGETARCH:$TARGETVARIANT:$BUILDPLATFORM\n\
         ENV SHAPES=${NOPE:-d}:${NOW:+set}:${NOW%%/*}:${NOW#*/}\n\
         LABEL literal='$ARCH' escaped=\\$ARCH\n",
    );
    let mut request = kitchen.request();
    request.platform = "linux/arm/v6".parse().unwrap();
    request.build_args = vec![
        ("GIVEN".into(), "first".into()),
        ("GIVEN".into(), "given".into()),
        ("MISSPELT".into(), "x".into()),
        ("http_proxy".into(), "http://secret@proxy".into()),
    ];
    request.labels.insert("escaped".into(), "overridden".into());
    request.annotations.insert("org.example.note".into(), "yes".into());
    let image = kitchen.build_with(&request).unwrap();
    assert_eq!(
        image.env()[1..],
        [
            "SEEN=[]",
            "ONLY_SEEN=here",
            "NOW=g/g-unset/local/given",
            "INHERITED=here",
            "PLATFORM=",
            "ARCH=arm:v6:linux/amd64",
            "SHAPES=d:set:g:g-unset/local/given",
        ]
    );
    assert_eq!(image.config["config"]["Labels"], json!({"literal": "$ARCH", "escaped": "overridden"}));
    assert_eq!(image.config["variant"], "v6");
    assert_eq!(image.manifest["annotations"], json!({"org.example.note": "yes"}));
    assert!(image.config.to_string().find("secret").is_none());
    let inputs = &image.built.inputs;
    assert_eq!(inputs.build_args.iter().collect::<Vec<_>>(), [(&"GIVEN".to_owned(), &"given".to_owned())]);
    assert_eq!(inputs.unused_build_args, ["MISSPELT"]);
    assert_eq!(inputs.stages, ["base", "1"]);
}

#[test]
fn an_entrypoint_drops_the_cmd_it_did_not_come_with() {
    let dockerfile = "FROM scratch AS base\nCMD echo $HOME\nFROM base\nENTRYPOINT run it\n";
    let image = Kitchen::new(dockerfile).build().unwrap();
    assert_eq!(image.config["config"]["Entrypoint"], json!(["/bin/sh", "-c", "run it"]));
    assert_eq!(image.config["config"].get("Cmd"), None);
    let dockerfile = "FROM scratch\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\nHEALTHCHECK NONE\n";
    let image = Kitchen::new(dockerfile).build().unwrap();
    assert_eq!(image.config["config"]["Cmd"], json!(["x"]));
    assert_eq!(image.config["config"]["Healthcheck"], json!({"Test": ["NONE"]}));
}

#[test]
fn only_the_stages_that_the_target_needs_are_built() {
    let kitchen = Kitchen::new(
        "FROM no.such.registry.invalid/x AS unused\n\
         RUN never\n\
         FROM scratch AS first\n\
         COPY a /a\n\
         FROM scratch AS Production\n\
         COPY --from=first /a /b\n\
         FROM scratch AS last\n\
         COPY b /c\n",
    )
    .file("a", "A")
    .file("b", "B");
    let mut request = kitchen.request();
    request.target = Some("PRODUCTION".into());
    let image = kitchen.build_with(&request).unwrap();
    assert_eq!(image.text("b"), "A");
    assert_eq!(image.built.inputs.stages, ["first", "production"]);
    let image = kitchen.build().unwrap();
    assert_eq!(image.text("c"), "B");
    request.target = Some("1".into());
    assert_eq!(kitchen.build_with(&request).unwrap().last(), ["a"]);
    request.target = Some("nope".into());
    let error = kitchen.build_with(&request).err().unwrap().to_string();
    assert_eq!(error, "Dockerfile has no stage `nope`: it has unused, first, production, last");
}

#[test]
fn an_image_of_nothing_is_an_image() {
    let image = Kitchen::new("FROM scratch\n").build().unwrap();
    assert!(image.layers.is_empty());
    assert_eq!(image.config["rootfs"], json!({"type": "layers", "diff_ids": []}));
}
