//! Groups actions into moves: what happens to a slot, by however many actions.

use std::collections::BTreeMap;

use crate::model::action::What;
use crate::model::reason::Reason;
use crate::model::{NodeName, ServiceName, Slot};
use crate::orchestrator::Forecast;

/// What happens to a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::render) struct Move {
    pub(in crate::cli::render) slot: Slot,
    pub(in crate::cli::render) kind: MoveKind,
    /// Where its task is stopped.
    pub(in crate::cli::render) from: Option<NodeName>,
    /// Where its task is started.
    pub(in crate::cli::render) to: Option<NodeName>,
    pub(in crate::cli::render) why: Reason,
    /// The signal that its process gets.
    pub(in crate::cli::render) signal: Option<String>,
}

/// The kind of a move, in the order in which a plan lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli::render) enum MoveKind {
    Create,
    /// The task goes on running.
    InPlace,
    /// The old task goes first.
    StopFirst,
    /// The new task comes first.
    StartFirst,
    Remove,
}

/// Actions that belong to no slot: on which nodes, and which.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli::render) struct Moves<'a> {
    pub(in crate::cli::render) services: BTreeMap<&'a ServiceName, Vec<Move>>,
    pub(in crate::cli::render) new_networks: BTreeMap<&'a str, Vec<&'a NodeName>>,
    pub(in crate::cli::render) old_networks: BTreeMap<&'a str, Vec<&'a NodeName>>,
    pub(in crate::cli::render) volumes: BTreeMap<&'a str, Vec<&'a NodeName>>,
    pub(in crate::cli::render) images: BTreeMap<&'a str, Vec<&'a NodeName>>,
    /// Ended tasks that are cleared away.
    pub(in crate::cli::render) cleared: usize,
}

#[derive(Debug, Default)]
struct Seen<'a> {
    started: Option<(usize, &'a NodeName, &'a Reason)>,
    stopped: Option<(usize, &'a NodeName, &'a Reason)>,
    updated: Option<(&'a NodeName, &'a Reason, Option<&'a str>)>,
    removed: usize,
}

impl<'a> Moves<'a> {
    pub(in crate::cli::render) fn of(forecast: &'a Forecast) -> Self {
        let mut moves = Self::default();
        let mut slots: BTreeMap<(&ServiceName, &Slot), Seen<'a>> = BTreeMap::new();
        for (at, action) in forecast.actions().enumerate() {
            let node = &action.node;
            match &action.what {
                What::CreateNetwork { network } => {
                    moves.new_networks.entry(&network.name).or_default().push(node)
                }
                What::RemoveNetwork { name } => moves.old_networks.entry(name).or_default().push(node),
                What::CreateVolume { volume } => moves.volumes.entry(&volume.name).or_default().push(node),
                What::PullImage { image } => moves.images.entry(image).or_default().push(node),
                // A task is made to be started, so only the start is shown. No plan rolls back.
                What::CreateTask { .. } | What::StartAgain { .. } => {}
                What::StartTask { task } => {
                    let seen = slots.entry((&task.service.service, &task.slot)).or_default();
                    seen.started.get_or_insert((at, node, &action.why));
                }
                What::StopTask { task, .. } => {
                    let seen = slots.entry((&task.service, &task.slot)).or_default();
                    seen.stopped.get_or_insert((at, node, &action.why));
                }
                What::UpdateTask { task, update } => {
                    let signal = update.reload.as_ref().map(|reload| reload.signal.as_str());
                    let seen = slots.entry((&task.service, &task.slot)).or_default();
                    seen.updated = Some((node, &action.why, signal));
                }
                What::RemoveTask { task } => {
                    slots.entry((&task.service, &task.slot)).or_default().removed += 1;
                }
            }
        }
        for ((service, slot), seen) in slots {
            if let Some((node, why, signal)) = seen.updated {
                moves.cleared += seen.removed;
                moves.services.entry(service).or_default().push(Move {
                    slot: slot.clone(),
                    kind: MoveKind::InPlace,
                    from: None,
                    to: Some(node.clone()),
                    why: why.clone(),
                    signal: signal.map(str::to_owned),
                });
                continue;
            }
            let node = |end: Option<(usize, &NodeName, &Reason)>| end.map(|(_, node, _)| node.clone());
            let (kind, why) = match (seen.started, seen.stopped) {
                (Some((_, _, why)), None) => (MoveKind::Create, why),
                (None, Some((_, _, why))) => (MoveKind::Remove, why),
                (Some((start, _, why)), Some((stop, _, _))) if start < stop => (MoveKind::StartFirst, why),
                (Some((_, _, why)), Some(_)) => (MoveKind::StopFirst, why),
                (None, None) => {
                    moves.cleared += seen.removed;
                    continue;
                }
            };
            // One of the removed tasks is the stopped task itself.
            moves.cleared += seen.removed.saturating_sub(usize::from(seen.stopped.is_some()));
            moves.services.entry(service).or_default().push(Move {
                slot: slot.clone(),
                kind,
                from: node(seen.stopped),
                to: node(seen.started),
                why: why.clone(),
                signal: None,
            });
        }
        moves
    }
}
