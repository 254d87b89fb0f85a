//! `profiles`: selects the services of a stack.
//!
//! A service without profiles always is; one with profiles if one of them is active, and all are with `*`.
//! Resources are never left out. Compose's rules, its specification's "Profiles".

use std::collections::{BTreeMap, BTreeSet};

use super::environment::{EnvId, Environments};
use super::stackfile::Stackfile;
use super::{Options, Reading, merge};
use crate::yaml::{Diagnostic, Entry, Map, Node, Sink, Span, Spanned, Value, closest};

/// The variable that makes profiles active where the command line names none.
const VARIABLE: &str = "COMPOSE_PROFILES";

/// The profiles that are active: those named, or else those of the variable, separated by commas.
pub fn active(options: &Options<'_>, environments: &Environments<'_>) -> Vec<String> {
    if !options.profiles.is_empty() {
        return options.profiles.to_vec();
    }
    if options.reading == Reading::Docker {
        return Vec::new();
    }
    let variable = environments.look_up(EnvId::default(), VARIABLE).unwrap_or_default();
    variable.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The services that are wanted, by what all files together say of them.
pub fn chosen(files: &[Node], active: &[String]) -> BTreeSet<String> {
    let mut all: Option<Node> = None;
    for file in files {
        merge::add(&mut all, only_profiles(file));
    }
    let services = all.as_ref().and_then(|all| all.as_map()?.get("services")?.as_map());
    let is_wanted = |entry: &&Entry| {
        let profiles = entry.value.as_map().and_then(|own| own.get("profiles")?.as_list());
        let Some(profiles) = profiles.filter(|profiles| !profiles.is_empty()) else { return true };
        active.iter().any(|name| name == "*" || profiles.iter().any(|own| own.as_text() == Some(name)))
    };
    let wanted = services.into_iter().flat_map(|services| &services.entries).filter(is_wanted);
    wanted.map(|entry| entry.key.value.clone()).collect()
}

/// The names of the services of a file, and the profiles of each.
fn only_profiles(file: &Node) -> Node {
    let services = file.as_map().and_then(|top| top.get("services")?.as_map());
    let bones = |entry: &Entry| {
        let profiles = entry.value.as_map().and_then(|own| own.entry("profiles")).cloned();
        let own = Value::Map(Map { entries: profiles.into_iter().collect() });
        let value = Node::made(own, entry.value.span).tagged(entry.value.tag().map(str::to_owned));
        Entry { key: entry.key.clone(), value }
    };
    let entries = services.into_iter().flat_map(|services| &services.entries).map(bones).collect();
    Node::map(vec![("services", Node::made(Value::Map(Map { entries }), file.span))], file.span)
}

/// Removes the other services from the stack and the merged file. Reports services that depend on one of them.
pub fn choose(
    stackfile: &mut Stackfile,
    merged: &mut Node,
    chosen: &BTreeSet<String>,
    active: &Options<'_>,
    sink: &Sink<'_>,
) {
    check_names(stackfile, active.profiles, sink);
    let (wanted, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(&mut stackfile.services).into_iter().partition(|(name, _)| chosen.contains(name));
    stackfile.services = wanted;
    let mut dropped: Vec<(String, String)> = Vec::new();
    for (name, service) in &mut stackfile.services {
        service.depends_on.retain(|needed, dependency| {
            let Some(other) = others.get(needed) else { return true };
            if !dependency.required {
                dropped.push((name.clone(), needed.clone()));
                return false;
            }
            report(name, needed, dependency.span, &other.profiles, sink);
            false
        });
    }
    if stackfile.services.is_empty()
        && let Some((_, first)) = others.first_key_value()
    {
        let place = first.profiles.first().map_or(first.key.span, |profile| profile.span);
        // Has the place of the warning for any stack without services, so that it appears once.
        sink.push(
            Diagnostic::warning("no_services", "every service has profiles, and none of them is active")
                .at(Span::default(), "nothing of this file is deployed")
                .also(place, "not active")
                .help("make one active with `--profile NAME`, or all with `--profile '*'`"),
        );
    }
    let services = merged.as_map_mut().and_then(|top| top.get_mut("services")).and_then(Node::as_map_mut);
    let Some(services) = services else { return };
    services.entries.retain(|entry| !others.contains_key(&entry.key.value));
    for (name, needed) in dropped {
        let service = services.get_mut(&name).and_then(Node::as_map_mut);
        let Some(service) = service else { continue };
        if let Some(dependencies) = service.get_mut("depends_on").and_then(Node::as_map_mut) {
            dependencies.remove(&needed);
            if dependencies.entries.is_empty() {
                service.remove("depends_on");
            }
        }
    }
}

fn report(name: &str, needed: &str, span: Span, profiles: &[Spanned<String>], sink: &Sink<'_>) {
    let needed = sink.clean(needed);
    let mut diagnostic = Diagnostic::error(
        "disabled_dependency",
        format!("service `{}` depends on `{needed}`, which is left out", sink.clean(name)),
    )
    .at(span, "depends on it");
    if let Some(profile) = profiles.first() {
        let shown = sink.shown(profile);
        diagnostic = diagnostic
            .also(profile.span, "in this profile, which is not active")
            .help(format!("add `--profile {shown}`, or say `required: false` of the dependency"));
    }
    sink.push(diagnostic);
}

/// Warns about a profile on the command line that no service has, which is likely a typo.
fn check_names(stackfile: &Stackfile, named: &[String], sink: &Sink<'_>) {
    let known: BTreeSet<&str> = stackfile
        .services
        .values()
        .flat_map(|service| service.profiles.iter().map(|profile| profile.value.as_str()))
        .collect();
    for name in named.iter().filter(|name| *name != "*" && !known.contains(name.as_str())) {
        let near: Vec<&str> = known.iter().copied().collect();
        let help = match closest(name, &near) {
            Some(near) => format!("did you mean `{}`?", sink.clean(near)),
            None => "services name their profiles under `profiles`".to_owned(),
        };
        let shown = sink.clean(name);
        sink.push(
            Diagnostic::warning("unknown_profile", format!("no service has the profile `{shown}`"))
                .help(help),
        );
    }
}
