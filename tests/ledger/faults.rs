//! Three loops on an etcd of three members, or on a Consul, and whatever chance does to them: loops are killed,
//! frozen, cut off from etcd (not from the hosts: that is what makes them dangerous), their clocks jump by an
//! hour, and members of etcd die. Checked is what arrives at the engines: each write says under which lease it was
//! sent, and of two leases of a stack the earlier one never writes after the later one has begun to.
//!
//! `STACKCTL_TEST_FAULTS` is how many faults there are, `STACKCTL_TEST_SEED` which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::agents::{self, Agents};
use crate::controller::{Loop, number, until};
use crate::hosts::Hosts;
use crate::keeper::Keeper;
use crate::server::{self, Server};
use crate::splitmix::SplitMix64;
use crate::wire::Wire;

const FAULTS: usize = 3;
/// What issue and README promise.
const BOUND: Duration = Duration::from_secs(15);
/// A stack that the dead leader was at work on is free once that stack's own lease is over.
const WHOLE: Duration = Duration::from_secs(90);
const STACKS: [(&str, &str); 2] = [
    ("shop", "services: {web: {image: 'nginx:1.25', deploy: {replicas: 3}}, db: {image: 'db:1'}}\n"),
    ("mail", "services: {in: {image: 'mta:1', deploy: {replicas: 2}}, out: {image: 'mta:1'}}\n"),
];
const TASKS: usize = 7;
const HOUR_S: i64 = 3_600;
/// Of every answer of an engine, so that mending takes a while and can be cut short.
const LATENCY_MS: u64 = 250;

/// What is done to a loop, or to those who keep the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    LeaderKilled,
    LeaderFrozen,
    LeaderCutOff,
    /// Its way to whoever leads those who keep the records.
    LeaderLosesTheirs,
    ConnectionsReset,
    ClockAhead,
    ClockBack,
    StandbyKilled,
    MemberKilled,
    MemberFrozen,
}

const ALL: [Fault; 10] = [
    Fault::LeaderKilled,
    Fault::LeaderFrozen,
    Fault::LeaderCutOff,
    Fault::LeaderLosesTheirs,
    Fault::ConnectionsReset,
    Fault::ClockAhead,
    Fault::ClockBack,
    Fault::StandbyKilled,
    Fault::MemberKilled,
    Fault::MemberFrozen,
];

impl Fault {
    /// Whether another loop has to follow.
    fn unseats(self) -> bool {
        matches!(self, Self::LeaderKilled | Self::LeaderFrozen | Self::LeaderCutOff)
    }
}

/// A loop with wires of its own to each member of those who keep the records, and a clock of its own.
struct Controller {
    name: String,
    running: Loop,
    wires: Vec<Wire>,
    lives: usize,
}

struct Trial<K> {
    hosts: Hosts,
    server: K,
    controllers: Vec<Controller>,
    chance: SplitMix64,
    faketime: Option<String>,
}

/// The library that gives a program a clock of its own, where it is installed.
fn faketime() -> Option<String> {
    let dirs = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let found = dirs
        .map(|dir| dir.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .map(|path| path.display().to_string());
    assert!(
        found.is_some() || std::env::var_os("STACKCTL_TEST_ETCD").is_none(),
        "STACKCTL_TEST_ETCD is set, and there is no libfaketime (Debian: faketime)"
    );
    let library = found?;
    let dir = tempfile::tempdir().expect("a directory");
    let clock = dir.path().join("clock");
    std::fs::write(&clock, format!("+{HOUR_S}\n")).expect("a file");
    let mut date = Command::new("date");
    date.arg("+%s").env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &clock);
    let told = date.output().expect("date is there").stdout;
    let then: i64 = String::from_utf8_lossy(&told).trim().parse().expect("seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let ahead = then - i64::try_from(now).expect("seconds");
    assert!((HOUR_S - 60..HOUR_S + 60).contains(&ahead), "the clock is {ahead} s ahead");
    Some(library)
}

impl<K: Keeper> Trial<K> {
    fn new(server: K, seed: u64) -> Self {
        let hosts = Hosts::new(3);
        let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
        hosts.room.file("stackctl.yml", &format!("ledger: {}\n{text}", server.place("prod")));
        for (stack, file) in STACKS {
            hosts.stackfile(&file.replace("deploy: {", "deploy: {update_config: {monitor: 50ms}, "));
            hosts.expect(0, &format!("deploy --yes {stack}"));
        }
        let chance = SplitMix64(SplitMix64(seed).next());
        let mut trial = Self { hosts, server, controllers: Vec::new(), chance, faketime: faketime() };
        for name in ["ann", "ben", "cleo"] {
            let wires: Vec<Wire> = trial.server.ports().into_iter().map(Wire::to).collect();
            let members: Vec<String> =
                wires.iter().map(|wire| format!("127.0.0.1:{}", wire.port())).collect();
            let inventory = format!("ledger: {}://{}/prod\n{text}", K::SCHEME, members.join(","));
            trial.hosts.room.file(&format!("{name}.yml"), &inventory);
            let running = trial.start(name, name);
            trial.controllers.push(Controller { name: name.to_owned(), running, wires, lives: 1 });
        }
        trial.hosts.set_latency(LATENCY_MS);
        trial
    }

    fn start(&self, name: &str, life: &str) -> Loop {
        let path = |name: &str| self.hosts.path().join(name).display().to_string();
        let mut more = vec![("STACKCTL_INVENTORY", path(&format!("{name}.yml")))];
        if let Some(library) = &self.faketime {
            let clock = format!("{name}.clock");
            if !self.hosts.path().join(&clock).exists() {
                self.hosts.room.file(&clock, "+0\n");
            }
            more.push(("LD_PRELOAD", library.clone()));
            more.push(("FAKETIME_TIMESTAMP_FILE", path(&clock)));
            more.push(("FAKETIME_NO_CACHE", "1".to_owned()));
            // A clock that is set does not move what counts the time since the machine was started.
            more.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
        }
        Loop::start(&self.hosts, life, &more)
    }

    fn again(&mut self, at: usize) {
        let controller = &self.controllers[at];
        let life = format!("{}-{}", controller.name, controller.lives);
        let running = self.start(&controller.name, &life);
        let controller = &mut self.controllers[at];
        (controller.running, controller.lives) = (running, controller.lives + 1);
    }

    fn leaders(&self) -> Vec<usize> {
        (0..self.controllers.len()).filter(|at| self.controllers[*at].running.is_leading()).collect()
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("small");
        usize::try_from(self.chance.next() % count).expect("small")
    }

    /// What a host ran is gone: whoever leads has something to write.
    fn damage(&mut self) {
        let host = self.below(self.hosts.engines.len());
        self.hosts.engines[host].with(|world| world.containers.clear());
    }

    fn heals_begun(&self, at: usize) -> usize {
        self.controllers[at].running.types().iter().filter(|word| *word == "heal_began").count()
    }

    /// Does it; what is to be done afterwards is [`Trial::undo`]'s.
    fn inflict(&mut self, fault: Fault, leader: usize) -> usize {
        let standby = (leader + 1 + self.below(2)) % self.controllers.len();
        let member = self.below(3);
        match fault {
            Fault::LeaderKilled => self.controllers[leader].running.signal("-KILL"),
            Fault::LeaderFrozen => self.controllers[leader].running.signal("-STOP"),
            Fault::LeaderCutOff => self.controllers[leader].wires.iter().for_each(Wire::cut),
            Fault::LeaderLosesTheirs => {
                let member = self.server.leader();
                self.controllers[leader].wires[member].cut();
            }
            Fault::ConnectionsReset => {
                self.controllers.iter().flat_map(|one| &one.wires).for_each(Wire::reset);
            }
            Fault::ClockAhead | Fault::ClockBack => {
                let by = if fault == Fault::ClockAhead { HOUR_S } else { -HOUR_S };
                let name = format!("{}.clock", self.controllers[leader].name);
                self.hosts.room.file(&name, &format!("{by:+}\n"));
            }
            Fault::StandbyKilled => self.controllers[standby].running.signal("-KILL"),
            Fault::MemberKilled => self.server.kill(member),
            Fault::MemberFrozen => self.server.cut(member),
        }
        match fault {
            Fault::StandbyKilled => standby,
            Fault::MemberKilled | Fault::MemberFrozen => member,
            _ => leader,
        }
    }

    /// Afterwards all is there again, and what was held up gets through.
    fn undo(&mut self, fault: Fault, at: usize) {
        match fault {
            // On a machine whose clock is what it has become.
            Fault::LeaderKilled | Fault::StandbyKilled => self.again(at),
            Fault::LeaderFrozen => self.controllers[at].running.signal("-CONT"),
            Fault::LeaderCutOff | Fault::LeaderLosesTheirs => {
                self.controllers[at].wires.iter().for_each(Wire::mend);
            }
            Fault::MemberKilled => self.server.start_again(at),
            Fault::MemberFrozen => self.server.join(at),
            Fault::ConnectionsReset | Fault::ClockAhead | Fault::ClockBack => {}
        }
    }

    /// One fault; how long nobody led.
    fn round(&mut self, fault: Fault, damaged_before: bool) -> Duration {
        let leader = self.leaders()[0];
        if damaged_before {
            let heals = self.heals_begun(leader);
            self.damage();
            // While it is being mended, and so under a stack's lease.
            until("the leader mends it", WHOLE, || self.heals_begun(leader) > heals);
            let moment = u64::try_from(self.below(1_500)).expect("small");
            std::thread::sleep(Duration::from_millis(moment));
        }
        let at = self.inflict(fault, leader);
        let begun = Instant::now();
        let limit = if fault == Fault::LeaderKilled { BOUND } else { BOUND * 2 };
        if fault.unseats() {
            until("another loop leads", BOUND, || self.leaders().iter().any(|one| *one != leader));
        } else {
            // Long enough for a lead to be lost by it.
            let settles = u64::try_from(2_000 + self.below(3_000)).expect("small");
            std::thread::sleep(Duration::from_millis(settles));
            until("somebody leads", BOUND, || !self.leaders().is_empty());
        }
        let took = begun.elapsed();
        if !damaged_before {
            self.damage();
        } else if fault.unseats() {
            // Whoever comes back finds that another has had its stacks' leases since.
            until("another has mended it", WHOLE, || self.hosts.running().len() == TASKS);
        }
        self.undo(fault, at);
        until("exactly one leads", limit, || self.leaders().len() == 1);
        until("all is whole", WHOLE, || self.hosts.running().len() == TASKS);
        took
    }

    /// Every write goes under a lease, and no stack's leases go back.
    fn check(&self) -> (usize, usize) {
        let mut writes: Vec<_> = self.hosts.engines.iter().flat_map(|engine| engine.calls()).collect();
        writes.retain(|call| !call.call.starts_with("GET ") && !call.call.starts_with("HEAD "));
        writes.sort_by_key(|call| call.began);
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let mut leases = BTreeSet::new();
        for call in &writes {
            let lease = call.lease.as_deref().unwrap_or_else(|| panic!("under no lease: {call:?}"));
            let (stack, epoch) = lease.split_once('/').expect("a stack and an epoch");
            let epoch: u64 = epoch.parse().expect("an epoch");
            let newest = newest.entry(stack.to_owned()).or_default();
            assert!(epoch >= *newest, "after lease {newest} of {stack}: {call:?}");
            *newest = epoch;
            leases.insert(lease.to_owned());
        }
        (writes.len(), leases.len())
    }
}

#[test]
fn whatever_happens_to_loops_and_etcd_each_stack_has_one_writer() {
    if server::is_there() {
        each_stack_has_one_writer(Server::start());
    }
}

#[test]
fn whatever_happens_to_loops_and_consul_each_stack_has_one_writer() {
    if agents::is_there() {
        each_stack_has_one_writer(Agents::start());
    }
}

fn each_stack_has_one_writer<K: Keeper>(server: K) {
    let keeper = K::SCHEME;
    let (count, seed) = (number("STACKCTL_TEST_FAULTS", FAULTS as u64), number("STACKCTL_TEST_SEED", 1));
    let mut trial = Trial::new(server, seed);
    let kinds: Vec<Fault> = ALL
        .into_iter()
        .filter(|fault| trial.faketime.is_some() || !matches!(fault, Fault::ClockAhead | Fault::ClockBack))
        .collect();
    until("somebody leads", BOUND, || trial.leaders().len() == 1);
    let mut table: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    // Whatever the seed, all kinds come before one comes again.
    let mut left = Vec::new();
    for round in 0..count {
        if left.is_empty() {
            left.clone_from(&kinds);
        }
        let at = trial.below(left.len());
        let fault = left.remove(at);
        let damaged_before = trial.below(3) == 0;
        eprintln!("{keeper}, seed {seed}, fault {round}: {fault:?}, damaged before: {damaged_before}");
        let took = trial.round(fault, damaged_before);
        trial.check();
        if fault.unseats() {
            table.entry(fault).or_default().push(took);
        }
    }
    let mut names = trial.hosts.running();
    names.dedup();
    assert_eq!(names.len(), TASKS, "{names:?}");
    let (writes, leases) = trial.check();
    assert!(leases > 2, "the loops have written nothing");
    eprintln!("{keeper}, {count} faults: {writes} writes under {leases} leases, none after a later lease's");
    for (fault, mut took) in table {
        took.sort();
        let s = |duration: &Duration| duration.as_secs_f64();
        eprintln!(
            "{keeper}, {fault:?}: {} times; another leads after {:.1} s (median), {:.1} s (longest)",
            took.len(),
            s(&took[took.len() / 2]),
            s(took.last().expect("at least one")),
        );
    }
}
