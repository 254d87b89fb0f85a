//! Finds a node for every open slot of a service.
//!
//! A replaced task stays on its node: SwarmKit ranks all nodes again, which moves tasks away from their local
//! volumes and images for no gain. There is one exception. Under start-first two tasks of a slot run for a
//! while, and where a node cannot have both, because they publish one port or there is too little to reserve,
//! the new one starts on another node that can. That frees the resources of its predecessor for the next
//! slot's new task: one spare node is enough to take a service of any size through an update that costs it no
//! task. SwarmKit moves such a task as well, but waits for ever where no node is spare; here it is then
//! replaced stop-first, with a note.

use std::collections::VecDeque;

use super::super::note::Note;
use super::super::problem::Problem;
use super::super::scheduler::{Spread, Tally, Unplaced};
use super::service::{Open, Table};
use super::{Adopt, Planner, ServiceWork, SlotKind, loss};
use crate::model::TaskStatus;
use crate::model::spec::{Strategy, UpdateOrder};
use crate::model::task::{Slot, Task};

/// Where start-first has got to in one service.
struct Swaps {
    /// How many more may go to a node that is free to begin with. More than move at a time would only
    /// scatter the service.
    spare: usize,
    /// Nodes that earlier ones have left.
    left: VecDeque<usize>,
    /// All of those, taken again or not.
    going: Vec<usize>,
    /// Data stays where it is.
    may_move: bool,
}

impl<'o> Planner<'o> {
    /// Finds a node for every open slot: its current one where that fits, or else the best.
    pub(super) fn place(
        &mut self,
        table: &mut Table<'_>,
        work: &mut ServiceWork,
        open: Vec<Open<'o>>,
        mut tally: Tally,
    ) {
        let start_first = table.is_start_first();
        // A leaving task does not count for the affinities of its successor, though they may meet.
        if self.occupants.is_some() {
            for task in open.iter().flat_map(|open| &open.found.live) {
                self.leaves(task);
            }
            let counts = std::mem::take(&mut tally.counts);
            tally = self.tally(table);
            tally.counts = counts;
        }
        let (mut placed, mut moving, mut swaps) = (Vec::new(), Vec::new(), Vec::new());
        for open in open {
            let home = open
                .found
                .live
                .iter()
                .find(|task| self.lasts(table, task).is_none())
                .map(|task| self.node_index(&task.node));
            if let Some(at) = open.target {
                self.release_all(&open);
                tally.add(at);
                placed.push((open, at));
            } else if start_first && let Some(at) = home.or(open.adopted_at(self)) {
                // What never ran holds nothing.
                open.found.live.iter().filter(|task| !ran(task)).for_each(|task| self.release(task));
                tally.add(at);
                swaps.push((open, at));
            } else if let Some(at) = open.adopted_at(self).or(home) {
                // A container that was made already is taken where it is: its room is its own. Else what is
                // replaced makes room for its successor.
                self.release_all(&open);
                if self.fits(table, &tally, at) {
                    self.take(table, &mut tally, at);
                    placed.push((open, at));
                } else {
                    moving.push(open);
                }
            } else {
                // New, or its old task must leave a node that it cannot come back to.
                self.release_all(&open);
                moving.push(open);
            }
        }
        // Slots without a node come before those that could stay; and again after them, if they free resources.
        let mut late = self.spread(table, &mut tally, moving, &mut placed);
        if !swaps.is_empty() {
            late.extend(self.swap(table, &mut tally, swaps, &mut placed));
        }
        let late = self.spread(table, &mut tally, late, &mut placed);
        self.make(table, work, placed);
        if !late.is_empty() {
            let left_over = u32::try_from(late.len()).unwrap_or(u32::MAX);
            let name = &table.service.name;
            let unplaced = Unplaced::explain(name, left_over, &table.request, &self.sites, &tally);
            self.problems.push(Problem::Unplaced(unplaced));
        }
    }

    /// Slots whose tasks have their nodes.
    fn make(&mut self, table: &mut Table<'_>, work: &mut ServiceWork, placed: Vec<(Open<'o>, usize)>) {
        let start_first = table.is_start_first();
        for (mut open, at) in placed {
            let elsewhere = |task: &&Task| self.node_index(&task.node) != at;
            if open.adopt.is_none_or(|task| self.node_index(&task.node) != at) {
                let live = &open.found.live;
                open.beside |= start_first && !live.is_empty() && live.iter().all(elsewhere);
            }
            let slot = self.fresh(table, open, at);
            work.slots.push(slot);
        }
    }

    /// Places each on the best node; returns those that fit nowhere.
    fn spread(
        &mut self,
        table: &Table<'_>,
        tally: &mut Tally,
        moving: Vec<Open<'o>>,
        placed: &mut Vec<(Open<'o>, usize)>,
    ) -> Vec<Open<'o>> {
        if moving.is_empty() {
            return moving;
        }
        let division = self.divisions.of(&table.request, &table.service.placement.spread, &self.sites);
        let strategy = table.service.placement.strategy.unwrap_or(self.options.strategy);
        let mut spread = Spread::new(&table.request, strategy, &division, &self.sites, tally);
        let mut left_over = Vec::new();
        for open in moving {
            let seed = match strategy {
                Strategy::Random => self.seed(table, &open.found.slot),
                Strategy::Spread | Strategy::Binpack => 0,
            };
            match spread.place(&mut self.sites, tally, seed) {
                Some(at) => placed.push((open, at)),
                None => left_over.push(open),
            }
        }
        left_over
    }

    /// Start-first: beside the old task, or on another node, or stop-first after all. Who fits nowhere is
    /// handed back.
    fn swap(
        &mut self,
        table: &Table<'_>,
        tally: &mut Tally,
        mut open: Vec<(Open<'o>, usize)>,
        placed: &mut Vec<(Open<'o>, usize)>,
    ) -> Vec<Open<'o>> {
        // As they will move: a slot may wait for one before it, never for one behind.
        open.sort_by_key(|(open, _)| open.serves());
        let parallelism = table.service.update_config.parallelism;
        let mut swaps = Swaps {
            spare: if parallelism == 0 { usize::MAX } else { parallelism as usize },
            left: VecDeque::new(),
            going: Vec::new(),
            may_move: loss::local_data(table.service, self.spec).is_none(),
        };
        let mut homeless = Vec::new();
        for (mut open, home) in open {
            tally.remove(home);
            // One that an earlier run has made first, then where the old one is.
            let made_at = open.adopted_at(self).filter(|at| *at != home);
            let seats = || made_at.into_iter().chain([home]);
            let beside = if let Some(at) = seats().find(|at| self.fits(table, tally, *at)) {
                self.take(table, tally, at);
                Some(at)
            } else if swaps.may_move && open.serves() {
                self.elsewhere(table, tally, &mut swaps, &open)
            } else {
                None
            };
            open.found.live.iter().filter(|task| ran(task)).for_each(|task| self.release(task));
            if let Some(at) = beside {
                open.beside = true;
                if at != home {
                    swaps.left.push_back(home);
                    swaps.going.push(home);
                }
                placed.push((open, at));
            } else if let Some(at) = seats().find(|at| self.fits(table, tally, *at)) {
                self.take(table, tally, at);
                placed.push((open, at));
            } else {
                homeless.push(open);
            }
        }
        homeless
    }

    /// Another node for the new task of a slot whose old one serves on: one that is free, one that an
    /// earlier slot leaves, any other. The room is taken.
    fn elsewhere(
        &mut self,
        table: &Table<'_>,
        tally: &mut Tally,
        swaps: &mut Swaps,
        open: &Open<'o>,
    ) -> Option<usize> {
        if swaps.spare > 0 {
            // Nodes that will be left count as taken: a task that goes there has to wait.
            for at in &swaps.going {
                self.sites[*at].load.add(&table.request.demand);
            }
            let found = self.best(table, tally, open);
            for at in &swaps.going {
                self.sites[*at].load.remove(&table.request.demand);
            }
            if found.is_some() {
                swaps.spare -= 1;
                return found;
            }
            // The number of free nodes does not grow.
            swaps.spare = 0;
        }
        let fits = |at: &usize| self.fits(table, tally, *at);
        if let Some(at) = swaps.left.iter().position(fits).and_then(|at| swaps.left.remove(at)) {
            self.take(table, tally, at);
            return Some(at);
        }
        self.best(table, tally, open)
    }

    /// The best node with room; the room is taken.
    fn best(&mut self, table: &Table<'_>, tally: &mut Tally, open: &Open<'o>) -> Option<usize> {
        let division = self.divisions.of(&table.request, &table.service.placement.spread, &self.sites);
        let strategy = table.service.placement.strategy.unwrap_or(self.options.strategy);
        let seed = self.seed(table, &open.found.slot);
        Spread::new(&table.request, strategy, &division, &self.sites, tally).place(
            &mut self.sites,
            tally,
            seed,
        )
    }

    fn release_all(&mut self, open: &Open<'o>) {
        for task in &open.found.live {
            self.release(task);
        }
    }

    fn has_room(&self, table: &Table<'_>, tally: &Tally, at: usize) -> bool {
        table.request.check_room(&self.sites[at], tally.counts[at]).is_ok()
    }

    fn fits(&self, table: &Table<'_>, tally: &Tally, at: usize) -> bool {
        table.request.check_fixed(&self.sites[at]).is_ok()
            && self.has_room(table, tally, at)
            && !tally.refuses(at)
    }

    fn take(&mut self, table: &Table<'_>, tally: &mut Tally, at: usize) {
        self.sites[at].load.add(&table.request.demand);
        tally.add(at);
    }

    /// The seed of a slot's random choice: the same each time.
    fn seed(&self, table: &Table<'_>, slot: &Slot) -> u64 {
        let text = format!("{}/{}/{slot}", self.spec.name, table.service.name);
        let digest = crate::model::ids::sha256_hex(text.as_bytes());
        u64::from_str_radix(&digest[..16], 16).expect("sixteen digits")
    }

    /// Notes where start-first is impossible, or needs a move.
    pub(super) fn note_order(&mut self, table: &Table<'_>, work: &ServiceWork) {
        if !table.is_start_first() {
            return;
        }
        let replaced = |slot: &&super::SlotWork| {
            slot.kind == SlotKind::Replace
                && !matches!(slot.adopt, Adopt::Started(_))
                && slot.old.first().is_some_and(|old| old.is_up)
        };
        let (mut of, mut stopped, mut moved) = (0, 0, 0);
        for slot in work.slots.iter().filter(replaced) {
            of += 1;
            stopped += u32::from(!slot.beside);
            let could_stay = table.request.check_fixed(&self.sites[slot.old[0].node]).is_ok();
            let is_asked = matches!(slot.why, super::Reason::Rebalanced { .. });
            moved += u32::from(slot.beside && slot.node != slot.old[0].node && could_stay && !is_asked);
        }
        let service = table.service.name.clone();
        let why = match table.request.demand.ports.first() {
            Some(port) => format!("two tasks cannot publish port {port} on one host"),
            None => "one host has no room for the old and the new task at once".to_owned(),
        };
        if moved > 0 {
            self.notes.push(Note::StartsElsewhere {
                service: service.clone(),
                tasks: moved,
                why: why.clone(),
            });
        }
        if stopped > 0 {
            let why = match loss::local_data(table.service, self.spec) {
                _ if table.service.mode.is_global() => why,
                Some(what) => format!("{why}, and {what} is on that host only"),
                None => format!("{why}, and no other is free"),
            };
            self.notes.push(Note::ForcedStopFirst { service, tasks: stopped, of, why });
        }
    }
}

/// Whether a task was ever started.
fn ran(task: &Task) -> bool {
    task.status != TaskStatus::Created
}

impl Open<'_> {
    /// Where there is a container of an earlier run that only needs to be started.
    fn adopted_at(&self, planner: &Planner<'_>) -> Option<usize> {
        self.adopt.map(|task| planner.node_index(&task.node))
    }

    /// Whether one of its old tasks serves. If none does, nothing is lost by stopping it.
    fn serves(&self) -> bool {
        self.found.live.iter().any(|task| task.status.is_up())
    }
}

impl Table<'_> {
    pub(super) fn is_start_first(&self) -> bool {
        self.service.update_config.order == UpdateOrder::StartFirst
    }
}
