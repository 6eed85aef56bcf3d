//! What clients need to know: `trusted_root.json`, `signing_config.json`, `trust_config.json`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Value, json};

use super::Services;
use super::Shape;
use super::authority::Authority;
use super::keys::SigningKey;

/// The trust root: which keys and certificates the sandbox's evidence is verified with.
pub(crate) fn trusted_root(services: &Services) -> Value {
    let since = services.fulcio.authority.since;
    let url = &services.base;
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log(url, &services.rekor.key, since)],
        "certificateAuthorities": [authority(url, "fulcio root", &services.fulcio.authority)],
        "ctlogs": [log(url, &services.ct.key, since)],
        "timestampAuthorities": [
            authority(&format!("{url}/api/v1/timestamp"), "tsa root", &services.tsa.authority)
        ],
    })
}

/// The signing config, v0.2: where to sign.
pub(crate) fn signing_config(services: &Services) -> Value {
    let since = time(services.fulcio.authority.since);
    let url = &services.base;
    let service = |url: &str, version: u32| {
        json!([{
            "url": url,
            "majorApiVersion": version,
            "validFor": {"start": since},
            "operator": super::ORGANISATION,
        }])
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(url, 1),
        "oidcUrls": service(&services.issuers.get(Shape::Any).url, 1),
        "rekorTlogUrls": service(url, 2),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": service(&format!("{url}/api/v1/timestamp"), 1),
        "tsaConfig": {"selector": "ANY"},
    })
}

/// Both in one, for clients that take a `ClientTrustConfig`.
pub(crate) fn trust_config(trusted_root: &Value, signing_config: &Value) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": trusted_root,
        "signingConfig": signing_config,
    })
}

fn log(url: &str, key: &SigningKey, since: Timestamp) -> Value {
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(key.spki()),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": time(since)},
        },
        "logId": {"keyId": STANDARD.encode(key.id())},
    })
}

fn authority(uri: &str, common_name: &str, authority: &Authority) -> Value {
    let chain: Vec<_> =
        authority.chain().iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
    json!({
        "subject": {"organization": super::ORGANISATION, "commonName": common_name},
        "uri": uri,
        "certChain": {"certificates": chain},
        "validFor": {"start": time(authority.since)},
    })
}

fn time(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_string(&at)
}
