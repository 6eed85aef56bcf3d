//! Certificate authorities: Fulcio's root and intermediate, the time stamp authority's root and leaf.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use const_oid::ObjectIdentifier;
use der::Decode;
use jiff::{SignedDuration, Timestamp};
use x509_cert::Certificate;
use x509_cert::name::Name;

use super::certificate::{
    CertificateError, Request, authority_extensions, extended_key_usage, name, sign, signer_extensions,
    to_be_signed,
};
use super::keys::{KeyError, SigningKey, write_public};

const TEN_YEARS: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
const CERTIFICATE_LIMIT: u64 = 65_536;

const CODE_SIGNING: ObjectIdentifier = const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
const TIME_STAMPING: ObjectIdentifier = const_oid::db::rfc5280::ID_KP_TIME_STAMPING;

/// An authority that could not be made or taken up.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate's file could not be read or written.
    #[error("certificate file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate does not belong to the key beside it.
    #[error(
        "certificate file {} does not belong to the key beside it: restore both, or start with a new data folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// A key with its certificate, and the root that certifies it.
pub(crate) struct Authority {
    /// Signs for the certificate.
    pub(crate) key: SigningKey,
    /// The certificate's subject.
    pub(crate) subject: Name,
    /// The certificate, parsed.
    pub(crate) parsed: Certificate,
    /// The certificate's DER.
    pub(crate) certificate: Vec<u8>,
    /// The root's DER.
    pub(crate) root: Vec<u8>,
    /// First second of the certificate's validity.
    pub(crate) since: Timestamp,
}

/// What an authority is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Issues signing certificates: an intermediate.
    Fulcio,
    /// Signs time stamps: a leaf.
    TimeStamping,
}

impl Purpose {
    fn slug(self) -> &'static str {
        match self {
            Self::Fulcio => "fulcio",
            Self::TimeStamping => "tsa",
        }
    }
}

impl Authority {
    /// The authority kept in `folder`; made when there is none.
    pub(crate) fn open(folder: &Path, purpose: Purpose, now: Timestamp) -> Result<Self, AuthorityError> {
        let slug = purpose.slug();
        let root_key = SigningKey::open(&folder.join(format!("{slug}-root.pk8")))?;
        let key = SigningKey::open(&folder.join(format!("{slug}.pk8")))?;
        let root_name = name(&format!("{slug} root")).map_err(CertificateError::from)?;

        let root = stored(&folder.join(format!("{slug}-root.crt")), &root_key, || {
            let request = Request {
                subject: root_name.clone(),
                spki: root_key.spki(),
                not_before: now,
                not_after: now + TEN_YEARS,
                extensions: authority_extensions(1)?,
            };
            sign(to_be_signed(request, &root_name, &root_key)?, &root_key)
        })?;
        let certificate = stored(&folder.join(format!("{slug}.crt")), &key, || {
            let (common_name, extensions) = match purpose {
                Purpose::Fulcio => {
                    let mut extensions = authority_extensions(0)?;
                    extensions.push(extended_key_usage(CODE_SIGNING, false)?);
                    ("fulcio intermediate", extensions)
                }
                // RFC 3161 section 2.3: the only purpose, and critical.
                Purpose::TimeStamping => ("tsa", signer_extensions(TIME_STAMPING, true)?),
            };
            let request = Request {
                subject: name(common_name)?,
                spki: key.spki(),
                not_before: now,
                not_after: now + TEN_YEARS,
                extensions,
            };
            sign(to_be_signed(request, &root_name, &root_key)?, &root_key)
        })?;
        let parsed = Certificate::from_der(&certificate).map_err(CertificateError::from)?;
        let since = parsed.tbs_certificate.validity.not_before.to_unix_duration().as_secs();
        Ok(Self {
            key,
            subject: parsed.tbs_certificate.subject.clone(),
            since: i64::try_from(since).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(now),
            parsed,
            certificate,
            root,
        })
    }

    /// The chain as trust roots and services give it: the certificate, then the root.
    pub(crate) fn chain(&self) -> [&[u8]; 2] {
        [&self.certificate, &self.root]
    }
}

/// The certificate in `path`, made when there is none; it must be `key`'s.
fn stored(
    path: &Path,
    key: &SigningKey,
    make: impl FnOnce() -> Result<Vec<u8>, CertificateError>,
) -> Result<Vec<u8>, AuthorityError> {
    let at = |source| AuthorityError::File { path: path.to_owned(), source };
    let der = match fs::File::open(path) {
        Ok(file) => {
            let mut der = Vec::new();
            file.take(CERTIFICATE_LIMIT).read_to_end(&mut der).map_err(at)?;
            der
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let der = make()?;
            write_public(path, &der).map_err(at)?;
            der
        }
        Err(error) => return Err(at(error)),
    };
    let foreign = || AuthorityError::Foreign { path: path.to_owned() };
    let parsed = Certificate::from_der(&der).map_err(|_| foreign())?;
    let spki = der::Encode::to_der(&parsed.tbs_certificate.subject_public_key_info).map_err(|_| foreign())?;
    if spki != key.spki() {
        return Err(foreign());
    }
    Ok(der)
}
