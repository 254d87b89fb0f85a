//! Findings of `doctor` in words, and what to do about each.

use std::collections::BTreeSet;

use crate::fleet::Disk;
use crate::ops::doctor::{Area, Cause, Check, Finding, Gap, Level, Naming, Peers, counts_with_one_fewer};
use crate::ops::records::LedgerError;
use crate::orchestrator::{Problem, leads_to};

use super::text::{count, some_of};

/// The word for a level.
#[must_use]
pub const fn level(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Fault => "fault",
    }
}

/// The word for an area.
#[must_use]
pub const fn area(area: Area) -> &'static str {
    match area {
        Area::Hosts => "hosts",
        Area::Clocks => "clocks",
        Area::Disks => "disks",
        Area::Managers => "managers",
        Area::Records => "records",
        Area::Leftovers => "leftovers",
        Area::Rights => "rights",
    }
}

fn seconds(ms: i64) -> String {
    let ms = ms.unsigned_abs();
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn size(bytes: u64) -> String {
    if bytes < 1 << 30 {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    } else {
        format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
    }
}

fn no_release(tasks: usize) -> String {
    format!("{} of it run, and the managers do not agree on any release of it", count(tasks, "task"))
}

fn what_of_naming(naming: &Naming) -> String {
    match naming {
        Naming::OtherMachine { remembered_as: Some(other), .. } => leads_to(other),
        Naming::OtherMachine { remembered_as: None, .. } => {
            "its address leads to another machine than the one that has tasks or data".to_owned()
        }
        Naming::TwoNames { node, .. } => format!("it is the same machine as {node}"),
        Naming::Renamed { old } => format!("it is the machine that was {old}"),
    }
}

fn remedy_of_naming(naming: &Naming) -> Option<String> {
    match naming {
        Naming::OtherMachine { node, remembered_as } => {
            help(&Problem::OtherMachine { node: node.clone(), remembered_as: remembered_as.clone() })
        }
        Naming::TwoNames { node, other } => {
            help(&Problem::TwoNames { node: node.clone(), other: other.clone() })
        }
        Naming::Renamed { .. } => Some(
            "the next deploy writes the new name down; what `stackctl node update` set under the old one does not hold for \
             the new one: set it again"
                .to_owned(),
        ),
    }
}

fn what_of_disk(disk: &Disk) -> String {
    format!("{} of {} are free below {}", size(disk.free), size(disk.bytes), disk.folder)
}

fn no_agent(users: &[String], silent: Option<&str>) -> String {
    let why = silent.map_or_else(|| "there is none".to_owned(), |why| format!("it does not answer: {why}"));
    format!("no agent keeps the secrets of {}: {why}", users.join(", "))
}

fn what_of_peers(peers: &Peers) -> String {
    match peers {
        Peers::Unknown => {
            "its agent does not know the others: after the host was off, its tasks wait for their secrets"
                .to_owned()
        }
        Peers::Ends { until } => format!("the certificate of its agent ends at {until}"),
        Peers::OtherAuthority => "its agent has a certificate that the others do not take".to_owned(),
        Peers::Out => "its agent heard from the others that this host is no member".to_owned(),
        Peers::Outdated => {
            "its agent knows other hosts, or other addresses or ports of them, than the inventory has"
                .to_owned()
        }
        Peers::Deaf { why } => format!("its agent is reached by no other: {why}"),
        Peers::NotReached { host, port, why } => {
            format!("its agent does not reach that of {host} at TCP port {port}: {why}")
        }
        Peers::NotKept { host, why } => {
            format!("the agent of {host} does not keep the secrets of this host's tasks: {why}")
        }
        Peers::Lacking(tasks) => {
            let tasks = count(*tasks, "task");
            format!(
                "the secrets of {tasks} are not on the host since it was restarted, and no agent that is reached has them"
            )
        }
    }
}

fn remedy_of_peers(peers: &Peers) -> String {
    match peers {
        Peers::Unknown | Peers::Ends { .. } | Peers::OtherAuthority => {
            "`stackctl agent install` gives all agents new ones; it needs a private key that opens secrets".to_owned()
        }
        Peers::Out | Peers::Outdated => {
            "`stackctl agent install` tells the agents who the members are; it needs a private key that opens secrets"
                .to_owned()
        }
        Peers::Deaf { .. } => {
            "let its address be one of the host itself (`data_address:`), and its port free (`agent_port:`), in the inventory"
                .to_owned()
        }
        Peers::NotReached { port, .. } => {
            format!("have firewalls between the hosts let TCP port {port} pass; `stackctl agent ls` shows who reaches whom")
        }
        Peers::NotKept { host, .. } => format!(
            "after this host was off its tasks may wait; free memory on {host}, or have fewer secrets, or smaller ones"
        ),
        Peers::Lacking(_) => {
            "bring the other hosts back, or deploy the stack, which gives it the values".to_owned()
        }
    }
}

fn what_of_gap(gap: &Gap) -> String {
    match gap {
        Gap::Undecided { stream, seq } => format!("{stream} number {seq} is incomplete"),
        Gap::Behind { manager, stream, records } => {
            format!("manager {manager} lacks {} of {stream}", count(*records, "record"))
        }
        Gap::Differs { manager, stream, records } => {
            format!(
                "manager {manager} has {} of {stream} otherwise than the others",
                count(*records, "record")
            )
        }
        Gap::Alone { stream, first, last, managers, .. } => {
            let holders = managers.join(", ");
            match first == last {
                true => format!("{stream} number {first} is on {holders} alone, and does not count"),
                false => {
                    format!("{stream} numbers {first} to {last} are on {holders} alone, and do not count")
                }
            }
        }
        Gap::OtherManagers { stream, then } => {
            format!("{stream} was written last under other managers: {}", then.join(", "))
        }
    }
}

const MISSING: &str = "`stackctl ledger sync` copies what is missing";

fn remedy_of_gap(gap: &Gap) -> String {
    let text = match gap {
        Gap::Undecided { .. } => "`stackctl ledger sync` settles it, unless its writer is still at work",
        Gap::Behind { .. } => MISSING,
        Gap::Differs { manager, .. } => {
            return format!(
                "they are damaged there, or came back older: remove the volumes of these records on {manager}, and \
                 `stackctl ledger sync` copies them from the others (`stackctl help ledger`)"
            );
        }
        Gap::Alone { were_decided: false, .. } => {
            "its writer was cut off, and the next one takes the place; if the other managers came back older, see `stackctl \
             help ledger` first"
        }
        Gap::Alone { were_decided: true, managers, fewest, of, .. }
            if !counts_with_one_fewer(*fewest, *of) =>
        {
            return format!(
                "the other managers lost these records, or came back older. Neither deploy nor `stackctl ledger sync`, which \
                 would go on without these records: keep copies of the volumes `stackctl-ledger-…` of {}, and restore a backup \
                 (`stackctl help ledger`)",
                managers.join(", ")
            );
        }
        Gap::Alone { were_decided: true, .. } => {
            "the other managers lost these records, or came back older. Before anything is written: take `role: manager` from \
             one of those others, `stackctl ledger sync`, give it back, `stackctl ledger sync`. Else the next deploy goes on \
             without these records (`stackctl help ledger`)"
        }
        Gap::OtherManagers { .. } => {
            "`stackctl ledger sync`, before the managers are changed once more: it brings all records to all of them"
        }
    };
    text.to_owned()
}

/// Of several findings of one cause so many are named.
const NAMED_MAX: usize = 3;

/// Findings of one cause as one: of what they are, and what was found.
#[must_use]
pub fn of_cause(cause: &Cause<'_>) -> (String, String) {
    let (of, first) = (&cause.first.of, &cause.first.finding);
    if cause.others.is_empty() {
        return (of.clone(), what(first));
    }
    let of = if cause.all().all(|check| check.of == *of) { of.clone() } else { String::new() };
    let (mut names, mut records): (Vec<String>, usize) = (Vec::new(), 0);
    for check in cause.all() {
        let (name, more) = named(check);
        records += more;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (streams, some) = (count(names.len(), "stream"), some_of(&names, NAMED_MAX));
    let text = match first {
        Finding::Gap(Gap::Undecided { .. }) => format!("{} are incomplete: {some}", count(records, "record")),
        Finding::Gap(Gap::Behind { manager, .. }) => {
            format!("manager {manager} lacks {} of {streams}: {some}", count(records, "record"))
        }
        Finding::Gap(Gap::Differs { manager, .. }) => {
            let records = count(records, "record");
            format!("manager {manager} has {records} of {streams} otherwise than the others: {some}")
        }
        Finding::Gap(Gap::Alone { managers, .. }) => {
            format!("records of {streams} are on {} alone, and do not count: {some}", managers.join(", "))
        }
        Finding::Gap(Gap::OtherManagers { then, .. }) => {
            format!(
                "{streams} of records were written last under other managers, {}: {some}",
                then.join(", ")
            )
        }
        Finding::Unreadable(LedgerError::ManagersChanged { then, now, .. }) => format!(
            "{streams} of records were written by {}, and the inventory's managers are {}: {some}",
            then.join(", "),
            now.join(", ")
        ),
        Finding::Copies { holders, answering, lacking, .. } => format!(
            "{} of configs are on {holders} of the {} that answer; they, or parts of them, are missing on {}: {some}",
            count(cause.all().count(), "content"),
            count(*answering, "manager"),
            lacking.join(", ")
        ),
        other => what(other),
    };
    (of, text)
}

/// By what one of several findings of a cause is named, and how many records it is about.
fn named(check: &Check) -> (String, usize) {
    match &check.finding {
        Finding::Gap(Gap::Undecided { stream, seq }) => (format!("{stream} number {seq}"), 1),
        Finding::Gap(Gap::Alone { stream, first, last, .. }) if first == last => {
            (format!("{stream} number {first}"), 1)
        }
        Finding::Gap(Gap::Alone { stream, first, last, .. }) => {
            (format!("{stream} numbers {first} to {last}"), 1)
        }
        Finding::Gap(Gap::Behind { stream, records, .. } | Gap::Differs { stream, records, .. }) => {
            (stream.clone(), *records)
        }
        Finding::Gap(Gap::OtherManagers { stream, .. })
        | Finding::Unreadable(LedgerError::ManagersChanged { stream, .. }) => (stream.clone(), 1),
        Finding::Copies { name, .. } => (format!("`{name}` of {}", check.of), 1),
        _ => (check.of.clone(), 1),
    }
}

/// What was found.
#[must_use]
pub fn what(finding: &Finding) -> String {
    match finding {
        Finding::Host { took_ms, version } => format!("answers within {took_ms} ms, engine {version}"),
        Finding::Silent(why) | Finding::RecordsUnknown(why) => why.reason.clone(),
        Finding::Naming(naming) => what_of_naming(naming),
        Finding::Swarm => "the engine is part of a swarm".to_owned(),
        Finding::Engines { oldest: (old, on_old), newest: (new, on_new) } => {
            format!("engine versions are far apart: {old} on {on_old}, {new} on {on_new}")
        }
        Finding::HostsUnknown(why) => format!("which hosts there are is not known: {}", why.reason),
        Finding::Clock { ahead_ms } => match ahead_ms {
            -99..=99 => "as the clock of this machine".to_owned(),
            ms if *ms > 0 => format!("{} ahead of this machine", seconds(*ms)),
            ms => format!("{} behind this machine", seconds(*ms)),
        },
        Finding::NoClock => "the engine does not say what time it is".to_owned(),
        Finding::Disk(disk) => what_of_disk(disk),
        Finding::Managers { place, answering, all, silent } => {
            let silent: Vec<String> = silent.iter().map(|(name, why)| format!("; {name}: {why}")).collect();
            format!(
                "{answering} of {} answer for the records in {place}{}",
                count(*all, "manager"),
                silent.concat()
            )
        }
        Finding::EvenManagers(all) => format!("{all} managers bear no more losses than {}", all - 1),
        Finding::OneManager => "one manager has the only copy of the records".to_owned(),
        Finding::Unreadable(error) | Finding::Content(error) => error.to_string(),
        Finding::NoRelease { tasks } => no_release(*tasks),
        Finding::TooSlow => "its records were not read within a minute".to_owned(),
        Finding::Gap(gap) => what_of_gap(gap),
        Finding::Records { releases, contents: 0 } => count(*releases, "release"),
        Finding::Records { releases, contents } => {
            format!("{}, with {} of contents of configs", count(*releases, "release"), size(*contents))
        }
        Finding::Copies { kind, name, holders, answering, lacking } => {
            format!(
                "a content of {kind} `{name}` is on {holders} of the {} that answer; it, or a part of it, is missing on {}",
                count(*answering, "manager"),
                lacking.join(", ")
            )
        }
        Finding::SecretLost { secret, version, why } => {
            format!("version {version} of secret `{secret}` is lost: {why}")
        }
        Finding::NoSpare(managers) => no_spare(managers),
        Finding::NoAgent { users, silent } => no_agent(users, silent.as_deref()),
        Finding::Peers(peers) => what_of_peers(peers),
        Finding::Unnamed(contents) => format!("no release names {}", count(*contents, "content")),
        Finding::NoKey => "the cluster has no key for marks: an older version made its releases".to_owned(),
        Finding::NotUnderstood { container, why } => {
            format!("container {container} is not understood: {why}")
        }
        Finding::ValuesInLabels(containers) => {
            format!("labels hold values of variables: {}", containers.join(", "))
        }
        Finding::Twins(tasks) => format!("a slot has more than one task: {}", tasks.join(", ")),
        Finding::Foreign { cluster, names } => format!("of cluster `{cluster}`: {}", names.join(", ")),
        Finding::Neighbours { cluster, containers } => {
            let (many, names) = (count(containers.len(), "container"), containers.join(", "));
            format!("{many} of cluster `{cluster}`: {names}")
        }
        Finding::NotTrusted { wants } => {
            format!("it lies in this folder and is not trusted, so no host was asked: {}", wants.join("; "))
        }
        Finding::Open { mode } => format!("others may read or write it (mode {mode:03o})"),
        Finding::Nothing => "nothing was found".to_owned(),
    }
}

/// What to do about it.
#[must_use]
pub fn remedy(finding: &Finding) -> Option<String> {
    let text = match finding {
        Finding::Host { .. } | Finding::Records { .. } | Finding::Neighbours { .. } | Finding::Nothing => {
            return None;
        }
        Finding::Silent(why) | Finding::HostsUnknown(why) | Finding::RecordsUnknown(why) => {
            return why.help.clone();
        }
        Finding::Unreadable(error) | Finding::Content(error) => return help(error),
        Finding::Naming(naming) => return remedy_of_naming(naming),
        Finding::Swarm => {
            "its scheduler works beside stackctl: `docker swarm leave` once its services are gone"
        }
        Finding::Engines { .. } => {
            "bring the older ones up to date, one host after the other: drain it first (`stackctl node update \
             --availability drain`)"
        }
        Finding::NotTrusted { .. } => {
            "read what it names; `stackctl trust` trusts it as it is now, and `-i FILE` uses it for once"
        }
        Finding::Clock { .. } | Finding::NoClock => CLOCKS,
        Finding::Disk(_) => {
            "make room: `docker image prune` on that host, and limits for logs; then look again"
        }
        Finding::Managers { .. } => {
            "bring them back, or take one that is gone for good out of the inventory, one at a time"
        }
        Finding::EvenManagers(_) => {
            "use an odd number: give one more host `role: manager`, or take it from one"
        }
        Finding::OneManager => {
            "give three hosts `role: manager`, one at a time with `stackctl ledger sync` between; until then keep backups \
             (`stackctl ledger backup`)"
        }
        Finding::NoRelease { .. } => {
            "managers have lost their records, or came back older: bring those back that have them, or the records from a \
             backup (`stackctl ledger restore`); a deploy of the stack begins its history again"
        }
        Finding::TooSlow => {
            "see whether the managers are slow; a stack with large configs keeps up to 64 MiB of them"
        }
        Finding::Gap(gap) => return Some(remedy_of_gap(gap)),
        Finding::Copies { .. } => MISSING,
        Finding::SecretLost { .. } => {
            "bring back managers that are silent, or restore a backup (`stackctl ledger restore`); else deploy the value again"
        }
        Finding::NoSpare(_) => WRITE_SPARE,
        Finding::NoAgent { .. } => {
            "bring one (`stackctl agent install`), then deploy the stack, which gives it the values"
        }
        Finding::Peers(peers) => return Some(remedy_of_peers(peers)),
        Finding::Unnamed(_) => "the next deploy of the stack removes what a deploy has left that was cut off",
        Finding::NoKey => "the next deploy makes one",
        Finding::NotUnderstood { .. } => {
            "if a newer stackctl made it, use that version; if someone renamed it, give it its name back; else remove it"
        }
        Finding::ValuesInLabels(_) => {
            "an older version made them: replace them (`stackctl restart`), since labels are shown to many"
        }
        Finding::Twins(_) => "if no deploy is running, `stackctl deploy` removes the one that is too many",
        Finding::Foreign { .. } => "two clusters share this host: give their stacks different names",
        Finding::Open { .. } => {
            "take these rights away: `chmod go-w` of settings, `chmod go-rwx` of what is secret"
        }
    };
    Some(text.to_owned())
}

const CLOCKS: &str =
    "synchronise the clocks, with chrony or systemd-timesyncd: locks are judged by their age";
const WRITE_SPARE: &str = "`stackctl ledger sync` writes it; where an engine does not take it, keep backups (`stackctl ledger backup`)";

fn no_spare(managers: &BTreeSet<String>) -> String {
    let names: Vec<&str> = managers.iter().map(String::as_str).collect();
    let keep = if names.len() == 1 { "keeps" } else { "keep" };
    format!("{} {keep} no copy of them apart from the volumes of the ledger, or an old one", names.join(", "))
}

fn help(error: &impl miette::Diagnostic) -> Option<String> {
    error.help().map(|help| help.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::HostError;
    use crate::model::Timestamp;

    fn texts(findings: Vec<(&str, Finding)>) -> Vec<String> {
        let check =
            |(of, finding): (&str, Finding)| Check { area: Area::Records, of: of.to_owned(), finding };
        let checks: Vec<Check> = findings.into_iter().map(check).collect();
        let text = |(of, what): (String, String)| format!("{of}|{what}");
        crate::ops::doctor::by_cause(&checks).iter().map(|cause| text(of_cause(cause))).collect()
    }

    #[test]
    fn findings_of_one_cause_are_one_with_their_streams_counted_and_a_few_named() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let changed = |stream: &str, now: &str| {
            let stream = stream.to_owned();
            Finding::Unreadable(LedgerError::ManagersChanged {
                stream,
                then: names(&["h1"]),
                now: names(&[now]),
            })
        };
        let alone = |stream: &str, last| {
            Finding::Gap(Gap::Alone {
                stream: stream.to_owned(),
                first: 3,
                last,
                managers: names(&["h2"]),
                fewest: 1,
                of: 2,
                were_decided: last > 3,
            })
        };
        let differs = |manager: &str, stream: &str| {
            let (manager, stream) = (manager.to_owned(), stream.to_owned());
            Finding::Gap(Gap::Differs { manager, stream, records: 2 })
        };
        let undecided = |seq| Finding::Gap(Gap::Undecided { stream: "heals/a".to_owned(), seq });
        let other = |stream: &str| {
            Finding::Gap(Gap::OtherManagers { stream: stream.to_owned(), then: names(&["h1", "h2"]) })
        };
        let found = texts(vec![
            ("", changed("nodes/cluster", "h9")),
            ("a", changed("releases/a", "h9")),
            ("b", changed("releases/b", "h8")),
            ("a", alone("releases/a", 5)),
            ("a", alone("outcomes/a", 4)),
            ("a", alone("settings/a", 3)),
            ("a", differs("h1", "releases/a")),
            ("b", differs("h1", "releases/b")),
            ("a", differs("h2", "releases/a")),
            ("a", undecided(7)),
            ("a", undecided(9)),
            ("a", other("volumes/a")),
            ("b", other("volumes/b")),
            ("b", Finding::TooSlow),
            ("c", Finding::TooSlow),
        ]);
        let changed = "2 streams of records were written by h1, and the inventory's managers are h9: nodes/cluster, releases/a";
        assert_eq!(
            found,
            [
                &format!("|{changed}")[..],
                "b|ledger: releases/b was written by h1, and the inventory's managers are h8",
                "a|records of 2 streams are on h2 alone, and do not count: releases/a numbers 3 to 5, outcomes/a numbers 3 to 4",
                "a|settings/a number 3 is on h2 alone, and does not count",
                "|manager h1 has 4 records of 2 streams otherwise than the others: releases/a, releases/b",
                "a|manager h2 has 2 records of releases/a otherwise than the others",
                "a|2 records are incomplete: heals/a number 7, heals/a number 9",
                "|2 streams of records were written last under other managers, h1, h2: volumes/a, volumes/b",
                "b|its records were not read within a minute",
                "c|its records were not read within a minute",
            ]
        );
    }

    #[test]
    fn a_host_that_may_not_be_used_has_a_remedy_and_not_only_an_error() {
        let host = || "h1".to_owned();
        let (user, socket) = ("ann".to_owned(), "/run/docker.sock".to_owned());
        let forget = "ssh-keygen -f \"/home/ann/.ssh/known_hosts\" -R \"h1\"".to_owned();
        for (error, found, words) in [
            (
                HostError::PermissionDenied { host: host(), user, socket },
                "user `ann` may not use /run/docker.sock",
                ["usermod -aG docker ann", "next login"],
            ),
            (
                HostError::HostKeyChanged { host: host(), forget },
                "the host key of `h1` has changed",
                ["known_hosts\" -R \"h1\"", "accept the new one"],
            ),
            (
                HostError::ApiTooOld {
                    host: host(),
                    engine: "19.03.1".into(),
                    api: "1.40".into(),
                    needed: "1.41".into(),
                },
                "docker 19.03.1 on `h1` speaks API 1.40 at most",
                ["upgrade the engine", "20.10"],
            ),
        ] {
            let finding = Finding::Silent(error.to_unreachable(Timestamp(1)));
            assert_eq!(finding.level(), Level::Fault);
            assert!(what(&finding).contains(found), "{}", what(&finding));
            let remedy = remedy(&finding).unwrap();
            assert!(words.iter().all(|words| remedy.contains(words)), "{remedy}");
        }
    }
}
