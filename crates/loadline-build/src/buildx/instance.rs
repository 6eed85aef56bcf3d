//! What `docker buildx version` and `docker buildx inspect` say: whether a build can begin at all.

use loadline_core::Platform;

use super::error::BuildxError;

/// The oldest buildx that has all that is asked of it: `--progress rawjson` came last, with 0.13.
const OLDEST: (u32, u32) = (0, 13);

/// A builder instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its driver: `docker`, `docker-container`, `remote`, `kubernetes`.
    pub driver: String,
    /// What it builds for; empty where it does not say.
    pub platforms: Vec<Platform>,
    /// Why it cannot be used, if it says so.
    pub error: Option<String>,
}

impl Instance {
    /// Reads what `docker buildx inspect` prints. Unknown lines are passed over.
    pub fn parse(text: &str) -> Self {
        let mut instance =
            Self { name: String::new(), driver: String::new(), platforms: Vec::new(), error: None };
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key {
                // The first is the builder's, those after it are its nodes'.
                "Name" if instance.name.is_empty() => value.clone_into(&mut instance.name),
                "Driver" => value.clone_into(&mut instance.driver),
                "Error" if !value.is_empty() => instance.error = Some(value.to_owned()),
                "Platforms" => instance.platforms.extend(
                    value
                        .split(',')
                        .filter_map(|one| one.trim().trim_end_matches('*').parse::<Platform>().ok()),
                ),
                _ => {}
            }
        }
        instance
    }

    /// Whether it can make such a leg.
    ///
    /// # Errors
    /// It cannot be reached, cannot push by digest though it has to, or does not have the platform.
    pub fn fits(&self, platform: &Platform, pushes: bool) -> Result<(), BuildxError> {
        if let Some(said) = &self.error {
            return Err(BuildxError::Unreachable { instance: self.shown(), said: said.clone() });
        }
        if pushes && self.driver == "docker" {
            return Err(BuildxError::NoPushByDigest { instance: self.shown() });
        }
        if !self.platforms.is_empty() && !self.platforms.contains(platform) {
            return Err(BuildxError::NoPlatform {
                instance: self.shown(),
                platform: platform.clone(),
                available: self.platforms.clone(),
            });
        }
        Ok(())
    }

    fn shown(&self) -> String {
        if self.name.is_empty() { "default".to_owned() } else { self.name.clone() }
    }
}

/// Whether a buildx is new enough, from what `docker buildx version` prints
/// (`github.com/docker/buildx v0.29.1 a1b2c3`). A version that is no number is a developer's own.
pub(super) fn check_version(printed: &str) -> Result<(), BuildxError> {
    let Some(version) = printed.split_whitespace().nth(1) else { return Ok(()) };
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => Err(BuildxError::TooOld {
            version: version.to_owned(),
            oldest: format!("{}.{}", OLDEST.0, OLDEST.1),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSPECT: &str = "Name:          live\nDriver:        remote\nLast Activity: 2026-11-21 01:12:05 +0000 UTC\n\n\
        Nodes:\nName:             live0\nEndpoint:         unix:///run/buildkit.sock\nStatus:           running\n\
        Platforms:        linux/amd64*, linux/amd64/v2, linux/arm64, linux/arm/v7\nLabels:\n org.mobyproject.x: y\n\
        GC Policy rule#0:\n All:            false\n";

    #[test]
    fn an_instance_is_read() {
        let instance = Instance::parse(INSPECT);
        assert_eq!((instance.name.as_str(), instance.driver.as_str()), ("live", "remote"));
        let fits = |platform: &str, pushes| instance.fits(&platform.parse().unwrap(), pushes);
        for platform in ["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v7", "linux/arm"] {
            assert!(fits(platform, true).is_ok(), "{platform}");
        }
        let error = fits("linux/s390x", false).unwrap_err();
        assert!(matches!(&error, BuildxError::NoPlatform { .. }));
        assert!(error.to_string().contains("linux/arm64"), "{error}");
    }

    #[test]
    fn the_default_driver_cannot_push_by_digest_but_can_write_a_layout() {
        let instance = Instance::parse(&INSPECT.replace("remote", "docker"));
        let platform = "linux/amd64".parse().unwrap();
        assert!(matches!(instance.fits(&platform, true), Err(BuildxError::NoPushByDigest { .. })));
        assert!(instance.fits(&platform, false).is_ok());
    }

    #[test]
    fn one_that_cannot_be_reached_says_why() {
        let text = "Name:   default\nDriver: \n\nError:  Cannot connect to the Docker daemon at unix:///x.\n";
        let error = Instance::parse(text).fits(&"linux/amd64".parse().unwrap(), false).unwrap_err();
        assert!(error.to_string().contains("Cannot connect to the Docker daemon at unix:///x"), "{error}");
        let silent = Instance::parse("Name: new\nDriver: docker-container\n");
        assert!(silent.fits(&"linux/riscv64".parse().unwrap(), true).is_ok(), "it does not say what it has");
    }

    #[test]
    fn old_versions_are_told_from_new_ones() {
        for old in ["github.com/docker/buildx v0.12.1 30feaa1", "x 0.9", "buildx v0.10.0+ds1 y"] {
            assert!(matches!(check_version(old), Err(BuildxError::TooOld { .. })), "{old}");
        }
        for new in [
            "github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4",
            "x v0.13.0-rc1",
            "x v1.0.0",
            "x deadbeef",
            "",
        ] {
            assert!(check_version(new).is_ok(), "{new}");
        }
    }
}
