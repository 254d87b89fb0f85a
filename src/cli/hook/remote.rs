//! A repository on another machine: stackctl runs there with the same arguments.

use std::path::PathBuf;
use std::process::Stdio;

use crate::cli::Context;
use crate::cli::cluster::env;
use crate::cli::report::{Blame, Exit, Failure};
use crate::model::address;
use crate::model::shell::quoted;
use crate::process_group;

/// What a shell says of a program that is not there, and ssh of a machine.
const NO_PROGRAM: i32 = 127;
const NO_MACHINE: i32 = 255;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Here(PathBuf),
    There(There),
}

/// On another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// No address of a repository that can be written to.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{}` is no place for a hook", address::shown(.0))]
#[diagnostic(
    code(stackctl::hook::bad_place),
    help("name a directory, `ssh://[user@]host[:port]/path` or `[user@]host:path`")
)]
struct BadPlace(String);

/// There is no stackctl on that machine.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no `{program}` on {host}: nothing was written")]
#[diagnostic(
    code(stackctl::hook::no_stackctl),
    help(
        "the hook runs there, so that stackctl must be there: `scp \"$(command -v stackctl)\" \
         {host}:/usr/local/bin/`; if it is elsewhere: `--stackctl /path/of/stackctl`"
    )
)]
struct NoStackctl {
    program: String,
    host: String,
}

/// Ssh does not come through.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot reach {host}: {words}")]
#[diagnostic(
    code(stackctl::hook::unreachable),
    help("try `ssh {host} true`; GIT_SSH_COMMAND is heeded as git does")
)]
struct NotReached {
    host: String,
    words: String,
}

impl Place {
    /// As git takes an address: what has a colon before any slash is on another machine.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = || Failure::usage(BadPlace(text.to_owned()));
        if let Some(rest) = text.strip_prefix("ssh://") {
            let (who, path) = rest.split_once('/').ok_or_else(bad)?;
            let (user, host) = parted(who);
            let (host, port) = match host.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| bad())?)),
                _ => (host, None),
            };
            // `ssh://host/~/ops.git` is at home.
            let path = path.strip_prefix("~/").map_or_else(|| format!("/{path}"), str::to_owned);
            return There::new(user, host, port, path).map(Self::There).ok_or_else(bad);
        }
        if text.contains("://") {
            return Err(bad());
        }
        match text.split_once(':') {
            Some((who, path)) if !who.contains('/') => {
                let (user, host) = parted(who);
                let path = path.strip_prefix("~/").unwrap_or(path).to_owned();
                There::new(user, host, None, path).map(Self::There).ok_or_else(bad)
            }
            _ => Ok(Self::Here(PathBuf::from(text))),
        }
    }
}

fn parted(who: &str) -> (Option<&str>, &str) {
    who.rsplit_once('@').map_or((None, who), |(user, host)| (Some(user), host))
}

impl There {
    fn new(user: Option<&str>, host: &str, port: Option<u16>, path: String) -> Option<Self> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        // What looks like an option is none of ssh's business.
        let is_sound =
            !host.is_empty() && !host.starts_with('-') && !path.is_empty() && !path.starts_with(['-', '~']);
        is_sound.then(|| Self { user: user.map(str::to_owned), host, port, path })
    }

    /// Has the stackctl there do it; its words are ours, and so is its status.
    #[expect(
        clippy::disallowed_methods,
        reason = "the repository's machine is reached by the user's own ssh"
    )]
    pub(super) fn run(
        &self,
        program: &str,
        words: &[impl AsRef<str>],
        context: &Context,
    ) -> Result<Exit, Failure> {
        let mut all: Vec<String> = vec![quoted(program)];
        all.extend(words.iter().map(|word| quoted(word.as_ref())));
        if context.globals.no_color {
            all.push("--no-color".to_owned());
        }
        all.extend(["--".to_owned(), quoted(&self.path)]);
        let there = format!("exec {}", all.join(" "));
        // The same ssh that a push to this address will use.
        let given = env("GIT_SSH_COMMAND").filter(|command| !command.is_empty());
        let mut ssh = match given {
            Some(command) => {
                let mut shell = process_group::blocking_program("sh");
                shell.arg("-c").arg(format!("{command} \"$@\"")).arg(command);
                shell
            }
            None => process_group::blocking_program("ssh"),
        };
        ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "LogLevel=ERROR"]);
        ssh.args(["-o", "ClearAllForwardings=yes"]);
        if let Some(user) = &self.user {
            ssh.arg("-l").arg(user);
        }
        if let Some(port) = self.port {
            ssh.arg("-p").arg(port.to_string());
        }
        ssh.arg("--").arg(&self.host).arg(there).stdin(Stdio::null());
        let host =
            self.user.as_ref().map_or_else(|| self.host.clone(), |user| format!("{user}@{}", self.host));
        let unreachable =
            |words: String| Failure::new(Blame::Unreachable, NotReached { host: host.clone(), words });
        let output = ssh.output().map_err(|error| unreachable(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(NO_MACHINE) | None => Err(unreachable(said.trim().replace('\n', "; "))),
            Some(NO_PROGRAM) => Err(Failure::refused(NoStackctl { program: program.to_owned(), host })),
            Some(status) => {
                context.ui.data(&String::from_utf8_lossy(&output.stdout));
                context.ui.talk(&said);
                Ok(Exit::ALL
                    .into_iter()
                    .find(|exit| i32::from(exit.code()) == status)
                    .unwrap_or(Exit::Refused))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        let there = |user: Option<&str>, host: &str, port, path: &str| {
            Some(Place::There(There {
                user: user.map(str::to_owned),
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            }))
        };
        for (text, place) in [
            ("ssh://git@h1:2222/srv/ops.git", there(Some("git"), "h1", Some(2222), "/srv/ops.git")),
            ("ssh://h1/~/ops.git", there(None, "h1", None, "ops.git")),
            ("ssh://[fe80::1]:22/x", there(None, "fe80::1", Some(22), "/x")),
            ("ssh://[fe80::1]/x", there(None, "fe80::1", None, "/x")),
            ("git@h1:srv/ops.git", there(Some("git"), "h1", None, "srv/ops.git")),
            ("h1:~/ops.git", there(None, "h1", None, "ops.git")),
            ("/srv/a:b.git", Some(Place::Here("/srv/a:b.git".into()))),
            ("./h1:x", Some(Place::Here("./h1:x".into()))),
            (".", Some(Place::Here(".".into()))),
            ("ssh://-oProxyCommand=x/y", None),
            ("-x:y", None),
            ("h1:", None),
            ("h1:-x", None),
            ("h1:~ann/x", None),
            ("ssh://h1:port/x", None),
            ("https://h1/x", None),
        ] {
            assert_eq!(Place::parse(text).ok(), place, "{text}");
        }
    }
}
