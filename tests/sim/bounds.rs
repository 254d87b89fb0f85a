//! The time that a plan says it takes at least: no run in which all goes well takes less.
//!
//! [`checks::took_as_long_as_was_said`](crate::checks::took_as_long_as_was_said) holds it against every run
//! of this simulator. Here hosts answer at once, so that a bound that is too high by anything shows, and
//! services have every policy that waits.

use stackctl::model::spec::{
    DependencyCondition, Healthcheck, RestartCondition, ServiceMode, ServiceSpec, StackSpec, UpdateOrder,
};
use stackctl::model::{GoDuration, Observed};
use stackctl::orchestrator::{Ending, Plan};

use crate::builder::{self, cluster, node, replicated, stack, with_image, with_task};
use crate::faults::{Faults, Luck};
use crate::world::{RunEnd, World};
use crate::{generate, options};

const SEEDS: u64 = 1_500;

fn check(test: &[&str], interval_ms: i64, start_period_ms: i64, start_interval_ms: i64) -> Healthcheck {
    let set = |ms: i64| (ms > 0).then(|| GoDuration::from_millis(ms));
    Healthcheck {
        test: test.iter().map(|word| (*word).to_owned()).collect(),
        interval: set(interval_ms),
        start_period: set(start_period_ms),
        start_interval: set(start_interval_ms),
        ..Healthcheck::default()
    }
}

/// A check as a file or an image may have it, or none.
fn some_check(luck: &mut Luck, tests: &[&[&str]]) -> Healthcheck {
    let test = *luck.pick(tests);
    let (interval, period) = (*luck.pick(&[0, 900, 4_000, 31_000]), *luck.pick(&[0, 0, 20_000]));
    check(test, interval, period, *luck.pick(&[0, 0, 700, 5_000]))
}

/// Everything that makes a run wait.
fn waits(luck: &mut Luck, service: &mut ServiceSpec) {
    let update = &mut service.update_config;
    update.delay = GoDuration::from_millis(*luck.pick(&[0, 1_500, 10_000]));
    update.monitor = GoDuration::from_millis(*luck.pick(&[0, 1_000, 5_000, 20_000]));
    let restart = *luck.pick(&[
        RestartCondition::Any,
        RestartCondition::Any,
        RestartCondition::OnFailure,
        RestartCondition::None,
    ]);
    let ends = restart != RestartCondition::Any && luck.once_in(2);
    let file = (!luck.once_in(3)).then(|| some_check(luck, &[&["NONE"], &["CMD", "true"], &[]]));
    *service = with_task(service.clone(), |task| {
        task.restart_policy.condition = restart;
        task.healthcheck = file;
        if ends {
            task.image = format!("{}:ends", service.name);
        }
    });
    if luck.once_in(3) {
        let digest = format!("sha256:{}", "a".repeat(64));
        *service = with_task(service.clone(), |task| task.digest = Some(digest));
    }
}

/// Who waits for whom, in each of the three ways.
fn dependencies(luck: &mut Luck, spec: &mut StackSpec) {
    let names: Vec<_> = spec.services.keys().cloned().collect();
    for pair in names.windows(2) {
        if luck.once_in(2) {
            continue;
        }
        let condition = *luck.pick(&[
            DependencyCondition::ServiceStarted,
            DependencyCondition::ServiceHealthy,
            DependencyCondition::ServiceCompletedSuccessfully,
        ]);
        let service = spec.services.get_mut(&pair[1]).expect("one of them");
        service.depends_on.insert(pair[0].clone(), condition);
        if condition == DependencyCondition::ServiceCompletedSuccessfully {
            let needed = spec.services.get_mut(&pair[0]).expect("one of them");
            *needed = with_image(needed.clone(), &format!("{}:ends", pair[0]));
        }
    }
}

/// One life without a fault; how many runs had a bound, and how many took not a second longer.
fn life(seed: u64) -> (u32, u32) {
    let mut luck = Luck::new(seed);
    let observed = generate::cluster(&mut luck);
    let mut spec = generate::stack(&mut luck, &observed);
    for service in spec.services.values_mut() {
        service.depends_on.clear();
        waits(&mut luck, service);
    }
    dependencies(&mut luck, &mut spec);
    let mut world = World::new(observed, seed, Faults::NONE);
    world.is_quick = !luck.once_in(4);
    for name in spec.services.keys() {
        if luck.once_in(2) {
            continue;
        }
        let brought = some_check(&mut luck, &[&["CMD", "true"]]);
        for tag in ["1", "2", "3"] {
            world.image_checks.insert(format!("{name}:{tag}"), brought.clone());
        }
    }
    let (mut bound, mut tight) = (0, 0);
    for _ in 0..3 {
        let plan = Plan::make(&world.observe(), &spec, options());
        let begun = world.now;
        let end = world.deploy(&spec, options(), None);
        let least = plan.forecast.duration_ms;
        if let RunEnd::Verdict(verdict) = end
            && verdict.ending == Ending::Converged
            && least > 0
        {
            bound += 1;
            tight += u32::from(world.now.since_ms(begun) - least < 1_000);
        }
        world.settle(5_000);
        generate::change(&mut luck, &mut spec);
        generate::mend(&mut spec);
    }
    (bound, tight)
}

#[test]
fn no_run_is_quicker_than_its_plan_said() {
    let (mut bound, mut tight) = (0, 0);
    for seed in 0..SEEDS {
        let one = life(seed);
        bound += one.0;
        tight += one.1;
    }
    println!("{bound} of {} runs had a bound, {tight} took not a second longer", SEEDS * 3);
    assert!(bound > 500 && tight > 100, "{bound} bounds, {tight} of them tight");
}

/// How long the second version of a service of three takes, at least and in truth.
fn roll(
    service: ServiceSpec,
    brought: Option<Healthcheck>,
    next: impl Fn(ServiceSpec) -> ServiceSpec,
) -> (i64, i64) {
    let mut world = World::new(cluster(vec![node("h1")]), 1, Faults::NONE);
    world.is_quick = true;
    if let Some(brought) = brought {
        for tag in ["web:1", "web:2"] {
            world.image_checks.insert(tag.into(), brought.clone());
        }
    }
    world.deploy(&stack(vec![service.clone()]), options(), None);
    world.settle(60_000);
    let next = stack(vec![next(service)]);
    let least = Plan::make(&world.observe(), &next, options()).forecast.duration_ms;
    let begun = world.now;
    world.deploy(&next, options(), None);
    (least, world.now.since_ms(begun))
}

fn web() -> ServiceSpec {
    let mut web = replicated("web", 3);
    web.update_config.parallelism = 1;
    web
}

fn second(service: ServiceSpec) -> ServiceSpec {
    with_image(service, "web:2")
}

fn checked(service: ServiceSpec, check: &Healthcheck) -> ServiceSpec {
    with_task(service, |task| task.healthcheck = Some(check.clone()))
}

/// Once the plan counted the `monitor` of 5 s for each of them, and a task that is healthy need not hold.
#[test]
fn a_roll_with_a_health_check_takes_its_first_probes() {
    let cmd = ["CMD", "true"];
    let (least, took) = roll(checked(web(), &check(&cmd, 2_000, 0, 0)), None, second);
    assert_eq!(least, 0, "the image may bring a start period, and with it another interval");
    assert!((6_000..7_000).contains(&took), "{took}");
    let (least, took) = roll(checked(web(), &check(&cmd, 2_000, 10_000, 500)), None, second);
    assert_eq!(least, 3 * 500);
    assert!(took >= least, "{took}");
    let (least, took) = roll(checked(web(), &check(&cmd, 40_000, 0, 30_000)), None, second);
    assert_eq!((least, took >= 3 * 40_000), (3 * 30_000, true));
}

#[test]
fn an_image_may_bring_a_check_of_its_own() {
    let brought = check(&["CMD", "true"], 1_000, 0, 0);
    let (least, took) = roll(web(), Some(brought.clone()), second);
    assert_eq!(least, 0);
    assert!(took < 5_000, "{took}");
    let (least, took) = roll(checked(web(), &check(&["NONE"], 0, 0, 0)), Some(brought), second);
    assert_eq!(least, 15_000, "the file says that there is none");
    assert!(took >= least, "{took}");
}

/// The very same image runs, and runs without a check.
#[test]
fn an_image_that_runs_without_a_check_brings_none() {
    let pinned = with_task(web(), |task| task.digest = Some(format!("sha256:{}", "a".repeat(64))));
    let restart = |service| with_task(service, |task| task.force_update += 1);
    assert_eq!(roll(pinned.clone(), None, restart).0, 15_000);
    assert_eq!(roll(web(), None, restart).0, 0, "a tag may mean another image by now");
    let other = |service| with_task(service, |task| task.digest = Some(format!("sha256:{}", "b".repeat(64))));
    assert_eq!(roll(pinned.clone(), None, other).0, 0);
    let brought = check(&["CMD", "true"], 1_000, 0, 0);
    assert_eq!(roll(pinned, Some(brought), restart).0, 0, "it is seen to be healthy");
}

/// A digest stands for an image of each platform.
#[test]
fn an_image_of_another_platform_proves_nothing() {
    let pinned = with_task(web(), |task| task.digest = Some(format!("sha256:{}", "a".repeat(64))));
    let least = |observed: Observed| {
        let mut world = World::new(observed, 1, Faults::NONE);
        world.deploy(&stack(vec![pinned.clone()]), options(), None);
        let next = with_task(pinned.clone(), |task| task.force_update = 1);
        Plan::make(&world.observe(), &stack(vec![next]), options()).forecast.duration_ms
    };
    let mut arm = node("h2");
    assert!(least(cluster(vec![node("h1"), arm.clone()])) >= 15_000);
    builder::facts(&mut arm).platform.architecture = "arm64".into();
    assert_eq!(least(cluster(vec![node("h1"), arm])), 0);
}

#[test]
fn a_task_that_may_end_well_at_once_need_not_hold() {
    let mut once = with_task(web(), |task| task.restart_policy.condition = RestartCondition::OnFailure);
    once = checked(once, &check(&["NONE"], 0, 0, 0));
    assert_eq!(roll(once.clone(), None, second).0, 0);
    once.update_config.delay = GoDuration::from_millis(4_000);
    assert_eq!(roll(once, None, second).0, 8_000, "but the delays are sure");
    let job = builder::service("web", ServiceMode::ReplicatedJob { total: 3, max_concurrent: 1 });
    assert_eq!(roll(job, None, second).0, 0);
}

/// Start-first waits as long as stop-first: the old task goes once the new one is up.
#[test]
fn start_first_takes_as_long() {
    let none = check(&["NONE"], 0, 0, 0);
    let mut beside = checked(web(), &none);
    beside.update_config.order = UpdateOrder::StartFirst;
    let (least, took) = roll(beside, None, second);
    assert_eq!(least, 15_000);
    assert!((15_000..16_000).contains(&took), "{took}");
}
