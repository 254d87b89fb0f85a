//! `secret://NAME` as the value of a variable.

use super::{Reading, drawn, load_all, loaded, strict};
use crate::model::TaskSpec;
use crate::model::secret_env::{file_of, references};

fn file(service: &str) -> String {
    let lines: String = service.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "services:\n  web:\n    image: nginx\n{lines}secrets:\n  db: {{file: ./db}}\n  url: {{file: ./url, template_driver: golang}}\n"
    )
}

fn task(service: &str) -> TaskSpec {
    (*loaded(&[&file(service)]).spec.services.remove("web").unwrap().task).clone()
}

/// The codes of what is found in a file that is refused.
fn refused(service: &str) -> Vec<String> {
    let text = file(service);
    let report = load_all(&[("stack.yml", text.as_bytes())]).unwrap_err();
    report
        .faults
        .iter()
        .map(|fault| fault.code.trim_start_matches("stackctl::compose::").to_owned())
        .collect()
}

const ON: &str = "x-stackctl: {secret_environment: true}\n";

#[test]
fn a_variable_becomes_a_file_of_the_secret_and_is_no_text_any_more() {
    let task = task(&format!(
        "{ON}environment:\n  DB: secret://db\n  URL: secret://url\n  LOG: debug\nsecrets: [db]"
    ));
    assert_eq!(references(&task).collect::<Vec<_>>(), [("DB", "db"), ("URL", "url")]);
    assert_eq!(task.environment.keys().collect::<Vec<_>>(), ["LOG"]);
    let of = |path: &str| {
        let mount = &task.secrets[path];
        (mount.source.as_str(), mount.uid.as_str(), mount.mode, mount.template_driver.as_deref())
    };
    assert_eq!(of(&file_of("DB")), ("db", "0", 0o444, None));
    assert_eq!(of(&file_of("URL")), ("url", "0", 0o444, Some("golang")));
    assert_eq!(of("/run/secrets/db"), ("db", "0", 0o444, None));
    assert!(!task.canonical_json().contains("secret://"));
}

/// Files that were read before this was known mean what they meant.
#[test]
fn without_the_key_a_value_is_the_text_that_it_was() {
    let plain = task("environment: {DB: \"secret://db\"}");
    assert_eq!(plain.environment["DB"].as_deref(), Some("secret://db"));
    assert!(plain.secrets.is_empty());
    let off = task("environment: {DB: \"secret://db\"}\nx-stackctl: {secret_environment: false}");
    assert_eq!(plain, off);
    let on = task(&format!("{ON}environment: {{LOG: debug}}"));
    assert_eq!(on, task("environment: {LOG: debug}"), "the key alone is no part of what runs");
    // To docker all of it is text.
    let text = file(&format!("{ON}environment: {{DB: \"secret://db\", A: \"x secret://no\"}}"));
    let read = strict::read(&text, Reading::Docker).unwrap();
    let task = &read.spec.services["web"].task;
    assert_eq!(task.environment["DB"].as_deref(), Some("secret://db"));
}

#[test]
fn a_variable_of_the_caller_or_of_a_file_can_name_one() {
    let of = |service: &str| {
        let task = task(&format!("{ON}{service}"));
        references(&task).map(|(name, key)| format!("{name}={key}")).collect::<Vec<_>>()
    };
    assert_eq!(of("environment: [\"DB=secret://${NONE:-db}\"]"), ["DB=db"]);
    assert_eq!(of("env_file: [secret.env]"), ["DB=db"]);
    assert!(of("env_file: [secret.env]\nenvironment: {DB: text}").is_empty());
}

#[test]
fn what_is_no_name_of_a_secret_is_refused() {
    assert_eq!(refused(&format!("{ON}environment: {{A: \"secret://none\"}}")), ["undefined_secret"]);
    assert_eq!(
        refused(&format!("{ON}environment: {{A: \"${{HIDDEN}}secret://db\"}}")),
        ["bad_secret_variable"]
    );
    assert_eq!(refused(&format!("{ON}env_file: [unknown.env]")), ["undefined_secret"]);
    let hidden = file(&format!("{ON}environment: {{A: \"secret://${{HIDDEN}}\"}}"));
    let report = load_all(&[("stack.yml", hidden.as_bytes())]).unwrap_err();
    let shown = format!("{report:?} {}", drawn(&hidden));
    assert!(shown.contains("undefined_secret") && !shown.contains("hunter2"), "{shown}");
}
