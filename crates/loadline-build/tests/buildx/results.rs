//! What a build leaves, read back and held against what was asked for.

use loadline_core::Digest;
use loadline_registry::Repository;
use tempfile::TempDir;

use crate::fake::{Fake, INSPECT, Leg, Lie, VERSION, arm64, run, write_leg};

/// A docker that writes this leg into the layout that it is told to.
fn with_leg(lie: Lie) -> (Fake, Leg, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let leg = run(write_leg(&Repository::layout(folder.path()), lie));
    let build = format!(
        "cp -R {} \"$dest\"; echo '{{\"containerimage.digest\":\"{}\"}}' > $meta",
        folder.path().display(),
        leg.index.digest
    );
    (Fake::new(VERSION, INSPECT, &build), leg, folder)
}

#[test]
fn a_leg_keeps_its_attestation() {
    let (fake, leg, _folder) = with_leg(Lie::default());
    let mut request = fake.request();
    request.target = Some("production".into());
    let built = run(fake.builder().build(&request, &fake.destination())).unwrap();
    assert_eq!(built.builder, "buildx");
    assert_eq!(built.manifest, leg.manifest.clone().with_platform(&arm64()));
    assert_eq!(built.attestations, std::slice::from_ref(&leg.attestation));
    assert_eq!(built.diff_ids, [Digest::of("a layer")]);
    assert_eq!(built.inputs.dockerfile, Some(Digest::of("FROM scratch\n")));
    assert_eq!(built.inputs.context, None);
    let bases: Vec<_> = built.inputs.bases.iter().map(|base| (base.name.as_str(), &base.digest)).collect();
    assert_eq!(bases, [("docker.io/library/debian:13", &Digest::of("debian"))]);
    let destination = fake.destination();
    for manifest in [&leg.manifest, &leg.attestation] {
        let there = run(destination.manifest(&manifest.digest.to_string())).unwrap();
        for blob in there.as_image().unwrap().layers {
            assert!(run(destination.has_blob(&blob.digest)).unwrap());
        }
    }
    let call = &fake.calls()[2];
    assert!(call.contains("--target production"), "{call}");
    assert!(call.contains("--output type=oci,tar=false,dest="), "{call}");
}

#[test]
fn the_instance_is_looked_at_once() {
    let (fake, _leg, _folder) = with_leg(Lie::default());
    let builder = fake.builder();
    let (request, destination) = (fake.request(), fake.destination());
    run(async {
        let other = builder.with(fake.options.clone());
        let both = [builder.build(&request, &destination).await, other.build(&request, &destination).await];
        assert!(both.iter().all(Result::is_ok), "{both:?}");
    });
    let inspections = fake.calls().iter().filter(|call| call.starts_with("buildx inspect")).count();
    assert_eq!(inspections, 1);
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let lies = [
        (
            Lie { platform: Some("linux/amd64"), ..Lie::default() },
            "its configuration says linux/amd64, not linux/arm64",
        ),
        (
            Lie { entry_platform: Some("linux/amd64"), ..Lie::default() },
            "it is for linux/amd64, not for linux/arm64",
        ),
        (Lie { more_diff_ids: true, ..Lie::default() }, "lists 2 layers, its manifest 1"),
        (Lie { two_images: true, ..Lie::default() }, "an index of 2 images"),
        (Lie { foreign_attestation: true, ..Lie::default() }, "speak of another image"),
    ];
    for (lie, says) in lies {
        let (fake, _leg, _folder) = with_leg(lie);
        let error = fake.build().unwrap_err();
        assert_eq!(error.code().name, "buildx-result");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_leg_that_was_not_written_is_not_believed() {
    let nothing = Digest::of("nothing");
    let build = format!("mkdir -p \"$dest\"; echo '{{\"containerimage.digest\":\"{nothing}\"}}' > $meta");
    let error = Fake::new(VERSION, INSPECT, &build).build().unwrap_err();
    assert_eq!(error.code().name, "buildx-result");
    assert!(error.to_string().contains("cannot be read back"), "{error}");
}
