//! The person in front of it, and the browser in front of the person.

use std::io::{self, BufRead as _};
use std::path::PathBuf;

use loadline_core::Secret;
use loadline_process::{Detached, Environment, Invocation, NETWORK};
use loadline_sigstore::{Browser, Prompt, Way};

/// What a browser needs to find its screen, its profile and its language; nothing that is secret.
const PASSED: &[&str] = &[
    "BROWSER",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "DBUS_SESSION_BUS_ADDRESS",
    "DESKTOP_SESSION",
    "LANG",
    "LC_ALL",
    "USER",
    "LOGNAME",
    "WSL_DISTRO_NAME",
    "WSL_INTEROP",
];

/// Addresses go to standard error, codes come from standard input, pages open in the person's own browser.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) environment: Environment,
    pub(crate) folder: PathBuf,
}

impl Prompt for Terminal {
    fn show(&self, address: &str, way: Way) {
        match way {
            Way::Browser => anstream::eprintln!(
                "log in in the browser that opens; where none does, open this address on this machine:\n  {address}"
            ),
            Way::Code => {
                anstream::eprintln!(
                    "open this address, log in, and type the code that stands there:\n  {address}"
                );
            }
        }
    }

    fn code(&self) -> io::Result<Secret> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        match line.trim() {
            "" => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no code was typed")),
            code => Ok(Secret::new(code)),
        }
    }

    fn browse(&self, address: &str) -> Option<Box<dyn Browser>> {
        commands(&self.environment, cfg!(target_os = "macos"), address).into_iter().find_map(|mut words| {
            let program = words.remove(0);
            let invocation = Invocation::new(program, &self.folder)
                .args(words)
                .pass(PASSED.iter().chain(NETWORK).copied());
            let started = invocation.detach(&self.environment).ok()?;
            Some(Box::new(Started(started)) as Box<dyn Browser>)
        })
    }
}

struct Started(Detached);

impl Browser for Started {
    fn has_failed(&mut self) -> bool {
        self.0.ended().is_some_and(|status| !status.success())
    }
}

/// The commands that may open an address, best first. BROWSER is what other programs take it for: commands with
/// colons between them, `%s` for the address, which otherwise comes last. No shell reads them.
fn commands(environment: &Environment, macos: bool, address: &str) -> Vec<Vec<String>> {
    let with_address = |command: &str| {
        let mut words: Vec<String> =
            command.split_whitespace().map(|word| word.replace("%s", address)).collect();
        if !command.contains("%s") && !words.is_empty() {
            words.push(address.to_owned());
        }
        words
    };
    let configured = match environment.get("BROWSER") {
        Some(list) => list,
        None if macos => "open",
        None if environment.get("DISPLAY").or_else(|| environment.get("WAYLAND_DISPLAY")).is_some() => {
            "xdg-open"
        }
        None => return Vec::new(),
    };
    configured.split(':').map(with_address).filter(|words| !words.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_those_that_the_environment_names() {
        let none = Environment::empty();
        let of = |environment: &Environment, macos| commands(environment, macos, "http://a/?b=c&d");
        assert!(of(&none, false).is_empty());
        assert_eq!(of(&none, true), [["open", "http://a/?b=c&d"]]);
        let screen = none.clone().with("WAYLAND_DISPLAY", "wayland-0");
        assert_eq!(of(&screen, false), [["xdg-open", "http://a/?b=c&d"]]);
        let named = screen.with("BROWSER", "one --new=%s::two");
        assert_eq!(of(&named, true), [vec!["one", "--new=http://a/?b=c&d"], vec!["two", "http://a/?b=c&d"]]);
    }
}
