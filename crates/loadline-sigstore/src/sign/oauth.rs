//! OAuth's authorization code flow (RFC 6749, section 4.1) with PKCE (RFC 7636) for programs on a person's
//! machine (RFC 8252).

use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use loadline_core::Secret;
use serde::Deserialize;
use sigstore_crypto::sha256;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::sign::error::{Service, SignError, shown};
use crate::sign::token::read_answer;

/// Where the issuer sends nobody back to: its page shows the code.
pub(crate) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// Whom Sigstore's issuers know this program as.
const CLIENT: &str = "sigstore";

/// One login.
pub(crate) struct Session {
    authorize: Url,
    token: Url,
    verifier: Secret,
    state: String,
}

impl Session {
    /// A login at an issuer that is laid out as Dex is.
    pub(crate) fn new(issuer: &str) -> Result<Self, SignError> {
        let endpoint = |name: &str| {
            Url::parse(&format!("{}/{name}", issuer.trim_end_matches('/'))).map_err(|_| SignError::Config {
                reason: format!("the issuer to log in at is no URL: {}", shown(issuer)),
            })
        };
        Ok(Self {
            authorize: endpoint("auth")?,
            token: endpoint("token")?,
            verifier: Secret::new(random()?),
            state: random()?,
        })
    }

    /// What a callback must bring along to be believed.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// Where to log in.
    pub(crate) fn address(&self, redirect: &str) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(self.verifier.expose().as_bytes()).as_bytes());
        let mut address = self.authorize.clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", CLIENT)
            .append_pair("redirect_uri", redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &self.state);
        address
    }

    /// The identity token for a code.
    pub(crate) async fn exchange(
        &self,
        client: &reqwest::Client,
        code: &Secret,
        redirect: &str,
        limit: Duration,
    ) -> Result<Secret, SignError> {
        let form = Serializer::new(String::new())
            .append_pair("client_id", CLIENT)
            .append_pair("code", code.expose())
            .append_pair("code_verifier", self.verifier.expose())
            .append_pair("grant_type", "authorization_code")
            .append_pair("redirect_uri", redirect)
            .finish();
        let request = client
            .post(self.token.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let text = read_answer(request, &self.token, limit).await?;
        #[derive(Deserialize)]
        struct Answer {
            id_token: String,
        }
        // The answer's text holds the token: the error says where it broke off, never what was there.
        let answer: Answer = serde_json::from_str(&text).map_err(|error| SignError::Answer {
            service: Service::Issuer,
            address: shown(self.token.as_str()),
            reason: format!("no `id_token` in its JSON (line {}, column {})", error.line(), error.column()),
        })?;
        Ok(Secret::new(answer.id_token))
    }
}

/// 256 random bits as text.
fn random() -> Result<String, SignError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)
        .map_err(|_| SignError::Crypto { reason: "the system has no randomness".to_owned() })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
