//! The flags of `service update`, with docker's names.
//!
//! Only their forms; [`super::change`] turns them into a change.

use crate::model::GoDuration;
use crate::model::spec::{FailureAction, RestartCondition, UpdateOrder};

use super::forms::{self, ConfigFlag, MountFlag, NetworkFlag, Pair, Ports, Words};

/// The flags that change a service.
#[derive(Debug, Clone, PartialEq, Default, clap::Args)]
pub struct Flags {
    /// Run this image
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Arguments for the image's entrypoint
    #[arg(long, value_name = "COMMAND", value_parser = forms::words, allow_hyphen_values = true)]
    pub args: Option<Words>,
    /// Replace the image's entrypoint
    #[arg(long, value_name = "COMMAND", value_parser = forms::words, allow_hyphen_values = true)]
    pub entrypoint: Option<Words>,
    /// Add or change a variable; a name alone takes the value it has here
    #[arg(long, value_name = "NAME=VALUE", value_parser = forms::pair)]
    pub env_add: Vec<Pair>,
    /// Remove a variable
    #[arg(long, value_name = "NAME")]
    pub env_rm: Vec<String>,
    /// Add or change a label of the service
    #[arg(long, value_name = "KEY=VALUE", value_parser = forms::pair)]
    pub label_add: Vec<Pair>,
    /// Remove a label of the service
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// Add or change a label of the containers
    #[arg(long, value_name = "KEY=VALUE", value_parser = forms::pair)]
    pub container_label_add: Vec<Pair>,
    /// Remove a label of the containers
    #[arg(long, value_name = "KEY")]
    pub container_label_rm: Vec<String>,
    /// User, or uid:gid
    #[arg(short = 'u', long, value_name = "USER")]
    pub user: Option<String>,
    /// Working directory in the container
    #[arg(short = 'w', long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Host name of the containers
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Number of tasks
    #[arg(long, value_name = "N")]
    pub replicas: Option<u32>,
    /// At most this many tasks on one node; 0 is no limit
    #[arg(long, value_name = "N")]
    pub replicas_max_per_node: Option<u32>,
    /// Add a constraint
    #[arg(long, value_name = "CONSTRAINT", value_parser = forms::constraint)]
    pub constraint_add: Vec<String>,
    /// Remove a constraint, as it is written
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_rm: Vec<String>,
    /// Spread over the values of a label
    #[arg(long, value_name = "spread=LABEL", value_parser = forms::preference)]
    pub placement_pref_add: Vec<String>,
    /// Stop spreading over a label
    #[arg(long, value_name = "spread=LABEL", value_parser = forms::preference)]
    pub placement_pref_rm: Vec<String>,
    /// Publish a port: 8080:80, or published=8080,target=80,mode=host
    #[arg(long, value_name = "PORT", value_parser = forms::ports)]
    pub publish_add: Vec<Ports>,
    /// Stop publishing a port of the container: 80, or 53/udp
    #[arg(long, value_name = "PORT", value_parser = forms::ports)]
    pub publish_rm: Vec<Ports>,
    /// Add or change a mount: type=volume,source=data,target=/data
    #[arg(long, value_name = "MOUNT", value_parser = forms::mount)]
    pub mount_add: Vec<MountFlag>,
    /// Remove a mount by its path in the container
    #[arg(long, value_name = "TARGET")]
    pub mount_rm: Vec<String>,
    /// Add a config of the stack: site, or source=site,target=/etc/site
    #[arg(long, value_name = "CONFIG", value_parser = forms::config)]
    pub config_add: Vec<ConfigFlag>,
    /// Remove a config
    #[arg(long, value_name = "CONFIG")]
    pub config_rm: Vec<String>,
    /// Join a network of the stack: back, or name=back,alias=db
    #[arg(long, value_name = "NETWORK", value_parser = forms::network)]
    pub network_add: Vec<NetworkFlag>,
    /// Leave a network
    #[arg(long, value_name = "NETWORK")]
    pub network_rm: Vec<String>,
    /// Limit of CPU cores; 0 is no limit
    #[arg(long, value_name = "CPUS", value_parser = forms::cpus)]
    pub limit_cpu: Option<i64>,
    /// Limit of memory; 0 is no limit
    #[arg(long, value_name = "BYTES", value_parser = forms::bytes)]
    pub limit_memory: Option<i64>,
    /// Limit of processes; 0 is no limit
    #[arg(long, value_name = "N")]
    pub limit_pids: Option<i64>,
    /// CPU cores reserved for each task
    #[arg(long, value_name = "CPUS", value_parser = forms::cpus)]
    pub reserve_cpu: Option<i64>,
    /// Memory reserved for each task
    #[arg(long, value_name = "BYTES", value_parser = forms::bytes)]
    pub reserve_memory: Option<i64>,
    /// Command that checks whether a task is healthy
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_healthcheck")]
    pub health_cmd: Option<String>,
    /// Time between two checks
    #[arg(long, value_name = "DURATION", value_parser = forms::duration, conflicts_with = "no_healthcheck")]
    pub health_interval: Option<GoDuration>,
    /// Time limit of one check
    #[arg(long, value_name = "DURATION", value_parser = forms::duration, conflicts_with = "no_healthcheck")]
    pub health_timeout: Option<GoDuration>,
    /// Failed checks until a task counts as unhealthy
    #[arg(long, value_name = "N", conflicts_with = "no_healthcheck")]
    pub health_retries: Option<u32>,
    /// Time after the start in which failed checks do not count
    #[arg(long, value_name = "DURATION", value_parser = forms::duration, conflicts_with = "no_healthcheck")]
    pub health_start_period: Option<GoDuration>,
    /// Disable the health check, also that of the image
    #[arg(long)]
    pub no_healthcheck: bool,
    /// When to restart an ended task: none, on-failure or any
    #[arg(long, value_name = "WHEN", value_parser = forms::restart_condition)]
    pub restart_condition: Option<RestartCondition>,
    /// Delay before a restart
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub restart_delay: Option<GoDuration>,
    /// Limit of restarts; 0 is no limit
    #[arg(long, value_name = "N")]
    pub restart_max_attempts: Option<u32>,
    /// Time window in which restarts count
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub restart_window: Option<GoDuration>,
    /// Time before a task that does not stop is killed
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub stop_grace_period: Option<GoDuration>,
    /// Signal that stops a task
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Number of tasks replaced at a time in an update; 0 is all at once
    #[arg(long, value_name = "N")]
    pub update_parallelism: Option<u32>,
    /// Delay between two batches
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub update_delay: Option<GoDuration>,
    /// How long stackctl watches a new task for failure
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub update_monitor: Option<GoDuration>,
    /// Order of replacement: start-first or stop-first
    #[arg(long, value_name = "ORDER", value_parser = forms::order)]
    pub update_order: Option<UpdateOrder>,
    /// Action when an update fails: pause, continue or rollback
    #[arg(long, value_name = "ACTION", value_parser = forms::update_action)]
    pub update_failure_action: Option<FailureAction>,
    /// Tolerated share of failed tasks, 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = forms::ratio)]
    pub update_max_failure_ratio: Option<f64>,
    /// Number of tasks replaced at a time in a rollback; 0 is all at once
    #[arg(long, value_name = "N")]
    pub rollback_parallelism: Option<u32>,
    /// Delay between two batches
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub rollback_delay: Option<GoDuration>,
    /// How long stackctl watches a new task for failure
    #[arg(long, value_name = "DURATION", value_parser = forms::duration)]
    pub rollback_monitor: Option<GoDuration>,
    /// Order of replacement: start-first or stop-first
    #[arg(long, value_name = "ORDER", value_parser = forms::order)]
    pub rollback_order: Option<UpdateOrder>,
    /// Action when a rollback fails: pause or continue
    #[arg(long, value_name = "ACTION", value_parser = forms::rollback_action)]
    pub rollback_failure_action: Option<FailureAction>,
    /// Tolerated share of failed tasks, 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = forms::ratio)]
    pub rollback_max_failure_ratio: Option<f64>,
    /// Replace all tasks, even without a change
    #[arg(long)]
    pub force: bool,
}

impl Flags {
    /// The given flags, for the history. With the values of a few that are useful and no secrets; values of the
    /// environment may be secrets.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(image) = &self.image {
            words.push(format!("--image {image}"));
        }
        if let Some(replicas) = self.replicas {
            words.push(format!("--replicas {replicas}"));
        }
        let keyed = |flag: &'static str, keys: Vec<&str>| {
            keys.into_iter().map(|key| format!("{flag} {key}")).collect::<Vec<_>>()
        };
        words.extend(keyed("--env-add", self.env_add.iter().map(|pair| pair.key.as_str()).collect()));
        words.extend(keyed("--env-rm", self.env_rm.iter().map(String::as_str).collect()));
        let others = [
            ("--args", self.args.is_some()),
            ("--entrypoint", self.entrypoint.is_some()),
            ("--label-add", !self.label_add.is_empty()),
            ("--label-rm", !self.label_rm.is_empty()),
            ("--container-label-add", !self.container_label_add.is_empty()),
            ("--container-label-rm", !self.container_label_rm.is_empty()),
            ("--user", self.user.is_some()),
            ("--workdir", self.workdir.is_some()),
            ("--hostname", self.hostname.is_some()),
            ("--replicas-max-per-node", self.replicas_max_per_node.is_some()),
            ("--constraint-add", !self.constraint_add.is_empty()),
            ("--constraint-rm", !self.constraint_rm.is_empty()),
            ("--placement-pref-add", !self.placement_pref_add.is_empty()),
            ("--placement-pref-rm", !self.placement_pref_rm.is_empty()),
            ("--publish-add", !self.publish_add.is_empty()),
            ("--publish-rm", !self.publish_rm.is_empty()),
            ("--mount-add", !self.mount_add.is_empty()),
            ("--mount-rm", !self.mount_rm.is_empty()),
            ("--config-add", !self.config_add.is_empty()),
            ("--config-rm", !self.config_rm.is_empty()),
            ("--network-add", !self.network_add.is_empty()),
            ("--network-rm", !self.network_rm.is_empty()),
            ("--limit-cpu", self.limit_cpu.is_some()),
            ("--limit-memory", self.limit_memory.is_some()),
            ("--limit-pids", self.limit_pids.is_some()),
            ("--reserve-cpu", self.reserve_cpu.is_some()),
            ("--reserve-memory", self.reserve_memory.is_some()),
            ("--health-cmd", self.health_cmd.is_some()),
            ("--health-interval", self.health_interval.is_some()),
            ("--health-timeout", self.health_timeout.is_some()),
            ("--health-retries", self.health_retries.is_some()),
            ("--health-start-period", self.health_start_period.is_some()),
            ("--no-healthcheck", self.no_healthcheck),
            ("--restart-condition", self.restart_condition.is_some()),
            ("--restart-delay", self.restart_delay.is_some()),
            ("--restart-max-attempts", self.restart_max_attempts.is_some()),
            ("--restart-window", self.restart_window.is_some()),
            ("--stop-grace-period", self.stop_grace_period.is_some()),
            ("--stop-signal", self.stop_signal.is_some()),
            ("--update-parallelism", self.update_parallelism.is_some()),
            ("--update-delay", self.update_delay.is_some()),
            ("--update-monitor", self.update_monitor.is_some()),
            ("--update-order", self.update_order.is_some()),
            ("--update-failure-action", self.update_failure_action.is_some()),
            ("--update-max-failure-ratio", self.update_max_failure_ratio.is_some()),
            ("--rollback-parallelism", self.rollback_parallelism.is_some()),
            ("--rollback-delay", self.rollback_delay.is_some()),
            ("--rollback-monitor", self.rollback_monitor.is_some()),
            ("--rollback-order", self.rollback_order.is_some()),
            ("--rollback-failure-action", self.rollback_failure_action.is_some()),
            ("--rollback-max-failure-ratio", self.rollback_max_failure_ratio.is_some()),
            ("--force", self.force),
        ];
        words.extend(others.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_tells_which_flags_there_were_and_no_secrets() {
        let flags = Flags {
            image: Some("web:2".to_owned()),
            env_add: vec![forms::pair("DB_PASSWORD=hunter2").unwrap()],
            label_rm: vec!["team".to_owned()],
            force: true,
            ..Flags::default()
        };
        assert_eq!(flags.words(), ["--image web:2", "--env-add DB_PASSWORD", "--label-rm", "--force"]);
        assert_eq!(Flags::default().words(), [""; 0]);
    }
}
