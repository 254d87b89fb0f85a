//! The JSON Schema of inventories (`stackctl.yml`), from types that say what may be written.
//!
//! The types only describe: an inventory is read by hand, for the sake of its messages. A test holds
//! the two together.
#![allow(dead_code, reason = "these types are never made, only described")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

/// The hosts of a cluster.
#[derive(JsonSchema)]
#[schemars(
    title = "stackctl inventory",
    deny_unknown_fields,
    extend("anyOf" = [{"required": ["hosts"]}, {"required": ["discover"]}])
)]
struct Inventory {
    /// Name of the cluster. It is part of the labels of everything that is deployed.
    cluster: Option<String>,
    /// File for `ssh -F`; relative to this file.
    ssh_config: Option<String>,
    /// How host keys that are not known yet are treated. Default: `strict`.
    known_hosts: Option<KnownHosts>,
    /// File with known host keys; relative to this file.
    known_hosts_file: Option<String>,
    /// How many ended tasks of a slot are kept for a look at their logs.
    #[schemars(range(min = 0))]
    task_history: Option<u32>,
    /// How nodes are chosen for services that do not say.
    placement: Option<Placement>,
    /// Where releases and leases are kept: `volumes` of the managers, `file:///path`, or
    /// `etcd://h1,h2,h3/prefix?ca=/path`, `zookeeper://h1,h2,h3/prefix` or `consul://h1,h2,h3/prefix`. Default:
    /// `volumes`.
    #[schemars(regex(pattern = "^(volumes|file:///.*|(etcd|zookeeper|consul)://.+)$"))]
    ledger: Option<String>,
    /// Whether hosts may get an agent, a program with root's rights that stays: `ask` at a terminal each time that one gets its
    /// first, `auto` without a question, `off` never. Default: `ask`.
    agents: Option<Agents>,
    /// The TCP port at which agents of the hosts listen for each other. Default: 4795.
    #[schemars(range(min = 1))]
    agent_port: Option<u16>,
    /// Where stackfiles may have values of secrets from.
    secrets: Option<Secrets>,
    /// Notifications, which the loop and deploys send.
    notifications: Option<Vec<Notification>>,
    /// Hosts by the names they have in the cluster. A range in name or address, `web[01:20]`, is many.
    #[schemars(extend("minProperties" = 1))]
    hosts: Option<BTreeMap<String, Host>>,
    /// Sources of more hosts, which are asked regularly.
    discover: Option<Vec<Source>>,
    /// The stacks of a repository that holds this file, for `stackctl reconcile --repo`.
    stacks: Option<Vec<Stack>>,
}

/// Whether hosts may get an agent.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Agents {
    Ask,
    Auto,
    Off,
}

/// Where stackfiles may have values of secrets from.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Secrets {
    /// The drivers that stackfiles may name.
    drivers: Option<Drivers>,
}

/// Drivers: their names alone, or with their settings.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Drivers {
    /// `vault`, `openbao`, `pass`, or another name: the program `stackctl-secret-NAME`.
    Names(Vec<String>),
    /// By name. One without settings is what its name says.
    Whole(BTreeMap<String, Option<Driver>>),
}

/// A store that stackfiles may ask for values.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Driver {
    /// What it is, if its name does not say it.
    #[schemars(rename = "type")]
    kind: Option<DriverType>,
    /// A program and its arguments, whose output is the value; `{OPTION}` stands for an option of the secret.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// Of `pass`: its store; relative to this file.
    store: Option<String>,
    /// Of `vault`: the server. Default: that of VAULT_ADDR.
    #[schemars(regex(pattern = "^https?://.+$"))]
    address: Option<String>,
    /// Of `vault`: the namespace.
    namespace: Option<String>,
    /// Of `vault`: a file with the token; relative to this file. Default: VAULT_TOKEN, or what `vault login` has kept.
    token_file: Option<String>,
    /// Of `vault`: certificate authorities to trust instead of the machine's, a PEM file; relative to this file.
    ca: Option<String>,
    /// Timeout of one value. Default: `30s`.
    timeout: Option<String>,
}

/// What a driver asks.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum DriverType {
    /// Vault or OpenBao.
    Vault,
    /// The password manager pass.
    Pass,
    /// The program `stackctl-secret-NAME`.
    Program,
}

/// A notification: a command that gets the event as its input, or an address that it is posted to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["command"]}, {"required": ["webhook"]}]))]
struct Notification {
    /// Program and arguments; the event is its standard input.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// Address that the event is posted to.
    #[schemars(regex(pattern = "^https?://[^/].*$"))]
    webhook: Option<String>,
    /// File whose first line the body is signed with (HMAC-SHA256); relative to this file.
    secret_file: Option<String>,
    /// Variable of the environment that holds the same.
    secret_env: Option<String>,
    /// Certificate authorities to trust instead of the machine's, a PEM file; relative to this file.
    ca: Option<String>,
    /// `json` is the event, `slack` is `{"text": …}`. Default: `json`.
    format: Option<Form>,
    /// Events, by their `type`. Default: all that are at least as severe as `level`.
    on: Option<Vec<String>>,
    /// Minimum severity of an event, unless `on` names it. Default: `warning`.
    level: Option<Level>,
    /// Only what is about these stacks, or about no stack.
    stacks: Option<Vec<String>>,
    /// The same trouble is not reported again within this time. Default: `1h`.
    repeat: Option<String>,
    /// Timeout of one attempt. Default: `10s`.
    timeout: Option<String>,
}

/// How an event is written.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Form {
    Json,
    Slack,
}

/// How severe an event is.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Level {
    Info,
    Warning,
    Error,
}

/// A source of hosts: one of `command`, `etcd`, `zookeeper` and `consul`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["command"]}, {"required": ["etcd"]}, {"required": ["zookeeper"]}, {"required": ["consul"]}]))]
#[schemars(extend("dependentRequired" = {"service": ["consul"], "user": ["service"]}))]
#[schemars(extend("if" = {"required": ["consul"], "not": {"required": ["service"]}}))]
#[schemars(extend("then" = {"properties": {"consul": {"pattern": "^consul://[^/]+/.+$"}}}))]
struct Source {
    /// A program and its arguments; prints `{"hosts": {…}}`, or what Ansible takes from `--list`.
    #[schemars(length(min = 1))]
    command: Option<Vec<String>>,
    /// Keys below a prefix, each of which holds a host as JSON.
    #[schemars(regex(pattern = "^etcd://[^/]+/.+$"))]
    etcd: Option<String>,
    /// Nodes below a path of ZooKeeper, each of which holds a host as JSON.
    #[schemars(regex(pattern = "^zookeeper://[^/]+/.+$"))]
    zookeeper: Option<String>,
    /// Keys below a prefix of Consul, each of which holds a host as JSON; with `service`, where Consul is.
    #[schemars(regex(pattern = "^consul://.+$"))]
    consul: Option<String>,
    /// A service of Consul's catalog: each instance of it is a host.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.][A-Za-z0-9_.-]*$"))]
    service: Option<String>,
    /// The user for ssh on the hosts of a service. Default: as ssh's own configuration says.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.][A-Za-z0-9_.-]*$"))]
    user: Option<String>,
    /// Timeout. Default: `10s`.
    timeout: Option<String>,
}

/// A stack of a repository.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stack {
    /// Name of the stack. Default: the name in the stackfiles.
    stack: Option<String>,
    /// Stackfiles, from the folder of this file; later ones win.
    #[schemars(length(min = 1))]
    files: Vec<String>,
    /// Files of variables. Default: the `.env` beside the first stackfile.
    env_files: Option<Vec<String>>,
    /// Variables that win over those of files.
    variables: Option<BTreeMap<String, Scalar>>,
    /// Profiles that are enabled.
    profiles: Option<Vec<String>>,
    /// Stacks with a lower number are released first. Default: 0.
    #[schemars(range(min = 0))]
    order: Option<u32>,
    /// Whether services that are no longer in the stackfiles are removed. Default: false.
    prune: Option<bool>,
    /// Whether the stack is removed once it is no longer listed. Default: false.
    remove: Option<bool>,
}

/// How nodes are chosen for services that do not say.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Placement {
    /// Which node is preferred. Default: `spread`.
    strategy: Option<Strategy>,
}

/// Which node is preferred.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Strategy {
    /// The one with the fewest tasks.
    Spread,
    /// The fullest that has room.
    Binpack,
    /// Any, the same each time.
    Random,
}

/// How host keys that are not known yet are treated.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum KnownHosts {
    /// A host whose key is not known is refused.
    Strict,
    /// The first key that a host shows is trusted, and must not change.
    AcceptNew,
    /// Keys are not checked.
    Off,
}

/// A host: its address alone, or with its settings.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Host {
    /// `ssh://user@host:port`, an alias of the ssh config, `unix:///path`, or `context://NAME` of docker's client.
    Address(String),
    /// The host with its settings.
    Whole(WholeHost),
}

/// A host with its settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WholeHost {
    /// `ssh://user@host:port`, an alias of the ssh config, `unix:///path`, or `context://NAME` of docker's client.
    address: String,
    /// Default: `worker`.
    role: Option<Role>,
    /// Labels, for placement: `node.labels.zone == a`.
    labels: Option<BTreeMap<String, Scalar>>,
    /// Default: `active`.
    availability: Option<Availability>,
    /// Path of the engine's socket on the host. Default: `/var/run/docker.sock`.
    docker_socket: Option<String>,
    /// The IP address at which agents of other hosts reach this one. Default: that of `address`.
    data_address: Option<String>,
    /// A command that makes sure that the host is off, and its arguments: status 0 says that it is. Not for hosts that are discovered.
    #[schemars(length(min = 1))]
    fence: Option<Vec<String>>,
}

/// Text, or what YAML makes of bare words.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
}

/// Managers keep the cluster's records.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Role {
    Manager,
    Worker,
}

/// Whether a host takes tasks.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Availability {
    /// The host takes new tasks.
    Active,
    /// The host keeps its tasks and takes no new ones.
    Pause,
    /// The host's tasks are moved to other hosts.
    Drain,
}

/// The whole schema.
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Inventory>()
}
