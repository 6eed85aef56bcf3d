//! How long it takes to read `loadline.toml`, and to expand a template.

use camino::Utf8Path;
use divan::Bencher;
use loadline_core::config::{PathKind, ReleaseVersion, Variables, expand_tag, load};

fn main() {
    divan::main();
}

/// A set of this many images with what images usually have.
fn set(images: usize) -> String {
    let mut text = String::from(
        "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n",
    );
    for index in 0..images {
        text.push_str(&format!(
            "[image.image{index}]\ndockerfile = \"Dockerfile\"\ntags = [\"{{version}}-{{image}}\", \"{{commit.short}}-{{image}}\"]\n\
             moving-tags = [\"latest-{{image}}\"]\n[image.image{index}.build-args]\nVERSION = \"{{version}}\"\n"
        ));
    }
    text
}

#[divan::bench(args = [2, 200])]
fn load_a_set(bencher: Bencher<'_, '_>, images: usize) {
    let text = set(images);
    let there = |path: &Utf8Path| Some(if path == "." { PathKind::Directory } else { PathKind::File });
    bencher.bench(|| load(Utf8Path::new("loadline.toml"), divan::black_box(&text), &there).is_ok());
}

#[divan::bench]
fn expand_a_tag(bencher: Bencher<'_, '_>) {
    let variables = Variables {
        version: ReleaseVersion::Commit("a".repeat(40)),
        image: "daemon".to_owned(),
        commit: Some("a".repeat(40)),
        branch: Some("feature/x".to_owned()),
        repository_hash: String::new(),
        platform: None,
    };
    bencher.bench(|| expand_tag(divan::black_box("{version}-{image}-{branch}"), &variables));
}
