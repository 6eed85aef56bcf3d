//! Calling GitHub: the shared HTTP client, a token for GitHub alone, limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use loadline_core::{Clock, Secret};
use octocrab::{OctoBody, Octocrab};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use crate::error::{GitHubError, GitHubErrorKind, classify, said};

/// The public API's address.
pub const PUBLIC: &str = "https://api.github.com";
/// The version of the API that is spoken.
const API_VERSION: &str = "2022-11-28";
/// The largest refusal that is read for its reason.
const REFUSAL_LIMIT: usize = 64 << 10;

/// How GitHub is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API's address: [`PUBLIC`], or what `GITHUB_API_URL` says.
    pub address: String,
    /// The token. Public repositories can be read without one, a few times an hour.
    pub token: Option<Secret>,
    /// How long one request may take, its answer included.
    pub time_limit: Duration,
    /// What `Retry-After` dates are held against.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: PUBLIC.to_owned(),
            token: None,
            time_limit: Duration::from_secs(60),
            clock: Clock::System,
        }
    }
}

/// GitHub's API.
#[derive(Debug, Clone)]
pub struct GitHub {
    pub(crate) octocrab: Octocrab,
    /// For addresses that are not GitHub's own: it adds no token.
    pub(crate) http: reqwest::Client,
    pub(crate) address: Url,
    pub(crate) time_limit: Duration,
    pub(crate) has_token: bool,
    clock: Clock,
}

/// An answer with status 2xx.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

type Response = http::Response<BoxBody<Bytes, octocrab::Error>>;

impl GitHub {
    /// GitHub's API over this client. Call it inside a tokio runtime: octocrab starts a task.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(http: reqwest::Client, options: Options) -> Result<Self, GitHubError> {
        let refuse = |reason: String| GitHubError {
            asked: "use GitHub's API".to_owned(),
            address: options.address.chars().take(200).collect(),
            kind: GitHubErrorKind::Answer { reason },
        };
        let address = Url::parse(&options.address).map_err(|_| refuse("its address is no URL".to_owned()))?;
        let mut builder = Octocrab::builder()
            .base_uri(options.address.as_str())
            .map_err(|_| refuse("its address is no URL".to_owned()))?
            .add_header(HeaderName::from_static("x-github-api-version"), API_VERSION.to_owned());
        let has_token = options.token.is_some();
        if let Some(token) = &options.token {
            builder = builder.personal_token(token.expose().to_owned());
        }
        let octocrab = builder.build_with_reqwest(http.clone()).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { octocrab, http, address, time_limit: options.time_limit, has_token, clock: options.clock })
    }

    /// The API's address, as messages name it.
    pub fn address(&self) -> String {
        self.address.host_str().map_or_else(|| self.address.to_string(), str::to_owned)
    }

    /// Whether requests carry a token.
    pub const fn has_token(&self) -> bool {
        self.has_token
    }

    pub(crate) fn error(&self, asked: &str, kind: GitHubErrorKind) -> GitHubError {
        GitHubError { asked: asked.to_owned(), address: self.address(), kind }
    }

    /// Sends a request to GitHub itself; the whole answer, at most so many bytes.
    pub(crate) async fn call(
        &self,
        asked: &str,
        request: Request<OctoBody>,
        limit: usize,
        permission: &'static str,
    ) -> Result<Answer, GitHubError> {
        let whole = async {
            let (mut parts, body) = request.into_parts();
            parts.headers.insert(ACCEPT, http::HeaderValue::from_static("application/vnd.github+json"));
            let sent = self.octocrab.execute(Request::from_parts(parts, body)).await;
            let response = sent.map_err(|error| self.error(asked, classify(&error, self.time_limit)))?;
            let status = response.status();
            if !status.is_success() {
                return Err(self.refusal(asked, response, permission).await);
            }
            let headers = response.headers().clone();
            let bytes = read(response, limit)
                .await
                .map_err(|error| self.error(asked, error.into_kind("its answer", limit, self.time_limit)))?;
            Ok(Answer { headers, bytes })
        };
        match timeout(self.time_limit, whole).await {
            Ok(result) => result,
            Err(_) => Err(self.error(asked, GitHubErrorKind::TimedOut { limit: self.time_limit })),
        }
    }

    async fn refusal(&self, asked: &str, response: Response, permission: &'static str) -> GitHubError {
        let status = response.status();
        let headers = response.headers().clone();
        let body = read(response, REFUSAL_LIMIT).await.unwrap_or_default();
        let words = words(&body);
        let used_up = headers.get("x-ratelimit-remaining").is_some_and(|left| left.as_bytes() == b"0");
        let retry_after = self.retry_after(&headers, used_up);
        let status_code = status.as_u16();
        // The secondary limit answers 403 with Retry-After, or with words alone.
        let limited = status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::FORBIDDEN
                && (used_up || headers.contains_key(RETRY_AFTER) || words.contains("secondary rate limit")));
        let kind = match status_code {
            _ if limited => GitHubErrorKind::RateLimited { status: status_code, retry_after },
            401 => GitHubErrorKind::Permission { status: 401, said: words, permission: None },
            403 => GitHubErrorKind::Permission { status: 403, said: words, permission: Some(permission) },
            404 => GitHubErrorKind::NotFound,
            _ => GitHubErrorKind::Refused { status: status_code, said: words },
        };
        self.error(asked, kind)
    }

    /// `Retry-After` in seconds, else `x-ratelimit-reset`, a moment in seconds since 1970.
    fn retry_after(&self, headers: &HeaderMap, used_up: bool) -> Option<Duration> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let seconds = number(RETRY_AFTER.as_str()).or_else(|| {
            let reset = number("x-ratelimit-reset").filter(|_| used_up)?;
            Some(reset - self.clock.now().as_second())
        })?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }
}

/// Why a body was not read to its end.
pub(crate) enum ReadError {
    TooLarge,
    Broken(octocrab::Error),
}

impl ReadError {
    fn into_kind(self, what: &'static str, limit: usize, time: Duration) -> GitHubErrorKind {
        match self {
            Self::TooLarge => GitHubErrorKind::TooLarge { what, limit },
            Self::Broken(error) => classify(&error, time),
        }
    }
}

async fn read(response: Response, limit: usize) -> Result<Bytes, ReadError> {
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadError::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// What a refusal's body says.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        errors: serde_json::Value,
    }
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.errors.is_null() => refusal.message,
        Ok(refusal) => format!("{}: {}", refusal.message, refusal.errors),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let text = said(&text);
    if text.is_empty() { "no reason given".to_owned() } else { text }
}
