//! How long one bundle takes within a process: our verification, and the library's own beside it.
//!
//!     verify_once BUNDLE TRUSTED-ROOT sha256:DIGEST [TIMES]

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program of its own, which measures")]

use std::error::Error;
use std::time::{Duration, Instant};

use loadline_core::Digest;
use loadline_sigstore::{Expected, TrustRoot, TrustRoots, Verifier};
use sigstore_types::{Artifact, ArtifactDigest, Bundle, HashAlgorithm};
use sigstore_verify::VerificationPolicy;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, root, digest, times @ ..] = arguments.as_slice() else {
        return Err("usage: verify_once BUNDLE TRUSTED-ROOT sha256:DIGEST [TIMES]".into());
    };
    let times: usize = times.first().map_or(Ok(1000), |times| times.parse())?;
    let text = std::fs::read_to_string(bundle)?;
    let root_json = std::fs::read_to_string(root)?;
    let digest: Digest = digest.parse()?;

    let verifier = Verifier::new(TrustRoots::only(TrustRoot::from_json("root", root_json.as_bytes())?));
    let ours = measure(times, || {
        verifier.verify(text.as_bytes(), Expected::Digest(&digest)).map(drop).map_err(Into::into)
    })?;

    let trusted = sigstore_trust_root::TrustedRoot::from_json(&root_json)?;
    let library = sigstore_verify::Verifier::new(&trusted)?;
    let policy = VerificationPolicy::any_identity();
    let bytes = hex::decode(digest.hex())?;
    let theirs = measure(times, || {
        let bundle = Bundle::from_json(&text)?;
        let artifact = ArtifactDigest::new(HashAlgorithm::Sha2256, bytes.clone())?;
        library.verify(Artifact::from_digest(artifact), &bundle, &policy)?;
        Ok(())
    })?;
    println!(
        "{{\"what\": \"one bundle in a process\", \"bytes\": {}, \"ours_us\": {}, \"library_us\": {}}}",
        text.len(),
        ours.as_micros(),
        theirs.as_micros()
    );
    Ok(())
}

/// The median of so many.
fn measure(
    times: usize,
    mut one: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let mut all = Vec::with_capacity(times);
    for _ in 0..times.max(1) {
        let begun = Instant::now();
        one()?;
        all.push(begun.elapsed());
    }
    all.sort();
    Ok(all[all.len() / 2])
}
