//! `loadline sign-bundle`: a file or statement into a Sigstore bundle, with the arguments of the Sigstore
//! conformance suite's CLI protocol.

use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::{Failure, Outcome, Secret, Verdict};
use loadline_registry::{Http, HttpOptions};
use loadline_report::Format;
use loadline_sigstore::{
    BUNDLE_LIMIT, Expected, Instance, Signer, SigningServices, TokenSource, Verifier, VerifyError,
};

use crate::codes::TRUST_ROOT_UNREADABLE;
use crate::exit::Exit;
use crate::files;
use crate::render::outcome::{fail, show};
use crate::session::wait;
use crate::setup::client;
use crate::trust;
use crate::world::World;

/// Sign a file or an in-toto statement into a Sigstore bundle
///
/// The bundle is verified before it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Sign with Sigstore's public staging instance.
    #[arg(long)]
    staging: bool,
    /// FILE is an in-toto statement to be signed as such.
    #[arg(long)]
    in_toto: bool,
    /// The OIDC token of the one who signs.
    #[arg(long, value_name = "TOKEN")]
    identity_token: String,
    /// Where the bundle goes.
    #[arg(long, value_name = "FILE")]
    bundle: Utf8PathBuf,
    /// Who must be believed for what is signed: a trusted root file. It goes before --staging.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Where to sign: a signing config file. It goes before --staging.
    #[arg(long, value_name = "FILE")]
    signing_config: Option<PathBuf>,
    /// How to show what was found.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// What is signed.
    #[arg(value_name = "FILE")]
    file: Utf8PathBuf,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let format = args.format;
    let outcome = match wait(world, sign(args, world)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => return fail(world, failure, format),
        Err(exit) => return exit,
    };
    show(world, &outcome, format, "sign-bundle", Utf8Path::new("."));
    outcome.verdict().into()
}

async fn sign(args: Args, world: &World) -> Result<Outcome, Failure> {
    let verifier = Verifier::new(trust::roots(world, args.trusted_root.as_deref(), args.staging)?);
    let services = match (&args.signing_config, args.staging) {
        (Some(file), _) => SigningServices::read(&world.folder.join(file), None),
        (None, true) => SigningServices::embedded(Instance::Staging),
        (None, false) => SigningServices::embedded(Instance::PublicGood),
    };
    let services = services.map_err(|error| {
        Failure::new(&TRUST_ROOT_UNREADABLE, error.to_string()).help("mend the file that the message names")
    })?;
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let token = TokenSource::Given(Secret::new(args.identity_token));
    let signer = Signer::keyless(services, token, client(&http)?)
        .map_err(|error| error.failure())?
        .with_clock(world.clock);
    let (bundle, digest) = if args.in_toto {
        let statement = files::read(world, args.file.as_std_path(), BUNDLE_LIMIT as u64)?;
        (signer.sign_statement(&statement).await, None)
    } else {
        let digest = files::digest(world, args.file.as_std_path())?;
        (signer.sign_message(&digest).await, Some(digest))
    };
    let bundle = bundle.map_err(|error| error.failure())?;
    let checked = match &digest {
        Some(digest) => verifier.verify(&bundle, Expected::Digest(digest)).map(|_| ()),
        None => about_itself(&verifier, &bundle),
    };
    let outcome = match checked {
        Ok(()) => Outcome::new(),
        Err(error) => Outcome::from(vec![error.finding().help(
            "the services that signed and the trust root that is believed do not belong together: name both",
        )]),
    };
    if outcome.verdict() == Verdict::Pass {
        files::write(world, args.bundle.as_std_path(), &bundle)?;
    }
    Ok(outcome)
}

/// Whether a bundle verifies, whatever it is about: the statement was given, and so were its subjects.
fn about_itself(verifier: &Verifier, bundle: &[u8]) -> Result<(), VerifyError> {
    match verifier.verify(bundle, Expected::OneOf(&[])) {
        Ok(_) | Err(VerifyError::SubjectMismatch { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
