//! Two files that share a region, whatever they hold: the check ends, mending drift leaves none and is done
//! at once, and no byte outside of the region changes.
#![no_main]

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use libfuzzer_sys::fuzz_target;
use loadline_check::fix::{FixRequest, plan};
use loadline_check::{Repository, Snapshot, examine};
use loadline_core::config::{SharedRegion, Workflows};
use loadline_dockerfile::region;

const BEGIN: &str = "# begin";
const END: &str = "# end";
const SEPARATOR: &[u8] = b"\n====\n";

fuzz_target!(|bytes: &[u8]| {
    // Three texts: two Dockerfiles and a workflow.
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|w| w == SEPARATOR) {
        parts.push(&rest[..at]);
        rest = &rest[at + SEPARATOR.len()..];
    }
    parts.push(rest);
    let names = ["a.Dockerfile", "b.Dockerfile", ".github/workflows/w.yml"];
    let files: BTreeMap<Utf8PathBuf, Vec<u8>> =
        names.iter().zip(parts).map(|(name, text)| (Utf8PathBuf::from(*name), text.to_vec())).collect();
    let tree = Snapshot { files };
    let spec = SharedRegion {
        name: "x".to_owned(),
        begin: BEGIN.to_owned(),
        end: END.to_owned(),
        files: names[..2].iter().map(|name| (*name).into()).collect(),
    };
    let regions = [spec];
    let look = |tree: &Snapshot| {
        examine(&Repository { tree, config: None, regions: &regions, workflows: Some(Workflows::All) })
    };
    let _ = loadline_check::discover::discover(&tree);
    let _ = look(&tree);
    let request = |tree| FixRequest { tree, regions: &regions, source: None, configured: true, git: None };
    let mended = plan(&request(&tree));
    let mut after = tree.clone();
    for edit in &mended.edits {
        let (old, new) = (&edit.before, &edit.after);
        let from = region::find(old, BEGIN, END).expect("only a file with a region is mended");
        let to = region::find(new, BEGIN, END).expect("a mended file has its region");
        assert_eq!(old[..from.span.start], new[..to.span.start]);
        assert_eq!(old[from.span.end..], new[to.span.end..]);
        after.files.insert(edit.file.clone(), edit.after.clone());
    }
    let found = look(&after);
    assert!(found.findings.iter().all(|finding| finding.code.name != "shared-region-drift"));
    assert!(plan(&request(&after)).edits.is_empty(), "a second fix does more");
});
