//! The one HTTP client of the whole program: one TLS stack, one pool, built when first needed.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loadline_process::Environment;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, NoProxy, Proxy};
use thiserror::Error;

/// The largest file of certificate authorities that is read.
const CA_LIMIT: u64 = 4 << 20;
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// How the client connects.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// What it calls itself.
    pub user_agent: String,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long the other side may say nothing in the middle of an answer.
    pub read_timeout: Duration,
    /// PEM files of certificate authorities that are trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// Where HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and LOADLINE_CA_FILE are read. The last lists
    /// further files of certificate authorities, as PATH lists folders.
    pub environment: Environment,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("loadline/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            ca_files: Vec::new(),
            environment: Environment::empty(),
        }
    }
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum HttpError {
    /// A file of certificate authorities cannot be read.
    #[error("the certificate authorities in {} cannot be read: {message}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A proxy's address is none.
    #[error("the proxy in {variable} is not an address")]
    Proxy {
        /// The variable; its value may hold a password and is not shown.
        variable: String,
    },
    /// The TLS stack refused to start.
    #[error("no HTTP client could be made: {0}")]
    Client(#[source] Arc<reqwest::Error>),
}

/// A client that is built when first needed, and then shared by all clones.
#[derive(Debug, Clone)]
pub struct Http(Arc<Lazy>);

#[derive(Debug)]
struct Lazy {
    options: HttpOptions,
    client: OnceLock<reqwest::Client>,
}

impl Http {
    /// A client to be built with these options, once it is needed.
    pub fn new(options: HttpOptions) -> Self {
        Self(Arc::new(Lazy { options, client: OnceLock::new() }))
    }

    /// The client.
    ///
    /// # Errors
    /// A file of certificate authorities or a proxy's address is not to be used.
    pub fn client(&self) -> Result<&reqwest::Client, HttpError> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let client = http_client(&self.0.options)?;
        Ok(self.0.client.get_or_init(|| client))
    }
}

impl From<reqwest::Client> for Http {
    fn from(client: reqwest::Client) -> Self {
        let http = Self::new(HttpOptions::default());
        let _ = http.0.client.set(client);
        http
    }
}

/// Builds the HTTP client: rustls, the system's certificate authorities and the given ones, proxies from the
/// given environment only, at most five redirects and never from https to http. The authorization header
/// does not follow a redirect to another host.
///
/// # Errors
/// A file of certificate authorities or a proxy's address is not to be used.
pub fn http_client(options: &HttpOptions) -> Result<reqwest::Client, HttpError> {
    let build = |system_roots: bool| -> Result<Result<reqwest::Client, reqwest::Error>, HttpError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .redirect(Policy::custom(follow))
            .referer(false)
            .no_proxy();
        for proxy in proxies(&options.environment)? {
            builder = builder.proxy(proxy);
        }
        let authorities = authorities(&ca_files(options))?;
        builder = if !system_roots {
            builder.tls_certs_only(authorities)
        } else if authorities.is_empty() {
            builder
        } else {
            builder.tls_certs_merge(authorities)
        };
        Ok(builder.build())
    };
    // A machine without any certificate authorities (a bare container) can still reach loopback by http;
    // https there fails with an unknown issuer, as it should.
    match build(true)? {
        Ok(client) => Ok(client),
        Err(_) => build(false)?.map_err(|error| HttpError::Client(Arc::new(error))),
    }
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let down = attempt.previous().last().is_some_and(|from| from.scheme() == "https")
        && attempt.url().scheme() != "https";
    if down {
        attempt.error("a redirect from https to http is not followed")
    } else if attempt.previous().len() > REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

fn ca_files(options: &HttpOptions) -> Vec<PathBuf> {
    let listed = options.environment.get_os("LOADLINE_CA_FILE").unwrap_or_default();
    let listed = std::env::split_paths(listed).filter(|path| !path.as_os_str().is_empty());
    options.ca_files.iter().cloned().chain(listed).collect()
}

fn authorities(files: &[PathBuf]) -> Result<Vec<Certificate>, HttpError> {
    let mut all = Vec::new();
    for path in files {
        let refuse = |message: String| HttpError::Authorities { path: path.clone(), message };
        let size = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
        if size > CA_LIMIT {
            return Err(refuse(format!("it is larger than {CA_LIMIT} bytes")));
        }
        let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| refuse(error.to_string()))?;
        if certificates.is_empty() {
            return Err(refuse("it holds no certificate in PEM".to_owned()));
        }
        all.extend(certificates);
    }
    Ok(all)
}

fn proxies(environment: &Environment) -> Result<Vec<Proxy>, HttpError> {
    let get = |name: &'static str| {
        let lower = name.to_ascii_lowercase();
        let value = environment.get(&lower).or_else(|| environment.get(name));
        value.map(|value| (name, value))
    };
    let no_proxy = get("NO_PROXY").map_or("", |(_, hosts)| hosts);
    // What listens on loopback is never on the other side of a proxy.
    let no_proxy = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{no_proxy}"));
    let mut all = Vec::new();
    let mut add = |found: Option<(&'static str, &str)>, make: fn(&str) -> reqwest::Result<Proxy>| {
        if let Some((variable, value)) = found {
            let proxy = make(value).map_err(|_| HttpError::Proxy { variable: variable.to_owned() })?;
            all.push(proxy.no_proxy(no_proxy.clone()));
        }
        Ok(())
    };
    add(get("HTTPS_PROXY"), |url| Proxy::https(url))?;
    // Upper-case HTTP_PROXY is what a CGI program's client can set; only the lower-case one counts there.
    let cgi = environment.get("REQUEST_METHOD").is_some();
    let http = if cgi {
        environment.get("http_proxy").map(|value| ("http_proxy", value))
    } else {
        get("HTTP_PROXY")
    };
    add(http, |url| Proxy::http(url))?;
    add(get("ALL_PROXY"), |url| Proxy::all(url))?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_built_once() {
        let http = Http::new(HttpOptions::default());
        let first: *const reqwest::Client = http.client().unwrap();
        assert_eq!(first, std::ptr::from_ref(http.clone().client().unwrap()));
    }

    #[test]
    fn what_is_wrong_with_the_options_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "nothing").unwrap();
        let options = HttpOptions { ca_files: vec![file], ..HttpOptions::default() };
        let error = http_client(&options).unwrap_err();
        assert!(error.to_string().contains("ca.pem cannot be read: it holds no certificate"), "{error}");

        let environment = Environment::empty().with("HTTPS_PROXY", "http://user:hunter2@[bad");
        let error = http_client(&HttpOptions { environment, ..HttpOptions::default() }).unwrap_err();
        assert!(
            error.to_string().contains("HTTPS_PROXY") && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}
