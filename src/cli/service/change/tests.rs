//! Flags in, a service out: a line each.

use clap::Parser;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::spec::{ConfigSpec, NetworkSpec, ServiceMode, UpdateOrder, VolumeSpec};
use crate::model::testing::{STACK, replicated, stack, with_port, with_task};
use crate::model::{GoDuration, ServiceName, ServiceSpec, StackSpec};
use crate::ops::edit::{EditError, apply};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn world() -> StackSpec {
    let web = with_task(with_port(replicated("web", 2), 8080), |task| {
        task.environment.insert("MODE".into(), Some("slow".into()));
        task.networks.insert("app_front".into(), Box::default());
        task.digest = Some("sha256:aa".into());
    });
    let mut spec = stack(vec![web]);
    for key in ["front", "back"] {
        let network = NetworkSpec { name: format!("{STACK}_{key}"), ..NetworkSpec::default() };
        spec.networks.insert(key.into(), network);
    }
    let volume = VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() };
    spec.volumes.insert("data".into(), volume);
    let config = ConfigSpec {
        name: "app_site".into(),
        external: false,
        digest: "d1".into(),
        content: Some(Arc::from(&b"x"[..])),
        labels: BTreeMap::new(),
        template_driver: None,
    };
    spec.configs.insert("site".into(), config);
    spec
}

fn changed(line: &[&str]) -> Result<(StackSpec, ServiceSpec), EditError> {
    let args = std::iter::once(&"x").chain(line);
    let flags = Line::try_parse_from(args).unwrap_or_else(|error| panic!("{error}")).flags;
    let mut spec = world();
    let env = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    apply(&mut spec, &ServiceName::unchecked("web"), &flags.change(None, &env))?;
    let service = spec.services["web"].clone();
    Ok((spec, service))
}

fn web(line: &[&str]) -> ServiceSpec {
    changed(line).unwrap().1
}

fn refusal(line: &[&str]) -> String {
    changed(line).unwrap_err().to_string()
}

#[test]
fn nothing_asked_is_nothing_changed() {
    assert_eq!(changed(&[]).unwrap().0, world());
}

#[test]
fn another_image_is_not_the_old_digest() {
    assert_eq!(web(&["--image", "web:2"]).task.digest, None);
    let before = world().services["web"].task.image.clone();
    assert_eq!(web(&["--image", &before]).task.digest.as_deref(), Some("sha256:aa"));
    let resolved = Resolved { digest: "sha256:bb".into(), platforms: Vec::new() };
    let flags = Flags { image: Some("web:2".into()), ..Flags::default() };
    let mut spec = world();
    let change = flags.change(Some(resolved), &|_| None);
    apply(&mut spec, &ServiceName::unchecked("web"), &change).unwrap();
    assert_eq!(spec.services["web"].task.pinned_image(), "web:2@sha256:bb");
}

#[test]
fn what_goes_goes_before_what_comes() {
    let web = web(&["--env-rm", "MODE", "--env-add", "MODE=fast", "--env-add", "HOME", "--env-add", "NONE"]);
    let found: Vec<(&str, Option<&str>)> =
        web.task.environment.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(found, [("HOME", Some("/root")), ("MODE", Some("fast")), ("NONE", None)]);
    let web = self::web(&["--label-add", "a=1", "--label-add", "b", "--container-label-add", "c=2"]);
    assert_eq!((web.labels["a"].as_str(), web.labels["b"].as_str()), ("1", ""));
    assert_eq!(web.task.labels["c"], "2");
}

#[test]
fn ports_go_by_their_number_in_the_container() {
    let published = |web: &ServiceSpec| -> Vec<Option<u16>> {
        web.task.ports.iter().map(|port| port.published).collect()
    };
    let target = world().services["web"].task.ports[0].target.to_string();
    let moved = web(&["--publish-rm", &target, "--publish-add", "9090:80"]);
    assert_eq!(published(&moved), [Some(9090)]);
    assert_eq!(published(&web(&["--publish-rm", "7"])), [Some(8080)]);
    assert!(refusal(&["--publish-add", "8080:7"]).contains("published twice"));
}

#[test]
fn mounts_configs_and_networks_are_those_of_the_stack() {
    let web =
        web(&["--mount-add", "source=data,target=/data", "--config-add", "source=site,target=/etc/site"]);
    assert_eq!(web.task.volumes["/data"].named_volume(), Some("app_data"));
    assert_eq!(web.task.configs["/etc/site"].content, "d1");
    let web = self::web(&["--network-rm", "front", "--network-add", "name=back,alias=www"]);
    assert_eq!(web.task.networks.keys().collect::<Vec<_>>(), ["app_back"]);
    assert_eq!(web.task.networks["app_back"].aliases, ["www", "web"]);
    for (line, why) in [
        (["--mount-add", "source=none,target=/data"], "stack `app` has no volume `none`"),
        (["--config-add", "none"], "stack `app` has no config `none`"),
        (["--network-add", "none"], "stack `app` has no network `none`"),
        (["--network-add", "front"], "service `web`: it is on network `front` already"),
        (["--network-rm", "back"], "service `web`: it is not on network `back`"),
    ] {
        assert_eq!(refusal(&line), why);
    }
    let (spec, web) = changed(&["--config-add", "site"]).unwrap();
    assert_eq!((web.task.configs["/site"].mode, spec.configs.len()), (0o444, 1));
}

#[test]
fn a_healthcheck_is_set_cleared_or_turned_off() {
    let check = |line: &[&str]| web(line).task.healthcheck.clone();
    let set = check(&["--health-cmd", "true", "--health-interval", "2s", "--health-retries", "1"]).unwrap();
    assert_eq!(
        (set.test.as_slice(), set.retries),
        (&["CMD-SHELL".to_owned(), "true".to_owned()][..], Some(1))
    );
    assert_eq!(check(&["--no-healthcheck"]).unwrap().test, ["NONE"]);
    assert_eq!(check(&["--health-cmd", ""]), None);
    assert!(Line::try_parse_from(["x", "--no-healthcheck", "--health-cmd", "true"]).is_err());
}

#[test]
fn numbers_and_policies() {
    let changed = web(&[
        "--replicas",
        "5",
        "--limit-memory",
        "64M",
        "--reserve-cpu",
        "0.5",
        "--update-order",
        "start-first",
        "--rollback-parallelism",
        "0",
        "--restart-delay",
        "1s",
        "--replicas-max-per-node",
        "2",
        "--args",
        "sh -c 'sleep 1'",
        "--force",
    ]);
    assert_eq!(changed.mode, ServiceMode::Replicated { replicas: 5 });
    assert_eq!(changed.task.resources.limits.memory, Some(64 << 20));
    assert_eq!(changed.task.resources.reservations.nano_cpus, 500_000_000);
    assert_eq!(changed.update_config.order, UpdateOrder::StartFirst);
    assert_eq!((changed.rollback_config.parallelism, changed.placement.max_replicas_per_node), (0, 2));
    assert_eq!(changed.task.restart_policy.delay, GoDuration::from_secs(1));
    assert_eq!(changed.task.command.as_deref().unwrap(), ["sh", "-c", "sleep 1"]);
    assert_eq!(changed.task.force_update, 1);
    assert_eq!(web(&["--limit-memory", "0"]).task.resources.limits.memory, None);
}

#[test]
fn constraints_and_preferences_are_lists() {
    let line = ["--constraint-add", "node.labels.a==1", "--placement-pref-add", "spread=node.labels.zone"];
    let web = web(&line);
    assert_eq!(web.placement.constraints, ["node.labels.a==1"]);
    assert_eq!(web.placement.spread, ["node.labels.zone"]);
}
