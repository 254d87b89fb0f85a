//! What goes wrong in a history of commands.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::ledger::{Content, Place};
use stackctl::model::{NodeName, Timestamp};

use super::{STORM_MS, name, rest, switches};
use crate::faults::Luck;
use crate::fleet::{Cut, Net, Trouble, World, lock};

/// The machines of persons.
pub const MACHINES: [&str; 2] = ["ann", "bob"];

/// What one world is like.
#[derive(Debug, Clone)]
pub struct Profile {
    pub hosts: Vec<NodeName>,
    pub managers: Vec<String>,
    /// What bob's inventory has instead.
    pub bobs_hosts: Vec<NodeName>,
    pub bobs_managers: Vec<String>,
    pub trouble: Trouble,
    /// Whether a connection that is cut off ends, and with it what is in its queue.
    pub is_direct: bool,
    /// Hosts whose ways are cut.
    pub cuts: Vec<NodeName>,
    /// Whether there are programs that ignore their signal.
    pub deaf: bool,
    pub kills: bool,
    pub freezes: bool,
    /// Registers vanish, or come back older.
    pub forgets: bool,
    pub clocks: bool,
    pub relabels: bool,
    pub far_places: bool,
    /// Who does not live to see the peace.
    pub dies: BTreeSet<NodeName>,
}

impl Profile {
    /// `apart` is drawn from by what came later, so that worlds without it stay as they were.
    pub fn draw(luck: &mut Luck, apart: &mut Luck) -> Self {
        let hosts: Vec<NodeName> = (1..=luck.between(2, 4)).map(|n| name(&format!("h{n}"))).collect();
        let is_alone = hosts.len() < 3 || luck.once_in(3);
        let managers: Vec<String> =
            hosts.iter().take(if is_alone { 1 } else { 3 }).map(ToString::to_string).collect();
        let mut dies = BTreeSet::new();
        if !is_alone && luck.once_in(2) {
            dies.insert(name("h3"));
        } else if luck.once_in(2) {
            dies.extend(hosts.iter().skip(1).last().cloned());
        }
        let (mut bobs_hosts, mut bobs_managers) = (hosts.clone(), managers.clone());
        if switches::MISSING_HOSTS && apart.once_in(4) {
            bobs_hosts.pop();
        }
        if switches::OTHER_MANAGERS && managers.len() == 3 && luck.once_in(4) {
            bobs_managers.remove(0);
        }
        let is_direct = switches::CONNECTIONS_END && !luck.once_in(3);
        let has_cuts = !luck.once_in(3);
        let forgets = !has_cuts && luck.once_in(2);
        let is_cut = |node: &&NodeName| is_direct || !managers.contains(&node.to_string());
        let cuts = if has_cuts { hosts.iter().filter(is_cut).cloned().collect() } else { Vec::new() };
        let slow_in = if forgets { 0 } else { *luck.pick(&[0, 0, 60]) };
        Self {
            trouble: Trouble { lost_reply_in: *luck.pick(&[0, 0, 30, 8]), slow_in },
            is_direct,
            cuts,
            deaf: luck.once_in(2),
            kills: luck.once_in(2),
            freezes: luck.once_in(3),
            forgets,
            clocks: luck.once_in(3),
            hosts,
            managers,
            bobs_hosts,
            bobs_managers,
            relabels: luck.once_in(4),
            far_places: switches::FAR_PLACES && luck.once_in(4),
            dies,
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let all = [
            (!self.cuts.is_empty(), Kind::Cut),
            (!self.cuts.is_empty(), Kind::CutOnSend),
            (!self.cuts.is_empty(), Kind::CutOnSend),
            (self.kills, Kind::Kill),
            (self.kills, Kind::KillOnSend),
            (self.freezes, Kind::Freeze),
            (self.freezes, Kind::FreezeOnSend),
            (self.forgets, Kind::Prune),
            (self.forgets, Kind::Restore),
            (self.clocks, Kind::Clock),
            (self.relabels, Kind::Relabel),
            (self.far_places, Kind::FarPlace),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Cut,
    CutOnSend,
    Kill,
    KillOnSend,
    Freeze,
    FreezeOnSend,
    Prune,
    Restore,
    Clock,
    Relabel,
    FarPlace,
}

/// What happens to a machine at the moment at which its process sends a change.
#[derive(Debug, Clone)]
pub struct Trap {
    pub machine: &'static str,
    /// After so many changes that it sends.
    pub left: i64,
    pub what: Sprung,
}

#[derive(Debug, Clone)]
pub enum Sprung {
    /// The way to the host to which it sends, if it is one of these.
    Cut(Cut, i64, Vec<NodeName>),
    Kill,
    Freeze(i64),
}

/// A snapshot of the managers' records.
type Records = BTreeMap<(NodeName, String, Place), (Content, Timestamp)>;

fn some(world: &mut World, managers: &[String]) -> Vec<NodeName> {
    let count = match world.luck.between(0, 2) {
        0 => managers.len(),
        1 => managers.len() / 2 + 1,
        _ => 1,
    };
    let first = usize::try_from(world.luck.between(0, managers.len() as i64 - 1)).expect("small");
    (0..count).map(|at| name(&managers[(first + at) % managers.len()])).collect()
}

/// Draws what goes wrong, and has it happen at its time.
pub fn schedule(net: &Net, profile: &Profile) {
    let kinds = profile.kinds();
    if kinds.is_empty() {
        return;
    }
    let count = lock(net).luck.between(1, 8);
    for _ in 0..count {
        let (after, kind) = {
            let world = &mut *lock(net);
            (world.luck.between(0, STORM_MS), *world.luck.pick(&kinds))
        };
        let (net, profile) = (net.clone(), profile.clone());
        tokio::task::spawn_local(async move {
            rest(after).await;
            happens(&net, &profile, kind).await;
        });
    }
}

async fn happens(net: &Net, profile: &Profile, kind: Kind) {
    let (machine, node, for_ms, left) = {
        let world = &mut *lock(net);
        let longest = *world.luck.pick(&[10_000, 30_000, 90_000]);
        let hosts = if profile.cuts.is_empty() { &profile.hosts } else { &profile.cuts };
        let node = world.luck.pick(hosts).clone();
        (*world.luck.pick(&MACHINES), node, world.luck.between(500, longest), world.luck.between(1, 4))
    };
    let cut = *lock(net).luck.pick(&[Cut::Both, Cut::Both, Cut::There, Cut::Back]);
    let trap = |what| lock(net).traps.push(Trap { machine, left, what });
    match kind {
        Kind::Cut => net.cut_for(machine, &node, cut, for_ms).await,
        Kind::CutOnSend => trap(Sprung::Cut(cut, for_ms, profile.cuts.clone())),
        Kind::Kill => lock(net).kill(machine),
        Kind::KillOnSend => trap(Sprung::Kill),
        Kind::Freeze => lock(net).freeze(machine, for_ms),
        Kind::FreezeOnSend => trap(Sprung::Freeze(for_ms)),
        Kind::Prune => {
            let world = &mut *lock(net);
            let who = some(world, &profile.managers);
            world.say(format_args!("{who:?} forget"));
            world.registers.retain(|(at, ..), _| !who.contains(at));
        }
        Kind::Restore => {
            let (who, before): (_, Records) = {
                let world = &mut *lock(net);
                (some(world, &profile.managers), world.registers.clone())
            };
            rest(for_ms).await;
            let world = &mut *lock(net);
            world.say(format_args!("{who:?} come back as they were {for_ms} ms ago"));
            world.registers.retain(|(at, ..), _| !who.contains(at));
            world.registers.extend(before.into_iter().filter(|((at, ..), _)| who.contains(at)));
        }
        Kind::Clock => {
            let world = &mut *lock(net);
            let manager = name(world.luck.pick(&profile.managers).as_str());
            let by = world.luck.between(-120_000, 120_000);
            world.say(format_args!("the clock of {manager} jumps by {by} ms"));
            world.ahead.insert(manager, by);
        }
        Kind::Relabel => relabel(net, for_ms).await,
        Kind::FarPlace => {
            let world = &mut *lock(net);
            let manager = name(world.luck.pick(&profile.managers).as_str());
            world.say(format_args!("{manager} shows a place far ahead"));
            let place = Place { seq: u64::MAX - 7, round: 0 };
            world.registers.insert((manager, "lease/app".into(), place), (None, Timestamp(1)));
        }
    }
}

/// A container is renamed; or for a while it is not understood: a newer program wrote its labels.
async fn relabel(net: &Net, for_ms: i64) {
    let found = {
        let world = &mut *lock(net);
        let all: Vec<_> = world.hosts.tasks().map(|task| (task.node.clone(), task.id.clone())).collect();
        if all.is_empty() {
            return;
        }
        let (node, id) = world.luck.pick(&all).clone();
        if world.luck.once_in(2) {
            world.say(format_args!("{id} on {node} is renamed"));
            let containers = world.hosts.containers.get_mut(&node).expect("known");
            containers.get_mut(&id).expect("just seen").task.container = format!("{id}.old");
            return;
        }
        world.say(format_args!("{id} on {node} is not understood"));
        let dockerd = world.dockerd.get_mut(&node).expect("known");
        dockerd.unreadable.insert(id.clone(), "its label is damaged".into());
        (node, id)
    };
    rest(for_ms).await;
    lock(net).dockerd.get_mut(&found.0).expect("known").unreadable.remove(&found.1);
}
