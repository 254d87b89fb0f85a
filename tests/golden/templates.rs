//! Fields that a `--format` template may use, and the heading of each.

use serde_json::Value;

use crate::{golden, shop};

/// A field that a template may use is in the JSON of each row; one that is not there is refused.
#[test]
fn fields_of_templates() {
    let hosts = shop::lived_in();
    let mut out = String::new();
    for command in [
        "ls",
        "status",
        "ps shop",
        "services shop",
        "history shop",
        "log",
        "node ls",
        "node ps h1",
        "service ls",
        "service ps shop_web",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--format", "{{json .}}"]).collect();
        let run = hosts.run_with(&words, "");
        assert_eq!(run.status, 0, "{command}: {}", run.show());
        let row: Value = serde_json::from_str(run.stdout.lines().next().expect("a row")).expect("JSON");
        let fields: Vec<&String> = row.as_object().expect("fields").keys().collect();
        out.push_str(&format!("{command}:\n"));
        for field in fields {
            let template = format!("table {{{{.{field}}}}}");
            let words: Vec<&str> = command.split_whitespace().chain(["--format", &template]).collect();
            let run = hosts.run_with(&words, "");
            assert_eq!(run.status, 0, "{command} {template}: {}", run.show());
            out.push_str(&format!("  {field}: {}\n", run.stdout.lines().next().unwrap_or_default().trim()));
        }
        let words: Vec<&str> = command.split_whitespace().chain(["--format", "{{.NoSuchField}}"]).collect();
        assert_eq!(hosts.run_with(&words, "").status, 64, "{command}");
    }
    golden::hold("templates.txt", &out);
}
