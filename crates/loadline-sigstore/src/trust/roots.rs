//! Which root a bundle is verified against.

use std::sync::Arc;

use crate::trust::root::{Instance, TrustError, TrustRoot};
use crate::verify::{Leaf, VerifyError};

/// The organisation in certificates of the public-good instance.
const SIGSTORE: &str = "sigstore.dev";
/// The organisation in certificates of GitHub's instance.
const GITHUB: &str = "GitHub, Inc.";

/// The roots at hand: either those that were given, and then only those, or the public-good instance's
/// and GitHub's. Several are told apart by who issued the leaf. What is missing from a bundle never
/// decides: that would let a forger choose the rules.
#[derive(Debug, Clone)]
pub struct TrustRoots(Roots);

#[derive(Debug, Clone)]
enum Roots {
    Given(Vec<Arc<TrustRoot>>),
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
        Self::given([root])
    }

    /// These roots and no others. A bundle is verified against the one whose authorities issued its
    /// certificate; without any root, nothing is believed.
    pub fn given(roots: impl IntoIterator<Item = TrustRoot>) -> Self {
        Self(Roots::Given(roots.into_iter().map(Arc::new).collect()))
    }

    /// All roots at hand.
    pub fn all(&self) -> Vec<&TrustRoot> {
        match &self.0 {
            Roots::Given(roots) => roots.iter().map(Arc::as_ref).collect(),
            Roots::ByIssuer { public_good, github } => vec![public_good, github],
        }
    }

    /// The roots that a leaf may lead to; never none. Of several given ones, those with an authority of the
    /// issuer's name: two private instances may call themselves the same, and each is a whole set of rules.
    pub(crate) fn for_leaf(&self, leaf: &Leaf) -> Result<Vec<&TrustRoot>, VerifyError> {
        let unknown = || VerifyError::InstanceUnknown { organisation: leaf.authority.clone() };
        match (&self.0, leaf.authority.as_str()) {
            (Roots::Given(roots), _) if roots.len() == 1 => Ok(vec![&roots[0]]),
            (Roots::Given(roots), _) => {
                let able: Vec<&TrustRoot> =
                    roots.iter().map(Arc::as_ref).filter(|root| leaf.is_of(root)).collect();
                if able.is_empty() { Err(unknown()) } else { Ok(able) }
            }
            (Roots::ByIssuer { public_good, .. }, SIGSTORE) => Ok(vec![public_good]),
            (Roots::ByIssuer { github, .. }, GITHUB) => Ok(vec![github]),
            (Roots::ByIssuer { .. }, _) => Err(unknown()),
        }
    }

    /// The roots for what was signed with a key: those given, else the public-good instance's, which is the
    /// only one of the two that takes keys.
    pub(crate) fn for_keys(&self) -> Vec<&TrustRoot> {
        match &self.0 {
            Roots::Given(roots) => roots.iter().map(Arc::as_ref).collect(),
            Roots::ByIssuer { public_good, .. } => vec![public_good],
        }
    }
}
