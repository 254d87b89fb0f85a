//! One process at a time brings agents, removes them, or tells them who they are. Two that did so at the same time would
//! end and remove what the other one has just started, and give agents two lists of their like.

use miette::Diagnostic;

use super::Hands;
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::ledger::LedgerError;
use crate::ledger::lease::{Held, Holder, Terms};
use crate::ledger::register::{Kind, Stream};

/// How long another process is waited for: it may bring a large program to many hosts, over a slow line.
const PATIENCE_MS: i64 = 15 * 60_000;
/// No stack's name begins with a dot.
const STREAM: &str = ".agents";

/// Why nothing was done.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum NotLocked {
    #[error("{} (process {}, `{}`) brings agents of this cluster, or removes them", .0.who, .0.pid, .0.verb)]
    #[diagnostic(
        code(stackctl::agent::busy),
        help("nothing was changed; run the command again when it has ended")
    )]
    Busy(Box<Holder>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] LedgerError),
}

/// Does something while no other process does. `waiting`: another one is waited for; said once. What is done goes by
/// another look at the hosts.
///
/// # Errors
///
/// Another process takes too long, or the ledger cannot be written. Nothing was done.
pub async fn alone<T>(
    hands: &Hands<'_>,
    verb: &str,
    mut waiting: impl FnMut(&Holder),
    work: impl Future<Output = T>,
) -> Result<T, NotLocked> {
    let holder = hands.actor.me.holder("agents", verb);
    let wanted = Wanted {
        stream: Stream::new(Kind::Lease, STREAM),
        holder,
        terms: Terms::STACK,
        patience_ms: PATIENCE_MS,
    };
    let mut is_said = false;
    let tell = |busy: &Busy| {
        if !std::mem::replace(&mut is_said, true) {
            waiting(&busy.held.holder);
        }
    };
    let lease = take(hands.writing, hands.actor.clock, wanted, hands.actor.me.is_gone, tell).await;
    let lease = lease.map_err(|why| match why {
        NotTaken::Ledger(error) => NotLocked::Ledger(error),
        NotTaken::Held(Busy { held: Held { holder, .. }, .. }) => NotLocked::Busy(Box::new(holder)),
    })?;
    let done = work.await;
    // One that cannot be given back expires by itself.
    let _expires_by_itself = lease.release().await;
    Ok(done)
}
