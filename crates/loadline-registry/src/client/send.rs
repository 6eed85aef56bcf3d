//! Sending a request: authorisation, bounds, counting, and what a refusal means.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use loadline_core::RepositoryName;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;
use url::Url;

use super::auth::Authorization;
use super::connection::classify;
use super::{Client, Tally};
use crate::error::{ConnectionProblem, RegistryError, RegistryErrorKind};

/// The largest refusal that is read for its reason.
const REFUSAL_LIMIT: usize = 64 << 10;
/// The slowest transfer that is waited for, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// A request's body; one that can be sent again.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Empty,
    Bytes(Bytes),
    File {
        path: PathBuf,
        size: u64,
    },
    /// What another registry is sending at this moment; it can be sent once only.
    Stream {
        body: Arc<Mutex<Option<reqwest::Body>>>,
        size: u64,
    },
}

impl Body {
    fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } | Self::Stream { size, .. } => *size,
        }
    }
}

/// What a request may do, and so what its token must allow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Access<'a> {
    #[default]
    Pull,
    Push,
    /// Pushes, and reads another repository of the same registry (a mount).
    PushFrom(&'a RepositoryName),
}

/// One request to a registry.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) repository: &'a RepositoryName,
    pub(crate) access: Access<'a>,
    /// What is asked, for messages: `read the manifest v1`.
    pub(crate) asked: String,
    /// Statuses besides 2xx that are answers, not refusals.
    pub(crate) answers: &'static [u16],
    /// Whether the request goes to where the registry's own address says; elsewhere no credential is sent.
    pub(crate) ours: bool,
    /// Whether the same request can be sent twice. An upload's cannot: its session dies with the first.
    pub(crate) repeatable: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(repository: &'a RepositoryName, url: Url, asked: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            repository,
            access: Access::Pull,
            asked: asked.into(),
            answers: &[],
            ours: true,
            repeatable: true,
        }
    }

    pub(crate) fn error(&self, kind: RegistryErrorKind) -> RegistryError {
        RegistryError::new(self.repository, &self.asked, kind)
    }

    pub(crate) fn protocol(&self, message: impl Into<String>) -> RegistryError {
        self.error(RegistryErrorKind::Protocol { status: None, message: message.into() })
    }

    pub(crate) fn header(mut self, name: http::HeaderName, value: &str) -> Result<Self, RegistryError> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| self.protocol(format!("`{name}` cannot be `{value}`")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The scopes that its token must have.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let own = self.repository.path();
        match self.access {
            Access::Pull => vec![format!("repository:{own}:pull")],
            Access::Push => vec![format!("repository:{own}:pull,push")],
            Access::PushFrom(other) => {
                vec![format!("repository:{own}:pull,push"), format!("repository:{}:pull", other.path())]
            }
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The tries that are left for one call.
#[derive(Debug)]
pub(crate) struct Attempts {
    left: u32,
    wait: Duration,
    longest: Duration,
}

impl Attempts {
    /// Takes one of the tries that are left, without waiting.
    pub(crate) fn spend(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    /// Whether to try again after this error; it has waited when it says so.
    pub(crate) async fn again(&mut self, error: &RegistryError) -> bool {
        if self.left <= 1 || !error.is_transient() {
            return false;
        }
        // Calls that failed together do not come back together.
        let jitter = RandomState::new().hash_one(self.left) % 256;
        let wait = self.wait + self.wait * u32::try_from(jitter).unwrap_or(0) / 512;
        let wait = match error.retry_after() {
            Some(asked) if asked > self.longest => return false,
            Some(asked) => wait.max(asked),
            None => wait.min(self.longest),
        };
        self.left -= 1;
        self.wait = self.wait.saturating_mul(2).min(self.longest);
        tokio::time::sleep(wait).await;
        true
    }
}

impl Client {
    pub(crate) fn attempts(&self) -> Attempts {
        let backoff = self.options().backoff;
        Attempts { left: backoff.attempts.max(1), wait: backoff.first, longest: backoff.longest }
    }

    /// Waits at random, up to twice as long each round.
    pub(crate) async fn pause(&self, round: u32) {
        let backoff = self.options().backoff;
        let most = backoff.first.saturating_mul(1 << round.min(10)).min(backoff.longest / 8);
        let part = RandomState::new().hash_one(round) % 1024;
        tokio::time::sleep(most * u32::try_from(part).unwrap_or(0) / 1024).await;
    }

    /// How long a transfer of this size may take.
    pub(crate) fn transfer_limit(&self, size: u64) -> Duration {
        self.options().time_limit.saturating_add(Duration::from_secs(size / SLOWEST))
    }

    /// Sends, authorises where asked to, and tries again where that may help; the whole answer, at most so
    /// many bytes.
    pub(crate) async fn fetch(
        &self,
        request: &Request<'_>,
        limit: u64,
        what: &'static str,
    ) -> Result<Answer, RegistryError> {
        let mut attempts = self.attempts();
        loop {
            match self.fetch_once(request, limit, what).await {
                Err(error) if attempts.again(&error).await => {}
                result => return result,
            }
        }
    }

    async fn fetch_once(
        &self,
        request: &Request<'_>,
        limit: u64,
        what: &'static str,
    ) -> Result<Answer, RegistryError> {
        let response = self.send(request).await?;
        let (status, headers, url) =
            (response.status().as_u16(), response.headers().clone(), response.url().clone());
        let bytes = if request.method == Method::HEAD {
            Bytes::new()
        } else {
            self.read(request, response, limit, what).await?
        };
        Ok(Answer { status, headers, url, bytes })
    }

    /// Sends once, authorises where asked to; a refusal is an error.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        if !request.ours {
            let response = self.once(request, None).await?;
            return self.accept(request, response).await;
        }
        let authorization = self.authorization(request).await?;
        let response = self.once(request, authorization.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || request.answers.contains(&401) {
            return self.accept(request, response).await;
        }
        let authorization = self.answer(request, response.headers(), authorization.as_ref()).await?;
        if !request.repeatable {
            let problem = ConnectionProblem::Reset;
            let message = "the token was refused in the middle of an upload".to_owned();
            return Err(request.error(RegistryErrorKind::Connection { problem, message }));
        }
        let response = self.once(request, Some(&authorization)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            if lacks_scope(response.headers()) {
                let message = "the account or token has no right to this (insufficient_scope)".to_owned();
                return Err(request.error(RegistryErrorKind::Denied { message }));
            }
            return Err(self.unauthorised(request, Some(&authorization)));
        }
        self.accept(request, response).await
    }

    async fn accept(&self, request: &Request<'_>, response: Response) -> Result<Response, RegistryError> {
        let status = response.status();
        if status.is_success() || request.answers.contains(&status.as_u16()) {
            Ok(response)
        } else {
            Err(self.refusal(request, response).await)
        }
    }

    /// One request, one answer, whatever its status.
    pub(crate) async fn once(
        &self,
        request: &Request<'_>,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let http = self.0.http.client().map_err(|error| {
            let problem = ConnectionProblem::Other;
            request.error(RegistryErrorKind::Connection { problem, message: error.to_string() })
        })?;
        let mut headers = request.headers.clone();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.header.clone());
        }
        let size = request.body.size();
        let mut builder = http.request(request.method.clone(), request.url.clone());
        builder = match &request.body {
            Body::Empty if matches!(request.method, Method::POST | Method::PUT) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                builder
            }
            Body::Empty => builder,
            Body::Bytes(bytes) => builder.body(bytes.clone()),
            Body::File { path, size } => {
                let file = tokio::fs::File::open(path)
                    .await
                    .map_err(|source| request.error(RegistryErrorKind::Io { path: path.clone(), source }))?;
                headers.insert(CONTENT_LENGTH, HeaderValue::from(*size));
                let reader = tokio::io::AsyncReadExt::take(file, *size);
                builder.body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(reader, 256 << 10)))
            }
            Body::Stream { body, size } => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(*size));
                let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                builder.body(body.ok_or_else(|| request.protocol("the content was sent already"))?)
            }
        };
        let limit = self.transfer_limit(size);
        Tally::add(&self.tally().requests, 1);
        let response = timeout(limit, builder.headers(headers).send())
            .await
            .map_err(|_| request.error(RegistryErrorKind::TimedOut { limit }))?
            .map_err(|error| request.error(classify(error, limit)))?;
        Tally::add(&self.tally().bytes_sent, size);
        Ok(response)
    }

    /// The whole body of an answer, at most so many bytes.
    pub(crate) async fn read(
        &self,
        request: &Request<'_>,
        mut response: Response,
        limit: u64,
        what: &'static str,
    ) -> Result<Bytes, RegistryError> {
        let too_large =
            || request.error(RegistryErrorKind::TooLarge { what, limit: format!("{limit} bytes") });
        let announced = response.content_length();
        if announced.is_some_and(|size| size > limit) {
            return Err(too_large());
        }
        let time_limit = self.transfer_limit(limit);
        let whole = async {
            let mut bytes = BytesMut::with_capacity(usize::try_from(announced.unwrap_or(0)).unwrap_or(0));
            while let Some(chunk) =
                response.chunk().await.map_err(|error| request.error(classify(error, time_limit)))?
            {
                Tally::add(&self.tally().bytes_received, chunk.len() as u64);
                if bytes.len() as u64 + chunk.len() as u64 > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes.freeze())
        };
        timeout(time_limit, whole)
            .await
            .map_err(|_| request.error(RegistryErrorKind::TimedOut { limit: time_limit }))?
    }

    /// The error that a refusal is.
    pub(crate) async fn refusal(&self, request: &Request<'_>, response: Response) -> RegistryError {
        let status = response.status().as_u16();
        let retry_after = self.retry_after(response.headers());
        let said = said(response, self.options().time_limit.min(Duration::from_secs(10))).await;
        let kind = match status {
            404 => RegistryErrorKind::NotFound,
            401 => return self.unauthorised(request, None),
            403 => RegistryErrorKind::Denied { message: said },
            429 => RegistryErrorKind::RateLimited { retry_after },
            405 => RegistryErrorKind::Unsupported { message: said },
            413 => RegistryErrorKind::TooLarge {
                what: "what was sent",
                limit: format!("the registry takes ({said})"),
            },
            _ => RegistryErrorKind::Protocol { status: Some(status), message: said },
        };
        request.error(kind).with_retry_after(retry_after)
    }

    /// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let moment = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let left = moment.as_second() - self.options().clock.now().as_second();
        u64::try_from(left).ok().map(Duration::from_secs)
    }
}

/// Whether a registry says that the token is good and allows too little (RFC 6750, section 3.1). Docker's own
/// answers so where an account may pull and not push.
fn lacks_scope(headers: &HeaderMap) -> bool {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values.into_iter().any(|value| value.contains("insufficient_scope"))
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<RefusalError>,
}

#[derive(Deserialize)]
struct RefusalError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What a refusal's body says (distribution specification, "Error Codes"), fit to print.
async fn said(mut response: Response, limit: Duration) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk[..chunk.len().min(REFUSAL_LIMIT - bytes.len())]);
            if bytes.len() >= REFUSAL_LIMIT {
                break;
            }
        }
    };
    let _ = timeout(limit, read).await;
    let text = match serde_json::from_slice::<Refusal>(&bytes) {
        Ok(refusal) if !refusal.errors.is_empty() => {
            let one = |error: RefusalError| match (error.code.is_empty(), error.message.is_empty()) {
                (false, false) => format!("{}: {}", error.code, error.message),
                _ => format!("{}{}", error.code, error.message),
            };
            refusal.errors.into_iter().take(3).map(one).collect::<Vec<_>>().join("; ")
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { "the registry gave no reason".to_owned() } else { text }
}
