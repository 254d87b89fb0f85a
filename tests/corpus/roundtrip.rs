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
    if !matches!(docker_config("services: {a: {image: a}}\n"), Some(Ok(_))) {
        println!("left out: no docker client that knows `stack config`");
        return;
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
