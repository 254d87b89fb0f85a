//! Small stackfiles for corners that no real one has, and what docker's client 28.2.2 posted for each: to an
//! endpoint that takes everything, so that nothing but the client's reading is in it. `null`, false, zero and
//! empty are left out, but for zero replicas, empty labels and options.

use std::io;

use serde_json::Value;
use stackctl::compose::{
    self, Files, Loaded, Options, Reading, Report, SecretFiles, SourceText, Stack, Variables,
};
use stackctl::model::StackName;
use stackctl::swarm;

use crate::swarm::pruned;

const PROBES: &str = include_str!("probes.json");

/// The variables that docker was given.
const ENV: [(&str, &str); 9] = [
    ("C", "a 'b c'"),
    ("F", "0.5"),
    ("HOME", "/home/u"),
    ("N", "3"),
    ("NO", "no"),
    ("P", "/p q"),
    ("T", "true"),
    ("X", "xv"),
    ("Y", "yv"),
];

/// The files that were beside the stackfiles.
struct Beside;

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = match path {
            "/srv/app/s.txt" => "secret\n",
            "/srv/app/c.txt" => "conf\n",
            "/srv/app/c2.txt" => "",
            "/srv/app/e.env" => "A=1\nB=\nC\n# x\n  D= q # r\nE=\"z\"\nHOME=\n",
            "/srv/app/e2.env" => "A=2\nZ=${X}\n",
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(text.into())
    }
}

fn load(probe: &Value, reading: Reading) -> Result<Loaded, Report> {
    let files = probe["files"].as_array().expect("files").iter().enumerate();
    let files = files.map(|(at, text)| SourceText {
        name: format!("{at}.yml"),
        bytes: text.as_str().expect("text").into(),
    });
    let env = |name: &str| ENV.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let options = Options {
        stack: Stack::Given(&StackName::unchecked("orc-s")),
        project_dir: "/srv/app",
        home: Some("/home/u"),
        env: &env,
        files: &Beside,
        env_files: None,
        profiles: &[],
        reading,
        variables: Variables::Fill,
        secrets: SecretFiles::default(),
    };
    compose::load(files.collect(), &options)
}

/// The requests, but for what is not said.
fn requests(loaded: &Loaded) -> Value {
    let bodies = swarm::bodies(&loaded.spec, &loaded.merged);
    let lists = bodies.as_object().expect("lists by name").iter().map(|(key, list)| {
        let mut list: Vec<Value> =
            list.as_array().into_iter().flatten().map(|body| filled(&pruned(body, key))).collect();
        list.sort_by_key(|body| body["Name"].to_string());
        (key.clone(), Value::from(list))
    });
    lists.filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty())).collect()
}

/// Without empty objects, which were not recorded.
fn filled(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| (name.clone(), filled(value)));
            entries.filter(|(_, value)| value.as_object().is_none_or(|map| !map.is_empty())).collect()
        }
        Value::Array(list) => list.iter().map(filled).collect(),
        other => other.clone(),
    }
}

/// Docker's, in the same order of what has no order.
fn dockers(probe: &Value) -> Value {
    let lists = probe["docker"].as_object().expect("lists by name").iter();
    let list = |(key, list): (&String, &Value)| {
        let mut list: Vec<Value> =
            list.as_array().into_iter().flatten().map(|body| filled(&pruned(body, key))).collect();
        list.sort_by_key(|body| body["Name"].to_string());
        (key.clone(), Value::from(list))
    };
    lists.map(list).collect()
}

#[test]
fn probes_are_read_as_docker_reads_them_or_otherwise_for_a_reason() {
    let probes: Vec<Value> = serde_json::from_str(PROBES).expect("a list of probes");
    assert!(probes.len() > 200);
    let mut faults = Vec::new();
    for probe in &probes {
        let name = probe["name"].as_str().expect("a name");
        let docker = dockers(probe);
        match load(probe, Reading::Docker) {
            Err(report) => faults.push(format!("{name} is refused: {:?}", report.machine())),
            Ok(loaded) => {
                let ours = requests(&loaded);
                if ours != docker {
                    faults.push(format!("{name}, read strictly:\n    -{docker}\n    +{ours}"));
                }
            }
        }
        let ours = load(probe, Reading::Ours);
        let outcome = match &ours {
            Ok(loaded) if requests(loaded) == docker => None,
            Ok(_) => Some("differs"),
            Err(_) => Some("refused"),
        };
        if outcome != probe["ours"].as_str() {
            faults.push(format!("{name}, our way: {outcome:?}, not {:?}", probe["ours"].as_str()));
        }
        if let Ok(loaded) = ours {
            let text = compose::config::text(&loaded.merged, true);
            let again = serde_json::json!({ "files": [text] });
            let again = load(&again, Reading::Ours).map(|again| requests(&again));
            match again {
                Ok(again) if again == requests(&loaded) => {}
                Ok(again) => faults.push(format!("{name}, printed and read again: {again}\n{text}")),
                Err(report) => faults.push(format!("{name}, printed: {:?}\n{text}", report.machine())),
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
