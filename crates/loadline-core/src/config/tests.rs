use super::*;
use crate::finding::Severity;

/// The example of the design, whole.
const GOOD: &str = r##"
[release]
source     = "github.com/chrisleekr/github-app-playground"
repository = "docker.io/chrisleekr/github-app"
platforms  = ["linux/amd64", "linux/arm64"]
timeout    = "45m"

[[shared-region]]
name  = "base"
begin = "# --- SHARED-BASE-BEGIN ---"
end   = "# --- SHARED-BASE-END ---"
files = ["Dockerfile.orchestrator", "Dockerfile.daemon"]

[image.orchestrator]
dockerfile = "Dockerfile.orchestrator"
target     = "production"
tags       = ["{version}-orchestrator", "{version}"]
moving-tags = ["latest", { tag = "beta", channel = "beta" }, "{major}.{minor}"]
[image.orchestrator.build-args]
PACKAGE_VERSION = "{version}"
GIT_HASH = "{commit.short}"
[image.orchestrator.gate]
fail-on = "high"
only-fixed = true

[image.daemon]
dockerfile = "Dockerfile.daemon"
gate = { mode = "regression", fail-on = "high" }

[verify]
signer-workflow = ".github/workflows/docker-build.yml"
workflow   = ".github/workflows/release-please.yml"
predicates = ["slsa-provenance", "cyclonedx"]
"##;

const FILE: &str = "loadline.toml";

fn there(path: &Utf8Path) -> Option<PathKind> {
    match path.as_str() {
        "." => Some(PathKind::Directory),
        "Dockerfile.orchestrator" | "Dockerfile.daemon" => Some(PathKind::File),
        _ => None,
    }
}

fn try_load(text: &str) -> Result<Loaded, Vec<Finding>> {
    load(Utf8Path::new(FILE), text, &there)
}

/// The good text with one replacement that must apply.
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

/// What comes out of a text, one line a finding: code, the text it points at, help.
fn said(text: &str) -> Vec<String> {
    let findings = match try_load(text) {
        Ok(loaded) => loaded.warnings,
        Err(findings) => {
            assert!(findings.iter().any(|f| f.severity == Severity::Error));
            findings
        }
    };
    let line = |f: &Finding| {
        let location = f.location.as_ref().unwrap();
        assert_eq!(location.file, FILE);
        assert!(location.line.is_some(), "{f:?}");
        let pointed = text.get(location.span.clone().unwrap()).unwrap();
        format!("{} | {} | {}", f.code.name, pointed, f.help.as_deref().unwrap_or(""))
    };
    findings.iter().map(line).collect()
}

#[track_caller]
fn only(text: &str, expected: &str) {
    assert_eq!(said(text), [expected]);
}

#[test]
fn the_designs_example_loads() {
    let loaded = try_load(GOOD).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = &loaded.config;
    assert_eq!(config.images.keys().collect::<Vec<_>>(), ["orchestrator", "daemon"]);
    assert_eq!(config.release.timeout.to_string(), "45m");
    assert_eq!(config.images["daemon"].tags, ["{version}-{image}"]);
    assert_eq!(config.images["daemon"].gate.mode, GateMode::Regression);
    assert_eq!(config.images["orchestrator"].build_args["GIT_HASH"], "{commit.short}");
    let at = loaded.location("image.daemon.gate.fail-on");
    assert_eq!((at.line, at.column), (Some(28), Some(41)));
    assert_eq!(loaded.location("image.daemon.timeout").line, Some(26), "the table around it");
    assert_eq!(loaded.directory(), ".");
}

#[test]
fn reader_and_derived_shape_agree() {
    // The schema comes from the derived shape: if the two disagreed, editors would be told a lie.
    let full = GOOD
        .replace("timeout    =", "version = \"tag\"\ntag-prefix = \"r-\"\ntimeout =")
        .replace("target     =", "builder = \"assemble\"\ncontext = \".\"\nrepository = [\"ghcr.io/a/b\", \"c/d\"]\nplatforms = [\"linux/arm\"]\ntimeout = \"90s\"\nlabels = { a = \"b\" }\ncontexts = { base = \"docker-image://debian:13\", shared = \"../x\" }\ntarget =")
        .replace("[image.daemon]", "[image.daemon]\nbuilder-instance = \"farm\"\nsecrets = [{ id = \"npm\", env = \"NPM_TOKEN\" }, { id = \"key\", file = \"key.pem\" }]\ncache-from = [\"type=gha\"]\ncache-to = [\"type=registry,ref=ghcr.io/a/cache:{image}-{platform}\"]\nprovenance = \"min\"")
        .replace("only-fixed = true", "only-fixed = true\nmode = \"block\"\nreport = \"{image}/{platform}.json\"\nignore-file = \"Dockerfile.daemon\"")
        .replace("[verify]", "[verify]\nissuer = \"https://example.com\"\nsigner-repository = \"github.com/x/y\"\nallow-other-commit = true\nref = { pattern = \"refs/tags/v.*\" }\nrepository-id = 0x1267\nof-index = \"everything\"\nmax-age = \"30d\"\ntimestamp-authorities = [\"https://tsa.example\", { pattern = \".*\" }]")
        + "[verify.build]\ntypes = [\"https://example.com/type\"]\nbuilders = [{ pattern = \"https://github.com/.*\" }]\nbase-images = [\"pkg:docker/debian@12\"]\nself-hosted = false\n\
            [[verify.identity]]\nsubject = \"a\"\nissuer = \"https://i.example\"\nversions = \"<2\"\n\
            [[verify.identity]]\nsigner-workflow = \".github/workflows/x.yml@refs/heads/main\"\nsigner-repository = \"github.com/x/y\"\n";
    for text in [GOOD, &full] {
        let read = try_load(text).unwrap().config;
        let mut derived: Config = toml::from_str(text).unwrap();
        for image in derived.images.values_mut() {
            image.build_args.sort_by(|a, _, b, _| b.cmp(a));
        }
        derived.images.sort_by(|a, _, b, _| b.cmp(a));
        assert_eq!(format!("{read:#?}"), format!("{derived:#?}"));
    }
}

#[test]
fn reader_and_schema_know_the_same_keys() {
    let schema = json_schema().to_value();
    // A key that is nearest to none makes the reader list the ones it knows.
    let tables = [
        ("", with("\n[release]", "zzzzzzzzzzzz = 1\n[release]")),
        ("Release", with("[release]", "[release]\nzzzzzzzzzzzz = 1")),
        ("SharedRegion", with("name  =", "zzzzzzzzzzzz = 1\nname =")),
        ("Image", with("[image.daemon]", "[image.daemon]\nzzzzzzzzzzzz = 1")),
        ("Gate", with("{ mode =", "{ zzzzzzzzzzzz = 1, mode =")),
        ("ChannelTag", with("{ tag =", "{ zzzzzzzzzzzz = 1, tag =")),
        ("Verify", with("[verify]", "[verify]\nzzzzzzzzzzzz = 1")),
        ("VerifyBuild", with("[verify]", "[verify]\nbuild = { zzzzzzzzzzzz = 1 }")),
        (
            "VerifyIdentity",
            with(
                "[verify]",
                "[verify]\nidentity = [{ signer-repository = \"github.com/a/b\", zzzzzzzzzzzz = 1 }]",
            ),
        ),
    ];
    for (name, text) in tables {
        let table = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        let mut properties: Vec<&String> = table["properties"].as_object().unwrap().keys().collect();
        properties.sort();
        let findings = try_load(&text).unwrap_err();
        assert_eq!(findings.len(), 1, "{name}: {findings:?}");
        let help = findings[0].help.as_deref().unwrap();
        let mut known: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        assert_eq!(known, properties, "{name}");
    }
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    // One problem, though a key that must be there is missing too.
    only(&with("platforms ", "platfroms "), "config-unknown-key | platfroms | did you mean `platforms`?");
}

#[test]
fn misspelt_and_misplaced_keys() {
    only(&with("only-fixed", "only-fixd"), "config-unknown-key | only-fixd | did you mean `only-fixed`?");
    only(&with("[verify]", "[verfy]"), "config-unknown-key | verfy | did you mean `verify`?");
    only(&with("{ mode", "{ moed"), "config-unknown-key | moed | did you mean `mode`?");
    only(
        &with("channel = \"beta\"", "channel = \"beta\", of = 1"),
        "config-unknown-key | of | the known keys: `tag`, `channel`",
    );
}

#[test]
fn wrong_types() {
    only(&with("\"45m\"", "45"), "config-wrong-type | 45 | put it in quotes: \"45\"");
    only(&with("only-fixed = true", "only-fixed = \"yes\""), "config-wrong-type | \"yes\" | ");
    only(
        &with("[\"slsa-provenance\", \"cyclonedx\"]", "\"cyclonedx\""),
        "config-wrong-type | \"cyclonedx\" | put it in brackets: [\"cyclonedx\"]",
    );
    only(
        &with("gate = { mode = \"regression\", fail-on = \"high\" }", "gate = 1"),
        "config-wrong-type | 1 | ",
    );
    only(&with("\"latest\"", "7"), "config-wrong-type | 7 | put it in quotes: \"7\"");
    only(&with("\"{commit.short}\"", "3000"), "config-wrong-type | 3000 | put it in quotes: \"3000\"");
    only(&with("[[shared-region]]", "[shared-region]"), "config-wrong-type | [shared-region] | ");
}

#[test]
fn secrets_and_contexts() {
    let daemon = |more: &str| with("[image.daemon]", &format!("[image.daemon]\n{more}"));
    let one = "say where it is: `env = \"NPM_TOKEN\"` or `file = \"token.txt\"`";
    only(&daemon("secrets = [{ id = \"npm\" }]"), &format!("config-bad-secret | {{ id = \"npm\" }} | {one}"));
    only(
        &daemon("secrets = [{ id = \"a\", env = \"A\", file = \"a\" }]"),
        &format!("config-bad-secret | {{ id = \"a\", env = \"A\", file = \"a\" }} | {one}"),
    );
    only(
        &daemon("secrets = [{ id = \"a\", env = \"ghp_x y\" }]"),
        "config-bad-secret | { id = \"a\", env = \"ghp_x y\" } | name the variable, not its value",
    );
    only(&daemon("contexts = { a = \"https://x/y.git\" }"), "config-bad-context | \"https://x/y.git\" | ");
    only(
        &daemon("provenance = \"maximum\""),
        "config-unknown-value | \"maximum\" | the known values: `max`, `min`, `off`",
    );
    only(&daemon("cache-to = [\"{imge}\"]"), "config-unknown-variable | {imge} | did you mean `image`?");
    only(
        &daemon("builder = \"assemble\"\nprovenance = \"max\""),
        "config-other-builder | \"max\" | take it out, or choose the builder that it is for",
    );
}

#[test]
fn what_other_tools_make() {
    let daemon = |more: &str| with("dockerfile = \"Dockerfile.daemon\"", more);
    only(
        &daemon("builder = \"layout\""),
        "config-bad-layout | [image.daemon] | add a table `layout` with `preset`, `command` or `path`",
    );
    for (layout, help) in [
        ("{}", "add one of the three"),
        ("{ preset = \"ko\" }", "add: package = \"./cmd/server\""),
        ("{ preset = \"buildah\" }", "add to the image: dockerfile = \"Dockerfile\""),
        ("{ preset = \"devcontainer\", path = \"x\" }", "take `path` out"),
        ("{ command = [\"make\"] }", "add `path`, or `{output}` to the arguments"),
        ("{ preset = \"devcontainer\", command = [\"make\"] }", "take one of the two out"),
    ] {
        let text = daemon(&format!("builder = \"layout\"\nlayout = {layout}"));
        only(&text, &format!("config-bad-layout | {layout} | {help}"));
    }
    only(
        &daemon("builder = \"layout\"\nlayout = { path = \"out\", memory = \"much\" }"),
        "config-bad-layout | \"much\" | write it as \"2g\"",
    );
    only(
        &daemon("builder = \"existing\"\nexisting = \"ghcr.io/a/b:1\""),
        "config-bad-existing | \"ghcr.io/a/b:1\" | write it as `REPOSITORY@sha256:…`",
    );
    let digest = Digest::of("x");
    let text = format!("builder = \"existing\"\nexisting = {{ \"linux/amd64\" = \"ghcr.io/a/b@{digest}\" }}");
    assert!(said(&daemon(&text)).is_empty(), "{:?}", said(&daemon(&text)));
    let runners = |more: &str| format!("{}\n[runners]\n{more}\n", with("", ""));
    assert!(said(&runners("\"linux/arm64\" = [\"self-hosted\", \"arm\"]")).is_empty());
    only(&runners("arm = \"x\""), "config-bad-runner | \"x\" | write it as \"linux/amd64\"");
    only(
        &runners("\"linux/amd64\" = []"),
        "config-bad-runner | [] | write a label, such as \"ubuntu-24.04\"",
    );
}

#[test]
fn missing_keys() {
    only(
        &with("dockerfile = \"Dockerfile.daemon\"", ""),
        "config-missing-key | [image.daemon] | add: dockerfile = \"Dockerfile\"",
    );
    only(
        &with(", channel = \"beta\"", ""),
        "config-missing-key | { tag = \"beta\" } | add: channel = \"beta\"",
    );
    let said = said("");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|line| line.starts_with("config-missing-key |  | add: a table ")), "{said:?}");
}

#[test]
fn words_that_are_not_known() {
    only(
        &with("\"regression\"", "\"regresion\""),
        "config-unknown-value | \"regresion\" | did you mean `regression`?",
    );
    only(
        &with("fail-on = \"high\"\n", "fail-on = \"severe\"\n"),
        "config-unknown-value | \"severe\" | the known values: `low`, `medium`, `high`, `critical`",
    );
    only(
        &with("\"cyclonedx\"]", "\"cyclonedxx\"]"),
        "config-unknown-predicate | \"cyclonedxx\" | did you mean `cyclonedx`?",
    );
}

#[test]
fn files_that_are_not_there() {
    let help = "paths are relative to the directory of this file";
    only(
        &with("dockerfile = \"Dockerfile.daemon\"", "dockerfile = \"Dockerfile.demon\""),
        &format!("config-missing-file | \"Dockerfile.demon\" | {help}"),
    );
    only(
        &with("\"Dockerfile.daemon\"]", "\"Dockerfile.demon\"]"),
        &format!("config-missing-file | \"Dockerfile.demon\" | {help}"),
    );
    only(
        &with("[image.daemon]", "[image.daemon]\ncontext = \"Dockerfile.daemon\""),
        &format!("config-missing-file | \"Dockerfile.daemon\" | {help}"),
    );
    only(&with("mode =", "ignore-file = \".\", mode ="), &format!("config-missing-file | \".\" | {help}"));
    for bad in ["/etc/Dockerfile", "a/../Dockerfile.daemon", "a\\\\b"] {
        let text = with("dockerfile = \"Dockerfile.daemon\"", &format!("dockerfile = \"{bad}\""));
        assert!(said(&text)[0].starts_with("config-bad-path"), "{bad}");
    }
}

#[test]
fn regions() {
    only(
        &with(", \"Dockerfile.daemon\"]", "]"),
        "config-region-files | [\"Dockerfile.orchestrator\"] | name the other files that share it, or remove it",
    );
    only(
        &with(", \"Dockerfile.daemon\"]", ", \"Dockerfile.orchestrator\"]"),
        "config-region-files | [\"Dockerfile.orchestrator\", \"Dockerfile.orchestrator\"] | name each file once",
    );
    only(
        &with("# --- SHARED-BASE-END ---", "# --- SHARED-BASE-BEGIN ---"),
        "config-region-markers | \"# --- SHARED-BASE-BEGIN ---\" | two different lines are needed to tell where the region begins and where it ends",
    );
    only(&with("# --- SHARED-BASE-END ---", "x\\ny"), "config-region-markers | \"x\\ny\" | ");
    let twice = with(
        "[image.orchestrator]",
        "[[shared-region]]\nname = \"base\"\nbegin = \"b\"\nend = \"e\"\nfiles = [\"Dockerfile.daemon\", \"Dockerfile.orchestrator\"]\n[image.orchestrator]",
    );
    only(&twice, "config-region-duplicate | \"base\" | give each its own name");
    let same = twice
        .replace("name = \"base\"", "name = \"two\"")
        .replace("begin = \"b\"", "begin = \"# --- SHARED-BASE-BEGIN ---\"");
    only(
        &same,
        "config-region-markers | \"# --- SHARED-BASE-BEGIN ---\" | give each region markers of its own",
    );
}

#[test]
fn patterns_of_region_files_are_not_looked_for() {
    let files = r#"["Dockerfile.orchestrator", "Dockerfile.daemon"]"#;
    let loaded = try_load(&with(files, r#"["docker/*/Dockerfile"]"#)).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(try_load(&with(files, r#"["Dockerfile.daemon", "a/{b,c}", "?"]"#)).is_ok());
    only(
        &with(files, r#"["Dockerfile.daemon", "a"]"#),
        "config-missing-file | \"a\" | paths are relative to the directory of this file",
    );
}

#[test]
fn tags() {
    only(
        &with("[image.daemon]", "[image.daemon]\ntags = [\"{version}\"]"),
        "config-tag-conflict | \"{version}\" | put `{image}` into one of the two templates, or give `daemon` a repository of its own",
    );
    // Alike only after expansion.
    let said_of_latest = said(&with("[image.daemon]", "[image.daemon]\nmoving-tags = [\"{major}.{minor}\"]"));
    assert!(said_of_latest[0].starts_with("config-tag-conflict | \"{major}.{minor}\""), "{said_of_latest:?}");
    let alike =
        with("[image.daemon]", "[image.daemon]\ntags = [\"{version}-{image}\", \"{version}-daemon\"]");
    only(&alike, "config-tag-conflict | \"{version}-daemon\" | remove one of the two");
    // Another repository is another place.
    let elsewhere =
        with("[image.daemon]", "[image.daemon]\nrepository = \"ghcr.io/a/b\"\ntags = [\"{version}\"]");
    assert_eq!(said(&elsewhere), [""; 0]);
    // One of several repositories is enough.
    let partly = elsewhere.replace("\"ghcr.io/a/b\"", "[\"ghcr.io/a/b\", \"chrisleekr/github-app\"]");
    assert!(said(&partly)[0].starts_with("config-tag-conflict"));

    only(
        &with("\"{version}-orchestrator\"", "\"orchestrator\""),
        "config-tag-fixed | \"orchestrator\" | put `{version}` into it, or list it under `moving-tags`",
    );
    assert!(
        said(&with("\"{version}-orchestrator\"", "\"{major}.{minor}.{patch}-o\""))[0]
            .starts_with("config-tag-fixed")
    );
    assert!(
        said(&with("\"{version}-orchestrator\"", "\"{version}+o\""))[0]
            .starts_with("config-bad-tag | \"{version}+o\"")
    );
    only(
        &with("\"latest\"", "\"x-{version}\""),
        "config-moving-tag-never-moves | \"x-{version}\" | list it under `tags`",
    );
    assert!(try_load(&with("\"latest\"", "\"x-{version}\"")).is_ok(), "only a warning");
}

#[test]
fn one_moving_tag_may_follow_two_channels() {
    let beta = "{ tag = \"beta\", channel = \"beta\" }";
    let two = with(beta, "{ tag = \"next\", channel = \"beta\" }, { tag = \"next\", channel = \"rc\" }");
    assert_eq!(said(&two), [""; 0]);
    let twice = with(beta, &format!("{beta}, {beta}"));
    only(&twice, &format!("config-tag-conflict | {beta} | remove one of the two"));
}

#[test]
fn templates() {
    only(
        &with("PACKAGE_VERSION = \"{version}\"", "PACKAGE_VERSION = \"v{verison}\""),
        "config-unknown-variable | {verison} | did you mean `{version}`?"
            .replace("`{version}`", "`version`")
            .as_str(),
    );
    only(&with("{commit.short}", "{commit"), "config-bad-template | { | write `{{` for a brace itself");
    only(&with("{commit.short}", "a}"), "config-bad-template | } | write `}}` for a brace itself");
    let platform = said(&with("{commit.short}", "x-{platform}"));
    assert!(platform[0].starts_with("config-variable-here | {platform} | "), "{platform:?}");
    let escaped = with("\"{commit.short}\"", "\"\\u0041{verison}\"");
    only(&escaped, "config-unknown-variable | \"\\u0041{verison}\" | did you mean `version`?");
}

#[test]
fn sets_named_after_commits() {
    let said = said(&with("timeout    =", "version = \"commit\"\ntimeout ="));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("config-moving-tags-of-commits | [\"latest\""));
    assert!(said[1].starts_with("config-variable-here | {major}"));
    assert!(said[2].starts_with("config-variable-here | {minor}"));
}

#[test]
fn platforms_and_repositories() {
    let bad = said(&with("\"linux/arm64\"", "\"linux-arm64\""));
    assert!(bad[0].starts_with("config-bad-platform | \"linux-arm64\""), "{bad:?}");
    only(
        &with("\"linux/arm64\"", "\"linux/arm64\", \"linux/arm64/v8\""),
        "config-platform-duplicate | \"linux/arm64/v8\" | remove one of the two",
    );
    only(
        &with("[\"linux/amd64\", \"linux/arm64\"]", "[]"),
        "config-empty | [] | name at least one: [\"linux/amd64\"]",
    );
    for (repository, help) in [
        ("https://ghcr.io/a/b", "write it without `https://`"),
        ("ghcr.io/a/b:latest", "write it without tag and digest: tags are listed under `tags`"),
        ("ghcr.io/A/b", ""),
        ("", ""),
    ] {
        let text = with("docker.io/chrisleekr/github-app", repository);
        only(&text, &format!("config-bad-repository | \"{repository}\" | {help}"));
    }
}

#[test]
fn names_limits_and_addresses() {
    only(
        &with("[image.daemon]", "[image.Daemon]"),
        "config-image-name | [image.Daemon] | use lower-case letters and digits, with single `-` or `_` between them",
    );
    only(
        &with("GIT_HASH", "GIT-HASH"),
        "config-bad-build-arg | \"{commit.short}\" | use letters, digits and `_`, not beginning with a digit",
    );
    for bad in ["0s", "-5m", "soon", ""] {
        only(&with("\"45m\"", &format!("\"{bad}\"")), &format!("config-bad-time-limit | \"{bad}\" | "));
    }
    only(
        &with("github.com/chrisleekr/github-app-playground", "https://github.com/a/b.git"),
        "config-bad-source | \"https://github.com/a/b.git\" | write it as \"github.com/a/b\"",
    );
    only(
        &with("github.com/chrisleekr/github-app-playground", "a/b"),
        "config-bad-source | \"a/b\" | write it as \"github.com/a/b\"",
    );
    only(
        &with(".github/workflows/release-please.yml", ".github/workflows/x.yml@refs/heads/main"),
        "config-bad-workflow | \".github/workflows/x.yml@refs/heads/main\" | write it without the ref: \".github/workflows/x.yml\"",
    );
    let issuer = said(&with("[verify]", "[verify]\nissuer = \"github\""));
    assert!(issuer[0].starts_with("config-bad-issuer | \"github\""), "{issuer:?}");
}

#[test]
fn one_report_cannot_speak_for_two() {
    let text = with("mode =", "report = \"reports/daemon.json\", mode =");
    only(
        &text,
        "config-report-conflict | \"reports/daemon.json\" | put `{image}` and `{platform}` into `gate.report`",
    );
    let text = with("mode =", "report = \"reports/orchestrator-{platform}.json\", mode =");
    assert!(said(&text)[0].starts_with("config-report-conflict"));
}

#[test]
fn an_empty_set_is_refused() {
    let text = "[release]\nsource = \"github.com/a/b\"\nrepository = \"a/b\"\nplatforms = [\"linux/amd64\"]\n[image]\n";
    only(text, "config-empty | [image] | add a table `[image.NAME]` with `dockerfile`");
    only(
        &with("tags       = [\"{version}-orchestrator\", \"{version}\"]", "tags = []"),
        "config-empty | [] | remove the line for the default, [\"{version}-{image}\"]",
    );
    let none = said(&with("[\"slsa-provenance\", \"cyclonedx\"]", "[]"));
    assert!(none[0].starts_with("config-empty | []"), "{none:?}");
    only(&with("target     = \"production\"", "target = \" \""), "config-empty | \" \" | ");
}

#[test]
fn all_problems_come_out_in_one_run() {
    let text = GOOD
        .replace("timeout    = \"45m\"", "timeot = \"45m\"")
        .replace("\"linux/arm64\"", "\"arm64\"")
        .replace("Dockerfile.daemon", "Dockerfile.demon")
        .replace("{commit.short}", "{commit.shrot}")
        .replace("\"high\" }", "\"hihg\" }");
    let codes: Vec<String> =
        said(&text).iter().map(|line| line.split(" | ").next().unwrap().to_owned()).collect();
    assert_eq!(
        codes,
        [
            "config-bad-platform",
            "config-unknown-key",
            "config-missing-file",
            "config-unknown-variable",
            "config-missing-file",
            "config-unknown-value",
        ]
    );
}

#[test]
fn what_is_no_toml_is_said_at_its_place() {
    let garbage = said("[release\nsource = \n");
    assert!(
        !garbage.is_empty() && garbage.iter().all(|line| line.starts_with("config-syntax")),
        "{garbage:?}"
    );
    let twice = said(&with("timeout    = \"45m\"", "timeout = \"45m\"\ntimeout = \"5m\""));
    assert_eq!(twice.len(), 1);
    assert!(twice[0].starts_with("config-syntax | timeout"), "{twice:?}");
    let mut endless = String::new();
    for index in 0..5000 {
        endless.push_str(&format!("k{index} = 1\n"));
    }
    let findings = try_load(&endless).unwrap_err();
    assert_eq!(findings.len(), 201);
    assert_eq!(findings[200].code.name, "config-too-many-problems");
}

#[test]
fn files_are_read_with_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let file = folder.join(FILE);
    assert_eq!(load_file(&file).unwrap_err()[0].code.name, "config-not-found");
    assert_eq!(load_file(folder).unwrap_err()[0].code.name, "config-unreadable");
    std::fs::write(&file, [b'a', 0xff]).unwrap();
    let finding = &load_file(&file).unwrap_err()[0];
    assert_eq!(finding.code.name, "config-unreadable");
    assert!(finding.message.contains("byte 1"));
    std::fs::write(&file, vec![b'#'; MOST_BYTES as usize + 1]).unwrap();
    assert!(load_file(&file).unwrap_err()[0].message.contains("larger than"));
    std::fs::write(&file, GOOD).unwrap();
    assert_eq!(load_file(&file).unwrap_err().len(), 4, "four files are not there");
    for name in ["Dockerfile.orchestrator", "Dockerfile.daemon"] {
        std::fs::write(folder.join(name), "FROM scratch\n").unwrap();
    }
    assert_eq!(load_file(&file).unwrap().directory(), folder);
}

#[test]
fn codes_are_kebab_case_and_unique() {
    let mut names = std::collections::HashSet::new();
    for code in CODES {
        assert!(code.name.starts_with("config-") && names.insert(code.name), "{}", code.name);
        assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.name);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z{}=\",.\n #é0-9]{0,200}") {
        let _ = try_load(&text);
    }

    #[test]
    fn no_broken_example_panics(at in 0usize..1500, insert in "[\\[\\]{}=\",\n é]{0,3}", cut in 0usize..30) {
        let at = at.min(GOOD.len());
        let text = format!("{}{insert}{}", &GOOD[..at], &GOOD[(at + cut).min(GOOD.len())..]);
        if let Err(findings) = try_load(&text) {
            for finding in findings {
                let span = finding.location.unwrap().span.unwrap();
                proptest::prop_assert!(text.get(span).is_some());
            }
        }
    }
}

#[test]
fn check_pins_and_contracts_are_read() {
    let text = format!(
        r#"{GOOD}
[check]
pin-bases = "digest"
workflows = "all"
[check.rules]
dockerfile-unlisted = "off"
tool-version-drift = "error"

[[pin]]
name = "port"
value = "3000"
places = [{{ file = "Dockerfile.orchestrator", pattern = "^EXPOSE (\\d+)" }}]

[image.orchestrator.contract]
expose = ["3000", "3002"]
healthcheck = true
stop-signal = "SIGTERM"
"#
    );
    let config = try_load(&text).unwrap().config;
    assert_eq!(config.check.pin_bases, PinBases::Digest);
    assert_eq!(config.check.workflows, Workflows::All);
    assert_eq!(config.check.rules["dockerfile-unlisted"], RuleLevel::Off);
    assert_eq!(config.pins[0].places[0].pattern.as_deref(), Some("^EXPOSE (\\d+)"));
    let contract = &config.images["orchestrator"].contract;
    assert_eq!(contract.expose.as_deref().map(<[String]>::len), Some(2));
    assert_eq!((contract.healthcheck, contract.user.as_deref()), (Some(true), None));
    assert_eq!(config.images["daemon"].contract, Contract::default());
}

#[test]
fn a_pin_says_where_its_value_stands() {
    for (places, expected) in [
        ("[{ file = \"Dockerfile.daemon\", key = \"X\" }]", "too few places"),
        ("[{ file = \"a\", key = \"X\", pattern = \"Y\" }, { file = \"b\", key = \"X\" }]", "one of the two"),
        ("[{ file = \"a\" }, { file = \"b\", key = \"X\" }]", "one of the two"),
    ] {
        let text = format!("{GOOD}\n[[pin]]\nname = \"p\"\nplaces = {places}\n");
        let findings = try_load(&text).unwrap_err();
        assert_eq!(findings.len(), 1, "{places}");
        assert_eq!(findings[0].code.name, "config-bad-pin");
        assert!(findings[0].message.contains(expected), "{}", findings[0].message);
    }
}
