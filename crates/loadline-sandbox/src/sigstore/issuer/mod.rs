//! The OIDC issuers: discovery, keys, and a token for whoever asks.
//!
//! `GET /oidc/token?sub=…&aud=sigstore&claim.NAME=VALUE` answers with the token itself. Asked with
//! `audience=` in place of `aud=`, it answers as GitHub's runner service does, `{"value": TOKEN}`, so that
//! `ACTIONS_ID_TOKEN_REQUEST_URL` can be pointed at it. `/oidc/github`, `/oidc/gitlab`, `/oidc/email` and
//! `/oidc/uri` are issuers of their own, with keys of their own, whose tokens have the claims of their kind,
//! asked for or not.

mod shape;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use loadline_core::{Clock, Secret};
use serde_json::{Map, Value, json};

use super::keys::SigningKey;
pub use shape::Shape;
pub(crate) use shape::URI_DOMAIN;

/// How long a token is valid, in seconds, unless `ttl` says otherwise.
const TOKEN_SECONDS: i64 = 600;

/// Under which path of the sandbox the issuer lives.
pub(crate) const PATH: &str = "/oidc";

/// A token that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The library refused to sign.
    #[error("the identity token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The subject, `sub`.
    pub subject: String,
    /// The audience, `aud`: `sigstore` for Fulcio.
    pub audience: String,
    /// Seconds until it expires, counted from now; negative for a token that is expired already.
    pub seconds: i64,
    /// All other claims. One that is named like a standard claim takes its place.
    pub claims: Map<String, Value>,
    /// Which of the sandbox's issuers gives it.
    pub shape: Shape,
}

impl TokenRequest {
    /// A token for `subject`, for Fulcio, valid for ten minutes.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            audience: "sigstore".to_owned(),
            seconds: TOKEN_SECONDS,
            claims: Map::new(),
            shape: Shape::Any,
        }
    }

    /// A token as an email provider gives it.
    pub fn email(address: impl Into<String>) -> Self {
        let address = address.into();
        Self::new(address.clone()).claim("email", address).claim("email_verified", true)
    }

    /// The same from another of the sandbox's issuers.
    #[must_use]
    pub fn of(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Adds a claim.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

/// The issuer.
pub(crate) struct Issuer {
    /// Its URL, as tokens name it in `iss`.
    pub(crate) url: String,
    /// What its tokens are like.
    pub(crate) shape: Shape,
    key: SigningKey,
    clock: Clock,
}

impl Issuer {
    pub(crate) fn new(base: &str, shape: Shape, key: SigningKey, clock: Clock) -> Self {
        // The library panics at its first use where another crate of the program switches on its other
        // provider too. An error says that one is installed already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        Self { url: format!("{base}{}", shape.path()), shape, key, clock }
    }

    /// Hands out a token, to anyone, for anything.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<Secret, TokenError> {
        let now = self.clock.now().as_second();
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), self.url.clone().into());
        claims.insert("sub".to_owned(), request.subject.clone().into());
        claims.insert("aud".to_owned(), request.audience.clone().into());
        let issued = now.min(now.saturating_add(request.seconds));
        claims.insert("iat".to_owned(), issued.into());
        claims.insert("nbf".to_owned(), issued.into());
        claims.insert("exp".to_owned(), now.saturating_add(request.seconds).into());
        claims.extend(request.claims.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id());
        let key = EncodingKey::from_ec_der(self.key.pkcs8());
        Ok(Secret::new(jsonwebtoken::encode(&header, &claims, &key)?))
    }

    /// The public key, as the JWT library wants it: the uncompressed point.
    pub(crate) fn point(&self) -> &[u8] {
        self.key.point()
    }

    fn key_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.key.id()[..16])
    }

    /// OpenID Connect Discovery 1.0, section 3.
    fn discovery(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/keys", self.url),
            "authorization_endpoint": format!("{}/auth", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "email"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "nbf", "sub"],
        })
    }

    /// RFC 7517, with the curve's point as RFC 7518 section 6.2 has it.
    fn keys(&self) -> Value {
        let coordinates = self.key.point().get(1..65).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({"keys": [{
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.key_id(),
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }

    /// The issuer's addresses, below its path.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let at = |rest: &str| format!("{}/{rest}", self.shape.path());
        Router::new()
            .route(
                &at(".well-known/openid-configuration"),
                get(|State(issuer): State<Arc<Self>>| async move { Json(issuer.discovery()) }),
            )
            .route(&at("keys"), get(|State(issuer): State<Arc<Self>>| async move { Json(issuer.keys()) }))
            .route(&at("token"), get(token))
            .with_state(Arc::clone(self))
    }
}

/// All issuers of the sandbox.
pub(crate) struct Issuers(Vec<Arc<Issuer>>);

impl Issuers {
    /// One of each shape, at `base`, with the keys of these names.
    pub(crate) fn new<E>(
        base: &str,
        key: impl Fn(&str) -> Result<SigningKey, E>,
        clock: Clock,
    ) -> Result<Self, E> {
        let one = |shape: Shape| Ok(Arc::new(Issuer::new(base, shape, key(shape.key())?, clock)));
        Ok(Self(Shape::ALL.into_iter().map(one).collect::<Result<_, E>>()?))
    }

    /// The issuer of this shape.
    pub(crate) fn get(&self, shape: Shape) -> &Issuer {
        // There is one of each; were there not, the first would have to do.
        self.0.iter().find(|issuer| issuer.shape == shape).unwrap_or(&self.0[0])
    }

    /// The issuer that calls itself so.
    pub(crate) fn named(&self, url: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.url == url).map(Arc::as_ref)
    }

    /// Each in turn.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter().map(Arc::as_ref)
    }

    /// The addresses of all of them.
    pub(crate) fn router(&self) -> Router {
        self.0.iter().fold(Router::new(), |router, issuer| router.merge(issuer.router()))
    }
}

async fn token(State(issuer): State<Arc<Issuer>>, Query(query): Query<Vec<(String, String)>>) -> Response {
    let mut request = TokenRequest::new("");
    let mut as_runner = false;
    for (name, value) in query {
        match name.as_str() {
            "sub" => request.subject = value,
            "aud" => request.audience = value,
            "audience" => {
                request.audience = value;
                as_runner = true;
            }
            "ttl" => match value.parse() {
                Ok(seconds) => request.seconds = seconds,
                Err(_) => return refuse(&format!("ttl={value} is no number of seconds")),
            },
            name => match name.strip_prefix("claim.") {
                Some("") | None => {
                    return refuse(&format!(
                        "unknown parameter {name}: use sub, aud, audience, ttl or claim.NAME"
                    ));
                }
                Some(claim) => {
                    request.claims.insert(claim.to_owned(), typed(claim, value));
                }
            },
        }
    }
    issuer.shape.fill(&mut request);
    if request.subject.is_empty() {
        return refuse("sub is missing: GET …/token?sub=SUBJECT&aud=sigstore&claim.NAME=VALUE");
    }
    match issuer.token(&request) {
        Ok(token) if as_runner => Json(json!({"count": 1, "value": token.expose()})).into_response(),
        Ok(token) => ([(header::CONTENT_TYPE, "text/plain")], token.expose().to_owned()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn refuse(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{message}\n")).into_response()
}

/// Claims are strings, as GitHub's are; the few that the standards want otherwise are not.
fn typed(name: &str, value: String) -> Value {
    match name {
        "email_verified" => value.parse::<bool>().map_or(Value::String(value), Value::Bool),
        "exp" | "iat" | "nbf" | "auth_time" | "runner_id" => {
            value.parse::<i64>().map_or(Value::String(value), Value::from)
        }
        _ => Value::String(value),
    }
}
