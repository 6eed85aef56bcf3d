//! What is demanded of images of others that files name.

use loadline_core::config::Config;
use loadline_core::{Digest, Finding, Outcome, RepositoryName, RepositoryPattern};
use loadline_evidence::Verification;
use loadline_evidence::demanded::{self, DemandedError};
use loadline_manifests::MANIFEST_IMAGE_ONLY_PINNED;
use loadline_policy::{Policy, Tree};

/// The tables under `[[third-party]]`, in their order.
pub(crate) struct ThirdParties(Vec<(Vec<RepositoryPattern>, Held)>);

/// What is demanded of an image.
pub(crate) enum Held {
    /// Evidence that satisfies this policy, of these predicates.
    Policy(Box<Policy>, Vec<String>),
    /// Its digest, for this reason.
    OnlyPinned(String),
}

impl ThirdParties {
    /// The tables of a configuration.
    pub(crate) fn of(config: &Config) -> Result<Self, DemandedError> {
        let table = |one: &loadline_core::config::ThirdParty| {
            let held = match (&one.only_pinned, &one.source) {
                (Some(reason), _) => Held::OnlyPinned(reason.clone()),
                (None, source) => Held::Policy(
                    Box::new(demanded::policy(&one.verify, source.as_deref().unwrap_or_default(), None)?),
                    demanded::predicate_types(&one.verify)?,
                ),
            };
            Ok((one.images.clone(), held))
        };
        config.third_parties.iter().map(table).collect::<Result<_, _>>().map(Self)
    }

    /// What is demanded of a repository's images; nothing where no table names it.
    pub(crate) fn held(&self, name: &RepositoryName) -> Option<&Held> {
        self.0.iter().find(|(images, _)| images.iter().any(|image| image.matches(name))).map(|(_, held)| held)
    }
}

/// What comes of an image of which a digest alone is demanded.
pub(crate) fn only_pinned(name: &RepositoryName, digest: Digest, reason: &str) -> Verification {
    let message = format!("{name} is held to its digest alone: {reason}");
    let note = Finding::note(&MANIFEST_IMAGE_ONLY_PINNED, message).about(&digest);
    let outcome = Outcome::from(vec![note]);
    Verification { digest, children: Vec::new(), tree: Tree::default(), outcome }
}
