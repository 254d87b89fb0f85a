//! Agents that were off, or cut off, while a client said to the others who the members are.

use super::link::ask_from;
use super::talk::Here;
use super::*;
use crate::agent::join::List;

impl Ground {
    /// The newest list, as members of it know it.
    fn list(&self, number: u64) -> List {
        self.join_by(&self.authority, &self.peers[0].host, number).list().unwrap()
    }

    /// A client tells these agents.
    async fn tell(&self, all: &BTreeMap<String, Running>, hosts: &[&str], number: u64) {
        for host in hosts {
            all[*host].mesh.join(self.join_by(&self.authority, host, number)).await.unwrap();
        }
    }
}

impl Running {
    async fn peers(&self) -> Vec<String> {
        self.mesh.standing().await.unwrap().peers.into_iter().map(|peer| peer.host).collect()
    }
}

#[tokio::test]
async fn a_host_that_was_taken_out_gets_nothing_of_one_that_was_off_meanwhile() {
    let mut ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    all["h3"].put("t3", "y").await;
    until("kept", async || all["h3"].kept("h1").await == ["t1"] && all["h2"].kept("h3").await == ["t3"])
        .await;
    until("kept", async || all["h1"].kept("h3").await == ["t3"]).await;
    drop((all.remove("h1"), all.remove("h3")));
    ground.peers.remove(0);
    ground.tell(&all, &["h2"], 2).await;
    // It has what it kept: its agent alone was off. What was taken out begins without memory, and asks.
    let h3 = ground.start("h3", "h3");
    let out = ground.start("h1", "h1-after");
    out.put("t0", "z").await;
    until("it knows of it", async || h3.peers().await == ["h2"]).await;
    assert_eq!(h3.kept("h1").await, [""; 0]);
    until("they keep for each other", async || {
        let standing = h3.mesh.standing().await.unwrap();
        standing.kept_by == ["h2"] && standing.reached == ["h2"]
    })
    .await;
    until("turned away", async || {
        out.mesh.standing().await.is_some_and(|standing| standing.unreached.len() == 2)
    })
    .await;
    assert_eq!((out.own().await, out.kept("h3").await), (vec!["t0".to_owned()], vec![]));
    let log = h3.log().await;
    assert!(log.contains("h2 has a newer list") && !log.contains("gave h1"), "{log}");
    // And it still knows after it was off again, without any other one.
    drop((h3, all));
    let again = ground.start("h3", "h3");
    assert_eq!(again.peers().await, ["h2"]);
}

#[tokio::test]
async fn one_that_is_out_itself_hears_of_it_and_keeps_nothing() {
    let mut ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h2"].put("t2", "x").await;
    until("kept", async || all["h1"].kept("h2").await == ["t2"]).await;
    let h1 = all.remove("h1").unwrap();
    ground.peers.remove(0);
    // No other one lets it in any more: who has the newer list tells it where it is.
    let list = ground.list(2);
    news::take(&h1.mesh.state, "h2", list).await;
    let standing = h1.mesh.standing().await.unwrap();
    assert!(standing.is_out && standing.peers.is_empty());
    assert_eq!(h1.kept("h2").await, [""; 0]);
    // A client that knows it takes it in again.
    ground.peers.insert(0, Peer { host: "h1".into(), ..standing.own });
    h1.mesh.join(ground.join_by(&ground.authority, "h1", 3)).await.unwrap();
    assert_eq!(h1.peers().await, ["h2", "h3"]);
}

#[tokio::test]
async fn one_that_is_taken_out_and_runs_has_nothing_of_the_others_left() {
    let mut ground = Ground::new(3);
    let all = ground.all().await;
    all["h2"].put("t2", "x").await;
    until("kept", async || all["h1"].kept("h2").await == ["t2"] && all["h3"].kept("h2").await == ["t2"])
        .await;
    ground.peers.remove(0);
    ground.tell(&all, &["h2", "h3"], 2).await;
    until("forgotten", async || all["h1"].kept("h2").await.is_empty()).await;
    assert_eq!(all["h3"].kept("h2").await, ["t2"]);
}

/// Whose address was changed asks from the one that it has now: the others may know of it.
#[tokio::test]
async fn one_whose_address_is_gone_is_judged_by_the_one_that_it_comes_from() {
    let ground = Ground::new(2);
    let all = ground.all().await;
    let (h2, h1) = (ground.identity("h2"), ground.peer("h1").clone());
    until("it listens", async || ask(&h2, &h1, &HELLO).await.is_ok()).await;
    let gone: IpAddr = "203.0.113.9".parse().unwrap();
    assert!(ask_from(&h2, gone, &h1, &HELLO).await.is_err());
    let log = all["h1"].log().await;
    assert!(log.contains("127.0.0.1 is the address of no host"), "{log}");
}

#[tokio::test]
async fn only_what_the_authority_vouches_for_is_a_newer_list() {
    let ground = Ground::new(3);
    let (own, now) = (ground.identity("h1"), NOW);
    let number = |list: List| own.by(list, now).map(|taken| taken.map(|one| one.join.generation));
    assert_eq!(number(ground.list(1)), Ok(None), "no newer one");
    assert_eq!(number(ground.list(2)), Ok(Some(2)));
    let fewer = List { members: ground.peers[..2].to_vec(), ..ground.list(2) };
    assert!(number(fewer).is_err(), "other members than those of the certificate");
    assert!(number(List { number: 3, ..ground.list(2) }).is_err(), "another number");
    let other = Authority::make("prod", NOW).unwrap();
    let forged = ground.join_by(&other, "h1", 9).list().unwrap();
    assert!(number(forged).is_err(), "another authority");
    let bare = ground.join_with(&ground.authority, "h1", 9, None).list().unwrap();
    assert!(number(bare).is_err(), "a certificate that has nothing of a list");
    let late = Timestamp(NOW.0 + 6 * 365 * 24 * 3_600_000);
    assert!(own.by(ground.list(2), late).is_err(), "one that is over");
}

/// Agents that have certificates of 0.8.0 work as ever, also beside others, until the next `agent install`.
#[tokio::test]
async fn certificates_that_have_nothing_of_lists_go_on() {
    let mut ground = Ground::new(3);
    let mut all = BTreeMap::new();
    for host in ["h1", "h2", "h3"] {
        let running = ground.start(host, host);
        running.mesh.join(ground.join_with(&ground.authority, host, 1, None)).await.unwrap();
        all.insert(host.to_owned(), running);
    }
    all["h1"].put("t1", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1"] && all["h3"].kept("h1").await == ["t1"])
        .await;
    assert_eq!(all["h1"].mesh.standing().await.unwrap().vouched, Some(false));
    // One of them has a new one, of the same members: the others take it, and pass it on.
    ground.tell(&all, &["h2"], 2).await;
    until("all know it", async || {
        let mut known = Vec::new();
        for host in ["h1", "h2", "h3"] {
            let standing = all[host].mesh.standing().await.unwrap();
            known.push((standing.generation, standing.vouched));
        }
        known == [(2, Some(true)); 3]
    })
    .await;
    // A client that gives certificates of 0.8.0 takes one out: it is done where it says so, as before.
    ground.peers.remove(2);
    for host in ["h1", "h2"] {
        all[host].mesh.join(ground.join_with(&ground.authority, host, 3, None)).await.unwrap();
    }
    all["h1"].put("t2", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1", "t2"]).await;
    assert_eq!(all["h1"].peers().await, ["h2"]);
    // An agent of 0.8.0 asks and answers without a number.
    let (h2, h1) = (ground.identity("h2"), ground.peer("h1").clone());
    until("an answer without news", async || {
        matches!(ask(&h2, &h1, &HELLO).await, Ok(Reply::Done(Here { news: None, .. })))
    })
    .await;
}

#[tokio::test]
async fn one_that_was_off_while_places_changed_is_found_where_it_was() {
    let mut ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h3"].put("t3", "x").await;
    until("kept", async || all["h1"].kept("h3").await == ["t3"]).await;
    drop(all.remove("h3"));
    let free = std::net::TcpListener::bind(SocketAddr::new(loopback(1), 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    ground.peers.iter_mut().for_each(|peer| peer.port = port);
    ground.peers[2].address = loopback(23);
    ground.tell(&all, &["h1", "h2"], 2).await;
    until("both are where they are to be", async || {
        let standing = all["h1"].mesh.standing().await.unwrap();
        standing.reached == ["h2"] && standing.unreached.len() == 1
    })
    .await;
    // It listens where it was, and looks for the others where they were.
    let back = ground.start("h3", "h3-after");
    until("it has its secrets", async || back.own().await == ["t3"]).await;
    let standing = back.mesh.standing().await.unwrap();
    assert_eq!((standing.own.address, standing.own.port), (loopback(23), port));
    until("both ways", async || {
        let reached = all["h1"].mesh.standing().await.unwrap().reached;
        reached == ["h2", "h3"] && back.mesh.standing().await.unwrap().reached == ["h1", "h2"]
    })
    .await;
    let logs = all["h1"].log().await + &all["h2"].log().await;
    assert!(logs.contains("h3 was found at 127.0.0.13"), "{logs}");
}
