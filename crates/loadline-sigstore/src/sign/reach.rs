//! Why an address cannot be reached.

use std::error::Error;
use std::time::Duration;

/// How reasons begin that are about TLS certificates: trying again does not mend them.
pub(crate) const TLS: &str = "its TLS certificate is not accepted";

/// Asks an address, and says why it does not answer; `None` when it does.
pub(crate) async fn ask(client: &reqwest::Client, address: &str) -> Option<String> {
    match client.get(address).timeout(Duration::from_secs(5)).send().await {
        Ok(_) => None,
        Err(error) => Some(words(&error)),
    }
}

/// A transport error in words.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let mut chain = Vec::new();
    let mut source: Option<&dyn Error> = error.source();
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    let all = chain.join(": ").to_lowercase();
    let last = chain.last().map_or("", String::as_str);
    if all.contains("certificate") {
        format!("{TLS} ({last})")
    } else if all.contains("dns") || all.contains("lookup") || all.contains("resolve") {
        "its name does not resolve".to_owned()
    } else if all.contains("refused") {
        "it refuses connections".to_owned()
    } else if error.is_timeout() {
        "no answer within the time limit".to_owned()
    } else if last.is_empty() {
        "the connection broke".to_owned()
    } else {
        last.to_owned()
    }
}
