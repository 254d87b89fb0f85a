//! The verbs on services, on fake engines: what is refused, what is shown, and what is remembered.

use serde_json::Value;

use crate::engine::{Behaviour, FakeEngine};
use crate::hosts::Hosts;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    environment: {MODE: slow}
    ports: [\"8080:80\"]
    networks: [front]
    deploy:
      replicas: 2
      update_config: {parallelism: 0, monitor: 50ms}
  agent:
    image: agent:1
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 50ms}}
networks:
  front: {}
";

fn shop() -> Hosts {
    Hosts::deployed(SHOP)
}

fn told(cluster: &Hosts) -> Vec<String> {
    let run = cluster.expect(0, "history --format {{.Outcome}}:{{.What}} shop");
    run.stdout.lines().map(ToOwned::to_owned).collect()
}

fn web_images(cluster: &Hosts) -> Vec<String> {
    let of = |engine: &FakeEngine| -> Vec<String> {
        engine.with(|world| {
            let running = world.running();
            let all = world.containers.values().filter(|one| running.contains(&one.name));
            let web = all.filter(|one| one.name.starts_with("shop_web."));
            web.map(|one| one.image().split('@').next().unwrap_or_default().to_owned()).collect()
        })
    };
    cluster.engines.iter().flat_map(of).collect()
}

#[test]
fn a_service_is_scaled_updated_restarted_and_rolled_back() {
    let cluster = shop();
    cluster.forget_calls();
    insta::assert_snapshot!("scale_dry_run", cluster.expect(0, "scale --dry-run shop_web=3").show());
    assert_eq!(cluster.writes(), [""; 0], "a plan writes nothing");
    cluster.expect(0, "scale --yes shop_web=3");
    assert_eq!(web_images(&cluster).len(), 3);
    cluster.expect(0, "service scale --yes shop/web=3");
    cluster.expect(0, "service update --yes --image nginx:1.26 --env-add PASSWORD=hunter2 shop_web");
    assert_eq!(web_images(&cluster), ["nginx:1.26", "nginx:1.26", "nginx:1.26"]);
    let before = cluster.running();
    insta::assert_snapshot!("restart_dry_run", cluster.expect(0, "restart --dry-run shop_web").show());
    cluster.expect(0, "restart --yes shop_web");
    let web = |names: &[String]| -> Vec<String> {
        names.iter().filter(|name| name.starts_with("shop_web.")).cloned().collect()
    };
    let after = cluster.running();
    assert!(web(&after).iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
    assert_eq!(after.len(), before.len());
    cluster.expect(0, "service rollback --yes shop_web");
    assert_eq!(web_images(&cluster), ["nginx:1.25", "nginx:1.25", "nginx:1.25"]);
    // As docker: back and forth.
    cluster.expect(0, "service update --yes --rollback shop_web");
    assert_eq!(web_images(&cluster)[0], "nginx:1.26");
    cluster.expect(0, "restart --yes shop");
    assert_eq!(
        told(&cluster),
        [
            "deployed:restart",
            "deployed:service rollback web",
            "deployed:service rollback web",
            "deployed:restart web",
            "deployed:service update --image nginx:1.26 --env-add PASSWORD web",
            "deployed:scale web=3",
            "deployed:deploy",
        ]
    );
    // Restarts are nothing to be undone; what was changed by hand is what the file changes back.
    let shown = cluster.expect(2, "diff shop").stdout;
    assert!(!shown.contains("force_update") && !shown.contains("agent"), "{shown}");
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let cluster = shop();
    cluster.forget_calls();
    let shown: Vec<String> = [
        "scale --yes shop_agent=2",
        "scale --yes shop_none=2",
        "scale --yes shop_web=2000000000",
        "scale shop=2",
        "service update --yes --network-add back shop_web",
        "service update --yes --config-add page shop_web",
        "service update --yes --publish-add 8080:81 shop_web",
        "service update --rollback --image x shop_web",
        "service update --no-healthcheck --health-cmd true shop_web",
        "service update --update-order sideways shop_web",
        "service rollback --yes shop_web",
        "scale --yes blog_web=2",
        "restart --yes blog",
        "service ps shop_none",
        "exec shop_none true",
        "exec shop_web.7 true",
    ]
    .iter()
    .map(|args| format!("$ stackctl {args}\n{}", cluster.run(args).show()))
    .collect();
    insta::assert_snapshot!("refusals", shown.join("\n"));
    assert_eq!(cluster.writes(), [""; 0]);
}

#[test]
fn services_are_listed_and_inspected_in_docker_s_words() {
    let cluster = shop();
    cluster.expect(0, "service update --yes --env-add MODE=fast shop_web");
    insta::assert_snapshot!("service_ls", cluster.expect(0, "service ls").show());
    let names = cluster.expect(0, "service ps --format {{.Name}} shop_web shop_agent").stdout;
    let mut names: Vec<&str> = names.lines().collect();
    names.dedup();
    assert_eq!(names.len(), 5, "ended tasks are below their successors: {names:?}");
    let shown = cluster.expect(0, "service inspect --pretty shop_web").show();
    // The clock goes on from where it was set.
    let shown: Vec<&str> = shown.lines().filter(|line| !line.starts_with("Updated:")).collect();
    insta::assert_snapshot!("service_inspect", shown.join("\n"));
    let shown: Value = serde_json::from_str(&cluster.expect(0, "service inspect shop_web").stdout).unwrap();
    let (spec, previous) = (&shown[0]["Spec"], &shown[0]["PreviousSpec"]);
    assert_eq!(spec["Mode"]["Replicated"]["Replicas"], 2);
    assert_eq!(spec["TaskTemplate"]["ContainerSpec"]["Env"], serde_json::json!(["MODE=fast"]));
    assert_eq!(previous["TaskTemplate"]["ContainerSpec"]["Env"], serde_json::json!(["MODE=slow"]));
    assert_eq!(spec["UpdateConfig"]["FailureAction"], "pause");
    assert_eq!(shown[0]["Version"]["Index"], 2);
    let image = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
    assert_eq!(cluster.expect(0, &format!("service inspect -f {image} shop_agent")).stdout, "agent:1\n");
    cluster.expect(0, "service logs shop_web");
}

#[test]
fn after_a_failure_it_is_not_known_what_there_is_to_change() {
    let cluster = shop();
    for engine in &cluster.engines {
        engine.with(|world| world.behaviours.insert("nginx:bad".to_owned(), Behaviour::Exits(0, 3)));
    }
    cluster.expect(7, "service update --yes --image nginx:bad shop_web");
    insta::assert_snapshot!("after_a_failure", cluster.expect(1, "scale --yes shop_web=3").show());
    cluster.expect(0, "rollback --yes shop");
    cluster.expect(0, "scale --yes shop_web=3");
}
