//! What `stackctl config` prints: read again it means the same, to us and to docker.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use stackctl::compose::{Reading, SourceText, config};
use stackctl::swarm;

use crate::compare::{Kind, Pair, differences};
use crate::reasons::PRINTED;
use crate::world::{Case, Corpus};

/// Every case that can be read, with what is printed and what it means.
fn printed(corpus: &Corpus, reading: Reading) -> Vec<(Case, String, Value)> {
    let print = |case: Case| {
        let loaded = corpus.load(&case, reading).ok()?;
        Some((case, config::text(&loaded.merged, true), swarm::bodies(&loaded.spec, &loaded.merged)))
    };
    corpus.cases().into_iter().filter_map(print).collect()
}

#[test]
fn what_is_printed_means_the_same_to_us() {
    let Some(corpus) = Corpus::find() else { return };
    for reading in [Reading::Ours, Reading::Docker] {
        let printed = printed(&corpus, reading);
        assert!(printed.len() > 200, "only {} files were printed", printed.len());
        for (case, text, meaning) in printed {
            let source = SourceText { name: case.name.clone(), bytes: text.clone().into_bytes() };
            let again = corpus.load_texts(&case, vec![source], reading);
            let again = again.unwrap_or_else(|report| panic!("{}: {:?}", case.name, report.machine()));
            assert_eq!(swarm::bodies(&again.spec, &again.merged), meaning, "{}", case.name);
            assert_eq!(config::text(&again.merged, true), text, "{}", case.name);
        }
    }
}

/// Docker's client, if there is one that can be asked.
fn docker_config(text: &str) -> Option<Result<String, String>> {
    let mut docker = Command::new("docker")
        .args(["stack", "config", "-c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    docker.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = docker.wait_with_output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// Read by docker and printed by it, and held against what docker made of the files themselves.
#[test]
fn what_is_printed_means_the_same_to_docker() {
    let Some(corpus) = Corpus::find() else { return };
    if !is_there() {
        return say_left_out("nothing printed was read by docker");
    }
    for (reading, exceptions) in [(Reading::Ours, PRINTED), (Reading::Docker, &[])] {
        let (mut names, mut pairs, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (case, text, _) in printed(&corpus, reading) {
            if !case.is_read_by_docker() {
                continue;
            }
            match docker_config(&text).expect("docker was there a moment ago") {
                Ok(again) => {
                    names.push(case.name.clone());
                    pairs.push(Pair {
                        kind: Kind::Compose,
                        ours: again.into(),
                        docker: corpus.config(&case).into(),
                    });
                }
                Err(words) => faults.push(format!("{}: docker cannot read it: {words}", case.name)),
            }
        }
        println!("{reading:?}: {} files printed, read by docker and compared", names.len());
        let found = differences(&corpus.comparer(), &pairs);
        for (name, lines) in names.iter().zip(&found) {
            let is_listed = exceptions.iter().any(|(file, _)| file == name);
            match (lines.is_empty(), is_listed) {
                (false, false) => faults.push(format!("{name}:\n    {}", lines.join("\n    "))),
                (true, true) => faults.push(format!("{name} no longer differs: take it off the list")),
                _ => {}
            }
        }
        let known = |file: &&(&str, &str)| !names.iter().any(|name| name == file.0);
        faults.extend(exceptions.iter().filter(known).map(|(file, _)| format!("{file} was not compared")));
        assert!(faults.is_empty(), "{reading:?}\n{}", faults.join("\n"));
    }
}

/// Everything that docker's client has no words for, and some that it has.
const FOR_DOCKER: &str = r#"
services:
  web:
    image: nginx
    depends_on: {db: {condition: service_healthy}, log: {condition: service_started}}
    group_add: [audio]
    dns_opt: [ndots:1]
    runtime: runc
    ports: [{target: 80, published: 80, mode: host, host_ip: 127.0.0.1}, "127.0.0.1:81:81"]
    volumes: [{type: volume, source: v, target: /v, volume: {subpath: a}}]
    configs: [c]
    secrets: [s]
    devices: [{source: /dev/null, target: /dev/x}]
    networks: {n: {priority: 3, aliases: [w]}}
    healthcheck: {test: "true", start_interval: 1s}
    env_file: [{path: /dev/null, required: false}]
    deploy: {x-note: mine}
    x-note: kept
  db: {image: postgres, healthcheck: {test: "true"}}
  log: {image: busybox, platform: linux/amd64, cpus: 0.5, mem_limit: 64m}
networks:
  n: {enable_ipv6: false, ipam: {config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.1, ip_range: 10.9.0.0/25}]}}
volumes: {v: }
configs: {c: {content: "hello"}}
secrets: {s: {environment: HOME}}
"#;

/// `config --format docker`: what is left out is told, key by key, and docker reads the rest.
#[test]
fn the_form_for_docker_is_read_by_docker() {
    let world = crate::samples::load(FOR_DOCKER);
    let (narrowed, losses) = config::for_docker(&world.merged);
    let mut told: Vec<String> = losses.into_iter().map(|loss| loss.path).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "configs.c.content",
            "networks.n.enable_ipv6",
            "networks.n.ipam.config.0.gateway",
            "networks.n.ipam.config.0.ip_range",
            "secrets.s.environment",
            "services.web.depends_on.db.condition",
            "services.web.deploy.x-note",
            "services.web.dns_opt",
            "services.web.group_add",
            "services.web.networks.n.priority",
            "services.web.ports.0.host_ip",
            "services.web.runtime",
        ]
    );
    let text = config::text(&narrowed, true);
    match docker_config(&text) {
        Some(Ok(again)) => {
            for kept in ["127.0.0.1", "x-note: kept", "subpath: a", "/dev/null:/dev/x", "node.platform.arch"]
            {
                assert!(text.contains(kept), "{kept} is not in\n{text}");
            }
            assert!(again.contains("start_interval"), "{again}");
        }
        Some(Err(words)) if !is_there() => say_left_out(&words),
        Some(Err(words)) => panic!("docker cannot read it: {words}\n{text}"),
        None => say_left_out("there is none"),
    }
}

/// Whether docker's client can be asked.
fn is_there() -> bool {
    matches!(docker_config("services: {a: {image: a}}\n"), Some(Ok(_)))
}

/// That something was not tried, also where what tests print is kept back.
fn say_left_out(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: no docker client that knows `stack config`: {why}");
}

/// Whatever we can read, also what docker refuses, has a form that docker reads.
#[test]
fn every_stackfile_has_a_form_for_docker() {
    let Some(corpus) = Corpus::find() else { return };
    if !is_there() {
        return say_left_out("see above");
    }
    let mut faults = Vec::new();
    for case in corpus.cases() {
        // Those that docker prints as they are were asked for above.
        let Ok(loaded) = corpus.load(&case, Reading::Ours) else { continue };
        let (narrowed, losses) = config::for_docker(&loaded.merged);
        if losses.is_empty() && case.is_read_by_docker() {
            continue;
        }
        if let Some(Err(words)) = docker_config(&config::text(&narrowed, true)) {
            faults.push(format!("{}: {words}", case.name));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
