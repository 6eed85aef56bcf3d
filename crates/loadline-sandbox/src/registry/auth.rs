//! Who may do what: one user, by password or by token (the token flow is docker's, "Token
//! Authentication Specification").

use aws_lc_rs::{constant_time, hmac, rand};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::StreamExt as _;
use loadline_core::{Clock, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::errors::{Code, Refusal};
use super::names::{Name, Target};
use super::query::Query;

/// How long a token is good for, in seconds; docker's clients assume 60 where nothing is said.
const LIFETIME: i64 = 300;
const SERVICE: &str = "loadline-sandbox";
const MAX_FORM: usize = 16 << 10;
const MAX_SCOPES: usize = 64;

/// What a client that sends no credentials is told to do. Both kinds are taken either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Challenge {
    /// Fetch a token.
    #[default]
    Bearer,
    /// Send the password.
    Basic,
}

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Pull,
    Push,
    Delete,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// What a request may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything: no authentication is asked for, or the password came.
    All,
    /// What the token says.
    Scoped(Vec<Grant>),
}

/// One scope of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl Grant {
    fn to_pull(name: &str) -> Self {
        Self { kind: "repository".to_owned(), name: name.to_owned(), actions: vec!["pull".to_owned()] }
    }

    /// What of it everyone may do.
    fn only_pulling(self) -> Option<Self> {
        let pulls = self.kind == "repository" && self.actions.iter().any(|action| action == "pull");
        pulls.then(|| Self::to_pull(&self.name))
    }
}

impl Access {
    pub(super) fn allows(&self, name: &Name, action: Action) -> bool {
        self.has("repository", name.as_str(), action.name())
    }

    /// Whether the token was asked for to list all repositories.
    pub(super) fn lists_all(&self) -> bool {
        self.has("registry", "catalog", "*")
    }

    fn has(&self, kind: &str, name: &str, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Scoped(grants) => grants.iter().any(|grant| {
                grant.kind == kind
                    && grant.name == name
                    && grant.actions.iter().any(|granted| granted == action || granted == "*")
            }),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: i64,
    access: Vec<Grant>,
}

/// The one user, and the key that signs tokens. The key lives as long as the process: a token does not
/// outlive a restart, and clients then fetch a new one.
#[derive(Debug)]
pub(super) struct Auth {
    user: String,
    password: Secret,
    key: hmac::Key,
    clock: Clock,
    challenge: Challenge,
    anonymous_pull: bool,
}

impl Auth {
    pub(super) fn new(
        user: String,
        password: Secret,
        clock: Clock,
        challenge: Challenge,
    ) -> std::io::Result<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?);
        Ok(Self { user, password, key, clock, challenge, anonymous_pull: false })
    }

    /// Lets everyone pull: by an anonymous token, as public repositories do, or without any where the challenge
    /// is for a password.
    pub(super) fn open_to_pulls(mut self, open: bool) -> Self {
        self.anonymous_pull = open;
        self
    }

    /// Who asks, and whether they may.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        method: &Method,
        target: Option<&Target>,
        query: &Query,
    ) -> Result<Access, Refusal> {
        let scope = target.and_then(|target| scope(target, method));
        // Asked for along with the target's, but not demanded: without it a mount becomes an upload.
        let source = match target {
            Some(Target::Uploads(_)) if query.get("mount").is_some() => {
                query.get("from").and_then(|from| Name::parse(from).ok())
            }
            _ => None,
        };
        let ask = |error: Option<&str>| self.ask(headers, scope.as_ref(), source.as_ref(), error);
        let Some(header) = headers.get(AUTHORIZATION) else {
            // Registries that hand out tokens want one for pulling, too: an anonymous one.
            return match &scope {
                Some((name, actions))
                    if self.anonymous_pull
                        && self.challenge == Challenge::Basic
                        && actions.as_slice() == [Action::Pull] =>
                {
                    Ok(Access::Scoped(vec![Grant::to_pull(name.as_str())]))
                }
                _ => Err(ask(None)),
            };
        };
        let header = header.to_str().unwrap_or_default();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        let access = if scheme.eq_ignore_ascii_case("basic") {
            if !self.is_password(rest) {
                return Err(ask(None));
            }
            Access::All
        } else if scheme.eq_ignore_ascii_case("bearer") {
            match self.open(rest.trim()) {
                Some(grants) => Access::Scoped(grants),
                None => return Err(ask(Some("invalid_token"))),
            }
        } else {
            return Err(ask(None));
        };
        if let Some((name, actions)) = &scope
            && !actions.iter().all(|action| access.allows(name, *action))
        {
            return Err(ask(Some("insufficient_scope")));
        }
        if target == Some(&Target::Catalog) && !access.lists_all() {
            return Err(ask(Some("insufficient_scope")));
        }
        Ok(access)
    }

    /// `GET` and `POST /token`
    pub(super) async fn token(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: Query,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let (known, query) = if method == Method::POST {
            let form = read_form(body).await?;
            if form.get("grant_type") != Some("password") {
                return Err(Refusal::bad(Code::Unsupported, "only `grant_type=password` is known here"));
            }
            let user = form.get("username").unwrap_or_default();
            (self.is_user(user, form.get("password").unwrap_or_default()), form)
        } else {
            let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let (scheme, rest) = header.split_once(' ').unwrap_or_default();
            (scheme.eq_ignore_ascii_case("basic") && self.is_password(rest), query)
        };
        let anonymous = self.anonymous_pull && method == Method::GET && headers.get(AUTHORIZATION).is_none();
        if !known && !anonymous {
            return Err(unauthorized("the token service wants the user's name and password")
                .header(WWW_AUTHENTICATE, &format!("Basic realm=\"{SERVICE}\"")));
        }
        let access = query
            .all("scope")
            .flat_map(|scopes| scopes.split(' '))
            .filter_map(grant)
            .filter_map(|grant| if known { Some(grant) } else { grant.only_pulling() })
            .take(MAX_SCOPES)
            .collect();
        let now = self.clock.now();
        let token = self.seal(&Claims { exp: now.as_second().saturating_add(LIFETIME), access });
        let body = json!({
            "token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": now.to_string(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    fn ask(
        &self,
        headers: &HeaderMap,
        scope: Option<&(Name, Vec<Action>)>,
        source: Option<&Name>,
        error: Option<&str>,
    ) -> Refusal {
        let message = match error {
            Some("insufficient_scope") => "the token does not allow this: ask for one with the scope named",
            Some(_) => "the token is expired or not from here: fetch a new one",
            None => "this registry wants a user's name and password, or a token",
        };
        if self.challenge == Challenge::Basic {
            return unauthorized(message).header(WWW_AUTHENTICATE, &format!("Basic realm=\"{SERVICE}\""));
        }
        let mut challenge = format!("Bearer realm=\"http://{}/token\",service=\"{SERVICE}\"", host(headers));
        if let Some((name, actions)) = scope {
            let actions: Vec<_> = actions.iter().map(|action| action.name()).collect();
            let source = source.map(|from| format!(" repository:{}:pull", from.as_str())).unwrap_or_default();
            challenge.push_str(&format!(
                ",scope=\"repository:{}:{}{source}\"",
                name.as_str(),
                actions.join(",")
            ));
        } else if error == Some("insufficient_scope") {
            challenge.push_str(",scope=\"registry:catalog:*\"");
        }
        if let Some(error) = error {
            challenge.push_str(&format!(",error=\"{error}\""));
        }
        unauthorized(message).header(WWW_AUTHENTICATE, &challenge)
    }

    fn is_password(&self, credentials: &str) -> bool {
        let Ok(bytes) = STANDARD.decode(credentials.trim()) else { return false };
        let Ok(text) = String::from_utf8(bytes) else { return false };
        text.split_once(':').is_some_and(|(user, password)| self.is_user(user, password))
    }

    fn is_user(&self, user: &str, password: &str) -> bool {
        // Over a MAC of each, so that neither content nor length shows in the time it takes.
        let same = |a: &str, b: &str| {
            let sign = |text: &str| hmac::sign(&self.key, text.as_bytes());
            constant_time::verify_slices_are_equal(sign(a).as_ref(), sign(b).as_ref()).is_ok()
        };
        let user = same(user, &self.user);
        let password = same(password, self.password.expose());
        user && password
    }

    fn seal(&self, claims: &Claims) -> String {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let tag = hmac::sign(&self.key, token_input(&claims).as_bytes());
        format!("{claims}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn open(&self, token: &str) -> Option<Vec<Grant>> {
        let (claims, tag) = token.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.key, token_input(claims).as_bytes(), &tag).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (self.clock.now().as_second() < claims.exp).then_some(claims.access)
    }
}

// Kept apart from the MACs over passwords, which use the same key.
fn token_input(claims: &str) -> String {
    format!("token\0{claims}")
}

/// The scope that a request needs.
fn scope(target: &Target, method: &Method) -> Option<(Name, Vec<Action>)> {
    let name = target.name()?.clone();
    let upload = matches!(target, Target::Uploads(_) | Target::Upload(..));
    let actions = match *method {
        _ if upload => vec![Action::Pull, Action::Push],
        Method::GET | Method::HEAD => vec![Action::Pull],
        Method::DELETE => vec![Action::Delete],
        _ => vec![Action::Pull, Action::Push],
    };
    Some((name, actions))
}

/// `repository:<name>:pull,push`. What this registry does not know grants nothing.
fn grant(scope: &str) -> Option<Grant> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let known = match kind {
        "repository" => Name::parse(name).is_ok(),
        "registry" => name == "catalog",
        _ => false,
    };
    let actions = actions.split(',').filter(|action| matches!(*action, "pull" | "push" | "delete" | "*"));
    known.then(|| Grant {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.map(str::to_owned).collect(),
    })
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
}

/// The address that the client knows us by; anything that is no address is not repeated.
fn host(headers: &HeaderMap) -> &str {
    headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
        })
        .unwrap_or("localhost")
}

async fn read_form(body: Body) -> Result<Query, Refusal> {
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| Refusal::bad(Code::Unsupported, "the form broke off"))?;
        if bytes.len() + piece.len() > MAX_FORM {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::SizeInvalid,
                format!("a form has at most {MAX_FORM} bytes"),
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Query::parse(&String::from_utf8_lossy(&bytes)))
}

/// Bytes that nobody guesses.
pub(super) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system has no randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(seconds: i64) -> Auth {
        let clock = Clock::Fixed(jiff::Timestamp::from_second(seconds).unwrap());
        Auth {
            key: hmac::Key::new(hmac::HMAC_SHA256, b"a key of the test"),
            ..Auth::new("user".into(), Secret::new("pass"), clock, Challenge::Bearer).unwrap()
        }
    }

    #[test]
    fn a_token_ends_and_cannot_be_changed() {
        let token =
            auth(1000).seal(&Claims { exp: 1300, access: vec![grant("repository:a/b:pull").unwrap()] });
        assert_eq!(auth(1299).open(&token).unwrap().len(), 1);
        assert_eq!(auth(1300).open(&token), None);
        let claims = token.split_once('.').unwrap().0;
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(auth(1000).open(&String::from_utf8(bytes).unwrap()), None, "byte {at}");
        }
        assert_eq!(auth(1000).open(claims), None);
        assert_eq!(auth(1000).open(&format!("{claims}.")), None);
        let other = Auth::new("user".into(), Secret::new("pass"), Clock::System, Challenge::Bearer).unwrap();
        assert_eq!(other.open(&token), None);
    }

    #[test]
    fn scopes() {
        let access = Access::Scoped(
            ["repository:a/b:pull,push", "repository:c:*", "repository:UP:pull", "other:d:pull", "nonsense"]
                .into_iter()
                .filter_map(grant)
                .collect(),
        );
        let name = |text| Name::parse(text).unwrap();
        assert!(access.allows(&name("a/b"), Action::Push));
        assert!(!access.allows(&name("a/b"), Action::Delete));
        assert!(access.allows(&name("c"), Action::Delete));
        assert!(!access.allows(&name("a"), Action::Pull));
        assert!(!access.allows(&name("d"), Action::Pull));
        assert!(!access.lists_all());
    }
}
