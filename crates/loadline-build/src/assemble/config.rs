//! The image configuration (OCI image-spec, config.md, with docker's additions), read from a base image
//! and written in one fixed order of members: that of Go's encoder over docker's types, as BuildKit has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use loadline_core::{Digest, Platform};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What every history entry of ours says of who wrote it.
const COMMENT: &str = "loadline.assemble.v1";
/// `PATH` where no base image sets one.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A value whose objects are written in the order of their names. `serde_json` keeps the order of insertion
/// or not depending on what else is compiled in; an image's bytes must not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sorted(Value);

impl Serialize for Sorted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Object(members) => {
                let sorted: BTreeMap<&String, &Value> = members.iter().collect();
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (name, value) in sorted {
                    map.serialize_entry(name, &Self(value.clone()))?;
                }
                map.end()
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(|value| Self(value.clone()))),
            other => other.serialize(serializer),
        }
    }
}

/// `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Empty {}

type Names = BTreeMap<String, Empty>;

/// Go writes an empty list or map as `null` here and there.
fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An image's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, deserialize_with = "null_is_none")]
    pub(crate) config: Runtime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<History>,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(rename = "os.features", default, skip_serializing_if = "Option::is_none")]
    pub(crate) os_features: Option<Vec<String>>,
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<String>,
    #[serde(default, deserialize_with = "null_is_none")]
    pub(crate) rootfs: RootFs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Sorted>,
}

/// The layers' uncompressed digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "null_is_none")]
    pub(crate) diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// How a container of the image runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Runtime {
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Names::is_empty")]
    pub(crate) exposed_ports: Names,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) cmd: Vec<String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Names::is_empty")]
    pub(crate) volumes: Names,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) args_escaped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) healthcheck: Option<Healthcheck>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) on_build: Vec<String>,
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) shell: Vec<String>,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Sorted>,
}

/// A health check; durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Healthcheck {
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub(crate) test: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) timeout: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) start_period: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) start_interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// One step of how the image was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Sorted>,
}

impl Config {
    /// What `FROM scratch` begins with.
    pub(crate) fn scratch(platform: &Platform) -> Self {
        let mut config = Self {
            architecture: String::new(),
            author: None,
            config: Runtime {
                working_dir: "/".to_owned(),
                env: vec![DEFAULT_PATH.to_owned()],
                ..Runtime::default()
            },
            created: None,
            history: Vec::new(),
            os: String::new(),
            os_features: None,
            os_version: None,
            rootfs: RootFs::default(),
            variant: None,
            other: BTreeMap::new(),
        };
        config.set_platform(platform);
        config
    }

    /// Reads a base image's configuration.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut config: Self = serde_json::from_slice(bytes)?;
        config.created = None;
        let layers = config.history.iter().filter(|entry| !entry.empty_layer).count();
        // Tools tell layers apart by counting history entries: those that are missing are made up for.
        for _ in layers..config.rootfs.diff_ids.len() {
            config.history.push(History {
                comment: Some("no history in the base image".to_owned()),
                ..History::default()
            });
        }
        Ok(config)
    }

    /// Says what it runs on.
    pub(crate) fn set_platform(&mut self, platform: &Platform) {
        let same = self.os == platform.os && self.architecture == platform.architecture;
        self.os.clone_from(&platform.os);
        self.architecture.clone_from(&platform.architecture);
        if platform.variant.is_some() || !same {
            self.variant.clone_from(&platform.variant);
        }
        if !same {
            self.os_version = None;
        }
    }

    /// Makes sure that there is a `PATH`.
    pub(crate) fn ensure_path(&mut self) {
        if self.os != "windows" && !self.config.env.iter().any(|entry| entry.starts_with("PATH=")) {
            self.config.env.push(DEFAULT_PATH.to_owned());
        }
    }

    /// Sets an environment variable, in its old place if it has one.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let same = |old: &&mut String| old.split_once('=').map_or(old.as_str(), |(old, _)| old) == name;
        match self.config.env.iter_mut().find(same) {
            Some(old) => *old = entry,
            None => self.config.env.push(entry),
        }
    }

    /// Adds a step.
    pub(crate) fn record(&mut self, created_by: String, layer: bool, source_date: i64) {
        self.history.push(History {
            created: Some(date(source_date)),
            created_by: Some(created_by),
            comment: Some(COMMENT.to_owned()),
            empty_layer: !layer,
            ..History::default()
        });
    }

    /// The bytes of it.
    pub(crate) fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// Seconds since 1970 in RFC 3339; a moment that it cannot say is the nearest one it can.
pub(crate) fn date(seconds: i64) -> String {
    let clamped = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(clamped).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Words as Go prints a list: `[a b]`.
pub(crate) fn go_list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    format!("[{}]", words.join(" "))
}

/// A text as Go quotes it.
pub(crate) fn go_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A duration as Go prints it: `1h30m0s`, `1.5s`, `300ms`.
pub(crate) fn go_duration(nanoseconds: i64) -> String {
    let duration = Duration::from_nanos(nanoseconds.unsigned_abs());
    let trimmed = |whole: u128, part: u128, digits: usize, unit: &str| {
        let part = format!("{part:0digits$}");
        let part = part.trim_end_matches('0');
        if part.is_empty() { format!("{whole}{unit}") } else { format!("{whole}.{part}{unit}") }
    };
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => trimmed(nanos / 1_000, nanos % 1_000, 3, "µs"),
        1_000_000..1_000_000_000 => trimmed(nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
        _ => {
            let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
            let seconds = trimmed(u128::from(duration.as_secs() % 60), nanos % 1_000_000_000, 9, "s");
            match (hours, minutes) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_in_one_order() {
        let mut config = Config::scratch(&"linux/arm/v7".parse().unwrap());
        config.config.labels.insert("b".into(), "2".into());
        config.config.labels.insert("a".into(), "1".into());
        config.config.cmd = vec!["/hello".into()];
        config.config.exposed_ports.insert("80/tcp".into(), Empty {});
        config.record("ENV A=b".into(), false, 0);
        config.created = Some(date(0));
        assert_eq!(
            String::from_utf8(config.write().unwrap()).unwrap(),
            r#"{"architecture":"arm","config":{"ExposedPorts":{"80/tcp":{}},"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/hello"],"WorkingDir":"/","Labels":{"a":"1","b":"2"}},"created":"1970-01-01T00:00:00Z","history":[{"created":"1970-01-01T00:00:00Z","created_by":"ENV A=b","comment":"loadline.assemble.v1","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}"#
        );
    }

    #[test]
    fn what_a_base_image_says_is_kept() {
        let text = r#"{"os":"linux","architecture":"amd64","created":"2020-01-01T00:00:00Z","config":{"User":null,"Cmd":null,"Env":["A=1"],"StopTimeout":3,"Healthcheck":{"Test":["NONE"]},"OnBuild":null},"x-new":{"z":1,"a":{"d":[{"y":1,"b":2}]}},"rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;
        let mut config = Config::read(text.as_bytes()).unwrap();
        assert_eq!(config.history.len(), 1);
        config.set_env("A", "2");
        config.set_env("B", "3");
        config.ensure_path();
        assert_eq!(config.config.env[..2], ["A=2", "B=3"]);
        let written = String::from_utf8(config.write().unwrap()).unwrap();
        assert!(written.contains(r#""x-new":{"a":{"d":[{"b":2,"y":1}]},"z":1}"#), "{written}");
        assert!(written.contains(r#""StopTimeout":3"#), "{written}");
        assert!(!written.contains("2020"), "{written}");
    }

    #[test]
    fn texts_are_as_gos() {
        for (nanos, text) in [
            (0, "0s"),
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (1_500_000_000, "1.5s"),
            (300_000_000, "300ms"),
            (1_500, "1.5µs"),
            (7, "7ns"),
        ] {
            assert_eq!(go_duration(nanos), text);
        }
        assert_eq!(go_quoted("a\"\\\n\u{1}é"), r#""a\"\\\n\x01é""#);
        assert_eq!(go_list(["a", "b c"]), "[a b c]");
        assert_eq!(date(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(date(i64::MAX).len(), 20);
    }
}
