//! Where identity tokens come from.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use loadline_core::{Clock, Secret};
use serde::Deserialize;
use sigstore_sign::oidc::IdentityToken;
use url::Url;

use crate::sign::error::{Service, SignError, said, shown};
use crate::sign::interactive::Interactive;
use crate::sign::reach;

/// The audience that Fulcio demands.
const AUDIENCE: &str = "sigstore";
/// The largest answer that is read from an issuer: 64 KiB.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Where identity tokens come from. Each signature asks anew.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// This one, while it lasts.
    Given(Secret),
    /// What is in this file at the time: something else keeps it fresh.
    File(PathBuf),
    /// Whoever logs in, in a browser.
    Interactive(Interactive),
    /// Whatever this address hands out: a sandbox's `token_url`.
    Address(Url),
    /// GitHub Actions' ambient token.
    GitHubActions(GitHubActions),
}

/// What GitHub Actions puts into the environment of a job with `permissions: id-token: write`.
#[derive(Debug, Clone)]
pub struct GitHubActions {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub request_url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_token: Secret,
}

impl TokenSource {
    /// Fetches a token that has not expired.
    pub(crate) async fn fetch(
        &self,
        client: &reqwest::Client,
        clock: Clock,
        limit: Duration,
    ) -> Result<IdentityToken, SignError> {
        let origin = self.origin();
        let token = self.any(client, clock, limit).await?;
        let at = token.expiration();
        if at <= clock.now() {
            return Err(SignError::TokenExpired { origin, at });
        }
        Ok(token)
    }

    /// Fetches a token, which may have expired: what it says of who has it is true all the same.
    pub(crate) async fn any(
        &self,
        client: &reqwest::Client,
        clock: Clock,
        limit: Duration,
    ) -> Result<IdentityToken, SignError> {
        let origin = self.origin();
        let text = match self {
            Self::Given(token) => token.expose().trim().to_owned(),
            Self::File(path) => read(path)
                .map_err(|reason| SignError::Token { origin: origin.clone(), reason })?
                .trim()
                .to_owned(),
            Self::Interactive(login) => return login.token(client, clock, limit).await,
            Self::Address(address) => ask(client, address, None, limit).await?,
            Self::GitHubActions(actions) => {
                let mut address = Url::parse(&actions.request_url).map_err(|_| SignError::Token {
                    origin: origin.clone(),
                    reason: "ACTIONS_ID_TOKEN_REQUEST_URL is no URL".to_owned(),
                })?;
                address.query_pairs_mut().append_pair("audience", AUDIENCE);
                ask(client, &address, Some(&actions.request_token), limit).await?
            }
        };
        IdentityToken::from_jwt(&text)
            .map_err(|_| SignError::Token { origin, reason: "what came is no JSON web token".to_owned() })
    }

    fn origin(&self) -> String {
        match self {
            Self::Given(_) => "what was given".to_owned(),
            Self::Address(address) => shown(address.as_str()),
            Self::GitHubActions(_) => "GitHub Actions".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Interactive(_) => "the login".to_owned(),
        }
    }
}

/// The token in a file; never more of it than a token has.
fn read(path: &std::path::Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(ANSWER_LIMIT as u64 + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() > ANSWER_LIMIT {
        return Err(format!("the file has more than {ANSWER_LIMIT} bytes"));
    }
    Ok(text)
}

/// Asks an issuer; its answer is the token itself, or JSON that holds it as `value` or `token`.
async fn ask(
    client: &reqwest::Client,
    address: &Url,
    bearer: Option<&Secret>,
    limit: Duration,
) -> Result<String, SignError> {
    let mut request = client.get(address.clone());
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer.expose());
    }
    let text = read_answer(request, address, limit).await?;
    #[derive(Deserialize)]
    struct Answer {
        #[serde(alias = "token")]
        value: String,
    }
    if !text.starts_with('{') {
        return Ok(text);
    }
    // The answer's text may hold the token: the error says where it broke off, never what was there.
    serde_json::from_str::<Answer>(&text).map(|answer| answer.value).map_err(|error| SignError::Answer {
        service: Service::Issuer,
        address: shown(address.as_str()),
        reason: format!("no `value` in its JSON (line {}, column {})", error.line(), error.column()),
    })
}

/// What an issuer answers to a request, where it answers with success.
pub(super) async fn read_answer(
    request: reqwest::RequestBuilder,
    address: &Url,
    limit: Duration,
) -> Result<String, SignError> {
    let service = Service::Issuer;
    let place = || shown(address.as_str());
    let unreachable = |error: reqwest::Error| {
        if error.is_timeout() {
            return SignError::Timeout { service, address: place(), after: limit };
        }
        SignError::Unreachable { service, address: place(), reason: reach::words(&error) }
    };
    let mut response = request.timeout(limit).send().await.map_err(unreachable)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(SignError::Answer {
                service,
                address: place(),
                reason: format!("its answer is larger than {ANSWER_LIMIT} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    if !response.status().is_success() {
        let status = response.status().as_u16();
        return Err(SignError::Refused { service, address: place(), status, reason: said(&text) });
    }
    Ok(text)
}
