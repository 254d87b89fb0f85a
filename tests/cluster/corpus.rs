//! Real stackfiles with secrets or configs, deployed with stand-in images: each file stands in its task as docker's own
//! requests for the same stackfile say, with that content, owner and mode.
//!
//! `STACKCTL_CORPUS` names them (see `tests/corpus`). All of them take some ten minutes; where `STACKCTL_TEST_CORPUS` does
//! not say how many, a few are tried.

#[path = "../corpus/world.rs"]
#[allow(dead_code, reason = "shared with what reads the corpus, which needs more of it")]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use stackctl::compose::Reading;
use stackctl::model::StackSpec;
use stackctl::model::ids::sha256_hex;

use crate::agents;
use crate::ground::number;
use world::{Case, Corpus};

const STACK: &str = "orc-s";
/// Where `STACKCTL_TEST_CORPUS` does not say.
const FILES: u64 = 3;

/// Files that are no test of this, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    (
        "docker__cli/e2e__stack__testdata__stack-with-named-resources.yml",
        "relative targets, which no engine mounts",
    ),
    ("docker__cli/cli__compose__loader__loader_test.go__L1768.yml", "the engine lacks the secrets' plugin"),
];

/// A file of a task: where, of whom, with which permissions.
type Placed = (String, String);

/// What docker asks for: of each service, the files of its tasks and what they are named; and of each name, the content.
struct Asked {
    services: BTreeMap<String, Vec<(Placed, String)>>,
    contents: BTreeMap<String, Vec<u8>>,
}

fn asked(requests: &Value) -> Asked {
    let mut asked = Asked { services: BTreeMap::new(), contents: BTreeMap::new() };
    for request in requests.as_array().into_iter().flatten() {
        let (path, body) = (request["path"].as_str().unwrap_or_default(), &request["body"]);
        let name = body["Name"].as_str().unwrap_or_default();
        match path {
            "/secrets/create" | "/configs/create" => {
                let data =
                    body["Data"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                asked.contents.insert(format!("{path} {name}"), data);
            }
            "/services/create" => {
                let container = &body["TaskTemplate"]["ContainerSpec"];
                let mut files = Vec::new();
                for (kind, folder, create) in
                    [("Secret", "/run/secrets/", "/secrets/create"), ("Config", "/", "/configs/create")]
                {
                    for one in container[format!("{kind}s")].as_array().into_iter().flatten() {
                        let (file, text) =
                            (&one["File"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
                        let target = text(&file["Name"]);
                        let target =
                            if target.starts_with('/') { target } else { format!("{folder}{target}") };
                        let mode = file["Mode"].as_u64().unwrap_or_default() & 0o7777;
                        let whose = format!("{mode:o} {} {}", text(&file["UID"]), text(&file["GID"]));
                        files.push((
                            (target, whose),
                            format!("{create} {}", text(&one[format!("{kind}Name")])),
                        ));
                    }
                }
                let service = name.strip_prefix(&format!("{STACK}_")).unwrap_or(name).to_owned();
                asked.services.insert(service, files);
            }
            _ => {}
        }
    }
    asked
}

/// Everything of the services but their files is that of a stand-in.
fn stand_ins(spec: &StackSpec) -> String {
    let mut text = String::from("services:\n");
    for name in spec.services.keys() {
        let _ = write!(
            text,
            "  {name}:\n    image: busybox:1\n    entrypoint: !override [sleep, '100000']\n    command: !reset null\n    \
             healthcheck: !override {{disable: true}}\n    stop_grace_period: 1s\n"
        );
        for key in [
            "user",
            "ports",
            "volumes",
            "networks",
            "network_mode",
            "depends_on",
            "logging",
            "devices",
            "cap_add",
            "sysctls",
            "extra_hosts",
            "env_file",
            "environment",
            "working_dir",
            "hostname",
            "dns",
            "restart",
            "init",
            "pid",
            "ulimits",
            "security_opt",
            "privileged",
            "links",
            "expose",
            "stop_signal",
        ] {
            let _ = writeln!(text, "    {key}: !reset null");
        }
        let _ = writeln!(text, "    deploy: !override {{replicas: 1, update_config: {{monitor: 0s}}}}");
    }
    text
}

fn has_files(spec: &StackSpec) -> bool {
    spec.services.values().any(|service| !service.task.secrets.is_empty() || !service.task.configs.is_empty())
}

/// Cases that docker deploys, whose tasks have files that we can deliver.
fn cases(corpus: &Corpus) -> Vec<(Case, StackSpec)> {
    let is_left_out = |case: &Case| LEFT_OUT.iter().any(|(name, _)| *name == case.name);
    let all = corpus.cases().into_iter().filter(|case| case.is_deployed_by_docker() && !is_left_out(case));
    all.filter(|case| corpus.alone(case).is_some())
        .filter_map(|case| {
            let spec = corpus.load(&case, Reading::Ours).ok()?.spec;
            let is_ours = spec.secrets.values().all(|secret| secret.driver.is_none());
            (has_files(&spec) && is_ours).then_some((case, spec))
        })
        .collect()
}

#[test]
fn files_of_real_stackfiles_are_where_docker_would_put_them() {
    let (Some(corpus), Some(world)) = (Corpus::find(), agents::World::new()) else { return };
    let ground = &world.ground;
    world.run("key init").ends(0);
    let variables: String = corpus.env().iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    let all = cases(&corpus);
    assert!(all.len() > 20, "the corpus has such files: {}", all.len());
    let wanted = usize::try_from(number("STACKCTL_TEST_CORPUS", FILES)).expect("a number");
    let mut made: BTreeSet<String> = BTreeSet::new();
    for (case, spec) in all.iter().take(wanted) {
        let asked = asked(&corpus.requests(case));
        let dir = tempfile::tempdir().expect("a directory");
        if !corpus.furnish_whole(case, dir.path()) {
            println!("{} names files of a home directory: left out", case.name);
            continue;
        }
        std::fs::write(dir.path().join("stand-ins.yml"), stand_ins(spec)).expect("a file");
        let variables = format!("{variables}PWD='{}'\n", dir.path().display());
        std::fs::write(dir.path().join("variables.env"), variables).expect("a file");
        // What docker's engine had before: `external`.
        let secrets = spec.secrets.values().filter(|one| one.external).map(|one| ("secret", &one.name));
        let configs = spec.configs.values().filter(|one| one.external).map(|one| ("config", &one.name));
        for (kind, name) in secrets.chain(configs) {
            if made.insert(format!("{kind} {name}")) {
                let file = ground.file("external", &format!("external {name}\n"));
                world.run(&format!("{kind} create {name} {file}")).ends(0);
            }
        }
        let dir = dir.path().display();
        let run = world.run(&format!(
            "deploy --yes --env-file {dir}/variables.env -c {dir}/stack.yml -c {dir}/stand-ins.yml {STACK}"
        ));
        assert_eq!(run.status, 0, "{}: {}", case.name, run.whole());
        for (service, files) in &asked.services {
            let tasks = ground.live(STACK, service);
            let task = tasks.first().unwrap_or_else(|| panic!("{}: no task of {service}", case.name));
            for ((target, whose), name) in files {
                let seen = ground.exec(task, &["stat", "-L", "-c", "%a %u %g", target]);
                assert_eq!(seen.trim(), whose, "{}: {service} {target}", case.name);
                let Some(content) = asked.contents.get(name) else { continue };
                if content.windows(2).any(|two| two == b"{{") {
                    // Filled in for the task.
                    continue;
                }
                let seen = ground.exec(task, &["sha256sum", target]);
                let wanted = sha256_hex(content);
                assert!(seen.starts_with(&wanted), "{}: {service} {target}: {seen}", case.name);
            }
        }
        world.run(&format!("rm --yes {STACK}")).ends(0);
        println!("{} is as docker has it", case.name);
    }
}
