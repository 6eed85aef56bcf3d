//! The same input is the same digest: whatever the time, the umask, the place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loadline_registry::Repository;

use crate::kitchen::{Kitchen, assembler, run};

const DOCKERFILE: &str = "FROM scratch AS build\nCOPY src /src\nADD data.tar /data\nFROM scratch\nARG TARGETARCH\n\
    COPY --from=build /src /app\nCOPY bin/$TARGETARCH/hello /bin/\nCOPY share /share\nWORKDIR /app\nENTRYPOINT [\"/bin/hello\"]\n";

fn kitchen() -> Kitchen {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o600);
    builder.append_data(&mut header, "x", &b"x"[..]).unwrap();
    let archive = String::from_utf8(builder.into_inner().unwrap()).unwrap();
    Kitchen::new(DOCKERFILE)
        .file("data.tar", &archive)
        .file("src/z", "last")
        .file("src/a/b/c", &"deep ".repeat(20_000))
        .file("src/a-b", "sorts after a/")
        .executable("bin/amd64/hello", "amd64 program")
        .executable("bin/arm64/hello", "arm64 program")
        .file("share/text", &"the same everywhere ".repeat(5_000))
        .link("share/link", "text")
}

fn disturb(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            continue;
        }
        // As a checkout under another umask, years earlier.
        let mode = match (kind.is_dir(), entry.metadata().unwrap().permissions().mode() & 0o100 != 0) {
            (true, _) => 0o700,
            (false, true) => 0o700,
            (false, false) => 0o600,
        };
        if kind.is_dir() {
            disturb(&path);
        } else {
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
            fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn the_same_input_is_the_same_digest() {
    let (one, two) = (kitchen(), kitchen());
    disturb(&two.context());
    let (first, second) = (one.build().unwrap().built, two.build().unwrap().built);
    assert_eq!(first, second);
    let again = one.build().unwrap().built;
    assert_eq!(first.manifest, again.manifest);

    fs::write(two.context().join("share/text"), "another").unwrap();
    let changed = two.build().unwrap().built;
    assert_ne!(first.manifest.digest, changed.manifest.digest);
    assert_ne!(first.inputs.context, changed.inputs.context);
}

#[test]
fn the_date_is_an_input() {
    let kitchen = kitchen();
    let mut request = kitchen.request();
    let at_zero = kitchen.build_with(&request).unwrap();
    request.source_date_epoch = 1_700_000_000;
    let later = kitchen.build_with(&request).unwrap();
    assert_ne!(at_zero.built.manifest.digest, later.built.manifest.digest);
    assert_eq!(later.config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(later.config["history"][0]["created"], "2023-11-14T22:13:20Z");
    // BuildKit's own way to say it goes first.
    let mut by_argument = kitchen.request();
    by_argument.build_args.push(("SOURCE_DATE_EPOCH".into(), "1700000000".into()));
    assert_eq!(kitchen.build_with(&by_argument).unwrap().built.manifest, later.built.manifest);
    by_argument.build_args.push(("SOURCE_DATE_EPOCH".into(), "yesterday".into()));
    assert!(kitchen.build_with(&by_argument).err().unwrap().to_string().contains("`yesterday`"));
}

#[test]
fn legs_share_the_layers_that_are_alike() {
    let kitchen = kitchen();
    let assembler = assembler();
    let destination = Repository::layout(kitchen.layout("image"));
    let leg = |platform: &str| {
        let mut request = kitchen.request();
        request.platform = platform.parse().unwrap();
        request
    };
    let (amd64, arm64) = run(async {
        let (amd64, arm64) = (leg("linux/amd64"), leg("linux/arm64"));
        tokio::join!(assembler.assemble(&amd64, &destination), assembler.assemble(&arm64, &destination))
    });
    let (amd64, arm64) = (amd64.unwrap(), arm64.unwrap());
    let shared: Vec<bool> = amd64.layers.iter().zip(&arm64.layers).map(|(one, two)| one == two).collect();
    assert_eq!(shared, [true, false, true, true]);
    assert_ne!(amd64.manifest.digest, arm64.manifest.digest);
    assert_eq!(amd64.inputs.context, arm64.inputs.context);
    assert_eq!(arm64.manifest.platform().unwrap().to_string(), "linux/arm64");
}

#[test]
fn what_changes_between_legs_is_an_error() {
    let kitchen = Kitchen::new("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /x\n")
        .file("amd64", "a")
        .file("arm64", "b");
    let assembler = assembler();
    let destination = Repository::layout(kitchen.layout("image"));
    let mut request = kitchen.request();
    run(assembler.assemble(&request, &destination)).unwrap();
    let kitchen = kitchen.file("arm64", "c");
    request.platform = "linux/arm64".parse().unwrap();
    let error = run(assembler.assemble(&request, &destination)).unwrap_err();
    assert_eq!(error.to_string(), "`/x` changed after the context was read: run the build again");
    assert!(!error.is_input());
    drop(kitchen);
}

// What an image comes to, for all time: a change here changes every image that was ever assembled.
#[test]
fn the_digest_is_known() {
    let built = kitchen().build().unwrap().built;
    assert_eq!(
        built.manifest.digest.to_string(),
        "sha256:a80fad6884e93afea47bf01b31e4eaf8cfb50c7bd7279a6b5a076732714680eb"
    );
    assert_eq!(
        built.inputs.context.unwrap().to_string(),
        "sha256:8c7356e74de965fb2c1c4a79c48b22fc6ce8ad600db7d06cb261e7ca5d4f5650"
    );
}
