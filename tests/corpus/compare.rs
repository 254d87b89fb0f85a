//! Holding pairs of readings against each other with the corpus's own comparer, all in one go.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Two lists of services.
    Specs,
    /// Two lists of networks.
    Networks,
    /// Two stackfiles, but for the version, which says what may be written and not what it means, and
    /// for `env_file`, which is in the environment.
    Compose,
}

/// One question: do these two mean the same?
pub struct Pair {
    pub kind: Kind,
    pub ours: Value,
    pub docker: Value,
}

/// Reads pairs, one JSON list a line; answers each with a JSON list of differences.
const ASK: &str = r#"
import importlib.util, json, os, sys, tempfile
spec = importlib.util.spec_from_file_location("comparer", sys.argv[1])
comparer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(comparer)
def yaml(text):
    with tempfile.NamedTemporaryFile("w", suffix=".yml", delete=False) as f:
        f.write(text)
    try:
        return comparer.read_yaml(f.name)
    finally:
        os.unlink(f.name)
for line in sys.stdin:
    kind, docker, ours = json.loads(line)
    if kind == "compose":
        docker, ours = yaml(docker), yaml(ours)
        for side in docker, ours:
            side.pop("version", None)
            for service in side.get("services", {}).values():
                service.pop("env_file", None)
    print(json.dumps(getattr(comparer, "compare_" + kind)(docker, ours)))
"#;

/// The differences of each pair: `-` is docker's, `+` ours.
pub fn differences(comparer: &Path, pairs: &[Pair]) -> Vec<Vec<String>> {
    let mut python = Command::new("python3")
        .args(["-c", ASK])
        .arg(comparer)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the comparer runs on python3");
    let mut stdin = python.stdin.take().expect("a pipe");
    let questions: Vec<String> = pairs
        .iter()
        .map(|pair| {
            let kind = match pair.kind {
                Kind::Specs => "specs",
                Kind::Networks => "networks",
                Kind::Compose => "compose",
            };
            json!([kind, pair.docker, pair.ours]).to_string()
        })
        .collect();
    let writer = std::thread::spawn(move || {
        for question in questions {
            writeln!(stdin, "{question}").expect("the comparer listens");
        }
    });
    let output = python.wait_with_output().expect("the comparer ends");
    writer.join().expect("every question was asked");
    assert!(output.status.success(), "the comparer failed");
    let answers: Vec<Vec<String>> = String::from_utf8(output.stdout)
        .expect("JSON is text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a list of differences"))
        .collect();
    assert_eq!(answers.len(), pairs.len(), "an answer to every question");
    answers
}
