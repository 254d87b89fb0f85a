//! Turns: how many calls of a fleet are in flight, and asking every host within that.
//!
//! Five calls to each of five thousand hosts at once make all of them slow, and what is slow looks like what is dead.
//! So each call waits for its turn, and its deadline begins when it has it: a queue here is no silence there.
//!
//! Three kinds of calls must not wait for each other. Probes have turns of their own, since a host that died is found
//! by them, and its other calls then end. Actions take half of the turns at most, since a stop lasts as long as its
//! grace period; and pulls half of that, since one lasts for minutes. What is asked of the few managers (records, and
//! the heartbeats of leases) takes no turn: its limit are the streams of each manager's connection.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::{Either, join_all};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls in flight over a whole fleet.
pub const CALLS_MAX: usize = 256;
/// Calls that one look at a host takes.
const CALLS_OF_A_LOOK: usize = 5;

/// The turns of a fleet. A clone is the same turns.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    calls: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    actions: Arc<Semaphore>,
    pulls: Arc<Semaphore>,
    shares: Shares,
}

/// How many turns there are for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    calls: usize,
    probes: usize,
    actions: usize,
    pulls: usize,
}

/// A call's turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held, not used")] Vec<OwnedSemaphorePermit>);

impl Shares {
    fn of(calls_max: usize) -> Self {
        let probes = (calls_max / 4).max(1);
        let calls = calls_max.saturating_sub(probes).max(1);
        let actions = (calls_max / 2).clamp(1, calls);
        Self { calls, probes, actions, pulls: (actions / 2).max(1) }
    }
}

impl Turns {
    pub(super) fn new(calls_max: usize) -> Self {
        let shares = Shares::of(calls_max);
        let turns = |count| Arc::new(Semaphore::new(count));
        Self {
            calls: turns(shares.calls),
            probes: turns(shares.probes),
            actions: turns(shares.actions),
            pulls: turns(shares.pulls),
            shares,
        }
    }

    /// For one call, which asks for no other one of these meanwhile.
    pub(super) async fn call(&self) -> Turn {
        Turn(vec![taken(&self.calls).await])
    }

    /// For one probe.
    pub(super) async fn probe(&self) -> Turn {
        Turn(vec![taken(&self.probes).await])
    }

    /// For one action, whose calls take turns besides.
    pub(super) async fn action(&self, is_pull: bool) -> Turn {
        let pull = if is_pull { Some(taken(&self.pulls).await) } else { None };
        let action = taken(&self.actions).await;
        Turn(pull.into_iter().chain([action]).collect())
    }

    /// How many times all turns are needed for one look at so many hosts. A limit for the whole look grows by that.
    pub(super) fn rounds(&self, hosts: usize) -> u32 {
        let rounds = hosts.saturating_mul(CALLS_OF_A_LOOK).div_ceil(self.shares.calls);
        u32::try_from(rounds.max(1)).unwrap_or(u32::MAX)
    }
}

async fn taken(turns: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(turns).acquire_owned().await.expect("the semaphore is never closed")
}

/// Whether so many of a fleet are silent that the reason is more likely here.
fn is_doubtful(silent: usize, all: usize) -> bool {
    silent * 2 > all
}

/// Asks all at once. If more than half are silent, those are asked a second time, and only then believed to be.
pub(super) async fn ask_all<K, H, T, E, A, B>(
    all: &BTreeMap<K, H>,
    ask: impl Fn(K, H) -> A,
    ask_again: impl Fn(K, H, E) -> B,
    is_silence: impl Fn(&E) -> bool,
) -> BTreeMap<K, Result<T, E>>
where
    K: Ord + Clone,
    H: Clone,
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>>,
{
    let mut answers = join_all(all.iter().map(|(key, host)| ask(key.clone(), host.clone()))).await;
    let is_silent = |answer: &Result<T, E>| answer.as_ref().err().is_some_and(&is_silence);
    let silent: Vec<bool> = answers.iter().map(is_silent).collect();
    if is_doubtful(silent.iter().filter(|silent| **silent).count(), all.len()) {
        let asked =
            answers.into_iter().zip(silent).zip(all).map(|((answer, is_silent), (key, host))| match answer {
                Err(error) if is_silent => Either::Left(ask_again(key.clone(), host.clone(), error)),
                answer => Either::Right(ready(answer)),
            });
        answers = join_all(asked).await;
    }
    all.keys().cloned().zip(answers).collect()
}

/// Does something with every host, with so many at a time.
pub(super) async fn each<T, A: Future<Output = ()>>(
    all: impl IntoIterator<Item = T>,
    act: impl FnMut(T) -> A,
) {
    stream::iter(all).for_each_concurrent(CALLS_MAX, act).await;
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn all_kinds_of_calls_together_are_within_the_bound() {
        for calls_max in [1, 2, 7, CALLS_MAX] {
            let shares = Shares::of(calls_max);
            assert!(shares.calls + shares.probes <= calls_max.max(2), "{shares:?}");
            assert!(shares.pulls <= shares.actions && shares.actions <= shares.calls, "{shares:?}");
        }
        let shares = Shares::of(CALLS_MAX);
        assert_eq!(shares, Shares { calls: 192, probes: 64, actions: 128, pulls: 64 });
    }

    #[test]
    fn a_limit_for_a_whole_look_grows_with_the_fleet() {
        let turns = Turns::new(CALLS_MAX);
        let rounds = [0, 1, 38, 39, 5_000].map(|hosts| turns.rounds(hosts));
        assert_eq!(rounds, [1, 1, 1, 2, 131]);
    }

    /// Answers as `first` says, and all hosts when they are asked again; who was asked again.
    async fn asked_again(first: &[Result<(), bool>]) -> (Vec<usize>, Vec<bool>) {
        let hosts: BTreeMap<usize, Result<(), bool>> = first.iter().copied().enumerate().collect();
        let again = RefCell::new(Vec::new());
        let ask_again = |at, _, _| {
            again.borrow_mut().push(at);
            ready(Ok(()))
        };
        let answers = ask_all(&hosts, |_, answer| ready(answer), ask_again, |is_silence| *is_silence).await;
        (again.take(), answers.values().map(Result::is_ok).collect())
    }

    #[tokio::test]
    async fn more_than_half_of_a_fleet_is_silent_only_by_a_second_look() {
        let (up, silent, refused) = (Ok(()), Err(true), Err(false));
        assert_eq!(asked_again(&[up, silent]).await, (vec![], vec![true, false]));
        assert_eq!(asked_again(&[silent]).await, (vec![0], vec![true]));
        assert_eq!(asked_again(&[silent, up, silent]).await, (vec![0, 2], vec![true; 3]));
        // What refuses has answered: a second look would say the same.
        assert_eq!(asked_again(&[silent, refused, refused]).await, (vec![], vec![false; 3]));
        assert_eq!(asked_again(&[silent, silent, refused]).await, (vec![0, 1], vec![true, true, false]));
    }

    #[tokio::test]
    async fn so_many_have_their_turn_at_a_time() {
        let turns = Turns::new(8);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let call = || async {
            let _turn = turns.call().await;
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::task::yield_now().await;
            now.set(now.get() - 1);
        };
        join_all((0..100).map(|_| call())).await;
        assert_eq!(most.get(), Shares::of(8).calls);
    }
}
