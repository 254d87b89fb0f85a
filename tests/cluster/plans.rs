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
