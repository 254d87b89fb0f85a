//! Agents: shipping them, and removing them.

use super::{Code, row};

pub(super) static CODES: &[Code] = &[
    row(
        &["agent"],
        "off",
        "an agent that the inventory rules out",
        "The inventory says `agents: off`, and what was asked for would bring a host an agent.",
        "Remove the line to be asked, or write `agents: auto`.",
        "agents: ask",
    ),
    row(
        &["agent"],
        "no_consent",
        "an agent without a consent",
        "An agent has root's rights on its host. So a host gets its first one only after a yes at a terminal; where there is none, and also with `--yes`, nothing is shipped.",
        "Run the command at a terminal, without `--yes`; or write the consent into the inventory.",
        "agents: auto",
    ),
    row(
        &["agent"],
        "needed",
        "a host needs an agent and has none",
        "Tasks with secrets are to run on a host, and only an agent there can keep secrets in memory. Nothing brings one without a consent.",
        "Bring it, or write the consent into the inventory.",
        "stackctl agent install h1",
    ),
    row(
        &["agent"],
        "not_brought",
        "an agent that is needed could not be brought",
        "Tasks with secrets are to run on a host, and the agent that would keep them did not get there. The message says why.",
        "See what is in the way, which `agent install` says at more length.",
        "stackctl agent install --dry-run h1",
    ),
    row(
        &["agent"],
        "no_program",
        "no program that can be an agent on a host",
        "An agent is a static program for the host's processor. This one is not, and there is none beside it.",
        "Use a static build of stackctl, or put one for that processor beside it, under the name that the message has.",
        "cargo quick && cp target/quick/stackctl /usr/local/bin/stackctl-agent-x86_64",
    ),
    row(
        &["agent"],
        "not_supported",
        "a host that can have no agent",
        "The engine of the host runs without root's rights, or the host's system is not Linux.",
        "Name only the hosts that are to have one.",
        "stackctl agent install h1 h2",
    ),
    row(
        &["agent"],
        "in_use",
        "an agent that keeps secrets of tasks",
        "Containers on the host have secrets that the agent keeps in memory. Without it they could not start again.",
        "Remove the tasks first; or, with `--force`, the agent and the secrets.",
        "stackctl agent rm h1 --force",
    ),
    row(
        &["agent"],
        "unfinished",
        "hosts where the agent was not brought, or not removed",
        "An engine refused, a host went silent, or the new agent did not answer. A host keeps the agent that it had.",
        "Look at the reason, and run the command again: it goes on from what it finds.",
        "stackctl agent ls",
    ),
    row(
        &["agent"],
        "not_served",
        "an agent that cannot begin",
        "The program was started as an agent and cannot listen at its socket. Engines start agents; people do not have to.",
        "Remove the agent and bring it again.",
        "stackctl agent rm h1",
    ),
];
