//! A git push on real hosts: the loop releases it, a bad one is taken back, and what is declared stays so.

use std::time::Instant;

use crate::git::git;
use crate::ground::{Ground, HOSTS};

/// An image that is not there from the start.
const LATE: &str = "app:late";

fn stackfile(image: &str) -> String {
    format!(
        "services:\n  web:\n    image: {image}\n    deploy:\n      replicas: 4\n      update_config: \
         {{parallelism: 2, order: start-first, monitor: 1s, failure_action: rollback}}\n"
    )
}

#[test]
fn a_push_is_released_and_a_bad_one_is_taken_back() {
    let Some(ground) = Ground::new() else { return };
    let work = ground.path().join("work");
    let bare = ground.path().join("ops.git").display().to_string();
    git(ground.path(), &["init", "-q", "--bare", "-b", "main", &bare]);
    git(ground.path(), &["clone", "-q", &bare, "work"]);
    let push = |files: &[(&str, &str)], subject: &str| {
        for (path, text) in files {
            let path = work.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", subject]);
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
        Instant::now()
    };
    push(&[("stacks/app/compose.yaml", &stackfile("web:1"))], "first");
    let inventory = ground.inventory(|text| text);
    let mut watch =
        ground.begin_on(&inventory, &format!("reconcile --format json --poll 1s --repo {bare}#main"));
    let ended = watch.line_of("release_ended", |_| true).expect("a release");
    assert_eq!(ended["outcome"], "deployed", "{ended}");
    let slots = ["web.1", "web.2", "web.3", "web.4"];
    ground.assert_is("app", &slots);

    let pushed = push(&[("stacks/app/compose.yaml", &stackfile("web:2"))], "second");
    let began = watch.line_of("release_began", |_| true).expect("a release");
    eprintln!("a push is being released after {:.1?}", pushed.elapsed());
    let ended = watch.line_of("release_ended", |_| true).expect("its end");
    eprintln!("a push is released after {:.1?}", pushed.elapsed());
    assert_eq!((&began["release"], &ended["outcome"]), (&2.into(), &"deployed".into()), "{ended}");
    let images = |ground: &Ground| -> Vec<String> {
        ground.live("app", "web").iter().map(|task| task.image().to_owned()).collect()
    };
    assert!(images(&ground).iter().all(|image| image.contains("web:2")), "{:?}", images(&ground));

    // Bad: the tasks of before are the same ones, and nobody tries it again.
    let ids = |ground: &Ground| -> Vec<String> {
        ground.live("app", "web").iter().map(|task| task.id().to_owned()).collect()
    };
    let before = ids(&ground);
    push(&[("stacks/app/compose.yaml", &stackfile("web:bad"))], "bad");
    let ended = watch.line_of("release_ended", |_| true).expect("its end");
    assert_eq!(ended["outcome"], "web rolled back to 2", "{ended}");
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("what was before is kept");
    assert_eq!(ids(&ground), before);

    // Too early: its image is nowhere yet. What runs is looked after meanwhile.
    HOSTS.iter().for_each(|host| drop(ground.try_docker(host, &["rmi", "-f", LATE])));
    push(&[("stacks/app/compose.yaml", &stackfile(LATE))], "too early");
    let why = watch.line_of("heal_ended", |line| !line["failed"].is_null()).expect("a word on it");
    assert!(why["failed"].as_str().is_some_and(|why| why.contains("pull image app:late")), "{why}");
    assert_eq!(ids(&ground), before);
    let tasks = ground.live("app", "web");
    ground.docker(&tasks[0].host, &["rm", "-f", tasks[0].id()]);
    watch.line_of("heal_ended", |line| line["failed"].is_null()).expect("healed");
    assert!(images(&ground).iter().all(|image| image.contains("web:2")), "{:?}", images(&ground));
    ground.assert_is("app", &slots);
    HOSTS.iter().for_each(|host| drop(ground.docker(host, &["tag", "web:3", LATE])));
    let there = Instant::now();
    let ended = watch.line_of("release_ended", |_| true).expect("its end");
    eprintln!("an image that came late is released after {:.1?}", there.elapsed());
    // One release, whatever the number of tries: 3 is the bad one.
    assert_eq!((&ended["release"], &ended["outcome"]), (&4.into(), &"deployed".into()), "{ended}");
    assert!(images(&ground).iter().all(|image| image.contains(LATE)), "{:?}", images(&ground));
    let before = ids(&ground);

    // Half written, and something of another stack in the same commit.
    let files = [
        ("stacks/app/compose.yaml", "services: {web: {image: [\n"),
        ("stacks/blog/compose.yaml", "services: {page: {image: 'web:1'}}\n"),
    ];
    push(&files, "half written");
    let declined = watch.line_of("declined", |_| true).expect("a word on it");
    assert!(declined["why"].as_str().expect("words").contains("stacks/app/compose.yaml:"), "{declined}");
    let ended = watch.line_of("release_ended", |_| true).expect("the other stack");
    assert_eq!((&ended["stack"], &ended["outcome"]), (&"blog".into(), &"deployed".into()), "{ended}");
    assert_eq!(ids(&ground), before);

    // Drift is healed to what was pushed last and was good.
    let tasks = ground.live("app", "web");
    ground.docker(&tasks[0].host, &["rm", "-f", tasks[0].id()]);
    watch.line_of("heal_ended", |line| line["stack"] == "app" && line["failed"].is_null()).expect("healed");
    ground.assert_is("app", &slots);
    watch.terminate();
    watch.wait().ends(0);

    // Another loop, another machine: nothing is left to do.
    let before = ground.everything_but_records(&HOSTS);
    ground
        .stackctl_on(&inventory, &format!("reconcile --once --repo {bare}#main"))
        .ends(1)
        .says(&["cannot be used, and stays as it is"]);
    assert_eq!(ground.everything_but_records(&HOSTS), before);
}
