//! Classifies ssh's messages. Each text here was provoked from OpenSSH 9.2 on a real host.

use std::time::Duration;

use crate::fleet::error::HostError;

use super::Target;

/// Turns ssh's output into a specific error.
pub(super) fn explain(log: &str, target: &Target, handshake: Duration) -> HostError {
    let host = || target.host.clone();
    let has = |text: &str| log.contains(text);
    let last = last_words(log);
    // Before "Host key verification failed", which ends this and the next alike.
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return HostError::HostKeyChanged { host: host(), forget: forget(log, target) };
    }
    if has("Host key verification failed") {
        return HostError::HostKeyUnknown { host: host(), try_it: target.try_it() };
    }
    if has("Could not resolve hostname") {
        return HostError::NameNotResolved {
            host: between(log, "resolve hostname ", ":").unwrap_or_else(host),
        };
    }
    if has("Permission denied (") || has("Too many authentication failures") {
        let user = log
            .lines()
            .find(|line| line.contains(": Permission denied ("))
            .and_then(|line| line.split_once('@'))
            .map_or_else(|| target.user(), |(user, _)| user.to_owned());
        return HostError::AuthFailed { host: host(), user, try_it: target.try_it() };
    }
    if has("Bad configuration option")
        || has("Can't open user config file")
        || has("Bad owner or permissions on")
    {
        let line = log.lines().find(|line| line.contains("Bad configuration option"));
        let detail = line.map_or(last, |line| line.trim().to_owned());
        return HostError::SshConfig { detail, try_it: target.try_it() };
    }
    // "connect to host" with a time-out is the kernel's, "during banner exchange" is ConnectTimeout's.
    if has("timed out") {
        let seconds = handshake.as_secs();
        return HostError::Timeout { host: host(), seconds, try_it: target.try_it() };
    }
    for words in ["Connection refused", "No route to host", "Network is unreachable", "Host is down"] {
        if has(words) {
            let detail = words.to_lowercase();
            return HostError::Unreachable { host: host(), detail, try_it: target.try_it() };
        }
    }
    if has("kex_exchange_identification") || has("Connection closed by") || has("Connection reset by") {
        let detail = "sshd hung up before the handshake".to_owned();
        return HostError::Unreachable { host: host(), detail, try_it: target.try_it() };
    }
    HostError::SshFailed { host: host(), detail: last, try_it: target.try_it() }
}

/// ssh prints the very command, for the very file: `ssh-keygen -f "…" -R "…"`.
fn forget(log: &str, target: &Target) -> String {
    log.lines()
        .map(str::trim)
        .find(|line| line.starts_with("ssh-keygen -f"))
        .map_or_else(|| format!("ssh-keygen -R {}", target.host), str::to_owned)
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}

/// The last line that says something, without ssh's own name.
fn last_words(log: &str) -> String {
    let line = log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
    line.strip_prefix("ssh: ").unwrap_or(line).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(log: &str) -> String {
        let target = Target { user: None, host: "h1".into(), port: None, config: None, known_hosts: None };
        explain(log, &target, Duration::from_secs(10)).code_text()
    }

    #[test]
    fn each_ending_has_its_name() {
        for (log, wanted) in [
            ("ssh: Could not resolve hostname nope: Name or service not known\r\n", "ssh::name_not_resolved"),
            ("ssh: connect to host h1 port 22: Connection refused\r\n", "ssh::unreachable"),
            ("ssh: connect to host h1 port 22: No route to host\r\n", "ssh::unreachable"),
            ("ssh: connect to host h1 port 22: Connection timed out\r\n", "ssh::timeout"),
            (
                "Connection timed out during banner exchange\r\nConnection to h1 port 22 timed out\r\n",
                "ssh::timeout",
            ),
            ("root@h1: Permission denied (publickey).\r\n", "ssh::auth_failed"),
            (
                "No ED25519 host key is known for h1 and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n",
                "ssh::host_key_unknown",
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n",
                "ssh::host_key_changed",
            ),
            ("kex_exchange_identification: Connection closed by remote host\r\n", "ssh::unreachable"),
            ("/x: line 1: Bad configuration option: nope\r\n/x: terminating\r\n", "ssh::bad_config"),
            ("something new\r\n", "ssh::failed"),
            ("", "ssh::failed"),
        ] {
            assert_eq!(code(log), format!("stackctl::{wanted}"), "{log}");
        }
    }
}
