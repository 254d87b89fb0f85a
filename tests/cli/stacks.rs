//! Where the sample stacks go on the four hosts that `stacks/README.md` asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::hosts::Hosts;
use crate::samples::{labels, samples};

#[test]
fn every_sample_fits_onto_four_empty_hosts() {
    let hosts = Hosts::new(4);
    hosts.inventory(labels);
    let (stacks, names) = samples();
    let mut out = String::new();
    for name in names {
        let file = stacks.join(&name).join("docker-compose.yml").display().to_string();
        let run = hosts.run_with(&["diff", "--format", "json", "-c", &file, &name], "");
        // Its readers make its secrets themselves.
        if std::fs::read_to_string(&file).unwrap().contains("\nsecrets:") {
            assert_eq!(run.status, 1, "{}", run.show());
            assert!(run.stderr.contains("stackctl::secrets::not_known"), "{}", run.show());
            continue;
        }
        assert_eq!(run.status, 2, "{}", run.show());
        let plan: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let _ = write!(out, "{name}: {}\n{}", plan["summary"], placements(&plan));
        for note in plan["notes"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "  ! {}", note["message"].as_str().unwrap_or_default());
        }
        out.push_str(&run.stderr.replace(&stacks.display().to_string(), "stacks"));
        out.push('\n');
    }
    insta::assert_snapshot!(out);
}

/// `web: 1 on h1, 2 on h2`, service by service, in the order in which they begin.
fn placements(plan: &Value) -> String {
    let mut services: Vec<String> = Vec::new();
    let mut tasks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for action in plan["actions"].as_array().into_iter().flatten() {
        if action["verb"] != "start task" {
            continue;
        }
        let text = |key: &str| action[key].as_str().unwrap_or_default().to_owned();
        let (service, slot, node) = (text("service"), text("slot"), text("node"));
        if !services.contains(&service) {
            services.push(service.clone());
        }
        let place = if slot == node { node } else { format!("{slot} on {node}") };
        tasks.entry(service).or_default().push(place);
    }
    services.iter().map(|service| format!("  {service}: {}\n", tasks[service].join(", "))).collect()
}
