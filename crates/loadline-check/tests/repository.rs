//! What a configuration asks for, over a whole repository: contexts, workflows, ignores, levels.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use camino::{Utf8Path, Utf8PathBuf};
use loadline_check::{Repository, Snapshot, examine};
use loadline_core::config::{self, PathKind, Workflows};
use loadline_core::{Outcome, Severity};

const CONFIG: &str = r#"
[release]
source = "github.com/acme/widget"
repository = "registry.example.com/acme/widget"
platforms = ["linux/amd64"]
[image.app]
dockerfile = "Dockerfile"
[verify]
signer-workflow = ".github/workflows/build.yml"
"#;

const PINNED: &str = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683";

struct Files(Vec<(Utf8PathBuf, String)>);

impl Files {
    fn new() -> Self {
        let files = [
            ("Dockerfile", "FROM a:1\nCOPY src /src\n"),
            (".dockerignore", "**/.env\n.git\n**/*.pem\n**/*.key\n**/id_*\n"),
            (".github/workflows/build.yml", "on: workflow_call\njobs:\n  j:\n    runs-on: x\n"),
        ];
        Self(files.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect())
    }

    fn with(mut self, path: &str, text: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| known != path);
        self.0.push((path.into(), text.into()));
        self
    }

    fn workflow(self, name: &str, text: impl Into<String>) -> Self {
        self.with(&format!(".github/workflows/{name}"), text)
    }

    fn examine_with(self, more: &str) -> Outcome {
        let files = self.0.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let tree = Snapshot { files };
        let text = format!("{CONFIG}{more}");
        let look = |path: &Utf8Path| Some(if path == "." { PathKind::Directory } else { PathKind::File });
        let loaded = config::load("loadline.toml".into(), &text, &look).unwrap();
        let regions = &loaded.config.shared_regions;
        examine(&Repository { tree: &tree, config: Some(&loaded.config), regions, workflows: None })
    }

    fn examine(self) -> Outcome {
        self.examine_with("")
    }
}

fn said(outcome: &Outcome) -> Vec<String> {
    assert!(outcome.failures.is_empty(), "{outcome:#?}");
    let place = |f: &loadline_core::Finding| match &f.location {
        Some(l) => format!("{}:{}", l.file, l.line.map(|line| line.to_string()).unwrap_or_default()),
        None => String::new(),
    };
    outcome.findings.iter().map(|f| format!("{} {}", f.code.name, place(f))).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_context_keeps_secrets_out() {
    assert_eq!(said(&Files::new().examine()), NOTHING);
    let whole = "FROM a:1\nCOPY . /src\n";
    assert_eq!(said(&Files::new().with("Dockerfile", whole).examine()), NOTHING);
    let open = |ignore: &str| Files::new().with("Dockerfile", whole).with(".dockerignore", ignore).examine();
    let both = ["dockerignore-keys Dockerfile:2", "dockerignore-open Dockerfile:2"];
    let found = open("node_modules\n");
    assert_eq!(said(&found), both);
    assert_eq!(found.findings[0].severity, Severity::Note);
    assert_eq!(found.findings[1].severity, Severity::Error);
    assert!(found.findings[1].message.contains("`.env`, `.git`"), "{}", found.findings[1].message);
    assert!(open(".git\n").findings[1].message.contains("keep `.env` out"));
    assert_eq!(said(&open(".git\n.env\n")), both[..1], "`.env` alone means the one at the root");
    assert_eq!(said(&open("*\n!src\n")), NOTHING);
    assert_eq!(said(&open("**/.*\n**/*.pem\n**/*.key\n**/id_*\n")), NOTHING);
    assert_eq!(said(&open("**/.env*\n.git\n**/*.pem\n**/*.key\n**/id_*\n!.env\n")), both[1..]);
    assert_eq!(said(&open("[")), ["dockerignore-invalid .dockerignore:"]);
    let excluded = "FROM a:1\nCOPY --exclude=**/.env --exclude=.git --exclude=**/*.pem --exclude=**/*.key --exclude=**/id_* . /src\n";
    assert_eq!(said(&Files::new().with("Dockerfile", excluded).with(".dockerignore", "").examine()), NOTHING);
    let mounted = "FROM a:1\nRUN --mount=type=bind,target=/src make\n";
    let found = Files::new().with("Dockerfile", mounted).with(".dockerignore", "").examine();
    assert_eq!(said(&found), both);
}

#[test]
fn what_git_ignores_like_a_secret_is_kept_out_of_the_context_too() {
    let files = |ignored: &str| {
        let files = Files::new().with("Dockerfile", "FROM a:1\nCOPY . /src\n");
        files.with(".gitignore", ignored.to_owned()).examine()
    };
    assert_eq!(said(&files("target/\n*.log\n.env\n*.pem\n.env.example\n")), NOTHING);
    let found = files(".env.local\n*.p12\nsecrets/\n");
    assert_eq!(said(&found), ["dockerignore-open Dockerfile:2"]);
    assert!(found.findings[0].message.contains("keep `.env.local`, `*.p12`, `secrets/` out"));
    let help = "add to `.dockerignore`: `**/.env.local`, `**/*.p12`, `**/secrets`";
    assert_eq!(found.findings[0].help.as_deref(), Some(help));
    let kept = Files::new().with("Dockerfile", "FROM a:1\nCOPY . /src\n").with(".gitignore", ".env.local\n");
    assert_eq!(said(&kept.with(".dockerignore", "*\n!src\n").examine()), NOTHING);
}

#[test]
fn what_no_instruction_copies_is_a_warning_and_an_own_ignore_file_replaces_the_general_one() {
    let found = Files::new().with(".dockerignore", "").examine();
    assert_eq!(said(&found), ["dockerignore-open Dockerfile:1"]);
    assert_eq!(found.findings[0].severity, Severity::Warning);
    let own = Files::new().with("Dockerfile.dockerignore", "").examine();
    assert_eq!(said(&own), ["dockerignore-open Dockerfile:1"]);
    assert_eq!(
        said(&Files::new().with(".dockerignore", "").with("Dockerfile", "FROM a:1\n").examine()),
        NOTHING
    );
}

#[test]
fn private_keys_in_a_context_are_named() {
    let key = "-----BEGIN PRIVATE KEY-----\n";
    let files = || Files::new().with("Dockerfile", "FROM a:1\nCOPY . .\n");
    let found = files()
        .with("deploy/server.pem", key)
        .with("ca.pem", "-----BEGIN CERTIFICATE-----")
        .with(".dockerignore", ".env\n.git\n")
        .examine();
    assert_eq!(said(&found), ["dockerignore-keys Dockerfile:2", "dockerignore-open Dockerfile:2"]);
    assert!(found.findings[1].message.contains("`deploy/server.pem` out"), "{}", found.findings[0].message);
    assert_eq!(said(&files().with("deploy/server.pem", key).examine()), NOTHING);
}

#[test]
fn a_secret_is_public_in_a_dockerfile_of_no_image_too() {
    let text = "FROM a\nARG API_TOKEN\nENV GH=ghp_0123456789012345678901234567890123456789\n";
    let found = Files::new().with("dev/Dockerfile", text).examine();
    assert_eq!(
        said(&found),
        ["dockerfile-unlisted dev/Dockerfile:", "secret-in-dockerfile dev/Dockerfile:3"]
    );
    assert!(!format!("{found:?}").contains("ghp_0"), "the value is never shown");
    assert_eq!(
        said(&Files::new().with("dev/Dockerfile", "FRO").examine()),
        ["dockerfile-unlisted dev/Dockerfile:"]
    );
}

#[test]
fn only_workflows_around_the_release_are_looked_at() {
    let bad = "on: push\npermissions: {}\njobs:\n  x:\n    runs-on: ubuntu-latest\n";
    let build =
        "on: [workflow_call]\npermissions: {}\njobs:\n  b:\n    uses: ./.github/workflows/inner.yml\n";
    let caller = |name: &str| {
        format!("on: push\npermissions: {{}}\njobs:\n  {name}:\n    uses: ./.github/workflows/build.yml\n")
    };
    let inner = "on: workflow_call\njobs:\n  i:\n    runs-on: ubuntu-latest\n";
    let files = || {
        Files::new()
            .workflow("build.yml", build)
            .workflow("inner.yml", inner)
            .workflow("top.yaml", format!("{}  y:\n    runs-on: macos-latest\n", caller("t")))
            .workflow("other.yml", bad)
            .workflow("broken.yml", "a: [")
    };
    let expected =
        ["runner-unpinned .github/workflows/inner.yml:4", "runner-unpinned .github/workflows/top.yaml:7"];
    assert_eq!(said(&files().examine()), expected);
    assert_eq!(said(&files().examine_with("[check]\nworkflows = \"nothing\"\n")), NOTHING);
    let mut all = said(&files().examine_with("[check]\nworkflows = \"all\"\n"));
    all.sort();
    let other = "runner-unpinned .github/workflows/other.yml:5";
    let broken = "workflow-invalid .github/workflows/broken.yml:1";
    assert_eq!(all, [expected[0], other, expected[1], broken]);
}

fn one_job(job: &str) -> Outcome {
    let text = format!("on: push\npermissions: {{}}\njobs:\n  j:\n{job}");
    Files::new().workflow("build.yml", text).examine()
}

#[test]
fn actions_are_pinned_by_commit() {
    for good in [PINNED, "./.github/actions/x", "docker://alpine@sha256:abc"] {
        let found = one_job(&format!("    runs-on: x\n    steps:\n      - uses: {good}\n"));
        assert!(said(&found).iter().all(|line| !line.starts_with("action-unpinned")), "{good}");
    }
    for bad in ["actions/checkout@v4", "actions/checkout@11bd719", "actions/checkout", "docker://alpine:3"] {
        let found = one_job(&format!("    runs-on: x\n    steps:\n      - run: x\n      - uses: {bad}\n"));
        assert_eq!(said(&found), ["action-unpinned .github/workflows/build.yml:8"], "{bad}");
    }
    let called = one_job("    uses: acme/shared/.github/workflows/x.yml@main\n");
    assert_eq!(said(&called), ["action-unpinned .github/workflows/build.yml:5"]);
    let action = "runs:\n  using: composite\n  steps:\n    - uses: a/b@v1\n";
    let text =
        "on: push\npermissions: {}\njobs:\n  j:\n    runs-on: x\n    steps:\n      - uses: ./tools/a\n";
    let found = Files::new().workflow("build.yml", text).with("tools/a/action.yml", action).examine();
    assert_eq!(said(&found), ["action-unpinned tools/a/action.yml:4"]);
}

#[test]
fn runners_are_followed_through_matrices_and_inputs() {
    for good in ["ubuntu-24.04", "[self-hosted, linux]", "${{ matrix.nothing }}"] {
        assert_eq!(said(&one_job(&format!("    runs-on: {good}\n"))), NOTHING, "{good}");
    }
    for (bad, line) in [
        ("    runs-on: Ubuntu-Latest\n", 5),
        ("    runs-on: [self-hosted, x-latest]\n", 5),
        ("    runs-on:\n      group: g\n      labels: macos-latest-xlarge\n", 7),
        (
            "    runs-on: ${{ matrix.os }}\n    strategy:\n      matrix:\n        os:\n          - a\n          - b-latest\n",
            10,
        ),
        ("    runs-on: ${{ matrix.os }}-latest\n    strategy:\n      matrix:\n        os: [ubuntu]\n", 8),
        (
            "    runs-on: ${{ matrix.p.on }}\n    strategy:\n      matrix:\n        include:\n          - p:\n              on: a-latest\n",
            10,
        ),
    ] {
        let expected = format!("runner-unpinned .github/workflows/build.yml:{line}");
        assert_eq!(said(&one_job(bad)), [expected], "{bad}");
    }
    let called = "on:\n  workflow_call:\n    inputs:\n      on: {default: ubuntu-24.04}\njobs:\n  j:\n    runs-on: ${{ inputs.on }}\n";
    let caller = "on: push\npermissions: {}\njobs:\n  c:\n    uses: ./.github/workflows/build.yml\n    with:\n      on: ubuntu-latest\n";
    let found = Files::new().workflow("build.yml", called).workflow("c.yml", caller).examine();
    assert_eq!(said(&found), ["runner-unpinned .github/workflows/build.yml:7"]);
}

#[test]
fn runners_are_what_expressions_can_come_to() {
    let matrix = |matrix: &str, runs_on: &str| {
        one_job(&format!("    runs-on: {runs_on}\n    strategy:\n      matrix:\n{matrix}"))
    };
    let on = "${{ matrix.on }}";
    let codes = |outcome: &Outcome| outcome.findings.iter().map(|f| f.code.name).collect::<Vec<_>>();
    let os = "        os: [a, b-latest]\n";
    let good = [
        (os.replace("-latest", ""), "${{ matrix.os || 'ubuntu-latest' }}"),
        (format!("{os}        exclude: [{{os: b-latest}}]\n"), "${{ matrix.os }}"),
        (
            format!("{os}        include: [{{os: a, on: x}}, {{os: b-latest, on: y}}]\n"),
            "${{ matrix.on || 'x-latest' }}",
        ),
        (os.to_owned(), "${{ matrix.os == 'b-latest' && 'ubuntu-24.04' || matrix.os }}"),
        (os.to_owned(), "${{ true && 'x' || matrix.os }}"),
        ("        on: ${{ fromJSON('[\"x\", \"y\"]') }}\n".to_owned(), on),
        ("        include: ${{ fromJSON('[{\"on\":[\"self-hosted\", \"x\"]}]') }}\n".to_owned(), on),
        (os.to_owned(), "${{ format('{0}-{1}', 'ubuntu', '24.04') }}"),
        (os.to_owned(), "${{ 'no '' end }} in a text' }}"),
    ];
    for (matrix_text, runs_on) in &good {
        assert_eq!(codes(&matrix(matrix_text, runs_on)), NOTHING, "{matrix_text}{runs_on}");
    }
    let bad = [
        (os.to_owned(), "${{ matrix.os }}"),
        (os.replace("-latest", ""), "${{ matrix.on || 'ubuntu-latest' }}"),
        (format!("{os}        include: [{{os: a, on: x}}]\n"), "${{ matrix.on || 'x-latest' }}"),
        (format!("{os}        exclude: [{{os: b-latest, on: x}}]\n"), "${{ matrix.os }}"),
        (os.replace("b-latest", "b"), "${{ matrix.os == 'b' && 'ubuntu-latest' || matrix.os }}"),
        ("        on: ${{ fromJSON('[\"x\", \"y-latest\"]') }}\n".to_owned(), on),
        ("        include: ${{ fromJSON('[{\"on\":[\"self-hosted\", \"x-latest\"]}]') }}\n".to_owned(), on),
        (os.to_owned(), "${{ format('{0}-{1}', 'ubuntu', 'latest') }}"),
        (os.to_owned(), "${{ vars.OS }}-latest"),
        (os.to_owned(), "${{ github.ref == 'x' && 'ubuntu-latest' || 'ubuntu-24.04' }}"),
        (os.to_owned(), "${{ fromJSON('{\"labels\":[\"a-latest\"]}') }}"),
    ];
    for (matrix_text, runs_on) in &bad {
        assert_eq!(codes(&matrix(matrix_text, runs_on)), ["runner-unpinned"], "{matrix_text}{runs_on}");
    }
    let unknown = [
        (os.replace("-latest", ""), "${{ vars.RUNNER }}"),
        (os.to_owned(), "${{ vars.RUNNER || 'ubuntu-24.04' }}"),
        (os.to_owned(), "${{ fromJSON(needs.plan.outputs.os) }}"),
        ("        on: ${{ fromJSON(needs.plan.outputs.on) }}\n".to_owned(), on),
        (os.to_owned(), "${{ matrix['os' }}"),
        (os.to_owned(), "${{ toJSON(matrix.os) }}"),
    ];
    for (matrix_text, runs_on) in &unknown {
        let found = matrix(matrix_text, runs_on);
        assert_eq!(codes(&found), ["runner-unknown"], "{matrix_text}{runs_on}");
        assert_eq!(found.findings[0].severity, Severity::Note);
    }
    let found = matrix(os, "${{ vars.RUNNER || 'ubuntu-latest' }}");
    assert_eq!(codes(&found), ["runner-unpinned", "runner-unknown"]);
}

#[test]
fn runners_are_followed_through_callers_inputs_and_outputs() {
    let events = |events: &str, runs_on: &str| {
        let text = format!("on:\n{events}permissions: {{}}\njobs:\n  j:\n    runs-on: {runs_on}\n");
        let found = Files::new().workflow("build.yml", text).examine();
        found.findings.iter().map(|f| f.code.name).collect::<Vec<_>>()
    };
    let input = "${{ inputs.on }}";
    let choice = "  workflow_dispatch:\n    inputs:\n      on: {type: choice, options: [a, b]}\n";
    assert_eq!(events(choice, input), NOTHING);
    assert_eq!(events(choice, "${{ github.event.inputs.on }}"), NOTHING);
    assert_eq!(events(&choice.replace("b]", "b-latest]"), input), ["runner-unpinned"]);
    let typed = "  workflow_dispatch:\n    inputs:\n      on: {default: a}\n";
    assert_eq!(events(typed, input), ["runner-unknown"], "anything may be typed in");
    assert_eq!(events(&format!("  push:\n{choice}"), "${{ inputs.on || 'a-latest' }}"), ["runner-unpinned"]);
    assert_eq!(events(choice, "${{ inputs.on || 'a-latest' }}"), NOTHING);
    assert_eq!(
        events("  workflow_call:\n    inputs:\n      on: {required: true}\n", input),
        ["runner-unknown"]
    );

    let called = "on:\n  workflow_call:\n    inputs:\n      on: {type: string}\njobs:\n  j:\n    runs-on: ${{ inputs.on }}\n";
    let caller = |with: &str| {
        let text = format!(
            "on: push\npermissions: {{}}\njobs:\n  c:\n    uses: ./.github/workflows/build.yml\n    strategy:\n      matrix:\n        os: [a, b-latest]\n    with:\n      on: {with}\n"
        );
        said(&Files::new().workflow("build.yml", called).workflow("c.yml", text).examine())
    };
    let here = "runner-unpinned .github/workflows/build.yml:7";
    assert_eq!(caller("${{ matrix.os }}"), [here]);
    assert_eq!(caller("${{ matrix.os == 'a' && 'x' || 'y' }}"), NOTHING);
    assert_eq!(caller("${{ vars.X }}"), ["runner-unknown .github/workflows/build.yml:7"]);

    let handed_on = |output: &str| {
        let text = format!(
            "on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: x\n    outputs:\n      on: {output}\n  j:\n    needs: a\n    runs-on: ${{{{ needs.a.outputs.on }}}}\n"
        );
        said(&Files::new().workflow("build.yml", text).examine())
    };
    assert_eq!(handed_on("${{ steps.s.outputs.x }}"), ["runner-unknown .github/workflows/build.yml:10"]);
    assert_eq!(handed_on("x-latest"), ["runner-unpinned .github/workflows/build.yml:7"]);
    assert_eq!(handed_on("x"), NOTHING);
    // A job that asks for its own output ends all the same.
    let itself = "on: push\npermissions: {}\njobs:\n  j:\n    outputs:\n      on: ${{ needs.j.outputs.on }}\n    runs-on: ${{ needs.j.outputs.on }}\n";
    assert_eq!(
        said(&Files::new().workflow("build.yml", itself).examine()),
        ["runner-unknown .github/workflows/build.yml:7"]
    );
}

#[test]
fn an_image_that_no_dockerfile_makes_has_none_to_look_at() {
    let more = "[image.other]\nbuilder = \"existing\"\nexisting = \"registry.example.com/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";
    assert_eq!(said(&Files::new().examine_with(more)), NOTHING);
}

#[test]
fn permissions_are_said_and_least() {
    let run = |text: &str| {
        let outcome = Files::new().workflow("build.yml", text).examine();
        outcome
            .findings
            .iter()
            .map(|f| (f.code.name, f.severity, f.location.as_ref().unwrap().line.unwrap()))
            .collect::<Vec<_>>()
    };
    let code = "workflow-permissions";
    assert_eq!(run("on: push\njobs:\n  j:\n    runs-on: x\n"), [(code, Severity::Error, 3)]);
    assert_eq!(run("on: push\njobs:\n  j:\n    permissions: {contents: read}\n    runs-on: x\n"), []);
    assert_eq!(run("on: workflow_call\njobs:\n  j:\n    runs-on: x\n"), []);
    assert_eq!(
        run("on: push\npermissions: write-all\njobs:\n  j:\n    runs-on: x\n"),
        [(code, Severity::Error, 2)]
    );
    assert_eq!(
        run("on: push\npermissions: read-all\njobs:\n  j:\n    runs-on: x\n"),
        [(code, Severity::Warning, 2)]
    );
    let two =
        "on: push\npermissions:\n  packages: write\njobs:\n  a:\n    runs-on: x\n  b:\n    runs-on: x\n";
    assert_eq!(run(two), [(code, Severity::Warning, 3)]);
}

#[test]
fn a_caller_grants_what_the_called_needs() {
    let build = "on: workflow_call\npermissions: {}\njobs:\n  push:\n    runs-on: x\n    permissions:\n      packages: write\n      id-token: write\n";
    let caller = |permissions: &str| {
        let text = format!(
            "on: push\npermissions: {{}}\njobs:\n  call:\n    uses: ./.github/workflows/build.yml\n{permissions}"
        );
        Files::new().workflow("build.yml", build).workflow("top.yml", text).examine()
    };
    assert_eq!(said(&caller("    permissions: {packages: write, id-token: write}\n")), NOTHING);
    let found = caller("    permissions:\n      packages: read\n      id-token: write\n");
    assert_eq!(said(&found), ["called-workflow-permissions .github/workflows/top.yml:7"]);
    let message = &found.findings[0].message;
    assert!(message.contains("`push` needs `packages: write`, but grants `read` only"), "{message}");
    assert_eq!(said(&caller("")).len(), 2);
    // Without a word from anyone the default is unknown, but it never has id-token.
    let silent = "on: push\njobs:\n  call:\n    uses: ./.github/workflows/build.yml\n";
    let found = Files::new().workflow("build.yml", build).workflow("top.yml", silent).examine();
    let codes: Vec<_> = found.findings.iter().map(|f| f.code.name).collect();
    assert_eq!(codes, ["workflow-permissions", "called-workflow-permissions"]);
    // Two calls deep, the one between silent.
    let between = "on: workflow_call\njobs:\n  m:\n    uses: ./.github/workflows/build.yml\n";
    let top = "on: push\npermissions: {}\njobs:\n  t:\n    uses: ./.github/workflows/between.yml\n    permissions: {packages: write}\n";
    let found = Files::new()
        .workflow("build.yml", build)
        .workflow("between.yml", between)
        .workflow("top.yml", top)
        .examine();
    assert_eq!(said(&found), ["called-workflow-permissions .github/workflows/top.yml:6"]);
}

#[test]
fn calls_lead_somewhere() {
    let text = "on: push\npermissions: {}\njobs:\n  a:\n    uses: ./.github/workflows/absent.yml\n  b:\n    uses: ./.github/workflows/uncallable.yml\n";
    let files = Files::new()
        .workflow("build.yml", text)
        .workflow("uncallable.yml", "on: push\npermissions: {}\njobs:\n  x:\n    runs-on: x\n");
    let path = ".github/workflows/build.yml";
    assert_eq!(
        said(&files.examine()),
        [format!("workflow-call-broken {path}:5"), format!("workflow-call-broken {path}:7")]
    );
    let cycle = "on: workflow_call\njobs:\n  a:\n    uses: ./.github/workflows/build.yml\n";
    assert_eq!(said(&Files::new().workflow("build.yml", cycle).examine()), NOTHING);
}

#[test]
fn levels_and_ignores_hold_for_all_rules() {
    let files = || Files::new().with("Dockerfile", "FROM a\nFROM b\n");
    assert_eq!(said(&files().examine_with("[image.app.contract]\nuser = \"1000\"\n")).len(), 2);
    let found = files().examine_with("[check.rules]\nbase-unpinned = \"note\"\n");
    assert_eq!(found.findings[0].severity, Severity::Note);
    assert_eq!(said(&files().examine_with("[check.rules]\nbase-unpinned = \"off\"\n")), NOTHING);
    let text = "# loadline: ignore base-unpinned: built here\nFROM b\n";
    assert_eq!(said(&Files::new().with("Dockerfile", text).examine()), NOTHING);
    let workflow = format!(
        "on: push\npermissions: {{}}\njobs:\n  j:\n    runs-on: ubuntu-latest # loadline: ignore runner-unpinned: no release\n    steps: [{{uses: {PINNED}}}]\n"
    );
    assert_eq!(said(&Files::new().workflow("build.yml", workflow).examine()), NOTHING);
    let digest =
        Files::new().with("Dockerfile", "FROM b:1\n").examine_with("[check]\npin-bases = \"digest\"\n");
    assert_eq!(said(&digest), ["base-unpinned Dockerfile:1"]);
    assert_eq!(config::Check::default().workflows, Workflows::Release);
}

#[test]
fn a_release_workflow_that_is_not_there_is_said() {
    let mut files = Files::new();
    files.0.retain(|(path, _)| !path.starts_with(".github"));
    assert_eq!(said(&files.examine()), ["workflow-absent "]);
    let other = "signer-repository = \"github.com/acme/ci\"\n";
    let mut files = Files::new();
    files.0.retain(|(path, _)| !path.starts_with(".github"));
    assert_eq!(said(&files.examine_with(other)), NOTHING);
    assert_eq!(
        said(&Files::new().workflow("build.yml", "a: [").examine()),
        ["workflow-invalid .github/workflows/build.yml:1"]
    );
}
