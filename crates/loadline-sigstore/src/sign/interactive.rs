//! Logging in: an address to open in a browser, a code to bring back.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use loadline_core::{Clock, Secret};
use sigstore_sign::oidc::{
    AuthCallback, AuthMode, AuthOptions, HtmlTemplates, IdentityToken, OAuthClient, OAuthConfig, SecretString,
};
use tokio::sync::Mutex;

use crate::sign::error::{Service, SignError, said, shown};

/// Tokens that last no longer than this are not used any more: signing takes a moment.
const LEEWAY: Duration = Duration::from_secs(20);

/// Whoever sits in front of it.
pub trait Prompt: fmt::Debug + Send + Sync {
    /// Shows the address at which to log in.
    fn show(&self, address: &str);

    /// Waits for the code that the page there shows afterwards.
    ///
    /// # Errors
    /// Nobody is there to type it.
    fn code(&self) -> io::Result<Secret>;
}

/// Someone who logs in. The token is kept while it lasts: one login, several signatures.
#[derive(Debug, Clone)]
pub struct Interactive {
    issuer: String,
    prompt: Arc<dyn Prompt>,
    held: Arc<Mutex<Option<Secret>>>,
}

impl Interactive {
    /// A login at this issuer: `https://oauth2.sigstore.dev/auth`, or what the signing config names. Its
    /// endpoints are where Dex has them, at `auth` and `token` below it.
    pub fn new(issuer: impl Into<String>, prompt: Arc<dyn Prompt>) -> Self {
        Self { issuer: issuer.into(), prompt, held: Arc::default() }
    }

    pub(crate) async fn token(
        &self,
        client: &reqwest::Client,
        clock: Clock,
        limit: Duration,
    ) -> Result<IdentityToken, SignError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().and_then(|text| IdentityToken::from_jwt(text.expose()).ok())
            && token.expiration().duration_since(clock.now()).as_secs() > LEEWAY.as_secs().cast_signed()
        {
            return Ok(token);
        }
        let login = OAuthClient::with_http_client(OAuthConfig::dex(&self.issuer), client.clone());
        // The library's own way of opening a browser starts a program; the address is shown instead.
        let options = AuthOptions::new().with_force_oob(true);
        let callback = Callback(Arc::clone(&self.prompt));
        let answer = login.authenticate_with_options(callback, options).await;
        let _ = limit;
        let token = answer.map_err(|error| SignError::Answer {
            service: Service::Issuer,
            address: shown(&self.issuer),
            reason: said(&error.to_string()),
        })?;
        *held = Some(Secret::new(token.expose_secret()));
        Ok(token)
    }
}

struct Callback(Arc<dyn Prompt>);

impl HtmlTemplates for Callback {}

impl AuthCallback for Callback {
    fn auth_url_ready(&self, url: &str, _: AuthMode) {
        self.0.show(url);
    }

    fn prompt_for_code(&self) -> io::Result<SecretString> {
        self.0.code().map(|code| SecretString::new(code.expose().trim()))
    }
}
