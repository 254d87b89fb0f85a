//! What a command that ended well said, and whether a cluster is so.

use std::collections::BTreeSet;

use crate::hosts::{Container, Seen};
use crate::stack::{Kind, Service, Wanted};

/// What a command that ended well said.
#[derive(Debug, Clone)]
pub enum Claim {
    /// The stack is this.
    Whole(Wanted),
    /// The stack is gone.
    Nothing,
    /// A service has so many tasks, all alike.
    Count(&'static str, u64),
    /// All tasks of a service have this mark.
    Mark(&'static str, u64),
    /// One of these.
    OneOf(Vec<Wanted>),
    /// All tasks of each service are of one version.
    Alike,
}

impl Claim {
    /// What contradicts it; empty if the cluster is so. A host that is silent or lately lost its tasks may have
    /// those that are missing.
    pub fn faults(&self, seen: &Seen, hosts: &[String], may_miss: bool) -> Vec<String> {
        match self {
            Self::Whole(wanted) => whole(wanted, seen, hosts, may_miss),
            Self::Nothing => {
                let left = seen.containers.iter().map(|one| format!("left: {}", line(one)));
                left.chain(seen.networks.iter().map(|name| format!("left: network {name}"))).collect()
            }
            Self::Count(service, count) => {
                let live = live(seen, service);
                let mut faults = alike(service, &live);
                if live.len() as u64 > *count || (!may_miss && live.len() as u64 != *count) {
                    faults.push(format!("{service} has {} tasks, not {count}", live.len()));
                }
                faults
            }
            Self::Alike => {
                let services: BTreeSet<&str> =
                    seen.containers.iter().map(|one| one.service.as_str()).collect();
                services.into_iter().flat_map(|service| alike(service, &live(seen, service))).collect()
            }
            Self::Mark(service, mark) => {
                let live = live(seen, service);
                let other = live.iter().filter(|one| one.mark != mark.to_string());
                other.map(|one| format!("not of mark {mark}: {}", line(one))).chain(running(&live)).collect()
            }
            Self::OneOf(all) => {
                let faults = all.iter().map(|wanted| whole(wanted, seen, hosts, may_miss));
                faults.min_by_key(Vec::len).unwrap_or_default()
            }
        }
    }
}

/// A container in one line.
pub fn line(one: &Container) -> String {
    format!(
        "{} {} ({}) {} {} mark {}: {}",
        one.host, one.name, one.id, one.state, one.image, one.mark, one.times
    )
}

fn live<'s>(seen: &'s Seen, service: &str) -> Vec<&'s Container> {
    let is_live = |state: &str| ["running", "restarting", "paused", "created"].contains(&state);
    seen.containers.iter().filter(|one| one.service == service && is_live(&one.state)).collect()
}

fn running(live: &[&Container]) -> Vec<String> {
    let not = live.iter().filter(|one| one.state != "running");
    not.map(|one| format!("does not run: {}", line(one))).collect()
}

fn alike(service: &str, live: &[&Container]) -> Vec<String> {
    let marks: BTreeSet<&str> = live.iter().map(|one| one.mark.as_str()).collect();
    let mut faults = running(live);
    if marks.len() > 1 {
        faults.push(format!("{service} is of several versions: {marks:?}"));
    }
    faults
}

fn whole(wanted: &Wanted, seen: &Seen, hosts: &[String], may_miss: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, service) in wanted {
        let slots = service.slots(hosts);
        if service.kind == Kind::Job {
            faults.extend(job(service, &slots, seen, may_miss));
            continue;
        }
        let live = live(seen, name);
        faults.extend(running(&live));
        faults.extend(places(service, &slots, &live, may_miss));
        for one in live {
            if one.mark != service.mark.to_string() || !one.image.starts_with(&service.image()) {
                faults.push(format!("not {} of mark {}: {}", service.image(), service.mark, line(one)));
            }
        }
    }
    let known = |one: &&Container| !wanted.contains_key(one.service.as_str()) && one.state == "running";
    faults.extend(seen.containers.iter().filter(known).map(|one| format!("no service: {}", line(one))));
    faults
}

/// Whether each place has one task. Of a service with a number of tasks, those that serve stay when it gets smaller,
/// whatever their slots are.
fn places(service: &Service, slots: &[String], live: &[&Container], may_miss: bool) -> Vec<String> {
    let name = service.name();
    let mut faults = Vec::new();
    let found: BTreeSet<&str> = live.iter().map(|one| one.slot.as_str()).collect();
    for slot in &found {
        let count = live.iter().filter(|one| one.slot == *slot).count();
        if count > 1 {
            faults.push(format!("{name}.{slot} has {count} tasks"));
        }
    }
    if service.kind == Kind::Every {
        let missing = slots.iter().filter(|slot| !may_miss && !found.contains(slot.as_str()));
        faults.extend(missing.map(|slot| format!("{name}.{slot} has 0 tasks")));
        let further = live.iter().filter(|one| !slots.contains(&one.slot));
        faults.extend(further.map(|one| format!("no slot of {name}: {}", line(one))));
    } else if found.len() > slots.len() || (!may_miss && found.len() < slots.len()) {
        faults.push(format!("{name} has tasks in slots {found:?}, not in {}", slots.len()));
    }
    faults
}

fn job(service: &Service, slots: &[String], seen: &Seen, may_miss: bool) -> Vec<String> {
    let is_done = |slot: &String| {
        seen.containers.iter().any(|one| {
            one.service == service.name()
                && one.slot == *slot
                && one.state == "exited"
                && one.exit == 0
                && one.mark == service.mark.to_string()
        })
    };
    let open = slots.iter().filter(|slot| !may_miss && !is_done(slot));
    open.map(|slot| format!("{}.{slot} of mark {} is not done", service.name(), service.mark)).collect()
}
