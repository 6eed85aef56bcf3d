//! Faults for tests: which requests go wrong, how, and how often.
//!
//! A fault is written `METHOD PART:EFFECT[;OPTION…][*COUNT]`. `METHOD` may be `*`, `PART` is any part of
//! the path, `COUNT` how often it strikes (always, where it is not given). Effects:
//!
//! | effect | what happens |
//! |---|---|
//! | `503` (400 to 599) | the request is not served; this status comes |
//! | `reset` | the connection is reset (TCP RST) in the middle of the body, of the request where it has one |
//! | `lost` | the request is served in full, but the connection is reset instead of an answer |
//! | `truncate` | half of the answer's body comes, then the end of the connection |
//! | `wrong-digest` | the answer's content is not what its digest says; without content, the header lies |
//! | `endless` | the answer's body never ends; its digest is anything |
//! | `redirect=URL` | the client is sent to another address (307) |
//! | `delay=200ms` | the request waits first; goes together with another fault |
//!
//! Options: `retry-after=N` with a status, `after=N` lets the first N requests through, `chance=0.3`
//! strikes at random, from the seed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultError {
    /// The parts are not there.
    #[error("`{text}` is no fault: write `METHOD PART:EFFECT`, for example `PUT manifests:503*2`")]
    Form {
        /// The text as given.
        text: String,
    },
    /// The effect is not known.
    #[error(
        "`{effect}` in `{text}` is no effect: use a status from 400 to 599, `reset`, `lost`, `truncate`, `wrong-digest`, `endless`, `redirect=URL` or `delay=200ms`"
    )]
    Effect {
        /// The text as given.
        text: String,
        /// The part at fault.
        effect: String,
    },
    /// An option is not known, or its value is none.
    #[error("`{option}` in `{text}` is no option: use `retry-after=N`, `after=N` or `chance=0.3`")]
    Option {
        /// The text as given.
        text: String,
        /// The part at fault.
        option: String,
    },
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Status { status: u16, retry_after: Option<String> },
    Reset,
    Lost,
    Truncate,
    WrongDigest,
    Endless,
    Redirect(String),
    Delay(Duration),
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
struct Fault {
    text: String,
    method: String,
    part: String,
    effect: Effect,
    count: Option<u64>,
    after: u64,
    chance: Option<f64>,
}

/// The faults of a registry. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: AtomicU64,
    struck: AtomicU64,
    seed: u64,
}

/// What strikes one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Struck {
    pub(super) delay: Option<Duration>,
    pub(super) effect: Option<Effect>,
    pub(super) text: Option<String>,
}

impl Faults {
    /// Reads faults; the seed decides those that strike at random.
    ///
    /// # Errors
    ///
    /// The first text that is no fault.
    pub fn parse<T: AsRef<str>>(faults: impl IntoIterator<Item = T>, seed: u64) -> Result<Self, FaultError> {
        let armed = faults
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                Ok(Armed {
                    fault: text.as_ref().parse()?,
                    matched: AtomicU64::new(0),
                    struck: AtomicU64::new(0),
                    seed: mix(seed ^ mix(index as u64)),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(armed)))
    }

    /// How often faults struck so far.
    pub fn struck(&self) -> u64 {
        self.0.iter().map(|armed| armed.struck.load(Ordering::Relaxed)).sum()
    }

    /// What strikes this request: delays add up, of the others the first one counts.
    pub(super) fn strike(&self, method: &str, path: &str) -> Struck {
        let mut struck = Struck::default();
        for armed in self.0.iter() {
            let fault = &armed.fault;
            let delay = matches!(fault.effect, Effect::Delay(_));
            if !fault.matches(method, path) || (!delay && struck.effect.is_some()) || !armed.fires() {
                continue;
            }
            match &fault.effect {
                Effect::Delay(time) => {
                    struck.delay = Some(struck.delay.unwrap_or_default().saturating_add(*time));
                }
                effect => struck.effect = Some(effect.clone()),
            }
            struck.text = Some(match struck.text.take() {
                Some(text) => format!("{text}, {fault}"),
                None => fault.to_string(),
            });
        }
        struck
    }
}

impl Armed {
    fn fires(&self) -> bool {
        let nth = self.matched.fetch_add(1, Ordering::Relaxed);
        if nth < self.fault.after {
            return false;
        }
        if let Some(chance) = self.fault.chance {
            // 53 bits make the fraction exact.
            #[allow(clippy::cast_precision_loss)]
            let drawn = (mix(self.seed.wrapping_add(nth)) >> 11) as f64 / (1_u64 << 53) as f64;
            if drawn >= chance {
                return false;
            }
        }
        let count = self.fault.count.unwrap_or(u64::MAX);
        self.struck
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |struck| (struck < count).then(|| struck + 1))
            .is_ok()
    }
}

impl Fault {
    fn matches(&self, method: &str, path: &str) -> bool {
        (self.method == "*" || self.method == method) && path.contains(&self.part)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let shown = || text.chars().take(200).collect::<String>();
        let form = || FaultError::Form { text: shown() };
        let (method, rest) = text.trim().split_once(' ').ok_or_else(form)?;
        let rest = rest.trim();
        // An address has colons of its own.
        let (part, rest) = match rest.find(":redirect=") {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => rest.rsplit_once(':').ok_or_else(form)?,
        };
        let (rest, count) = match rest.rsplit_once('*') {
            Some((rest, count)) => (rest, Some(count.trim().parse().map_err(|_| form())?)),
            None => (rest, None),
        };
        if method.is_empty() || part.is_empty() {
            return Err(form());
        }
        let mut words = rest.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        let unknown = || FaultError::Effect { text: shown(), effect: name.to_owned() };
        let mut effect = match name {
            "reset" => Effect::Reset,
            "lost" => Effect::Lost,
            "truncate" => Effect::Truncate,
            "wrong-digest" => Effect::WrongDigest,
            "endless" => Effect::Endless,
            other if other.starts_with("redirect=") => {
                let url = other.trim_start_matches("redirect=");
                let good = url.starts_with("http://") || url.starts_with("https://");
                if !good || url.bytes().any(|b| b <= b' ' || b >= 0x7f) {
                    return Err(unknown());
                }
                Effect::Redirect(url.to_owned())
            }
            other => match other.strip_prefix("delay=") {
                Some(time) => Effect::Delay(duration(time).ok_or_else(unknown)?),
                None => {
                    let status = other.parse().ok().filter(|status| (400..600).contains(status));
                    Effect::Status { status: status.ok_or_else(unknown)?, retry_after: None }
                }
            },
        };
        let (mut after, mut chance) = (0, None);
        for option in words {
            let bad = || FaultError::Option { text: shown(), option: option.to_owned() };
            let (key, value) = option.split_once('=').ok_or_else(bad)?;
            match (key, &mut effect) {
                ("retry-after", Effect::Status { retry_after, .. }) if !value.is_empty() => {
                    *retry_after = Some(value.to_owned());
                }
                ("after", _) => after = value.parse().map_err(|_| bad())?,
                ("chance", _) => {
                    let value = value.parse().ok().filter(|value| (0.0..=1.0).contains(value));
                    chance = Some(value.ok_or_else(bad)?);
                }
                _ => return Err(bad()),
            }
        }
        let (method, part) = (method.to_ascii_uppercase(), part.to_owned());
        Ok(Self { text: text.trim().to_owned(), method, part, effect, count, after, chance })
    }
}

fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

/// SplitMix64: well spread, and the same everywhere.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        Faults::parse(texts, 7).unwrap()
    }

    #[test]
    fn counted_and_matched() {
        let faults = faults(&["PUT manifests:503*2", "GET referrers:429;retry-after=1*1"]);
        let strike = |method: &str, path: &str| faults.strike(method, path).effect;
        assert_eq!(strike("GET", "/v2/a/manifests/x"), None);
        let down = Some(Effect::Status { status: 503, retry_after: None });
        assert_eq!(strike("PUT", "/v2/a/manifests/x"), down);
        assert_eq!(strike("PUT", "/v2/a/manifests/y"), down);
        assert_eq!(strike("PUT", "/v2/a/manifests/x"), None);
        let busy = Some(Effect::Status { status: 429, retry_after: Some("1".into()) });
        assert_eq!(strike("GET", "/v2/a/referrers/sha256:0"), busy);
        assert_eq!(strike("GET", "/v2/a/referrers/sha256:0"), None);
        assert_eq!(faults.struck(), 3);
    }

    #[test]
    fn delays_go_together_with_others() {
        let faults = faults(&["* blobs:delay=200ms", "GET blobs:delay=1s", "GET sha256:ab:reset;after=1"]);
        let first = faults.strike("GET", "/v2/a/blobs/sha256:ab");
        assert_eq!(first.delay, Some(Duration::from_millis(1200)));
        assert_eq!(first.effect, None);
        assert_eq!(faults.strike("GET", "/v2/a/blobs/sha256:ab").effect, Some(Effect::Reset));
    }

    #[test]
    fn addresses_keep_their_colons() {
        let faults = faults(&["GET sha256:ab:redirect=http://127.0.0.1:9/x?a=b*1", "GET manifests:endless"]);
        let redirect = Effect::Redirect("http://127.0.0.1:9/x?a=b".into());
        assert_eq!(faults.strike("GET", "/v2/a/blobs/sha256:ab").effect, Some(redirect));
        assert_eq!(faults.strike("GET", "/v2/a/blobs/sha256:ab").effect, None);
        assert_eq!(faults.strike("GET", "/v2/a/manifests/x").effect, Some(Effect::Endless));
    }

    #[test]
    fn chance_is_seeded() {
        let run = |seed| {
            let faults = Faults::parse(["GET x:500;chance=0.5"], seed).unwrap();
            (0..200).map(|_| faults.strike("GET", "/x").effect.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let hits = run(1).into_iter().filter(|hit| *hit).count();
        assert!((70..130).contains(&hits), "{hits}");
    }

    #[test]
    fn what_is_no_fault() {
        for bad in [
            "",
            "GET",
            "GET blobs",
            "GET :503",
            "GET blobs:200",
            "GET blobs:explode",
            "GET blobs:delay=2h",
            "GET blobs:503*x",
            "GET blobs:503;retry-after=",
            "GET blobs:reset;retry-after=1",
            "GET blobs:503;chance=2",
            "GET blobs:503;chance=NaN",
            "GET blobs:503;after",
            "GET blobs:redirect=ftp://x",
            "GET blobs:redirect=",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_fault_or_none(text in "(GET|\\*) [a-z:]{0,8}:(503|reset|delay=[0-9]{0,25}m?s)(;[a-z-]{0,12}=[0-9.e-]{0,8})?(\\*[0-9]{0,25})?|.{0,60}") {
            if let Ok(fault) = text.parse::<Fault>() {
                proptest::prop_assert!(!fault.part.is_empty() && !fault.method.is_empty());
                let again = fault.to_string().parse::<Fault>();
                proptest::prop_assert_eq!(again, Ok(fault));
            }
        }
    }
}
