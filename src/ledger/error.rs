//! Why the ledger cannot be read or written.

use miette::Diagnostic;
use thiserror::Error;

use crate::model::format::Version;

/// Why the ledger cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum LedgerError {
    /// Too few managers.
    #[error("ledger: {answering} of {managers} {} answers, {needed} {} needed: {silent}",
        if *managers == 1 { "manager" } else { "managers" },
        if *needed == 1 { "is" } else { "are" })]
    #[diagnostic(
        code(stackctl::ledger::no_majority),
        help(
            "see `stackctl node ls`; a manager that is gone for good is taken out of the inventory, one at a time"
        )
    )]
    NoMajority {
        answering: usize,
        managers: usize,
        needed: usize,
        /// Those that do not, each with its reason.
        silent: String,
    },
    /// No agreement in time.
    #[error("ledger: no agreement on {stream} number {seq} within {seconds} s{silent}")]
    #[diagnostic(
        code(stackctl::ledger::no_agreement),
        help("run the command again; if it stays so, see `stackctl node ls`")
    )]
    Late {
        stream: String,
        seq: u64,
        seconds: u64,
        /// Managers that do not answer, if any.
        silent: String,
    },
    /// Others have written so much meanwhile that the place may be gone.
    #[error("ledger: {stream} advanced while this process was paused")]
    #[diagnostic(code(stackctl::ledger::overtaken), help("run the command again"))]
    Overtaken { stream: String },
    /// A manager shows a place that no program of ours has written.
    #[error(
        "ledger: {stream} has number {seq} on {managers}, which no stackctl wrote: no stream has so many records"
    )]
    #[diagnostic(
        code(stackctl::ledger::far_place),
        help(
            "nothing was changed; the records of {managers} are damaged: remove that one there, or bring them back from a \
             backup (`stackctl help ledger`)"
        )
    )]
    FarPlace {
        stream: String,
        seq: u64,
        /// Who shows it.
        managers: String,
    },
    /// The record was written under a manager set that differs too much.
    #[error(
        "ledger: {stream} was written by {}, and the inventory's managers are {}",
        then.join(", "),
        now.join(", ")
    )]
    #[diagnostic(code(stackctl::ledger::managers_changed), help("{}", managers_help(then, now)))]
    ManagersChanged { stream: String, then: Vec<String>, now: Vec<String> },
    /// Two writers with different managers have met in one place.
    #[error("ledger: {stream} number {seq} was written with two sets of managers at once: {sets}")]
    #[diagnostic(
        code(stackctl::ledger::managers_differ),
        help(
            "two inventories of the cluster were in use at the same time, and the managers that answer do not show which \
             write counts: stop what uses the other inventory, and run the command again with all managers of both in this \
             one"
        )
    )]
    ManagersDiffer { stream: String, seq: u64, sets: String },
    /// A write has begun, and it is not known whether it succeeded.
    #[error("ledger: {stream} number {seq} is incomplete, and no process is writing it")]
    #[diagnostic(
        code(stackctl::ledger::undecided),
        help(
            "its writer was cut off, managers that hold it do not answer, or the managers have changed since: the next command \
             that writes there, such as a deploy, settles it; after a change of managers `stackctl ledger sync` does, too"
        )
    )]
    Undecided { stream: String, seq: u64 },
    /// Managers keep a spare copy, and none of them can be read.
    #[error(
        "ledger: the copy of the cluster's key, secrets and configs that manager {manager} keeps cannot be read: {why}"
    )]
    #[diagnostic(
        code(stackctl::ledger::spare_unreadable),
        help(
            "the records themselves are not there, so it is not known what was lost, and nothing was changed; \
             `stackctl help ledger` says how to restore a backup, and how to begin again without the copy"
        )
    )]
    SpareUnreadable { manager: String, why: String },
    /// A record that cannot be parsed.
    #[error("ledger: {stream} number {seq} cannot be read: {detail}")]
    #[diagnostic(
        code(stackctl::ledger::unreadable),
        help(
            "it stays as it is, and nothing was changed; it is damaged, or another program wrote it: bring the records \
             back from a backup (`stackctl help ledger`)"
        )
    )]
    Unreadable {
        stream: String,
        seq: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// A record that a newer program wrote.
    #[error("ledger: {stream} number {seq} was written by a newer stackctl: {why}")]
    #[diagnostic(
        code(stackctl::ledger::newer),
        help(
            "it stays as it is, and nothing was changed; use that version here, too (`stackctl help stability`)"
        )
    )]
    Newer {
        stream: String,
        seq: u64,
        /// Which version may read it, or change it.
        why: String,
    },
    /// A document with parts that this version does not know, and would drop.
    #[error("ledger: {stream} number {seq} holds `{what}`, which stackctl {} does not know", Version::ours())]
    #[diagnostic(
        code(stackctl::ledger::unknown_part),
        help(
            "it stays as it is, since a change would drop that part; use the version that wrote it (`stackctl help \
             stability`)"
        )
    )]
    UnknownPart {
        stream: String,
        seq: u64,
        /// Its path.
        what: String,
    },
    /// A content of a config that a release names.
    #[error("ledger: the content of config `{config}` of stack {stack} cannot be read: {why}")]
    #[diagnostic(
        code(stackctl::ledger::no_content),
        help(
            "nothing was changed; bring the managers back that have it, or the records from a backup (`stackctl help ledger`)"
        )
    )]
    NoContent {
        stack: String,
        /// Its key in the stackfile.
        config: String,
        why: String,
    },
    /// What is to be written was read without the key that opens its values.
    #[error("ledger: values of service {service} of stack {stack} are not known here: they are encrypted")]
    #[diagnostic(
        code(stackctl::ledger::sealed_values),
        help(
            "nothing was changed; give a private key that opens the secrets of the cluster: STACKCTL_KEY_FILE or STACKCTL_KEY"
        )
    )]
    SealedValues { stack: String, service: String },
    /// More than is kept.
    #[error(
        "ledger: the {what} of this release of stack {stack} come to {bytes} bytes, and at most {max} are kept"
    )]
    #[diagnostic(
        code(stackctl::ledger::too_large),
        help("nothing was changed; put large files into an image or a volume (`stackctl help ledger`)")
    )]
    TooLarge {
        stack: String,
        /// Contents of configs, or what is recorded besides.
        what: &'static str,
        bytes: u64,
        max: u64,
    },
}

/// How to get from one set of managers to another one.
fn managers_help(then: &[String], now: &[String]) -> String {
    let gone: Vec<&String> = then.iter().filter(|name| !now.contains(name)).collect();
    let new: Vec<&String> = now.iter().filter(|name| !then.contains(name)).collect();
    if let ([old], [new]) = (&*gone, &*new) {
        return match then.len() {
            1 => format!(
                "managers are known by their names, and change one at a time: if `{new}` is the machine that was `{old}`, give it \
                 that name back, and see `stackctl help ledger` on how the only manager is renamed; if it is another machine, \
                 name both, run `stackctl ledger sync`, and take `{old}` away then"
            ),
            _ => format!(
                "managers are known by their names, and change one at a time: put `{old}` back in place of `{new}`, \
                 with the address that it had, and run `stackctl ledger sync`; then take the role from `{old}` and sync, and give it to `{new}` and sync, even if \
                 that is a new name of the same machine (`stackctl help ledger`)"
            ),
        };
    }
    // The first manager that is new, or else without the first one that is gone.
    let between: Vec<&str> = match new.first() {
        Some(new) => then.iter().chain([*new]).map(String::as_str).collect(),
        None => then.iter().filter(|name| gone.first() != Some(name)).map(String::as_str).collect(),
    };
    format!(
        "managers change one at a time: put the roles back, or name the managers of the step between first, such as {}, and \
         run `stackctl ledger sync` or deploy, which brings all records to all of them; make the next change then",
        between.join(", ")
    )
}

impl LedgerError {
    /// Whether hosts are to blame.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::NoMajority { .. } | Self::Late { .. } => true,
            Self::Overtaken { .. }
            | Self::FarPlace { .. }
            | Self::ManagersChanged { .. }
            | Self::ManagersDiffer { .. }
            | Self::Undecided { .. }
            | Self::SpareUnreadable { .. }
            | Self::Unreadable { .. }
            | Self::Newer { .. }
            | Self::UnknownPart { .. }
            | Self::NoContent { .. }
            | Self::SealedValues { .. }
            | Self::TooLarge { .. } => false,
        }
    }
}
