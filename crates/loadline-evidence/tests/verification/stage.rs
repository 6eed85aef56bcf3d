//! An image of two platforms at a sandbox's registry, and evidence about it.

use bytes::Bytes;
use indexmap::IndexMap;
use jiff::Timestamp;
use loadline_core::config::Verify;
use loadline_core::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, SIGSTORE_BUNDLE_V03};
use loadline_core::predicate::{cyclonedx, slsa_provenance};
use loadline_core::statement::{Statement, Subject};
use loadline_core::{Digest, Platform, Severity, Verdict};
use loadline_evidence::provenance::{self, ImageBuild, Workflow};
use loadline_evidence::{Consumer, Evidence, Limits, Verification, demanded, verify_image};
use loadline_policy::Policy;
use loadline_registry::index::IndexBuilder;
use loadline_registry::{Backoff, BlobSource, Client, Descriptor, Http, HttpOptions, Options, Repository};
use loadline_sandbox::registry::Faults;
use loadline_sandbox::{GitHubRun, Sandbox};
use loadline_sigstore::{Signer, SigningServices, TokenSource, TrustRoot, TrustRoots, Verifier};
use serde_json::{Value, json};

pub(crate) const SOURCE: &str = "github.com/acme/widget";
pub(crate) const WORKFLOW: &str = ".github/workflows/release.yml";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const PROVENANCE: &str = slsa_provenance::PREDICATE_TYPE;
pub(crate) const SBOM: &str = cyclonedx::PREDICATE_TYPE;
pub(crate) const CREATED: &str = "2026-01-01T00:00:00Z";

/// How the registry behaves.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) no_referrers: bool,
    pub(crate) faults: &'static [&'static str],
}

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) repository: Repository,
    pub(crate) index: Descriptor,
    pub(crate) children: Vec<Descriptor>,
    _folder: tempfile::TempDir,
}

/// Retries, but not for long.
fn options() -> Options {
    let moment = std::time::Duration::from_millis(10);
    Options { backoff: Backoff { attempts: 2, first: moment, longest: moment }, ..Options::default() }
}

impl Stage {
    /// The image, without any evidence.
    pub(crate) async fn bare(setting: Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut sandbox_options = loadline_sandbox::Options::new(folder.path());
        sandbox_options.no_referrers = setting.no_referrers;
        sandbox_options.faults = Faults::parse(setting.faults, 0).unwrap();
        let sandbox = Sandbox::start(sandbox_options).await.unwrap();
        let name = format!("{}/acme/widget", sandbox.ready().registry);
        let client = Client::new(Http::new(HttpOptions::default()), options());
        let repository = Repository::at(&client, name.parse().unwrap());
        let mut children = Vec::new();
        for platform in ["linux/amd64", "linux/arm64"] {
            let platform: Platform = platform.parse().unwrap();
            children.push(push_image(&repository, &platform).await);
        }
        let built = IndexBuilder::new().entries(children.clone()).build().unwrap();
        let bytes = Bytes::from(built.bytes);
        let index = Descriptor::of(loadline_core::media_type::OCI_INDEX, &bytes);
        repository.push_manifest(&index.media_type, bytes).await.unwrap();
        Self { sandbox, repository, index, children, _folder: folder }
    }

    /// The image with all that is demanded by default: provenance of everything, an SBOM a platform.
    pub(crate) async fn good() -> Self {
        let stage = Self::bare(Setting::default()).await;
        stage.attest().await;
        stage
    }

    /// Attaches all that is demanded by default.
    pub(crate) async fn attest(&self) {
        self.attest_provenance().await;
        self.attest_sboms().await;
    }

    pub(crate) async fn attest_provenance(&self) {
        let bundle = self.sign(&self.provenance(&self.all())).await;
        for subject in self.all() {
            self.attach(&bundle, PROVENANCE, &subject).await;
        }
    }

    pub(crate) async fn attest_sboms(&self) {
        for child in &self.children {
            let bundle = self.sign(&sbom(&[&child.digest])).await;
            self.attach(&bundle, SBOM, child).await;
        }
    }

    /// Index and children.
    pub(crate) fn all(&self) -> Vec<Descriptor> {
        std::iter::once(&self.index).chain(&self.children).cloned().collect()
    }

    /// The workflow run that an honest release is.
    pub(crate) fn run() -> GitHubRun {
        GitHubRun::new("acme/widget", "refs/heads/main", COMMIT, WORKFLOW)
    }

    pub(crate) fn signer_for(&self, run: &GitHubRun) -> Signer {
        let token = TokenSource::Given(self.sandbox.github_token(run).unwrap());
        let services = SigningServices::read(&self.sandbox.ready().signing_config, None).unwrap();
        Signer::keyless(services, token, reqwest::Client::new()).unwrap()
    }

    pub(crate) async fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.sign_as(&Self::run(), statement).await
    }

    pub(crate) async fn sign_as(&self, run: &GitHubRun, statement: &[u8]) -> Vec<u8> {
        self.signer_for(run).sign_statement(statement).await.unwrap()
    }

    /// Honest provenance about these.
    pub(crate) fn provenance(&self, subjects: &[Descriptor]) -> Vec<u8> {
        self.provenance_of(subjects, &Self::run(), COMMIT)
    }

    /// Provenance about these by a run, which says that it built this commit.
    pub(crate) fn provenance_of(&self, subjects: &[Descriptor], run: &GitHubRun, built: &str) -> Vec<u8> {
        let workflow = Workflow {
            repository: format!("https://github.com/{}", run.repository),
            git_ref: run.git_ref.clone(),
            path: run.workflow.clone(),
            commit: run.sha.clone(),
            invocation: Some(format!("https://github.com/{}/actions/runs/1/attempts/1", run.repository)),
            github: None,
        };
        let build = ImageBuild {
            image: "widget",
            version: "1.0.0",
            source: SOURCE,
            git_ref: Some("refs/heads/main"),
            commit: built,
            dirty: None,
            dockerfile: "Dockerfile",
            target: None,
            build_args: &IndexMap::new(),
            legs: Vec::new(),
            builder: "assemble",
            source_date_epoch: 0,
            workflow: Some(&workflow),
            builder_id: &run.identity(),
            started_on: CREATED,
        };
        let subjects = subjects.iter().map(|subject| Subject::new("widget", &subject.digest)).collect();
        serde_json::to_vec(&provenance::statement(subjects, &build)).unwrap()
    }

    pub(crate) async fn attach(&self, bundle: &[u8], predicate_type: &str, subject: &Descriptor) {
        let evidence = Evidence { bundle, predicate_type, created: CREATED };
        evidence.push_blobs(&self.repository).await.unwrap();
        evidence.attach(&self.repository, subject).await.unwrap();
    }

    /// Attaches a manifest of any shape whose layer has this type and these bytes.
    pub(crate) async fn attach_shaped(
        &self,
        subject: &Descriptor,
        layer: (&str, &[u8]),
        change: impl Fn(&mut Value),
    ) {
        for blob in [layer.1, b"{}"] {
            let blob = Bytes::copy_from_slice(blob);
            self.repository.push_blob(BlobSource::Bytes(blob)).await.unwrap();
        }
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": SIGSTORE_BUNDLE_V03,
            "config": Descriptor::of(OCI_EMPTY, b"{}"),
            "layers": [Descriptor::of(layer.0, layer.1)],
            "subject": Descriptor::new(&subject.media_type, subject.digest.clone(), subject.size),
        });
        change(&mut manifest);
        self.repository.attach(OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap()).await.unwrap();
    }

    /// The address of this stage's log, whose data goes with the stage.
    pub(crate) fn moved_log(self) -> String {
        self.sandbox.ready().rekor.clone()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(TrustRoots::only(TrustRoot::read(&self.sandbox.ready().trusted_root).unwrap()))
    }

    /// What the configuration demands, changed.
    pub(crate) fn policy(&self, change: impl FnOnce(&mut Verify)) -> Policy {
        let mut verify = Verify { signer_workflow: Some(WORKFLOW.to_owned()), ..Verify::default() };
        verify.issuer = Some(self.sandbox.ready().issuer.clone());
        change(&mut verify);
        demanded::policy(&verify, SOURCE, None).unwrap()
    }

    pub(crate) async fn verify(&self) -> Seen {
        self.verify_by(&self.policy(|_| {}), &[PROVENANCE, SBOM], &[]).await
    }

    pub(crate) async fn verify_for(&self, predicates: &[&str]) -> Seen {
        self.verify_by(&self.policy(|_| {}), predicates, &[]).await
    }

    pub(crate) async fn verify_by(&self, policy: &Policy, predicates: &[&str], platforms: &[&str]) -> Seen {
        self.verify_within(policy, predicates, platforms, Limits::default()).await
    }

    /// Verifies by other roots.
    pub(crate) async fn verify_with(&self, verifier: &Verifier, predicates: &[&str]) -> Seen {
        self.verify_all(verifier, &self.policy(|_| {}), predicates, &[], Limits::default()).await
    }

    /// Verifies with a client of its own, which knows nothing of what was pushed.
    pub(crate) async fn verify_within(
        &self,
        policy: &Policy,
        predicates: &[&str],
        platforms: &[&str],
        limits: Limits,
    ) -> Seen {
        self.verify_all(&self.verifier(), policy, predicates, platforms, limits).await
    }

    async fn verify_all(
        &self,
        verifier: &Verifier,
        policy: &Policy,
        predicates: &[&str],
        platforms: &[&str],
        limits: Limits,
    ) -> Seen {
        let client = Client::new(Http::new(HttpOptions::default()), options());
        let repository = Repository::at(&client, self.repository.name().unwrap().clone());
        let predicate_types: Vec<String> = predicates.iter().map(|&name| name.to_owned()).collect();
        let platforms: Vec<Platform> = platforms.iter().map(|name| name.parse().unwrap()).collect();
        let consumer = Consumer {
            verifier,
            policy,
            predicate_types: &predicate_types,
            platforms: &platforms,
            version: None,
            now: now(),
            limits,
        };
        let verification = verify_image(&repository, &self.index.digest, &consumer).await;
        Seen { verification, requests: client.counters().requests }
    }
}

#[allow(clippy::disallowed_methods, reason = "the sandbox signs by the machine's clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// What came of a verification.
pub(crate) struct Seen {
    pub(crate) verification: Verification,
    pub(crate) requests: u64,
}

impl Seen {
    pub(crate) fn verdict(&self) -> Verdict {
        self.verification.outcome.verdict()
    }

    /// The codes of all errors, each once, in order.
    pub(crate) fn errors(&self) -> Vec<&'static str> {
        self.codes(|severity| severity == Severity::Error)
    }

    /// The codes of all notes, each once, in order.
    pub(crate) fn notes(&self) -> Vec<&'static str> {
        self.codes(|severity| severity == Severity::Note)
    }

    pub(crate) fn failures(&self) -> Vec<&'static str> {
        sorted(self.verification.outcome.failures.iter().map(|failure| failure.code.name))
    }

    fn codes(&self, counts: impl Fn(Severity) -> bool) -> Vec<&'static str> {
        let findings = self.verification.outcome.findings.iter();
        sorted(findings.filter(|finding| counts(finding.severity)).map(|finding| finding.code.name))
    }

    #[track_caller]
    pub(crate) fn passes(&self) {
        assert_eq!(self.verdict(), Verdict::Pass, "{:#?}", self.verification.outcome);
    }

    #[track_caller]
    pub(crate) fn fails_with(&self, codes: &[&str]) {
        assert_eq!(self.verdict(), Verdict::Fail, "{:#?}", self.verification.outcome);
        assert_eq!(self.errors(), codes, "{:#?}", self.verification.outcome);
    }

    #[track_caller]
    pub(crate) fn is_unknown_for(&self, codes: &[&str]) {
        assert_eq!(self.verdict(), Verdict::Unknown, "{:#?}", self.verification.outcome);
        assert_eq!(self.failures(), codes, "{:#?}", self.verification.outcome);
    }
}

fn sorted<'a>(codes: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// A bill of materials of these.
pub(crate) fn sbom(subjects: &[&Digest]) -> Vec<u8> {
    let subjects = subjects.iter().map(|digest| Subject::new("widget", digest)).collect();
    let predicate = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []});
    serde_json::to_vec(&Statement::new(subjects, SBOM, predicate)).unwrap()
}

async fn push_image(repository: &Repository, platform: &Platform) -> Descriptor {
    let config = json!({"os": "linux", "architecture": platform.to_string().split('/').nth(1).unwrap(),
                        "rootfs": {"type": "layers", "diff_ids": []}});
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, &config), "layers": [],
    });
    repository.push_blob(BlobSource::Bytes(config.into())).await.unwrap();
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let descriptor = Descriptor::of(OCI_MANIFEST, &bytes).with_platform(platform);
    repository.push_manifest(OCI_MANIFEST, bytes).await.unwrap();
    descriptor
}
