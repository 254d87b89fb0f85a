//! Sets that are larger than one message, and agents that cannot keep them.

use super::*;

fn large(task: &str, bytes: usize) -> SecretsPut {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let file =
        SecretFile { name: "a".into(), version: format!("of {task}"), uid, gid, mode: 0o400, place: None };
    let value = Arc::new(Plaintext::new(vec![b'x'; bytes]));
    SecretsPut { task: task.into(), of: Some(owner()), files: vec![(file, Some(value))] }
}

#[tokio::test]
async fn more_than_fits_into_a_message_is_kept_and_given_back() {
    let ground = Ground::new(2);
    let mut all = ground.all().await;
    let tasks: Vec<String> = (10..18).map(|n| format!("t{n}")).collect();
    for task in &tasks {
        all["h1"].keeper.put(large(task, 9 << 20), NOW).await.unwrap();
    }
    all["h1"].mesh.changed();
    let kept = async || {
        let names = all["h2"].keeper.kept_names_of("h1").await.unwrap();
        names.into_iter().map(|put| put.task).collect::<Vec<_>>() == tasks
    };
    until("kept", kept).await;
    let standing = all["h1"].mesh.standing().await.unwrap();
    assert_eq!((standing.reached, standing.not_kept), (vec!["h2".to_owned()], vec![]));
    drop(all.remove("h1"));
    let back = ground.start("h1", "h1-after");
    until("back", async || back.own().await == tasks).await;
    let (set, _, _) = back.keeper.own_part("t16", usize::MAX, Vec::new()).await.unwrap();
    assert_eq!(set[0].files[0].1.as_ref().unwrap().expose().len(), 9 << 20);
}

/// It is reached, and says why.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a test has files")]
async fn one_that_cannot_keep_it_is_reached_and_said_not_to_keep_it() {
    let ground = Ground::new(2);
    let all = ground.all().await;
    // What stands in the way is no folder.
    std::fs::create_dir_all(ground.folder.path().join("h2/secrets")).unwrap();
    std::fs::write(ground.folder.path().join("h2/secrets/.kept"), "").unwrap();
    all["h1"].put("t1", "x").await;
    until("it is said", async || !all["h1"].mesh.standing().await.unwrap().not_kept.is_empty()).await;
    let standing = all["h1"].mesh.standing().await.unwrap();
    assert_eq!((standing.reached, standing.kept_by), (vec!["h2".to_owned()], vec![]));
    assert!(standing.not_kept[0].1.contains("cannot keep secrets"), "{:?}", standing.not_kept);
}
