//! One trust root (protobuf-specs, `trusted_root.json`, media type
//! `application/vnd.dev.sigstore.trustedroot+json;version=0.1`).

use std::path::Path;

use jiff::Timestamp;
use loadline_core::Digest;
use serde::Deserialize;
use sigstore_trust_root::{SigstoreInstance, TimeRange, TrustedRoot};
use sigstore_types::TsaAuthority;
use thiserror::Error;

/// The largest trust root that is read: 4 MiB. The largest in use has 32 kB.
pub const ROOT_LIMIT: usize = 4 * 1024 * 1024;

/// Why a trust root cannot be used.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("cannot read the trust root {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than [`ROOT_LIMIT`].
    #[error(
        "the trust root {name} has {size} bytes, more than the {limit} that are read: it is no trusted_root.json"
    )]
    TooLarge {
        /// Its name.
        name: String,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// It does not follow the format, or a key or certificate in it cannot be used.
    #[error("the trust root {name} cannot be used: {reason}; a trusted_root.json of version 0.1 is expected")]
    Malformed {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// It has neither logs nor timestamp authorities, so that no time of signing could be proven.
    #[error(
        "the trust root {name} has neither a transparency log nor a timestamp authority: nothing could prove when something was signed"
    )]
    Timeless {
        /// Its name.
        name: String,
    },
    /// It could not be fetched, and there is no copy.
    #[error(
        "cannot fetch the trust root of {instance} from {address}: {reason}; without it the copy built into this program is used"
    )]
    Fetch {
        /// The instance.
        instance: String,
        /// The TUF repository.
        address: String,
        /// Why.
        reason: String,
    },
}

/// The instances whose roots are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instance {
    /// Sigstore's public-good instance.
    PublicGood,
    /// Sigstore's public staging instance; never chosen by itself.
    Staging,
    /// GitHub's instance, for private repositories; it has no transparency log.
    GitHub,
}

impl Instance {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicGood => "the public-good instance",
            Self::Staging => "the staging instance",
            Self::GitHub => "GitHub's instance",
        }
    }

    pub(crate) const fn library(self) -> SigstoreInstance {
        match self {
            Self::PublicGood => SigstoreInstance::PublicGood,
            Self::Staging => SigstoreInstance::Staging,
            Self::GitHub => SigstoreInstance::GitHub,
        }
    }
}

/// What a part of a trust root vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Issues signing certificates.
    CertificateAuthority,
    /// Logs signatures.
    TransparencyLog,
    /// Logs certificates.
    CertificateLog,
    /// Signs times.
    TimestampAuthority,
}

/// One authority or log of a trust root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it vouches for.
    pub kind: PartKind,
    /// Its address, or its certificate's subject.
    pub name: String,
    /// Since when it is valid.
    pub from: Option<Timestamp>,
    /// Until when it is valid; `None` means no end is known.
    pub until: Option<Timestamp>,
}

/// Whose certificates, logs and timestamps are believed.
pub struct TrustRoot {
    name: String,
    json: Vec<u8>,
    expires: Option<Timestamp>,
    root: TrustedRoot,
    verifier: sigstore_verify::Verifier,
}

impl TrustRoot {
    /// A root from its JSON. `name` is what messages call it.
    ///
    /// A root that lists no transparency log declares its instance log-less: its bundles must carry a
    /// timestamp instead. One that lists no certificate log asks for no SCTs.
    ///
    /// # Errors
    /// What is too large, malformed, holds keys that cannot be used, or could prove no time at all.
    pub fn from_json(name: impl Into<String>, json: &[u8]) -> Result<Self, TrustError> {
        let name = name.into();
        if json.len() > ROOT_LIMIT {
            return Err(TrustError::TooLarge { name, size: json.len() as u64, limit: ROOT_LIMIT });
        }
        let malformed = |reason: String| TrustError::Malformed { name: name.clone(), reason };
        let text = std::str::from_utf8(json).map_err(|error| malformed(error.to_string()))?;
        let root = TrustedRoot::from_json(text).map_err(|error| malformed(error.to_string()))?;
        if !root.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(malformed(format!("its media type is `{}`", root.media_type)));
        }
        let verifier = sigstore_verify::Verifier::new(&root).map_err(|error| malformed(error.to_string()))?;
        if root.tlogs.is_empty() && root.timestamp_authorities.is_empty() {
            return Err(TrustError::Timeless { name });
        }
        Ok(Self { name, json: json.to_vec(), expires: None, root, verifier })
    }

    /// A root from a file.
    ///
    /// # Errors
    /// What cannot be read, and as [`TrustRoot::from_json`].
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        use std::io::Read as _;
        let unreadable = |source| TrustError::Read { path: path.display().to_string(), source };
        let mut json = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(ROOT_LIMIT as u64 + 1).read_to_end(&mut json))
            .map_err(unreadable)?;
        Self::from_json(path.display().to_string(), &json)
    }

    /// A root that is built in.
    ///
    /// # Errors
    /// None that a released version can meet: tests load all of them.
    pub fn embedded(instance: Instance) -> Result<Self, TrustError> {
        let library = instance.library();
        let mut root = Self::from_json(
            format!("{} (built in)", instance.name()),
            library.embedded_trusted_root_json().as_bytes(),
        )?;
        root.expires = tuf_expiry(library.tuf_root());
        Ok(root)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its JSON, as it was read.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The digest of its JSON.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.json)
    }

    /// When what vouched for it runs out: the TUF root it came from, where it came from one.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// When its newest part became valid: a lower bound of its age.
    pub fn newest_part(&self) -> Option<Timestamp> {
        self.parts().into_iter().filter_map(|part| part.from).max()
    }

    /// Whether its instance has a transparency log; one without is log-less.
    pub fn has_logs(&self) -> bool {
        !self.root.tlogs.is_empty()
    }

    /// Whether its instance logs certificates, so that they must carry an SCT.
    pub fn has_certificate_logs(&self) -> bool {
        !self.root.ctlogs.is_empty()
    }

    /// Whether it has timestamp authorities.
    pub fn has_timestamp_authorities(&self) -> bool {
        !self.root.timestamp_authorities.is_empty()
    }

    /// All it consists of.
    pub fn parts(&self) -> Vec<Part> {
        let root = &self.root;
        let named = |address: &str, common: Option<&str>| {
            if address.is_empty() { common.unwrap_or("unnamed").to_owned() } else { address.to_owned() }
        };
        let part = |kind, name, window: Option<TimeRange>| Part {
            kind,
            name,
            from: window.map(|window| window.start),
            until: window.and_then(|window| window.end),
        };
        let mut parts = Vec::new();
        for ca in &root.certificate_authorities {
            let name = named(&ca.uri, ca.subject.common_name.as_deref());
            parts.push(part(PartKind::CertificateAuthority, name, ca.valid_for));
        }
        for (kind, log) in root.tlogs.iter().map(|log| (PartKind::TransparencyLog, log)) {
            parts.push(part(kind, log.base_url.clone(), log.public_key.valid_for));
        }
        for log in &root.ctlogs {
            parts.push(part(PartKind::CertificateLog, log.base_url.clone(), log.public_key.valid_for));
        }
        for (name, authority) in self.timestamp_authorities() {
            parts.push(part(PartKind::TimestampAuthority, name, authority.valid_for));
        }
        parts
    }

    pub(crate) fn set_expires(&mut self, expires: Option<Timestamp>) {
        self.expires = expires;
    }

    pub(crate) fn library(&self) -> &TrustedRoot {
        &self.root
    }

    pub(crate) fn verifier(&self) -> &sigstore_verify::Verifier {
        &self.verifier
    }

    /// Each timestamp authority with its name, whole chains only.
    pub(crate) fn timestamp_authorities(&self) -> impl Iterator<Item = (String, TsaAuthority)> {
        self.root.timestamp_authorities.iter().filter_map(|tsa| {
            let (leaf, intermediates, root) = match tsa.cert_chain.certificates.as_slice() {
                [] => return None,
                [root] => (root, &[][..], root),
                [leaf, intermediates @ .., root] => (leaf, intermediates, root),
            };
            let name = tsa
                .uri
                .clone()
                .filter(|uri| !uri.is_empty())
                .or_else(|| tsa.subject.common_name.clone())
                .unwrap_or_else(|| "unnamed".to_owned());
            let authority = TsaAuthority::new(
                leaf.raw_bytes.clone(),
                intermediates.iter().map(|certificate| certificate.raw_bytes.clone()).collect(),
                root.raw_bytes.clone(),
                tsa.valid_for,
            );
            Some((name, authority))
        })
    }
}

impl std::fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustRoot").field("name", &self.name).field("digest", &self.digest()).finish()
    }
}

/// The `expires` of a TUF root.
pub(crate) fn tuf_expiry(json: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Root {
        signed: Signed,
    }
    #[derive(Deserialize)]
    struct Signed {
        expires: Timestamp,
    }
    serde_json::from_slice::<Root>(json).ok().map(|root| root.signed.expires)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roots_load_and_know_what_they_are() {
        let public = TrustRoot::embedded(Instance::PublicGood).unwrap();
        assert!(public.has_logs() && public.has_certificate_logs() && public.has_timestamp_authorities());
        let github = TrustRoot::embedded(Instance::GitHub).unwrap();
        assert!(!github.has_logs() && !github.has_certificate_logs() && github.has_timestamp_authorities());
        assert!(TrustRoot::embedded(Instance::Staging).unwrap().has_logs());
        for root in [&public, &github] {
            assert!(root.expires().is_some() && root.newest_part().is_some(), "{root:?}");
            assert!(root.parts().iter().any(|part| part.kind == PartKind::CertificateAuthority));
        }
        assert_ne!(public.digest(), github.digest());
    }

    #[test]
    fn what_is_no_trust_root_is_refused() {
        let refuse = |json: &[u8]| TrustRoot::from_json("r", json).unwrap_err();
        assert!(matches!(refuse(b"{}"), TrustError::Malformed { .. }));
        assert!(matches!(refuse(b"\xff"), TrustError::Malformed { .. }));
        assert!(matches!(refuse(br#"{"mediaType":"text/plain"}"#), TrustError::Malformed { .. }));
        let media = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
        assert!(matches!(refuse(media.as_bytes()), TrustError::Timeless { .. }));
        assert!(matches!(refuse(&vec![b' '; ROOT_LIMIT + 1]), TrustError::TooLarge { .. }));
        assert!(matches!(TrustRoot::read(Path::new("/nowhere/r.json")), Err(TrustError::Read { .. })));
    }
}
