//! The network between the machines of persons and hosts, and the processes on those machines.
//!
//! A request is in the kernel's hands once it is written: it is sent again until it arrives, though its sender gave it
//! up, was killed, or sleeps. An answer is lost where nobody waits for it any more, or only the way back is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stackctl::ledger::{Content, Place};
use stackctl::model::action::Action;
use stackctl::model::{NodeName, StackName, Timestamp};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::Dockerd;
use crate::commands::faults::{Sprung, Trap};
use crate::commands::rules::Rules;
use crate::faults::Luck;
use crate::world::World as Hosts;

/// ssh ends a connection whose other side has been silent for so long.
pub const SILENCE_MS: i64 = 20_000;
/// What is left in a closed socket is sent again until so long after it was written.
pub const GIVEN_UP_MS: i64 = 120_000;
/// The first time it is sent again after this, then after twice as long, up to the longest.
const FIRST_RESEND_MS: i64 = 200;
const LONGEST_RESEND_MS: i64 = 51_200;
/// A connection cannot be opened within this.
const DIAL: Duration = Duration::from_secs(10);
/// Between two looks at a connection that may have died.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Which ways between a machine and a host are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Both,
    /// Requests do not arrive.
    There,
    /// Answers do not.
    Back,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The connection is gone.
    Lost,
    /// The time for it is over.
    Late,
    /// It was not sent: the lease is over.
    Fenced,
}

/// A process of the program.
#[derive(Debug, Clone)]
pub struct Process {
    /// On which machine.
    pub machine: &'static str,
    pub is_dead: bool,
    pub is_over: bool,
    /// Until then it sleeps.
    pub frozen_until: i64,
}

/// How often what goes wrong: once in so many calls, 0 for never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    pub lost_reply_in: u32,
    pub slow_in: u32,
}

/// Everything outside the processes.
pub struct World {
    pub begun: Instant,
    pub luck: Luck,
    pub hosts: Hosts,
    pub dockerd: BTreeMap<NodeName, Dockerd>,
    pub processes: Vec<Process>,
    /// Since when a way is cut, by machine and host.
    pub cuts: BTreeMap<(&'static str, NodeName), (Cut, i64)>,
    /// Machines that are off.
    pub off: BTreeSet<NodeName>,
    pub registers: BTreeMap<(NodeName, String, Place), (Content, Timestamp)>,
    /// How far a host's clock is ahead.
    pub ahead: BTreeMap<NodeName, i64>,
    pub trouble: Trouble,
    /// How long what was sent may be on its way.
    pub given_up_ms: i64,
    /// When a process ended its connection to a host, with all that was in its queue.
    pub ended: BTreeMap<(usize, NodeName), i64>,
    pub traps: Vec<Trap>,
    /// Nothing goes wrong any more.
    pub is_calm: bool,
    pub rules: Rules,
    pub failed: Option<String>,
    pub trace: Vec<String>,
}

impl World {
    /// Milliseconds since the world began.
    pub fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).expect("short")
    }

    pub fn say(&mut self, line: impl std::fmt::Display) {
        let now = self.now();
        self.trace.push(format!("{now} {line}"));
    }

    /// Something was seen that must never be. The world goes on until its story looks: requests under way are tasks,
    /// in which a panic would be lost.
    pub fn fail(&mut self, why: &str) {
        let at = self.now();
        self.say(format_args!("!!! {why}"));
        self.failed.get_or_insert_with(|| format!("at {at}: {why}"));
    }

    /// SIGKILL for what a person's machine runs.
    pub fn kill(&mut self, machine: &str) {
        for at in 0..self.processes.len() {
            let one = &mut self.processes[at];
            if one.machine == machine && !one.is_over && !std::mem::replace(&mut one.is_dead, true) {
                self.say(format_args!("p{at} is killed"));
            }
        }
    }

    pub fn freeze(&mut self, machine: &str, for_ms: i64) {
        let until = self.now() + for_ms;
        for at in 0..self.processes.len() {
            let one = &mut self.processes[at];
            if one.machine == machine && !one.is_over {
                one.frozen_until = until;
                self.say(format_args!("p{at} sleeps for {for_ms} ms"));
            }
        }
    }

    fn machine(&self, process: usize) -> &'static str {
        self.processes[process].machine
    }

    fn cut(&self, process: usize, node: &NodeName) -> Option<(Cut, i64)> {
        self.cuts.get(&(self.machine(process), node.clone())).copied()
    }

    /// Whether a packet arrives at the host now.
    fn goes_there(&self, process: usize, node: &NodeName) -> bool {
        !self.off.contains(node) && !matches!(self.cut(process, node), Some((Cut::Both | Cut::There, _)))
    }

    fn comes_back(&self, process: usize, node: &NodeName) -> bool {
        !self.off.contains(node) && !matches!(self.cut(process, node), Some((Cut::Both | Cut::Back, _)))
    }

    fn is_up(&self, process: usize, node: &NodeName) -> bool {
        self.goes_there(process, node) && self.comes_back(process, node)
    }

    /// Whether the connection to the host has been silent for so long that it is closed.
    fn is_closed(&self, process: usize, node: &NodeName) -> bool {
        self.off.contains(node)
            || self.cut(process, node).is_some_and(|(_, since)| self.now() - since >= SILENCE_MS)
    }

    fn delay_ms(&mut self) -> i64 {
        if self.luck.once_in(self.trouble.slow_in) {
            self.luck.between(500, 8_000)
        } else {
            self.luck.between(1, 20)
        }
    }
}

/// The world, shared.
#[derive(Clone)]
pub struct Net(pub Arc<Mutex<World>>);

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

pub fn lock(net: &Net) -> MutexGuard<'_, World> {
    net.0.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn rest(ms: i64) {
    sleep(Duration::from_millis(ms.max(0).unsigned_abs())).await;
}

impl Net {
    /// Until the process is awake; never, if it is dead.
    pub async fn thawed(&self, process: usize) {
        loop {
            let left = {
                let world = lock(self);
                let one = &world.processes[process];
                if one.is_dead { None } else { Some(one.frozen_until - world.now()) }
            };
            match left {
                None => std::future::pending::<()>().await,
                Some(left) if left > 0 => rest(left).await,
                Some(_) => return,
            }
        }
    }

    /// Whether there is a connection, or one can be opened.
    pub async fn connects(&self, process: usize, node: &NodeName) -> bool {
        if !lock(self).is_closed(process, node) {
            return true;
        }
        let opened = async {
            while !lock(self).is_up(process, node) {
                sleep(ALIVE_EVERY).await;
            }
        };
        timeout(DIAL, opened).await.is_ok()
    }

    /// A question that changes nothing.
    pub async fn read<T>(
        &self,
        process: usize,
        node: &NodeName,
        limit: Duration,
        ask: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Broken> {
        self.thawed(process).await;
        let answer = async {
            if !self.connects(process, node).await {
                return Err(Broken::Lost);
            }
            let delay = lock(self).delay_ms();
            rest(delay).await;
            while !lock(self).is_up(process, node) {
                if lock(self).is_closed(process, node) {
                    return Err(Broken::Lost);
                }
                sleep(Duration::from_millis(500)).await;
            }
            let answer = ask(&mut lock(self));
            let delay = lock(self).luck.between(1, 20);
            rest(delay).await;
            Ok(answer)
        };
        let answer = timeout(limit, answer).await.unwrap_or(Err(Broken::Late));
        self.thawed(process).await;
        answer
    }

    /// A request that changes something there, whenever it arrives. It is written now: a process that is put to sleep
    /// between the check of its lease and the write is no subject here.
    pub async fn call<T, F>(
        &self,
        process: usize,
        node: &NodeName,
        limit: Duration,
        act: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, Broken>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let way = Way { net: self.clone(), process, node: node.clone(), sent: lock(self).now() };
        tokio::spawn(async move {
            if !way.arrives().await {
                return;
            }
            let result = act(way.net.clone()).await;
            if way.returns().await {
                let _may_be_unheard = answer.send(result);
            }
        });
        let dies = async {
            while !lock(self).is_closed(process, node) {
                sleep(ALIVE_EVERY).await;
            }
        };
        let answer = tokio::select! {
            biased;
            answer = answered => answer.map_err(|_| Broken::Lost),
            () = dies => Err(Broken::Lost),
            () = sleep(limit) => Err(Broken::Late),
        };
        self.thawed(process).await;
        answer
    }

    /// Watches who sends what, and lets happen what waits for that.
    pub fn sends(&self, process: usize, action: &Action, stack: &StackName) {
        let world = &mut *lock(self);
        Rules::sent(world, process, action, stack);
        if action.what.is_pull() {
            return;
        }
        let machine = world.machine(process);
        let mut sprung = Vec::new();
        for trap in world.traps.iter_mut().filter(|trap| trap.machine == machine) {
            trap.left -= 1;
            if trap.left <= 0 {
                sprung.push(trap.what.clone());
            }
        }
        world.traps.retain(|trap| trap.left > 0);
        for what in sprung {
            match what {
                Sprung::Kill => world.kill(machine),
                Sprung::Freeze(ms) => world.freeze(machine, ms),
                Sprung::Records(change) => change.happens(world),
                Sprung::Cut(cut, ms, hosts) if hosts.contains(&action.node) => {
                    let (net, node) = (self.clone(), action.node.clone());
                    tokio::spawn(async move { net.cut_for(machine, &node, cut, ms).await });
                }
                Sprung::Cut(..) => {}
            }
        }
    }

    /// Throws away what is in the queues of connections; false where they are not the process's own.
    pub fn ends(&self, process: usize, nodes: &[NodeName]) -> bool {
        let world = &mut *lock(self);
        let (now, is_direct) = (world.now(), world.given_up_ms < GIVEN_UP_MS);
        if is_direct {
            world.ended.extend(nodes.iter().map(|node| ((process, node.clone()), now)));
        }
        is_direct
    }

    /// A process begins on a machine: as the program's own runtime folder, it ends the connections of those that were
    /// killed there, where they can be ended.
    pub fn begins(&self, machine: &'static str) {
        let nodes: Vec<NodeName> = lock(self).dockerd.keys().cloned().collect();
        let is_dead = |(_, one): &(usize, &Process)| one.machine == machine && one.is_dead;
        let dead: Vec<usize> =
            lock(self).processes.iter().enumerate().filter(is_dead).map(|(at, _)| at).collect();
        for process in dead {
            self.ends(process, &nodes);
        }
    }

    /// A way is cut for a while.
    pub async fn cut_for(&self, machine: &'static str, node: &NodeName, cut: Cut, for_ms: i64) {
        let key = (machine, node.clone());
        let now = {
            let world = &mut *lock(self);
            let now = world.now();
            world.say(format_args!("{machine} and {node}: {cut:?} cut for {for_ms} ms"));
            world.cuts.insert(key.clone(), (cut, now));
            now
        };
        rest(for_ms).await;
        let world = &mut *lock(self);
        if world.cuts.get(&key).is_some_and(|(_, since)| *since == now) {
            world.cuts.remove(&key);
            world.say(format_args!("{machine} and {node}: healed"));
        }
    }

    /// Until the process is killed.
    pub async fn died(&self, process: usize) {
        while !lock(self).processes[process].is_dead {
            sleep(Duration::from_millis(250)).await;
        }
    }
}

/// One request on its way.
struct Way {
    net: Net,
    process: usize,
    node: NodeName,
    sent: i64,
}

impl Way {
    /// Waits until it is there; false if it never is.
    async fn arrives(&self) -> bool {
        let delay = lock(&self.net).delay_ms();
        rest(delay).await;
        let mut pause = FIRST_RESEND_MS;
        while !lock(&self.net).goes_there(self.process, &self.node) {
            if self.is_given_up() {
                return false;
            }
            rest(pause).await;
            pause = (pause * 2).min(LONGEST_RESEND_MS);
        }
        let mut world = lock(&self.net);
        let late = world.now() - self.sent;
        // ssh's farewell lies behind few requests: sshd then drops them.
        let is_dropped = late > SILENCE_MS && world.luck.once_in(4);
        let ended = world.ended.get(&(self.process, self.node.clone())).copied();
        late < world.given_up_ms && !is_dropped && ended.is_none_or(|at| self.sent > at)
    }

    fn is_given_up(&self) -> bool {
        let world = lock(&self.net);
        world.now() - self.sent >= world.given_up_ms
    }

    /// Whether its answer comes back.
    async fn returns(&self) -> bool {
        let (is_lost, delay) = {
            let world = &mut *lock(&self.net);
            (world.luck.once_in(world.trouble.lost_reply_in), world.luck.between(1, 20))
        };
        rest(delay).await;
        let mut pause = FIRST_RESEND_MS;
        while !lock(&self.net).comes_back(self.process, &self.node) {
            if lock(&self.net).is_closed(self.process, &self.node) {
                return false;
            }
            rest(pause).await;
            pause = (pause * 2).min(5_000);
        }
        !is_lost
    }
}
