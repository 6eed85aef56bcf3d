//! One statement's way: found, saved or signed; verified; hung on its subjects; added to GitHub's attestations.

use std::path::PathBuf;

use bytes::Bytes;
use loadline_core::proof::Proof;
use loadline_core::{Digest, Failure, Finding};
use loadline_evidence::existing::bundles_with;
use loadline_evidence::{Destination, Evidence, Patience, Waiting, budget};
use loadline_release::codes::{LEDGER_UNUSABLE, SIGNING_INTERRUPTED};
use loadline_release::github::GitHubPlace;
use loadline_release::ledger::{Ledger, LedgerError, Tripwire};
use loadline_release::store::{Kind, Store, StoreError};
use loadline_sigstore::{Expected, KeyTrust, Name, RekorVersion, Signer, Verifier, VerifyError};

use super::document::Attestation;
use super::statement::Made;
use super::target::Target;
use crate::codes::SIGNER_UNKNOWN;
use crate::world::World;

/// What attesting takes.
pub(super) struct Attester<'a> {
    pub(super) world: &'a World,
    pub(super) signer: Option<&'a Signer>,
    pub(super) verifier: &'a Verifier,
    pub(super) patience: &'a Patience,
    pub(super) place: Option<&'a GitHubPlace>,
    /// Where ledgers are kept, one a statement.
    pub(super) folder: PathBuf,
    /// Whether the folder is ours to hide from git.
    pub(super) own_folder: bool,
}

const AGAIN: &str = "run again: it goes on from where it stood";

impl Attester<'_> {
    /// What is wrong with a statement's size, before anything is signed.
    pub(super) fn too_large(&self, target: &Target, made: &Made) -> Vec<Finding> {
        let mut places = vec![Destination::BUNDLE];
        if self.place.is_some() {
            places.push(Destination::GITHUB);
        }
        let rekor = self.signer.and_then(|signer| signer.services().rekor());
        if rekor.is_some_and(|(_, version)| version == RekorVersion::V1) {
            places.push(Destination::REKOR_V1);
        }
        let what = format!("the statement about {}", target.name);
        budget::check(&what, &made.bytes, &places)
    }

    /// Goes all the way. The bundle, and notes about how it came to be.
    pub(super) async fn attest(
        &self,
        target: &Target,
        made: &Made,
        tell: impl FnMut(&Waiting) + Copy,
    ) -> Result<(Attestation, Bytes, Vec<Finding>), Failure> {
        let Some(signer) = self.signer else {
            return Err(Failure::new(&SIGNER_UNKNOWN, "there is nobody to sign"));
        };
        let digest = Digest::of(&made.bytes);
        let unusable = |error: LedgerError| Failure::new(&LEDGER_UNUSABLE, error.to_string());
        let unstored = |error: StoreError| Failure::new(&LEDGER_UNUSABLE, error.to_string());
        if self.own_folder
            && let Some(parent) = self.folder.parent()
        {
            // What is kept there must not make a checkout dirty; what cannot be written is the ledger's to say.
            let _ = std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(parent.join(".gitignore"), "*\n"));
        }
        let folder = self.folder.join(&digest.hex()[..16]);
        let ledger =
            Ledger::open(&folder.join("ledger.jsonl"), self.world.clock, Tripwire::Off).map_err(unusable)?;
        let store = Store::new(&folder);
        store.save_statement(&made.bytes).map_err(unstored)?;

        let subjects: Vec<Digest> = target.subjects.iter().map(|subject| subject.digest.clone()).collect();
        let mut notes = Vec::new();
        let mut name = None;
        let (found, hangs_on) = self.found(signer, target, made, &subjects, &mut name, tell).await?;
        let saved = match store.load(Kind::Bundle, &digest).map_err(unstored)? {
            // Kept by an earlier run, which may have been somebody else's.
            Some(bundle) if self.is_ours(signer, &bundle, &subjects, &mut name, tell).await? => Some(bundle),
            _ => None,
        };
        let (bundle, how) = match (found, saved) {
            (Some(bundle), _) => (bundle, "found"),
            (None, Some(bundle)) => (Bytes::from(bundle), "saved"),
            (None, None) => {
                let key = format!("sign {digest}");
                if ledger.interrupted(&key) {
                    let message = "the statement is signed again: an earlier run did not see its signing end";
                    notes.push(Finding::note(&SIGNING_INTERRUPTED, message).about(&digest));
                }
                ledger.intent(&key).map_err(unusable)?;
                let bundle = self
                    .patience
                    .wait_out(|| signer.sign_statement(&made.bytes), tell)
                    .await
                    .map_err(|error| error.failure().help(AGAIN))?;
                store.save(Kind::Bundle, &digest, &bundle).map_err(unstored)?;
                ledger.done(&key, &Digest::of(&bundle)).map_err(unusable)?;
                (Bytes::from(bundle), "signed")
            }
        };
        self.verify(signer, &bundle, &subjects)?;

        let created = self.created(&ledger).map_err(unusable)?;
        let evidence = Evidence { bundle: &bundle, predicate_type: &made.predicate_type, created: &created };
        let missing: Vec<_> =
            target.subjects.iter().filter(|subject| !hangs_on.contains(&subject.digest)).collect();
        if !missing.is_empty() {
            let push = || evidence.push_blobs(&target.repository);
            self.patience.wait_out(push, tell).await.map_err(|error| failed(&error))?;
        }
        for subject in &missing {
            let hang = || evidence.attach(&target.repository, subject);
            self.patience.wait_out(hang, tell).await.map_err(|error| failed(&error))?;
        }
        let added_to_github = match self.place {
            None => None,
            Some(place) => {
                let add = || place.destination.add(&subjects[0], &made.predicate_type, &bundle);
                let added = self.patience.wait_out(add, tell).await;
                Some(added.map_err(|error| error.failure().help(AGAIN))?)
            }
        };
        let attestation = Attestation {
            image: format!("{}@{}", target.name, target.digest),
            predicate_type: made.predicate_type.clone(),
            subjects: subjects.iter().map(ToString::to_string).collect(),
            statement: digest.to_string(),
            bytes: made.bytes.len(),
            bundle: Some(how),
            attached: missing.len(),
            unchanged: subjects.len() - missing.len(),
            added_to_github,
        };
        Ok((attestation, bundle, notes))
    }

    /// A bundle of ours with this very statement that hangs on a subject already, and on which of them it does.
    async fn found(
        &self,
        signer: &Signer,
        target: &Target,
        made: &Made,
        subjects: &[Digest],
        name: &mut Option<Name>,
        tell: impl FnMut(&Waiting) + Copy,
    ) -> Result<(Option<Bytes>, Vec<Digest>), Failure> {
        let mut first: Option<Bytes> = None;
        let mut hangs_on = Vec::new();
        for subject in subjects {
            let look = || bundles_with(&target.repository, subject, &made.predicate_type, &made.bytes);
            let candidates =
                self.patience.wait_out(look, tell).await.map_err(|error| Failure::from(&error))?;
            for bundle in candidates {
                // Anyone may hang there what they signed: only what is signed by us spares us signing.
                if self.is_ours(signer, &bundle, subjects, name, tell).await? {
                    hangs_on.push(subject.clone());
                    first.get_or_insert(bundle);
                    break;
                }
            }
        }
        Ok((first, hangs_on))
    }

    /// Whether a bundle verifies and is signed under the name that ours would be.
    async fn is_ours(
        &self,
        signer: &Signer,
        bundle: &[u8],
        subjects: &[Digest],
        name: &mut Option<Name>,
        tell: impl FnMut(&Waiting) + Copy,
    ) -> Result<bool, Failure> {
        let Ok(proof) = self.proof(signer, bundle, subjects)? else { return Ok(false) };
        let name = match name {
            Some(name) => name,
            None => {
                let asked = self.patience.wait_out(|| signer.name(), tell).await;
                name.insert(asked.map_err(|error| error.failure())?)
            }
        };
        Ok(name.signed(&proof))
    }

    /// What a bundle proves to those who believe this root.
    fn proof(
        &self,
        signer: &Signer,
        bundle: &[u8],
        subjects: &[Digest],
    ) -> Result<Result<Proof, VerifyError>, Failure> {
        let expected = Expected::OneOf(subjects);
        Ok(match signer.public_key().map_err(|error| error.failure())? {
            None => self.verifier.verify(bundle, expected),
            Some(key) => self.verifier.verify_with_key(bundle, expected, &key, KeyTrust::Logged),
        })
    }

    /// Whether the bundle will be believed by those who believe this root.
    fn verify(&self, signer: &Signer, bundle: &[u8], subjects: &[Digest]) -> Result<(), Failure> {
        let verified = self.proof(signer, bundle, subjects)?;
        verified.map(|_| ()).map_err(|error| {
            Failure::new(error.code(), format!("nothing was pushed, the bundle does not verify: {error}")).help(
                "the services that signed and the trust root that is believed do not belong together: name both",
            )
        })
    }

    /// The time in the manifests around the bundle: the same each time.
    fn created(&self, ledger: &Ledger) -> Result<String, LedgerError> {
        if let Some(created) = ledger.result::<String>("created")? {
            return Ok(created);
        }
        let created = self.world.clock.now().to_string();
        ledger.settle("created", &created)?;
        Ok(created)
    }
}

fn failed(error: &loadline_evidence::AttachError) -> Failure {
    match error {
        loadline_evidence::AttachError::Registry(error) => Failure::from(error),
        other => Failure::new(&LEDGER_UNUSABLE, other.to_string()),
    }
    .help(AGAIN)
}
