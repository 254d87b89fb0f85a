//! Updates seen by those who use the service meanwhile.

use crate::ground::{Ground, HOSTS, now};

fn stackfile(image: &str, order: &str) -> String {
    format!(
        "version: '3.8'
services:
  web:
    image: {image}
    deploy:
      replicas: 3
      update_config: {{parallelism: 1, monitor: 500ms, order: {order}}}
"
    )
}

/// The fewest tasks that served at a time, and the most containers that ran, from what the engines say:
/// one serves from when it is healthy until it is told to stop.
pub fn fewest_and_most(ground: &Ground, since: std::time::Duration, before: i32) -> (i32, i32) {
    let (mut serving, mut running) = (before, before);
    let (mut fewest, mut most) = (before, before);
    for happened in ground.events(&HOSTS, since) {
        if !happened.name.starts_with("app_web.") {
            continue;
        }
        match happened.action.as_str() {
            "start" => running += 1,
            "die" => running -= 1,
            "health_status: healthy" => serving += 1,
            // Told to stop; a second signal would come after the grace period.
            "kill" => serving -= 1,
            _ => continue,
        }
        (fewest, most) = (fewest.min(serving), most.max(running));
    }
    assert_eq!((serving, running), (before, before));
    (fewest, most)
}

#[test]
fn start_first_never_serves_with_fewer_and_stop_first_never_runs_more() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |image: &str, order: &str| {
        let file = ground.file("app.yml", &stackfile(image, order));
        ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
        ground.assert_is("app", &["web.1", "web.2", "web.3"]);
        assert!(ground.live("app", "web").iter().all(|task| task.image().starts_with(image)));
    };
    deploy("webhc:1", "start-first");
    let since = now();
    deploy("webhc:2", "start-first");
    assert_eq!(fewest_and_most(&ground, since, 3), (3, 4));
    let since = now();
    deploy("webhc:3", "stop-first");
    assert_eq!(fewest_and_most(&ground, since, 3), (2, 3));
}
