//! What outlives a verification: the archive of its evidence, and verdicts that pass.

use camino::Utf8PathBuf;
use jiff::SignedDuration;
use loadline_core::config::TimeLimit;
use loadline_core::{Digest, Failure, Finding, Outcome, Platform, Reference, Verdict};
use loadline_evidence::archive::{ARCHIVE_LIMIT, Archive, ArchiveError, ArchivedImage, ArchivedRoot};
use loadline_evidence::{
    ARCHIVE_IMAGE_MISSING, ARCHIVE_TAG_UNPROVEN, ARCHIVE_TAMPERED, ARCHIVE_UNREADABLE, Collected, Consumer,
    VERDICT_CACHED, VerdictCache, VerdictKey, Verification,
};
use loadline_policy::Tree;
use loadline_sigstore::{TrustRoot, TrustRoots, Verifier};

use crate::files;
use crate::trust;
use crate::world::World;

/// What is kept of a verification, and what an earlier one left.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Kept for later")]
pub(crate) struct KeptArgs {
    /// Keep all that the verdicts follow from in one file: manifests, bundles, trust roots, the policy in words.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    save: Option<Utf8PathBuf>,
    /// Prove it all again by such a file, without any connection: the references named, else all in it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log_online", "bundles", "offline"])]
    from: Option<Utf8PathBuf>,
    /// The digest that the file was said to have when it was saved: if it has it still, the trust roots in it are
    /// believed. Without it they are not.
    #[arg(long, value_name = "DIGEST", requires = "from", conflicts_with = "trusted_root")]
    archive_digest: Option<Digest>,
    /// Take an earlier verdict that passed under the same policy and trust roots, if it is no older than this.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["save", "from"])]
    cache_age: Option<TimeLimit>,
    /// Take no earlier verdict, and keep none.
    #[arg(long)]
    no_cache: bool,
}

impl KeptArgs {
    /// Whether everything goes into a file.
    pub(crate) const fn is_saved(&self) -> bool {
        self.save.is_some()
    }

    /// The archive that is named. Where it was changed, that is a finding; where it cannot be read, a failure.
    pub(crate) fn archive(&self, world: &World) -> Result<Option<(Archive, Option<TrustRoots>)>, Outcome> {
        let Some(path) = &self.from else { return Ok(None) };
        let bytes = files::read(world, path.as_std_path(), ARCHIVE_LIMIT).map_err(Outcome::from)?;
        let tampered = |message: String| {
            let finding = Finding::error(&ARCHIVE_TAMPERED, message);
            Outcome::from(vec![finding.help("get the file again from where it was saved")])
        };
        if let Some(wanted) = self.archive_digest.as_ref().filter(|wanted| !wanted.matches(&bytes)) {
            return Err(tampered(format!("{path} has another digest than {wanted}")));
        }
        let unreadable = |reason: String| {
            let failure = Failure::new(&ARCHIVE_UNREADABLE, format!("{path}: {reason}"));
            Outcome::from(failure.help("name a file that `loadline verify --save` wrote"))
        };
        let archive = Archive::from_tar(&bytes).map_err(|error| match error {
            ArchiveError::Tampered { .. } => tampered(format!("{path}: {error}")),
            _ => unreadable(error.to_string()),
        })?;
        let roots = match &self.archive_digest {
            None => None,
            Some(_) => {
                let read = |root: &ArchivedRoot| TrustRoot::from_json(root.name.clone(), &root.json);
                let roots: Result<Vec<_>, _> = archive.roots.iter().map(read).collect();
                Some(TrustRoots::given(roots.map_err(|error| Outcome::from(trust::unusable(&error)))?))
            }
        };
        Ok(Some((archive, roots)))
    }

    /// Writes the archive that is wanted, and tells its digest.
    pub(crate) fn save(
        &self,
        world: &World,
        images: Vec<ArchivedImage>,
        consumer: (&loadline_policy::Policy, &[String]),
        verifier: &Verifier,
    ) -> Result<(), Failure> {
        let Some(path) = &self.save else { return Ok(()) };
        let (policy, predicate_types) = consumer;
        let mut lines = policy.lines();
        lines.extend(predicate_types.iter().map(|kind| format!("demanded of every platform: {kind}")));
        let roots = verifier.roots().all().into_iter();
        let roots = roots
            .map(|root| ArchivedRoot { name: root.name().to_owned(), json: root.json().to_vec().into() });
        let count = images.len();
        let archive = Archive { images, roots: roots.collect(), policy: lines };
        let tar = archive
            .to_tar()
            .map_err(|error| Failure::new(&ARCHIVE_UNREADABLE, format!("{path} cannot be made: {error}")))?;
        files::write(world, path.as_std_path(), &tar)?;
        world.tell(&format!("saved the evidence of {count} images in {path}, {}", Digest::of(&tar)));
        Ok(())
    }

    /// Where verdicts are kept; nothing where none are to be.
    pub(crate) fn cache(&self, world: &World) -> Option<VerdictCache> {
        let age = self.cache_age.as_ref().filter(|_| !self.no_cache)?;
        let set = |name: &str| world.environment.get_os(name).filter(|value| !value.is_empty());
        let base = set("XDG_CACHE_HOME").map(std::path::PathBuf::from);
        let base = base.or_else(|| set("HOME").map(|home| std::path::Path::new(home).join(".cache")))?;
        let age = SignedDuration::try_from(age.0).unwrap_or(SignedDuration::ZERO);
        Some(VerdictCache::new(base.join("loadline/verdicts"), age))
    }
}

/// An image as an archive has it.
pub(crate) fn archived<'a>(archive: &'a Archive, reference: &Reference) -> Result<&'a Collected, Failure> {
    archive.image(reference).map(|image| &image.collected).ok_or_else(|| {
        Failure::new(&ARCHIVE_IMAGE_MISSING, format!("the archive has no {reference}"))
            .help("save it with this image, or name one that is in it")
    })
}

/// What is left to say of an image that came from an archive by its tag.
pub(crate) fn with_tag_note(mut verification: Verification, reference: &Reference) -> Verification {
    if reference.digest.is_none() {
        let digest = &verification.digest;
        let message =
            format!("that {reference} leads to {digest} is the archive's word: tags are not signed");
        verification.outcome.findings.push(Finding::note(&ARCHIVE_TAG_UNPROVEN, message).about(digest));
    }
    verification
}

/// What is kept of an image of which only the digest was looked at.
pub(crate) fn digest_alone(digest: &Digest) -> Collected {
    Collected {
        digest: digest.clone(),
        manifest: None,
        children: vec![(None, digest.clone())],
        hanging: std::collections::BTreeMap::new(),
        unread: None,
    }
}

/// Verdicts of a consumer with one policy.
pub(crate) struct Verdicts<'a> {
    pub(crate) cache: &'a VerdictCache,
    /// What else decides.
    pub(crate) more: Vec<String>,
}

impl Verdicts<'_> {
    fn key(&self, digest: &Digest, consumer: &Consumer<'_>) -> VerdictKey {
        let version = consumer.version.map(|version| format!("version {version}"));
        let more: Vec<&str> = self.more.iter().chain(&version).map(String::as_str).collect();
        let roots = consumer.verifier.roots();
        let platforms: &[Platform] = consumer.platforms;
        VerdictKey::new(digest, consumer.policy, consumer.predicate_types, platforms, roots, &more)
    }

    /// An earlier verdict; what keeps it from being read is told.
    pub(crate) fn earlier(
        &self,
        world: &World,
        digest: &Digest,
        consumer: &Consumer<'_>,
    ) -> Option<Verification> {
        let at = match self.cache.passed(&self.key(digest, consumer), consumer.now) {
            Ok(at) => at?,
            Err(error) => {
                world.tell(&format!("warning: {error}"));
                return None;
            }
        };
        let message = format!("{digest} passed at {at}, and was not looked at again");
        let note = Finding::note(&VERDICT_CACHED, message).about(digest);
        Some(Verification {
            digest: digest.clone(),
            children: Vec::new(),
            tree: Tree::default(),
            outcome: vec![note].into(),
        })
    }

    /// Keeps a verdict, if it is one that may be kept.
    pub(crate) fn keep(&self, world: &World, verification: &Verification, consumer: &Consumer<'_>) {
        if verification.outcome.verdict() != Verdict::Pass {
            return;
        }
        if let Err(error) = self.cache.keep(&self.key(&verification.digest, consumer), consumer.now) {
            world.tell(&format!("warning: {error}"));
        }
    }
}
