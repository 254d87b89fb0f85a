//! Rules of the supervisor that the simulation is too coarse for: the lead, a single round, and the end.

use std::collections::BTreeSet;

use super::event::{NodeStatus, StackStatus};
use super::work::Healed;
use super::*;
use crate::ledger::nodes::{Fence, FenceState, NodeRecord, NodeRecords};
use crate::ledger::settings::Settings;
use crate::ledger::{Current, NoCurrent};
use crate::model::spec::Mount;
use crate::model::testing as builder;
use crate::model::{NodeName, Observed, StackName};
use crate::ops::declared::record::{Desired, StackRecord};
use crate::orchestrator::PlanOptions;

fn options() -> Options {
    Options {
        policy: Policy::Heal,
        interval_ms: 30_000,
        records_ms: 60_000,
        discover_ms: 30_000,
        patience_ms: 5_000,
        only: BTreeSet::new(),
        plan: PlanOptions::default(),
        once: false,
    }
}

fn supervisor(options: Options, may_write: bool) -> Supervisor {
    let nodes = ["h1", "h2"].map(NodeName::unchecked).into();
    let setup = Setup { options, may_write, sources: None };
    Supervisor::new(setup, Roster { nodes, ..Roster::default() }, Timestamp(0))
}

/// Commands by their names, with what is said.
fn step(supervisor: &mut Supervisor, now: i64, input: Input) -> Vec<String> {
    let name = |command: &Command| match command {
        Command::Report(_, news) => serde_json::json!(news)["type"].as_str().unwrap_or_default().to_owned(),
        Command::TakeLead { patience_ms, after_ms } => {
            let waits = if *patience_ms == 0 { "at once" } else { "patiently" };
            format!("TakeLead {waits} after {after_ms}")
        }
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    };
    supervisor.step(Timestamp(now), input).iter().map(name).collect()
}

fn shop() -> StackName {
    StackName::unchecked(builder::STACK)
}

fn known() -> StackRecord {
    let spec = builder::stack(vec![builder::replicated("web", 2)]);
    let current = Current { number: 1, spec, older: Default::default() };
    StackRecord {
        desired: Desired::Current(Box::new(current)),
        settings: Settings::default(),
        source: None,
        is_removed: false,
        is_not_begun: false,
    }
}

fn look(observed: Observed, now: i64) -> Input {
    let observed = Observed { at: Timestamp(now), ..observed };
    Input::Looked(Some(Box::new(Look { observed, records: NodeRecords::default(), took_ms: 7 })))
}

fn empty() -> Observed {
    builder::cluster(vec![builder::node("h1"), builder::node("h2")])
}

/// The same without looks at the hosts, which are begun whenever the last one has ended.
fn but_looks(commands: Vec<String>) -> Vec<String> {
    commands.into_iter().filter(|command| command != "Look").collect()
}

/// A leader that has listed one stack, read it, and begun to heal it at 300 ms.
fn healing(options: Options) -> Supervisor {
    let mut one = supervisor(options, true);
    step(&mut one, 0, Input::Tick);
    let begun = step(&mut one, 10, Input::LeadTaken);
    assert_eq!(begun, ["leading", "BeginTerm", "ListStacks", "Look"]);
    assert_eq!(step(&mut one, 20, Input::Listed(Ok([shop()].into()))), ["ReadStack"]);
    step(&mut one, 30, Input::Read(shop(), Ok(Box::new(known()))));
    let healed = but_looks(step(&mut one, 300, look(empty(), 250)));
    assert_eq!(healed, ["stack", "Heal"]);
    assert_eq!(one.snapshot(Timestamp(300)).stacks[&shop()], StackStatus::Healing);
    one
}

#[test]
fn the_lead_is_waited_for_and_a_ledger_that_fails_is_asked_again_later() {
    let mut one = supervisor(options(), true);
    assert_eq!(step(&mut one, 0, Input::Tick), ["TakeLead patiently after 0"]);
    let elsewhere =
        |id: &str| Input::LeadElsewhere { id: id.to_owned(), leader: "ann (process 1)".to_owned() };
    assert_eq!(step(&mut one, 1, elsewhere("a")), ["standing_by"]);
    assert!(step(&mut one, 2, elsewhere("a")).is_empty(), "it is logged once");
    assert!(one.snapshot(Timestamp(2)).is_standing_by);
    assert_eq!(step(&mut one, 3, elsewhere("b")), ["standing_by"]);
    let failed = || Input::LeadFailed("no answer".to_owned());
    assert_eq!(step(&mut one, 4, failed()), ["ledger_trouble", "TakeLead patiently after 2000"]);
    assert_eq!(step(&mut one, 5, failed()), ["TakeLead patiently after 2000"]);
    assert_eq!(one.snapshot(Timestamp(5)).counts.ledger_failed, 2);
    assert_eq!(step(&mut one, 6, Input::Stop), ["stopping", "CancelLead", "Done"]);
}

#[test]
fn a_single_round_does_not_wait_for_another_leader() {
    let mut one = supervisor(Options { once: true, ..options() }, true);
    assert_eq!(step(&mut one, 0, Input::Tick), ["TakeLead at once after 0"]);
    assert_eq!(step(&mut one, 1, Input::LeadRefused), ["Done"]);
}

#[test]
fn a_single_round_gives_a_ledger_up_that_fails_again_and_again() {
    let mut one = supervisor(Options { once: true, ..options() }, true);
    step(&mut one, 0, Input::Tick);
    let failed = || Input::LeadFailed("no answer".to_owned());
    assert_eq!(step(&mut one, 4, failed()), ["ledger_trouble", "TakeLead at once after 2000"]);
    assert_eq!(step(&mut one, 2_004, failed()), ["TakeLead at once after 2000"]);
    assert_eq!(step(&mut one, 4_004, failed()), ["Done"]);
    let mut one = supervisor(Options { once: true, policy: Policy::Report, ..options() }, false);
    step(&mut one, 0, Input::Tick);
    step(&mut one, 20, look(empty(), 0));
    let failed = || Input::Listed(Err("no answer".to_owned()));
    for (now, said) in
        [(30, &["ledger_trouble"][..]), (2_030, &[]), (4_030, &["StopWork", "EndTerm", "Done"])]
    {
        assert_eq!(step(&mut one, now, failed()), said, "{now}");
        step(&mut one, now + 2_000 - 10, Input::Tick);
    }
}

#[test]
fn a_single_round_heals_the_others_of_a_stack_whose_records_cannot_be_read() {
    let mut one = supervisor(Options { once: true, ..options() }, true);
    step(&mut one, 0, Input::Tick);
    step(&mut one, 1, Input::LeadTaken);
    let blog = StackName::unchecked("blog");
    step(&mut one, 10, Input::Listed(Ok([shop(), blog.clone()].into())));
    step(&mut one, 20, Input::Read(shop(), Ok(Box::new(known()))));
    step(&mut one, 180, Input::Tick);
    assert!(step(&mut one, 200, look(empty(), 180)).contains(&"Heal".to_owned()));
    step(&mut one, 205, look(empty(), 200));
    let failed = || Input::Read(blog.clone(), Err("it is cut off".to_owned()));
    for now in [210, 2_220, 4_230] {
        let did = step(&mut one, now, failed());
        assert!(!did.contains(&"StopWork".to_owned()), "the heal goes on: {did:?}");
        step(&mut one, now + 2_001, Input::Tick);
    }
    step(&mut one, 6_240, failed());
    assert!(one.snapshot(Timestamp(6_240)).is_ledger_failing);
    step(&mut one, 6_300, Input::Worked(shop(), Healed::Failed("no room".to_owned())));
    let did = step(&mut one, 6_310, Input::Read(shop(), Ok(Box::new(known()))));
    assert!(did.contains(&"EndTerm".to_owned()), "{did:?}");
}

#[test]
fn a_single_round_ends_once_all_is_judged() {
    let mut one = supervisor(Options { once: true, policy: Policy::Report, ..options() }, false);
    assert_eq!(step(&mut one, 0, Input::Tick), ["BeginTerm", "ListStacks", "Look"]);
    step(&mut one, 10, Input::Listed(Ok([shop()].into())));
    assert!(step(&mut one, 20, look(empty(), 0)).is_empty(), "its records are not read yet");
    step(&mut one, 30, Input::Read(shop(), Ok(Box::new(known()))));
    assert_eq!(step(&mut one, 180, Input::Tick), ["Look"]);
    assert_eq!(step(&mut one, 200, look(empty(), 180)), ["stack", "StopWork", "EndTerm", "Done"]);
    let snapshot = one.snapshot(Timestamp(200));
    assert!(matches!(snapshot.stacks[&shop()], StackStatus::Drifted { actions: 4.., .. }), "{snapshot:?}");
    assert!(!snapshot.is_leading && snapshot.nodes.values().all(|node| *node == NodeStatus::Up));
}

#[test]
fn work_under_way_is_waited_for_when_the_loop_stops_but_not_for_ever() {
    let mut one = healing(options());
    assert_eq!(step(&mut one, 400, Input::Stop), ["stopping", "StopWork"]);
    assert!(step(&mut one, 30_000, Input::Tick).is_empty());
    let end = step(&mut one, 40_000, Input::Worked(shop(), Healed::Stopped));
    assert_eq!(end, ["EndTerm", "ReturnLead"]);
    assert_eq!(step(&mut one, 40_010, Input::LeadReturned), ["Done"]);

    let mut one = healing(options());
    step(&mut one, 400, Input::Stop);
    assert!(step(&mut one, 60_399, Input::Tick).is_empty());
    assert_eq!(step(&mut one, 60_400, Input::Tick), ["EndTerm", "ReturnLead"]);
}

#[test]
fn a_loop_that_has_lost_the_lead_stops_and_competes_again() {
    let mut one = healing(options());
    assert_eq!(step(&mut one, 400, Input::LeadLost), ["StopWork"]);
    let end = step(&mut one, 500, Input::Worked(shop(), Healed::Stopped));
    assert_eq!(end, ["EndTerm", "lead_lost", "ReturnLead"]);
    assert!(!one.snapshot(Timestamp(500)).is_leading);
    assert_eq!(step(&mut one, 510, Input::LeadReturned), ["TakeLead patiently after 0"]);
    let begun = step(&mut one, 900, Input::LeadTaken);
    assert_eq!(begun, ["leading", "BeginTerm", "ListStacks", "Look"], "nothing is taken over");
    assert!(one.snapshot(Timestamp(900)).stacks.is_empty());
}

#[test]
fn a_stack_that_could_not_be_healed_is_tried_again_after_a_wait_that_doubles() {
    let mut one = healing(options());
    let mut failed_at = 400;
    for wait_ms in [5_000, 10_000, 20_000] {
        let failed = Input::Worked(shop(), Healed::Failed("no".to_owned()));
        assert_eq!(step(&mut one, failed_at, failed), ["heal_ended", "ReadStack"]);
        step(&mut one, failed_at + 1, Input::Read(shop(), Ok(Box::new(known()))));
        let early = failed_at + wait_ms - 1;
        assert_eq!(but_looks(step(&mut one, early, look(empty(), early))), [""; 0], "after {wait_ms} ms");
        let again = failed_at + wait_ms;
        assert!(step(&mut one, again, look(empty(), again)).contains(&"Heal".to_owned()));
        failed_at = again + 100;
    }
    assert_eq!(one.snapshot(Timestamp(failed_at)).counts.heals_failed, 3);
}

#[test]
fn a_look_is_given_up_when_one_of_its_hosts_is_lost() {
    let mut one = supervisor(options(), true);
    step(&mut one, 0, Input::Tick);
    step(&mut one, 0, Input::LeadTaken);
    let h1 = NodeName::unchecked("h1");
    let mut all = Vec::new();
    for second in 1..=6 {
        let engine = Input::Host(HostSignal::Engine(NodeName::unchecked("h2")));
        all.extend(step(&mut one, second * 1_000, engine));
        let missed = Input::Host(HostSignal::Missed(h1.clone(), "no answer".to_owned()));
        all.extend(step(&mut one, second * 1_000 + 1, missed));
    }
    assert_eq!(all, ["MarkHostLost", "AbortLook", "node_lost"]);
    assert_eq!(one.snapshot(Timestamp(6_001)).nodes[&h1], NodeStatus::Lost);
    assert_eq!(step(&mut one, 6_010, Input::Looked(None)), ["Look"], "the next one begins at once");
}

#[test]
fn a_stack_of_which_nothing_is_declared_is_left_alone() {
    let mut one = supervisor(options(), true);
    step(&mut one, 0, Input::Tick);
    step(&mut one, 10, Input::LeadTaken);
    step(&mut one, 20, Input::Listed(Ok([shop()].into())));
    let nothing = StackRecord { desired: Desired::Nothing(NoCurrent::Removed(3)), ..known() };
    step(&mut one, 30, Input::Read(shop(), Ok(Box::new(nothing))));
    assert_eq!(but_looks(step(&mut one, 300, look(empty(), 250))), ["stack"]);
    assert_eq!(one.snapshot(Timestamp(300)).stacks[&shop()], StackStatus::Removed);
}

#[test]
fn a_stack_whose_newest_release_is_undecided_is_judged_by_no_older_one() {
    let undecided = || StackRecord { desired: Desired::Undecided(2), ..known() };
    let held = StackStatus::Held { why: NoCurrent::Unfinished(2).to_string() };
    let judged = |options: Options, may_write: bool| {
        let mut one = supervisor(options, may_write);
        step(&mut one, 0, Input::Tick);
        if may_write {
            step(&mut one, 10, Input::LeadTaken);
        }
        step(&mut one, 20, Input::Listed(Ok([shop()].into())));
        step(&mut one, 30, Input::Read(shop(), Ok(Box::new(undecided()))));
        let called_for = but_looks(step(&mut one, 300, look(empty(), 250)));
        (one, called_for)
    };
    let (one, called_for) = judged(Options { policy: Policy::Report, ..options() }, false);
    assert_eq!(
        (called_for, &one.snapshot(Timestamp(300)).stacks[&shop()]),
        (vec!["stack".to_owned()], &held)
    );
    // One that may write settles it, under the lock.
    let (mut one, called_for) = judged(options(), true);
    assert_eq!(called_for, ["stack", "Heal"]);
    step(&mut one, 400, Input::Worked(shop(), Healed::Outdated));
    step(&mut one, 410, Input::Read(shop(), Ok(Box::new(known()))));
    let called_for = but_looks(step(&mut one, 2_500, look(empty(), 2_450)));
    assert_eq!(called_for, ["stack", "Heal"], "what is read then is kept");
}

/// A leader of four hosts that runs a database, of which `silent` are lost, with what it calls for when it looks then.
fn with_lost(silent: &[&str]) -> (Supervisor, Vec<String>) {
    with_lost_by(options(), database(), silent)
}

fn with_lost_by(options: Options, record: StackRecord, silent: &[&str]) -> (Supervisor, Vec<String>) {
    let nodes = ["h1", "h2", "h3", "h4"].map(NodeName::unchecked).into();
    let setup = Setup { options, may_write: true, sources: None };
    let roster = Roster { nodes, fences: [NodeName::unchecked("h2")].into(), ..Roster::default() };
    let mut one = Supervisor::new(setup, roster, Timestamp(0));
    step(&mut one, 0, Input::Tick);
    step(&mut one, 10, Input::LeadTaken);
    step(&mut one, 20, Input::Listed(Ok([shop()].into())));
    step(&mut one, 30, Input::Read(shop(), Ok(Box::new(record))));
    lose(&mut one, 0, silent);
    let called_for = step(&mut one, 7_000, look(but(silent), 6_900));
    (one, called_for)
}

fn database() -> StackRecord {
    let data =
        Mount::Volume { source: Some("shop_data".into()), read_only: false, nocopy: false, subpath: None };
    let db = builder::with_task(builder::replicated("db", 1), |task| {
        task.volumes.insert("/data".into(), data);
    });
    let current = Current { number: 1, spec: builder::stack(vec![db]), older: Default::default() };
    StackRecord { desired: Desired::Current(Box::new(current)), ..known() }
}

/// Six seconds in which these do not answer.
fn lose(one: &mut Supervisor, from: i64, silent: &[&str]) {
    for second in 1..=6 {
        for name in ["h1", "h2", "h3", "h4"] {
            let node = NodeName::unchecked(name);
            let signal = match silent.contains(&name) {
                true => HostSignal::Missed(node, "no answer".to_owned()),
                false => HostSignal::Engine(node),
            };
            step(one, from + second * 1_000, Input::Host(signal));
        }
    }
}

fn but(silent: &[&str]) -> Observed {
    let mut observed = builder::cluster(["h1", "h2", "h3", "h4"].map(builder::node).into());
    for name in silent {
        builder::silence(observed.nodes.get_mut(*name).expect("a node"));
    }
    observed
}

/// A record of a stack that is this many databases.
fn databases(number: u64, names: &[&str]) -> StackRecord {
    let with_data = |name: &&str| {
        let data = Mount::Volume {
            source: Some("shop_data".into()),
            read_only: false,
            nocopy: false,
            subpath: None,
        };
        builder::with_task(builder::replicated(name, 1), |task| {
            task.volumes.insert("/data".into(), data);
        })
    };
    let spec = builder::stack(names.iter().map(with_data).collect());
    StackRecord {
        desired: Desired::Current(Box::new(Current { number, spec, older: Default::default() })),
        ..known()
    }
}

/// What is seen of four hosts while `db.1` runs on h1, or does not.
fn with_database(runs: bool, silent: &[&str]) -> Observed {
    let mut observed = but(silent);
    let Some((spec, _)) = databases(1, &["db"]).spec().map(|(spec, prune)| (spec.clone(), prune)) else {
        panic!("it has a spec")
    };
    if runs {
        let h1 = observed.nodes.get_mut("h1").expect("a node");
        let task = builder::task_of(&spec.name, &spec.services["db"], 1);
        builder::facts(h1).tasks.push(crate::model::Task { node: NodeName::unchecked("h1"), ..task });
    }
    observed
}

/// A leader of four hosts that has looked at them while `db.1` ran on h1.
fn in_sync() -> Supervisor {
    let nodes = ["h1", "h2", "h3", "h4"].map(NodeName::unchecked).into();
    let setup = Setup { options: options(), may_write: true, sources: None };
    let mut one = Supervisor::new(setup, Roster { nodes, ..Roster::default() }, Timestamp(0));
    step(&mut one, 0, Input::Tick);
    step(&mut one, 10, Input::LeadTaken);
    step(&mut one, 20, Input::Listed(Ok([shop()].into())));
    step(&mut one, 30, Input::Read(shop(), Ok(Box::new(databases(1, &["db"])))));
    step(&mut one, 200, look(with_database(true, &[]), 100));
    assert_eq!(one.snapshot(Timestamp(200)).stacks[&shop()], StackStatus::InSync);
    one
}

#[test]
fn a_database_that_was_deployed_onto_a_host_after_the_last_look_at_it_is_not_made_again() {
    let heals = |commands: &[String]| commands.iter().any(|command| command == "Heal");
    // Nothing was released since: what is gone on h1 cannot be on the lost host.
    let mut one = in_sync();
    lose(&mut one, 0, &["h2"]);
    let called_for = step(&mut one, 7_000, look(with_database(false, &["h2"]), 6_900));
    assert!(heals(&called_for), "{called_for:?}");
    // What we do then does not touch the lost host.
    step(&mut one, 7_500, Input::Worked(shop(), Healed::Failed("no".to_owned())));
    step(&mut one, 7_501, Input::Read(shop(), Ok(Box::new(databases(1, &["db"])))));
    let called_for = step(&mut one, 13_000, look(with_database(false, &["h2"]), 12_900));
    assert!(heals(&called_for), "{called_for:?}");
    // A person has released another one, which is nowhere to be seen.
    let mut one = in_sync();
    lose(&mut one, 0, &["h2"]);
    step(&mut one, 6_500, Input::Read(shop(), Ok(Box::new(databases(2, &["db", "other"])))));
    let called_for = step(&mut one, 7_000, look(with_database(true, &["h2"]), 6_900));
    assert!(!heals(&called_for), "{called_for:?}");
    let standing = &one.snapshot(Timestamp(7_000)).stacks[&shop()];
    assert!(matches!(standing, StackStatus::Degraded { .. }), "{standing:?}");
    // So has this loop, on a host that was lost meanwhile.
    let mut one = in_sync();
    let called_for = step(&mut one, 300, look(with_database(false, &[]), 290));
    assert!(heals(&called_for), "{called_for:?}");
    lose(&mut one, 0, &["h2"]);
    step(&mut one, 6_500, Input::Worked(shop(), Healed::Failed("no".to_owned())));
    step(&mut one, 6_501, Input::Read(shop(), Ok(Box::new(databases(1, &["db"])))));
    let called_for = step(&mut one, 20_000, look(with_database(false, &["h2"]), 19_900));
    assert!(!heals(&called_for), "{called_for:?}");
}

fn fences(commands: &[String]) -> usize {
    commands.iter().filter(|command| *command == "Fence").count()
}

#[test]
fn a_lost_node_is_fenced_once_for_the_data_that_may_be_there() {
    let (mut one, begun) = with_lost(&["h2"]);
    assert_eq!(fences(&begun), 1, "{begun:?}");
    assert_eq!(fences(&step(&mut one, 8_000, look(but(&["h2"]), 7_900))), 0);
    let why = Err(Unfenced::Failed("no power".to_owned()));
    let ended = step(&mut one, 9_000, Input::Fenced(NodeName::unchecked("h2"), why));
    assert!(ended.contains(&"fence_ended".to_owned()), "{ended:?}");
    assert_eq!(fences(&step(&mut one, 10_000, look(but(&["h2"]), 9_900))), 0, "not again for this loss");
    assert_eq!(one.snapshot(Timestamp(10_000)).counts.fences_failed, 1);
    // It is back, and what came of its fence is forgotten.
    step(&mut one, 10_500, Input::Host(HostSignal::Engine(NodeName::unchecked("h2"))));
    let mut records = NodeRecords::default();
    let mut record = NodeRecord::new("ann@mill".into(), Timestamp(9_000));
    let state = FenceState::Failed { why: "no power".into(), is_refused: false };
    record.fence = Some(Fence { state, who: "ann@mill".into(), at: Timestamp(9_000) });
    records.nodes.insert(NodeName::unchecked("h2"), record);
    let observed = Observed { at: Timestamp(10_900), ..but(&[]) };
    let seen = Input::Looked(Some(Box::new(Look { observed, records, took_ms: 7 })));
    let cleared = step(&mut one, 11_000, seen);
    assert!(cleared.contains(&"ClearFence".to_owned()), "{cleared:?}");
}

/// A look at the four hosts while h2 is lost, with what is recorded of its fence.
fn look_with(fence: Option<Fence>, now: i64) -> Input {
    let mut records = NodeRecords::default();
    let mut record = NodeRecord::new("ann@mill".into(), Timestamp(0));
    record.fence = fence;
    records.nodes.insert(NodeName::unchecked("h2"), record);
    let observed = Observed { at: Timestamp(now), ..but(&["h2"]) };
    Input::Looked(Some(Box::new(Look { observed, records, took_ms: 7 })))
}

#[test]
fn a_fence_that_could_not_be_written_down_is_tried_again_and_one_that_may_have_run_is_not() {
    let h2 = NodeName::unchecked("h2");
    let fence = |state, at| Some(Fence { state, who: "ann@mill".into(), at: Timestamp(at) });
    let not_begun = || Input::Fenced(h2.clone(), Err(Unfenced::NotBegun("no majority".to_owned())));
    for (recorded, fenced) in [
        (None, 1),
        // Its own record came through all the same.
        (fence(FenceState::Running, 7_000), 1),
        (fence(FenceState::Running, 7_001), 0),
        (fence(FenceState::Failed { why: "no power".into(), is_refused: false }, 7_000), 0),
        (fence(FenceState::Failed { why: "not that one".into(), is_refused: true }, 6_000), 1),
    ] {
        let (mut one, begun) = with_lost(&["h2"]);
        assert_eq!(fences(&begun), 1);
        let ended = step(&mut one, 7_100, not_begun());
        assert_eq!(but_looks(ended), ["ledger_trouble"]);
        assert_eq!(fences(&step(&mut one, 8_000, look_with(recorded.clone(), 7_900))), 0, "not at once");
        let again = step(&mut one, 9_200, look_with(recorded.clone(), 9_150));
        assert_eq!(fences(&again), fenced, "{recorded:?} {again:?}");
        assert!(!again.contains(&"fence_began".to_owned()), "it is logged once");
    }
    // It has answered by then.
    let (mut one, _) = with_lost(&["h2"]);
    step(&mut one, 7_100, Input::Host(HostSignal::Engine(h2.clone())));
    step(&mut one, 7_200, not_begun());
    assert_eq!(fences(&step(&mut one, 9_300, look(but(&[]), 9_250))), 0);
}

#[test]
fn a_loop_that_heals_nothing_fences_nothing() {
    let suspended = crate::ledger::settings::Suspended { who: "ann".into(), at: Timestamp(0), why: None };
    let settings = Settings { suspended: Some(suspended) };
    for (options, record) in [
        (Options { policy: Policy::Report, ..options() }, database()),
        (Options { once: true, ..options() }, database()),
        (options(), StackRecord { settings, ..database() }),
    ] {
        let (_, begun) = with_lost_by(options, record, &["h2"]);
        assert_eq!(fences(&begun), 0, "{begun:?}");
    }
}

#[test]
fn no_node_is_fenced_while_half_of_them_are_silent() {
    let (_, begun) = with_lost(&["h2", "h3"]);
    assert_eq!(fences(&begun), 0, "{begun:?}");
    let (_, begun) = with_lost(&["h3"]);
    assert_eq!(fences(&begun), 0, "it has no fence: {begun:?}");
}
