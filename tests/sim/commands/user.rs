//! Persons who give commands, each a process of its own on the person's machine.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic as _;
use stackctl::ledger::lease::Holder;
use stackctl::ledger::release::History;
use stackctl::ledger::{Ledger, LedgerError, Limits};
use stackctl::model::{MarkKey, NodeName, StackName, StackSpec};
use stackctl::ops::release::{
    ApproveAll, Done, Draft, Driver as _, Edit, Edited, Job, Order, Remembers as _, Rollout, Stop, Terms,
    rollout,
};
use stackctl::orchestrator::pin::ResolveImage;
use stackctl::orchestrator::{PlanOptions, Planned};
use tokio::time::sleep;

use super::faults::{Profile, Stress};
use super::rules::Rules;
use super::{EPOCH_MS, Taste, scaled, spec};
use crate::builder;
use crate::engine::new_key::NewKey;
use crate::engine::{Clock, Me};
use crate::faults::Luck;
use crate::fleet::{Fleet, Net, Process, RegisterWriter, lock};
use crate::ops::Error;
use crate::ops::hosts::{Hosts, HostsRecord};

thread_local! {
    /// Processes that are over. A driver asks by a plain function, and each world has a thread to itself.
    static GONE: RefCell<BTreeSet<(String, u32)>> = const { RefCell::new(BTreeSet::new()) };
}

pub fn forget_the_gone() {
    GONE.with_borrow_mut(BTreeSet::clear);
}

fn is_gone_from(machine: &str, holder: &Holder) -> bool {
    holder.who == machine && GONE.with_borrow(|gone| gone.contains(&(holder.who.clone(), holder.pid)))
}

/// What a person wants.
#[derive(Debug, Clone)]
pub enum Command {
    Deploy(StackSpec),
    Scale(u32),
    /// To the release before the last.
    Rollback,
    Remove,
}

impl Command {
    pub fn draw(luck: &mut Luck, taste: Taste) -> Self {
        match luck.between(0, 9) {
            0..=4 => Self::Deploy(spec(luck, taste)),
            5 | 6 => Self::Scale(u32::try_from(luck.between(1, 4)).expect("small")),
            7 | 8 => Self::Rollback,
            _ => Self::Remove,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Scale(_) => "scale",
            Self::Rollback => "rollback",
            Self::Remove => "rm",
        }
    }

    /// The spec that it comes to, by what is remembered; `None` if it comes to nothing.
    fn spec(&self, history: &History) -> Option<StackSpec> {
        match self {
            Self::Deploy(spec) => Some(spec.clone()),
            Self::Scale(replicas) => Some(scaled(history.current().ok()?.spec.clone(), *replicas)),
            Self::Rollback => {
                let mut good = history.releases.values().rev().filter(|(_, outcome)| outcome.is_some());
                let (release, _) = good.nth(1)?;
                Some(release.spec.clone())
            }
            Self::Remove => Some(StackSpec::empty(StackName::unchecked(builder::STACK))),
        }
    }
}

/// A person, and what stands in the inventory there.
#[derive(Debug, Clone)]
pub struct Person {
    machine: &'static str,
    hosts: BTreeSet<NodeName>,
    managers: Arc<Vec<String>>,
    is_gone: fn(&Holder) -> bool,
    pub taste: Taste,
}

/// Why a command did not do what it was given for.
#[derive(Debug)]
pub struct Why {
    text: String,
    code: Option<String>,
    has_remedy: bool,
}

impl Why {
    fn of(error: &Error) -> Self {
        let text = error.to_string();
        let Error::Ledger(error) = error else { return Self::from(&*text) };
        let code = error.code().map(|code| code.to_string());
        Self { text, code, has_remedy: error.help().is_some() }
    }

    /// Whether it was refused by this name, with words on what to do.
    pub fn is_refused_as(&self, code: &str) -> bool {
        self.has_remedy && self.code.as_deref() == Some(code)
    }
}

impl From<&str> for Why {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), code: None, has_remedy: false }
    }
}

/// Ends a run early.
struct Interrupt(Option<i64>);

impl Stop for Interrupt {
    async fn stopped(&self) {
        match self.0 {
            Some(ms) => sleep(Duration::from_millis(ms.unsigned_abs())).await,
            None => std::future::pending().await,
        }
    }
}

/// How a command is given.
#[derive(Debug, Clone)]
struct How {
    lost: BTreeSet<NodeName>,
    patience_ms: i64,
    timeout_ms: i64,
    interrupted_after: Option<i64>,
}

impl How {
    fn draw(luck: &mut Luck, taste: Taste, lost: BTreeSet<NodeName>) -> Self {
        let hurried = if taste.stress == Stress::SlowStops { 4_000 } else { 600_000 };
        Self {
            lost,
            patience_ms: *luck.pick(&[0, 30_000, 200_000]),
            timeout_ms: *luck.pick(&[4_000, 60_000, 600_000, hurried]),
            interrupted_after: luck.once_in(8).then(|| luck.between(10, 5_000)),
        }
    }
}

impl Person {
    pub fn ann(profile: &Profile) -> Self {
        Self {
            machine: "ann",
            hosts: profile.hosts.iter().cloned().collect(),
            managers: Arc::new(profile.managers.clone()),
            is_gone: |holder| is_gone_from("ann", holder),
            taste: Taste::of(profile),
        }
    }

    pub fn bob(profile: &Profile) -> Self {
        Self {
            machine: "bob",
            hosts: profile.bobs_hosts.iter().cloned().collect(),
            managers: Arc::new(profile.bobs_managers.clone()),
            is_gone: |holder| is_gone_from("bob", holder),
            taste: Taste::of(profile),
        }
    }

    /// With the larger of the two sets of managers: an inventory that has all of them.
    pub fn with_all_managers(self, profile: &Profile) -> Self {
        let managers = [&profile.bobs_managers, &profile.managers].into_iter().max_by_key(|all| all.len());
        Self { managers: Arc::new(managers.expect("two").clone()), ..self }
    }

    /// Gives a command; why it did not say that all is well.
    pub async fn gives(&self, net: &Net, command: Command, lost: BTreeSet<NodeName>) -> Result<(), Why> {
        net.begins(self.machine);
        let (process, how) = {
            let world = &mut *lock(net);
            let machine = self.machine;
            world.processes.push(Process { machine, is_dead: false, is_over: false, frozen_until: 0 });
            let process = world.processes.len() - 1;
            Rules::begins(world, process);
            let how = How::draw(&mut world.luck, self.taste, lost);
            world.say(format_args!("{machine}: {} (p{process}) {how:?}", command.word()));
            (process, how)
        };
        let given = tokio::task::spawn_local(given(self.clone(), net.clone(), process, command, how));
        let stop = given.abort_handle();
        let done = tokio::select! {
            biased;
            done = given => Some(done.expect("no panic")),
            () = net.died(process) => None,
        };
        stop.abort();
        GONE.with_borrow_mut(|gone| {
            gone.insert((self.machine.to_owned(), u32::try_from(process).expect("small")))
        });
        let world = &mut *lock(net);
        world.processes[process].is_over = true;
        Rules::ends(world, process);
        match done {
            None => Err(Why::from("it was killed")),
            Some(Ok(spec)) => {
                world.say(format_args!("p{process}: done"));
                Rules::acknowledges(world, process, &spec);
                Ok(())
            }
            Some(Err(why)) => {
                world.say(format_args!("p{process}: {}", why.text));
                Err(why)
            }
        }
    }
}

/// A command from its first question to its last word: what the stack is now, if all is well.
async fn given(
    person: Person,
    net: Net,
    process: usize,
    command: Command,
    how: How,
) -> Result<StackSpec, Why> {
    let fleet = Fleet::new(net.clone(), process, person.hosts.clone());
    let registers = RegisterWriter { net: net.clone(), process, names: Arc::clone(&person.managers) };
    let reading = Ledger::new(registers.clone(), Limits::default());
    let writing = Arc::new(Ledger::new(registers, Limits::default()));
    let now = lock(&net).now() + EPOCH_MS;
    let me = Me {
        who: person.machine.to_owned(),
        pid: u32::try_from(process).expect("small"),
        process: format!("p{process}"),
        is_gone: person.is_gone,
        new_key: NewKey::given(Some(MarkKey::new([7; 32]))),
    };
    let clock = Clock::start(Some(&now.to_string())).expect("a time");
    let driver = Hosts::new(&fleet, clock, &reading, writing, me);
    let job = planned(&driver, &command, &how).await.map_err(|error| Why::of(&error))?;
    let wanted = job.plan.spec().clone();
    let terms = Terms { patience_ms: how.patience_ms, timeout_ms: how.timeout_ms, ..Terms::default() };
    let rollout_how = Rollout { terms, dry_run: false };
    let stop = Interrupt(how.interrupted_after);
    let first = async || Ok(());
    let done = rollout(&driver, vec![job], &rollout_how, &mut ApproveAll::new(), first, &stop, &()).await;
    net.thawed(process).await;
    let done = done.map_err(|error: Error| Why::of(&error))?.pop().ok_or("nothing was done")?;
    if !done.is_well() {
        return Err(Why::from("it did not go well"));
    }
    Ok(match done {
        Done::Ran(ran) => ran.report.plan.spec().clone(),
        Done::Idle | Done::NotWanted => wanted,
    })
}

async fn planned(
    driver: &Hosts<'_>,
    command: &Command,
    how: &How,
) -> Result<Job<Planned, HostsRecord, Edited<Error>>, Error> {
    let stack = StackName::unchecked(builder::STACK);
    let ((), read) = driver.read_before(&stack, async {}).await;
    let (record, free) = read.map_err(Error::Ledger)?;
    let Some(spec) = command.spec(record.history()) else {
        return Err(Error::Stale { why: "there is nothing to do that to".to_owned() });
    };
    let options = PlanOptions { prune: true, lost: how.lost.clone(), ..PlanOptions::default() };
    let plan = driver.plan(spec.clone(), options, ResolveImage::Never).await;
    let draft = Draft { verb: command.word().to_owned(), ..Draft::default() };
    let again = command.clone();
    let edit: Edit = Arc::new(move |history: &History| {
        again
            .spec(history)
            .ok_or_else(|| Error::Stale { why: "there is nothing left to do that to".to_owned() })
    });
    let intent = match command {
        Command::Scale(_) => Edited::by(edit),
        _ => Edited::default(),
    };
    let order = Order { record, free, draft, intent };
    Ok(Job::new(plan, Some(Ok::<_, LedgerError>(order))))
}
