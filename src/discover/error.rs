//! Why it is not known which hosts there are.

use miette::Diagnostic;
use thiserror::Error;

use crate::model::{Timestamp, Unreachable};

/// Why it is not known which hosts there are.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum DiscoverError {
    /// The records would wander with the hosts that are found.
    #[error("all hosts are discovered, and the ledger is in volumes of hosts")]
    #[diagnostic(
        code(stackctl::discovery::no_keeper),
        help("name at least one manager under `hosts:`, or set `ledger:` to a directory or an etcd")
    )]
    NoKeeper,
    /// A file or variable that the address of a source names.
    #[error("{source_name} cannot be asked: {why}")]
    #[diagnostic(
        code(stackctl::discovery::unusable),
        help(
            "a password is in a variable or a file, never in the address; certificates and keys are PEM files"
        )
    )]
    Unusable {
        /// Which source.
        source_name: String,
        /// What is wrong.
        why: String,
    },
    /// There is no such program, or it may not be run.
    #[error("{source_name} cannot be started: {why}")]
    #[diagnostic(
        code(stackctl::discovery::cannot_start),
        help("a program with a `/` in it is looked for from the inventory's folder, others in the PATH")
    )]
    CannotStart {
        /// Which source.
        source_name: String,
        /// The system's words.
        why: String,
    },
    /// The program said that it failed.
    #[error("{source_name} failed with {status}{}", said(stderr))]
    #[diagnostic(
        code(stackctl::discovery::failed),
        help("run it by hand; it has to print hosts and end with status 0")
    )]
    Failed {
        /// Which source.
        source_name: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// Not within its time.
    #[error("{source_name} has not answered within {seconds} s")]
    #[diagnostic(
        code(stackctl::discovery::silent),
        help(
            "set `timeout:` of the source if it takes longer; that it does not answer is not that it has no hosts"
        )
    )]
    Late {
        /// Which source.
        source_name: String,
        /// Its time.
        seconds: u64,
    },
    /// Nobody answers.
    #[error("{source_name} does not answer: {why}")]
    #[diagnostic(
        code(stackctl::discovery::silent),
        help("that it does not answer is not that it has no hosts")
    )]
    Silent {
        /// Which source.
        source_name: String,
        /// Why.
        why: String,
    },
    /// Not a list of hosts.
    #[error("{source_name} does not name hosts: {why}")]
    #[diagnostic(
        code(stackctl::discovery::bad_answer),
        help(
            "it is JSON: `{{\"hosts\": {{\"h4\": \"ssh://root@10.0.0.4\"}}}}`, or what Ansible takes from `--list`"
        )
    )]
    BadAnswer {
        /// Which source.
        source_name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two hosts of one name, or two names of one host.
    #[error("{0}")]
    #[diagnostic(
        code(stackctl::discovery::clash),
        help(
            "a host that is named twice is one if name and address are the same; then the first that names it counts"
        )
    )]
    Clash(String),
    /// The ledger is in volumes, and a found host calls itself a manager.
    #[error("{source_name} makes `{node}` a manager")]
    #[diagnostic(
        code(stackctl::discovery::no_manager),
        help("managers keep the ledger in their volumes: name them under `hosts:`; found hosts are workers")
    )]
    Manager {
        /// Which source.
        source_name: String,
        /// Which host.
        node: String,
    },
    /// Most of the hosts that were known are not named any more.
    #[error("{source_name} names {} of the {known} hosts it named before: without {gone}", known - missing)]
    #[diagnostic(
        code(stackctl::discovery::fewer),
        help(
            "it is more likely at fault than right; if they are gone for good: `stackctl node forget {gone}`"
        )
    )]
    Fewer {
        /// Which source.
        source_name: String,
        /// How many hosts it named before.
        known: usize,
        /// How many of them it does not name now.
        missing: usize,
        /// Those, with blanks between them.
        gone: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl DiscoverError {
    /// As an observation has it.
    #[must_use]
    pub fn to_unreachable(&self, now: Timestamp) -> Unreachable {
        Unreachable {
            since: now,
            code: self.code().map(|code| code.to_string()).unwrap_or_default(),
            reason: self.to_string(),
            help: self.help().map(|help| help.to_string()),
        }
    }
}
