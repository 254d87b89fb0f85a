//! Tasks that are over on a host that is off.

use super::*;
use crate::agent::put::Over;
use crate::agent::wire::{Answer, KeptTask};

impl Running {
    /// What a client hears that asks what is kept for a host.
    async fn listed(&self, host: &str) -> Vec<KeptTask> {
        let Ok(Answer::Kept(tasks)) = self.keeper.list_of(host).await else { panic!("what is kept") };
        tasks
    }

    /// What a client says of a task of that host, by what it has heard.
    async fn over(&self, host: &str, task: &str) -> Over {
        let kept = self.listed(host).await.into_iter().find(|one| one.task == task).unwrap();
        Over { born: kept.of.unwrap().born, task: kept.task }
    }
}

#[tokio::test]
async fn what_was_removed_while_a_host_was_off_is_not_given_back() {
    let ground = Ground::new(4);
    let mut all = ground.all().await;
    for task in ["t1", "t2"] {
        all["h1"].put(task, "x").await;
    }
    let both = ["t1", "t2"];
    until("kept", async || all["h2"].kept("h1").await == both && all["h3"].kept("h1").await == both).await;
    drop(all.remove("h1"));
    // The client does not reach h3, which keeps it as well.
    let over = all["h2"].over("h1", "t1").await;
    assert_eq!(all["h2"].listed("h1").await[0].of.as_ref().unwrap().stack, "shop");
    for other in ["h2", "h4"] {
        all[other].mesh.end_of("h1", vec![over.clone()]).await.unwrap();
    }
    assert_eq!(
        (all["h2"].kept("h1").await, all["h3"].kept("h1").await),
        (vec!["t2".into()], both.map(String::from).to_vec())
    );
    let engine = Engine::of(&[("t1", "waits"), ("t2", "waits")]);
    let back = ground.start_on("h1", "h1-after", Some(&engine));
    until("the other one is back", async || back.own().await == ["t2"]).await;
    until("started", async || back.log().await.contains("started container t2")).await;
    until("one is over", async || {
        let standing = back.mesh.standing().await.unwrap();
        (standing.over, standing.lacking) == (1, 0)
    })
    .await;
    assert!(!back.log().await.contains("started container t1"), "{}", back.log().await);
    // Not even where the one that heard nothing has it still, and its agent begins again.
    drop(back);
    let again = ground.start_on("h1", "h1-after", Some(&engine));
    until("kept as it is", async || {
        all["h2"].kept("h1").await == ["t2"] && all["h3"].kept("h1").await == ["t2"]
    })
    .await;
    assert_eq!(again.own().await, ["t2"]);
    // One that is made again under the same id is another one.
    again.mesh.put("t1").await;
    again.put("t1", "y").await;
    until("kept again", async || all["h2"].kept("h1").await == both && all["h3"].kept("h1").await == both)
        .await;
    assert_eq!(again.keeper.over_of("h1").await.unwrap(), []);
}

/// A host that was cut off alone still has all of it, and would have others keep it again.
#[tokio::test]
async fn what_is_over_is_kept_no_more_for_a_host_that_was_cut_off() {
    let ground = Ground::new(3);
    let all = ground.all().await;
    for task in ["t1", "t2"] {
        all["h1"].put(task, "x").await;
    }
    until("kept", async || all["h2"].kept("h1").await.len() == 2 && all["h3"].kept("h1").await.len() == 2)
        .await;
    let over = all["h2"].over("h1", "t1").await;
    for other in ["h2", "h3"] {
        all[other].mesh.end_of("h1", vec![over.clone()]).await.unwrap();
    }
    all["h1"].put("t3", "x").await;
    until("kept", async || {
        let left = ["t2", "t3"];
        all["h2"].kept("h1").await == left && all["h3"].kept("h1").await == left
    })
    .await;
    let log = all["h2"].log().await;
    assert!(log.contains("a client said that 1 tasks of h1 are over: forgot the secrets of 1"), "{log}");
    assert_eq!(
        all["h1"].own().await,
        ["t1", "t2", "t3"],
        "what runs there is left to the client that removes it"
    );
}

/// Agents of 0.8.0 have what they keep without a word of what it is of.
#[tokio::test]
async fn what_is_kept_gets_to_know_what_it_is_of() {
    let ground = Ground::new(2);
    let all = ground.all().await;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let file = SecretFile { name: "a".into(), version: "v".into(), uid, gid, mode: 0o400, place: None };
    let value = Arc::new(Plaintext::new(b"x".to_vec()));
    let put = SecretsPut { task: "t1".into(), of: None, files: vec![(file, Some(value))] };
    all["h1"].keeper.put(put.clone(), NOW).await.unwrap();
    all["h1"].mesh.changed();
    until("kept", async || all["h2"].kept("h1").await == ["t1"]).await;
    assert!(all["h2"].listed("h1").await[0].of.is_none());
    all["h1"].keeper.put(SecretsPut { of: Some(owner()), ..put }, NOW).await.unwrap();
    all["h1"].mesh.changed();
    until("it is known", async || all["h2"].listed("h1").await[0].of.is_some()).await;
}
