//! Which root a bundle is verified against.

use std::sync::Arc;

use crate::trust::root::{Instance, TrustError, TrustRoot};
use crate::verify::VerifyError;

/// The organisation in certificates of the public-good instance.
const SIGSTORE: &str = "sigstore.dev";
/// The organisation in certificates of GitHub's instance.
const GITHUB: &str = "GitHub, Inc.";

/// The roots at hand: either one that was given, and then only that one, or the public-good instance's
/// and GitHub's, told apart by the organisation that issued the leaf. What is missing from a bundle never
/// decides: that would let a forger choose the rules.
#[derive(Debug, Clone)]
pub struct TrustRoots(Roots);

#[derive(Debug, Clone)]
enum Roots {
    Only(Arc<TrustRoot>),
    ByIssuer { public_good: Arc<TrustRoot>, github: Arc<TrustRoot> },
}

impl TrustRoots {
    /// The roots that are built in.
    ///
    /// # Errors
    /// As [`TrustRoot::embedded`].
    pub fn embedded() -> Result<Self, TrustError> {
        Ok(Self::by_issuer(
            TrustRoot::embedded(Instance::PublicGood)?,
            TrustRoot::embedded(Instance::GitHub)?,
        ))
    }

    /// These roots of the public-good instance and of GitHub's: fetched ones, for example.
    pub fn by_issuer(public_good: TrustRoot, github: TrustRoot) -> Self {
        Self(Roots::ByIssuer { public_good: Arc::new(public_good), github: Arc::new(github) })
    }

    /// This root, for every bundle.
    pub fn only(root: TrustRoot) -> Self {
        Self(Roots::Only(Arc::new(root)))
    }

    /// All roots at hand.
    pub fn all(&self) -> Vec<&TrustRoot> {
        match &self.0 {
            Roots::Only(root) => vec![root],
            Roots::ByIssuer { public_good, github } => vec![public_good, github],
        }
    }

    /// The root for certificates that this organisation issued.
    pub(crate) fn for_authority(&self, organisation: &str) -> Result<&TrustRoot, VerifyError> {
        match (&self.0, organisation) {
            (Roots::Only(root), _) => Ok(root),
            (Roots::ByIssuer { public_good, .. }, SIGSTORE) => Ok(public_good),
            (Roots::ByIssuer { github, .. }, GITHUB) => Ok(github),
            (Roots::ByIssuer { .. }, _) => {
                Err(VerifyError::InstanceUnknown { organisation: organisation.to_owned() })
            }
        }
    }

    /// The root for what was signed with a key: the one given, else the public-good instance's, which is
    /// the only one of the two that takes keys.
    pub(crate) fn for_keys(&self) -> &TrustRoot {
        match &self.0 {
            Roots::Only(root) => root,
            Roots::ByIssuer { public_good, .. } => public_good,
        }
    }
}
