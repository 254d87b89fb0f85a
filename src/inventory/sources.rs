//! `discover:` of an inventory: the sources of more hosts. Reads settings only, and contacts no source.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ledger::place::{ConsulPlace, EtcdPlace, PasswordFrom, ZookeeperPlace};
use crate::model::GoDuration;
use crate::yaml::{Diagnostic, Fields, Sink, decode};

/// The default time limit of a source.
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
/// The kinds of sources.
pub(super) const KINDS: [&str; 4] = ["command", "etcd", "zookeeper", "consul"];
/// Keys that only go with `consul`.
pub(super) const OF_SERVICES: [&str; 2] = ["service", "user"];

/// A source of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its unique name: `command ./hosts.py`, `etcd://h1:2379/hosts`.
    pub name: String,
    /// The kind of a source.
    pub kind: SourceKind,
    /// Its time limit.
    pub timeout: Duration,
}

/// The kind of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A program that prints them.
    Command {
        /// It, and its arguments.
        argv: Vec<String>,
        /// Where it runs: the inventory's folder.
        folder: PathBuf,
    },
    /// Keys of etcd, one for each host.
    Etcd(EtcdPlace),
    /// Nodes of ZooKeeper, one for each host.
    Zookeeper(ZookeeperPlace),
    /// Keys of Consul, one for each host.
    Consul(ConsulPlace),
    /// The nodes of a service in Consul's catalog.
    Service {
        /// Where the catalog is.
        place: ConsulPlace,
        service: String,
        /// The user for ssh.
        user: Option<String>,
    },
}

impl SourceKind {
    /// Where the password or token is that it wants.
    #[must_use]
    pub fn secret(&self) -> Option<&PasswordFrom> {
        match self {
            Self::Command { .. } => None,
            Self::Etcd(place) => place.password.as_ref(),
            Self::Zookeeper(place) => place.password.as_ref(),
            Self::Consul(place) | Self::Service { place, .. } => place.token.as_ref(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The sources of a file that lies in `folder`.
pub(super) fn sources(sink: &Sink<'_>, top: &Fields<'_>, folder: &Path) -> Vec<Source> {
    let mut sources: Vec<Source> = decode::each(top.list("discover"), |node| {
        let fields = Fields::of(sink, node, node.span, "source of `discover`")?;
        let source = source(&fields, folder);
        fields.deny_unknown(&[&KINDS[..], &OF_SERVICES, &["timeout"]].concat());
        source
    });
    // Arguments are not part of a name: they may contain secrets.
    let mut names = BTreeSet::new();
    for source in &mut sources {
        let plain = source.name.clone();
        let mut number = 1;
        while !names.insert(source.name.clone()) {
            number += 1;
            source.name = format!("{plain} #{number}");
        }
    }
    sources
}

fn source(fields: &Fields<'_>, folder: &Path) -> Option<Source> {
    let sink = fields.sink();
    if KINDS.iter().filter(|kind| fields.has(kind)).count() != 1 {
        sink.push(
            Diagnostic::error(
                "bad_source",
                "a source of `discover` has one of `command`, `etcd`, `zookeeper` and `consul`",
            )
            .at(fields.span(), "this source")
            .help("write `- command: [./hosts.py, --list]`, or `- etcd: etcd://h1,h2,h3/hosts`"),
        );
        KINDS.iter().chain(&OF_SERVICES).for_each(|kind| fields.skip(kind));
        fields.skip("timeout");
        return None;
    }
    let timeout = fields.parsed("timeout", "bad_timeout", "a time from 1s to 5m", |text| {
        let time = text.parse::<GoDuration>().map_err(|error| error.to_string())?.to_std();
        let fits = time >= Duration::from_secs(1) && time <= TIMEOUT_MAX;
        if fits { Ok(time) } else { Err("between 1s and 5m".to_owned()) }
    });
    let (name, kind) = if fields.has("etcd") {
        let place = fields.parsed_in_private(
            "etcd",
            "bad_source",
            "an address such as `etcd://h1,h2,h3/hosts`",
            EtcdPlace::of_hosts,
        )?;
        (place.value.to_string(), SourceKind::Etcd(place.value))
    } else if fields.has("zookeeper") {
        let example = "an address such as `zookeeper://h1,h2,h3/hosts`";
        let place = fields.parsed_in_private("zookeeper", "bad_source", example, ZookeeperPlace::of_hosts)?;
        (place.value.to_string(), SourceKind::Zookeeper(place.value))
    } else if fields.has("consul") {
        consul(fields)?
    } else {
        let argv: Vec<String> = fields.texts("command")?.into_iter().map(|text| text.value).collect();
        let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
            sink.push(
                Diagnostic::error("bad_source", "the command of `discover` names no program")
                    .at(fields.span(), "this source")
                    .help("write a list: the program, then its arguments"),
            );
            return None;
        };
        (format!("command {}", sink.clean(program)), SourceKind::Command { folder: folder.to_owned(), argv })
    };
    if !matches!(kind, SourceKind::Service { .. })
        && let Some(key) = OF_SERVICES.into_iter().find(|key| fields.has(key))
    {
        OF_SERVICES.iter().for_each(|key| fields.skip(key));
        sink.push(
            Diagnostic::error("bad_source", format!("`{key}` is only for a service of Consul's catalog"))
                .at(fields.span(), "this source")
                .help("write `- {consul: \"consul://h1,h2,h3\", service: docker, user: root}`"),
        );
        return None;
    }
    Some(Source { name, kind, timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value) })
}

/// Keys below a prefix, or a service of the catalog.
fn consul(fields: &Fields<'_>) -> Option<(String, SourceKind)> {
    if !fields.has("service") {
        let example = "an address such as `consul://h1,h2,h3/hosts`";
        let place = fields.parsed_in_private("consul", "bad_source", example, ConsulPlace::of_hosts)?;
        return Some((place.value.to_string(), SourceKind::Consul(place.value)));
    }
    let example = "an address such as `consul://h1,h2,h3`";
    let place = fields.parsed_in_private("consul", "bad_source", example, ConsulPlace::of_services);
    let plain = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain);
        if is_name { Ok(text.to_owned()) } else { Err("letters, digits, `-`, `_` and `.`") }
    };
    let service = fields.parsed("service", "bad_source", "the name of a service", plain);
    let user = fields.has("user").then(|| fields.parsed("user", "bad_source", "the name of a user", plain));
    let user = match user {
        Some(user) => Some(user?.value),
        None => None,
    };
    let (place, service) = (place?.value, service?.value);
    let name = format!("{place} service {service}");
    Some((name, SourceKind::Service { place, service, user }))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const HOSTS: &str = "hosts: {h1: {address: h1, role: manager}}\n";

    #[test]
    fn sources_are_read() {
        let text = format!(
            "{HOSTS}discover:\n- command: [./hosts.py, --list]\n- {{etcd: 'etcd://e1,e2/hosts', timeout: 2s}}\n\
             - command: [./hosts.py, --other]\n- consul: consul://c1/hosts\n\
             - {{consul: 'consul://c1,c2', service: docker, user: root}}\n"
        );
        let (inventory, notes) = parse(&text, "/etc/stack/stackctl.yml").unwrap();
        assert!(notes.is_empty());
        let names: Vec<&str> = inventory.discover.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "command ./hosts.py",
                "etcd://e1:2379,e2:2379/hosts",
                "command ./hosts.py #2",
                "consul://c1:8500/hosts",
                "consul://c1:8500,c2:8500 service docker",
            ]
        );
        let SourceKind::Service { service, user, .. } = &inventory.discover[4].kind else { panic!() };
        assert_eq!((service.as_str(), user.as_deref()), ("docker", Some("root")));
        let SourceKind::Command { argv, folder } = &inventory.discover[0].kind else { panic!() };
        assert_eq!(
            (argv.join(" ").as_str(), folder.as_path()),
            ("./hosts.py --list", Path::new("/etc/stack"))
        );
        let times: Vec<u64> = inventory.discover.iter().map(|source| source.timeout.as_secs()).collect();
        assert_eq!(times, [10, 2, 10, 10, 10]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let text = format!(
            "{HOSTS}discover:\n- {{command: [a], etcd: etcd://h1/a}}\n- {{timeout: 1s}}\n- {{command: []}}\n\
             - {{etcd: etcd://h1}}\n- {{command: [a], timeout: 0s}}\n- {{command: [a], retry: 3}}\n- {{command: a}}\n\
             - {{consul: consul://c1}}\n- {{consul: consul://c1/a, service: b}}\n- {{etcd: etcd://h1/a, service: b}}\n\
             - {{consul: consul://c1, service: 'a b'}}\n- {{consul: consul://c1, service: a, user: ''}}\n"
        );
        let report = parse(&text, "stackctl.yml").unwrap_err();
        let faults: Vec<String> = report
            .faults
            .iter()
            .map(|f| format!("{} {}", f.line, f.code.rsplit("::").next().unwrap()))
            .collect();
        assert_eq!(
            faults,
            [
                "3 bad_source",
                "4 bad_source",
                "5 bad_source",
                "6 bad_source",
                "7 bad_timeout",
                "8 unknown_key",
                "9 wrong_type",
                "10 bad_source",
                "11 bad_source",
                "12 bad_source",
                "13 bad_source",
                "14 bad_source"
            ]
        );
    }
}
