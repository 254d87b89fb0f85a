//! Names that a shell completes while one types: stacks, services, nodes.
//!
//! A shell that was told so by `COMPLETE=<shell> stackctl` asks the program itself at each tab. Nodes
//! stand in the inventory; stacks and services are asked of the hosts, for [`PATIENCE`] at most. What
//! cannot be had is left out without a word: a message in the middle of a line helps nobody.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use clap_complete::{ArgValueCandidates, CompleteEnv};

use super::cluster::{Cluster, clock, env};
use super::records::Home;
use crate::fleet::{ConnectOptions, Fleet, Inventory, inventory};
use crate::model::Observed;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";
/// How long a tab waits for the hosts.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers a shell that asks for candidates or for its script; `None` if it is no shell that asks.
pub(super) fn answer(args: &[OsString]) -> Option<Result<(), clap::Error>> {
    // Every start passes here: nothing is looked up before it is known that a shell asks.
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

/// Services that run, of any stack: which one is meant is not told to who completes.
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

/// Nodes of the inventory.
pub(super) fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        names(hosts().iter().flat_map(|inventory| inventory.hosts.keys()).map(ToString::to_string))
    })
}

fn names(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    names.collect::<BTreeSet<_>>().into_iter().map(CompletionCandidate::new).collect()
}

/// The inventory that the line names, or that would be found without.
#[expect(clippy::disallowed_methods, reason = "completers are handed nothing: the line is read here")]
fn hosts() -> Option<Inventory> {
    inventory::load(named_inventory(std::env::args_os()).as_deref(), &env).ok().map(|(hosts, _)| hosts)
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
        let all = stacks.into_iter().map(|stack| {
            let ledger = &cluster.ledger;
            async move {
                let stream = crate::ledger::release::releases(&stack);
                let log = ledger.read(&stream).await.ok();
                let numbers = log.iter().flat_map(|log| log.entries.keys());
                let mut names: Vec<String> = numbers.map(|number| format!("{stack}@{number}")).collect();
                names.extend(with_stacks.then(|| stack.to_string()));
                names
            }
        });
        futures_util::future::join_all(all).await.concat()
    })
}

/// Asks the hosts, within the time there is.
fn asked<T>(ask: impl AsyncFnOnce(&Cluster) -> T) -> Option<T> {
    let (inventory, clock) = (hosts()?, clock().ok()?);
    let home = Home::of(&inventory.ledger).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let options = ConnectOptions { handshake: PATIENCE, ..ConnectOptions::default() };
    let answer = runtime.block_on(async {
        let look = async {
            let fleet = Fleet::connect(&inventory, options).await;
            let cluster = Cluster::new(inventory, home, clock, fleet);
            let answer = ask(&cluster).await;
            cluster.fleet.close().await;
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
