//! What an identity token says of whoever has it, and by which name its signatures will be known.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use loadline_core::proof::{Proof, Signer as Who};
use serde_json::{Map, Value};

use crate::sign::error::SignError;
use crate::sign::{Holder, Signer};

/// What an identity token says. The issuer's signature over it is not verified here: Fulcio does that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claims of a token; none where it is no JSON web token.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let body = token.trim().split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok().map(Self)
    }

    /// A claim that is a text: `job_workflow_ref` of GitHub's tokens.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The names that Fulcio may put into a certificate for this token, and the issuers that it may name.
    fn name(&self) -> Name {
        let url = |text: &str| format!("https://{text}");
        let subjects = [
            self.get("job_workflow_ref").map(|of| url(&format!("github.com/{of}"))),
            self.get("ci_config_ref_uri").map(url),
            self.get("email").map(str::to_owned),
            self.get("sub").map(str::to_owned),
        ];
        let connector = self.0.get("federated_claims").and_then(|of| of.get("connector_id")?.as_str());
        let issuers = [self.get("iss"), connector].into_iter().flatten().map(str::to_owned).collect();
        Name::Certificate { subjects: subjects.into_iter().flatten().collect(), issuers }
    }
}

/// By which name signatures will be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A certificate's subject and issuer: one of these each.
    Certificate {
        /// The subjects that Fulcio may choose.
        subjects: Vec<String>,
        /// The issuers that it may name.
        issuers: Vec<String>,
    },
    /// A long-lived key, by the SHA-256 digest of its DER SubjectPublicKeyInfo, in hexadecimal.
    Key(String),
}

impl Name {
    /// Whether what is proven was signed under this name.
    pub fn signed(&self, proof: &Proof) -> bool {
        match (self, &proof.signer) {
            (Self::Key(own), Who::Key { spki_sha256 }) => own == spki_sha256,
            (Self::Certificate { subjects, issuers }, Who::Certificate(identity)) => {
                subjects.contains(&identity.subject) && issuers.contains(&identity.issuer)
            }
            _ => false,
        }
    }
}

impl Signer {
    /// What the identity token says; none for a key.
    ///
    /// # Errors
    /// No usable token.
    pub async fn claims(&self) -> Result<Option<Claims>, SignError> {
        let Holder::Keyless(source) = &self.holder else { return Ok(None) };
        let token = source.any(&self.http, self.clock, self.step_limit).await?;
        Ok(Claims::read(token.expose_secret()))
    }

    /// By which name its signatures will be known.
    ///
    /// # Errors
    /// No usable token.
    pub async fn name(&self) -> Result<Name, SignError> {
        match &self.holder {
            Holder::Key(key) => Ok(Name::Key(key.public()?.spki_sha256())),
            Holder::Keyless(_) => Ok(self.claims().await?.unwrap_or_default().name()),
        }
    }

    /// The public half of the long-lived key it signs with; none where certificates vouch for it.
    ///
    /// # Errors
    /// None for a key that was read.
    pub fn public_key(&self) -> Result<Option<crate::verify::PublicKey>, SignError> {
        match &self.holder {
            Holder::Key(key) => key.public().map(Some),
            Holder::Keyless(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use loadline_core::proof::{Content, Identity};

    use super::*;

    fn token(claims: &Value) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn proof(subject: &str, issuer: &str) -> Proof {
        let identity = Identity { subject: subject.into(), issuer: issuer.into(), ..Identity::default() };
        Proof {
            signer: Who::Certificate(Box::new(identity)),
            content: Content::Message { sha256: String::new() },
            log: None,
            times: Vec::new(),
            sct: false,
            instance: String::new(),
        }
    }

    #[test]
    fn a_workflow_is_known_by_its_jobs_own() {
        let claims = serde_json::json!({"iss": "https://i", "sub": "repo:a/b:ref:r",
            "job_workflow_ref": "a/ci/.github/workflows/w.yml@refs/heads/main"});
        let claims = Claims::read(&token(&claims)).unwrap();
        let name = claims.name();
        let subject = "https://github.com/a/ci/.github/workflows/w.yml@refs/heads/main";
        assert!(name.signed(&proof(subject, "https://i")));
        assert!(!name.signed(&proof(subject, "https://other")));
        assert!(
            !name.signed(&proof(
                "https://github.com/a/b/.github/workflows/w.yml@refs/heads/main",
                "https://i"
            ))
        );
        assert!(!Name::Key("ab".into()).signed(&proof(subject, "https://i")));
        assert_eq!(Claims::read("nonsense"), None);
        assert_eq!(Claims::read("a.!!.c"), None);
    }
}
