//! Logging in: in a browser that comes back by itself, or by a code to bring back.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use loadline_core::{Clock, Secret};
use sigstore_sign::oidc::IdentityToken;
use tokio::sync::Mutex;

use crate::sign::error::SignError;
use crate::sign::loopback::Loopback;
use crate::sign::oauth::{OUT_OF_BAND, Session};

/// Tokens that last no longer than this are not used any more: signing takes a moment.
const LEEWAY: Duration = Duration::from_secs(20);
/// How long a browser's answer is waited for, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked whether the browser gave up.
const LOOK: Duration = Duration::from_millis(100);

/// How an answer comes back from the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The browser is sent back to an address of this machine.
    Browser,
    /// The issuer's page shows a code, and someone types it.
    Code,
}

/// Whoever sits in front of it.
pub trait Prompt: fmt::Debug + Send + Sync {
    /// Shows the address at which to log in, and what happens then.
    fn show(&self, address: &str, way: Way);

    /// Waits for the code that the page there shows afterwards.
    ///
    /// # Errors
    /// Nobody is there to type it.
    fn code(&self) -> io::Result<Secret>;

    /// Opens the address in a browser; `None` where none can be started.
    fn browse(&self, address: &str) -> Option<Box<dyn Browser>>;
}

/// A browser that was started.
pub trait Browser: Send {
    /// Whether it ended and showed nothing.
    fn has_failed(&mut self) -> bool;
}

/// Someone who logs in. The token is kept while it lasts: one login, several signatures.
#[derive(Debug, Clone)]
pub struct Interactive {
    issuer: String,
    prompt: Arc<dyn Prompt>,
    way: Option<Way>,
    patience: Duration,
    held: Arc<Mutex<Option<Secret>>>,
}

impl Interactive {
    /// A login at this issuer: `https://oauth2.sigstore.dev/auth`, or what the signing config names. Its
    /// endpoints are where Dex has them, at `auth` and `token` below it. In a browser where one can be
    /// started, else by a code; a browser's answer is waited for five minutes.
    pub fn new(issuer: impl Into<String>, prompt: Arc<dyn Prompt>) -> Self {
        Self { issuer: issuer.into(), prompt, way: None, patience: PATIENCE, held: Arc::default() }
    }

    /// This way and no other. With [`Way::Browser`] the answer is waited for even where no browser can be
    /// started: the address can be opened by hand, on this machine.
    #[must_use]
    pub fn only(mut self, way: Way) -> Self {
        self.way = Some(way);
        self
    }

    /// Sets how long a browser's answer is waited for.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
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
        let session = Session::new(&self.issuer)?;
        let returned = match self.way {
            Some(Way::Code) => None,
            Some(Way::Browser) | None => self.by_browser(&session).await?,
        };
        let (code, redirect) = match returned {
            Some(returned) => returned,
            None => (self.by_code(&session)?, OUT_OF_BAND.to_owned()),
        };
        let text = session.exchange(client, &code, &redirect, limit).await?;
        let token = IdentityToken::from_jwt(text.expose())
            .map_err(|_| failed("what the issuer handed out is no JSON web token"))?;
        *held = Some(text);
        Ok(token)
    }

    fn by_code(&self, session: &Session) -> Result<Secret, SignError> {
        self.prompt.show(session.address(OUT_OF_BAND).as_str(), Way::Code);
        let code = self.prompt.code().map_err(|error| failed(&error.to_string()))?;
        Ok(Secret::new(code.expose().trim()))
    }

    /// The code that came back, and where to; `None` where the other way must do.
    async fn by_browser(&self, session: &Session) -> Result<Option<(Secret, String)>, SignError> {
        let alternative = self.way.is_none();
        let loopback = match Loopback::bind().await {
            Ok(loopback) => loopback,
            Err(_) if alternative => return Ok(None),
            Err(error) => return Err(failed(&format!("nothing can listen on 127.0.0.1: {error}"))),
        };
        let redirect = loopback.redirect().to_owned();
        let address = session.address(&redirect);
        let browser = self.prompt.browse(address.as_str());
        if browser.is_none() && alternative {
            return Ok(None);
        }
        self.prompt.show(address.as_str(), Way::Browser);
        tokio::select! {
            // An answer that is there counts, whatever became of the browser.
            biased;
            answer = tokio::time::timeout(self.patience, loopback.answer(session.state())) => match answer {
                Ok(Ok(code)) => Ok(Some((code, redirect))),
                Ok(Err(reason)) => Err(failed(&reason)),
                Err(_) => Err(failed(&format!(
                    "nobody logged in within {} s: log in sooner, or by a code",
                    self.patience.as_secs()
                ))),
            },
            () = given_up(browser), if alternative => Ok(None),
        }
    }
}

/// Waits until the browser gave up; for ever where it did not.
async fn given_up(browser: Option<Box<dyn Browser>>) {
    let Some(mut browser) = browser else { return std::future::pending().await };
    while !browser.has_failed() {
        tokio::time::sleep(LOOK).await;
    }
    // What the browser sent before it ended may be on its way.
    tokio::time::sleep(LOOK).await;
}

fn failed(reason: &str) -> SignError {
    SignError::Token { origin: "the login".to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Plain;

    use super::*;

    /// Nobody types, and the browser is as told.
    #[derive(Debug)]
    struct Absent {
        fails: Option<bool>,
        shown: Plain<Vec<Way>>,
    }

    struct Fake(bool);

    impl Browser for Fake {
        fn has_failed(&mut self) -> bool {
            self.0
        }
    }

    impl Prompt for Absent {
        fn show(&self, _: &str, way: Way) {
            self.shown.lock().unwrap().push(way);
        }

        fn code(&self) -> io::Result<Secret> {
            Err(io::Error::other("nobody is there"))
        }

        fn browse(&self, _: &str) -> Option<Box<dyn Browser>> {
            self.fails.map(|fails| Box::new(Fake(fails)) as Box<dyn Browser>)
        }
    }

    async fn ways(fails: Option<bool>, way: Option<Way>) -> (Vec<Way>, String) {
        let prompt = Arc::new(Absent { fails, shown: Plain::default() });
        let shared: Arc<dyn Prompt> = Arc::<Absent>::clone(&prompt);
        let mut login = Interactive::new("http://127.0.0.1:9", shared).within(Duration::from_millis(400));
        login.way = way;
        let client = reqwest::Client::new();
        let error = login.token(&client, Clock::System, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.code().name, "signing-token");
        assert!(!error.is_transient(), "a person is not asked again and again");
        let shown = prompt.shown.lock().unwrap().clone();
        (shown, error.to_string())
    }

    #[tokio::test]
    async fn where_no_browser_can_show_anything_the_code_is_asked_for() {
        let nobody = "no identity token from the login: nobody is there";
        assert_eq!(ways(None, None).await, (vec![Way::Code], nobody.to_owned()));
        assert_eq!(ways(Some(true), None).await, (vec![Way::Browser, Way::Code], nobody.to_owned()));
        assert_eq!(ways(Some(false), Some(Way::Code)).await, (vec![Way::Code], nobody.to_owned()));
    }

    #[tokio::test]
    async fn an_answer_is_waited_for_so_long_and_no_longer() {
        for (fails, way) in
            [(Some(false), None), (Some(true), Some(Way::Browser)), (None, Some(Way::Browser))]
        {
            let (shown, said) = ways(fails, way).await;
            assert_eq!(shown, [Way::Browser]);
            assert!(said.contains("nobody logged in"), "{said}");
        }
    }
}
