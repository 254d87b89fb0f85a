//! What is planned is what is done.

use crate::ground::{Ground, HOSTS};

/// Runs a command and holds its plan against what it did. Returns how many actions that were.
#[track_caller]
pub fn as_planned(ground: &Ground, words: &str) -> usize {
    let run = ground.stackctl(&format!("{words} --yes --format json")).ends(0);
    let planned = run.actions("planned_action");
    assert_eq!(planned, run.actions("action_start"), "{}", run.whole());
    assert_eq!(planned, run.actions("action_done"), "{}", run.whole());
    planned.len()
}

#[test]
fn the_vote_sample_does_what_it_planned() {
    let Some(ground) = Ground::new() else { return };
    let mut text = std::fs::read_to_string("stacks/vote/docker-compose.yml").expect("the sample");
    let words = format!("deploy -c {} vote", ground.file("vote.yml", &text));
    let mut deploy = |edit: (&str, &str)| {
        assert!(text.contains(edit.0), "{edit:?}");
        text = text.replace(edit.0, edit.1);
        ground.playground(&format!("image --stand-in-for {}", ground.file("vote.yml", &text)));
        let done = as_planned(&ground, &words);
        assert_eq!(as_planned(&ground, &words), 0, "{edit:?}");
        done
    };
    // Made as it is; then another image, another number, and all that sits together moves.
    assert!(deploy(("3.8", "3.8")) > 15);
    assert!(deploy(("vote:before", "vote:after")) > 5);
    assert!(deploy(("replicas: 2", "replicas: 3")) >= 2);
    assert!(deploy(("storage == hdd", "storage == ssd")) > 10);
    assert!(as_planned(&ground, "rm vote") > 10);
    assert!(ground.tasks("vote").is_empty());
}

#[test]
fn create_update_scale_prune_and_rm_do_what_they_planned() {
    let Some(ground) = Ground::new() else { return };
    let stack = |image: &str, replicas: u32, more: &str| {
        format!(
            "version: '3.8'
services:
  web:
    image: {image}
    networks: [front]
    volumes: ['data:/data']
    deploy:
      replicas: {replicas}
      update_config: {{parallelism: 2, monitor: 300ms, order: start-first}}
  every:
    image: web:1
    networks: [front, back]
    deploy:
      mode: global
      update_config: {{parallelism: 0, monitor: 300ms}}
{more}
networks: {{front: , back: }}
volumes: {{data: }}
"
        )
    };
    let job = "  once:
    image: busybox:1
    command: ['true']
    depends_on: [web]
    deploy: {mode: replicated-job, replicas: 2}
";
    for (image, replicas, more) in [
        ("web:1", 2, ""),
        ("web:2", 2, ""),
        ("web:2", 5, ""),
        ("web:2", 1, job),
        ("webhc:3", 3, job),
        ("webhc:3", 3, ""),
        ("webhc:3", 0, ""),
    ] {
        let file = ground.file("app.yml", &stack(image, replicas, more));
        let words = format!("deploy --prune -c {file} app");
        assert!(as_planned(&ground, &words) > 0, "{image} {replicas}");
        assert_eq!(as_planned(&ground, &words), 0, "{image} {replicas}");
    }
    let before = ground.everything(&HOSTS);
    ground.stackctl("rm --dry-run app").ends(0);
    assert_eq!(ground.everything(&HOSTS), before);
    assert!(as_planned(&ground, "rm app") > 0);
}

#[test]
fn a_kept_plan_is_what_is_done_and_a_stale_one_is_not() {
    let Some(ground) = Ground::new() else { return };
    let stack = |image: &str| {
        let file = format!(
            "services:
  web:
    image: {image}
    environment: {{PASSWORD: hunter2, DSN: 'me:hunter2@db'}}
    deploy:
      replicas: 3
      update_config: {{parallelism: 0, monitor: 300ms}}
"
        );
        ground.file("app.yml", &file)
    };
    let kept = |name: &str| ground.path().join(name).display().to_string();
    let (plan, snapshot, key) = (kept("plan.bin"), kept("snapshot.json"), kept("key"));
    let images = || ground.live("app", "web").iter().map(|task| task.image().to_owned()).collect::<Vec<_>>();
    let file = stack("web:1");
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);

    // What a plan says, what a snapshot says of it elsewhere, and what is done, are the same.
    stack("web:2");
    let before = ground.everything(&HOSTS);
    ground.stackctl(&format!("snapshot -o {snapshot} --key-out {key}")).ends(0);
    ground.stackctl(&format!("diff --out {plan} -c {file} app")).ends(2);
    assert_eq!(ground.everything(&HOSTS), before, "looking changes nothing");
    for name in [&plan, &snapshot] {
        let text = std::fs::read_to_string(name).expect("it was written");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let planned = |words: &str| -> Vec<String> {
        let run = ground.stackctl(&format!("diff --format json {words} -c {file} app")).ends(2);
        let plan: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let line = |one: &serde_json::Value| format!("{} {} {}", one["node"], one["verb"], one["object"]);
        plan["actions"].as_array().expect("actions").iter().map(line).collect()
    };
    assert_eq!(planned(""), planned(&format!("--against {snapshot} --key {key}")));
    let run = ground.stackctl(&format!("deploy --yes --format json {plan}")).ends(0);
    assert_eq!(run.actions("planned_action"), run.actions("action_done"), "{}", run.whole());
    assert_eq!(images(), ["web:2", "web:2", "web:2"]);
    ground.stackctl(&format!("deploy --yes {plan}")).ends(0);

    // Somebody else has changed the stack since; a container was taken away; the file is another one.
    stack("web:3");
    ground.stackctl(&format!("diff --out {plan} -c {file} app")).ends(2);
    ground.stackctl("scale --yes app_web=2").ends(0);
    let before = ground.everything_but_records(&HOSTS);
    let both = ["The plan of ", "It would now be:", "deploy.replicas: 2 -> 3", "stackctl::plan::stale"];
    ground.stackctl(&format!("deploy --yes {plan}")).ends(1).says(&both);
    ground.stackctl(&format!("diff --out {plan} -c {file} app")).ends(2);
    let gone = ground.live("app", "web").remove(0);
    ground.docker(&gone.host, &["rm", "-f", gone.id()]);
    ground.stackctl(&format!("deploy --yes {plan}")).ends(1).says(&["stackctl::plan::stale"]);
    ground.stackctl(&format!("diff --out {plan} -c {file} app")).ends(2);
    stack("web:4");
    ground.stackctl(&format!("deploy --yes {plan}")).ends(1).says(&["app.yml has changed"]);
    let lost =
        before.values().flatten().count() - ground.everything_but_records(&HOSTS).values().flatten().count();
    assert!(lost <= 1, "nothing but what was taken away by hand: {lost}");
    stack("web:3");
    ground.stackctl(&format!("deploy --yes {plan}")).ends(0);
    assert_eq!(images(), ["web:3", "web:3", "web:3"]);
}
