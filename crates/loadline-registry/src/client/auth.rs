//! Convincing a registry: basic authentication, and tokens (docker's token authentication specification),
//! one for each scope, shared by all calls and fetched anew before it expires.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use loadline_core::Secret;
use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;
use super::send::{Body, Request};
use super::{Client, Slots, slot};
use crate::credentials::{Credential, Origin};
use crate::error::{RegistryError, RegistryErrorKind};

/// The largest answer of a token service that is read.
const TOKEN_LIMIT: u64 = 1 << 20;
/// How long a token is good that does not say (the specification's own number).
const LIFETIME: Duration = Duration::from_secs(60);

/// What is known about each registry, and the tokens.
#[derive(Default)]
pub(crate) struct Auth {
    learned: Mutex<HashMap<String, Challenge>>,
    tokens: Slots<(String, Vec<String>), Option<Token>>,
}

struct Token {
    value: Secret,
    renew: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// How a request was or is to be authorised.
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    /// Where the credential behind it comes from, if there is one.
    origin: Option<String>,
}

impl Client {
    /// The authorisation for a request, from what is known about its registry; none on the first call.
    pub(crate) async fn authorization(
        &self,
        request: &Request<'_>,
    ) -> Result<Option<Authorization>, RegistryError> {
        let learned = {
            let learned = self.0.auth.learned.lock().unwrap_or_else(PoisonError::into_inner);
            learned.get(request.repository.registry()).cloned()
        };
        match learned {
            // Basic authentication may be wanted for some calls only; a call without is tried first.
            Some(Challenge::Basic) if self.find(request).await?.is_none() => Ok(None),
            Some(challenge) => self.authorize(request, &challenge, request.scopes(), None).await.map(Some),
            None => Ok(None),
        }
    }

    /// The authorisation that answers a registry's refusal, or the error that there is none.
    pub(crate) async fn answer(
        &self,
        request: &Request<'_>,
        headers: &HeaderMap,
        sent: Option<&Authorization>,
    ) -> Result<Authorization, RegistryError> {
        let Some(challenge) = Challenge::of(headers) else {
            return Err(self.unauthorised(request, sent));
        };
        let registry = request.repository.registry().to_owned();
        let known = {
            let mut learned = self.0.auth.learned.lock().unwrap_or_else(PoisonError::into_inner);
            learned.insert(registry, challenge.clone())
        };
        if challenge == Challenge::Basic && known == Some(Challenge::Basic) && sent.is_some() {
            return Err(self.unauthorised(request, sent));
        }
        let mut scopes = request.scopes();
        if let Challenge::Bearer { scope: Some(scope), .. } = &challenge {
            // A registry may know the repository under another path than it is asked for.
            scopes.extend(
                scope.split(' ').filter(|scope| !covered(scope, &request.scopes())).map(str::to_owned),
            );
        }
        self.authorize(request, &challenge, scopes, sent).await
    }

    /// The error that a registry wants more than it was given.
    pub(crate) fn unauthorised(&self, request: &Request<'_>, sent: Option<&Authorization>) -> RegistryError {
        let host = request.repository.registry();
        let missing = match sent.and_then(|sent| sent.origin.as_ref()) {
            Some(origin) => format!("{host} refused the credential from {origin}"),
            None => format!("there is no credential for {host} ({})", self.0.credentials.looked_in()),
        };
        request.error(RegistryErrorKind::Unauthorised { missing })
    }

    async fn find(&self, request: &Request<'_>) -> Result<Option<Origin>, RegistryError> {
        self.0.credentials.find(request.repository).await.map_err(|kind| request.error(kind))
    }

    async fn authorize(
        &self,
        request: &Request<'_>,
        challenge: &Challenge,
        scopes: Vec<String>,
        refused: Option<&Authorization>,
    ) -> Result<Authorization, RegistryError> {
        let found = self.find(request).await?;
        let origin = found.as_ref().map(|found| found.from.clone());
        let authorized = |text: String| {
            let mut header = HeaderValue::from_str(&text).map_err(|_| {
                request.error(RegistryErrorKind::Protocol {
                    status: None,
                    message: "the credential or token holds characters that no header may".to_owned(),
                })
            })?;
            header.set_sensitive(true);
            Ok(Authorization { header, origin: origin.clone() })
        };
        match (challenge, found.as_ref().map(|found| &found.credential)) {
            (Challenge::Basic, Some(Credential::Basic { username, password })) => {
                authorized(Credential::basic_header(username, password))
            }
            (Challenge::Basic, _) => Err(self.unauthorised(request, None)),
            (Challenge::Bearer { .. }, Some(Credential::RegistryToken(token))) => {
                if refused.is_some() {
                    return Err(self.unauthorised(request, refused));
                }
                authorized(format!("Bearer {}", token.expose()))
            }
            (Challenge::Bearer { realm, service, .. }, _) => {
                let key = (request.repository.registry().to_owned(), scopes);
                let slot = slot(&self.0.auth.tokens, key.clone());
                let mut token = slot.lock().await;
                if let Some(token) = &*token
                    && token.renew > Instant::now()
                {
                    let authorization = authorized(format!("Bearer {}", token.value.expose()))?;
                    // The one that was refused just now is not tried again; one fetched meanwhile is.
                    if refused.is_none_or(|refused| refused.header != authorization.header) {
                        return Ok(authorization);
                    }
                }
                *token = None;
                let fetched =
                    self.fetch_token(request, realm, service.as_deref(), &key.1, found.as_ref()).await?;
                let authorization = authorized(format!("Bearer {}", fetched.value.expose()))?;
                *token = Some(fetched);
                Ok(authorization)
            }
        }
    }

    async fn fetch_token(
        &self,
        request: &Request<'_>,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        found: Option<&Origin>,
    ) -> Result<Token, RegistryError> {
        let wrong = |message: String| request.error(RegistryErrorKind::Protocol { status: None, message });
        let mut url =
            Url::parse(realm).map_err(|_| wrong("the token service's address is none".to_owned()))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && self.is_plain(&authority(&url))) {
            return Err(wrong(
                "the token service is not at an https address: no credential is sent there".to_owned(),
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(service.map(|service| ("service", service)));
        let (method, body) = match found.map(|found| &found.credential) {
            Some(Credential::IdentityToken(token)) => {
                let scope = scopes.join(" ");
                query.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", "loadline"),
                    ("scope", &scope),
                    ("refresh_token", token.expose()),
                ]);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
                (Method::POST, Body::Bytes(form.into()))
            }
            other => {
                query.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
                url.query_pairs_mut().extend_pairs(query);
                if let Some(Credential::Basic { username, password }) = other {
                    let mut value = HeaderValue::from_str(&Credential::basic_header(username, password))
                        .map_err(|_| {
                            wrong("the credential holds characters that no header may".to_owned())
                        })?;
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                (Method::GET, Body::Empty)
            }
        };
        let asked_at = Instant::now();
        let token_request = Request {
            method,
            headers,
            body,
            ..Request::new(request.repository, url, format!("get a token to {}", request.asked))
        };
        let response = self.once(&token_request, None).await?;
        let status = response.status().as_u16();
        if matches!(status, 400 | 401 | 403) {
            let sent = found.map(|found| Authorization {
                header: HeaderValue::from_static(""),
                origin: Some(found.from.clone()),
            });
            return Err(self.unauthorised(request, sent.as_ref()));
        }
        if !response.status().is_success() {
            return Err(self.refusal(&token_request, response).await);
        }
        let bytes = self.read(&token_request, response, TOKEN_LIMIT, "the token service's answer").await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes)
            .map_err(|_| wrong("the token service's answer is no token".to_owned()))?;
        let value = answer
            .token
            .filter(|token| !token.is_empty())
            .or(answer.access_token.filter(|token| !token.is_empty()))
            .ok_or_else(|| wrong("the token service's answer has no token".to_owned()))?;
        let lifetime = answer.expires_in.map_or(LIFETIME, Duration::from_secs);
        // A token that runs out while it travels is no good.
        let margin = (lifetime / 4).min(Duration::from_secs(30));
        Ok(Token { value: Secret::new(value), renew: asked_at + (lifetime - margin) })
    }
}

/// The host of an address, with its port where it is not the usual one.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a registry's scope asks for no more than ours do.
fn covered(scope: &str, ours: &[String]) -> bool {
    let split = |scope: &str| -> Option<(String, Vec<String>)> {
        let (resource, actions) = scope.rsplit_once(':')?;
        Some((resource.to_owned(), actions.split(',').map(str::to_owned).collect()))
    };
    let Some((resource, actions)) = split(scope) else { return scope.is_empty() };
    ours.iter().filter_map(|ours| split(ours)).any(|(our_resource, our_actions)| {
        our_resource == resource && actions.iter().all(|action| our_actions.contains(action))
    })
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_less_is_covered() {
        let ours = ["repository:a/b:pull,push".to_owned()];
        assert!(covered("repository:a/b:pull", &ours));
        assert!(covered("repository:a/b:push,pull", &ours));
        assert!(!covered("repository:a/b:delete", &ours));
        assert!(!covered("repository:x/a/b:pull", &ours));
        assert!(covered("", &ours));
    }
}
