//! Watches Consul for writes with blocking queries.
//!
//! A query asks for the names of keys alone, one query for each kind of record, so that a heartbeat does not
//! bring the names of all releases with it. New keys are found by comparing with the previous answer: a query
//! may return without a change, and several changes may come in one answer.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::select_all;
use http::StatusCode;
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::client::{Client, parse};
use crate::ledger::register::{Kind, Stream, Written};

/// How long Consul may wait for a change. It adds up to a sixteenth.
const WAIT_S: u64 = 10;
/// A member that has said nothing for so long is left for another one.
const SILENCE: Duration = Duration::from_secs(12);
/// Between two questions, whatever the answers.
const PAUSE: Duration = Duration::from_millis(50);

/// Reports writes until a query fails.
pub(super) async fn follow(client: &Client, base: &str, tell: &Sender<Written>) {
    // If one ends, all end: they are restarted together.
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_watched());
    select_all(kinds.map(|kind| Box::pin(follow_kind(client, base, kind, tell)))).await;
}

async fn follow_kind(client: &Client, base: &str, kind: Kind, tell: &Sender<Written>) {
    let path = format!("/v1/kv/{base}{}/?keys&wait={WAIT_S}s", kind.word());
    let (mut index, mut known) = (0, None);
    while let Ok((answer, now)) = client.wait(&path, index, SILENCE).await {
        let keys = match answer.status {
            StatusCode::NOT_FOUND => BTreeSet::new(),
            _ => match parse::<BTreeSet<String>>(&answer) {
                Ok(keys) => keys,
                Err(_) => return,
            },
        };
        let news = match &known {
            // The watch does not report what was written before it.
            None => vec![Written::Perhaps],
            Some(before) => news(base, before, &keys),
        };
        for word in news {
            if tell.send(word).await.is_err() {
                return;
            }
        }
        (index, known) = (next(index, now), Some(keys));
        sleep(PAUSE).await;
    }
}

/// Streams with registers that were not there before.
fn news(base: &str, before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<Written> {
    let streams: BTreeSet<Stream> =
        now.difference(before).filter_map(|key| Stream::of_register(key.strip_prefix(base)?)).collect();
    streams.into_iter().map(Written::In).collect()
}

/// The index for the next query. An index that goes backwards, as after a restore of Consul's data, is reset;
/// an index of 0 would not block.
fn next(asked: u64, answered: u64) -> u64 {
    if answered < asked { 0 } else { answered.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_the_registers_that_were_not_there() {
        let keys = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|name| format!("stackctl/test/{name}")).collect()
        };
        let before = keys(&["lease/shop/0000000001.0", "lease/mail/0000000001.0"]);
        let now = keys(&["lease/shop/0000000002.0", "lease/shop/0000000003.0", "lease/mail/0000000001.0"]);
        let written = news("stackctl/test/", &before, &now);
        assert_eq!(written, [Written::In(Stream::new(Kind::Lease, "shop"))]);
        assert_eq!(news("stackctl/test/", &now, &keys(&["lease/x"])), [], "no register");
        assert_eq!(news("stackctl/test/", &now, &now), [], "an answer without a change");
    }

    #[test]
    fn an_index_that_goes_back_is_reset() {
        assert_eq!(next(0, 7), 7);
        assert_eq!(next(7, 9), 9);
        assert_eq!(next(9, 3), 0);
        assert_eq!(next(0, 0), 1);
    }
}
