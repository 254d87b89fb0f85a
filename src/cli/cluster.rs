//! From the flags to connected hosts, and away from them again.
//!
//! Only commands that need hosts come here: reading the inventory, making the runtime and the
//! connections is what their first half second goes into.

use std::sync::Arc;
use std::time::Duration;

use super::records::{Home, Reading};
use super::report::{Blame, Exit, Failure, draw};
use super::{Context, ui::Ui};
use crate::discover::{DiscoverError, Discovery};
use crate::engine::{Clock, Lookout, Store, clock};
use crate::fleet::{ConnectOptions, Fleet, Inventory, Observer, RegisterReader, inventory};
use crate::model::{Observed, Timestamp};
use crate::orchestrator::PlanOptions;
use crate::orchestrator::options::TASK_HISTORY;
use crate::yaml::report::{Drawn, Severity};

/// What is still under way when a command is done is not waited for longer than this.
const SHUTDOWN: Duration = Duration::from_millis(100);

/// The hosts a command works with.
#[derive(Debug)]
pub struct Cluster {
    /// Which there are.
    pub inventory: Inventory,
    /// The one clock.
    pub clock: Clock,
    /// The connections.
    pub fleet: Fleet,
    /// What asks through them.
    pub observer: Observer,
    /// What is remembered, to be read.
    pub(super) ledger: Reading,
    /// Where it is.
    pub(super) home: Home,
    /// Whom to ask for hosts, where there is somebody.
    pub(super) discovery: Option<Arc<Discovery>>,
}

/// The machine cannot give what every command needs.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot start: {0}")]
#[diagnostic(code(stackctl::cli::runtime))]
struct NoRuntime(std::io::Error);

/// The clock of a command.
pub(super) fn clock() -> Result<Clock, Failure> {
    Clock::start(env(clock::VARIABLE).as_deref()).map_err(Failure::usage)
}

/// Connects, lets `work` work, and takes leave of every host, also after a failure.
pub(super) fn with<T>(
    context: &Context,
    options: ConnectOptions,
    work: impl AsyncFnOnce(&Cluster) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let clock = clock()?;
    let (mut inventory, notes) =
        inventory::load(context.globals.inventory.as_deref(), &env).map_err(Failure::refused)?;
    show_notes(&context.ui, &notes);
    match &inventory.file {
        Some(file) => context.ui.detail(&format!("Inventory: {}", file.display())),
        None => context.ui.detail("No inventory: the one engine of this machine"),
    }
    let home = Home::of(context.globals.ledger.as_ref().unwrap_or(&inventory.ledger));
    let home = home.map_err(Failure::refused)?;
    let discovery =
        Discovery::of(&inventory, matches!(home, Home::Volumes), env).map_err(Failure::refused)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::refused(NoRuntime(error)))?;
    let result = runtime.block_on(async {
        let unknown = match &discovery {
            None => None,
            Some(discovery) => discover(&mut inventory, discovery).await.err(),
        };
        let fleet = Fleet::connect(&inventory, options).await;
        // What the inventory itself names is there to be looked at; nothing is planned on it.
        fleet.set_unknown(unknown.map(|error| error.to_unreachable(clock.now())));
        let discovery = discovery.map(Arc::new);
        let cluster = Cluster { discovery, ..Cluster::new(inventory, home, clock, fleet) };
        let result = work(&cluster).await;
        cluster.fleet.close().await;
        result
    });
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

/// Adds what is found to the inventory.
async fn discover(inventory: &mut Inventory, discovery: &Discovery) -> Result<(), DiscoverError> {
    inventory.hosts.extend(discovery.look().await?);
    Ok(())
}

/// One look at every host for a command that only reads: silent hosts are warned of, and make the exit
/// status if they are needed.
pub(super) fn look(
    context: &Context,
    show: impl FnOnce(Timestamp, &Observed) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    with(context, ConnectOptions::default(), async |cluster| {
        let now = cluster.clock.now();
        let observed = cluster.observe().await;
        let exit = show(now, &observed)?;
        warn_of_silent(&context.ui, &observed);
        Ok(or_silent(exit, &observed))
    })
}

/// What is known is shown all the same; what is not known is said.
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
        ui.warn(&format!("there may be more hosts than these: {}", why.reason));
        if let Some(help) = &why.help {
            ui.detail(&format!("  help: {help}"));
        }
    }
    if let Some(why) = &observed.records_unknown {
        ui.warn(&format!("nodes are shown as the inventory has them: {}", why.reason));
    }
}

/// The exit status of a command that has told all it could see.
pub(super) fn or_silent(exit: Exit, observed: &Observed) -> Exit {
    let is_silent = observed.hosts_unknown.is_some() || observed.silent_and_needed().next().is_some();
    if is_silent { Exit::Unreachable } else { exit }
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

impl Cluster {
    /// What a command works with, once the hosts are connected.
    pub(super) fn new(inventory: Inventory, home: Home, clock: Clock, fleet: Fleet) -> Self {
        let observer = fleet.observer();
        let ledger = home.reading(&inventory, &fleet);
        Self { inventory, clock, fleet, observer, ledger, home, discovery: None }
    }

    /// What looks at hosts, and at what is remembered of them.
    pub(super) fn lookout(&self) -> Lookout<'_, Store<RegisterReader>> {
        Lookout { observer: &self.observer, ledger: &self.ledger }
    }

    /// One look at every host, with what the ledger says of it.
    pub async fn observe(&self) -> Observed {
        self.lookout().observe(self.clock.now()).await
    }

    /// The choices of a plan that are made by the inventory.
    #[must_use]
    pub fn plan_options(&self, prune: bool) -> PlanOptions {
        PlanOptions {
            prune,
            strategy: self.inventory.strategy.unwrap_or_default(),
            task_history: self.inventory.task_history.unwrap_or(TASK_HISTORY),
            ..PlanOptions::default()
        }
    }
}

/// Who has to do something, when hosts may be to blame.
pub(super) fn blame(is_silent: bool) -> Blame {
    if is_silent { Blame::Unreachable } else { Blame::Refused }
}
