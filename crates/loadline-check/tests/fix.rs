//! Mending: what is written, what is left alone, what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use loadline_check::fix::{self, FixPlan, FixRequest};
use loadline_check::git::Git;
use loadline_check::{CheckRequest, Snapshot, Tree, WorkTree, check};
use loadline_core::config::SharedRegion;
use loadline_core::{Outcome, Severity};
use loadline_process::{Environment, Invocation};
use proptest::prelude::*;

fn spec(files: &[&str]) -> SharedRegion {
    let files = files.iter().map(|f| Utf8PathBuf::from(*f)).collect();
    SharedRegion { name: "base".into(), begin: "# BEGIN".into(), end: "# END".into(), files }
}

struct Repository {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let repository = Self { _folder: folder, root };
        files.iter().for_each(|(path, text)| repository.write(path, text));
        repository
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.root.join(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn environment() -> Environment {
        let own = Environment::of_this_process();
        let mut environment =
            Environment::empty().with("GIT_CONFIG_GLOBAL", "/dev/null").with("GIT_CONFIG_NOSYSTEM", "1");
        if let Some(path) = own.get_os("PATH") {
            environment = environment.with("PATH", path);
        }
        environment
    }

    fn git(&self, args: &[&str]) {
        let identity =
            ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
        Invocation::new("git", self.root.as_std_path())
            .args(identity.into_iter().chain(args.iter().copied()))
            .pass(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"])
            .run(&Self::environment())
            .unwrap()
            .checked()
            .unwrap();
    }

    fn commit(&self) {
        self.git(&["init", "-q"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "first"]);
    }

    fn tree(&self) -> WorkTree {
        WorkTree::new(self.root.clone())
    }

    fn plan(&self, files: &[&str], source: Option<&str>, git: bool) -> FixPlan {
        let git = git.then(|| Git::new(self.root.clone(), Self::environment()));
        fix::plan(&FixRequest {
            tree: &self.tree(),
            regions: &[spec(files)],
            source: source.map(Utf8Path::new),
            configured: true,
            git: git.as_ref(),
        })
    }
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.findings.iter().map(|f| f.code.name).collect()
}

#[test]
fn the_canonical_region_is_copied_and_nothing_else() {
    let a = "A\n# BEGIN\none\ntwo\n# END\nrest a\n";
    let b = "B\r\n# BEGIN\r\none\n# END\nrest b";
    let repository = Repository::new(&[("a", a), ("b", b)]);
    let plan = repository.plan(&["a", "b"], None, false);
    assert_eq!(plan.outcome, Outcome::new());
    assert_eq!(plan.edits.len(), 1);
    assert!(plan.edits[0].diff.contains("+two\n"));
    assert_eq!(repository.read("b"), b, "a plan writes nothing");
    let (written, outcome) = fix::apply(&repository.tree(), &plan);
    assert_eq!((written, outcome), (vec!["b".into()], Outcome::new()));
    assert_eq!(repository.read("b"), "B\r\n# BEGIN\none\ntwo\n# END\nrest b");
    assert_eq!(repository.read("a"), a);
    assert!(repository.plan(&["a", "b"], None, false).edits.is_empty());
    let names: Vec<_> = fs::read_dir(&repository.root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}

#[test]
fn permissions_and_links_stay() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("real", "# BEGIN\n2\n# END\n")]);
    let real = repository.root.join("real");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o754)).unwrap();
    let owner = fs::metadata(&real).unwrap().uid();
    symlink("real", repository.root.join("b")).unwrap();
    let plan = repository.plan(&["a", "b"], None, false);
    let (written, outcome) = fix::apply(&repository.tree(), &plan);
    assert_eq!((written.len(), outcome), (1, Outcome::new()));
    assert!(fs::symlink_metadata(repository.root.join("b")).unwrap().is_symlink());
    let after = fs::metadata(&real).unwrap();
    assert_eq!((after.mode() & 0o7777, after.uid()), (0o754, owner));
    assert_eq!(repository.read("real"), "# BEGIN\n1\n# END\n");
}

#[test]
fn what_lies_outside_or_changed_meanwhile_is_not_written() {
    let outside = Repository::new(&[("x", "# BEGIN\n2\n# END\n")]);
    let text = "# BEGIN\n2\n# END\n";
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", text), ("c", text)]);
    let link = repository.root.join("link");
    symlink(outside.root.join("x"), &link).unwrap();
    let refused = repository.plan(&["a", "b", "link"], None, false);
    assert_eq!(refused.edits.len(), 1);
    assert_eq!(refused.outcome.failures[0].code.name, "region-file-unreadable");
    fs::remove_file(&link).unwrap();
    symlink("c", &link).unwrap();
    let plan = repository.plan(&["a", "b", "link"], None, false);
    assert_eq!(plan.edits.len(), 2);
    repository.write("b", "# BEGIN\n3\n# END\n");
    fs::remove_file(&link).unwrap();
    symlink(outside.root.join("x"), &link).unwrap();
    let (written, outcome) = fix::apply(&repository.tree(), &plan);
    assert!(written.is_empty());
    let messages: Vec<_> = outcome.failures.iter().map(|f| f.message.as_str()).collect();
    assert!(messages[0].contains("`b` changed in the meantime"), "{messages:?}");
    assert!(messages[1].contains("leads out of the repository"), "{messages:?}");
    assert_eq!(outside.read("x"), "# BEGIN\n2\n# END\n");
    assert_eq!(repository.read("b"), "# BEGIN\n3\n# END\n");
}

#[test]
fn an_end_marker_without_a_newline_is_not_glued_to_the_next_line() {
    let repository = Repository::new(&[("a", "# BEGIN\r\n1\r\n# END"), ("b", "# BEGIN\n2\n# END\nFROM x\n")]);
    let plan = repository.plan(&["a", "b"], None, false);
    assert_eq!(plan.outcome, Outcome::new());
    fix::apply(&repository.tree(), &plan);
    assert_eq!(repository.read("a"), "# BEGIN\r\n1\r\n# END\r\n");
    assert_eq!(repository.read("b"), "# BEGIN\r\n1\r\n# END\r\nFROM x\n");
    let at_end = Repository::new(&[("a", "# BEGIN\n1\n# END"), ("b", "# BEGIN\n2\n# END\n")]);
    fix::apply(&at_end.tree(), &at_end.plan(&["a", "b"], None, false));
    assert_eq!(at_end.read("b"), "# BEGIN\n1\n# END");
}

#[test]
fn the_source_can_be_named() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", "# BEGIN\n2\n# END\n")]);
    fix::apply(&repository.tree(), &repository.plan(&["a", "b"], Some("b"), false));
    assert_eq!(repository.read("a"), "# BEGIN\n2\n# END\n");
    repository.write("a", "# BEGIN\n1\n# END\n");
    let unknown = repository.plan(&["a", "b"], Some("c"), false);
    assert!(unknown.edits.is_empty());
    assert_eq!(codes(&unknown.outcome), ["fix-no-source", "shared-region-drift"]);
    let unconfigured = fix::plan(&FixRequest {
        tree: &repository.tree(),
        regions: &[spec(&["a", "b"])],
        source: None,
        configured: false,
        git: None,
    });
    assert!(unconfigured.edits.is_empty());
    assert_eq!(codes(&unconfigured.outcome), ["fix-no-source", "shared-region-drift"]);
}

#[test]
fn broken_markers_are_not_mended() {
    let repository =
        Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", "# BEGIN\n2\n"), ("c", "# BEGIN\n3\n# END\n")]);
    let plan = repository.plan(&["a", "b", "c"], None, false);
    assert_eq!(plan.edits.iter().map(|e| e.file.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(codes(&plan.outcome), ["region-marker-missing"]);
}

#[test]
fn both_sides_changed_since_head() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", "# BEGIN\n1\n# END\n")]);
    repository.commit();
    repository.write("a", "# BEGIN\n2\n# END\n");
    let one = repository.plan(&["a", "b"], None, true);
    assert_eq!((one.edits.len(), one.outcome), (1, Outcome::new()));

    repository.write("b", "# BEGIN\n3\n# END\n");
    let both = repository.plan(&["a", "b"], None, true);
    assert!(both.edits.is_empty());
    assert_eq!(codes(&both.outcome), ["fix-both-changed", "shared-region-drift"]);
    let told = repository.plan(&["a", "b"], Some("b"), true);
    assert_eq!((told.edits.len(), told.edits[0].file.as_str(), told.outcome), (1, "a", Outcome::new()));

    repository.write("a", "# BEGIN\n1\n# END\nchanged elsewhere\n");
    let other = repository.plan(&["a", "b"], None, true);
    assert_eq!(other.edits.len(), 1);
    assert_eq!(codes(&other.outcome), ["fix-discards-change"]);
    assert_eq!(other.outcome.findings[0].severity, Severity::Note);
}

#[test]
fn without_a_commit_or_a_repository_nothing_changed() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", "# BEGIN\n2\n# END\n")]);
    assert_eq!(repository.plan(&["a", "b"], None, true).edits.len(), 1);
    repository.git(&["init", "-q"]);
    assert_eq!(repository.plan(&["a", "b"], None, true).edits.len(), 1);
    repository.write("c", "");
    repository.git(&["add", "c"]);
    repository.git(&["commit", "-q", "-m", "first"]);
    assert_eq!(repository.plan(&["a", "b"], None, true).edits.len(), 1);
}

#[test]
fn the_index_is_a_tree_of_its_own() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n"), ("b", "# BEGIN\n1\n# END\n")]);
    fs::create_dir(repository.root.join("d")).unwrap();
    symlink("../b", repository.root.join("d/link")).unwrap();
    repository.commit();
    repository.write("b", "# BEGIN\n2\n# END\n");
    let git = Git::new(repository.root.clone(), Repository::environment());
    let regions = [spec(&["a", "b", "d/link"])];
    let verdict = |tree: &dyn Tree| check(&CheckRequest { tree, regions: &regions }).findings.len();
    let index = git.index().unwrap();
    index.prefetch(&["a".into(), "b".into()]).unwrap();
    assert_eq!(verdict(&index), 0, "what is not staged is not there");
    assert_eq!(verdict(&repository.tree()), 2);
    repository.git(&["add", "b"]);
    repository.write("b", "# BEGIN\n1\n# END\n");
    let index = git.index().unwrap();
    assert_eq!(verdict(&index), 2, "what is staged counts, whatever the work tree says");
    assert_eq!(index.files().unwrap(), ["a", "b", "d/link"]);
    assert!(Git::new("/", Repository::environment()).index().is_err());
}

#[test]
fn a_root_below_the_repositorys_top() {
    let repository = Repository::new(&[("a", "# BEGIN\n1\n# END\n")]);
    fs::create_dir(repository.root.join("d")).unwrap();
    repository.write("d/b", "# BEGIN\n1\n# END\n");
    repository.commit();
    repository.write("d/b", "# BEGIN\n2\n# END\n");
    let below = WorkTree::new(repository.root.join("d"));
    let git = Git::new(below.root(), Repository::environment());
    let regions = [spec(&["../a", "b"])];
    let index = git.index().unwrap();
    assert_eq!(check(&CheckRequest { tree: &index, regions: &regions }), Outcome::new());
    assert_eq!(index.files().unwrap(), ["b"]);
    let request = FixRequest {
        tree: &below,
        regions: &regions,
        source: Some("b".into()),
        configured: true,
        git: Some(&git),
    };
    let plan = fix::plan(&request);
    assert_eq!((plan.edits[0].file.as_str(), &plan.outcome), ("../a", &Outcome::new()));
    assert_eq!(git.head("../a".into()).unwrap().unwrap(), b"# BEGIN\n1\n# END\n");
    assert_eq!(git.head("b".into()).unwrap().unwrap(), b"# BEGIN\n1\n# END\n");
    assert_eq!(git.head("c".into()).unwrap(), None);
    assert_eq!(fix::apply(&below, &plan).0, ["../a"]);
    assert_eq!(repository.read("a"), "# BEGIN\n2\n# END\n");
}

fn lines() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![Just("x"), Just("y "), Just(""), Just("\tz"), Just("FROM a AS b"), Just("RUN \\")],
        0..5,
    )
    .prop_flat_map(|lines| {
        let n = lines.len();
        (Just(lines), prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n")], n..=n))
    })
    .prop_map(|(lines, endings)| lines.iter().zip(endings).flat_map(|(l, e)| [*l, e]).collect())
}

fn file() -> impl Strategy<Value = (String, String, String)> {
    let shared =
        (prop_oneof![Just("\n"), Just("\r\n")], lines(), prop_oneof![Just("\n"), Just("\r\n"), Just("")])
            .prop_map(|(e, body, last)| (format!("# BEGIN{e}{body}# END"), last));
    (lines(), shared, lines()).prop_map(|(before, (shared, last), after)| {
        // Without a newline behind the end marker nothing can follow it.
        let after = if last.is_empty() { String::new() } else { after };
        (before, format!("{shared}{last}"), after)
    })
}

proptest! {
    #[test]
    fn a_fix_is_clean_final_and_touches_nothing_else(
        files in prop::collection::vec(file(), 2..5),
        source in prop::option::of(0_usize..2),
    ) {
        let names: Vec<String> = (0..files.len()).map(|n| format!("f{n}")).collect();
        let mut tree = Snapshot::default();
        for (name, (before, shared, after)) in names.iter().zip(&files) {
            tree.files.insert(name.into(), format!("{before}{shared}{after}").into_bytes());
        }
        let regions = [spec(&names.iter().map(String::as_str).collect::<Vec<_>>())];
        let source = source.map(|n| Utf8PathBuf::from(&names[n]));
        let request = |tree| fix::plan(&FixRequest { tree, regions: &regions, source: source.as_deref(), configured: true, git: None });
        let plan = request(&tree);
        let mut mended = tree.clone();
        for edit in &plan.edits {
            prop_assert_eq!(&tree.files[&edit.file], &edit.before);
            mended.files.insert(edit.file.clone(), edit.after.clone());
        }
        let drift = check(&CheckRequest { tree: &mended, regions: &regions });
        prop_assert!(drift.findings.iter().all(|f| f.code.name == "shared-region-context"), "{:?}", drift);
        prop_assert!(request(&mended).edits.is_empty());
        for (name, (before, _, after)) in names.iter().zip(&files) {
            let text = String::from_utf8(mended.files[Utf8Path::new(name)].clone()).unwrap();
            let rest = text.strip_prefix(before.as_str());
            prop_assert!(rest.is_some_and(|rest| rest.ends_with(after.as_str())));
            let kept = rest.unwrap().strip_suffix(after.as_str()).unwrap();
            prop_assert!(kept.starts_with("# BEGIN") && kept.trim_end_matches(['\r', '\n']).ends_with("# END"));
        }
    }
}
