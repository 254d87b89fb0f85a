//! Folds many equal moves into one line.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cells::natural;
use super::super::text::{ranges, some_of};
use super::moves::{Move, MoveKind};
use crate::model::reason::Reason;
use crate::model::{NodeName, ServiceName, Slot};

/// Up to this many equal moves get a line each.
const SINGLE_MAX: usize = 12;
/// The lower limit in a plan with many moves.
const LARGE: usize = 48;
const SINGLE_MAX_LARGE: usize = 3;
/// Nodes that are named before the rest is counted.
const NODES_MAX: usize = 8;

/// A line about moves: the kind, the tasks and their nodes, the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MoveLine {
    pub(super) kind: MoveKind,
    pub(super) text: String,
    pub(super) why: String,
}

/// The lines for the moves of one service; `all` moves are in the whole plan.
pub(super) fn lines(service: &ServiceName, moves: &[Move], total: usize, is_whole: bool) -> Vec<MoveLine> {
    let single_max = match (is_whole, total > LARGE) {
        (true, _) => usize::MAX,
        (false, true) => SINGLE_MAX_LARGE,
        (false, false) => SINGLE_MAX,
    };
    let mut groups: BTreeMap<(MoveKind, String), Vec<&Move>> = BTreeMap::new();
    for one in moves {
        groups.entry((one.kind, why(one))).or_default().push(one);
    }
    let mut lines = Vec::new();
    for ((kind, why), moves) in groups {
        let is_global = moves.iter().all(|one| matches!(one.slot, Slot::Node(_)));
        let line = |text| MoveLine { kind, text, why: why.clone() };
        if is_global && moves.len() > 1 && !is_whole {
            lines.push(line(format!("{service} on {}", places(&moves))));
        } else if moves.len() > single_max {
            lines.push(line(folded(service, &moves)));
        } else {
            lines.extend(moves.iter().map(|one| line(single(service, one))));
        }
    }
    lines
}

fn single(service: &ServiceName, one: &Move) -> String {
    let name = match &one.slot {
        Slot::Replica(number) => format!("{service}.{number}"),
        Slot::Node(_) => service.to_string(),
    };
    match (&one.from, &one.to) {
        (Some(from), Some(to)) if from != to => format!("{name} on {from} -> {to}"),
        (Some(node), _) | (None, Some(node)) => format!("{name} on {node}"),
        (None, None) => name,
    }
}

/// `web.1-40: h1 x10, h2 x10, h3 x10, h4 x10`.
fn folded(service: &ServiceName, moves: &[&Move]) -> String {
    let numbers: BTreeSet<u32> = moves
        .iter()
        .filter_map(|one| match one.slot {
            Slot::Replica(number) => Some(number),
            Slot::Node(_) => None,
        })
        .collect();
    format!("{service}.{}: {}", ranges(&numbers), places(moves))
}

/// The nodes, with the number of tasks on each if it is more than one: `h1 x10, h2`.
pub(super) fn places<'a>(moves: impl IntoIterator<Item = &'a &'a Move>) -> String {
    let mut counts: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for one in moves {
        if let Some(node) = one.to.as_ref().or(one.from.as_ref()) {
            *counts.entry(node).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| natural(a.0.as_str(), b.0.as_str()));
    let node = |(node, count): &(&NodeName, usize)| match count {
        1 => node.to_string(),
        count => format!("{node} x{count}"),
    };
    some_of(&counts.iter().map(node).collect::<Vec<_>>(), NODES_MAX)
}

/// The reason, with the order if there is one: `stop first: image changed`.
fn why(one: &Move) -> String {
    let why = match &one.why {
        // The fields and their values are in the lines above.
        Reason::SpecChanged { fields } if fields.len() > 1 => format!("{} fields changed", fields.len()),
        other => other.to_string(),
    };
    match one.kind {
        MoveKind::Create | MoveKind::Remove => why,
        MoveKind::InPlace => match &one.signal {
            Some(signal) => format!("in place, {signal}: {why}"),
            None => format!("in place: {why}"),
        },
        MoveKind::StopFirst => format!("stop first: {why}"),
        MoveKind::StartFirst => format!("start first: {why}"),
    }
}
