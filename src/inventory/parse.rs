//! Turns the text of an inventory into an [`Inventory`], and reports all mistakes of the file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ledger::place::LedgerPlace;
use crate::model::spec::Strategy;
use crate::model::{ClusterName, NodeName};
use crate::yaml::{self, Drawn, Fields, Node, Report, Sink, SourceText, Sources, Span, Value};

use super::{
    AGENT_PORT, Address, Agents, Contexts, DEFAULT_SOCKET, HostEntry, Inventory, KnownHosts, drivers, hosts,
    notifications, private, sources,
};

/// Reads an inventory that names no context. `name` is its path, for messages and as the base of relative paths.
/// Returns it with warnings.
pub fn parse(text: &str, name: &str) -> Result<(Inventory, Vec<Drawn>), Report> {
    parse_with(text, name, None)
}

/// Reads an inventory whose addresses may name contexts.
pub fn parse_with(text: &str, name: &str, contexts: Contexts<'_>) -> Result<(Inventory, Vec<Drawn>), Report> {
    let sources = Sources::new();
    let source = SourceText { name: name.to_owned(), bytes: text.into() };
    // Text is UTF-8 already.
    let (Ok(file) | Err((file, _))) = sources.add(source);
    let sink = Sink::new("inventory", &sources);
    let root = yaml::parse(&sources, file, &sink);
    root.iter().for_each(|root| private::hide(root, &sink));
    let inventory = read(&sink, root, Span::new(file, 0..0), Path::new(name), contexts);
    sink.finish().map(|notes| (inventory, notes))
}

/// The cluster that the text of an inventory names, whatever else is wrong with it; `None` if it cannot be read.
pub(super) fn cluster_of(text: &str) -> Option<ClusterName> {
    let sources = Sources::new();
    let (Ok(file) | Err((file, _))) = sources.add(SourceText { name: String::new(), bytes: text.into() });
    let sink = Sink::new("inventory", &sources);
    let root = yaml::parse(&sources, file, &sink)?;
    match root.as_map()?.get("cluster") {
        Some(name) if !name.is_null() => ClusterName::new(name.as_text()?).ok(),
        _ => Some(Inventory::local(Address::Unix(PathBuf::from(DEFAULT_SOCKET))).cluster),
    }
}

/// Reads `{"hosts": {…}}`, the answer of a discovery source: entries as in an inventory, possibly none.
pub fn parse_found(text: &str, name: &str) -> Result<BTreeMap<NodeName, HostEntry>, Report> {
    let sources = Sources::new();
    let source = SourceText { name: name.to_owned(), bytes: text.into() };
    let (Ok(file) | Err((file, _))) = sources.add(source);
    let sink = Sink::new("inventory", &sources);
    let root = yaml::parse(&sources, file, &sink);
    root.iter().for_each(|root| private::hide(root, &sink));
    let top = root.as_ref().and_then(|root| Fields::of(&sink, root, root.span, ""));
    let mut found = BTreeMap::new();
    if let Some(top) = top {
        if let Some(listed) = top.fields("hosts") {
            found = hosts::read(&sink, listed.entries(), None, None);
        }
        top.deny_unknown(&["hosts"]);
    }
    sink.finish().map(|_| found)
}

/// Reads what can be read. Mistakes go to the sink, and the result is then not used.
fn read(sink: &Sink<'_>, root: Option<Node>, start: Span, path: &Path, contexts: Contexts<'_>) -> Inventory {
    let mut inventory = Inventory {
        file: Some(path.to_owned()),
        hosts: BTreeMap::new(),
        ..Inventory::local(Address::Unix(PathBuf::from(DEFAULT_SOCKET)))
    };
    let empty = Node::made(Value::Map(yaml::Map::default()), start);
    let root = match root {
        Some(Node { value: Value::Null, .. }) => empty,
        Some(root) => root,
        None if sink.errors() == 0 => empty,
        // The parser has reported why.
        None => return inventory,
    };
    let Some(top) = Fields::of(sink, &root, root.span, "") else { return inventory };
    let named = |text: &str| ClusterName::new(text);
    if let Some(name) = top.parsed("cluster", "bad_name", "a name", named) {
        inventory.cluster = name.value;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let relative = |key| top.text(key).map(|text| folder.join(&*text));
    inventory.ssh_config = relative("ssh_config");
    inventory.known_hosts_file = relative("known_hosts_file");
    let checks =
        [("strict", KnownHosts::Strict), ("accept-new", KnownHosts::AcceptNew), ("off", KnownHosts::Off)];
    inventory.known_hosts = top.choice("known_hosts", &checks).map(|word| word.value).unwrap_or_default();
    inventory.task_history = top.integer("task_history", 0).map(|number| number.value);
    if let Some(placement) = top.fields("placement") {
        let words =
            [("spread", Strategy::Spread), ("binpack", Strategy::Binpack), ("random", Strategy::Random)];
        inventory.strategy = placement.choice("strategy", &words).map(|word| word.value);
        placement.deny_unknown(&["strategy"]);
    }
    let place = top.parsed_in_private(
        "ledger",
        "bad_ledger",
        "`volumes`, `file:///path`, or `etcd://host/prefix` or the like",
        LedgerPlace::parse,
    );
    inventory.ledger = place.map(|place| place.value).unwrap_or_default();
    let words = [("ask", Agents::Ask), ("auto", Agents::Auto), ("off", Agents::Off)];
    inventory.agents = top.choice("agents", &words).map(|word| word.value).unwrap_or_default();
    inventory.agent_port = top.integer("agent_port", 1).map_or(AGENT_PORT, |port| port.value);
    inventory.drivers = drivers::read(sink, &top, folder);
    inventory.notifications = notifications::read(&top, folder);
    inventory.discover = sources::sources(sink, &top, folder);
    inventory.hosts = hosts::hosts(sink, &top, contexts, folder);
    top.deny_unknown(&private::TOP_KEYS);
    inventory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::{Availability, Role};

    fn faults(text: &str) -> Vec<String> {
        let report = parse(text, "stackctl.yml").unwrap_err();
        report.faults.iter().map(|f| format!("{}:{} {} {}", f.line, f.column, f.code, f.message)).collect()
    }

    #[test]
    fn no_excerpt_shows_a_password_a_webhook_or_an_argument() {
        let well_formed = "\
hosts: {h1: {address: h1, role: manager}}
ledger: etcd://me:hunter2@h1/x
notifications:
  - webhook: https://chat.example.com/hunter2
    nope: 1
  - command: [tell, hunter2]
    nope: 2
  - webhok: https://chat.example.com/hunter2
  - webhook: https://hunter2@chat.example.com
  - webhook: https://me:hun@hunter2/x
stacks:
  - {files: [a.yml], variables: {A: hunter2}}
nope: 3
";
        let broken = "hosts: {h1: h1}\nledger: etcd://me:hunter2@h1/x\n  nope: x\n";
        for text in [well_formed, broken] {
            let drawn = format!("{:?}", miette::Report::new(parse(text, "stackctl.yml").unwrap_err()));
            assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{drawn}");
        }
    }

    #[test]
    fn no_excerpt_shows_what_a_mistake_keeps_from_being_known() {
        for line in [
            "notifications: [{webhok: 'https://me:hunter2@chat.example.com/abc'}]",
            "notifications: [{stacks: [stack, 'https://me:hunter2@chat.example.com/abc']}]",
            "notifications: [{stacks: ['https://hunter2@chat.example.com', 'HTTPS://c/hunter2', 'http://c?hunter2']}]",
            "notifications: [{comand: [tell, hunter2]}]",
            "notifications: [{webhook: 'https://c/', headers: {Authorization: hunter2}}]",
            "notifications: [hunter2]",
            "notifications: {webhok: hunter2}",
            "hosts: {h1: {address: h1, fense: [ipmi, hunter2]}}",
            "hosts: {h1: 'root:hunter2@h1', h2: [hunter2]}",
            "hosts: {h1: {address: 'ssh://root:hunter2@h1', labels: {a: 'x://hunter2@h'}}}",
            "stacks: [{files: [a.yml], variabels: {A: hunter2}}]",
            "discover: [a, hunter2]",
            "discover: [{comand: [a, hunter2]}]",
            "discover: [{consul: 'consul://hunter2@h1/x'}]",
            "ledger: consul://h1/x?token=hunter2",
            "ledger: \"etcd://me:hunter2@h1/x?password=hunter2\"",
            "ledgr: hunter2",
            "placement: {strategie: hunter2}",
        ] {
            let text = format!("cluster: a\n{line}\nnope: 1\n");
            let drawn = format!("{:?}", miette::Report::new(parse(&text, "stackctl.yml").unwrap_err()));
            assert!(drawn.contains("nope: *") && !drawn.contains("hunter2"), "{drawn}");
        }
        let text = "ledger: etcd://me@h1/x\nnope: 1\nhosts: {h1: ssh://root@h1}\n";
        let drawn = format!("{:?}", miette::Report::new(parse(text, "stackctl.yml").unwrap_err()));
        assert!(drawn.contains("etcd://me@h1/x") && drawn.contains("ssh://root@h1"), "{drawn}");
    }

    /// Where the value itself is at fault.
    #[test]
    fn no_message_label_or_help_quotes_what_is_hidden() {
        for (line, says) in [
            ("notifications: [{command: \"tell --token hunter2\"}]", "write it as a list"),
            ("notifications: [{command: [tell, 12345678]}]", "put it in quotes"),
            ("hosts: {h1: {address: h1, fence: \"ipmi -P hunter2\"}}", "write it as a list"),
            ("discover: [{command: \"list --token hunter2\"}]", "write it as a list"),
            ("ledger: https://me:hunter2@h1:2379/x", "`https://h1:2379` is no place"),
            ("ledger: etcd://me:hun?ter2@h1/x", "no member"),
            ("ledger: etcd://h1/x?hunter2", "an option has no value"),
            ("ledger: etcd://h1/x?hunter2=1", "no such option"),
            ("ledger: https://h1/hunter2", "no place"),
            ("discover: [{etcd: 'etcd://h1/x?hunter2'}]", "an option has no value"),
        ] {
            let report = parse(&format!("cluster: a\n{line}\n"), "stackctl.yml").unwrap_err();
            let drawn = format!("{:?}", miette::Report::new(report));
            let is_quoted =
                ["hunter2", "hun?ter2", "12345678", "me:hun"].iter().any(|word| drawn.contains(word));
            assert!(drawn.contains(says) && !is_quoted, "{line}: {drawn}");
        }
        // What is not hidden is quoted.
        let report = parse("ledger: etcd:h1\n", "stackctl.yml").unwrap_err();
        assert!(format!("{:?}", miette::Report::new(report)).contains("`etcd:h1` is no place"));
    }

    /// A secret in every kind of place, written in every way, beside every kind of mistake.
    #[test]
    fn no_diagnostic_shows_a_value_that_is_secret() {
        let places = [
            "notifications: [{command: VALUE}]\n",
            "notifications: [{command: [tell, VALUE]}]\n",
            "notifications:\n  - webhook: VALUE\n",
            "notifications: [{webhok: VALUE}]\n",
            "hosts: {h1: {address: h1, fence: VALUE}}\n",
            "hosts:\n  h1:\n    address: h1\n    fence:\n      - VALUE\n",
            "discover: [{command: VALUE}]\n",
            "discover:\n  - command: [list, VALUE]\n",
            "stacks:\n  - files: [a.yml]\n    variables: {A: VALUE}\n",
            "stacks:\n  - {files: [a.yml], variables: [VALUE]}\n",
            "ledgr: VALUE\n",
        ];
        let values = [
            "hunter2",
            "'hunter2'",
            "\"hunter2\" hunter2",
            "87654321",
            "8.87654321",
            "[[hunter2]]",
            "{a: hunter2}",
            "*hunter2",
            "!hunter2",
            "&hunter2",
            "!hunter2 a",
            "&hunter2 a",
            "@hunter2",
            "A=hunter2: a",
            "a hunter2: a",
            "https://ann:hunter2@h/x",
            "https://h/hunter2",
            "|\n        hunter2",
            "'hunter2",
            "{a: hunter2",
            "$hunter2",
        ];
        for (place, value) in places.iter().flat_map(|place| values.iter().map(move |value| (place, value))) {
            for mistake in ["", "nope: 1\n", " nope: [\n", "---\nA: hunter2\n", "...\n%NOPE\nA: hunter2\n"] {
                let text = format!("cluster: a b\n{}{mistake}", place.replace("VALUE", value));
                let report = parse(&text, "stackctl.yml").unwrap_err();
                let machine = serde_json::to_string(&report.machine()).unwrap();
                let said = format!("{machine}{:?}", miette::Report::new(report));
                assert!(!said.contains("hunter2") && !said.contains("87654321"), "{text}{said}");
            }
        }
        // Addresses that are shown otherwise.
        for address in [
            "https://me:hunter2@h1:2379/x",
            "etcd://me:hun?hunter2@h1/x",
            "etcd://me:hunter2@h 1/x",
            "etcd://h1/x?hunter2",
            "consul://hunter2@h1",
            "zookeeper://me:hunter2@h1/../x",
            "etcd:hunter2@h1",
            "file://me:hunter2@h1",
        ] {
            for place in [
                "ledger: VALUE\n",
                "discover: [{etcd: 'VALUE'}]\n",
                "discover: [{consul: 'VALUE', service: a b}]\n",
            ] {
                let text = format!("cluster: a b\n{}nope: 1\n", place.replace("VALUE", address));
                let said = format!("{:?}", miette::Report::new(parse(&text, "stackctl.yml").unwrap_err()));
                assert!(!said.contains("hunter2"), "{text}{said}");
            }
        }
    }

    #[test]
    fn everything_a_file_can_say_is_read() {
        let text = "\
cluster: prod
ssh_config: ./ssh_config
known_hosts: accept-new
known_hosts_file: /etc/ssh/known
task_history: 2
placement: {strategy: binpack}
ledger: file:///var/lib/stackctl
agents: auto
x-note: ours
hosts:
  h1: ssh://root@10.0.0.1:22
  h2:
    address: h2
    role: manager
    labels: {zone: a, rack: 7}
    availability: drain
    docker_socket: unix:///run/user/1000/docker.sock
  h3: {address: unix:///var/run/docker.sock}
";
        let (inventory, notes) = parse(text, "/etc/stack/stackctl.yml").unwrap();
        assert!(notes.is_empty());
        assert_eq!(inventory.cluster.as_str(), "prod");
        assert_eq!(inventory.ssh_config.as_deref(), Some(Path::new("/etc/stack/./ssh_config")));
        assert_eq!(inventory.known_hosts_file.as_deref(), Some(Path::new("/etc/ssh/known")));
        assert_eq!((inventory.known_hosts, inventory.task_history), (KnownHosts::AcceptNew, Some(2)));
        assert_eq!(inventory.strategy, Some(Strategy::Binpack));
        assert_eq!(inventory.ledger, LedgerPlace::Directory("/var/lib/stackctl".into()));
        assert_eq!(inventory.agents, Agents::Auto);
        let host = |name: &str| &inventory.hosts[name];
        assert_eq!(host("h1").member.address, "ssh://root@10.0.0.1:22");
        assert_eq!(host("h1").member.role, Role::Worker);
        let h2 = host("h2");
        assert_eq!((h2.member.role, h2.member.availability), (Role::Manager, Availability::Drain));
        let labels: Vec<_> = h2.member.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(labels, ["rack=7", "zone=a"]);
        assert_eq!(h2.docker_socket, Path::new("/run/user/1000/docker.sock"));
        assert_eq!(host("h3").address, Address::Unix("/var/run/docker.sock".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "\
clutser: prod
known_hosts: stict
task_history: -1
ledger: file://here
agents: yes please
hosts:
  h1: tcp://10.0.0.1:2375
  h2: {address: h2, role: boss, labels: [a], availability: off, adress: x}
  h3: {role: manager}
  h4:
  'h 5': h5
  h6: {address: unix:///d.sock, docker_socket: /d.sock}
  h7: {address: h7, docker_socket: d.sock}
  h8: h7b
  h9: h7b
  h10: [h10]
";
        assert_eq!(
            faults(text),
            [
                "1:1 stackctl::inventory::unknown_key unknown key `clutser` at the top of the file",
                "2:14 stackctl::inventory::unknown_word `known_hosts` cannot be `stict`",
                "3:15 stackctl::inventory::out_of_range `task_history` is out of range",
                "4:9 stackctl::inventory::bad_ledger `ledger` is not `volumes`, `file:///path`, or `etcd://host/prefix` or the like",
                "5:9 stackctl::inventory::unknown_word `agents` cannot be `yes please`",
                "7:7 stackctl::inventory::bad_address the address of host `h1` cannot be used",
                "8:27 stackctl::inventory::unknown_word `role` of host `h2` cannot be `boss`",
                "8:41 stackctl::inventory::wrong_type `labels` of host `h2` must be a mapping",
                "8:60 stackctl::inventory::unknown_word `availability` of host `h2` cannot be `off`",
                "8:65 stackctl::inventory::unknown_key unknown key `adress` in host `h2`",
                "9:3 stackctl::inventory::missing_key host `h3` has no `address`",
                "10:3 stackctl::inventory::missing_key host `h4` has no address",
                "11:3 stackctl::inventory::bad_name host `h 5` has an invalid name",
                "12:48 stackctl::inventory::two_sockets host `h6` has two sockets",
                "13:36 stackctl::inventory::bad_socket `docker_socket` of host `h7` is not an absolute path",
                "15:7 stackctl::inventory::same_host `h8` and `h9` are the same host",
                "16:8 stackctl::inventory::wrong_type host `h10` must be a mapping",
            ]
        );
    }

    #[test]
    fn without_hosts_there_is_nothing_to_do() {
        let wanted = ["1:1 stackctl::inventory::no_hosts the inventory names no hosts"];
        assert_eq!(faults(""), wanted);
        assert_eq!(faults("cluster: a\n"), wanted);
        assert_eq!(faults("hosts: {}\n"), wanted);
    }

    #[test]
    fn a_cluster_without_a_manager_is_worth_a_word() {
        let (_, notes) = parse("hosts: {h1: h1}\n", "stackctl.yml").unwrap();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].code, "stackctl::inventory::no_manager");
    }
}
