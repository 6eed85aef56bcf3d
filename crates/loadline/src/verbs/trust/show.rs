//! `loadline trust show`: the roots that would be used, their age, and when they run out.

use std::fmt::Write;

use jiff::Timestamp;
use loadline_core::document::Document;
use loadline_sigstore::trust::{Part, PartKind};
use loadline_sigstore::{Instance, TrustRoot};
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::render::outcome::fail;
use crate::trust::{self, KNOWN, Known};
use crate::world::World;
use loadline_core::Failure;
use loadline_report::Format;

/// The schema of what is shown.
pub(crate) const TRUST: &str = "loadline/trust/v1";

/// Show the trust roots that would be used, how old they are, and when they run out
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// These instead of the known ones: `public-good`, `github`, `staging`, or files.
    #[arg(long, value_name = "ROOT")]
    trusted_root: Vec<String>,
    /// How to show it: `human` or `json`.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// The body of `loadline/trust/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TrustDocument {
    /// The roots that are used.
    roots: Vec<RootDocument>,
}

/// One trust root.
#[derive(Debug, Serialize, JsonSchema)]
struct RootDocument {
    /// The instance, or the file.
    name: String,
    /// Where it is from: `built-in`, `cache` or `file`.
    source: &'static str,
    /// The SHA-256 digest of its JSON.
    digest: String,
    /// When it was fetched, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<String>,
    /// When its newest part became valid: a lower bound of its age.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_part: Option<String>,
    /// When the TUF root that vouches for it runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Whether that is over.
    expired: bool,
    /// Why what `trust update` fetched cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_unusable: Option<String>,
    /// Its authorities and logs.
    parts: Vec<PartDocument>,
}

/// One authority or log.
#[derive(Debug, Serialize, JsonSchema)]
struct PartDocument {
    /// `certificate-authority`, `transparency-log`, `certificate-log` or `timestamp-authority`.
    kind: &'static str,
    /// Its address or name.
    name: String,
    /// Since when it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Until when it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Whether it is valid now: what it vouched for before stays good.
    current: bool,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let now = world.clock.now();
    let roots = match gather(args, world, now) {
        Ok(roots) => roots,
        Err(failure) => return fail(world, failure, args.format),
    };
    let document = TrustDocument { roots };
    if args.format == Format::Json {
        match serde_json::to_string_pretty(&Document::new(TRUST, &document)) {
            Ok(text) => world.print(&text),
            Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
        }
    } else {
        world.print(&human(&document, now));
    }
    Exit::Pass
}

fn gather(args: &Args, world: &World, now: Timestamp) -> Result<Vec<RootDocument>, Failure> {
    let mut roots = Vec::new();
    let names: Vec<String> = if args.trusted_root.is_empty() {
        KNOWN.iter().map(|instance| trust::word(*instance).to_owned()).collect()
    } else {
        args.trusted_root.clone()
    };
    for name in &names {
        let instance = [Instance::PublicGood, Instance::GitHub, Instance::Staging]
            .into_iter()
            .find(|instance| trust::word(*instance) == name);
        let (known, source) = match instance {
            Some(instance) => {
                let known = trust::known(world, instance)?;
                let source = if known.fetched.is_some() { "cache" } else { "built-in" };
                (known, source)
            }
            None => {
                let root =
                    TrustRoot::read(&world.folder.join(name)).map_err(|error| trust::unusable(&error))?;
                (Known { root, fetched: None, unusable: None }, "file")
            }
        };
        roots.push(root(name, source, &known, now));
    }
    Ok(roots)
}

fn root(name: &str, source: &'static str, known: &Known, now: Timestamp) -> RootDocument {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    RootDocument {
        name: name.to_owned(),
        source,
        digest: known.root.digest().to_string(),
        fetched: text(known.fetched),
        newest_part: text(known.root.newest_part()),
        expires: text(known.root.expires()),
        expired: known.root.expires().is_some_and(|expires| expires <= now),
        cache_unusable: known.unusable.clone(),
        parts: known.root.parts().into_iter().map(|part| part_document(part, now)).collect(),
    }
}

fn part_document(part: Part, now: Timestamp) -> PartDocument {
    PartDocument {
        kind: match part.kind {
            PartKind::CertificateAuthority => "certificate-authority",
            PartKind::TransparencyLog => "transparency-log",
            PartKind::CertificateLog => "certificate-log",
            PartKind::TimestampAuthority => "timestamp-authority",
        },
        name: part.name,
        current: part.from.is_none_or(|from| from <= now) && part.until.is_none_or(|until| until > now),
        from: part.from.map(|time| time.to_string()),
        until: part.until.map(|time| time.to_string()),
    }
}

fn human(document: &TrustDocument, now: Timestamp) -> String {
    let mut out = String::new();
    for root in &document.roots {
        let source = match root.source {
            "cache" => "fetched through TUF",
            "file" => "from a file",
            _ => "built in",
        };
        let _ = writeln!(out, "{} ({source}) {}", root.name, root.digest);
        if let Some(fetched) = &root.fetched {
            let _ = writeln!(out, "  fetched {fetched}, {}", ago(fetched, now));
        }
        if let Some(newest) = &root.newest_part {
            let _ = writeln!(out, "  newest part {newest}, {}", ago(newest, now));
        }
        if let Some(expires) = &root.expires {
            let state = if root.expired { "expired" } else { "expires" };
            let _ = writeln!(out, "  its TUF root {state} {expires}");
        }
        if let Some(reason) = &root.cache_unusable {
            let _ = writeln!(out, "  what was fetched cannot be used: {reason}");
        }
        for part in &root.parts {
            let window = match (&part.from, &part.until) {
                (Some(from), Some(until)) => format!("{from} to {until}"),
                (Some(from), None) => format!("since {from}"),
                (None, Some(until)) => format!("until {until}"),
                (None, None) => "always".to_owned(),
            };
            let past = if part.current { "" } else { " (not now)" };
            let _ = writeln!(out, "    {:<22} {} {window}{past}", part.kind, part.name);
        }
    }
    out
}

/// How many days ago a time was.
fn ago(time: &str, now: Timestamp) -> String {
    let days = time.parse::<Timestamp>().map(|time| now.duration_since(time).as_hours() / 24);
    days.map_or_else(|_| String::new(), |days| format!("{days} days ago"))
}
