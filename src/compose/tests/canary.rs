//! No diagnostic shows a secret value: one in every kind of place, written in every way, beside every kind of mistake.

use super::Project;
use super::strict::read;
use crate::compose::{Loaded, Reading};
use crate::yaml::{Drawn, Report};

/// The secret, also as a number.
const SECRETS: [&str; 2] = ["hunter2", "87654321"];

/// Services that have it at `VALUE`; a file ends below its last service, or below what else it has.
const PLACES: [&str; 30] = [
    "    environment:\n      PASSWORD: VALUE\n",
    "    environment:\n      - VALUE\n",
    "    environment:\n      - PASSWORD=VALUE\n",
    "    environment: {PASSWORD: VALUE}\n",
    "    environment: VALUE\n",
    "    command: VALUE\n",
    "    command: [a, --password, VALUE]\n",
    "    entrypoint:\n      - VALUE\n",
    "    labels: {my label: VALUE}\n",
    "    labels:\n      my label: VALUE\n",
    "    annotations: [VALUE]\n",
    "    healthcheck:\n      test: [CMD, VALUE]\n",
    "    healthcheck:\n      tests: VALUE\n",
    "    healthcheck: [VALUE]\n",
    "    test: [CMD, VALUE]\n",
    "    logging: {driver: splunk, options: {token: VALUE}}\n",
    "    logging: {driver: splunk, option: {token: VALUE}}\n",
    "    deploy: {labels: [a=VALUE]}\n",
    "    deploy:\n      label: VALUE\n",
    "    build:\n      args:\n        A: VALUE\n",
    "    post_start:\n      - command: VALUE\n",
    "    enviroment:\n      PASSWORD: VALUE\n",
    "    x-a: &a\n      A: VALUE\n    environment: *a\n",
    "    environment:\n      <<: {A: VALUE}\n      A: b\n",
    "x-a:\n  A: VALUE\n",
    "configs:\n  c: {content: VALUE}\n",
    "configs:\n  c:\n    contents: VALUE\n",
    "secrets:\n  s:\n    driver: d\n    driver_opts: {a: VALUE}\n",
    "secrets:\n  s: VALUE\n",
    "volumes:\n  v: {driver_opts: {o: VALUE}}\n",
];

/// How it may be written, well or not.
const VALUES: [&str; 36] = [
    "hunter2",
    "'hunter2'",
    "\"hunter2\"",
    "87654321",
    "8.87654321",
    "0x87654321",
    "'hunter2",
    "\"hunter2\n        hunter2: x\n        - hunter2",
    "\"hunter2\" hunter2",
    "\"hunter2 \\q\"",
    "a b: hunter2",
    "[hunter2]",
    "[[hunter2, a: hunter2]]",
    "{a: hunter2}",
    "{a: hunter2",
    "[a, hunter2}",
    "*hunter2",
    "!hunter2",
    "&hunter2",
    "!hunter2 a",
    "&hunter2 !hunter2 a",
    "!!hunter2 a",
    "@hunter2",
    "%hunter2",
    "|\n        hunter2",
    "|hunter2",
    "- hunter2",
    "a\n        - hunter2",
    "A=hunter2",
    "https://ann:hunter2@h/x",
    "hunter2 {{.Node.Hostnme}} {{hunter2",
    "a ${hunter2",
    "pa$hunter2",
    "$hunter2",
    "pa$hunter2-hunter2?$a",
    "it's hunter2",
];

/// What else may be wrong: behind it, or above.
const MISTAKES: [(&str, &str); 10] = [
    ("", ""),
    ("", "nope: 1\n"),
    ("", "  nope: 1\n"),
    ("", "   nope: [\n"),
    ("", "\tnope\n"),
    ("", "---\nPASSWORD: hunter2\n"),
    ("", "...\n%NOPE\nPASSWORD: hunter2\n"),
    ("", "...\n@nope\n- hunter2\n"),
    ("    nope: 1\n    image: nope\n", ""),
    ("    hostname: \"a\" nope\n", ""),
];

fn all_that_is_said(loaded: Result<Loaded, Report>) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut said = String::new();
    let mut say = |one: &Drawn| {
        handler.render_report(&mut said, one).unwrap();
        said += &serde_json::to_string(&one.machine()).unwrap();
    };
    match &loaded {
        Ok(loaded) => loaded.notes.iter().for_each(&mut say),
        Err(report) => report.faults.iter().chain(&report.notes).for_each(&mut say),
    }
    said
}

#[test]
fn no_diagnostic_shows_a_value_that_is_secret() {
    let mut leaks = Vec::new();
    for place in PLACES {
        for value in VALUES {
            for (above, behind) in MISTAKES {
                let place = place.replace("VALUE", value);
                let text = format!("services:\n  web:\n    image: nginx\n{above}{place}{behind}");
                for reading in [Reading::Ours, Reading::Docker] {
                    let said = all_that_is_said(read(&text, reading));
                    if SECRETS.iter().any(|secret| said.contains(secret)) {
                        leaks.push(format!("{text}{said}"));
                    }
                }
            }
        }
    }
    assert!(
        leaks.is_empty(),
        "{} leaks, such as:\n{}",
        leaks.len(),
        leaks[..leaks.len().min(8)].join("\n\n")
    );
}

/// Nor one of a file that is included, extended or laid over another.
#[test]
fn no_diagnostic_shows_a_value_of_another_file() {
    for value in VALUES {
        for place in PLACES {
            let other = format!("services:\n  web:\n    image: nginx\n{}", place.replace("VALUE", value));
            for (first, names) in [
                ("include: [other.yml]\nnope: 1\n", &["compose.yml"][..]),
                ("services:\n  a: {extends: {file: other.yml, service: web}, nope: 1}\n", &["compose.yml"]),
                (
                    "services:\n  web: {command: [1], environment: [], nope: 1}\n",
                    &["compose.yml", "other.yml"],
                ),
            ] {
                let files = [("compose.yml", first), ("other.yml", other.as_str())];
                let project = Project { files: &files, ..Project::default() };
                let said = all_that_is_said(project.load_files(names));
                assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{first}{other}{said}");
            }
        }
    }
}
