//! Somebody who writes all the time, through whatever happens to a minority of those who keep the records.

use std::sync::Arc;
use std::time::Duration;

use stackctl::ledger::payload::value;
use stackctl::ledger::{Appended, Kind, ReadRegisters as _, Stream, Written};
use stackctl::model::ClusterName;
use tokio::time::{Instant, sleep, timeout};

use crate::keeper::Keeper;
use crate::laws::Backend;

/// After something was done to a member.
const WRITES: Duration = Duration::from_secs(5);
/// After it is as before.
const SETTLES: Duration = Duration::from_secs(1);

/// What an append may take at most, and whether one may be told in between that nobody answers.
pub struct Moment {
    pub slowest: Duration,
    pub may_be_silent: bool,
}

/// Members die and are cut off, one at a time, whoever is asked first and whoever leads.
pub async fn a_member_that_dies_or_is_cut_off_costs_a_moment<B: Backend + Keeper>(
    keeper: &Arc<B>,
    moment: Moment,
) {
    let ledger = keeper.open(&ClusterName::new("moments").unwrap());
    let stream = Stream::new(Kind::Releases, "shop");
    let mut heard = ledger.registers().listen().unwrap();
    assert_eq!(timeout(Duration::from_secs(8), heard.recv()).await.unwrap(), Some(Written::Perhaps));
    let mut seq = 0;
    let mut write_for = async |time: Duration| {
        let (begun, mut worst) = (Instant::now(), Duration::ZERO);
        while begun.elapsed() < time {
            let one = Instant::now();
            seq += 1;
            let ours = value(ledger.registers(), seq.into());
            loop {
                match ledger.append(&stream, seq, &ours).await {
                    Ok(appended) => break assert_eq!(appended, Appended::Won),
                    Err(error) => {
                        let may_be = moment.may_be_silent && one.elapsed() < moment.slowest;
                        assert!(may_be && error.is_silence(), "{error}");
                    }
                }
            }
            worst = worst.max(one.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
        worst
    };
    let with = |act: fn(&B, usize), member: usize| {
        let keeper = Arc::clone(keeper);
        tokio::task::spawn_blocking(move || act(&keeper, member))
    };
    let leader = || {
        let keeper = Arc::clone(keeper);
        tokio::task::spawn_blocking(move || keeper.leader())
    };
    let mut worst = vec![("nothing".to_owned(), write_for(SETTLES).await)];
    for (what, act, back) in [
        ("dead", (|keeper, member| keeper.kill(member)) as fn(&B, usize), B::start_again as fn(&B, usize)),
        ("cut off", |keeper, member| keeper.cut(member), |keeper, member| keeper.join(member)),
    ] {
        for who in ["the member that is asked first", "the leader"] {
            let member = if who == "the leader" { leader().await.unwrap() } else { 0 };
            with(act, member).await.unwrap();
            worst.push((format!("{who} {what}"), write_for(WRITES).await));
            with(back, member).await.unwrap();
            write_for(SETTLES).await;
        }
    }
    for (what, took) in &worst {
        eprintln!("{}, {what}: the slowest of all appends took {} ms", B::SCHEME, took.as_millis());
        assert!(*took < moment.slowest, "{worst:?}");
    }
    let log = ledger.read(&stream).await.unwrap();
    assert_eq!(log.next(), seq + 1, "nothing is lost, nothing is twice");
    // Whoever listens heard of it to the end.
    let mut words = 0;
    while let Ok(Some(word)) = timeout(Duration::from_secs(1), heard.recv()).await {
        words += u64::from(word == Written::In(stream.clone()));
    }
    assert!(words > 0);
}
