//! Help beyond single commands: topics, `stackctl help`, and the groups of the first page.
//!
//! A topic is a Markdown file in this folder. The program shows it at a terminal, `stackctl man` makes a
//! manual page of section 7 from it, and a forge renders the file as it is. A new topic is: a file that opens
//! with `# Title`, a row in [`TOPICS`], and a row in the table of README.md. `tests/generated.rs` keeps the
//! tables between `generated` markers current, and `tests/cli/topics.rs` runs every shell block.
//!
//! Help needs no cluster and no host.

pub mod command;
pub(super) mod groups;
pub mod markdown;
pub(super) mod roff;
pub(super) mod terminal;

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// The word behind `stackctl help`, and the name of the file.
    pub name: &'static str,
    /// What it is about, in one line.
    pub summary: &'static str,
    pub text: &'static str,
    /// The commands whose help names this topic. A row for `node` holds for `node ls`, too, unless another
    /// topic names `node ls`.
    pub commands: &'static [&'static str],
}

macro_rules! topic {
    ($name:literal, $summary:literal, [$($command:literal),*]) => {
        Topic {
            name: $name,
            summary: $summary,
            text: include_str!(concat!($name, ".md")),
            commands: &[$($command),*],
        }
    };
}

/// Every topic, in the order of `stackctl help`: what a new user needs first comes first.
pub static TOPICS: &[Topic] = &[
    topic!("install", "installation, completions, manual pages, versions", ["completions", "man", "version"]),
    topic!("commands", "every command and its purpose", ["help"]),
    topic!("stackfile", "compose files, variables, limits, and the table of keys", ["check", "config"]),
    topic!("placement", "which node a task gets, and why", ["explain", "rebalance"]),
    topic!(
        "updates",
        "rolling updates, failures, rollback, and how to read a plan",
        ["deploy", "diff", "scale", "restart", "service"]
    ),
    topic!(
        "releases",
        "history, rollback, and the lock that deploys take",
        ["history", "show", "rollback", "rm", "unlock"]
    ),
    topic!("undo", "the log of operations, and how to take one back", ["log", "undo"]),
    topic!("nodes", "the inventory, ranges of hosts, roles, labels, drain", ["node"]),
    topic!("images", "images without a registry, and removing old ones", ["image"]),
    topic!("volumes", "where data is, what is kept, and what can be pruned", ["volume"]),
    topic!("secrets", "the key of the cluster, and values encrypted to it", ["secret", "key"]),
    topic!("registries", "credentials, digests, and registries that fail", ["registry"]),
    topic!("agent", "the program that stays on hosts, and how to remove it", ["agent"]),
    topic!("discovery", "hosts from a program, etcd, ZooKeeper or Consul", ["node forget"]),
    topic!("networks", "what reaches what, and what does not work yet", []),
    topic!(
        "reconcile",
        "the loop that keeps stacks as declared",
        ["reconcile", "status", "suspend", "resume"]
    ),
    topic!("gitops", "a git repository that declares what runs, and webhooks", []),
    topic!("push", "deploy on git push", ["hook"]),
    topic!("ci", "diffs in pull requests, saved plans, snapshots", ["snapshot"]),
    topic!("notifications", "webhooks, programs, and the stream of events", ["events"]),
    topic!("ledger", "where records are kept, and how to move or back them up", ["ledger"]),
    topic!(
        "trouble",
        "what to look at when something is wrong",
        ["ls", "ps", "services", "logs", "exec", "doctor"]
    ),
    topic!("docker", "where stackctl differs from docker stack deploy", []),
    topic!("editors", "completion and checks for stackfiles in an editor", []),
    topic!("exit-statuses", "what each exit status means", []),
    topic!("error-codes", "every code of a message", ["explain-code"]),
    topic!("stability", "what stays the same, and what an upgrade needs", []),
    topic!("security", "what stackctl trusts and protects, and what remains for you", ["trust"]),
    topic!("threat-model", "what access to a part of a cluster shows and allows", []),
    topic!("glossary", "the words that stackctl uses", []),
    topic!("from-docker-stack", "coming from docker stack deploy", []),
    topic!("from-compose", "coming from Docker Compose over SSH", []),
    topic!("from-kamal", "coming from Kamal", []),
    topic!("from-uncloud", "coming from Uncloud", []),
];

/// The topic of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The topic that the help of a command names. The command is written as it is typed: `node ls`.
#[must_use]
pub fn of_command(command: &str) -> Option<&'static Topic> {
    let of = |path: &str| TOPICS.iter().find(|topic| topic.commands.contains(&path));
    let mut path = command;
    loop {
        match (of(path), path.rsplit_once(' ')) {
            (None, Some((parent, _))) => path = parent,
            (found, _) => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn topics_have_one_name_a_title_and_a_short_summary() {
        let names: BTreeSet<&str> = TOPICS.iter().map(|topic| topic.name).collect();
        assert_eq!(names.len(), TOPICS.len());
        for topic in TOPICS {
            assert!(topic.text.starts_with("# ") && topic.text.ends_with('\n'), "{}", topic.name);
            let width = topic.name.len() + topic.summary.len();
            assert!(width <= 76, "{}: {width}", topic.name);
        }
    }

    #[test]
    fn every_command_names_one_topic() {
        fn paths(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
                paths(inner, &path, found);
                found.push(path);
            }
        }
        let mut all = Vec::new();
        paths(&crate::cli::command(), "", &mut all);
        assert!(all.len() > 45, "{all:?}");
        for path in &all {
            assert!(of_command(path).is_some(), "{path} has no topic");
        }
        for command in TOPICS.iter().flat_map(|topic| topic.commands) {
            assert!(all.iter().any(|path| path == command), "{command} is no command");
            let count = TOPICS.iter().filter(|topic| topic.commands.contains(command)).count();
            assert_eq!(count, 1, "{command}");
        }
        assert_eq!(of_command("node forget").map(|topic| topic.name), Some("discovery"));
        assert_eq!(of_command("node update").map(|topic| topic.name), Some("nodes"));
    }
}
