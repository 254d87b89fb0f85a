//! Connects to the hosts that the flags name, and disconnects at the end.
//!
//! Only commands that need hosts use this: reading the inventory, starting the runtime and connecting
//! take their first half second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::report::{Blame, Exit, Failure, draw};
use super::{Context, ui::Ui};
use crate::engine::{Clock, clock};
use crate::fleet::{ConnectOptions, own_dialer};
use crate::inventory::{self, Inventory};
use crate::model::{Observed, StackName, Timestamp};
pub(super) use crate::ops::cluster::Cluster;
use crate::ops::cluster::{NotOpened, Unconnected};
use crate::process_group;
use crate::yaml::report::{Drawn, Severity};

/// How long a finished command waits for background work.
const SHUTDOWN: Duration = Duration::from_millis(100);

/// The system refuses what every command needs, such as threads.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot start: {0}")]
#[diagnostic(code(stackctl::cli::runtime))]
struct NoRuntime(std::io::Error);

/// The clock of a command.
pub(super) fn clock() -> Result<Clock, Failure> {
    Clock::start(env(clock::VARIABLE).as_deref()).map_err(Failure::usage)
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`-i` and `--cluster` both choose a cluster")]
#[diagnostic(
    code(stackctl::cli::two_inventories),
    help("leave out one of them, or the variable STACKCTL_INVENTORY or STACKCTL_CLUSTER; {known}")
)]
struct TwoInventories {
    known: String,
}

/// The inventory that the flags name, by file or by cluster.
pub(super) fn named_inventory(context: &Context) -> Result<Option<PathBuf>, Failure> {
    match (&context.globals.inventory, &context.globals.cluster) {
        (named, None) => Ok(named.clone()),
        (None, Some(cluster)) => inventory::by_cluster(cluster, &env).map(Some).map_err(Failure::refused),
        (Some(_), Some(_)) => {
            let known = inventory::ClusterFile::listed(&inventory::clusters(&env));
            Err(Failure::usage(TwoInventories { known }))
        }
    }
}

/// Reads the inventory. From now on no program that is started gets what it keeps in variables.
pub(super) fn read_inventory(named: Option<&Path>) -> Result<(Inventory, Vec<Drawn>), Failure> {
    let (inventory, notes) = inventory::load(named, &env).map_err(Failure::refused)?;
    inventory.secret_variables().for_each(process_group::keep_back);
    Ok((inventory, notes))
}

/// Connects, runs `work`, and disconnects from every host, also after a failure.
pub(super) fn with<T>(
    context: &Context,
    options: ConnectOptions,
    work: impl AsyncFnOnce(&Cluster) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let clock = clock()?;
    let options = ConnectOptions { dial_with: own_dialer(), ..options };
    let named = named_inventory(context)?;
    let (inventory, notes) = read_inventory(named.as_deref())?;
    show_notes(&context.ui, &notes);
    match &inventory.file {
        Some(file) => context.ui.detail(&format!("Inventory: {}", file.display())),
        None => context.ui.detail("No inventory: using the engine of this machine"),
    }
    super::trusted::settle(&inventory, named.as_deref(), &env, context)?;
    let ledger = context.globals.ledger.as_ref();
    ledger.and_then(|place| place.secret()?.variable()).into_iter().for_each(process_group::keep_back);
    let unconnected = Unconnected::of(inventory, ledger, clock, &env)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::refused(NoRuntime(error)))?;
    let result = runtime.block_on(async {
        let cluster = unconnected.connect(options).await;
        let result = beside_warnings(&cluster, context, work(&cluster)).await;
        cluster.close().await;
        result
    });
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

/// Does the work, and says meanwhile what there is to know of credentials.
async fn beside_warnings<T>(cluster: &Cluster, context: &Context, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let result = loop {
        tokio::select! {
            biased;
            warning = cluster.fleet.warning() => context.ui.warn(&warning),
            result = &mut work => break result,
        }
    };
    for warning in cluster.fleet.last_warnings().await {
        context.ui.warn(&warning);
    }
    result
}

impl From<NotOpened> for Failure {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Ledger(error) => Self::refused(error),
            NotOpened::Discovery(error) => Self::refused(error),
        }
    }
}

/// Observes every host for a command that only reads: warns about silent hosts, which decide the exit
/// status if they are needed. With `of`, what is read is only about these stacks.
pub(super) fn look(
    context: &Context,
    of: &[StackName],
    show: impl FnOnce(Timestamp, &Observed) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    with(context, ConnectOptions::default(), async |cluster| {
        let now = cluster.clock.now();
        let observed = cluster.observe().await;
        let exit = show(now, &observed)?;
        warn_of_silent(&context.ui, &observed);
        Ok(or_silent_for(exit, &observed, of))
    })
}

/// Shows what is known, and warns about what is not.
pub(super) fn warn_of_silent(ui: &Ui, observed: &Observed) {
    for (member, why) in observed.silent() {
        ui.warn(&format!("node {} is silent: {}", member.name, why.reason));
        if let Some(help) = &why.help {
            ui.detail(&format!("  help: {help}"));
        }
    }
    warn_of_records(ui, observed);
}

/// A node that was drained may look active.
pub(super) fn warn_of_records(ui: &Ui, observed: &Observed) {
    if let Some(why) = &observed.hosts_unknown {
        ui.warn(&format!("the list of hosts may be incomplete: {}", why.reason));
        if let Some(help) = &why.help {
            ui.detail(&format!("  help: {help}"));
        }
    }
    if let Some(why) = &observed.records_unknown {
        ui.warn(&format!(
            "nodes are shown as in the inventory, without changes from the ledger: {}",
            why.reason
        ));
    }
}

/// The exit status of a command that has shown all it could see.
pub(super) fn or_silent(exit: Exit, observed: &Observed) -> Exit {
    let is_silent = observed.hosts_unknown.is_some() || observed.silent_and_needed().next().is_some();
    if is_silent { Exit::Unreachable } else { exit }
}

/// The same of a command that is only about these stacks, or about all if there are none: a silent host that has nothing
/// of them is not needed, by the rule of deploys.
pub(super) fn or_silent_for(exit: Exit, observed: &Observed, stacks: &[StackName]) -> Exit {
    let is_needed = |stack| observed.silent_for(stack).next().is_some();
    let is_enough = !stacks.is_empty() && observed.hosts_unknown.is_none() && !stacks.iter().any(is_needed);
    if is_enough { exit } else { or_silent(exit, observed) }
}

/// Warnings and notes of a file that was read.
pub(super) fn show_notes(ui: &Ui, notes: &[Drawn]) {
    for note in notes.iter().filter(|note| note.severity != Severity::Note || !ui.is_quiet()) {
        ui.talk(&draw(note, ui.look()));
    }
}

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the environment is read here and handed in")]
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whose fault it is, when hosts may be to blame.
pub(super) fn blame(is_silent: bool) -> Blame {
    if is_silent { Blame::Unreachable } else { Blame::Refused }
}
