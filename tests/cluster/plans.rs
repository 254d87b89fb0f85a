//! What is planned is what is done.

use crate::ground::{Ground, HOSTS};

/// Runs a command and holds its plan against what it did, and against what `--dry-run` said before.
#[track_caller]
fn as_planned(ground: &Ground, words: &str) -> usize {
    let run = ground.stackctl(&format!("{words} --yes --format json")).ends(0);
    let planned = run.actions("planned_action");
    assert_eq!(planned, run.actions("action_start"), "{}", run.whole());
    assert_eq!(planned, run.actions("action_done"), "{}", run.whole());
    planned.len()
}

#[test]
fn the_samples_do_what_they_planned() {
    let Some(ground) = Ground::new() else { return };
    for (name, edit) in [
        (
            "vote",
            [("examplevotingapp_vote:before", "examplevotingapp_vote:after"), ("replicas: 2", "replicas: 3")],
        ),
        ("efk", [("grafana:10.4.14", "grafana:10.4.15"), ("storage == ssd", "storage == hdd")]),
    ] {
        let source = format!("stacks/{name}");
        let copy = ground.path().join(name);
        let copied = std::process::Command::new("cp").args(["-r", &source]).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()));
        let file = copy.join("docker-compose.yml");
        let shown = file.display();
        let mut text = std::fs::read_to_string(&file).expect("the stackfile");
        ground.playground(&format!("image --stand-in-for {shown}"));
        assert!(as_planned(&ground, &format!("deploy -c {shown} {name}")) > 5);
        for (from, to) in edit {
            assert!(text.contains(from), "{name}: {from}");
            text = text.replace(from, to);
            std::fs::write(&file, &text).expect("the stackfile");
            ground.playground(&format!("image --stand-in-for {shown}"));
            assert!(as_planned(&ground, &format!("deploy -c {shown} {name}")) > 0, "{name}: {to}");
            assert_eq!(as_planned(&ground, &format!("deploy -c {shown} {name}")), 0, "{name}: {to}");
        }
        assert!(as_planned(&ground, &format!("rm {name}")) > 5);
        assert!(ground.tasks(name).is_empty());
    }
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
