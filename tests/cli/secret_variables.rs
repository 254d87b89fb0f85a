//! `secret://NAME` as the value of a variable, on fake engines: what plans and printed files say about it.

use serde_json::Value;

use crate::hosts::Hosts;

const CANARY: &str = "hunter2-correct-horse";
const FILE: &str = "\
services:
  app:
    image: app:1
    environment: {DB_PASSWORD: 'secret://db', LOG: debug}
    x-stackctl: {secret_environment: true}
secrets:
  db: {file: db.txt}
";

fn cluster() -> Hosts {
    let mut cluster = Hosts::new(1);
    let home = cluster.room.path().display().to_string();
    cluster.room.env("HOME", &home).env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.room.file("db.txt", CANARY);
    cluster.room.file("app.yml", FILE);
    cluster
}

#[test]
fn a_plan_says_what_a_variable_reveals_and_shows_no_value() {
    let cluster = cluster();
    cluster.expect(0, "key init");
    let said = cluster.expect(2, "diff -c app.yml shop");
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(text.contains("app gets secrets as variables (DB_PASSWORD): /proc/PID/environ shows"), "{text}");
    let json = cluster.expect(2, "diff -c app.yml --format json shop").stdout;
    let plan: Value = serde_json::from_str(&json).expect("JSON");
    let notes = plan["notes"].as_array().expect("notes");
    let note = notes.iter().find(|note| note["note"] == "secret_variables").expect("a note");
    assert_eq!((note["service"].as_str(), &note["variables"][0]), (Some("app"), &"DB_PASSWORD".into()));
    for text in [text, json] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_printed_file_has_the_name_and_docker_gets_a_text() {
    let cluster = cluster();
    let printed =
        |format: &str| cluster.expect(0, &format!("config -c app.yml --stack shop --format {format}")).stdout;
    for format in ["yaml", "docker", "json", "swarm"] {
        assert!(!printed(format).contains(CANARY), "{format}");
    }
    assert!(printed("yaml").contains("DB_PASSWORD: secret://db"), "{}", printed("yaml"));
    let spec: Value = serde_json::from_str(&printed("json")).expect("JSON");
    let task = &spec["services"]["app"]["task"];
    assert_eq!(task["environment"], serde_json::json!({ "LOG": "debug" }));
    assert_eq!(task["secrets"]["/run/stackctl/env/DB_PASSWORD"]["source"], "db");
    let bodies = printed("swarm");
    assert!(bodies.contains("\"DB_PASSWORD=secret://db\"") && !bodies.contains("/run/stackctl"), "{bodies}");
}
