//! The lead: of several loops one acts, and the others wait until it does not any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::heal::Hands;
use super::news::{News, Snapshot};
use super::{ASK_AGAIN_MS, Tell, say};
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::engine::{Lease, Store};
use crate::fleet::RegisterWriter;
use crate::ledger::Ledger;
use crate::ledger::lease::{Terms, leader_stream};

/// Waits until this loop is the one that acts. One that goes round only once does not wait for another.
pub(super) async fn take_lead(
    hands: &Hands,
    writing: &Arc<Ledger<Store<RegisterWriter>>>,
    once: bool,
    show: &watch::Sender<Snapshot>,
    tell: &Tell,
) -> Option<Lease<Store<RegisterWriter>>> {
    let mut told = None;
    let mut trouble = None;
    let patience_ms = if once { 0 } else { i64::MAX };
    loop {
        let (stream, holder) = (leader_stream(), hands.me.holder("reconcile", "reconcile"));
        let wanted = Wanted { stream, holder, terms: Terms::LEADER, patience_ms };
        let mut waiting = |busy: &Busy| {
            show.send_modify(|snapshot| {
                snapshot.at = hands.clock.now();
                snapshot.is_standing_by = true;
            });
            let holder = &busy.held.holder;
            if told.as_ref() != Some(&holder.id) {
                told = Some(holder.id.clone());
                let leader = format!("{} (process {})", holder.who, holder.pid);
                say(hands, tell, News::StandingBy { leader });
            }
        };
        match take(writing, hands.clock, wanted, hands.me.is_gone, &mut waiting).await {
            Ok(lease) => return Some(lease),
            Err(NotTaken::Held(busy)) => {
                waiting(&busy);
                return None;
            }
            Err(NotTaken::Ledger(error)) => {
                let why = error.to_string();
                show.send_modify(|snapshot| snapshot.counts.ledger_failed += 1);
                if trouble.as_ref() != Some(&why) {
                    trouble = Some(why.clone());
                    say(hands, tell, News::LedgerTrouble { why });
                }
                sleep(Duration::from_millis(ASK_AGAIN_MS as u64)).await;
            }
        }
    }
}
