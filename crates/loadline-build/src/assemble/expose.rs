//! What `EXPOSE` and `STOPSIGNAL` take.

/// The ports that `EXPOSE` means by a word: `80`, `80/udp`, `8000-8010`; docker's `host:container` form is
/// read as its container part. Nothing where it is no port.
pub(crate) fn ports(word: &str) -> Option<Vec<String>> {
    let (ports, protocol) = word.split_once('/').unwrap_or((word, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return None,
    };
    let (host, container) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (first, last) = range(container)?;
    if !host.is_empty() {
        // An address may stand before the port.
        let host_port = host.rsplit_once(':').map_or(host, |(_, port)| port);
        if !host_port.is_empty() {
            range(host_port)?;
        }
    }
    Some((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten()
    };
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        }
    }
}

/// The signals of Linux by name, without their `SIG`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Whether docker takes a text as a signal: a number, or a name with or without `SIG`.
pub(crate) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u32>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |prefix: &str, most: u32| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix(['+', '-'])
                    .and_then(|n| n.parse::<u32>().ok())
                    .is_some_and(|n| (1..=most).contains(&n))
        })
    };
    SIGNALS.contains(&name) || real_time("RTMIN", 15) || real_time("RTMAX", 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        let text = |word| ports(word).map(|ports| ports.join(" "));
        assert_eq!(text("80").as_deref(), Some("80/tcp"));
        assert_eq!(text("53/UDP").as_deref(), Some("53/udp"));
        assert_eq!(text("8000-8002/sctp").as_deref(), Some("8000/sctp 8001/sctp 8002/sctp"));
        assert_eq!(text("127.0.0.1:8080:80").as_deref(), Some("80/tcp"));
        for bad in ["", "x", "80/", "80/icmp", "9-8", "70000", "80-", "a:80", "+80"] {
            if bad == "80/" {
                assert_eq!(text(bad).as_deref(), Some("80/tcp"));
            } else {
                assert_eq!(text(bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn signals() {
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-14", "sigwinch"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "-1", "SIGNOPE", "SIGRTMIN+99", "SIG"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
