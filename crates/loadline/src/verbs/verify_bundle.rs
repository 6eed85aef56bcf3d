//! `loadline verify-bundle`: one Sigstore bundle of any kind, with the arguments of the Sigstore conformance
//! suite's CLI protocol.

use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::proof::{Content, Proof, Signer};
use loadline_core::{Algorithm, Digest, Failure, Finding, Hasher, Location, Outcome, Severity, Verdict};
use loadline_policy::{
    IdentityRule, JudgeContext, PROVENANCE_CONTRADICTS_CERTIFICATE, PROVENANCE_MALFORMED, Policy, judge,
};
use loadline_report::Format;
use loadline_sigstore::{BUNDLE_LIMIT, Expected, KeyTrust, PublicKey, Verifier};

use crate::codes::INPUT_UNREADABLE;
use crate::exit::Exit;
use crate::files::{self, Artifact};
use crate::render::outcome::{fail, show};
use crate::trust;
use crate::world::World;

/// A PEM file of a public key has a few hundred bytes.
const KEY_LIMIT: u64 = 64 << 10;

/// Verify one Sigstore bundle against a file or digest
///
/// The signer must be exactly the one named: nothing is a pattern.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("signer").required(true).args(["certificate_identity", "key"]))]
pub(crate) struct Args {
    /// Believe Sigstore's public staging instance, and it alone.
    #[arg(long)]
    staging: bool,
    /// The bundle.
    #[arg(long, value_name = "FILE")]
    bundle: Utf8PathBuf,
    /// Who must have signed: the certificate's subject.
    #[arg(long, value_name = "ID", requires = "certificate_oidc_issuer")]
    certificate_identity: Option<String>,
    /// Who must vouch for the signer: the certificate's OIDC issuer.
    #[arg(long, value_name = "URL", requires = "certificate_identity", conflicts_with = "key")]
    certificate_oidc_issuer: Option<String>,
    /// The public key that must have signed.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// Who is believed: a trusted root file. It goes before --staging.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// How to show what was found.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// What was signed: a file, or `sha256:` and its digest in hexadecimal.
    #[arg(value_name = "FILE_OR_DIGEST")]
    artifact: String,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let result = match examine(&args, world) {
        Ok(result) => result,
        Err(failure) => return fail(world, failure, args.format),
    };
    let (proof, outcome) = match result {
        Ok((proof, findings)) => (Some(proof), Outcome::from(findings)),
        Err(finding) => (None, Outcome::from(vec![finding.at(Location::file(args.bundle.clone()))])),
    };
    let verdict = outcome.verdict();
    show(world, &outcome, args.format, "verify-bundle", Utf8Path::new("."));
    if let Some(proof) = proof.filter(|_| verdict == Verdict::Pass && args.format == Format::Human) {
        world.tell(&line(&proof));
    }
    verdict.into()
}

/// What the bundle proves and what is wrong with that, or why it is refused.
type Examined = Result<(Proof, Vec<Finding>), Finding>;

fn examine(args: &Args, world: &World) -> Result<Examined, Failure> {
    let verifier = Verifier::new(trust::roots(world, args.trusted_root.as_deref(), args.staging)?);
    // One byte more than is allowed: the verifier says that it is too large.
    let bundle = files::read_some(world, args.bundle.as_std_path(), BUNDLE_LIMIT as u64 + 1)?;
    let artifact = Artifact::read(world, &args.artifact)?;
    let expected = match &artifact {
        Artifact::Bytes(bytes) => Expected::Bytes(bytes),
        Artifact::Digest(digest) => Expected::Digest(digest),
    };
    let (proof, identity) = match (&args.key, &args.certificate_identity, &args.certificate_oidc_issuer) {
        (Some(file), _, _) => {
            let pem = files::read(world, file, KEY_LIMIT)?;
            let key = PublicKey::from_pem(&String::from_utf8_lossy(&pem))
                .map_err(|error| Failure::new(&INPUT_UNREADABLE, format!("{}: {error}", file.display())))?;
            let rule = IdentityRule::key(key.spki_sha256());
            (verifier.verify_with_key(&bundle, expected, &key, KeyTrust::Logged), rule)
        }
        (None, Some(subject), Some(issuer)) => {
            (verifier.verify(&bundle, expected), IdentityRule::exact(subject, issuer))
        }
        _ => return Err(Failure::new(&INPUT_UNREADABLE, "no signer is named")),
    };
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => return Ok(Err(error.finding())),
    };
    let policy = Policy::builder().identity(identity).build();
    let context = JudgeContext::new(proven_digest(&proof, &artifact), world.clock.now());
    let findings = judge(&policy, &proof, &context).into_iter().map(content_is_not_asked).collect();
    Ok(Ok((proof, findings)))
}

/// Who signed which artifact is the question here, not whether what was said of it is true: `verify` asks that.
fn content_is_not_asked(finding: Finding) -> Finding {
    let about_content = [&PROVENANCE_CONTRADICTS_CERTIFICATE, &PROVENANCE_MALFORMED];
    if !about_content.iter().any(|code| code.name == finding.code.name) {
        return finding;
    }
    let finding = Finding { severity: Severity::Warning, ..finding };
    finding.help("the signature is good; `loadline verify` refuses evidence that says this")
}

/// The digest of the artifact that the bundle names: statements may name it by its SHA-512 alone.
fn proven_digest(proof: &Proof, artifact: &Artifact) -> Digest {
    let bytes = match artifact {
        Artifact::Digest(digest) => return digest.clone(),
        Artifact::Bytes(bytes) => bytes,
    };
    let sha256 = Digest::of(bytes);
    let Content::Statement { subjects, .. } = &proof.content else { return sha256 };
    if subjects.iter().any(|subject| subject.is(&sha256)) {
        return sha256;
    }
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(bytes);
    hasher.finish()
}

/// What is proven, on one line.
fn line(proof: &Proof) -> String {
    let signer = match &proof.signer {
        Signer::Certificate(identity) => format!("{} (issuer {})", identity.subject, identity.issuer),
        Signer::Key { spki_sha256 } => format!("the key {spki_sha256}"),
    };
    let time = proof.times.iter().map(|time| time.at).min();
    let time = time.map(|time| format!(", {time}")).unwrap_or_default();
    let log = proof.log.as_ref().map(|log| format!(", log entry {}", log.log_index)).unwrap_or_default();
    format!("signed by {signer}{time}{log}, believed: {}", proof.instance)
}
