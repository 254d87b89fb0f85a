//! Errors of discovery: why the set of hosts is unknown.

use miette::Diagnostic;
use thiserror::Error;

use crate::ledger::OpenError;
use crate::model::{Timestamp, Unreachable};

/// Why the set of hosts is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum DiscoverError {
    /// The managers would change with the discovered hosts.
    #[error("all hosts are discovered, and the ledger is in volumes of hosts")]
    #[diagnostic(
        code(stackctl::discovery::no_keeper),
        help("name at least one manager under `hosts:`, or set `ledger:` to a directory or an etcd")
    )]
    NoBackend,
    /// A file or variable that the address of a source names.
    #[error("{source_name} cannot be used: {why}")]
    #[diagnostic(
        code(stackctl::discovery::unusable),
        help(
            "keep a password in a variable or a file, never in the address; certificates and keys are PEM files"
        )
    )]
    Unusable { source_name: String, why: String },
    /// This build has no client for the source. The message is that of a ledger there, with the same remedy.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotBuilt(OpenError),
    /// There is no such program, or it may not be run.
    #[error("{source_name} cannot be started: {why}")]
    #[diagnostic(
        code(stackctl::discovery::cannot_start),
        help(
            "stackctl looks for a program with a `/` from the inventory's folder, and for others in the PATH"
        )
    )]
    CannotStart { source_name: String, why: String },
    /// The program failed.
    #[error("{source_name} failed with {status}{}", said(stderr))]
    #[diagnostic(
        code(stackctl::discovery::failed),
        help("run it by hand; it must print hosts and end with status 0")
    )]
    Failed {
        source_name: String,
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// Not within its time.
    #[error("{source_name} has not answered within {seconds} s")]
    #[diagnostic(
        code(stackctl::discovery::silent),
        help(
            "set `timeout:` of the source if it takes longer; a missing answer does not mean that it has no hosts"
        )
    )]
    Late { source_name: String, seconds: u64 },
    /// The source does not answer.
    #[error("{source_name} does not answer: {why}")]
    #[diagnostic(
        code(stackctl::discovery::silent),
        help("a missing answer does not mean that the source has no hosts")
    )]
    Silent { source_name: String, why: String },
    /// Not a list of hosts.
    #[error("{source_name} gave no list of hosts: {why}")]
    #[diagnostic(
        code(stackctl::discovery::bad_answer),
        help(
            "the answer must be JSON: `{{\"hosts\": {{\"h4\": \"ssh://root@10.0.0.4\"}}}}`, or the output of an Ansible inventory with `--list`"
        )
    )]
    BadAnswer {
        source_name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two hosts of one name, or two names of one host.
    #[error("{0}")]
    #[diagnostic(
        code(stackctl::discovery::clash),
        help("two entries are one host if name and address are the same; then the first entry counts")
    )]
    Clash(String),
    /// The ledger is in volumes, and a discovered host has the role manager.
    #[error("{source_name} makes `{node}` a manager")]
    #[diagnostic(
        code(stackctl::discovery::no_manager),
        help(
            "managers keep the ledger in their volumes: name them under `hosts:`; discovered hosts are workers"
        )
    )]
    Manager { source_name: String, node: String },
    /// The source no longer names most of its known hosts.
    #[error("{source_name} names {} of the {known} hosts it named before: without {gone}", known - missing)]
    #[diagnostic(
        code(stackctl::discovery::fewer),
        help("probably a fault of the source; to drop the hosts permanently: `stackctl node forget {gone}`")
    )]
    Fewer {
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
