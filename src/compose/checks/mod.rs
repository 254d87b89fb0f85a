//! Checks of a whole file: values that are valid by themselves, but contradict each other or have no effect. They need
//! no host.
//!
//! Each file here has one subject. Checks change nothing and report to the sink. An error is what no cluster could
//! ever do; a warning is what some clusters could do, or what is surely not intended; a note is a setting without an
//! effect. In docker's strict reading, what docker accepts is no error: see [`Scene::hopeless`]. `lower` reports
//! undefined references, since it follows them.

mod addresses;
mod engine;
mod files;
mod idle;
mod limits;
mod passwords;
mod placement;
mod ports;
mod secret_env;
mod unused;
mod updates;
mod waits;

use std::collections::BTreeMap;

use super::Reading;
use super::stackfile::{Mode, Service, Stackfile};
use crate::model::spec::{Port, PublishMode};
use crate::yaml::{Diagnostic, Node, Sink, Span, Spanned};

/// The input of every check.
struct Scene<'a> {
    file: &'a Stackfile,
    /// The same as a tree, for places that the types do not have.
    services: BTreeMap<&'a str, &'a Node>,
    reading: Reading,
    sink: &'a Sink<'a>,
}

impl<'a> Scene<'a> {
    fn new(file: &'a Stackfile, root: &'a Node, reading: Reading, sink: &'a Sink<'a>) -> Self {
        let services = root.as_map().and_then(|top| top.get("services")?.as_map());
        let entries = services.into_iter().flat_map(|services| &services.entries);
        let services = entries.map(|entry| (entry.key.value.as_str(), &entry.value)).collect();
        Self { file, services, reading, sink }
    }
}

/// Runs every check.
pub fn run(file: &Stackfile, root: &Node, reading: Reading, sink: &Sink<'_>) {
    let scene = Scene::new(file, root, reading, sink);
    for service in file.services.values() {
        placement::check(&scene, service);
        updates::check(&scene, service);
        limits::check(&scene, service);
        engine::check(&scene, service);
        files::check(&scene, service);
        idle::check(&scene, service);
        waits::check(&scene, service);
        if reading == Reading::Ours {
            passwords::check(&scene, service);
            secret_env::check(&scene, service);
        }
    }
    limits::tasks(&scene);
    ports::check(&scene);
    addresses::check(&scene);
}

/// Notes what is defined and not used. Needs all services, also those that are not wanted now.
pub fn unused(file: &Stackfile, root: &Node, reading: Reading, sink: &Sink<'_>) {
    unused::check(&Scene::new(file, root, reading, sink));
}

impl Scene<'_> {
    /// The severity of what no cluster can do but docker accepts: neither its client nor a swarm's manager checks
    /// it, and the tasks never start.
    fn hopeless(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.reading.severity(), code, message)
    }

    /// The place of a key of a service, by its path; the service itself if it is not written.
    fn key(&self, service: &Service, path: &[&str]) -> Span {
        self.written_key(service, path).unwrap_or(service.key.span)
    }

    /// The place of a value of a service, by its path, or of its key if it is a collection.
    fn value(&self, service: &Service, path: &[&str]) -> Span {
        match self.under(service, path) {
            Some(node) if node.as_map().is_none() && node.as_list().is_none() => node.span,
            _ => self.key(service, path),
        }
    }

    fn under(&self, service: &Service, path: &[&str]) -> Option<&Node> {
        let start = *self.services.get(service.key.value.as_str())?;
        path.iter().try_fold(start, |node, key| node.as_map()?.get(key))
    }

    /// The place of a key of a service, if it is written.
    fn written_key(&self, service: &Service, path: &[&str]) -> Option<Span> {
        let (last, before) = path.split_last()?;
        let owner = self.under(service, before)?;
        owner.as_map()?.entry(last).filter(|entry| !entry.value.is_null()).map(|entry| entry.key.span)
    }
}

/// A port of the node that only one task can have.
fn host_port(service: &Service) -> Option<&Spanned<Port>> {
    service.ports.iter().find(|port| port.mode == PublishMode::Host && port.published.is_some())
}

/// Whether the health check is disabled, also that of the image.
fn is_unchecked(service: &Service) -> bool {
    let test = service.healthcheck.as_ref().and_then(|health| health.test.first());
    test.is_some_and(|word| word == "NONE")
}

/// The least number of tasks; for a global service it depends on the nodes.
fn replicas(service: &Service) -> u32 {
    match mode(service) {
        Mode::Replicated | Mode::ReplicatedJob => service.deploy.replicas.map_or(1, |count| count.value),
        Mode::Global | Mode::GlobalJob => 1,
    }
}

fn mode(service: &Service) -> Mode {
    service.deploy.mode.map_or(Mode::Replicated, |mode| mode.value)
}

fn is_job(service: &Service) -> bool {
    matches!(mode(service), Mode::ReplicatedJob | Mode::GlobalJob)
}

fn is_global(service: &Service) -> bool {
    matches!(mode(service), Mode::Global | Mode::GlobalJob)
}
