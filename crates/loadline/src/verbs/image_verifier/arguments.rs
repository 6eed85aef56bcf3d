//! How containerd calls an image verifier (containerd, docs/image-verification.md): `-name`, `-digest` and
//! `-stdin-media-type`, each with a value, in the manner of Go's flags.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use loadline_core::Digest;
use serde::Deserialize;

/// The program's name, by which it is known whatever the arguments are.
const PROGRAM: &str = "loadline-image-verifier";
/// What standard input is today.
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";
/// The largest payload that is read, in bytes.
pub(super) const PAYLOAD_LIMIT: u64 = 1 << 20;

/// Whether a command line is one of containerd's: by the program's name, or by the first argument.
pub(crate) fn is_called(arguments: &[OsString]) -> bool {
    let program = arguments.first().map(Path::new).and_then(Path::file_name).and_then(OsStr::to_str);
    if program.is_some_and(|program| program.starts_with(PROGRAM)) {
        return true;
    }
    let first = arguments.get(1).and_then(|argument| argument.to_str()).unwrap_or_default();
    // With one dash only: nothing else that this program takes looks so.
    first
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'))
        .map(|rest| rest.split_once('=').map_or(rest, |(name, _)| name))
        .is_some_and(|name| matches!(name, "name" | "digest" | "stdin-media-type"))
}

/// What containerd asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) media_type: Option<String>,
}

/// Reads the arguments, each once, as Go's flags are written: one dash or two, a blank or `=`.
pub(super) fn read(arguments: &[OsString]) -> Result<Request, String> {
    let (mut name, mut digest, mut media_type) = (None, None, None);
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_str());
    while let Some(argument) = rest.next() {
        let argument = argument.ok_or("an argument is not UTF-8")?;
        let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        let (flag, value) = match flag.map(|flag| flag.split_once('=').unwrap_or((flag, ""))) {
            Some((flag, value)) if argument.contains('=') => (flag, value),
            Some((flag, _)) => (flag, rest.next().flatten().ok_or(format!("{argument} has no value"))?),
            None => return Err(format!("`{argument}` is none of -name, -digest and -stdin-media-type")),
        };
        let place = match flag {
            "name" => &mut name,
            "digest" => &mut digest,
            "stdin-media-type" => &mut media_type,
            _ => return Err(format!("`{argument}` is none of -name, -digest and -stdin-media-type")),
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(format!("-{flag} is there twice"));
        }
    }
    let digest = digest.ok_or("-digest is missing")?;
    Ok(Request {
        name: name.filter(|name| !name.is_empty()).ok_or("-name is missing")?,
        digest: digest.parse().map_err(|error| format!("-digest: {error}"))?,
        media_type: media_type.filter(|text| !text.is_empty()),
    })
}

/// Holds what is on standard input against the arguments. A payload of a kind that is not known says nothing.
pub(super) fn agree(request: &Request, payload: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Descriptor {
        digest: Digest,
    }
    if request.media_type.as_deref() != Some(DESCRIPTOR) {
        return Ok(());
    }
    let descriptor: Descriptor = serde_json::from_slice(payload)
        .map_err(|error| format!("standard input is no descriptor: {error}"))?;
    if descriptor.digest == request.digest {
        Ok(())
    } else {
        Err(format!("standard input describes {}, and -digest is {}", descriptor.digest, request.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    fn hex() -> String {
        Digest::of("x").to_string()
    }

    #[test]
    fn containerd_is_known_by_its_first_argument_or_by_the_programs_name() {
        for yes in [
            &["loadline", "-name", "x"][..],
            &["/usr/bin/loadline", "-digest=x"],
            &["loadline", "-stdin-media-type", "x"],
            &["/opt/bin/loadline-image-verifier"],
            &["loadline-image-verifier-2", "--help"],
        ] {
            assert!(is_called(&line(yes)), "{yes:?}");
        }
        for no in [
            &["loadline"][..],
            &["loadline", "verify", "-name"],
            &["loadline", "--name", "x"],
            &["loadline", "-V"],
        ] {
            assert!(!is_called(&line(no)), "{no:?}");
        }
    }

    #[test]
    fn flags_are_read_as_go_reads_them() {
        let digest = hex();
        let wanted =
            Request { name: "a/b".to_owned(), digest: Digest::of("x"), media_type: Some("t".to_owned()) };
        let equals = [&format!("-digest={digest}"), "--name=a/b", "-stdin-media-type=t"];
        for arguments in [
            &["l", "-name", "a/b", "-digest", &digest, "-stdin-media-type", "t"][..],
            &["l", "--stdin-media-type", "t", "--digest", &digest, "--name", "a/b"],
            &["l", equals[0], equals[1], equals[2]],
        ] {
            assert_eq!(read(&line(arguments)).as_ref(), Ok(&wanted));
        }
        for wrong in [
            &["l", "-name", "a"][..],
            &["l", "-digest", &digest],
            &["l", "-name", "a", "-digest", "sha256:12"],
            &["l", "-name", "a", "-name", "b", "-digest", &digest],
            &["l", "-name"],
            &["l", "-name", "a", "-digest", &digest, "-more", "x"],
            &["l", "-name", "a", "-digest", &digest, "more"],
        ] {
            assert!(read(&line(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn standard_input_must_describe_the_same_digest() {
        let request = |media_type: &str| Request {
            name: "a".to_owned(),
            digest: Digest::of("x"),
            media_type: Some(media_type.to_owned()),
        };
        let payload = |digest: &str| format!("{{\"mediaType\":\"m\",\"digest\":\"{digest}\",\"size\":3}}");
        assert_eq!(agree(&request(DESCRIPTOR), payload(&hex()).as_bytes()), Ok(()));
        assert!(agree(&request(DESCRIPTOR), payload(&Digest::of("y").to_string()).as_bytes()).is_err());
        assert!(agree(&request(DESCRIPTOR), b"").is_err());
        assert_eq!(agree(&request("application/of-another-day"), b"?"), Ok(()));
    }
}
