//! Several files, the later over the earlier; and the merged file as text.

use super::{load_all, loaded};
use crate::compose::config;
use crate::model::TaskSpec;

fn merged(base: &str, later: &str) -> TaskSpec {
    let file = |body: &str| {
        let lines: String = body.lines().map(|line| format!("    {line}\n")).collect();
        format!("services:\n  web:\n    image: nginx\n{lines}\n")
    };
    (*loaded(&[&file(base), &file(later)]).spec.services["web"].task).clone()
}

#[test]
fn maps_key_by_key_lists_one_after_the_other_commands_replaced() {
    let task = merged(
        "command: a b\nenvironment: {A: 1, B: 1}\ndns: [1.1.1.1]\nhealthcheck: {test: [CMD, a], retries: 3}",
        "command: c\nenvironment: [B=2, C=3]\ndns: [8.8.8.8, 1.1.1.1]\nhealthcheck: {test: [CMD, b]}",
    );
    assert_eq!(task.command.unwrap(), ["c"]);
    let env: Vec<_> = task.environment.values().map(|value| value.clone().unwrap()).collect();
    assert_eq!(env, ["1", "2", "3"]);
    assert_eq!(task.dns, ["1.1.1.1", "8.8.8.8"]);
    let health = task.healthcheck.unwrap();
    assert_eq!((health.test, health.retries), (vec!["CMD".to_owned(), "b".to_owned()], Some(3)));
}

#[test]
fn a_later_file_can_say_zero_and_false() {
    let task =
        merged("tty: true\nread_only: true\nstop_grace_period: 5s", "tty: false\nstop_grace_period: 0s");
    assert!(!task.tty && task.read_only);
    assert_eq!(task.stop_grace_period, Some(crate::model::GoDuration::ZERO));
}

#[test]
fn ports_are_told_apart_by_address_number_and_protocol() {
    let task = merged(
        "ports: [\"53:53/tcp\", \"53:53/udp\", \"80:80\", 9000]",
        "ports: [\"80:8080\", \"127.0.0.1:443:443\", 9001]",
    );
    let shown: Vec<_> = task.ports.iter().map(|p| (p.published, p.target)).collect();
    assert_eq!(
        shown,
        [(None, 9000), (None, 9001), (Some(53), 53), (Some(53), 53), (Some(80), 8080), (Some(443), 443)]
    );
}

#[test]
fn mounts_are_told_apart_by_target() {
    let task = merged("volumes: [\"/a:/x\", \"/b:/y\"]", "volumes: [\"/c:/x:ro\"]");
    let json = serde_json::to_string(&task.volumes).unwrap();
    assert_eq!(
        json,
        r#"{"/x":{"type":"bind","source":"/c","read_only":true},"/y":{"type":"bind","source":"/b"}}"#
    );
}

#[test]
fn options_of_another_log_driver_do_not_mix() {
    let task = merged("logging: {driver: a, options: {x: 1}}", "logging: {options: {y: 2}}");
    assert_eq!(task.logging.unwrap().options.len(), 2);
    let task = merged("logging: {driver: a, options: {x: 1}}", "logging: {driver: b, options: {y: 2}}");
    assert_eq!(task.logging.unwrap().options.len(), 1);
}

#[test]
fn reset_removes_and_override_replaces() {
    let task = merged(
        "environment: {A: 1, B: 2}\nports: [\"80:80\"]\nuser: root",
        "environment: {A: !reset null}\nports: !override [\"81:81\"]\nuser: !reset null",
    );
    assert_eq!(task.environment.keys().collect::<Vec<_>>(), ["B"]);
    assert_eq!(task.ports.len(), 1);
    assert_eq!(task.user, None);
}

#[test]
fn resources_at_the_top_are_replaced_whole() {
    let spec = loaded(&[
        "services: {a: {image: x, volumes: ['v:/v']}}\nvolumes: {v: {driver: nfs, driver_opts: {a: b}}}",
        "services: {b: {image: y}}\nvolumes: {v: {labels: {c: d}}}",
    ])
    .spec;
    assert_eq!(spec.services.len(), 2);
    let volume = &spec.volumes["v"];
    assert_eq!((volume.driver.as_deref(), volume.labels.len()), (None, 1));
}

#[test]
fn a_partial_file_needs_no_image() {
    let spec = loaded(&["services: {a: {image: x}}", "services: {a: {deploy: {replicas: 2}}}"]).spec;
    assert_eq!(spec.services["a"].task.image, "x");
}

const FILE: &str = "version: '3'\nservices:\n  web:\n    image: nginx:$TAG\n    command: echo $$HOME 'a b'\n    ports: ['80:80', '127.0.0.1:81:81']\n    environment: [A=1, CALLER]\n    env_file: later.env\n    depends_on: [db]\n    configs: [c]\n    volumes: ['./x:/x:ro', 'data:/d']\n    deploy: {resources: {limits: {cpus: 0.5, memory: 1G}}, update_config: {delay: 90s}}\n  db: {image: postgres, depends_on: }\nvolumes: {data: }\nconfigs: {c: {file: conf/a.conf}}\n";

#[test]
fn the_merged_file_is_one_that_docker_reads() {
    insta::assert_snapshot!(config::text(&loaded(&[FILE]).merged, true), @r##"
    version: "3.13"
    services:
      db:
        image: postgres
      web:
        command:
          - echo
          - $$HOME
          - a b
        configs:
          - source: c
        depends_on:
          - db
        deploy:
          resources:
            limits:
              cpus: "0.5"
              memory: "1073741824"
          update_config:
            delay: 1m30s
        environment:
          A: "1"
          CALLER: from the caller
        image: nginx:1.2
        ports:
          - mode: ingress
            protocol: tcp
            published: 80
            target: 80
          - 127.0.0.1:81:81/tcp
        volumes:
          - read_only: true
            source: /srv/app/x
            target: /x
            type: bind
          - source: data
            target: /d
            type: volume
    volumes:
      data: {}
    configs:
      c:
        file: /srv/app/conf/a.conf
    "##);
}

proptest::proptest! {
    #[test]
    fn no_damaged_file_makes_it_panic(at in 0..FILE.len(), len in 0..12_usize, with in "[ \\n{}:&*!<>$'\"a0-]{0,4}") {
        let mut text = FILE.to_owned();
        text.replace_range(at..(at + len).min(FILE.len()), &with);
        let _ = super::drawn_all(&[("a.yml", text.as_bytes())]);
        let _ = super::drawn_all(&[("a.yml", FILE.as_bytes()), ("b.yml", text.as_bytes())]);
    }
}

#[test]
fn the_merged_file_means_the_same() {
    let first = loaded(&[FILE]);
    let again = load_all(&[("a.yml", config::text(&first.merged, true).as_bytes())]).unwrap();
    assert_eq!(first.spec, again.spec);
}
