//! What must never be, whatever goes wrong: judged from what is sent and from the world itself, not from
//! what the supervisors believe.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::model::action::{Action, What};

use stackctl::model::{NodeName, StackName, TaskStatus, Timestamp};
use stackctl::ops::declared::record::StackRecord;
use stackctl::reconcile::supervisor::event::{Snapshot, StackStatus};
use stackctl::reconcile::supervisor::work::{Healed, Job, Task};

use super::work::Work;
use super::world::{Silence, Sim};

const FIRST_WAIT_MS: i64 = 5_000;
const CAP_MS: i64 = 5 * 60 * 1000;
const BUSY_MS: i64 = 2_000;
/// From the moment at which a silent host has to count as lost to the moment at which it has: three probes
/// that are not answered, and a turn.
const SLACK_MS: i64 = 6_000;

/// What is read is known within this.
const READ_MS: i64 = 100;

/// Attempts at one thing, for one loop.
#[derive(Debug, Default, Clone)]
struct Tries {
    failures: u32,
    not_before: Option<Timestamp>,
    /// What was tried: another release is another story.
    what: String,
}

/// What is remembered in order to judge.
#[derive(Debug, Default)]
pub struct Rules {
    works: u64,
    /// When the engine of a host last answered a loop.
    heard: BTreeMap<(usize, NodeName), Timestamp>,
    left: BTreeMap<(usize, NodeName), Timestamp>,
    /// The newest epoch under which anything was sent for a stack.
    epochs: BTreeMap<StackName, u64>,
    tries: BTreeMap<(usize, StackName, bool), Tries>,
    /// What a loop read last of a stack, and when it asked: its release, and whether it is to be left alone.
    known: BTreeMap<(usize, StackName), (Timestamp, Option<u64>, bool)>,
    /// Heals and releases that were begun.
    pub begun: u64,
}

impl Rules {
    pub fn next_work(&mut self) -> u64 {
        self.works += 1;
        self.works
    }

    pub fn heard(&mut self, who: usize, now: Timestamp, node: &NodeName) {
        self.heard.insert((who, node.clone()), now);
    }

    pub fn left(&mut self, who: usize, now: Timestamp, nodes: &[NodeName]) {
        self.left.extend(nodes.iter().map(|node| ((who, node.clone()), now)));
    }

    pub fn reads(&mut self, who: usize, now: Timestamp, stack: &StackName, known: Option<&StackRecord>) {
        if let Some(known) = known {
            let is_suspended = known.settings.suspended.is_some();
            self.known.insert((who, stack.clone()), (now, known.number(), is_suspended));
        }
    }

    pub fn started(&mut self, who: usize) {
        self.tries.retain(|(of, ..), _| *of != who);
        self.left.retain(|(of, _), _| *of != who);
    }

    /// What a loop knew of an earlier term does not count.
    pub fn term_begins(&mut self, who: usize, now: Timestamp) {
        self.tries.retain(|(of, ..), _| *of != who);
        self.known.retain(|(of, _), _| *of != who);
        self.left.iter_mut().filter(|((of, _), _)| *of == who).for_each(|(_, at)| *at = now);
    }

    pub fn worked(
        &mut self,
        who: usize,
        now: Timestamp,
        stack: &StackName,
        is_release: bool,
        healed: &Healed,
    ) {
        match healed {
            Healed::Done => drop(self.tries.remove(&(who, stack.clone(), is_release))),
            Healed::Failed(_) => {
                let tries = self.tries.entry((who, stack.clone(), is_release)).or_default();
                let wait_ms = (FIRST_WAIT_MS << tries.failures.min(20)).min(CAP_MS);
                tries.failures += 1;
                tries.not_before = Some(now.plus_ms(wait_ms));
            }
            Healed::Busy(_) | Healed::Outdated => {
                for is_release in [true, false] {
                    let tries = self.tries.entry((who, stack.clone(), is_release)).or_default();
                    tries.not_before = Some(now.plus_ms(BUSY_MS));
                }
            }
            Healed::Stopped => {}
        }
    }

    /// A stack that is as declared, or that a person took over, waits for nothing.
    pub fn shown(&mut self, who: usize, snapshot: &Snapshot) {
        for (stack, standing) in &snapshot.stacks {
            let of_release = self.tries.get(&(who, stack.clone(), true)).and_then(|tries| tries.not_before);
            if let StackStatus::Failed { again_at, .. } = standing
                && of_release == Some(*again_at)
                && let Some(heals) = self.tries.get_mut(&(who, stack.clone(), false))
            {
                // What runs is as declared, and only what is to be released waits.
                heals.not_before = None;
            }
            if matches!(standing.word(), "in_sync" | "degraded" | "suspended" | "held" | "removed") {
                for is_release in [true, false] {
                    if let Some(tries) = self.tries.get_mut(&(who, stack.clone(), is_release)) {
                        tries.not_before = None;
                    }
                }
            }
        }
    }
}

/// A heal is called for.
pub fn healing(sim: &mut Sim, who: usize, job: &Job) {
    let what = job.number.to_string();
    begins(sim, who, &job.stack, false, what);
    let known = sim.rules.known.get(&(who, job.stack.clone()));
    if let Some((at, number, _)) = known
        && sim.now.since_ms(*at) > READ_MS
        && *number != Some(job.number)
    {
        sim.fail(&format!("c{who} heals release {} of {}, and has read {number:?}", job.number, job.stack));
    }
    all_lost_are_lost(sim, who, &job.options.lost);
}

/// A release is called for.
pub fn releasing(sim: &mut Sim, who: usize, task: &Task) {
    begins(sim, who, &task.stack, true, task.desired.source().inputs);
    all_lost_are_lost(sim, who, &task.options.lost);
}

fn begins(sim: &mut Sim, who: usize, stack: &StackName, is_release: bool, what: String) {
    sim.rules.begun += 1;
    sim.say(|| format!("c{who} begins work on {stack} ({what})"));
    let life = sim.controllers[who].life;
    if sim.works.values().any(|work| work.owner == Some((who, life)) && work.stack == *stack) {
        sim.fail(&format!("c{who} works on {stack} twice"));
    }
    let known = sim.rules.known.get(&(who, stack.clone()));
    if known.is_none_or(|(at, _, is_suspended)| *is_suspended && sim.now.since_ms(*at) > READ_MS) {
        sim.fail(&format!("c{who} works on {stack}, which is to be left alone, or was never read"));
    }
    if sim.controllers[who].watched != sim.controllers[who].roster.nodes {
        sim.fail(&format!("c{who} does not listen to all members, or to others"));
    }
    if is_cut_off(sim, who) {
        sim.fail(&format!("c{who} works on {stack} while most hosts are silent"));
    }
    let now = sim.now;
    let tries = sim.rules.tries.entry((who, stack.clone(), is_release)).or_default();
    if tries.what != what {
        *tries = Tries { what, ..Tries::default() };
    }
    if let Some(at) = tries.not_before.take_if(|at| *at > now) {
        sim.fail(&format!("c{who} tries {stack} again {} ms early", at.since_ms(now)));
    }
}

/// Whether most hosts have been silent for so long that the loop must know.
fn is_cut_off(sim: &Sim, who: usize) -> bool {
    let patience_ms = sim.setup.options.patience_ms;
    let watched = &sim.controllers[who].watched;
    let is_dark = |node: &&NodeName| {
        let heard = sim.rules.heard.get(&(who, (*node).clone()));
        matches!(sim.silence(Some(who), node), Some(Silence::Hangs | Silence::Refuses))
            && heard.is_none_or(|at| sim.now.since_ms(*at) > patience_ms + SLACK_MS)
    };
    watched.iter().filter(is_dark).count() * 2 > watched.len()
}

/// Members of the cluster become these: a source that names suspiciously few is not believed.
pub fn taken_over(sim: &Sim, who: usize, found: &BTreeSet<NodeName>) {
    let Ok(records) = sim.ledger.nodes() else { return };
    let gone = records.discovered.keys().filter(|node| !found.contains(*node)).count();
    if gone * 2 > records.discovered.len() {
        sim.fail(&format!("c{who} believes a source that does not name {gone} hosts any more"));
    }
}

/// Nobody is given up before the patience is over.
fn all_lost_are_lost(sim: &Sim, who: usize, lost: &BTreeSet<NodeName>) {
    let patience_ms = sim.setup.options.patience_ms;
    for node in lost {
        let key = (who, node.clone());
        let is_member = sim.controllers[who].roster.nodes.contains(node);
        let since = if is_member { sim.rules.heard.get(&key) } else { sim.rules.left.get(&key) };
        if since.is_some_and(|at| sim.now.since_ms(*at) < patience_ms) {
            sim.fail(&format!("c{who} gives {node} up before its patience is over"));
        }
    }
}

/// An action is sent: by the newest holder of the lease alone, and never to a host that is given up.
pub fn sent(sim: &mut Sim, work: &Work, epoch: u64, action: &Action) {
    let newest = sim.rules.epochs.entry(work.stack.clone()).or_insert(epoch);
    let is_old = epoch < *newest;
    *newest = (*newest).max(epoch);
    if is_old {
        sim.fail(&format!("two writers on {}: epoch {epoch} sends after a newer one", work.stack));
    }
    if work.lost.contains(&action.node) {
        sim.fail(&format!("{} is given up, and gets {}", action.node, action.what.verb()));
    }
}

/// An action takes effect: not after those of a newer holder, and no task is doubled by it.
pub fn effect(sim: &mut Sim, id: u64, stack: &StackName, epoch: u64, action: &Action) {
    // A pull that was abandoned changes nothing that runs.
    let is_old = sim.rules.epochs.get(stack).is_some_and(|newest| epoch < *newest);
    if is_old && !action.what.is_pull() {
        sim.fail(&format!("what epoch {epoch} sent for {stack} arrives after a newer one has sent"));
    }
    let What::StartTask { task } = &action.what else { return };

    let Some(work) = sim.works.get(&id) else { return };
    for other in sim.hosts.tasks() {
        let is_same = other.stack == *stack
            && other.service == task.service.service
            && other.slot == task.slot
            && other.id != task.id;
        let runs = other.status.is_live() && other.status != TaskStatus::Created;
        let is_known = work.members.contains(&other.node) && !work.lost.contains(&other.node);
        if is_same && runs && is_known {
            sim.fail(&format!(
                "{stack}: {}.{} is started on {} while {} runs on {}",
                other.service, other.slot, action.node, other.id, other.node
            ));
        }
    }
}
