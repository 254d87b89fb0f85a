//! What is done to a cluster: a pure function of a seed.

use crate::splitmix::SplitMix64;
use crate::stack::{Kind, Service, Shape, Wanted};

/// Between two faults of a host.
const BREATH_MS: u64 = 2_000;

/// Numbers from a seed.
pub struct Chance(SplitMix64);

impl Chance {
    /// Seeds next to each other have nothing in common.
    pub fn new(seed: u64) -> Self {
        // Multiples of the increment would be the same numbers, a place further on.
        Self(SplitMix64(SplitMix64(seed).next()))
    }

    /// A number below another one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end
    }

    /// A number of a range, its end included.
    pub fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// Whether it happens, by so many per cent.
    pub fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// One of these, by weight.
    fn weighed<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let mut left = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in of {
            if left < *weight {
                return *one;
            }
            left -= weight;
        }
        unreachable!("less than the sum")
    }
}

/// What a command asks for.
#[derive(Debug, Clone)]
pub enum Verb {
    /// The user's file of the stack, as it is then.
    Deploy(Wanted),
    /// To the last good release before, or to one that was acknowledged: so many before the newest.
    Rollback(Option<u64>),
    Rm,
    Scale(&'static str, u64),
    /// `service update` with another mark.
    Update(&'static str, u64),
}

/// What is done to the process of a command.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// Nothing: it ends by itself.
    Own,
    /// `--timeout`, in seconds.
    Timeout(u64),
    /// Ctrl-C after so many ms; and once more after so many.
    Interrupt(u64, Option<u64>),
    /// SIGKILL after so many ms.
    Kill(u64),
    /// SIGSTOP after so many ms, SIGCONT after so many more.
    Freeze(u64, u64),
}

impl End {
    /// Whether the command is cut short.
    fn is_early(self) -> bool {
        !matches!(self, Self::Own | Self::Freeze(..))
    }
}

/// One command of a user.
#[derive(Debug, Clone)]
pub struct Step {
    /// After the end of the user's command before.
    pub pause_ms: u64,
    pub stack: usize,
    pub verb: Verb,
    /// `--lock-timeout`, in seconds.
    pub lock_s: Option<u64>,
    pub end: End,
}

/// What happens to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Cut,
    CutIn,
    CutOut,
    CutFromMachine,
    DaemonKilled,
    PowerLost,
    DaemonFrozen,
    Frozen,
    Loss(u64),
    Delay(u64),
}

impl Trouble {
    /// Words for the playground: what brings it about, and what undoes it.
    pub fn words(self, host: &str) -> (String, String) {
        let (begin, end) = match self {
            Self::Cut => (format!("cut {host}"), format!("heal {host}")),
            Self::CutIn => (format!("cut {host} in"), format!("heal {host}")),
            Self::CutOut => (format!("cut {host} out"), format!("heal {host}")),
            Self::CutFromMachine => (format!("cut {host} machine"), format!("heal {host}")),
            Self::DaemonKilled => (format!("dockerd {host} kill"), format!("dockerd {host} start")),
            Self::PowerLost => (format!("kill {host}"), format!("start {host}")),
            Self::DaemonFrozen => (format!("freeze {host} dockerd"), format!("thaw {host} dockerd")),
            Self::Frozen => (format!("freeze {host}"), format!("thaw {host}")),
            Self::Loss(percent) => (format!("loss {host} {percent}"), format!("heal {host}")),
            Self::Delay(ms) => (format!("delay {host} {ms} {}", ms / 3), format!("heal {host}")),
        };
        (begin, end)
    }

    /// Whether tasks of the host end by it, whatever stackctl does.
    pub fn is_deadly(self) -> bool {
        matches!(self, Self::DaemonKilled | Self::PowerLost)
    }
}

/// A trouble with its time, in ms from the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub at_ms: u64,
    pub until_ms: u64,
    pub host: usize,
    pub trouble: Trouble,
}

/// Everything that is done to a cluster.
#[derive(Debug)]
pub struct Schedule {
    pub managers: usize,
    /// Whether the second user is on another machine, as far as the first one's can tell.
    pub is_elsewhere: bool,
    pub shapes: [Shape; 2],
    pub users: [Vec<Step>; 2],
    /// What everything is to be at the end.
    pub last: [Wanted; 2],
    pub faults: Vec<Fault>,
}

impl Schedule {
    /// The schedule of a seed for so many hosts.
    pub fn of(seed: u64, hosts: usize) -> Self {
        let mut chance = Chance::new(seed);
        let managers = if hosts >= 3 && chance.is(50) { 3 } else { 1 };
        let is_elsewhere = chance.is(50);
        let shapes = [shape("app", &mut chance), shape("aux", &mut chance)];
        let mut marks = 0;
        let users = [0, 1].map(|user| steps(user, &shapes, &mut marks, &mut chance));
        let last = [0, 1].map(|stack| {
            let mut wanted = shapes[stack].first();
            change(&mut wanted, &mut marks, &mut chance);
            wanted
        });
        let faults = faults(hosts, &mut chance);
        Self { managers, is_elsewhere, shapes, users, last, faults }
    }
}

fn shape(name: &'static str, chance: &mut Chance) -> Shape {
    let mut kinds = vec![Kind::Web];
    for (percent, kind) in [
        (50, Kind::Data),
        (30, Kind::SlowData),
        (40, Kind::Slow),
        (25, Kind::Checked),
        (20, Kind::Every),
        (20, Kind::Job),
    ] {
        if kinds.len() < 3 && chance.is(percent) {
            kinds.push(kind);
        }
    }
    let services = kinds.into_iter().map(|kind| {
        let replicas = if kind.can_scale() { chance.within(1, 2) } else { 1 };
        (kind, replicas)
    });
    Shape { name, services: services.collect(), grace_s: chance.within(6, 14), parallelism: chance.below(2) }
}

/// Other marks for some services, so that they are rolled; sometimes another image or number.
fn change(wanted: &mut Wanted, marks: &mut u64, chance: &mut Chance) {
    *marks += 1;
    let chosen = chance.below(wanted.len() as u64) as usize;
    for (at, service) in wanted.values_mut().enumerate() {
        if at == chosen || chance.is(40) {
            service.mark = *marks;
            if chance.is(30) {
                service.image = chance.within(1, 3);
            }
            if service.kind.can_scale() && chance.is(30) {
                service.replicas = chance.within(1, 3);
            }
        }
    }
}

fn steps(user: usize, shapes: &[Shape; 2], marks: &mut u64, chance: &mut Chance) -> Vec<Step> {
    let mut files = [shapes[0].first(), shapes[1].first()];
    let own = Step {
        pause_ms: 0,
        stack: user,
        verb: Verb::Deploy(files[user].clone()),
        lock_s: None,
        end: End::Own,
    };
    let mut all = vec![own];
    for _ in 0..chance.within(3, 5) {
        let stack = if chance.is(70) { user } else { 1 - user };
        let before = files[stack].clone();
        let next = step(stack, &mut files[stack], marks, chance);
        let goes_back = next.end.is_early() && chance.is(60);
        all.push(next);
        if goes_back {
            all.push(back(stack, &before, chance));
            files[stack] = before;
        }
    }
    all
}

/// A user who cuts an update short often goes back to the version before at once, whose tasks are just being stopped.
fn back(stack: usize, before: &Wanted, chance: &mut Chance) -> Step {
    let verb = if chance.is(70) { Verb::Deploy(before.clone()) } else { Verb::Rollback(Some(0)) };
    Step { pause_ms: chance.within(0, 1_500), stack, verb, lock_s: Some(100), end: End::Own }
}

fn step(stack: usize, file: &mut Wanted, marks: &mut u64, chance: &mut Chance) -> Step {
    let scalable: Vec<&Service> = file.values().filter(|service| service.kind.can_scale()).collect();
    let scaled = chance.one(&scalable).name();
    let names: Vec<&'static str> = file.values().map(Service::name).collect();
    let updated = chance.one(&names);
    let verb = match chance.weighed(&[(50, 0), (12, 1), (7, 2), (15, 3), (12, 4)]) {
        0 => {
            if chance.is(85) {
                change(file, marks, chance);
            }
            Verb::Deploy(file.clone())
        }
        1 => Verb::Rollback(chance.is(60).then(|| chance.below(3))),
        2 => Verb::Rm,
        3 => Verb::Scale(scaled, chance.within(0, 3)),
        _ => {
            *marks += 1;
            Verb::Update(updated, *marks)
        }
    };
    let pause_ms = if chance.is(15) { chance.within(8_000, 20_000) } else { chance.within(0, 5_000) };
    let lock_s = chance.weighed(&[(30, None), (50, Some(30)), (20, Some(100))]);
    let when = chance.within(300, 6_000);
    let more = chance.within(200, 3_000);
    let end = match chance.below(100) {
        0..=6 => End::Timeout(chance.within(2, 6)),
        7..=13 => End::Interrupt(when, None),
        14..=20 => End::Interrupt(when, Some(more)),
        21..=28 => End::Kill(when),
        29..=33 => End::Freeze(when, chance.one(&[2_000, 6_000, 38_000])),
        _ => End::Own,
    };
    Step { pause_ms, stack, verb, lock_s, end }
}

fn faults(hosts: usize, chance: &mut Chance) -> Vec<Fault> {
    let mut all: Vec<Fault> = Vec::new();
    for _ in 0..chance.weighed(&[(10, 0), (35, 1), (35, 2), (20, 3)]) {
        let host = chance.below(hosts as u64) as usize;
        let trouble = match chance.below(100) {
            0..=15 => Trouble::Cut,
            16..=29 => Trouble::CutIn,
            30..=43 => Trouble::CutOut,
            44..=53 => Trouble::CutFromMachine,
            54..=63 => Trouble::DaemonKilled,
            64..=71 => Trouble::PowerLost,
            72..=81 => Trouble::DaemonFrozen,
            82..=89 => Trouble::Frozen,
            90..=94 => Trouble::Loss(chance.within(5, 30)),
            _ => Trouble::Delay(chance.within(50, 400)),
        };
        // One at a time for each host: what undoes one would undo the other.
        let before = all.iter().filter(|fault| fault.host == host).map(|fault| fault.until_ms + BREATH_MS);
        let at_ms = chance.within(3_000, 40_000).max(before.max().unwrap_or(0));
        let until_ms = at_ms + chance.one(&[3_000, 8_000, 15_000, 30_000]);
        all.push(Fault { at_ms, until_ms, host, trouble });
    }
    all.sort_by_key(|fault| fault.at_ms);
    all
}
