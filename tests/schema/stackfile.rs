//! The JSON Schema of stackfiles, for editors: the table of keys with the shape of each value.
//!
//! It describes what may be written, short forms and variables included; what the values mean is
//! checked by `stackctl check`.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};
use stackctl::compose::support::{At, KEYS, OURS, Treatment};

use At::*;

/// The whole schema.
pub fn schema() -> Schema {
    let mut definitions = Map::new();
    let mut places: Vec<At> = KEYS.iter().map(|key| key.0).collect();
    places.sort_unstable();
    places.dedup();
    for at in places.into_iter().filter(|at| *at != Top) {
        definitions.insert(name(at), mapping(at, required(at)));
    }
    let mut top = mapping(Top, &[]);
    top["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    top["title"] = json!("stackctl stackfile");
    top["description"] =
        json!("A compose file as stackctl deploys it: version 3, or the Compose specification.");
    top["$defs"] = Value::Object(definitions);
    let mut schema = json_schema!({});
    *schema.ensure_object() = top.as_object().cloned().expect("a mapping");
    schema
}

fn name(at: At) -> String {
    format!("{at:?}")
}

fn required(at: At) -> &'static [&'static str] {
    match at {
        Port | Mount => &["target"],
        FileMount | Device => &["source"],
        Extends => &["service"],
        EnvFile | Include => &["path"],
        _ => &[],
    }
}

fn mapping(at: At, required: &[&str]) -> Value {
    let mut properties = Map::new();
    for (_, key, since, treatment) in KEYS.iter().filter(|key| key.0 == at) {
        let mut value = shape(at, key);
        let since = match *since {
            "spec" => "Compose specification.".to_owned(),
            OURS => "Of stackctl alone.".to_owned(),
            version => format!("Since {version}."),
        };
        let (words, deprecated) = match treatment {
            Treatment::Used => (since, false),
            Treatment::Partly(why) => (format!("{since} Note: {why}."), false),
            Treatment::NotYet(why) => (format!("{since} Not yet: {why}."), true),
            Treatment::Ignored(why) => (format!("{since} Ignored: {why}."), true),
            Treatment::Noted(why) => (format!("{since} Without effect: {why}."), false),
            Treatment::Refused(advice) => {
                // What no value fits is marked wherever it stands, and its description says why.
                value = json!({ "not": {} });
                (format!("{since} Refused: {advice}."), true)
            }
        };
        // A reference may not have neighbours in older drafts: editors read those.
        if value.get("$ref").is_some() {
            value = json!({ "allOf": [value] });
        }
        value["description"] = json!(words);
        if deprecated {
            value["deprecated"] = json!(true);
        }
        properties.insert((*key).to_owned(), value);
    }
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// What a text with a variable in it matches: it fits wherever a scalar does.
const VARIABLE: &str = r"\$";

fn one_of(shapes: &[Value]) -> Value {
    json!({ "anyOf": shapes })
}

fn of(at: At) -> Value {
    json!({ "$ref": format!("#/$defs/{}", name(at)) })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A mapping from names to something.
fn named(of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

fn null() -> Value {
    json!({ "type": "null" })
}

/// Text; YAML's bare numbers and the like are read as text where text is wanted.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn texts() -> Value {
    list(text())
}

fn text_or_texts() -> Value {
    one_of(&[text(), texts(), null()])
}

/// `KEY: value`, with any scalar or nothing for a value.
fn options() -> Value {
    named(json!({ "type": ["string", "number", "boolean", "null"] }))
}

/// `KEY: value` or `- KEY=value`.
fn pairs() -> Value {
    one_of(&[options(), texts(), null()])
}

fn yes_or_no() -> Value {
    one_of(&[json!({ "type": "boolean" }), words(&["true", "false", "yes", "no", "on", "off"])])
}

fn whole() -> Value {
    json!({ "type": ["integer", "string"], "pattern": format!("^-?[0-9]+$|{VARIABLE}") })
}

fn number() -> Value {
    json!({ "type": ["number", "string"], "pattern": format!(r"^-?[0-9]*\.?[0-9]+$|{VARIABLE}") })
}

fn duration() -> Value {
    json!({
        "type": ["string", "integer"],
        "pattern": format!(r"^-?([0-9]*\.?[0-9]+(ns|us|µs|μs|ms|s|m|h|d|w|y))+$|^0$|{VARIABLE}"),
        "examples": ["1m30s", "10s"],
    })
}

fn size() -> Value {
    json!({
        "type": ["string", "integer"],
        "pattern": format!(r"^-?[0-9]*\.?[0-9]+ ?([kKmMgGtTpP]?[iI]?[bB]?)$|{VARIABLE}"),
        "examples": ["64M", "1gb"],
    })
}

/// One of some words.
fn words(words: &[&str]) -> Value {
    one_of(&[json!({ "enum": words }), json!({ "type": "string", "pattern": VARIABLE })])
}

/// The shape of a key's value.
fn shape(at: At, key: &str) -> Value {
    match (at, key) {
        (Top, "services") => one_of(&[named(of(Service)), null()]),
        (Top, "networks") => one_of(&[named(one_of(&[of(Network), null()])), null()]),
        (Top, "volumes") => one_of(&[named(one_of(&[of(Volume), null()])), null()]),
        (Top, "configs") => one_of(&[named(of(Config)), null()]),
        (Top, "secrets") => one_of(&[named(of(Secret)), null()]),
        (Top, "include") => list(one_of(&[text(), of(Include)])),
        (Include, "path" | "env_file") => text_or_texts(),

        (Service, "deploy") => of(Deploy),
        (Service, "healthcheck") => of(Healthcheck),
        (Service, "logging") => of(Logging),
        (Service, "extends") => one_of(&[text(), of(Extends)]),
        (Service, "env_file") => one_of(&[text(), list(one_of(&[text(), of(EnvFile)]))]),
        (Service, "environment" | "labels" | "sysctls") => pairs(),
        (Service, "extra_hosts") => one_of(&[named(text_or_texts()), texts()]),
        (Service, "command" | "entrypoint" | "dns" | "dns_search" | "tmpfs") => text_or_texts(),
        (
            Service,
            "profiles"
            | "group_add"
            | "cap_add"
            | "cap_drop"
            | "security_opt"
            | "device_cgroup_rules"
            | "dns_opt"
            | "expose"
            | "links"
            | "external_links",
        ) => one_of(&[texts(), null()]),
        (Service, "depends_on") => one_of(&[texts(), named(of(Dependency))]),
        (Service, "devices") => list(one_of(&[text(), of(Device)])),
        (Service, "networks") => one_of(&[texts(), named(one_of(&[of(Attachment), null()])), null()]),
        (Service, "ports") => one_of(&[list(one_of(&[text(), of(Port)])), null()]),
        (Service, "volumes") => one_of(&[list(one_of(&[text(), of(Mount)])), null()]),
        (Service, "configs" | "secrets") => one_of(&[list(one_of(&[text(), of(FileMount)])), null()]),
        (Service, "ulimits") => named(one_of(&[whole(), of(Ulimit)])),
        (Service, "restart") => json!({
            "type": ["string", "boolean"],
            "pattern": format!(r"^(no|always|unless-stopped|on-failure(:[0-9]+)?)$|{VARIABLE}"),
        }),
        (Service, "isolation") => words(&["default", "process", "hyperv"]),
        (Service, "cgroup" | "cgroupns_mode") => words(&["host", "private"]),
        (Service, "build" | "develop") => json!({}),
        (Service, "stop_grace_period") => duration(),
        (Service, "shm_size" | "mem_limit" | "mem_reservation") => size(),
        (Service, "scale" | "pids_limit" | "oom_score_adj") => whole(),
        (Service, "cpus") => number(),
        (Service, "stdin_open" | "tty" | "init" | "privileged" | "read_only" | "attach") => yes_or_no(),

        (Deploy, "mode") => words(&["replicated", "global", "replicated-job", "global-job"]),
        (Deploy, "replicas") => whole(),
        (Deploy, "endpoint_mode") => words(&["vip", "dnsrr"]),
        (Deploy, "labels") => pairs(),
        (Deploy, "update_config") => of(UpdateConfig),
        (Deploy, "rollback_config") => of(RollbackConfig),
        (Deploy, "restart_policy") => of(RestartPolicy),
        (Deploy, "resources") => of(Resources),
        (Deploy, "placement") => of(Placement),
        (UpdateConfig | RollbackConfig, "parallelism") => whole(),
        (UpdateConfig | RollbackConfig, "delay" | "monitor") => duration(),
        (UpdateConfig | RollbackConfig, "failure_action") => words(&["pause", "continue", "rollback"]),
        (UpdateConfig | RollbackConfig, "max_failure_ratio") => number(),
        (UpdateConfig | RollbackConfig, "order") => words(&["stop-first", "start-first"]),
        (RestartPolicy, "condition") => words(&["any", "on-failure", "none"]),
        (RestartPolicy, "delay" | "window") => duration(),
        (RestartPolicy, "max_attempts") => whole(),
        (Resources, "limits") => of(Limits),
        (Resources, "reservations") => of(Reservations),
        (Limits | Reservations, "cpus") => number(),
        (Limits | Reservations, "memory") => size(),
        (Limits, "pids") => whole(),
        (Reservations, "generic_resources") => list(of(GenericResource)),
        (GenericResource, "discrete_resource_spec") => of(DiscreteResourceSpec),
        (DiscreteResourceSpec, "value") => whole(),
        (Service, "x-stackctl") => of(XStackctl),
        (XStackctl, "placement") => of(XPlacement),
        (XStackctl, "plain_values") => texts(),
        (XStackctl, "on_config") => text(),
        (XStackctl, "secret_environment") => yes_or_no(),
        (XPlacement, "strategy") => words(&["spread", "binpack", "random"]),
        (XPlacement, "on_node_loss") => words(&["reschedule", "hold"]),
        (Placement, "constraints") => texts(),
        (Placement, "preferences") => list(of(Preference)),
        (Placement, "max_replicas_per_node") => whole(),

        (Healthcheck, "test") => text_or_texts(),
        (Healthcheck, "interval" | "timeout" | "start_period" | "start_interval") => duration(),
        (Healthcheck, "retries") => whole(),
        (Healthcheck, "disable") => yes_or_no(),
        (Logging, "options") => one_of(&[options(), null()]),
        (Ulimit, _) => whole(),
        (Port, "target") => whole(),
        (Port, "published") => text(),
        (Port, "protocol") => words(&["tcp", "udp", "sctp"]),
        (Port, "mode") => words(&["ingress", "host"]),
        (Mount, "type") => words(&["volume", "bind", "tmpfs", "npipe", "cluster", "image"]),
        (Mount, "read_only") => yes_or_no(),
        (Mount, "bind") => of(MountBind),
        (Mount, "volume") => of(MountVolume),
        (Mount, "tmpfs") => of(MountTmpfs),
        (MountBind, "propagation") => words(&["private", "rprivate", "shared", "rshared", "slave", "rslave"]),
        (MountBind, "create_host_path") | (MountVolume, "nocopy") => yes_or_no(),
        (MountVolume, "labels") => pairs(),
        (MountTmpfs, "size") => size(),
        (MountTmpfs, "mode") | (FileMount, "mode") => whole(),
        (Attachment, "aliases") => texts(),
        (Attachment | Network | Volume | Secret, "driver_opts") => one_of(&[options(), null()]),
        (Attachment, "priority" | "gw_priority") => number(),
        (Dependency, "condition") => {
            words(&["service_started", "service_healthy", "service_completed_successfully"])
        }
        (Dependency | EnvFile, "required") | (Dependency, "restart") => yes_or_no(),
        (EnvFile, "format") => words(&["raw"]),

        (Network | Volume | Config | Secret, "external") => one_of(&[
            yes_or_no(),
            json!({ "type": "object", "properties": { "name": text() }, "additionalProperties": false }),
        ]),
        (Network | Volume | Config | Secret, "labels") => pairs(),
        (Network, "internal" | "attachable" | "enable_ipv6") => yes_or_no(),
        (Network, "ipam") => of(Ipam),
        (Ipam, "config") => list(of(IpamPool)),
        // What is left is text: names, paths, addresses, templates.
        _ => text(),
    }
}
