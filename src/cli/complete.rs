//! Completes names of stacks, services and nodes in a shell.
//!
//! With the script of `COMPLETE=<shell> stackctl` the shell asks the program at each tab. Nodes come from
//! the inventory; for stacks and services stackctl asks the hosts, for [`PATIENCE`] at most, and only those of an
//! inventory that is trusted. It leaves out what it cannot get, without a message: a message in the middle of a line
//! would only disturb.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use clap_complete::{ArgValueCandidates, CompleteEnv};

use super::cluster::{Cluster, clock, env};
use super::help::TOPICS;
use super::trusted;
use crate::fleet::ConnectOptions;
use crate::inventory::{self, Inventory};
use crate::model::Observed;
use crate::ops::cluster::Unconnected;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";
/// How long a tab waits for the hosts.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers a shell that asks for candidates or for its script; `None` if no shell asks.
pub(super) fn answer(args: &[OsString]) -> Option<Result<(), clap::Error>> {
    // Every start runs this, so look up nothing until it is certain that a shell asks.
    env(VARIABLE)?;
    let here = std::path::Path::new(".").canonicalize().ok();
    match CompleteEnv::with_factory(super::command)
        .var(VARIABLE)
        .bin("stackctl")
        .try_complete(args, here.as_deref())
    {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    }
}

/// Stacks that run.
pub(super) fn stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let observed = observed();
        names(observed.iter().flat_map(Observed::tasks).map(|task| task.stack.to_string()))
    })
}

/// Services that run, of any stack: a completer does not see which stack the line names.
pub(super) fn services() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let observed = observed();
        names(observed.iter().flat_map(Observed::tasks).map(|task| task.service.to_string()))
    })
}

/// Services that run, as `shop_web`.
pub(super) fn full_services() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let observed = observed();
        let tasks = observed.iter().flat_map(Observed::tasks);
        names(tasks.map(|task| format!("{}_{}", task.stack, task.service)))
    })
}

/// Commands and topics, for `help`. No host is asked.
pub(super) fn help() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let root = super::command();
        let commands = root.get_subcommands().map(|command| {
            let about = command.get_about().cloned();
            CompletionCandidate::new(command.get_name()).help(about)
        });
        let topics = TOPICS.iter().filter(|topic| root.find_subcommand(topic.name).is_none());
        let topics =
            topics.map(|topic| CompletionCandidate::new(topic.name).help(Some(topic.summary.into())));
        commands.chain(topics).collect()
    })
}

/// Nodes of the inventory.
pub(super) fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        names(hosts().iter().flat_map(|inventory| inventory.hosts.keys()).map(ToString::to_string))
    })
}

fn names(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    names.collect::<BTreeSet<_>>().into_iter().map(CompletionCandidate::new).collect()
}

/// The inventory that the line names, or else the default one.
fn hosts() -> Option<Inventory> {
    let file = named_file()?;
    inventory::load(file.as_deref(), &env).ok().map(|(hosts, _)| hosts)
}

/// The same, if its hosts may be asked: one that merely lies in the folder has to be trusted for that.
fn trusted_hosts() -> Option<Inventory> {
    let file = named_file()?;
    let (hosts, _) = inventory::load(file.as_deref(), &env).ok()?;
    trusted::is_trusted(&hosts, file.as_deref(), &env).then_some(hosts)
}

/// The file that the line or a variable names; `Some(None)` if neither does, and `None` if there is none of that name.
#[expect(clippy::disallowed_methods, reason = "completers are handed nothing: the line is read here")]
fn named_file() -> Option<Option<PathBuf>> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let file = match (named_inventory(std::env::args_os()), named_cluster(std::env::args_os())) {
        (Some(file), _) => Some(file),
        (None, Some(cluster)) => Some(inventory::by_cluster(&cluster, &env).ok()?),
        (None, None) if set(inventory::VARIABLE).is_some() => None,
        (None, None) => match set("STACKCTL_CLUSTER") {
            Some(cluster) => Some(inventory::by_cluster(&cluster, &env).ok()?),
            None => None,
        },
    };
    Some(file)
}

/// Clusters of the user's inventories.
pub(super) fn clusters() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(inventory::clusters(&env).into_iter().filter_map(|known| known.cluster)))
}

/// `--cluster NAME` or `--cluster=NAME` in a line that is not finished.
fn named_cluster(mut args: impl Iterator<Item = OsString>) -> Option<String> {
    while let Some(arg) = args.next() {
        match arg.to_str()? {
            "--cluster" => return args.next()?.into_string().ok(),
            text => {
                if let Some(name) = text.strip_prefix("--cluster=") {
                    return Some(name.to_owned());
                }
            }
        }
    }
    None
}

/// `-i FILE`, `-iFILE`, `--inventory FILE` or `--inventory=FILE` in a line that is not finished.
fn named_inventory(args: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        let text = arg.to_str()?;
        // Docker's `-i` has another meaning.
        if text == "exec" {
            return args.skip_while(|arg| arg != "--inventory").nth(1).map(PathBuf::from);
        }
        if text == "-i" || text == "--inventory" {
            return args.next().map(PathBuf::from);
        }
        let joined = text
            .strip_prefix("--inventory=")
            .or_else(|| text.strip_prefix("-i").filter(|rest| !rest.is_empty() && !text.starts_with("--")));
        if let Some(path) = joined {
            return Some(PathBuf::from(path));
        }
    }
    None
}

/// Releases of stacks that run: `shop@3`.
pub(super) fn releases() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(remembered(false).unwrap_or_default().into_iter()))
}

/// The same, and the stacks themselves.
pub(super) fn stacks_and_releases() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(remembered(true).unwrap_or_default().into_iter()))
}

fn observed() -> Option<Observed> {
    asked(async |cluster| cluster.observer.observe(cluster.clock.now()).await)
}

/// Releases of the stacks that run, as far as the ledger of the inventory has them.
fn remembered(with_stacks: bool) -> Option<Vec<String>> {
    asked(async |cluster| {
        let observed = cluster.observer.observe(cluster.clock.now()).await;
        let stacks: BTreeSet<_> = observed.tasks().map(|task| task.stack.clone()).collect();
        let all = stacks.into_iter().map(|stack| async move {
            let numbers = cluster.release_numbers(&stack).await.into_iter().flatten();
            let mut names: Vec<String> = numbers.map(|number| format!("{stack}@{number}")).collect();
            names.extend(with_stacks.then(|| stack.to_string()));
            names
        });
        futures_util::future::join_all(all).await.concat()
    })
}

/// Asks the hosts, for [`PATIENCE`] at most.
fn asked<T>(ask: impl AsyncFnOnce(&Cluster) -> T) -> Option<T> {
    let (inventory, clock) = (trusted_hosts()?, clock().ok()?);
    let unconnected = Unconnected::of_named(inventory, None, clock, &env).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let options = ConnectOptions { handshake: PATIENCE, ..ConnectOptions::default() };
    let answer = runtime.block_on(async {
        let look = async {
            let cluster = unconnected.connect(options).await;
            let answer = ask(&cluster).await;
            cluster.close().await;
            answer
        };
        tokio::time::timeout(PATIENCE, look).await.ok()
    });
    runtime.shutdown_background();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<PathBuf> {
        named_inventory(line.split(' ').map(OsString::from))
    }

    #[test]
    fn so_is_its_cluster() {
        let named = |line: &str| named_cluster(line.split(' ').map(OsString::from));
        assert_eq!(named("stackctl -- stackctl ps -i a.yml"), None);
        assert_eq!(named("stackctl -- stackctl --cluster"), None);
        for line in ["--cluster lab ps", "ps --cluster=lab"] {
            assert_eq!(named(line).as_deref(), Some("lab"), "{line}");
        }
    }

    #[test]
    fn the_inventory_of_the_line_is_used() {
        assert_eq!(named("stackctl -- stackctl ps"), None);
        for line in ["-i a.yml ps", "ps -ia.yml", "ps --inventory a.yml", "--inventory=a.yml ps"] {
            assert_eq!(named(line), Some("a.yml".into()), "{line}");
        }
        assert_eq!(named("stackctl exec -it shop_web"), None);
        assert_eq!(named("-i a.yml exec -it shop_web"), Some("a.yml".into()));
        assert_eq!(named("exec --inventory a.yml -it shop_web"), Some("a.yml".into()));
    }
}
