//! Competing for the lead: of several loops one acts, and the others wait until it does not any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::heal::LoopContext;
use crate::engine::lease::{Busy, NotTaken, Wanted, take};
use crate::engine::{Lease, Pulse, Store};
use crate::fleet::RegisterWriter;
use crate::ledger::lease::{Terms, leader_stream};

/// The lead, while this loop has it.
#[derive(Debug)]
pub(super) struct Led {
    lease: Lease<Store<RegisterWriter>>,
    is_known_as_lost: bool,
}

/// What came of an attempt to take the lead.
#[derive(Debug)]
pub(super) enum Elected {
    /// This loop is the leader.
    Leader(Box<Led>),
    /// Another one is, and the patience is over.
    Refused,
    /// The ledger could not be asked.
    Failed(String),
}

impl Led {
    /// Whether it cannot be relied on any more; says so once.
    pub(super) fn is_lost(&mut self) -> bool {
        let is_news = !self.is_known_as_lost && !self.lease.validity().is_valid();
        self.is_known_as_lost |= is_news;
        is_news
    }

    pub(super) async fn give_back(self) {
        // If this does not get through, the lead ends by itself.
        let _ends_by_itself = self.lease.release().await;
    }
}

/// Takes the lead after a while. The leaders that are waited for meanwhile are sent to `others`: the name of
/// the lease, and who. It is kept for as long as `pulse` beats.
pub(super) async fn take_lead(
    context: Arc<LoopContext>,
    patience_ms: i64,
    after_ms: i64,
    others: UnboundedSender<(String, String)>,
    pulse: Pulse,
) -> Elected {
    let Some(writing) = &context.writing else { return Elected::Refused };
    sleep(Duration::from_millis(after_ms.unsigned_abs())).await;
    let (stream, holder) = (leader_stream(), context.me.holder("reconcile", "reconcile"));
    let wanted = Wanted { stream, holder, terms: Terms::LEADER, patience_ms };
    let waiting = |busy: &Busy| {
        let holder = &busy.held.holder;
        let leader = format!("{} (process {})", holder.who, holder.pid);
        // An error is a loop that is gone.
        let _gone = others.send((holder.id.clone(), leader));
    };
    match take(writing, context.clock, wanted, context.me.is_gone, waiting).await {
        Ok(lease) => {
            lease.renew_while(pulse);
            Elected::Leader(Box::new(Led { lease, is_known_as_lost: false }))
        }
        Err(NotTaken::Held(busy)) => {
            waiting(&busy);
            Elected::Refused
        }
        Err(NotTaken::Ledger(error)) => Elected::Failed(error.to_string()),
    }
}
