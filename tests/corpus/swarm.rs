//! What docker's client asks of an engine for each stackfile, and what we say it would.

use serde_json::Value;
use stackctl::compose::Reading;
use stackctl::swarm;

use crate::compare::{Kind, Pair, differences};
use crate::reasons::{DIFFERENT, REFUSED, TAKEN};
use crate::world::{Case, Corpus};

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Read here as there.
    Same,
    /// Refused here as there.
    RefusedAlike,
    /// Refused here, and by the engine that docker asked.
    RefusedByEngine,
    Different(Vec<String>),
    Refused(Vec<String>),
    Taken,
}

/// Every case, held against docker.
fn outcomes(corpus: &Corpus, reading: Reading) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    let mut pairs = Vec::new();
    for case in corpus.cases() {
        let outcome = match corpus.load(&case, reading) {
            Ok(loaded) if case.is_asked_by_docker() => {
                let bodies = swarm::bodies(&loaded.spec, &loaded.merged);
                let requests = corpus.requests(&case);
                for (kind, key) in [(Kind::Specs, "services"), (Kind::Networks, "networks")] {
                    pairs.push(Pair { kind, ours: bodies[key].clone(), docker: requests.clone() });
                }
                let mut lines = Vec::new();
                for (key, path) in [
                    ("services", "/services/create"),
                    ("networks", "/networks/create"),
                    ("secrets", "/secrets/create"),
                    ("configs", "/configs/create"),
                ] {
                    lines.extend(unlike(key, &bodies[key], &requests, path));
                }
                Outcome::Different(lines)
            }
            Ok(_) => Outcome::Taken,
            Err(report) if case.is_deployed_by_docker() => {
                let faults = report.machine();
                let line =
                    |f: &stackctl::yaml::MachineDiagnostic| format!("{}: {} {}", f.line, f.code, f.message);
                Outcome::Refused(faults.iter().map(line).collect())
            }
            Err(_) if case.is_asked_by_docker() => Outcome::RefusedByEngine,
            Err(_) => Outcome::RefusedAlike,
        };
        outcomes.push((case.name, outcome));
    }
    let mut found = differences(&corpus.comparer(), &pairs).into_iter();
    for (_, outcome) in &mut outcomes {
        if let Outcome::Different(lines) = outcome {
            lines.extend(found.next().expect("the answer for services"));
            lines.extend(found.next().expect("the answer for networks"));
            if lines.is_empty() {
                *outcome = Outcome::Same;
            }
        }
    }
    outcomes
}

/// Bodies that are not, to the letter, those of docker's requests: but for ids, the data of secrets, and
/// what is null, false or an empty text or list. An empty object is not the same as none.
fn unlike(key: &str, ours: &Value, requests: &Value, path: &str) -> Vec<String> {
    let body = |request: &Value| {
        (request["path"].as_str()?.split('?').next() == Some(path)).then(|| request["body"].clone())
    };
    let docker: Vec<Value> = requests.as_array().into_iter().flatten().filter_map(body).collect();
    let by_name = |list: &[Value]| {
        let mut list: Vec<Value> = list.iter().map(|body| pruned(body, key)).collect();
        list.sort_by_key(|body| body["Name"].as_str().unwrap_or_default().to_owned());
        list
    };
    let (ours, docker) = (by_name(ours.as_array().map_or(&[], Vec::as_slice)), by_name(&docker));
    if ours.len() != docker.len() {
        return vec![format!("{key}: docker has {}, we {}", docker.len(), ours.len())];
    }
    let pairs = docker.iter().zip(&ours).filter(|(docker, ours)| docker != ours);
    pairs.map(|(docker, ours)| format!("{key}:\n      -{docker}\n      +{ours}")).collect()
}

/// What is said: without ids, and without what is null, false, zero or an empty text or list.
pub fn pruned(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(map) => {
            let is_said = |name: &str, value: &Value| match value {
                Value::Null => false,
                Value::Bool(flag) => *flag || name == "Init",
                Value::Number(number) => number.as_i64() != Some(0) || name == "Replicas",
                Value::String(text) => !text.is_empty() || key == "Labels" || key == "Options",
                Value::Array(list) => !list.is_empty(),
                Value::Object(_) => true,
            };
            let is_kept = |name: &str| {
                !(matches!(name, "SecretID" | "ConfigID" | "CheckDuplicate")
                    || key == "secrets" && name == "Data")
            };
            let entries = map.iter().map(|(name, value)| (name.clone(), pruned(value, name)));
            entries.filter(|(name, value)| is_kept(name) && is_said(name, value)).collect()
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(|value| pruned(value, "")).collect();
            if !matches!(key, "Command" | "Args" | "Test" | "Preferences" | "Nameservers" | "Search") {
                list.sort_by_key(Value::to_string);
            }
            list.into()
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 => Value::from(float as i64),
            _ => value.clone(),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// What is not as the lists say.
fn surprises(outcomes: &[(String, Outcome)], lists: &Lists) -> Vec<String> {
    let mut surprises = Vec::new();
    for (name, outcome) in outcomes {
        let listed = |list: &[(&str, &str)]| list.iter().any(|(file, _)| file == name);
        let (is_expected, what) = match outcome {
            Outcome::Same | Outcome::RefusedAlike | Outcome::RefusedByEngine => (true, String::new()),
            Outcome::Different(lines) => {
                (listed(lists.different), format!("differs: {}", lines.join("\n    ")))
            }
            Outcome::Refused(lines) => {
                (listed(lists.refused), format!("is refused: {}", lines.join("\n    ")))
            }
            Outcome::Taken => (listed(lists.taken), "is refused by docker".to_owned()),
        };
        if !is_expected {
            surprises.push(format!("{name} {what}"));
        }
    }
    let has = |file: &str, is_it: fn(&Outcome) -> bool| {
        outcomes.iter().any(|(name, outcome)| name == file && is_it(outcome))
    };
    type Check<'c> = (&'c [(&'c str, &'c str)], fn(&Outcome) -> bool, &'c str);
    let checks: [Check<'_>; 3] = [
        (lists.different, |outcome| matches!(outcome, Outcome::Different(_)), "no longer differs"),
        (lists.refused, |outcome| matches!(outcome, Outcome::Refused(_)), "is no longer refused"),
        (lists.taken, |outcome| matches!(outcome, Outcome::Taken), "is no longer refused by docker alone"),
    ];
    for (list, is_it, words) in checks {
        let gone = list.iter().filter(|(file, _)| !has(file, is_it));
        surprises.extend(gone.map(|(file, _)| format!("{file} {words}: take it off the list")));
    }
    surprises
}

struct Lists<'l> {
    different: &'l [(&'l str, &'l str)],
    refused: &'l [(&'l str, &'l str)],
    taken: &'l [(&'l str, &'l str)],
}

fn tell(title: &str, outcomes: &[(String, Outcome)]) {
    let count = |is_it: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| is_it(outcome)).count();
    println!(
        "{title}: {} the same, {} refused alike, {} refused here and by the engine, {} different, {} refused \
         here alone, {} refused by docker alone",
        count(|o| *o == Outcome::Same),
        count(|o| *o == Outcome::RefusedAlike),
        count(|o| *o == Outcome::RefusedByEngine),
        count(|o| matches!(o, Outcome::Different(_))),
        count(|o| matches!(o, Outcome::Refused(_))),
        count(|o| *o == Outcome::Taken),
    );
}

#[test]
fn every_stackfile_means_what_it_means_to_docker() {
    let Some(corpus) = Corpus::find() else { return };
    let outcomes = outcomes(&corpus, Reading::Ours);
    tell("our reading", &outcomes);
    let lists = Lists { different: DIFFERENT, refused: REFUSED, taken: TAKEN };
    let surprises = surprises(&outcomes, &lists);
    assert!(surprises.is_empty(), "\n{}", surprises.join("\n"));
}

#[test]
fn read_strictly_every_stackfile_is_read_as_docker_reads_it() {
    let Some(corpus) = Corpus::find() else { return };
    let deployed: Vec<String> =
        corpus.cases().into_iter().filter(Case::is_asked_by_docker).map(|case| case.name).collect();
    let mut outcomes = outcomes(&corpus, Reading::Docker);
    outcomes.retain(|(name, _)| deployed.contains(name));
    tell("docker's reading", &outcomes);
    let surprises = surprises(&outcomes, &Lists { different: &[], refused: &[], taken: &[] });
    assert!(surprises.is_empty(), "\n{}", surprises.join("\n"));
}
