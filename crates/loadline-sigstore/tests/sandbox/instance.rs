//! A private Sigstore with a signer for it.

use loadline_core::statement::{Statement, Subject};
use loadline_core::{Digest, Secret};
use loadline_sandbox::{GitHubRun, Options, Sandbox};
use loadline_sigstore::{Signer, SigningServices, TokenSource, TrustRoot, TrustRoots, Verifier};
use serde_json::{Value, json};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const SUBJECT: &str = "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main";

pub(crate) struct Instance {
    pub(crate) sandbox: Sandbox,
    _folder: Option<tempfile::TempDir>,
}

impl Instance {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(Options::new(folder.path())).await.unwrap();
        Self { sandbox, _folder: Some(folder) }
    }

    /// One whose data is kept elsewhere.
    pub(crate) fn of(sandbox: Sandbox) -> Self {
        Self { sandbox, _folder: None }
    }

    pub(crate) fn run() -> GitHubRun {
        GitHubRun::new("acme/widget", "refs/heads/main", COMMIT, ".github/workflows/build.yml")
    }

    pub(crate) fn token(&self) -> Secret {
        self.sandbox.github_token(&Self::run()).unwrap()
    }

    pub(crate) fn services(&self) -> SigningServices {
        SigningServices::read(&self.sandbox.ready().signing_config, None).unwrap()
    }

    pub(crate) fn signer(&self) -> Signer {
        let token = TokenSource::Given(self.token());
        Signer::keyless(self.services(), token, reqwest::Client::new()).unwrap()
    }

    pub(crate) fn root_json(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.sandbox.ready().trusted_root).unwrap()).unwrap()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        verifier(&self.root_json())
    }
}

/// A verifier that believes this root alone.
pub(crate) fn verifier(root: &Value) -> Verifier {
    let json = serde_json::to_vec(root).unwrap();
    Verifier::new(TrustRoots::only(TrustRoot::from_json("the sandbox", &json).unwrap()))
}

pub(crate) fn digest() -> Digest {
    Digest::of("an image")
}

/// A statement about [`digest`] and about another artifact.
pub(crate) fn statement() -> Vec<u8> {
    let subjects =
        vec![Subject::new("another", &Digest::of("another image")), Subject::new("image", &digest())];
    let statement =
        Statement::new(subjects, "https://example.com/predicate/v1", json!({"says": "something"}));
    serde_json::to_vec(&statement).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "the sandbox signs by the machine's clock")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
