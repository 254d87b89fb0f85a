//! What is known of a cluster while a schedule is played: which commands are under way, what the last one that
//! ended well said, and what contradicts it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::claim::Claim;
use crate::schedule::Verb;
use crate::stack::Wanted;

/// Tasks that ended with their engine or host come back so long after it.
const COMES_BACK: Duration = Duration::from_secs(25);
/// After a command that was cut short, what it had begun may last so long beyond the stop grace.
const OUTLIVES: Duration = Duration::from_secs(20);

/// What is known of a stack.
#[derive(Debug, Default)]
pub struct Stack {
    /// Changes whenever a command begins or ends.
    pub epoch: u64,
    pub under_way: u32,
    /// What it is, where that is known: nothing is an empty one.
    pub known: Option<Wanted>,
    /// Releases that were acknowledged.
    pub releases: BTreeMap<u64, Wanted>,
    /// Whether there may be good releases besides.
    pub has_gap: bool,
    /// The last command that was cut short, and when.
    pub cut_short: Option<(Instant, String)>,
}

/// A command as it began.
#[derive(Debug)]
pub struct Begun {
    pub epoch: u64,
    pub known: Option<Wanted>,
    /// The release to go back to, by number, and what it is.
    pub target: Option<(u64, Wanted)>,
}

/// A look that is due.
#[derive(Debug)]
pub struct Due {
    pub at: Instant,
    pub stack: usize,
    pub epoch: u64,
    pub claim: Claim,
    pub command: String,
}

/// What must not be.
#[derive(Debug)]
pub struct Exception {
    pub cause: String,
    pub text: String,
}

/// All that is known.
pub struct Board {
    pub begun: Instant,
    pub stacks: [Stack; 2],
    pub due: Vec<Due>,
    pub timeline: Vec<String>,
    pub exceptions: Vec<Exception>,
    /// Hosts whose tasks ended by a fault: until when they may be missing, or for as long as the fault lasts.
    pub lost: BTreeMap<String, Option<Instant>>,
    /// Users whose commands have all ended.
    pub users_done: u32,
    pub commands: u64,
    pub acknowledged: u64,
    /// How many ended with which status; -1 by a signal.
    pub statuses: BTreeMap<i32, u64>,
    pub checked: u64,
    pub rechecked: u64,
}

impl Board {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            stacks: [Stack::default(), Stack::default()],
            due: Vec::new(),
            timeline: Vec::new(),
            exceptions: Vec::new(),
            lost: BTreeMap::new(),
            users_done: 0,
            commands: 0,
            acknowledged: 0,
            statuses: BTreeMap::new(),
            checked: 0,
            rechecked: 0,
        }
    }

    /// Notes what happened.
    pub fn say(&mut self, text: &str) {
        self.timeline.push(format!("{:7.2} {text}", self.begun.elapsed().as_secs_f64()));
    }

    /// Notes what must not be.
    pub fn except(&mut self, cause: String, text: String) {
        self.say(&format!("EXCEPTION ({cause}): {text}"));
        self.exceptions.push(Exception { cause, text });
    }

    /// Whether a host lost tasks by a fault after a command ended, or just before. An engine that was killed ends
    /// what ran when it starts again, and takes that for stopped by hand: only a later command brings it back.
    pub fn may_miss(&self, since: Instant) -> bool {
        self.lost.values().any(|until| until.is_none_or(|until| since < until))
    }

    /// The tasks of a host ended by a fault, or the fault is over.
    pub fn loses(&mut self, host: &str, is_over: bool) {
        self.lost.insert(host.to_owned(), is_over.then(|| Instant::now() + COMES_BACK));
    }

    /// A command begins.
    pub fn begin(&mut self, stack: usize, verb: &Verb) -> Begun {
        self.commands += 1;
        let stack = &mut self.stacks[stack];
        stack.epoch += 1;
        stack.under_way += 1;
        let known = (stack.under_way == 1).then(|| stack.known.clone()).flatten();
        let target = match verb {
            Verb::Rollback(Some(back)) => stack.releases.iter().rev().nth(*back as usize),
            _ => None,
        };
        let target = target.map(|(number, wanted)| (*number, wanted.clone()));
        Begun { epoch: stack.epoch, known, target }
    }

    /// A command ended. What it said, if it is the last word: with the epoch in which that holds.
    pub fn end(
        &mut self,
        at: usize,
        begun: &Begun,
        verb: &Verb,
        ended_well: bool,
        release: Option<u64>,
    ) -> Option<(Claim, u64)> {
        let stack = &mut self.stacks[at];
        let was_alone = stack.epoch == begun.epoch;
        stack.epoch += 1;
        stack.under_way -= 1;
        stack.known = None;
        if !ended_well {
            stack.has_gap = true;
            return None;
        }
        self.acknowledged += 1;
        let base = begun.known.clone().filter(|_| was_alone && stack.under_way == 0);
        let claim = said(stack, verb, begun.target.clone().map(|(_, wanted)| wanted), base);
        let known = match &claim {
            Claim::Whole(wanted) => Some(wanted.clone()),
            Claim::Nothing => Some(Wanted::new()),
            _ => None,
        };
        match (&claim, release, &known) {
            (Claim::Nothing, ..) => {}
            (_, Some(release), Some(known)) => drop(stack.releases.insert(release, known.clone())),
            // One without a number changed nothing, but for the number of the newest.
            _ => stack.has_gap = true,
        }
        if stack.under_way > 0 {
            return None;
        }
        stack.known = known;
        Some((claim, stack.epoch))
    }

    /// A command was cut short.
    pub fn cut_short(&mut self, stack: usize, how: &str) {
        self.stacks[stack].cut_short = Some((Instant::now(), how.to_owned()));
    }

    /// Why something may be otherwise than said, as far as that is known here.
    pub fn cause(&self, stack: usize, grace_s: u64) -> String {
        match &self.stacks[stack].cut_short {
            Some((at, how))
                if at.elapsed() < Duration::from_secs(grace_s) + OUTLIVES + Duration::from_secs(60) =>
            {
                format!("after {how}")
            }
            _ => "unknown".to_owned(),
        }
    }
}

/// What a command that ended well said.
fn said(stack: &Stack, verb: &Verb, target: Option<Wanted>, base: Option<Wanted>) -> Claim {
    match verb {
        Verb::Deploy(wanted) => Claim::Whole(wanted.clone()),
        Verb::Rm => Claim::Nothing,
        Verb::Scale(service, count) => match base {
            Some(mut wanted) if wanted.contains_key(service) => {
                wanted.entry(service).and_modify(|one| one.replicas = *count);
                Claim::Whole(wanted)
            }
            _ => Claim::Count(service, *count),
        },
        Verb::Update(service, mark) => match base {
            Some(mut wanted) if wanted.contains_key(service) => {
                wanted.entry(service).and_modify(|one| one.mark = *mark);
                Claim::Whole(wanted)
            }
            _ => Claim::Mark(service, *mark),
        },
        Verb::Rollback(_) => match target {
            Some(wanted) => Claim::Whole(wanted),
            None if stack.has_gap => Claim::Alike,
            None => Claim::OneOf(stack.releases.values().cloned().collect()),
        },
    }
}
