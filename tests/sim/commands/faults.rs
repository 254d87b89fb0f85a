//! What goes wrong in a history of commands.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::ledger::{Content, Place};
use stackctl::model::{NodeName, Timestamp};

use super::rules::Rules;
use super::{STORM_MS, name, rest, switches};
use crate::faults::Luck;
use crate::fleet::{Cut, Net, Trouble, World, lock};

/// The machines of persons.
pub const MACHINES: [&str; 2] = ["ann", "bob"];

/// What a world has more of than others do. Each is what one remedy of the program is there for, and would be drawn too
/// rarely otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stress {
    /// Of everything a little.
    Mixed,
    /// Commands that give up while a long stop is under way.
    SlowStops,
    /// Managers that lose their records, or come back older, while a holder sends.
    Forgetting,
    /// One manager, whose clock jumps while a holder sends.
    Clocks,
    /// Persons whose inventories name other managers.
    Managers,
    /// A manager that shows a place far ahead while a holder sends.
    FarPlaces,
}

impl Stress {
    pub fn of(seed: u64) -> Self {
        match seed % 8 {
            3 => Self::SlowStops,
            4 => Self::Forgetting,
            5 => Self::Clocks,
            6 => Self::Managers,
            7 => Self::FarPlaces,
            _ => Self::Mixed,
        }
    }
}

/// What one world is like.
#[derive(Debug, Clone)]
pub struct Profile {
    pub stress: Stress,
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
    pub fn draw(luck: &mut Luck, apart: &mut Luck, stress: Stress) -> Self {
        let fewest = if matches!(stress, Stress::Managers | Stress::FarPlaces) { 3 } else { 2 };
        let hosts: Vec<NodeName> = (1..=luck.between(fewest, 4)).map(|n| name(&format!("h{n}"))).collect();
        let is_alone = match stress {
            Stress::Clocks => true,
            Stress::Managers | Stress::FarPlaces => false,
            _ => hosts.len() < 3 || luck.once_in(3),
        };
        let managers: Vec<String> =
            hosts.iter().take(if is_alone { 1 } else { 3 }).map(ToString::to_string).collect();
        let mut dies = BTreeSet::new();
        if !is_alone && luck.once_in(2) {
            dies.insert(name("h3"));
        } else if luck.once_in(2) {
            dies.extend(hosts.iter().skip(1).last().cloned());
        }
        let mut bobs_hosts = hosts.clone();
        if switches::MISSING_HOSTS && apart.once_in(4) {
            bobs_hosts.pop();
        }
        let mut drawn = Self {
            stress,
            bobs_managers: managers.clone(),
            bobs_hosts,
            hosts,
            managers,
            trouble: Trouble { lost_reply_in: *luck.pick(&[0, 0, 30, 8]), slow_in: *luck.pick(&[0, 0, 60]) },
            is_direct: switches::CONNECTIONS_END && !luck.once_in(3),
            cuts: Vec::new(),
            deaf: luck.once_in(2),
            kills: luck.once_in(2),
            freezes: luck.once_in(3),
            forgets: false,
            clocks: luck.once_in(3),
            relabels: luck.once_in(4),
            far_places: switches::FAR_PLACES && luck.once_in(4),
            dies,
        };
        drawn.draw_cuts(luck);
        drawn.draw_managers(luck);
        drawn.stressed(luck);
        // Records that are lost say nothing of a host that a person does not name: no command could know of it.
        let names_managers =
            |managers: &[String]| managers.iter().all(|manager| drawn.bobs_hosts.contains(&name(manager)));
        if drawn.forgets || !names_managers(&drawn.bobs_managers) {
            drawn.bobs_hosts = drawn.hosts.clone();
        }
        drawn
    }

    fn draw_cuts(&mut self, luck: &mut Luck) {
        let has_cuts = !luck.once_in(3);
        self.forgets = !has_cuts && luck.once_in(2);
        let is_cut = |node: &&NodeName| self.is_direct || !self.managers.contains(&node.to_string());
        if has_cuts {
            self.cuts = self.hosts.iter().filter(is_cut).cloned().collect();
        }
        if self.forgets {
            self.trouble.slow_in = 0;
        }
    }

    /// Sets that differ by one, as the program allows it.
    fn draw_managers(&mut self, luck: &mut Luck) {
        let differ = self.stress == Stress::Managers || luck.once_in(4);
        if !switches::OTHER_MANAGERS || !differ || self.managers.len() < 3 {
            return;
        }
        match self.hosts.get(3) {
            Some(fourth) if luck.once_in(2) => self.bobs_managers.push(fourth.to_string()),
            _ => {
                let gone = usize::try_from(luck.between(0, 2)).expect("small");
                self.bobs_managers.remove(gone);
            }
        }
    }

    fn stressed(&mut self, luck: &mut Luck) {
        match self.stress {
            Stress::Mixed => {}
            Stress::SlowStops => self.deaf = true,
            Stress::Forgetting => {
                self.cuts.clear();
                self.trouble.slow_in = 0;
                self.forgets = true;
            }
            Stress::Clocks => {
                self.cuts.clear();
                self.clocks = true;
            }
            Stress::Managers => {
                self.is_direct = true;
                self.forgets = false;
                self.cuts = self.hosts.clone();
            }
            Stress::FarPlaces => {
                self.forgets &= luck.once_in(4);
                self.far_places = true;
            }
        }
    }

    /// All managers of both persons.
    pub fn all_managers(&self) -> BTreeSet<String> {
        self.managers.iter().chain(&self.bobs_managers).cloned().collect()
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
            (self.forgets, Kind::PruneOnSend),
            (self.forgets, Kind::Restore),
            (self.forgets, Kind::RestoreOnSend),
            (self.clocks, Kind::Clock),
            (self.clocks, Kind::ClockOnSend),
            (self.relabels, Kind::Relabel),
            (self.far_places, Kind::FarPlace),
            (self.far_places, Kind::FarPlaceOnSend),
        ];
        let mut kinds: Vec<Kind> = all.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect();
        let of_stress: &[Kind] = match self.stress {
            Stress::Mixed | Stress::SlowStops => &[],
            Stress::Forgetting => &[Kind::PruneOnSend, Kind::PruneOnSend, Kind::RestoreOnSend],
            Stress::Clocks => &[Kind::ClockOnSend; 4],
            Stress::Managers => &[Kind::CutOnSend, Kind::Cut],
            Stress::FarPlaces => &[Kind::FarPlaceOnSend; 4],
        };
        kinds.extend(of_stress);
        kinds
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
    PruneOnSend,
    Restore,
    RestoreOnSend,
    Clock,
    ClockOnSend,
    Relabel,
    FarPlace,
    FarPlaceOnSend,
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
    Records(Change),
}

/// What happens to the managers' records, and to their clocks.
#[derive(Debug, Clone)]
pub enum Change {
    Forget {
        who: Vec<NodeName>,
        majority: usize,
    },
    /// They come back as they were.
    Older {
        who: Vec<NodeName>,
        majority: usize,
        before: Box<Records>,
    },
    Clock {
        manager: NodeName,
        by_ms: i64,
    },
    FarPlace {
        manager: NodeName,
        seq: u64,
    },
}

/// A snapshot of the managers' records.
type Records = BTreeMap<(NodeName, String, Place), (Content, Timestamp)>;

impl Change {
    pub fn happens(self, world: &mut World) {
        if world.is_calm {
            return;
        }
        match self {
            Self::Forget { who, majority } => {
                world.say(format_args!("{who:?} forget"));
                world.registers.retain(|(at, ..), _| !who.contains(at));
                Rules::loses(world, &who, false, majority);
            }
            Self::Older { who, majority, before } => {
                world.say(format_args!("{who:?} come back as they were"));
                world.registers.retain(|(at, ..), _| !who.contains(at));
                world.registers.extend(before.into_iter().filter(|((at, ..), _)| who.contains(at)));
                Rules::loses(world, &who, true, majority);
            }
            Self::Clock { manager, by_ms } => {
                world.say(format_args!("the clock of {manager} jumps by {by_ms} ms"));
                world.ahead.insert(manager, by_ms);
            }
            Self::FarPlace { manager, seq } => {
                world.say(format_args!("{manager} shows place {seq}"));
                let place = Place { seq, round: 0 };
                world.registers.insert((manager, "lease/app".into(), place), (None, Timestamp(1)));
            }
        }
    }
}

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
    let count = lock(net).luck.between(1, if profile.stress == Stress::Mixed { 8 } else { 12 });
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
        Kind::Relabel => relabel(net, for_ms).await,
        Kind::Restore => {
            let change = change(&mut lock(net), profile, kind);
            rest(for_ms).await;
            change.happens(&mut lock(net));
        }
        Kind::Prune | Kind::Clock | Kind::FarPlace => {
            let world = &mut *lock(net);
            change(world, profile, kind).happens(world);
        }
        Kind::PruneOnSend | Kind::RestoreOnSend | Kind::ClockOnSend | Kind::FarPlaceOnSend => {
            let change = change(&mut lock(net), profile, kind);
            trap(Sprung::Records(change));
        }
    }
}

/// Draws what happens to records or clocks; the snapshot, if there is one, is of now.
fn change(world: &mut World, profile: &Profile, kind: Kind) -> Change {
    let majority = profile.managers.len() / 2 + 1;
    let manager = name(world.luck.pick(&profile.managers).as_str());
    match kind {
        Kind::Prune | Kind::PruneOnSend => Change::Forget { who: some(world, &profile.managers), majority },
        Kind::Restore | Kind::RestoreOnSend => {
            let (who, before) = (some(world, &profile.managers), Box::new(world.registers.clone()));
            Change::Older { who, majority, before }
        }
        Kind::ClockOnSend => Change::Clock { manager, by_ms: world.luck.between(30_000, 120_000) },
        Kind::Clock => Change::Clock { manager, by_ms: world.luck.between(-120_000, 120_000) },
        // Behind the last place there is none: a program that believes it comes to a stop.
        _ if profile.stress == Stress::Mixed => Change::FarPlace { manager, seq: u64::MAX - 7 },
        _ => Change::FarPlace { manager, seq: world.luck.between(1, 1_000_000).unsigned_abs() * 1_000 },
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
