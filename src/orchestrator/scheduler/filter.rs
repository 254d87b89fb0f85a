//! Can a task run on this node, and if not, why? SwarmKit's filters (`manager/scheduler/filter.go`), in
//! its order, and two of our own for what must already exist on a node.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::super::site::{Demand, Site, name_on_node};
use crate::model::constraint::{Constraint, ConstraintError};
use crate::model::node::{Availability, NodeFacts};
use crate::model::spec::{Platform, ServiceSpec, StackSpec};

/// What a service asks of a node, compiled once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) demand: Demand,
    pub(crate) fixed: Fixed,
    max_replicas: u32,
    /// Named volumes of the service: a node that has them is preferred among equals.
    pub(crate) named_volumes: Vec<String>,
    /// What a node that has the image calls it.
    pub(crate) image: Option<String>,
    /// Affinities of the service, hard and soft.
    pub(crate) affinities: Vec<Constraint>,
    /// Soft constraints on the node itself.
    preferences: Vec<Constraint>,
}

/// The part whose answer does not change while tasks are being placed. Services that ask the same are
/// answered once: hundreds of services on thousands of nodes rarely ask more than a few questions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fixed {
    constraints: Vec<Constraint>,
    platforms: Vec<Platform>,
    log_driver: Option<String>,
    volume_drivers: Vec<String>,
    network_drivers: Vec<String>,
    external_volumes: Vec<String>,
    external_networks: Vec<String>,
}

/// Which filter said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    /// The node is silent, paused or drained.
    Ready,
    /// What is left of CPU, memory or a generic resource is too little.
    Resources,
    /// A volume, network or log driver is missing.
    Plugins,
    /// A constraint does not hold.
    Constraints,
    /// The image is not made for its platform.
    Platform,
    /// A published port is taken.
    HostPorts,
    /// It has as many tasks of the service as are allowed.
    MaxReplicas,
    /// Company is missing, or is there and must not be.
    Affinity,
    /// An external volume does not exist there.
    Volumes,
    /// An external network does not exist there.
    Networks,
}

impl fmt::Display for FilterKind {
    /// SwarmKit's phrases, without the count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "not available for new tasks",
            Self::Resources => "insufficient resources",
            Self::Plugins => "missing plugin",
            Self::Constraints => "placement constraints not satisfied",
            Self::Platform => "unsupported platform",
            Self::HostPorts => "host port already in use",
            Self::MaxReplicas => "max replicas per node reached",
            Self::Affinity => "affinities not satisfied",
            Self::Volumes => "external volume missing",
            Self::Networks => "external network missing",
        })
    }
}

/// The constraints of a service, read as its file wants them read.
pub(crate) fn constraints(service: &ServiceSpec) -> Result<Vec<Constraint>, ConstraintError> {
    let read = if service.placement.is_literal { Constraint::parse_strictly } else { Constraint::parse };
    service.placement.constraints.iter().map(|text| read(text)).collect()
}

impl Request {
    pub(crate) fn of(service: &ServiceSpec, stack: &StackSpec) -> Result<Self, ConstraintError> {
        let task = &service.task;
        let (affinities, constraints): (Vec<_>, Vec<_>) =
            constraints(service)?.into_iter().partition(|constraint| constraint.affinity().is_some());
        let (preferences, constraints) = constraints.into_iter().partition(Constraint::is_soft);
        let named_volumes: Vec<String> =
            task.volumes.values().filter_map(|mount| mount.named_volume().map(str::to_owned)).collect();
        let volumes = || stack.volumes.values().filter(|volume| named_volumes.contains(&volume.name));
        let networks = || stack.networks.values().filter(|network| task.networks.contains_key(&network.name));
        let fixed = Fixed {
            constraints,
            platforms: service.placement.platforms.clone(),
            log_driver: task
                .logging
                .as_ref()
                .and_then(|logging| logging.driver.clone())
                .filter(|d| d != "none"),
            volume_drivers: volumes()
                .filter_map(|v| v.driver.clone())
                .filter(|driver| driver != "local")
                .collect(),
            network_drivers: networks()
                .filter(|network| !network.external)
                .filter_map(|network| network.driver.clone())
                .filter(|driver| !matches!(driver.as_str(), "overlay" | "bridge"))
                .collect(),
            external_volumes: volumes().filter(|v| v.external).map(|v| v.name.clone()).collect(),
            external_networks: networks().filter(|n| n.external).map(|n| n.name.clone()).collect(),
        };
        Ok(Self {
            demand: Demand::of(task),
            fixed,
            max_replicas: if service.mode.is_global() { 0 } else { service.placement.max_replicas_per_node },
            named_volumes,
            image: name_on_node(&task.pinned_image()),
            affinities,
            preferences,
        })
    }

    /// How many soft constraints a node does not meet.
    pub(crate) fn preferences_missed(&self, site: &Site<'_>) -> u64 {
        let Ok(facts) = site.view else { return 0 };
        self.preferences.iter().filter(|preference| !preference.holds(site.member, facts)).count() as u64
    }

    /// What does not change while tasks are being placed.
    pub(crate) fn check_fixed(&self, site: &Site<'_>) -> Result<(), FilterKind> {
        self.fixed.check(site)
    }

    /// What a task that already runs must go on meeting (SwarmKit's constraint enforcer).
    pub(crate) fn check_lasting(&self, site: &Site<'_>) -> Result<(), FilterKind> {
        self.fixed.check_lasting(site)
    }

    /// What changes with each task placed.
    pub(crate) fn check_room(&self, site: &Site<'_>, tasks_of_service: u32) -> Result<(), FilterKind> {
        let Ok(facts) = site.view else { return Err(FilterKind::Ready) };
        let (load, demand) = (&site.load, &self.demand);
        let short = (demand.nano_cpus > 0 && load.nano_cpus + demand.nano_cpus > facts.nano_cpus)
            || (demand.memory > 0 && load.memory + demand.memory > facts.memory)
            || demand.generic.iter().any(|(kind, n)| {
                load.generic.get(kind).unwrap_or(&0) + n > *facts.generic.get(kind).unwrap_or(&0)
            });
        if short {
            return Err(FilterKind::Resources);
        }
        if !demand.ports.is_empty() && load.port_clash(&demand.ports).is_some() {
            return Err(FilterKind::HostPorts);
        }
        if self.max_replicas > 0 && tasks_of_service >= self.max_replicas {
            return Err(FilterKind::MaxReplicas);
        }
        Ok(())
    }

    /// Of what a node has too little, with figures.
    fn shortage(&self, site: &Site<'_>, facts: &NodeFacts) -> String {
        let (load, demand) = (&site.load, &self.demand);
        let mut short = Vec::new();
        if load.nano_cpus + demand.nano_cpus > facts.nano_cpus {
            let cores = |nano: i64| format!("{:.2}", nano as f64 / 1e9);
            short.push(format!(
                "{} CPUs asked, {} of {} free",
                cores(demand.nano_cpus),
                cores(facts.nano_cpus - load.nano_cpus),
                cores(facts.nano_cpus)
            ));
        }
        if load.memory + demand.memory > facts.memory {
            let mib = |bytes: i64| bytes / (1024 * 1024);
            short.push(format!(
                "{} MiB asked, {} of {} MiB free",
                mib(demand.memory),
                mib(facts.memory - load.memory),
                mib(facts.memory)
            ));
        }
        for (kind, n) in &demand.generic {
            let (taken, there) =
                (load.generic.get(kind).unwrap_or(&0), facts.generic.get(kind).unwrap_or(&0));
            if taken + n > *there {
                short.push(format!("{n} {kind} asked, {} of {there} free", there - taken));
            }
        }
        short.join("; ")
    }

    /// Why a filter said no to a node, in words with figures.
    pub(crate) fn explain(&self, kind: FilterKind, site: &Site<'_>) -> String {
        let facts = match site.view {
            Ok(facts) => facts,
            Err(why) => return format!("silent: {}", why.reason),
        };
        let (load, demand) = (&site.load, &self.demand);
        match kind {
            FilterKind::Ready => format!("availability is {}", site.member.availability),
            FilterKind::Resources => self.shortage(site, facts),
            FilterKind::Plugins => format!("no {}", self.fixed.missing_plugins(facts).join(", no ")),
            FilterKind::Constraints => {
                let broken: Vec<String> = self
                    .fixed
                    .constraints
                    .iter()
                    .filter(|constraint| !constraint.holds(site.member, facts))
                    .map(ToString::to_string)
                    .collect();
                format!("{} does not hold", broken.join(", "))
            }
            FilterKind::Platform => {
                let wanted: Vec<String> =
                    self.fixed.platforms.iter().map(|p| format!("{}/{}", p.os, p.architecture)).collect();
                format!(
                    "it is {}/{}, the image is for {}",
                    facts.platform.os,
                    facts.platform.architecture,
                    wanted.join(", ")
                )
            }
            FilterKind::HostPorts => match load.port_clash(&demand.ports) {
                Some(port) => format!("port {port} is taken"),
                None => "a published port is taken".to_owned(),
            },
            FilterKind::MaxReplicas => {
                format!("it has {} of at most {}", self.max_replicas, self.max_replicas)
            }
            FilterKind::Affinity => "affinity not satisfied".to_owned(),
            FilterKind::Volumes => missing("no external volume", &self.fixed.external_volumes, |name| {
                facts.volumes.contains(name)
            }),
            FilterKind::Networks => missing("no external network", &self.fixed.external_networks, |name| {
                facts.networks.contains_key(name)
            }),
        }
    }
}

impl Fixed {
    /// Everything that does not change while tasks are being placed.
    fn check(&self, site: &Site<'_>) -> Result<(), FilterKind> {
        let Ok(facts) = site.view else { return Err(FilterKind::Ready) };
        if site.member.availability != Availability::Active {
            return Err(FilterKind::Ready);
        }
        if !self.missing_plugins(facts).is_empty() {
            return Err(FilterKind::Plugins);
        }
        self.check_lasting(site)?;
        if self.external_volumes.iter().any(|name| !facts.volumes.contains(name)) {
            return Err(FilterKind::Volumes);
        }
        if self.external_networks.iter().any(|name| !facts.networks.contains_key(name)) {
            return Err(FilterKind::Networks);
        }
        Ok(())
    }

    /// What a task that already runs must go on meeting (SwarmKit's constraint enforcer).
    fn check_lasting(&self, site: &Site<'_>) -> Result<(), FilterKind> {
        let Ok(facts) = site.view else { return Err(FilterKind::Ready) };
        if self.constraints.iter().any(|constraint| !constraint.holds(site.member, facts)) {
            return Err(FilterKind::Constraints);
        }
        if !self.runs_on(&facts.platform) {
            return Err(FilterKind::Platform);
        }
        Ok(())
    }

    fn runs_on(&self, platform: &Platform) -> bool {
        let fits = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
        self.platforms.is_empty()
            || self.platforms.iter().any(|wanted| {
                fits(&wanted.os, &platform.os) && fits(&wanted.architecture, &platform.architecture)
            })
    }

    fn missing_plugins(&self, facts: &NodeFacts) -> Vec<String> {
        let lacks = |known: &BTreeSet<String>, name: &str| {
            let plain = name.strip_suffix(":latest").unwrap_or(name);
            !known.contains(plain) && !known.contains(&format!("{plain}:latest"))
        };
        let mut missing = Vec::new();
        for driver in self.volume_drivers.iter().filter(|driver| lacks(&facts.plugins.volume, driver)) {
            missing.push(format!("volume driver {driver}"));
        }
        for driver in self.network_drivers.iter().filter(|driver| lacks(&facts.plugins.network, driver)) {
            missing.push(format!("network driver {driver}"));
        }
        // An engine that reports no log drivers passes, as in SwarmKit.
        if let Some(driver) = &self.log_driver
            && !facts.plugins.log.is_empty()
            && lacks(&facts.plugins.log, driver)
        {
            missing.push(format!("log driver {driver}"));
        }
        missing
    }
}

fn missing(what: &str, names: &[String], there: impl Fn(&String) -> bool) -> String {
    let missing: Vec<&str> = names.iter().filter(|name| !there(name)).map(String::as_str).collect();
    format!("{what} {}", missing.join(", "))
}
