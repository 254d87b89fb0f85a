//! Why a host cannot be used. Each way it can fail has its own code and its own next step.
//!
//! An unreachable host is a regular result, so these are values that are kept, compared and shown many times:
//! they own their texts and hold no source error.

use miette::Diagnostic;
use thiserror::Error;

use crate::model::{Timestamp, Unreachable};

/// Why a host cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum HostError {
    /// No `ssh` program here.
    #[error("the program `ssh` was not found on this machine")]
    #[diagnostic(
        code(stackctl::ssh::client_missing),
        help("install OpenSSH's client (Debian: `apt install openssh-client`)")
    )]
    SshMissing,
    /// ssh cannot read its configuration.
    #[error("ssh refuses its configuration: {detail}")]
    #[diagnostic(
        code(stackctl::ssh::bad_config),
        help("correct the file; `{try_it}` shows the same message")
    )]
    SshConfig {
        detail: String,
        /// Command that shows the same.
        try_it: String,
    },
    /// Nowhere to put the sockets.
    #[error("no private directory for ssh's sockets: {detail}")]
    #[diagnostic(
        code(stackctl::ssh::runtime_dir),
        help("set XDG_RUNTIME_DIR to a short path of a directory that only you can enter")
    )]
    RuntimeDir {
        /// What is wrong with the directory.
        detail: String,
    },
    /// The host's name cannot be resolved on this machine.
    #[error("the host name `{host}` is not known")]
    #[diagnostic(
        code(stackctl::ssh::name_not_resolved),
        help("check the address in the inventory, or add `{host}` to the ssh config or to DNS")
    )]
    NameNotResolved { host: String },
    /// Nothing listens there, or there is no route.
    #[error("no ssh connection to `{host}`: {detail}")]
    #[diagnostic(
        code(stackctl::ssh::unreachable),
        help("check that the machine is on and that sshd listens there: `{try_it}`")
    )]
    Unreachable {
        host: String,
        /// The system's words, e.g. `connection refused`.
        detail: String,
        /// Command that shows the same.
        try_it: String,
    },
    /// No answer in time.
    #[error("`{host}` did not answer within {seconds} s")]
    #[diagnostic(
        code(stackctl::ssh::timeout),
        help("check that the machine is on and that no firewall drops the packets: `{try_it}`")
    )]
    Timeout {
        host: String,
        seconds: u64,
        /// Command that shows the same.
        try_it: String,
    },
    /// The host accepts none of our keys.
    #[error("`{host}` refuses our ssh keys for user `{user}`")]
    #[diagnostic(
        code(stackctl::ssh::auth_failed),
        help(
            "stackctl cannot ask for passwords: add your key to `~/.ssh/authorized_keys` there, load it with \
             `ssh-add`, or check the user; `{try_it}` must work without a question"
        )
    )]
    AuthFailed {
        host: String,
        /// The user we came as.
        user: String,
        /// Command that shows the same.
        try_it: String,
    },
    /// The host's key is in no known_hosts file.
    #[error("the host key of `{host}` is not known")]
    #[diagnostic(
        code(stackctl::ssh::host_key_unknown),
        help(
            "compare and accept it once with `{try_it}`, or add it with `ssh-keyscan`; \
             `known_hosts: accept-new` in the inventory trusts each host at first sight"
        )
    )]
    HostKeyUnknown {
        host: String,
        /// Command that asks.
        try_it: String,
    },
    /// The host's key is not the one we know.
    #[error("the host key of `{host}` has changed")]
    #[diagnostic(
        code(stackctl::ssh::host_key_changed),
        help(
            "the connection may be intercepted, or the machine was reinstalled; if you know why, \
             forget the old key with `{forget}`, and accept the new one once: it must be what \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on that machine"
        )
    )]
    HostKeyChanged {
        host: String,
        /// Command that forgets the old key.
        forget: String,
    },
    /// ssh failed in a way that has no variant of its own.
    #[error("ssh to `{host}` failed: {detail}")]
    #[diagnostic(code(stackctl::ssh::failed), help("`{try_it}` shows the whole conversation"))]
    SshFailed {
        host: String,
        /// ssh's last words.
        detail: String,
        /// Command that shows more.
        try_it: String,
    },
    /// The connection was there, and was lost.
    #[error("the connection to `{host}` was lost")]
    #[diagnostic(
        code(stackctl::ssh::connection_lost),
        help("check that the machine is on; its tasks are unknown until it answers again")
    )]
    ConnectionLost { host: String },
    /// sshd forwards no unix sockets, and there is no docker program to use instead.
    #[error("sshd on `{host}` does not forward unix sockets, and the user has no `docker` program there")]
    #[diagnostic(
        code(stackctl::ssh::forwarding_refused),
        help(
            "set `AllowStreamLocalForwarding yes` in /etc/ssh/sshd_config of that host and reload sshd, \
             or install the docker CLI there"
        )
    )]
    ForwardingRefused { host: String },
    /// The engine does not run.
    #[error("no docker engine answers on `{host}`: {detail}")]
    #[diagnostic(code(stackctl::docker::down), help("{hint}"))]
    Down {
        host: String,
        /// `nothing listens on /var/run/docker.sock`.
        detail: String,
        hint: String,
    },
    /// The engine's socket is not for this user.
    #[error("user `{user}` may not use {socket} on `{host}`")]
    #[diagnostic(
        code(stackctl::docker::permission_denied),
        help(
            "add the user to the group docker there: `sudo usermod -aG docker {user}`; it counts from the next login, \
             and who is in that group has root's rights there"
        )
    )]
    PermissionDenied {
        host: String,
        /// The user we are there.
        user: String,
        socket: String,
    },
    /// The engine supports only API versions older than ours.
    #[error("docker {engine} on `{host}` speaks API {api} at most; stackctl needs {needed}")]
    #[diagnostic(code(stackctl::docker::api_too_old), help("upgrade the engine to Docker 20.10 or later"))]
    ApiTooOld {
        host: String,
        engine: String,
        api: String,
        /// The oldest we speak.
        needed: String,
    },
    /// The engine no longer supports our API versions.
    #[error("docker {engine} on `{host}` speaks API {api} at least; this stackctl knows {known} at most")]
    #[diagnostic(code(stackctl::docker::api_too_new), help("use a newer stackctl"))]
    ApiTooNew {
        host: String,
        engine: String,
        api: String,
        /// The newest we speak.
        known: String,
    },
    /// The engine received the request and has not answered.
    #[error("the docker engine on `{host}` did not answer within {seconds} s")]
    #[diagnostic(
        code(stackctl::docker::no_answer),
        help(
            "look there with `journalctl -u docker`; a restart of the engine keeps containers only with `live-restore`"
        )
    )]
    NoAnswer { host: String, seconds: u64 },
    /// A log that the engine cannot give.
    #[error("no log of `{container}`: {detail}")]
    #[diagnostic(
        code(stackctl::docker::logs_unavailable),
        help("only some log drivers can be read back: json-file, local and journald")
    )]
    LogsUnavailable { container: String, detail: String },
    /// No further stream to a host that is reached through `docker system dial-stdio`.
    #[error("too many logs of `{host}` at a time")]
    #[diagnostic(
        code(stackctl::ssh::streams_taken),
        help("set `AllowStreamLocalForwarding yes` in sshd_config there, or follow fewer tasks")
    )]
    StreamsTaken { host: String },
    /// The server is no engine, or a broken one.
    #[error("unexpected answer from the docker engine on `{host}`: {detail}")]
    #[diagnostic(
        code(stackctl::docker::unexpected_answer),
        help("look there with `docker info` and `journalctl -u docker`")
    )]
    Unexpected { host: String, detail: String },
}

impl HostError {
    /// The diagnostic's code, e.g. `stackctl::ssh::host_key_changed`.
    #[must_use]
    pub fn code_text(&self) -> String {
        self.code().map_or_else(String::new, |code| code.to_string())
    }

    /// Whether slowness on this side looks like this. `are_crowded`: more handshakes were to be made than are made at
    /// a time.
    #[must_use]
    pub(super) fn may_be_ours(&self, are_crowded: bool) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::ConnectionLost { .. } | Self::Down { .. } => true,
            Self::Timeout { .. } => are_crowded,
            _ => false,
        }
    }

    /// As the model keeps it.
    #[must_use]
    pub fn to_unreachable(&self, since: Timestamp) -> Unreachable {
        Unreachable {
            since,
            code: self.code_text(),
            reason: self.to_string(),
            help: self.help().map(|help| help.to_string()),
        }
    }
}
