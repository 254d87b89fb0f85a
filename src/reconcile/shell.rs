//! The supervisor's shell: hears what happens, hands it in with the time, and has what follows carried out.
//!
//! Holds the one select of the loop and decides nothing; how a command is carried out is in [`effects`](super::effects).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::effects::Effects;
use super::event::{ClusterEvent, Snapshot};
use super::heal::LoopContext;
use super::host_watcher;
use super::supervisor::{Command, Input, Options, Setup, Supervisor, World, drive};
use crate::model::Timestamp;

/// Between two turns without anything heard.
const TURN: Duration = Duration::from_millis(500);

/// Goes round until `stop` is over, or once. `tell` logs what happens; the receivers of `show` see how all
/// stands, and what was shown last is returned.
pub async fn reconcile(
    context: LoopContext,
    options: Options,
    stop: impl Future<Output = ()>,
    show: watch::Sender<Snapshot>,
    tell: impl FnMut(Timestamp, &ClusterEvent),
) -> Snapshot {
    let context = Arc::new(context);
    let setup = Setup {
        options,
        may_write: context.writing.is_some(),
        sources: context.discovery.is_some().then(|| context.fleet.observer().sources()),
    };
    let mut supervisor = Supervisor::new(setup, super::effects::roster(&context.fleet), context.clock.now());
    let mut shell = Shell { effects: Effects::new(context), show, tell };
    let mut stop = std::pin::pin!(stop);
    let mut is_stopping = false;
    let mut input = Input::Tick;
    while !drive(&mut supervisor, &mut shell, input) {
        input = tokio::select! {
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                Input::Stop
            }
            input = shell.next() => input,
        };
    }
    shell.show.borrow().clone()
}

struct Shell<T> {
    effects: Effects,
    show: watch::Sender<Snapshot>,
    tell: T,
}

impl<T: FnMut(Timestamp, &ClusterEvent)> World for Shell<T> {
    fn now(&self) -> Timestamp {
        self.effects.now()
    }

    fn carry_out(&mut self, command: Command) -> Option<Input> {
        match command {
            Command::Report(at, news) => (self.tell)(at, &news),
            command => return self.effects.carry_out(command),
        }
        None
    }

    fn show(&mut self, snapshot: Snapshot) {
        self.show.send_replace(snapshot);
    }
}

impl<T> Shell<T> {
    /// What happens next. May be dropped and called again: nothing that was heard is lost by that.
    async fn next(&mut self) -> Input {
        let effects = &mut self.effects;
        if let Some(input) = effects.at_hand() {
            return input;
        }
        tokio::select! {
            Some(lead) = effects.leads.join_next() => effects.elected(lead),
            Some((id, leader)) = effects.others.1.recv() => Input::LeadElsewhere { id, leader },
            Some(heard) = effects.hears.recv() => effects.heard(heard),
            Some(what) = host_watcher::next_written(&mut effects.written) => Input::Written(what),
            Some(ended) = effects.tasks.next() => effects.ended(ended),
            Some(found) = effects.asks.join_next() => effects.hosts_named(found),
            Some((at, news)) = effects.said.1.recv() => Input::Said(at, news),
            declared = super::effects::changed(&mut effects.declarations) => Input::Declared(declared),
            () = sleep(TURN) => Input::Tick,
        }
    }
}
