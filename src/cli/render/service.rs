//! A service for people, as docker's `service inspect --pretty` has it.

use serde_json::Value;

use super::text::clean;
use crate::model::GoDuration;

/// A service as `service inspect` shows it, line by line, without what is not set.
#[must_use]
pub fn pretty(service: &Value) -> String {
    let mut page = Page(String::new());
    let spec = &service["Spec"];
    let (task, container) = (&spec["TaskTemplate"], &spec["TaskTemplate"]["ContainerSpec"]);
    page.line(0, "ID", &service["ID"]);
    page.line(0, "Name", &spec["Name"]);
    page.pairs(0, "Labels", &spec["Labels"]);
    let mode = spec["Mode"].as_object().and_then(|mode| mode.iter().next());
    if let Some((kind, how)) = mode {
        page.line(0, "Service Mode", &kind.as_str().into());
        page.line(1, "Replicas", &how["Replicas"]);
        page.line(1, "Total Completions", &how["TotalCompletions"]);
    }
    page.line(0, "Updated", &service["UpdatedAt"]);
    page.list(0, "Placement", &task["Placement"]["Constraints"]);
    page.line(1, "Max Replicas Per Node", &task["Placement"]["MaxReplicas"]);
    for title in ["UpdateConfig", "RollbackConfig"] {
        page.rollout(title, &spec[title]);
    }
    page.title(0, "ContainerSpec");
    page.line(1, "Image", &container["Image"]);
    page.list(1, "Entrypoint", &container["Command"]);
    page.list(1, "Args", &container["Args"]);
    page.list(1, "Env", &container["Env"]);
    page.line(1, "Dir", &container["Dir"]);
    page.line(1, "User", &container["User"]);
    page.line(1, "Hostname", &container["Hostname"]);
    for mount in container["Mounts"].as_array().into_iter().flatten() {
        let word = |key: &str| mount[key].as_str().unwrap_or_default().to_owned();
        let text = format!("{} {} -> {}", word("Type"), word("Source"), word("Target"));
        page.line(1, "Mount", &text.into());
    }
    for config in container["Configs"].as_array().into_iter().flatten() {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let text = format!("{} -> {}", word(&config["ConfigName"]), word(&config["File"]["Name"]));
        page.line(1, "Config", &text.into());
    }
    page.list(1, "Healthcheck", &container["Healthcheck"]["Test"]);
    let resources = &task["Resources"];
    for (title, of) in [("Reservations", &resources["Reservations"]), ("Limits", &resources["Limits"])] {
        if of.is_object() {
            page.title(0, title);
            page.line(1, "NanoCPUs", &of["NanoCPUs"]);
            page.line(1, "Memory", &of["MemoryBytes"]);
        }
    }
    let networks = task["Networks"].as_array().into_iter().flatten();
    page.list(0, "Networks", &networks.map(|one| one["Target"].clone()).collect::<Vec<_>>().into());
    page.line(0, "Endpoint Mode", &spec["EndpointSpec"]["Mode"]);
    for port in spec["EndpointSpec"]["Ports"].as_array().into_iter().flatten() {
        let text = format!(
            "{} -> {}/{} ({})",
            port["PublishedPort"],
            port["TargetPort"],
            port["Protocol"].as_str().unwrap_or_default(),
            port["PublishMode"].as_str().unwrap_or_default()
        );
        page.line(0, "Port", &text.into());
    }
    page.0
}

/// Lines of names and values.
struct Page(String);

impl Page {
    fn title(&mut self, depth: usize, title: &str) {
        self.0.push_str(&format!("{}{title}:\n", " ".repeat(depth)));
    }

    fn line(&mut self, depth: usize, name: &str, value: &Value) {
        let text = match value {
            Value::Null => return,
            Value::String(text) if text.is_empty() => return,
            Value::String(text) => clean(text),
            other => other.to_string().into(),
        };
        self.0.push_str(&format!("{}{name}:\t{text}\n", " ".repeat(depth)));
    }

    /// An update or rollback policy.
    fn rollout(&mut self, title: &str, config: &Value) {
        if config.is_object() {
            self.title(0, title);
            self.line(1, "Parallelism", &config["Parallelism"]);
            self.duration(1, "Delay", &config["Delay"]);
            self.line(1, "On failure", &config["FailureAction"]);
            self.duration(1, "Monitoring Period", &config["Monitor"]);
            self.line(1, "Max failure ratio", &config["MaxFailureRatio"]);
            self.line(1, "Order", &config["Order"]);
        }
    }

    fn duration(&mut self, depth: usize, name: &str, nanos: &Value) {
        let text = nanos.as_i64().map(|nanos| GoDuration::from_nanos(nanos).to_string());
        self.line(depth, name, &text.into());
    }

    fn list(&mut self, depth: usize, name: &str, items: &Value) {
        let items: Vec<&str> = items.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !items.is_empty() {
            self.line(depth, name, &items.join(" ").into());
        }
    }

    fn pairs(&mut self, depth: usize, name: &str, map: &Value) {
        let Some(map) = map.as_object().filter(|map| !map.is_empty()) else { return };
        self.title(depth, name);
        for (key, value) in map {
            let text = value.as_str().unwrap_or_default();
            self.0.push_str(&format!("{} {}={}\n", " ".repeat(depth), clean(key), clean(text)));
        }
    }
}
