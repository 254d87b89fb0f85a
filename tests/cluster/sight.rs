//! What is seen of a cluster of real hosts: events as they happen, the log, and what is taken back.

use crate::ground::Ground;

const STACK: &str = "\
services:
  web:
    image: web:1
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 300ms}}
";

#[test]
fn what_happens_is_heard_and_what_was_done_is_undone() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", STACK);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let mut events = ground.begin("events --follow --format json");
    // It listens from when its first probe was answered; a word of a task shows that it does.
    std::thread::sleep(std::time::Duration::from_secs(4));
    ground.stackctl("service update --yes --image web:2 app_web").ends(0);
    let seen = |line: Option<serde_json::Value>| line.expect("an event");
    let started = seen(events.line_of("task", |line| line["what"] == "start"));
    assert_eq!(started["stack"], "app", "{started}");
    assert!(started["task"] == "web.1" || started["task"] == "web.2", "{started}");
    let ended = seen(events.line_of("release_ended", |line| line["release"] == 2));
    assert_eq!((&ended["operation"], &ended["outcome"]), (&"app@2".into(), &"deployed".into()), "{ended}");
    ground.stackctl("node update --label-add zone=z h1").ends(0);
    let began = seen(events.line_of("operation_began", |_| true));
    assert_eq!(began["verb"], "node update --label-add zone=z h1", "{began}");
    ground.stackctl("undo --yes app").ends(0);
    let images = || ground.live("app", "web").iter().map(|task| task.image().to_owned()).collect::<Vec<_>>();
    assert_eq!(images(), ["web:1", "web:1"]);
    // Those two are of the same second by the keepers' clocks.
    ground.stackctl("undo --yes @1").ends(0);
    let log = ground.stackctl("log -n 5 --format {{.What}}={{.Outcome}}").ends(0);
    let lines: Vec<&str> = log.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "undo @1=done",
            "undo app@2=deployed",
            "node update --label-add zone=z h1=done",
            "service update --image web:2 web=deployed",
            "deploy=deployed",
        ]
    );
    ground.playground("kill h3");
    let lost = seen(events.line_of("node_lost", |_| true));
    assert_eq!((&lost["node"], &lost["level"]), (&"h3".into(), &"error".into()), "{lost}");
    ground.playground("start h3");
    assert_eq!(seen(events.line_of("node_back", |_| true))["node"], "h3");
    events.terminate();
}
