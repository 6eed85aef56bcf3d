//! A policy: who must have signed, and what else must hold.

use std::sync::Arc;

use crate::demand::IndexEvidence;
use crate::judge::Rule;
use crate::rules::identity::IdentityRule;

/// What a consumer demands. There is no policy without an identity, and no default one.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) identities: Vec<IdentityRule>,
    pub(crate) rules: Vec<Arc<dyn Rule>>,
    pub(crate) index_evidence: IndexEvidence,
}

impl Policy {
    /// Begins a policy; the next word is an identity.
    pub const fn builder() -> PolicyStart {
        PolicyStart(())
    }

    /// Who may sign: one of these.
    pub fn identities(&self) -> &[IdentityRule] {
        &self.identities
    }

    /// Which predicates of an index count for the children it names.
    pub const fn index_evidence(&self) -> IndexEvidence {
        self.index_evidence
    }

    /// The policy in words, one rule a line, in a fixed order: equal policies say the same, so the lines
    /// also serve as a key of what was decided under them.
    pub fn lines(&self) -> Vec<String> {
        let identities = self.identities.iter().map(|identity| format!("signed by {identity}"));
        let mut rules: Vec<String> = self.rules.iter().map(|rule| rule.describe()).collect();
        rules.sort();
        identities.chain(rules).chain([self.index_evidence.describe().to_owned()]).collect()
    }
}

/// A policy without an identity: nothing but an identity can be added.
#[derive(Debug)]
pub struct PolicyStart(());

impl PolicyStart {
    /// Who may sign.
    pub fn identity(self, identity: IdentityRule) -> PolicyBuilder {
        PolicyBuilder(Policy {
            identities: vec![identity],
            rules: Vec::new(),
            index_evidence: IndexEvidence::default(),
        })
    }
}

/// A policy in the making. It has an identity, so it can be built at any moment.
#[derive(Debug, Clone)]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Who else may sign.
    #[must_use]
    pub fn or_identity(mut self, identity: IdentityRule) -> Self {
        self.0.identities.push(identity);
        self
    }

    /// What else must hold; every rule must.
    #[must_use]
    pub fn rule(mut self, rule: impl Rule + 'static) -> Self {
        self.0.rules.push(Arc::new(rule));
        self
    }

    /// Which predicates of an index count for the children it names.
    #[must_use]
    pub fn index_evidence(mut self, index_evidence: IndexEvidence) -> Self {
        self.0.index_evidence = index_evidence;
        self
    }

    /// The policy.
    pub fn build(self) -> Policy {
        self.0
    }
}
