//! The ledger, leases and releases.

use super::{Code, row};

pub(super) static CODES: &[Code] = &[
    row(
        &["ledger"],
        "no_majority",
        "too few managers answer",
        "Releases and leases are kept on the managers, and a majority of them decides. Fewer than that answer, so that nobody can know what the others have agreed on.",
        "Bring a manager back. One that is gone for good is taken out of the inventory, one at a time.",
        "stackctl node ls",
    ),
    row(
        &["ledger"],
        "no_agreement",
        "the managers did not agree in time",
        "Managers were asked to write a record down and did not answer often enough within the time there is.",
        "Look which of them are slow or silent, and run the command again.",
        "stackctl node ls",
    ),
    row(
        &["ledger"],
        "overtaken",
        "the records went on without this program",
        "It was held up for so long, asleep or stopped, that what it was about to write is out of date.",
        "Run the command again.",
        "stackctl history shop",
    ),
    row(
        &["ledger"],
        "managers_changed",
        "the managers are not those that wrote the records",
        "Each record names the managers it was written under. The inventory has others by more than one, and their majority may know nothing of what was decided.",
        "Put the roles back, then change one manager at a time and run a deploy between two changes.",
        concat!("hosts:\n", "  h1: {address: \"ssh://root@10.0.0.1\", role: manager}"),
    ),
    row(
        &["ledger"],
        "unreadable",
        "a record that makes no sense",
        "A volume of the ledger holds something that this version does not understand.",
        "Use a stackctl that is at least as new as the one that wrote it.",
        "stackctl version",
    ),
    row(
        &["lease"],
        "held",
        "somebody else is at work on the stack",
        "Deploys of one stack exclude each other. The holder gives signs of life; without any its lease ends by itself after 35 seconds, and at once if it ran on this machine.",
        "Wait with `--lock-timeout`, or end the lease if its holder is surely gone.",
        "stackctl deploy --lock-timeout 5m -c docker-compose.yml shop",
    ),
    row(
        &["lease"],
        "lost",
        "the lease was lost on the way",
        "For some seconds no majority of the managers could be reached, or somebody ended the lease. Somebody else may be at work by now, so nothing more was done.",
        "Run the command again: it continues from what it finds.",
        "stackctl deploy --lock-timeout 5m -c docker-compose.yml shop",
    ),
    row(
        &["lease"],
        "unknown",
        "a lease that nobody has",
        "The lease that was to be ended has ended already, or its id was mistyped.",
        "Run the command again that was refused.",
        "stackctl deploy -c docker-compose.yml shop",
    ),
    row(
        &["history"],
        "no_release",
        "a release that is not remembered",
        "The newest fifty releases of a stack are remembered, and this is none of them.",
        "Choose one of those there are.",
        "stackctl history shop",
    ),
];
