//! Turns the flags of `service update` into a change of a service.

use super::flags::Flags;
use super::forms::{ConfigFlag, MountFlag, MountKind, NetworkFlag, Pair, Words};
use crate::model::image::Resolved;
use crate::model::spec::Mount;
use crate::ops::edit::ServiceChange;
use crate::ops::edit::change::{
    ContainerChange, GonePort, HealthChange, ListChange, MapChange, NewConfig, NewNetwork, PlacementChange,
    PolicyChange, PortChange, ResourceChange, RestartChange,
};

impl Flags {
    /// The change that the flags ask for. `resolved` is the registry's answer about the new image; a variable
    /// without a value takes its value from `env`.
    pub(super) fn change(
        &self,
        resolved: Option<Resolved>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> ServiceChange {
        ServiceChange {
            image: self.image.clone(),
            resolved,
            replicas: self.replicas,
            labels: labels(&self.label_rm, &self.label_add),
            placement: self.placement(),
            update: self.update_policy(),
            rollback: self.rollback_policy(),
            container: self.container(env),
            resources: ResourceChange {
                limit_cpu: self.limit_cpu,
                limit_memory: self.limit_memory,
                limit_pids: self.limit_pids,
                reserve_cpu: self.reserve_cpu,
                reserve_memory: self.reserve_memory,
            },
            health: self.health(),
            restarts: RestartChange {
                condition: self.restart_condition,
                delay: self.restart_delay,
                max_attempts: self.restart_max_attempts,
                window: self.restart_window,
            },
            ports: self.ports(),
            mounts: MapChange {
                remove: self.mount_rm.clone(),
                set: self.mount_add.iter().map(|flag| (flag.target.clone(), mount(flag))).collect(),
            },
            configs_remove: self.config_rm.clone(),
            configs_add: self.config_add.iter().map(config).collect(),
            networks_remove: self.network_rm.clone(),
            networks_add: self.network_add.iter().map(network).collect(),
            force: self.force,
        }
    }

    fn placement(&self) -> PlacementChange {
        let list =
            |remove: &[String], add: &[String]| ListChange { remove: remove.to_vec(), add: add.to_vec() };
        PlacementChange {
            constraints: list(&self.constraint_rm, &self.constraint_add),
            spread: list(&self.placement_pref_rm, &self.placement_pref_add),
            max_replicas_per_node: self.replicas_max_per_node,
        }
    }

    fn update_policy(&self) -> PolicyChange {
        PolicyChange {
            parallelism: self.update_parallelism,
            delay: self.update_delay,
            failure_action: self.update_failure_action,
            monitor: self.update_monitor,
            max_failure_ratio: self.update_max_failure_ratio,
            order: self.update_order,
        }
    }

    fn rollback_policy(&self) -> PolicyChange {
        PolicyChange {
            parallelism: self.rollback_parallelism,
            delay: self.rollback_delay,
            failure_action: self.rollback_failure_action,
            monitor: self.rollback_monitor,
            max_failure_ratio: self.rollback_max_failure_ratio,
            order: self.rollback_order,
        }
    }

    fn container(&self, env: &dyn Fn(&str) -> Option<String>) -> ContainerChange {
        let words = |words: &Option<Words>| words.as_ref().map(|words| words.0.clone());
        let variable = |Pair { key, value }: &Pair| (key.clone(), value.clone().or_else(|| env(key)));
        ContainerChange {
            args: words(&self.args),
            entrypoint: words(&self.entrypoint),
            environment: MapChange {
                remove: self.env_rm.clone(),
                set: self.env_add.iter().map(variable).collect(),
            },
            labels: labels(&self.container_label_rm, &self.container_label_add),
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            hostname: self.hostname.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_grace_period: self.stop_grace_period,
        }
    }

    fn health(&self) -> HealthChange {
        HealthChange {
            is_off: self.no_healthcheck,
            command: self.health_cmd.clone(),
            interval: self.health_interval,
            timeout: self.health_timeout,
            start_period: self.health_start_period,
            retries: self.health_retries,
        }
    }

    fn ports(&self) -> PortChange {
        let gone = self.publish_rm.iter().flat_map(|all| {
            all.ports.iter().map(|port| GonePort {
                target: port.target,
                protocol: port.protocol,
                mode: all.has_mode.then_some(port.mode),
            })
        });
        let come = self.publish_add.iter().flat_map(|all| all.ports.iter().cloned());
        PortChange { remove: gone.collect(), add: come.collect() }
    }
}

fn labels(remove: &[String], add: &[Pair]) -> MapChange<String> {
    let set = add.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default()));
    MapChange { remove: remove.to_vec(), set: set.collect() }
}

fn mount(flag: &MountFlag) -> Mount {
    let MountFlag { kind, source, target: _, read_only, propagation, nocopy, subpath, size, mode } = flag;
    match kind {
        MountKind::Bind => Mount::Bind {
            source: source.clone().unwrap_or_default(),
            read_only: *read_only,
            propagation: propagation.clone(),
            create_host_path: false,
        },
        MountKind::Volume => Mount::Volume {
            source: source.clone(),
            read_only: *read_only,
            nocopy: *nocopy,
            subpath: subpath.clone(),
        },
        MountKind::Tmpfs => Mount::Tmpfs { size: *size, mode: *mode, options: Vec::new() },
    }
}

fn config(flag: &ConfigFlag) -> NewConfig {
    let ConfigFlag { source, target, uid, gid, mode } = flag.clone();
    NewConfig { source, target, uid, gid, mode }
}

fn network(flag: &NetworkFlag) -> NewNetwork {
    let NetworkFlag { name, aliases } = flag.clone();
    NewNetwork { name, aliases }
}

#[cfg(test)]
mod tests;
