//! What must never be, judged from what is sent and from the hosts themselves.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::model::action::Action;
use stackctl::model::spec::ServiceMode;
use stackctl::model::{NodeName, StackName, StackSpec, Task, TaskStatus};

use crate::fleet::World;

/// What a command said, until a later one sends anything.
#[derive(Debug, Clone)]
struct Claim {
    process: usize,
    spec: StackSpec,
    since: i64,
}

/// What is remembered in order to judge.
#[derive(Debug, Default)]
pub struct Rules {
    /// Whether managers forget: then what was sent before counts, not what arrives after.
    forgets: bool,
    /// Managers that have lost something, or are as they were before.
    lost: BTreeSet<NodeName>,
    is_older: bool,
    /// When a majority was, and one of it as it was before: two processes may then hold the lock in good faith.
    doubtful_since: Option<i64>,
    /// Processes in the order in which they first sent a change.
    holders: BTreeMap<StackName, Vec<usize>>,
    /// How many had by the time at which a process began.
    before: BTreeMap<usize, usize>,
    /// Processes that have come to an end, by themselves or not.
    ended: Vec<usize>,
    claims: BTreeMap<StackName, Claim>,
    pub acknowledged: u32,
    /// Of these, so many were found to be as they were said to be a minute later.
    pub lasted: u32,
}

const MINUTE_MS: i64 = 60_000;
/// Within a TTL both holders of a lock that came back older have noticed.
const BOTH_STOP_MS: i64 = 15_000;
/// How long what they have begun may go on: requests on their way, and the longest grace.
const LAST_EFFECTS_MS: i64 = 20_000 + 40_000;

impl Rules {
    pub fn new(forgets: bool) -> Self {
        Self { forgets, ..Self::default() }
    }

    /// Managers have lost their records, or are as they were at an earlier time. Where no majority has what is newer,
    /// nothing shows that a lock is held: both holders stop once they notice, and what they have begun goes on.
    pub fn loses(world: &mut World, who: &[NodeName], is_older: bool, majority: usize) {
        let now = world.now();
        let rules = &mut world.rules;
        rules.lost.extend(who.iter().cloned());
        rules.is_older |= is_older;
        if rules.is_older && rules.lost.len() >= majority {
            rules.doubtful_since = Some(now);
            rules.forget_claims();
        }
    }

    /// What was said does not count any more: what it was said of is gone.
    pub fn forget_claims(&mut self) {
        self.claims.clear();
    }

    /// Until when what is said may come to be otherwise, by what was begun before that.
    pub fn doubtful_until(&self) -> i64 {
        self.doubtful_since.map_or(0, |since| since + BOTH_STOP_MS + LAST_EFFECTS_MS)
    }

    /// A change is sent: by one process at a time, and never again by one after which another has sent.
    pub fn sent(world: &mut World, process: usize, action: &Action, stack: &StackName) {
        world.say(format_args!(
            "p{process} > {} {} on {} ({})",
            action.what.verb(),
            action.what.object(),
            action.node,
            action.why
        ));
        if action.what.is_pull() {
            return;
        }
        let now = world.now();
        let holders = world.rules.holders.entry(stack.clone()).or_default();
        let is_new = !holders.contains(&process);
        let may_be_two = world.rules.doubtful_since.is_some_and(|since| now - since <= BOTH_STOP_MS);
        let last = *holders.last().unwrap_or(&process);
        if is_new {
            holders.push(process);
        } else if last != process && !may_be_two {
            world.fail(&format!("two holders: p{process} sends after p{last} has sent"));
        }
        Self::counts(world);
        let is_otherwise = world.rules.claims.get(stack).is_some_and(|claim| claim.process != process);
        if is_otherwise {
            world.rules.claims.remove(stack);
        }
    }

    /// A request takes effect.
    pub fn effect(world: &mut World, process: usize, stack: &StackName, action: &Action, is_change: bool) {
        if !is_change {
            return;
        }
        let (verb, object, node) = (action.what.verb(), action.what.object(), &action.node);
        world.say(format_args!("p{process}: {verb} {object} on {node}"));
        let last = world.rules.holders.get(stack).and_then(|all| all.last()).copied();
        if !world.rules.forgets
            && let Some(last) = last.filter(|last| *last != process)
        {
            world.fail(&format!("{verb} {object} of p{process} arrives after p{last} has sent"));
        }
        Self::changed(world);
    }

    /// Something is otherwise on a host.
    pub fn changed(world: &mut World) {
        Self::counts(world);
        one_writer(world);
        let claims: Vec<Claim> = world.rules.claims.values().cloned().collect();
        for claim in claims {
            if let Err(why) = is_as_said(world, &claim.spec) {
                world.fail(&format!(
                    "p{} said at {} that all is well, and no later command did anything: {why}",
                    claim.process, claim.since
                ));
            }
        }
    }

    /// A command has said that all is as it was asked to be.
    pub fn acknowledges(world: &mut World, process: usize, spec: &StackSpec) {
        world.rules.acknowledged += 1;
        let holders = world.rules.holders.get(&spec.name).map(Vec::as_slice).unwrap_or_default();
        let last = holders.last().copied();
        // Another one has sent since this one began to look, or is at work, and will have the last word.
        let is_newer = holders.len() > world.rules.before.get(&process).copied().unwrap_or(0);
        let is_overtaken =
            last.is_some_and(|last| last != process && (is_newer || !world.rules.ended.contains(&last)));
        if is_overtaken {
            return;
        }
        if let Err(why) = is_as_said(world, spec) {
            world.fail(&format!("p{process} says that all is well: {why}"));
        }
        Self::counts(world);
        if world.now() < world.rules.doubtful_until() {
            return;
        }
        let claim = Claim { process, spec: spec.clone(), since: world.now() };
        world.rules.claims.insert(spec.name.clone(), claim);
    }

    pub fn begins(world: &mut World, process: usize) {
        let sent = world.rules.holders.values().map(Vec::len).sum();
        world.rules.before.insert(process, sent);
    }

    pub fn ends(world: &mut World, process: usize) {
        world.rules.ended.push(process);
    }

    fn counts(world: &mut World) {
        let now = world.now();
        world.rules.lasted +=
            u32::from(world.rules.claims.values().any(|claim| now - claim.since >= MINUTE_MS));
    }

    /// The last word has lasted for a minute.
    pub fn lasts(world: &mut World) {
        let now = world.now();
        if world.rules.claims.is_empty() {
            world.fail("no command has the last word");
        }
        if world.rules.claims.values().any(|claim| now - claim.since < MINUTE_MS) {
            world.fail("the last word is younger than a minute");
        }
    }
}

fn runs(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Running { .. } | TaskStatus::Restarting { .. } | TaskStatus::Paused)
}

fn running(world: &World) -> impl Iterator<Item = &Task> {
    world.hosts.tasks().filter(|task| runs(task.status) && !world.off.contains(&task.node))
}

/// At most one program writes to a volume, on whichever hosts it is.
fn one_writer(world: &mut World) {
    let writers: Vec<String> = running(world)
        .filter(|task| !task.spec.volumes.is_empty())
        .map(|task| format!("{} on {}", task.id, task.node))
        .collect();
    if writers.len() > 1 {
        world.fail(&format!("two writers of a volume: {}", writers.join(" and ")));
    }
}

fn is_as_said(world: &World, spec: &StackSpec) -> Result<(), String> {
    let mut slots: BTreeMap<(String, String), u32> = BTreeMap::new();
    for task in running(world).filter(|task| task.stack == spec.name) {
        let Some(service) = spec.services.get(&task.service) else {
            return Err(format!("{} runs, which was removed", task.id));
        };
        if task.spec.image != service.task.image {
            return Err(format!("{} runs {}", task.id, task.spec.image));
        }
        let has = world.hosts.containers[&task.node][&task.id].tuning().limits;
        if !world.rules.forgets && has != service.task.resources.limits {
            return Err(format!("{} has {has:?}", task.id));
        }
        *slots.entry((task.service.to_string(), task.slot.to_string())).or_default() += 1;
    }
    if let Some((slot, count)) = slots.iter().find(|(_, count)| **count > 1) {
        return Err(format!("{count} tasks of {slot:?}"));
    }
    for service in spec.services.values() {
        let ServiceMode::Replicated { replicas } = service.mode else { continue };
        let count = slots.keys().filter(|(name, _)| *name == service.name.as_str()).count();
        // A database whose data is on a dead host waits for it.
        let waits = !service.task.volumes.is_empty() && !world.off.is_empty() && count == 0;
        if count != replicas as usize && !waits {
            return Err(format!("{count} tasks of {}, not {replicas}", service.name));
        }
    }
    Ok(())
}
