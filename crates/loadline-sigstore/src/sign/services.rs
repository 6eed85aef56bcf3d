//! Which services sign (protobuf-specs, `SigningConfig` v0.2).

use std::path::Path;

use sigstore_trust_root::{ServiceConfiguration, ServiceEndpoint, ServiceSelector, SigningConfig};

use crate::sign::error::SignError;
use crate::trust::Instance;

/// The largest signing config that is read: 1 MiB.
const CONFIG_LIMIT: u64 = 1024 * 1024;

/// Rekor's two interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RekorVersion {
    /// Answers with a promise and a proof.
    V1,
    /// Answers with a proof and no time; a timestamp authority must give that.
    V2,
}

/// The services to sign with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SigningServices {
    fulcio: Option<String>,
    rekor: Option<(String, RekorVersion)>,
    tsa: Option<String>,
    issuer: Option<String>,
}

impl SigningServices {
    /// No services yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gets certificates from this Fulcio.
    #[must_use]
    pub fn with_fulcio(mut self, address: impl Into<String>) -> Self {
        self.fulcio = Some(address.into());
        self
    }

    /// Logs signatures in this Rekor.
    #[must_use]
    pub fn with_rekor(mut self, address: impl Into<String>, version: RekorVersion) -> Self {
        self.rekor = Some((address.into(), version));
        self
    }

    /// Logs nothing: for instances without a log.
    #[must_use]
    pub fn without_rekor(mut self) -> Self {
        self.rekor = None;
        self
    }

    /// Gets timestamps from this authority; its whole address, path included.
    #[must_use]
    pub fn with_tsa(mut self, address: impl Into<String>) -> Self {
        self.tsa = Some(address.into());
        self
    }

    /// The services that a signing config names and that are valid now, of each the newest version.
    /// `rekor` demands one of the versions.
    ///
    /// # Errors
    /// What is no signing config, or demands several logs or authorities at once.
    pub fn from_json(json: &[u8], rekor: Option<RekorVersion>) -> Result<Self, SignError> {
        let refuse = |reason: String| SignError::Config { reason };
        let text = std::str::from_utf8(json).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        let config = SigningConfig::from_json(text).map_err(|error| refuse(error.to_string()))?;
        Self::of(&config, rekor)
    }

    /// The services of an instance as its TUF repository names them today. Set time limits on the client: a
    /// mirror that answers slowly would hold it for ever.
    ///
    /// # Errors
    /// What could not be fetched or verified; an instance that publishes none.
    pub async fn fetch(
        instance: Instance,
        client: reqwest::Client,
        now: jiff::Timestamp,
    ) -> Result<Self, SignError> {
        let config = instance.library().tuf_config().with_http_client(client).without_cache();
        let config = SigningConfig::from_tuf_at(config, now)
            .await
            .map_err(|error| SignError::Config { reason: format!("through TUF: {error}") })?;
        Self::of(&config, None)
    }

    fn of(config: &SigningConfig, rekor: Option<RekorVersion>) -> Result<Self, SignError> {
        let major = rekor.map(|version| match version {
            RekorVersion::V1 => 1,
            RekorVersion::V2 => 2,
        });
        let logs = config.eligible_rekor_urls(major);
        one_is_enough("transparency logs", &config.rekor_tlog_config, &logs)?;
        let authorities = config.eligible_tsa_urls();
        one_is_enough("timestamp authorities", &config.tsa_config, &authorities)?;
        let address = |endpoint: &ServiceEndpoint| endpoint.url.clone();
        Ok(Self {
            fulcio: config.fulcio_url().map(address),
            rekor: logs.first().map(|log| {
                let version = if log.major_api_version == 2 { RekorVersion::V2 } else { RekorVersion::V1 };
                (log.url.clone(), version)
            }),
            tsa: authorities.first().copied().map(address),
            issuer: config.oidc_url().map(address),
        })
    }

    /// The services that a signing config in a file names.
    ///
    /// # Errors
    /// What cannot be read, and as [`SigningServices::from_json`].
    pub fn read(path: &Path, rekor: Option<RekorVersion>) -> Result<Self, SignError> {
        use std::io::Read as _;
        let refuse = |reason: String| SignError::Config { reason: format!("{}: {reason}", path.display()) };
        let mut json = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(CONFIG_LIMIT + 1).read_to_end(&mut json))
            .map_err(|error| refuse(error.to_string()))?;
        if json.len() as u64 > CONFIG_LIMIT {
            return Err(refuse(format!("it has more than {CONFIG_LIMIT} bytes")));
        }
        Self::from_json(&json, rekor).map_err(|error| match error {
            SignError::Config { reason } => refuse(reason),
            other => other,
        })
    }

    /// The services of an instance whose signing config is built in. Built-in ones go stale.
    ///
    /// # Errors
    /// An instance that publishes none.
    pub fn embedded(instance: Instance) -> Result<Self, SignError> {
        let json = instance.library().embedded_signing_config_json().ok_or_else(|| SignError::Config {
            reason: format!("{} publishes no signing config", instance.name()),
        })?;
        Self::from_json(json.as_bytes(), None)
    }

    /// Fulcio's address.
    ///
    /// # Errors
    /// When there is none.
    pub fn fulcio(&self) -> Result<&str, SignError> {
        self.fulcio.as_deref().ok_or_else(|| SignError::Config {
            reason: "it names no Fulcio to get certificates from".to_owned(),
        })
    }

    /// Rekor's address and version.
    pub fn rekor(&self) -> Option<(&str, RekorVersion)> {
        self.rekor.as_ref().map(|(address, version)| (address.as_str(), *version))
    }

    /// The timestamp authority's address.
    pub fn tsa(&self) -> Option<&str> {
        self.tsa.as_deref()
    }

    /// The identity provider's address.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(crate) fn check_keyless(&self) -> Result<(), SignError> {
        self.fulcio()?;
        self.check_time()
    }

    pub(crate) fn check_key(&self) -> Result<(), SignError> {
        if let Some((_, RekorVersion::V1)) = self.rekor() {
            return Err(SignError::key_in_rekor_v1());
        }
        self.check_time()
    }

    /// Something must prove the time: Rekor v1 or a timestamp authority.
    fn check_time(&self) -> Result<(), SignError> {
        let reason = match (self.rekor(), self.tsa()) {
            (Some((_, RekorVersion::V1)), _) | (_, Some(_)) => return Ok(()),
            (Some((_, RekorVersion::V2)), None) => {
                "Rekor v2 proves no time, and it names no timestamp authority"
            }
            (None, None) => "it names neither a transparency log nor a timestamp authority",
        };
        Err(SignError::Config { reason: reason.to_owned() })
    }
}

/// A signature goes to one log and one authority; a config that demands more is refused, not cut short.
fn one_is_enough(
    what: &str,
    config: &ServiceConfiguration,
    eligible: &[&ServiceEndpoint],
) -> Result<(), SignError> {
    let enough = match config.selector {
        ServiceSelector::Any => true,
        ServiceSelector::Exact => config.count == Some(1),
        ServiceSelector::All => {
            eligible.len() <= 1
                || eligible[0].operator.is_some()
                    && eligible.iter().all(|endpoint| endpoint.operator == eligible[0].operator)
        }
        _ => eligible.is_empty(),
    };
    if enough {
        return Ok(());
    }
    Err(SignError::Config {
        reason: format!(
            "it demands several {what} ({:?}, count {:?}), and one is used",
            config.selector, config.count
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rekor: &str, selector: &str, tsa: &str) -> Vec<u8> {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls":[{{"url":"https://f","majorApiVersion":1,"validFor":{{"start":"2020-01-01T00:00:00Z"}}}}],
                "rekorTlogUrls":[{rekor}],"rekorTlogConfig":{selector},"tsaUrls":[{tsa}],"tsaConfig":{{"selector":"ANY"}}}}"#
        )
        .into_bytes()
    }

    fn endpoint(url: &str, version: u32) -> String {
        format!(
            r#"{{"url":"{url}","majorApiVersion":{version},"validFor":{{"start":"2020-01-01T00:00:00Z"}}}}"#
        )
    }

    #[test]
    fn the_newest_log_unless_one_is_demanded() {
        let logs = format!("{},{}", endpoint("https://r1", 1), endpoint("https://r2", 2));
        let json = config(&logs, r#"{"selector":"ANY"}"#, &endpoint("https://t", 1));
        let services = SigningServices::from_json(&json, None).unwrap();
        assert_eq!(services.rekor(), Some(("https://r2", RekorVersion::V2)));
        assert_eq!((services.fulcio().unwrap(), services.tsa()), ("https://f", Some("https://t")));
        let services = SigningServices::from_json(&json, Some(RekorVersion::V1)).unwrap();
        assert_eq!(services.rekor(), Some(("https://r1", RekorVersion::V1)));
    }

    #[test]
    fn what_does_not_fit_together_is_refused_before_anything_is_asked() {
        let log = endpoint("https://r2", 2);
        let two = format!("{log},{}", endpoint("https://r3", 2));
        for selector in [
            r#"{"selector":"EXACT","count":2}"#,
            r#"{"selector":"ALL"}"#,
            r#"{"selector":"SERVICE_SELECTOR_UNDEFINED"}"#,
        ] {
            assert!(SigningServices::from_json(&config(&two, selector, ""), None).is_err(), "{selector}");
        }
        let services = SigningServices::from_json(&config(&log, r#"{"selector":"ANY"}"#, ""), None).unwrap();
        assert!(services.check_keyless().is_err() && services.check_key().is_err());
        let none = services.without_rekor();
        assert!(none.check_keyless().is_err());
        assert!(none.clone().with_tsa("https://t").check_keyless().is_ok());
        assert!(SigningServices::new().with_tsa("https://t").check_keyless().is_err());
        let v1 = SigningServices::new().with_rekor("https://r", RekorVersion::V1);
        assert!(v1.check_key().is_err());
        assert!(SigningServices::from_json(b"{}", None).is_err());
        assert!(SigningServices::embedded(Instance::GitHub).is_err());
        assert!(SigningServices::embedded(Instance::PublicGood).unwrap().check_keyless().is_ok());
    }
}
