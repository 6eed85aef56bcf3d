//! Who must have signed, and what else must hold: from arguments, a policy file, or the configuration.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::Config;
use loadline_evidence::demanded;
use loadline_policy::document::{IdentityDocument, POLICY_LIMIT, SCHEMA, TextDocument};
use loadline_policy::{Policy, PolicyDocument};
use loadline_report::Format;
use loadline_sigstore::{KeyTrust, PublicKey};
use semver::Version;

use crate::codes::POLICY_INVALID;
use crate::exit::Exit;
use crate::files;
use crate::session::{configure, usage};
use crate::world::World;

/// A PEM file of a public key has a few hundred bytes.
const KEY_LIMIT: u64 = 64 << 10;

/// Who must have signed, and what else must hold.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct DemandArgs {
    /// A policy file (TOML, `loadline/policy/v1`); the configuration is not read then.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    policy: Option<Utf8PathBuf>,
    /// Who must have signed: the certificate's subject. One who signs, said by an argument, stands in for those
    /// of the policy file or configuration; without `--config` or `--policy`, no configuration is read then.
    #[arg(long, value_name = "ID", requires = "some_issuer")]
    certificate_identity: Vec<String>,
    /// The same as a pattern over the whole subject.
    #[arg(long, value_name = "PATTERN", requires = "some_issuer")]
    certificate_identity_regexp: Vec<String>,
    /// Who must vouch for the signer: the certificate's OIDC issuer; GitHub Actions' for workflows without it.
    #[arg(long, visible_alias = "certificate-oidc-issuer", value_name = "URL", group = "some_issuer")]
    issuer: Option<String>,
    /// The same as a pattern over the whole issuer.
    #[arg(long, value_name = "PATTERN", group = "some_issuer", conflicts_with = "issuer")]
    certificate_oidc_issuer_regexp: Option<String>,
    /// The workflow that must have signed: a path in the signer's repository, or
    /// `github.com/OWNER/REPO/.github/workflows/FILE[@REF]`.
    #[arg(long, value_name = "WORKFLOW")]
    signer_workflow: Option<String>,
    /// The repository whose workflows must have signed, where it is not the source's.
    #[arg(long, visible_alias = "signer-repo", value_name = "REPOSITORY")]
    signer_repository: Option<String>,
    /// The public key that must have signed: a PEM file.
    #[arg(long, value_name = "PEM")]
    key: Vec<Utf8PathBuf>,
    /// A key's signature is enough by itself: neither log entry nor timestamp is asked for.
    #[arg(long)]
    key_alone: bool,
    /// The repository that it must be built from, `github.com/OWNER/REPO`; any workflow of it may sign where no
    /// other signer is named.
    #[arg(long, value_name = "REPOSITORY")]
    repo: Option<String>,
    /// The forge's number of that repository, which survives a rename.
    #[arg(long, value_name = "NUMBER")]
    repository_id: Option<u64>,
    /// The top workflow that must have been started.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// The git ref that it must have run for.
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// The same as a pattern over the whole ref.
    #[arg(long, value_name = "PATTERN", conflicts_with = "git_ref")]
    ref_regexp: Option<String>,
    /// The commit that must have been built, in full.
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// The built commit may be another than the workflow's.
    #[arg(long)]
    allow_other_commit: bool,
    /// A predicate that must be proven, by short name or type, instead of those of the policy.
    #[arg(long, value_name = "PREDICATE")]
    predicate: Vec<String>,
    /// How long ago it may have been signed at most: `12h`, `30d`.
    #[arg(long, value_name = "DURATION")]
    max_age: Option<String>,
    /// No self-hosted runners.
    #[arg(long, visible_alias = "deny-self-hosted-runners")]
    no_self_hosted: bool,
    /// The provenance's build type.
    #[arg(long, value_name = "URI")]
    build_type: Vec<String>,
    /// The provenance's builder.
    #[arg(long, value_name = "URI")]
    builder: Vec<String>,
    /// What every base image must be, a pattern over the whole URI without its query: `pkg:docker/debian@12`.
    #[arg(long, value_name = "PATTERN")]
    base_image: Vec<String>,
    /// The timestamp authority that must vouch for the time, by its name in the trust root.
    #[arg(long, value_name = "NAME")]
    timestamp_authority: Vec<String>,
    /// The version that the image claims to be, for identities that hold for some; else its tag says.
    #[arg(long, value_name = "VERSION")]
    image_version: Option<Version>,
}

/// What is demanded, ready to judge by.
pub(crate) struct Demands {
    pub(crate) policy: Policy,
    pub(crate) predicate_types: Vec<String>,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) key_trust: KeyTrust,
    /// The repository whose attestations GitHub may have.
    pub(crate) source: Option<String>,
    /// The trust roots that a policy file names.
    pub(crate) roots: Vec<String>,
    pub(crate) log_online: bool,
    pub(crate) version: Option<Version>,
    /// The configuration, where it was read.
    pub(crate) config: Option<Config>,
}

impl DemandArgs {
    fn names_a_signer(&self) -> bool {
        !(self.certificate_identity.is_empty()
            && self.certificate_identity_regexp.is_empty()
            && self.key.is_empty())
            || self.signer_workflow.is_some()
            || self.signer_repository.is_some()
            || self.repo.is_some()
    }

    /// What is demanded; what is wrong with it is shown and exits 2.
    pub(crate) fn resolve(
        &self,
        world: &World,
        config: Option<&Utf8Path>,
        format: Format,
    ) -> Result<Demands, Exit> {
        let invalid = |message: String| usage(world, &POLICY_INVALID, message, format);
        let mut folder = Utf8PathBuf::new();
        let mut configuration = None;
        let mut document = match &self.policy {
            Some(file) => {
                if let Some(parent) = file.parent() {
                    folder = parent.to_owned();
                }
                let text = files::read(world, file.as_std_path(), POLICY_LIMIT)
                    .map_err(|failure| invalid(failure.message))?;
                let text = String::from_utf8(text).map_err(|_| invalid(format!("{file} is not UTF-8")))?;
                PolicyDocument::from_toml(&text).map_err(|error| invalid(format!("{file}: {error}")))?
            }
            None if self.names_a_signer() && config.is_none() => {
                PolicyDocument { schema: SCHEMA.to_owned(), ..PolicyDocument::default() }
            }
            None => {
                let loaded = configure(world, config, format)?.loaded.config;
                let document =
                    demanded::document(&loaded.verify, &loaded.release.source, self.issuer.as_deref());
                configuration = Some(loaded);
                document
            }
        };
        self.overlay(&mut document);
        let mut keys = Vec::new();
        let mut read_key = |file: &str| {
            // Those of a policy file count from its folder, those of arguments from the current one.
            let given = self.key.iter().any(|key| key == file);
            let path = if given { Utf8PathBuf::from(file) } else { folder.join(file) };
            let pem = files::read(world, path.as_std_path(), KEY_LIMIT).map_err(|failure| failure.message)?;
            let key = PublicKey::from_pem(&String::from_utf8_lossy(&pem))
                .map_err(|error| format!("{path}: {error}"))?;
            let digest = key.spki_sha256();
            keys.push(key);
            Ok(digest)
        };
        let policy = document.policy(&mut read_key).map_err(|error| invalid(error.to_string()))?;
        let predicate_types = document.predicate_types().map_err(|error| invalid(error.to_string()))?;
        let is_word = |name: &String| ["public-good", "github", "staging"].contains(&name.as_str());
        Ok(Demands {
            policy,
            predicate_types,
            keys,
            key_trust: if document.trust.key_alone { KeyTrust::SignatureAlone } else { KeyTrust::Logged },
            source: document
                .source
                .repository
                .or_else(|| document.identity.iter().find_map(|identity| identity.signer_repository.clone())),
            roots: document
                .trust
                .roots
                .iter()
                .map(|name| if is_word(name) { name.clone() } else { folder.join(name).into_string() })
                .collect(),
            log_online: document.evidence.log_online,
            version: self.image_version.clone(),
            config: configuration,
        })
    }

    /// What arguments say goes before what is written.
    fn overlay(&self, document: &mut PolicyDocument) {
        let exact = |text: &String| TextDocument::Exact(text.clone());
        let pattern = |text: &String| TextDocument::Pattern { pattern: text.clone() };
        let issuer =
            self.issuer.as_ref().map(exact).or(self.certificate_oidc_issuer_regexp.as_ref().map(pattern));
        if let Some(repository) = &self.repo {
            document.source.repository = Some(repository.clone());
        }
        if self.names_a_signer() {
            document.identity = self.identities(document, issuer.as_ref());
        } else if issuer.is_some() {
            for identity in document.identity.iter_mut().filter(|identity| identity.key.is_none()) {
                identity.issuer.clone_from(&issuer);
            }
        }
        let (source, build, evidence) = (&mut document.source, &mut document.build, &mut document.evidence);
        source.repository_id = self.repository_id.or(source.repository_id);
        source.workflow = self.workflow.clone().or(source.workflow.take());
        source.commit = self.commit.clone().or(source.commit.take());
        let git_ref = self.git_ref.as_ref().map(exact).or(self.ref_regexp.as_ref().map(pattern));
        source.git_ref = git_ref.or(source.git_ref.take());
        source.allow_other_commit |= self.allow_other_commit;
        build.self_hosted &= !self.no_self_hosted;
        replace(&mut build.types, self.build_type.iter().map(exact));
        replace(&mut build.builders, self.builder.iter().map(exact));
        if !self.base_image.is_empty() {
            build.base_images = Some(self.base_image.iter().map(pattern).collect());
        }
        replace(&mut evidence.predicates, self.predicate.iter().cloned());
        replace(&mut evidence.timestamp_authorities, self.timestamp_authority.iter().map(exact));
        evidence.max_age = self.max_age.clone().or(evidence.max_age.take());
        document.trust.key_alone |= self.key_alone;
    }

    /// Those who may sign by arguments: any one of them.
    fn identities(&self, document: &PolicyDocument, issuer: Option<&TextDocument>) -> Vec<IdentityDocument> {
        let certificate =
            |identity: IdentityDocument| IdentityDocument { issuer: issuer.cloned(), ..identity };
        let mut identities = Vec::new();
        for subject in &self.certificate_identity {
            let subject = Some(TextDocument::Exact(subject.clone()));
            identities.push(certificate(IdentityDocument { subject, ..IdentityDocument::default() }));
        }
        for pattern in &self.certificate_identity_regexp {
            let subject = Some(TextDocument::Pattern { pattern: pattern.clone() });
            identities.push(certificate(IdentityDocument { subject, ..IdentityDocument::default() }));
        }
        for key in &self.key {
            identities.push(IdentityDocument { key: Some(key.to_string()), ..IdentityDocument::default() });
        }
        let home = self.signer_repository.clone();
        if self.signer_workflow.is_some() || home.is_some() {
            let signer_workflow = self.signer_workflow.clone();
            let identity =
                IdentityDocument { signer_workflow, signer_repository: home, ..IdentityDocument::default() };
            identities.push(certificate(identity));
        }
        if identities.is_empty() {
            // `--repo` alone: as those of the policy say, else any workflow of it.
            if !document.identity.is_empty() {
                let same = document.identity.iter().cloned();
                return same.map(|one| if issuer.is_some() { certificate(one) } else { one }).collect();
            }
            let signer_repository = self.repo.clone();
            identities
                .push(certificate(IdentityDocument { signer_repository, ..IdentityDocument::default() }));
        }
        identities
    }
}

fn replace<T>(list: &mut Vec<T>, by: impl ExactSizeIterator<Item = T>) {
    if by.len() > 0 {
        *list = by.collect();
    }
}
