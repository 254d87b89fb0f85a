//! Histories of commands: two persons deploy, scale, roll back and remove one stack, each from a machine of their own,
//! over a network, engines and managers that are as unkind as the real ones. One seed decides everything.
//!
//! The program's own code is above all this: the driver of commands, the lease and its renewals, the run, the ledger.
//! [`rules`] says what must never be; [`faults`] what goes wrong. In the end there is peace, in which a minority of the
//! managers and a host may stay dead for good, and a last deploy must arrive and last.

pub mod faults;
pub mod rules;
mod switches;
mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stackctl::model::observed::ObservedNode;
use stackctl::model::spec::{Mount, ServiceMode, VolumeSpec};
use stackctl::model::{GoDuration, NodeName, StackSpec};
use tokio::time::{Instant, sleep};

use crate::builder;
use crate::faults::{Faults, Luck};
use crate::fleet::{Dockerd, GIVEN_UP_MS, Net, SILENCE_MS, World, lock};
use faults::{Profile, Stress};
use rules::Rules;
use user::{Command, Person};

const SEEDS: u64 = 300;
/// The hosts' own time when a world begins.
pub const EPOCH_MS: i64 = 1_000_000;
/// How long things go wrong.
const STORM_MS: i64 = 240_000;
/// Within this the last deploy has to be done, leases of the dead and all.
const ARRIVAL_MS: i64 = 600_000;

fn name(text: &str) -> NodeName {
    NodeName::unchecked(text)
}

/// What the persons of a world do.
#[derive(Debug, Clone, Copy)]
pub struct Taste {
    stress: Stress,
    /// Whether the stack has a program that ignores its signal.
    has_deaf: bool,
    /// The longest pause between two commands.
    pause_ms: i64,
}

impl Taste {
    fn of(profile: &Profile) -> Self {
        let pause_ms = if profile.stress == Stress::Mixed { 25_000 } else { 8_000 };
        Self { stress: profile.stress, has_deaf: profile.deaf, pause_ms }
    }

    /// Whether runs are to send something all the time.
    fn is_busy(self) -> bool {
        !matches!(self.stress, Stress::Mixed | Stress::SlowStops)
    }
}

/// A stack by its version: a web server, a program that ignores its signal, and a database with its data.
fn spec(luck: &mut Luck, taste: Taste) -> StackSpec {
    let version = luck.between(1, 3);
    let fewest = if taste.is_busy() { 3 } else { 1 };
    let many = u32::try_from(luck.between(fewest, fewest + 2)).expect("small");
    let mut services = vec![builder::replicated("web", many)];
    if taste.has_deaf && (taste.stress == Stress::SlowStops || luck.once_in(2)) {
        services.push(builder::replicated("slow", 1));
    }
    if luck.once_in(2) {
        services.push(builder::with_task(builder::replicated("db", 1), |task| {
            let source = Some("app_data".into());
            let mount = Mount::Volume { source, read_only: false, nocopy: false, subpath: None };
            task.volumes.insert("/data".into(), mount);
        }));
    }
    let mut all = Vec::new();
    for service in services {
        let image = format!("{}:{version}", service.name);
        let is_slow = service.name.as_str() == "slow";
        let mut service = builder::with_task(builder::with_image(service, &image), |task| {
            let grace = if is_slow { 40_000 } else { 5_000 };
            task.stop_grace_period = Some(GoDuration::from_millis(grace));
            // Never without: that replaces tasks, and here they are changed as they run.
            task.resources.limits.memory = Some(luck.between(1, 3) << 26);
        });
        let parallelism = if taste.is_busy() { 1 } else { luck.between(0, 2) };
        service.update_config.parallelism = u32::try_from(parallelism).expect("small");
        service.update_config.monitor = GoDuration::from_millis(500);
        all.push(service);
    }
    let mut spec = builder::stack(all);
    if spec.services.contains_key("db") {
        spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
    }
    spec
}

/// As scaled by a person.
fn scaled(mut spec: StackSpec, replicas: u32) -> StackSpec {
    if let Some(web) = spec.services.get_mut("web") {
        web.mode = ServiceMode::Replicated { replicas };
    }
    spec
}

fn world(seed: u64, profile: &Profile, luck: Luck) -> Net {
    let nodes: Vec<ObservedNode> = profile.hosts.iter().map(|name| builder::node(name.as_str())).collect();
    let hosts = crate::world::World::new(builder::cluster(nodes), seed, Faults::NONE);
    let dockerd: BTreeMap<NodeName, Dockerd> =
        profile.hosts.iter().map(|name| (name.clone(), Dockerd::default())).collect();
    let world = World {
        begun: Instant::now(),
        luck,
        hosts,
        dockerd,
        processes: Vec::new(),
        cuts: BTreeMap::new(),
        off: BTreeSet::new(),
        registers: BTreeMap::new(),
        ahead: BTreeMap::new(),
        trouble: profile.trouble,
        given_up_ms: if profile.is_direct { SILENCE_MS } else { GIVEN_UP_MS },
        ended: BTreeMap::new(),
        traps: Vec::new(),
        is_calm: false,
        rules: Rules::new(profile.forgets),
        failed: None,
        trace: Vec::new(),
    };
    Net(Arc::new(Mutex::new(world)))
}

async fn rest(ms: i64) {
    sleep(Duration::from_millis(ms.max(0).unsigned_abs())).await;
}

/// What a person does until the storm is over.
async fn works(net: Net, person: Person) {
    loop {
        let (pause, command) = {
            let world = &mut *lock(&net);
            (world.luck.between(0, person.taste.pause_ms), Command::draw(&mut world.luck, person.taste))
        };
        rest(pause).await;
        if lock(&net).now() > STORM_MS || lock(&net).failed.is_some() {
            return;
        }
        let _on_to_the_next = person.gives(&net, command, BTreeSet::new()).await;
    }
}

/// The storm is over; who stays dead stays so for good.
fn calms(net: &Net, profile: &Profile) -> BTreeSet<NodeName> {
    let world = &mut *lock(net);
    world.say("peace");
    world.is_calm = true;
    world.trouble = Default::default();
    world.traps.clear();
    world.cuts.clear();
    world.ahead.clear();
    for process in &mut world.processes {
        process.frozen_until = 0;
    }
    for dockerd in world.dockerd.values_mut() {
        dockerd.unreadable.clear();
    }
    for node in &profile.dies {
        world.say(format_args!("{node} is dead for good"));
        world.off.insert(node.clone());
        world.rules.forget_claims();
    }
    profile.dies.clone()
}

/// The last deploy, given until it succeeds; or until it is refused for a reason that no command can mend: persons with two
/// sets of managers wrote into one place at once, and a manager is dead who would show which write counts. Whether it has
/// succeeded.
async fn arrives(
    net: &Net,
    ann: Person,
    last: StackSpec,
    dead: &BTreeSet<NodeName>,
    profile: &Profile,
) -> bool {
    let begun = lock(net).now();
    let may_be_undecided = profile.managers != profile.bobs_managers
        && profile.all_managers().iter().any(|manager| dead.contains(manager.as_str()));
    loop {
        let Err(why) = ann.gives(net, Command::Deploy(last.clone()), dead.clone()).await else { return true };
        if may_be_undecided && why.is_refused_as("stackctl::ledger::managers_differ") {
            return false;
        }
        if lock(net).failed.is_some() {
            return false;
        }
        if lock(net).now() - begun > ARRIVAL_MS {
            lock(net).fail("the last deploy does not arrive");
        }
        rest(2_000).await;
    }
}

async fn story(seed: u64) -> (Vec<String>, u32) {
    let mut luck = Luck::new(seed ^ 0xc0_33a4d5);
    let apart = &mut Luck::new(seed ^ 0x3155_1e6f);
    let profile = Profile::draw(&mut luck, apart, Stress::of(seed));
    let net = world(seed, &profile, luck);
    lock(&net).say(format_args!("{profile:?}"));
    faults::schedule(&net, &profile);
    let persons = [Person::ann(&profile), Person::bob(&profile)];
    let local: Vec<_> =
        persons.clone().into_iter().map(|one| tokio::task::spawn_local(works(net.clone(), one))).collect();
    for one in local {
        one.await.expect("no panic");
    }
    let dead = calms(&net, &profile);
    let left = {
        let world = lock(&net);
        world.rules.doubtful_until() - world.now()
    };
    rest(left).await;
    let last = spec(&mut lock(&net).luck, Taste::of(&profile));
    let [ann, _] = persons;
    let arrives = arrives(&net, ann.with_all_managers(&profile), last, &dead, &profile).await;
    // What may still be on its way.
    rest(GIVEN_UP_MS + 60_000).await;
    let world = &mut *lock(&net);
    if arrives {
        Rules::changed(world);
        Rules::lasts(world);
    }
    if let Some(why) = world.failed.take() {
        panic!("{}\n{why}", world.trace.join("\n"));
    }
    (std::mem::take(&mut world.trace), world.rules.acknowledged)
}

fn run(seed: u64) -> (Vec<String>, u32) {
    user::forget_the_gone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), story(seed))
}

#[test]
fn what_was_acknowledged_stays_so() {
    let acknowledged = std::sync::atomic::AtomicU32::new(0);
    crate::each_seed("what_was_acknowledged", SEEDS, |seed| {
        let (trace, count) = run(seed);
        acknowledged.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        trace
    });
    println!("{} commands acknowledged", acknowledged.into_inner());
}

#[test]
fn equal_seeds_have_equal_histories() {
    for seed in [3, 41, 100] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
