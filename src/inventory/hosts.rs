//! Entries of `hosts:`, each one host, or several where there is a [range](super::range) in it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::model::NodeName;
use crate::model::node::{Availability, Member, Role};
use crate::yaml::{self, Diagnostic, Entry, Fields, Node, Sink, Span, Spanned, Value};

use super::contexts::{self, ContextError, Contexts};
use super::range::{self, BadRange, Expanded, Why};
use super::{Address, AddressError, DEFAULT_SOCKET, FenceCommand, HostEntry};

pub(super) const HOST_KEYS: [&str; 6] =
    ["address", "role", "labels", "availability", "docker_socket", "data_address"];
/// Only hosts of the file itself name a program: the user has seen that file.
const FENCE: &str = "fence";

const AN_ADDRESS: &str = "an address such as `ssh://root@10.0.0.1` or an alias of the ssh config";

/// All hosts of a file.
pub(super) fn hosts(
    sink: &Sink<'_>,
    top: &Fields<'_>,
    contexts: Contexts<'_>,
    folder: &Path,
) -> BTreeMap<NodeName, HostEntry> {
    let listed = top.fields("hosts");
    let wrong = listed.is_none() && top.node("hosts").is_some();
    let entries = listed.as_ref().map_or(&[][..], |hosts| hosts.entries());
    if entries.is_empty() && !wrong && !top.has("discover") {
        sink.push(
            Diagnostic::error("no_hosts", "the inventory names no hosts")
                .at(top.span(), "`hosts:` is missing here")
                .help("add `hosts: {h1: \"ssh://root@10.0.0.1\"}`"),
        );
    }
    let hosts = read(sink, entries, contexts, Some(folder));
    let managers = hosts.values().filter(|host| host.member.role == Role::Manager).count();
    // After a mistake, a manager may exist but be unreadable.
    if managers == 0 && !hosts.is_empty() && sink.errors() == 0 {
        sink.push(
            Diagnostic::warning("no_manager", "no host is a manager")
                .at(listed.as_ref().map_or(top.span(), Fields::span), "all of these are workers")
                .help("set `role: manager` on one host, or on three: they keep the cluster's records"),
        );
    }
    hosts
}

/// The hosts of entries, without duplicates. `folder` is that of the file; `None` for entries that were found.
pub(super) fn read(
    sink: &Sink<'_>,
    entries: &[Entry],
    contexts: Contexts<'_>,
    folder: Option<&Path>,
) -> BTreeMap<NodeName, HostEntry> {
    let mut hosts = BTreeMap::new();
    let mut names: BTreeMap<NodeName, Span> = BTreeMap::new();
    let mut taken: BTreeMap<String, (NodeName, Span)> = BTreeMap::new();
    for entry in entries {
        // Of the many hosts of an entry, the first mistake is enough.
        let (mut is_told, called) = (false, entry.key.span);
        for (host, span) in host(sink, entry, contexts, folder) {
            let name = host.member.name.clone();
            let engine = format!("{} {}", host.address, host.docker_socket.display());
            if let Some(place) = names.insert(name.clone(), called).filter(|_| !is_told) {
                is_told = true;
                sink.push(
                    Diagnostic::error("same_name", format!("two hosts are called `{name}`"))
                        .at(called, "this entry names it")
                        .also(place, "and so does this one")
                        .help("rename one of the two"),
                );
            } else if let Some((other, place)) = taken.insert(engine, (name.clone(), span))
                && !is_told
            {
                is_told = true;
                sink.push(
                    Diagnostic::error("same_host", format!("`{other}` and `{name}` are the same host"))
                        .at(span, "this address")
                        .also(place, "is here already")
                        .help("remove one of the two: its tasks would be counted twice"),
                );
            }
            hosts.insert(name, host);
        }
    }
    hosts
}

/// The settings of an entry, for each of its hosts.
struct Said {
    role: Role,
    labels: BTreeMap<String, String>,
    availability: Availability,
    docker_socket: PathBuf,
    fence: Option<FenceCommand>,
    data_address: Option<IpAddr>,
}

/// The hosts of an entry, and where their address is written.
fn host(
    sink: &Sink<'_>,
    entry: &Entry,
    contexts: Contexts<'_>,
    folder: Option<&Path>,
) -> Vec<(HostEntry, Span)> {
    let called = format!("host `{}`", sink.clean(&entry.key));
    let Ok(names) = ranges(sink, &entry.key.value, entry.key.span, &called) else { return Vec::new() };
    // The name is checked before anything else of the entry; a name with a range becomes valid once it is expanded.
    if names.is_none() && !is_name(sink, &entry.key.value, entry.key.span, &called) {
        return Vec::new();
    }
    if matches!(entry.value.value, Value::Text(_)) {
        let said = Said {
            role: Role::default(),
            labels: BTreeMap::new(),
            availability: Availability::default(),
            docker_socket: PathBuf::from(DEFAULT_SOCKET),
            fence: None,
            data_address: None,
        };
        let name = format!("address of {called}");
        let addresses = addresses(sink, &entry.value, &name, contexts);
        return pair(sink, entry, names, addresses, &entry.value, &said);
    }
    let Some(fields) = Fields::of(sink, &entry.value, entry.key.span, called.clone()) else {
        if entry.value.is_null() {
            sink.push(
                Diagnostic::error("missing_key", format!("{called} has no address"))
                    .at(entry.key.span, "needs one")
                    .help(format!("write {AN_ADDRESS}")),
            );
        }
        return Vec::new();
    };
    let node = fields.node("address");
    if node.is_none() {
        fields.missing("address");
    }
    let addresses = node.and_then(|node| addresses(sink, node, &fields.name("address"), contexts));
    let role = fields.choice("role", &[("manager", Role::Manager), ("worker", Role::Worker)]);
    let words =
        [("active", Availability::Active), ("pause", Availability::Pause), ("drain", Availability::Drain)];
    let availability = fields.choice("availability", &words);
    let pairs = fields.pairs("labels").unwrap_or_default();
    let labels = pairs.into_iter().map(|(key, value)| (key, value.value.unwrap_or_default())).collect();
    let is_local = addresses.as_ref().is_some_and(|all| matches!(all[..], [(Address::Unix(_), _), ..]));
    let docker_socket = socket(&fields, is_local);
    let an_ip = |text: &str| text.parse::<IpAddr>();
    let data_address = fields.parsed("data_address", "bad_address", "an IP address", an_ip);
    let fence = folder.and_then(|folder| fence(&fields, folder));
    match folder {
        Some(_) => fields.deny_unknown(&[&HOST_KEYS[..], &[FENCE]].concat()),
        None => fields.deny_unknown(&HOST_KEYS),
    }
    let Some(node) = node else { return Vec::new() };
    let said = Said {
        role: role.map(|word| word.value).unwrap_or_default(),
        labels,
        availability: availability.map(|word| word.value).unwrap_or_default(),
        docker_socket,
        fence,
        data_address: data_address.map(|address| address.value),
    };
    pair(sink, entry, names, addresses, node, &said)
}

/// The names and the addresses of an entry, one to one.
fn pair(
    sink: &Sink<'_>,
    entry: &Entry,
    names: Option<Vec<Expanded>>,
    addresses: Option<Vec<(Address, Option<String>)>>,
    node: &Node,
    said: &Said,
) -> Vec<(HostEntry, Span)> {
    let Some(addresses) = addresses else { return Vec::new() };
    let names: Vec<String> = match names {
        Some(names) if names.len() != addresses.len() => {
            let (hosts, theirs) = (names.len(), addresses.len());
            let theirs = if theirs == 1 { "one address".to_owned() } else { format!("{theirs} addresses") };
            sink.push(
                Diagnostic::error("bad_range", format!("{hosts} hosts have {theirs}"))
                    .on(node, "the addresses")
                    .also(entry.key.span, "the hosts")
                    .help("as many addresses as names: `h[1:3]: 10.0.0.[11:13]`; or a range in the address alone"),
            );
            return Vec::new();
        }
        Some(names) => names.into_iter().map(|one| one.text).collect(),
        None => {
            let key = &entry.key.value;
            addresses.iter().map(|(_, values)| format!("{key}{}", values.as_deref().unwrap_or(""))).collect()
        }
    };
    let called = format!("host `{}`", sink.clean(&entry.key));
    if !names.iter().all(|name| is_name(sink, name, entry.key.span, &called)) {
        return Vec::new();
    }
    let host = |(name, (address, _)): (String, (Address, Option<String>))| {
        let member = Member {
            name: NodeName::unchecked(&name),
            address: address.to_string(),
            role: said.role,
            labels: said.labels.clone(),
            availability: said.availability,
            abandons_data: false,
            found_by: None,
        };
        let (docker_socket, fence) = (said.docker_socket.clone(), said.fence.clone());
        let data_address = said.data_address;
        (HostEntry { member, address, docker_socket, fence, data_address }, node.span)
    };
    names.into_iter().zip(addresses).map(host).collect()
}

fn is_name(sink: &Sink<'_>, name: &str, span: Span, called: &str) -> bool {
    let Err(error) = NodeName::new(name) else { return true };
    sink.push(
        Diagnostic::error("bad_name", format!("{called} has an invalid name"))
            .at(span, error.to_string())
            .help("letters, digits, `-`, `_` and `.`: the name becomes part of container names"),
    );
    false
}

/// The expansion of a text with ranges. Reports errors.
fn ranges(sink: &Sink<'_>, text: &str, span: Span, called: &str) -> Result<Option<Vec<Expanded>>, ()> {
    range::expand(text).map_err(|BadRange { at, why }| {
        // In quotes, with escapes, bytes of the text are not bytes of the file.
        let is_plain = span.range().len() == text.len();
        let help = match why {
            Why::TooMany => "if that is intended, write several entries",
            Why::Form | Why::Backwards | Why::Width(_) => {
                "both ends are included, and leading zeros are kept: `10.0.0.[1:9]`, `web[01:20]`"
            }
        };
        sink.push(
            Diagnostic::error("bad_range", format!("the range in {called} is invalid"))
                .at(if is_plain { span.part(at) } else { span }, why.to_string())
                .help(help),
        );
    })
}

/// The written addresses, each with the values of its ranges.
fn addresses(
    sink: &Sink<'_>,
    node: &Node,
    name: &str,
    contexts: Contexts<'_>,
) -> Option<Vec<(Address, Option<String>)>> {
    let text: Spanned<String> = yaml::text(sink, node, || name.to_owned())?;
    let called = format!("the {}", name.trim_start_matches("the "));
    let texts = match ranges(sink, &text, text.span, &called).ok()? {
        None => vec![(text.value, None)],
        Some(all) => all.into_iter().map(|one| (one.text, Some(one.values))).collect(),
    };
    let read = texts.into_iter().map(|(text, values)| Ok((address(&text, contexts)?, values)));
    match read.collect::<Result<Vec<_>, BadAddress>>() {
        Ok(all) => Some(all),
        Err(bad) => {
            let message = format!("{called} cannot be used");
            sink.push(match bad {
                BadAddress::Itself(error) => Diagnostic::error("bad_address", message)
                    .on(node, error.to_string())
                    .help(format!("write {AN_ADDRESS}, or `unix:///var/run/docker.sock`")),
                BadAddress::Context(error) => {
                    Diagnostic::error("bad_context", message).on(node, error.to_string()).help(error.help())
                }
            });
            None
        }
    }
}

/// Why a text is no address of a host.
enum BadAddress {
    Itself(AddressError),
    Context(ContextError),
}

/// The address of a text: an address itself, or that of a context of docker's client.
fn address(text: &str, contexts: Contexts<'_>) -> Result<Address, BadAddress> {
    match text.strip_prefix(contexts::SCHEME) {
        Some(context) => contexts::address(context, contexts).map_err(BadAddress::Context),
        None => Address::parse(text).map_err(BadAddress::Itself),
    }
}

/// The command that makes sure that a host is off.
fn fence(fields: &Fields<'_>, folder: &Path) -> Option<FenceCommand> {
    let node = fields.node(FENCE)?;
    let argv: Vec<String> = fields.texts(FENCE)?.into_iter().map(|text| text.value).collect();
    if argv.first().is_none_or(String::is_empty) {
        fields.sink().push(
            Diagnostic::error("bad_fence", format!("{} names no program", fields.name(FENCE)))
                .on(node, "this command")
                .help("write a list: the program, then its arguments, such as `fence: [./power, off]`"),
        );
        return None;
    }
    Some(FenceCommand { argv, folder: folder.to_owned() })
}

fn socket(fields: &Fields<'_>, is_local: bool) -> PathBuf {
    let default = PathBuf::from(DEFAULT_SOCKET);
    let Some(node) = fields.node("docker_socket") else { return default };
    let Some(text) = fields.text("docker_socket") else { return default };
    let sink = fields.sink();
    if is_local {
        sink.push(
            Diagnostic::error("two_sockets", format!("{} has two sockets", fields.what()))
                .on(node, "this is for hosts that are reached by ssh")
                .help("remove `docker_socket`: the address names the socket already"),
        );
    }
    // As docker writes it, too.
    let path = text.strip_prefix("unix://").unwrap_or(&text);
    if !path.starts_with('/') {
        sink.push(
            Diagnostic::error(
                "bad_socket",
                format!("{} is not an absolute path", fields.name("docker_socket")),
            )
            .on(node, "a path on that host")
            .help(format!("for example `{DEFAULT_SOCKET}`")),
        );
    }
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn listed(text: &str) -> Vec<String> {
        let (inventory, _) = parse(text, "stackctl.yml").unwrap_or_else(|report| panic!("{report:?}"));
        let host = |entry: &super::HostEntry| format!("{} {}", entry.member.name, entry.address);
        inventory.hosts.values().map(host).collect()
    }

    fn faults(text: &str) -> Vec<String> {
        let report = parse(text, "stackctl.yml").unwrap_err();
        report.faults.iter().map(|f| format!("{}:{} {} {}", f.line, f.column, f.code, f.message)).collect()
    }

    #[test]
    fn a_range_is_many_hosts_with_all_that_the_entry_says() {
        assert_eq!(
            listed("hosts:\n  h[1:2]: root@10.0.0.[11:12]\n"),
            ["h1 ssh://root@10.0.0.11", "h2 ssh://root@10.0.0.12"]
        );
        assert_eq!(
            listed("hosts:\n  web: web[09:10].example.com\n"),
            ["web09 ssh://web09.example.com", "web10 ssh://web10.example.com"]
        );
        assert_eq!(
            listed("hosts:\n  r: ssh://r[1:2]-h[1:2]:2222\n").join(" "),
            "r1-1 ssh://r1-h1:2222 r1-2 ssh://r1-h2:2222 r2-1 ssh://r2-h1:2222 r2-2 ssh://r2-h2:2222"
        );
        let text = "hosts:\n  'h[1:2]': {address: 'h[1:2]', role: manager, labels: {zone: a}, availability: pause}\n";
        let (inventory, notes) = parse(text, "stackctl.yml").unwrap();
        assert!(notes.is_empty() && inventory.hosts.len() == 2);
        for host in inventory.hosts.values() {
            assert_eq!((&*host.member.labels["zone"], host.member.role.to_string()), ("a", "manager".into()));
            assert_eq!(host.member.availability.to_string(), "pause");
        }
    }

    #[test]
    fn ranges_that_make_no_sense_are_told_where_they_are() {
        let text = "\
hosts:
  a: 10.0.0.[9:1]
  b[1:3]: 10.0.1.[1:2]
  c[1:3]: c
  d[1-3]: d
  'e[1:2] x': e[1:2]
  f1: 10.0.2.1
  f[1:2]: 10.0.2.[2:3]
  g: 10.0.2.[3:4]
  h: ssh://h[1:2]:port
  i: {address: '10.1.[0:255].[0:255]'}
";
        assert_eq!(
            faults(text),
            [
                "2:13 stackctl::inventory::bad_range the range in the address of host `a` is invalid",
                "3:11 stackctl::inventory::bad_range 3 hosts have 2 addresses",
                "4:11 stackctl::inventory::bad_range 3 hosts have one address",
                "5:4 stackctl::inventory::bad_range the range in host `d[1-3]` is invalid",
                "6:3 stackctl::inventory::bad_name host `e[1:2] x` has an invalid name",
                "8:3 stackctl::inventory::same_name two hosts are called `f1`",
                "9:6 stackctl::inventory::same_host `f2` and `g3` are the same host",
                "10:6 stackctl::inventory::bad_address the address of host `h` cannot be used",
                "11:16 stackctl::inventory::bad_range the range in the `address` of host `i` is invalid",
            ]
        );
    }

    #[test]
    fn a_fence_is_a_command_for_each_host_of_the_entry_and_never_one_that_was_found() {
        let text = "hosts:\n  'h[1:2]': {address: 'h[1:2]', role: manager, fence: [./power, 'off']}\n";
        let (inventory, _) = parse(text, "/etc/stack/stackctl.yml").unwrap();
        for host in inventory.hosts.values() {
            let fence = host.fence.as_ref().unwrap();
            assert_eq!(
                (fence.argv.join(" "), fence.folder.display().to_string()),
                ("./power off".into(), "/etc/stack".into())
            );
        }
        let of =
            |fence: &str| faults(&format!("hosts: {{h1: {{address: h1, role: manager, fence: {fence}}}}}\n"));
        for bad in ["[]", "['']"] {
            assert!(of(bad)[0].contains("bad_fence"), "{bad}: {:?}", of(bad));
        }
        assert!(of("{a: b}")[0].contains("wrong_type"));
        // A store of hosts would have any program started.
        let found = super::super::parse_found(
            "{\"hosts\": {\"h4\": {\"address\": \"h4\", \"fence\": [\"evil\"]}}}",
            "etcd",
        );
        assert!(found.unwrap_err().faults[0].code.contains("unknown_key"));
    }
}
