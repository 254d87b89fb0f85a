//! Small stacks, and what is wanted of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a service is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Starts and stops at once.
    Web,
    /// Up when its health check says so.
    Checked,
    /// Writes to a volume.
    Data,
    /// The same, and it does not stop when it is asked to.
    SlowData,
    /// Does not stop when it is asked to.
    Slow,
    /// A task on every host.
    Every,
    /// Is done when it has ended.
    Job,
}

impl Kind {
    /// Whether there may be more than one task.
    pub fn can_scale(self) -> bool {
        matches!(self, Self::Web | Self::Checked | Self::Slow)
    }

    fn is_slow(self) -> bool {
        matches!(self, Self::Slow | Self::SlowData)
    }

    /// Whether its task writes to a volume.
    pub fn has_data(self) -> bool {
        matches!(self, Self::Data | Self::SlowData)
    }
}

/// A service as a file or a command wants it. Marks are in the environment of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub kind: Kind,
    pub mark: u64,
    pub image: u64,
    pub replicas: u64,
}

impl Service {
    /// Its name in the file.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Web => "web",
            Kind::Checked => "checked",
            Kind::Data => "data",
            Kind::SlowData => "slowdata",
            Kind::Slow => "slow",
            Kind::Every => "every",
            Kind::Job => "job",
        }
    }

    /// The image that its tasks run.
    pub fn image(&self) -> String {
        match self.kind {
            Kind::Checked => format!("webhc:{}", self.image),
            Kind::Job => "busybox:1".to_owned(),
            _ => format!("web:{}", self.image),
        }
    }

    /// Its slots, as labels name them.
    pub fn slots(&self, hosts: &[String]) -> Vec<String> {
        match self.kind {
            Kind::Every => hosts.iter().map(|host| format!("node:{host}")).collect(),
            // Swarm counts the tasks of jobs from 0.
            Kind::Job => (0..self.replicas).map(|slot| slot.to_string()).collect(),
            _ => (1..=self.replicas).map(|slot| slot.to_string()).collect(),
        }
    }
}

/// A stack as a file or a command wants it.
pub type Wanted = BTreeMap<&'static str, Service>;

/// What stays the same in all versions of a stack.
#[derive(Debug)]
pub struct Shape {
    pub name: &'static str,
    pub services: Vec<(Kind, u64)>,
    /// How long engines wait for what does not stop.
    pub grace_s: u64,
    /// Of an update: 0 is all at once.
    pub parallelism: u64,
}

impl Shape {
    /// The first version.
    pub fn first(&self) -> Wanted {
        let service = |&(kind, replicas): &(Kind, u64)| {
            let service = Service { kind, mark: 0, image: 1, replicas };
            (service.name(), service)
        };
        self.services.iter().map(service).collect()
    }

    /// The stackfile of a version.
    pub fn file(&self, wanted: &Wanted) -> String {
        let mut text = String::from("services:\n");
        for (name, service) in wanted {
            let _ = write!(
                text,
                "  {name}:\n    image: {}\n    environment: {{MARK: '{}'}}\n",
                service.image(),
                service.mark
            );
            if service.kind.is_slow() {
                let _ = writeln!(
                    text,
                    "    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n    stop_grace_period: {}s",
                    self.grace_s
                );
            }
            if service.kind.has_data() {
                let _ = writeln!(text, "    volumes: ['{name}:/data']");
            }
            let update = format!("update_config: {{parallelism: {}, monitor: 500ms}}", self.parallelism);
            let deploy = match service.kind {
                Kind::Every => format!("mode: global, {update}"),
                Kind::Job => {
                    text.push_str("    command: [sh, -c, 'echo done']\n");
                    format!("mode: replicated-job, replicas: {}", service.replicas)
                }
                _ => format!("replicas: {}, {update}", service.replicas),
            };
            let _ = writeln!(text, "    deploy: {{{deploy}}}");
        }
        let data: Vec<&str> =
            wanted.values().filter(|service| service.kind.has_data()).map(Service::name).collect();
        if !data.is_empty() {
            text.push_str("volumes:\n");
            for name in data {
                let _ = writeln!(text, "  {name}: {{}}");
            }
        }
        text
    }
}
