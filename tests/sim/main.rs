//! The converger in a simulated cluster. One seed decides everything; a failing seed is printed with the
//! command that repeats it.
//!
//! Two phases: first things break, and what must never be is watched; then they stop breaking, and the
//! cluster must get to where the stackfile wants it, after which nothing is left to do.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

mod bounds;
mod checks;
mod circles;
mod commands;
mod container;
mod drains;
mod engine;
mod faults;
mod fleet;
mod generate;
#[path = "../support/engine/life.rs"]
mod life;
mod losses;
mod places;
mod probes;
mod release;
#[path = "../support/splitmix.rs"]
mod splitmix;
mod steps;
mod stories;
mod supervisor;
mod swaps;
mod upkeep;
mod watch;
mod world;

/// The driver of commands, as it is, over simulated hosts.
#[allow(dead_code, reason = "it serves loops, too")]
#[path = "../../src/ops"]
mod ops {
    pub use stackctl::ops::{
        Error, Event, Progress, RunReport, Tail, Unknown, agents, failures, log, release, shortfall, vault,
    };

    pub mod hosts;
    pub mod in_place;
    pub mod served;
}

use faults::{Faults, Luck};
// As the program's own files name them that stand here over simulated hosts.
use stackctl::model::StackSpec;
use stackctl::model::testing as builder;
use stackctl::orchestrator::{Ending, Plan, PlanOptions};
#[allow(unused_imports, reason = "named by files of the program")]
use stackctl::{discover, ledger, model, orchestrator};
use world::{RunEnd, World};

const SEEDS: u64 = 3_000;

fn options() -> PlanOptions {
    PlanOptions { prune: true, ..PlanOptions::default() }
}

#[test]
fn every_seed_stays_safe_and_arrives() {
    each_seed("every_seed_stays", SEEDS, |seed| run(seed).trace);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok())
}

/// Runs a world for each seed, on every core. `STACKCTL_SIM_SEED` runs one seed and prints its trace,
/// `STACKCTL_SIM_SEEDS` runs so many.
pub fn each_seed(
    test: &str,
    seeds: u64,
    run: impl Fn(u64) -> Vec<String> + Sync + std::panic::RefUnwindSafe,
) {
    if let Some(seed) = number("STACKCTL_SIM_SEED") {
        println!("{}", run(seed).join("\n"));
        return;
    }
    let seeds = number("STACKCTL_SIM_SEEDS").unwrap_or(seeds);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let run = &run;
    let failed = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    (0..seeds).filter(|seed| seed % threads == worker).find_map(|seed| {
                        let result = std::panic::catch_unwind(|| run(seed));
                        result.err().map(|_| seed)
                    })
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("caught")).min()
    });
    if let Some(seed) = failed {
        panic!("seed {seed} fails; repeat it with: STACKCTL_SIM_SEED={seed} cargo test --test sim {test}");
    }
    println!("{seeds} seeds");
}

#[test]
fn equal_seeds_have_equal_traces() {
    for seed in [3, 77, 1234] {
        assert_eq!(run(seed).trace, run(seed).trace, "seed {seed}");
    }
}

/// One life of a cluster: several versions of a stack, faults and kills, then peace.
fn run(seed: u64) -> World {
    let mut luck = Luck::new(seed);
    let faults = Faults::draw(&mut luck);
    let observed = generate::cluster(&mut luck);
    let mut spec = generate::stack(&mut luck, &observed);
    let mut world = World::new(observed, seed, faults);
    for _ in 0..luck.between(1, 4) {
        let kill_after = luck.once_in(2).then(|| luck.between(0, 8_000));
        if luck.once_in(4) {
            let names: Vec<_> = world.base.nodes.keys().cloned().collect();
            let node = luck.pick(&names).clone();
            let (after, time) = (luck.between(0, 4_000), luck.between(100, 60_000));
            world.schedule_silence(&node, after, time);
        }
        world.deploy(&spec, PlanOptions { atomic: luck.once_in(3), ..options() }, kill_after);
        if luck.once_in(2) {
            let pause = luck.between(0, 20_000);
            world.settle(pause);
        }
        if luck.once_in(2) {
            generate::change(&mut luck, &mut spec);
        }
        if luck.once_in(5) {
            generate::change_nodes(&mut luck, &mut world.base);
        }
    }
    // Peace: nothing fails any more, everybody answers.
    world.faults = Faults::NONE;
    world.settle(200_000);
    world.silent.clear();
    generate::restore_nodes(&mut world.base);
    generate::mend(&mut spec);
    arrive(&mut world, &spec);
    world
}

/// Within a few runs the cluster is as wanted, and then a run does nothing.
fn arrive(world: &mut World, spec: &StackSpec) {
    for _ in 0..3 {
        match world.deploy(spec, options(), None) {
            RunEnd::Verdict(verdict) if verdict.ending == Ending::Converged => {
                world.settle(60_000);
                checks::arrived(world, spec, options().task_history);
                let again = Plan::make(&world.observe(), spec, options());
                assert!(
                    again.is_empty() && again.diff.is_empty(),
                    "something is left to do: {:#?}\n{:?}\n{}",
                    again.forecast.waves,
                    again.diff,
                    world.trace.join("\n")
                );
                return;
            }
            RunEnd::Verdict(_) | RunEnd::Killed => {}
            RunEnd::Refused => {
                // The generator draws stacks that fit four empty nodes; a refusal is right only if some
                // service asks for more nodes with a free port than there are.
                return;
            }
        }
    }
    panic!("never arrives\n{}", world.trace.join("\n"));
}
