//! Updates that fail: paused, rolled back, or the whole stack with them. On the hosts, not in words.

use std::collections::BTreeSet;

use crate::ground::Ground;

/// `more` goes into `update_config`.
fn service(image: &str, more: &str) -> String {
    format!(
        "  web:
    image: {image}
    deploy:
      replicas: 3
      update_config: {{parallelism: 1, monitor: 2s{more}}}
      rollback_config: {{parallelism: 0, monitor: 500ms}}
"
    )
}

fn file(ground: &Ground, services: &str) -> String {
    ground.file("app.yml", &format!("version: '3.8'\nservices:\n{services}"))
}

fn ids(ground: &Ground, service: &str) -> BTreeSet<String> {
    ground.live("app", service).iter().map(|task| task.id().to_owned()).collect()
}

#[test]
fn a_bad_image_is_rolled_back_to_the_containers_that_ran() {
    let Some(ground) = Ground::new() else { return };
    let check = "    healthcheck: {interval: 300ms, retries: 2}\n";
    let with_check = |image: &str| {
        let text = service(image, ", order: start-first, failure_action: rollback");
        text.replace("    deploy:\n", &format!("{check}    deploy:\n"))
    };
    for (good, bad, cause) in [
        (
            service("web:1", ", failure_action: rollback"),
            service("web:bad", ", failure_action: rollback"),
            "this version fails",
        ),
        (with_check("webhc:1"), with_check("webhc:sick"), "unhealthy"),
    ] {
        let good = file(&ground, &good);
        ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
        let before = ids(&ground, "web");
        let bad = file(&ground, &bad);
        let run = ground.stackctl(&format!("deploy --yes -c {bad} app")).ends(3);
        let run = run.says(&["rolled back", cause, "web: 2 tasks not touched"]);
        assert_eq!(ids(&ground, "web"), before, "the very containers that ran before");
        // What failed is there to be looked into, and does not run.
        let failed: Vec<_> = ground.tasks("app").into_iter().filter(|task| !task.is_live()).collect();
        assert!(!failed.is_empty(), "{}", run.whole());
        ground.stackctl("rm --yes app").ends(0);
    }
}

#[test]
fn under_start_first_a_bad_image_costs_no_running_task() {
    let Some(ground) = Ground::new() else { return };
    let more = ", order: start-first, failure_action: rollback";
    let good = file(&ground, &service("web:1", more));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    let before: BTreeSet<_> =
        ground.live("app", "web").iter().map(|task| (task.id().to_owned(), task.started_at())).collect();
    let bad = file(&ground, &service("web:bad", more));
    ground.stackctl(&format!("deploy --yes -c {bad} app")).ends(3);
    let after: BTreeSet<_> =
        ground.live("app", "web").iter().map(|task| (task.id().to_owned(), task.started_at())).collect();
    assert_eq!(before, after, "no old task was stopped, not even for a moment");
}

#[test]
fn a_paused_update_is_continued() {
    let Some(ground) = Ground::new() else { return };
    let good = file(&ground, &service("web:1", ""));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    let bad = file(&ground, &service("web:bad", ""));
    let run = ground.stackctl(&format!("deploy --yes -c {bad} app")).ends(7);
    run.says(&["paused", "web: 2 tasks not touched"]);
    let mended = file(&ground, &service("web:2", ""));
    ground.stackctl(&format!("deploy --yes -c {mended} app")).ends(0);
    assert!(ground.live("app", "web").iter().all(|task| task.image().starts_with("web:2")));
    ground.stackctl(&format!("diff -c {mended} app")).ends(0);
}

#[test]
fn with_atomic_the_whole_stack_goes_back() {
    let Some(ground) = Ground::new() else { return };
    let stack = |db: &str, web: &str, network: &str| {
        format!(
            "version: '3.8'
services:
  db:
    image: {db}
    deploy: {{update_config: {{monitor: 1s}}}}
  web:
    image: {web}
    depends_on: [db]
    networks: [default, {network}]
    configs: [{{source: page, target: /page}}]
    deploy: {{replicas: 2, update_config: {{monitor: 2s}}}}
networks:
  {network}: {{}}
configs:
  page: {{file: page.txt}}
"
        )
    };
    ground.file("page.txt", "one");
    let good = ground.file("app.yml", &stack("web:1", "web:1", "front"));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    let before = (ids(&ground, "db"), ids(&ground, "web"));
    let networks: Vec<_> = ["h1", "h2", "h3", "h4"].map(|host| ground.networks(host, "app")).into();
    ground.file("page.txt", "two");
    let bad = ground.file("app.yml", &stack("web:2", "web:bad", "back"));
    let run = ground.stackctl(&format!("deploy --yes --atomic -c {bad} app")).ends(3);
    run.says(&["rolling back the whole stack", "web"]);
    assert_eq!((ids(&ground, "db"), ids(&ground, "web")), before);
    for task in ground.live("app", "web") {
        assert_eq!(ground.exec(&task, &["cat", "/page"]).trim(), "one", "configs go back with their tasks");
    }
    // A network that only a failed task, kept for its logs, is on may stay; no old one is gone.
    for (host, before) in ["h1", "h2", "h3", "h4"].iter().zip(networks) {
        assert!(ground.networks(host, "app").is_superset(&before), "{host}");
    }
    ground.file("page.txt", "one");
    let good = ground.file("app.yml", &stack("web:1", "web:1", "front"));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    assert_eq!((ids(&ground, "db"), ids(&ground, "web")), before, "nothing was left to do for the tasks");
}

#[test]
fn what_happened_behind_the_file_s_back_is_told_as_drift() {
    let Some(ground) = Ground::new() else { return };
    let good = file(&ground, &service("web:1", ""));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    let run = ground.stackctl(&format!("diff -c {good} app")).ends(0);
    assert!(!run.whole().contains("Drift"), "{}", run.whole());
    let victim = ground.live("app", "web").remove(0);
    let host = &victim.host;
    ground.docker(host, &["stop", "-t", "0", victim.name()]);
    // Drift alone, and drift beside a change of the file.
    let stopped = format!("{} on {host}: stopped (status", victim.slot());
    ground.stackctl(&format!("diff -c {good} app")).ends(2).says(&["Drift since release 1:", &stopped]);
    let new = ground.file("new.yml", &format!("version: '3.8'\nservices:\n{}", service("web:2", "")));
    ground
        .stackctl(&format!("diff --format json -c {new} app"))
        .ends(2)
        .says(&["\"drift\":\"stopped\"", "\"release\":1"]);
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    ground.stackctl(&format!("diff -c {good} app")).ends(0);
    ground.assert_is("app", &["web.1", "web.2", "web.3"]);
}
