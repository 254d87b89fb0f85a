//! What can change of a task without replacing it: what an engine changes on a running container, and what only the
//! scheduler and our own stops use.
//!
//! The labels of a running container cannot change. What was changed in place is therefore remembered
//! [per task](InPlaceRecords) in the ledger and laid over what the label says at each look, so that every other part of
//! the program sees the spec that a task has now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::GoDuration;
use super::ids::{StackName, TaskId};
use super::restart::{EnginePolicy, engine_policy};
use super::secret_env;
use super::spec::{FileMount, Limits, Reservations, RestartCondition, RestartPolicy, TaskSpec};
use super::swap;

/// The part of a task's spec that is no reason to replace it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// Upper bounds of the kernel. Swap is as much again as memory, which is what an engine makes of a memory limit.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What the scheduler reserves. No engine knows of it.
    #[serde(skip_serializing_if = "is_default")]
    pub reservations: Reservations,
    /// When the engine starts it again.
    #[serde(skip_serializing_if = "is_default")]
    pub restart_policy: RestartPolicy,
    /// Between the signal and SIGKILL, when we stop it. `docker stop`, and an engine that shuts down, go by what the
    /// container was made with.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_grace_period: Option<GoDuration>,
    /// What is in its configs, by their paths: of a task that reads them again on a signal. Of any other it is a reason to
    /// replace it, and not here.
    #[serde(skip_serializing_if = "is_default")]
    pub configs: Option<BTreeMap<String, String>>,
    /// Which values are in its secrets, by their paths: of the same tasks.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Option<BTreeMap<String, String>>,
}

/// Stands for a content that is not known: it is like none.
const UNKNOWN: &str = "unknown";

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Paths of the fields, as in a serialised [`TaskSpec`].
const FIELDS: [&str; 4] =
    ["resources.limits", "resources.reservations", "restart_policy", "stop_grace_period"];

/// Which files of a task its process may read again on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadsAgain {
    /// None.
    Nothing,
    /// Configs.
    Configs,
    /// Configs and secrets, in a container whose files can be swapped.
    All,
}

/// Whether a field can change in place, by its path in a diff.
#[must_use]
pub fn is_field(path: &str, reads_again: ReadsAgain) -> bool {
    let is_content_of = |what: &str| path.starts_with(what) && path.ends_with(".content");
    let is_variable = path.contains(secret_env::ROOM);
    (reads_again != ReadsAgain::Nothing && is_content_of("configs"))
        || (reads_again == ReadsAgain::All && is_content_of("secrets") && !is_variable)
        || FIELDS.iter().any(|field| {
            path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
}

/// What it takes to bring a task from one tuning to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retune {
    /// Nothing: they are equal.
    None,
    /// Nothing on the host: it is remembered.
    Remember,
    /// The engine changes the running container.
    Engine,
    /// A new container: engines take no limit of CPU or memory away from one that runs. A memory or CPU limit of zero
    /// in their API means "as it is".
    Replace,
}

impl Tuning {
    /// Of a spec.
    #[must_use]
    pub fn of(spec: &TaskSpec) -> Self {
        let content = |(path, mount): (&String, &FileMount)| (path.clone(), mount.content.clone());
        let reads_again = spec.on_config.is_some();
        let secrets: BTreeMap<String, String> =
            swap::secrets(spec).filter(|_| reads_again).map(content).collect();
        Self {
            limits: spec.resources.limits,
            reservations: spec.resources.reservations.clone(),
            restart_policy: spec.restart_policy,
            stop_grace_period: spec.stop_grace_period,
            configs: reads_again.then(|| spec.configs.iter().map(content).collect()),
            secrets: (!secrets.is_empty()).then_some(secrets),
        }
    }

    /// Puts it into a spec. Contents of configs are left where none are known, as in records of versions before 0.6.0.
    pub fn apply(&self, spec: &mut TaskSpec) {
        spec.resources.limits = self.limits;
        spec.resources.reservations.clone_from(&self.reservations);
        spec.restart_policy = self.restart_policy;
        spec.stop_grace_period = self.stop_grace_period;
        for (path, content) in self.configs.iter().flatten() {
            if let Some(mount) = spec.configs.get_mut(path) {
                mount.content.clone_from(content);
            }
        }
        for (path, content) in self.secrets.iter().flatten() {
            if let Some(mount) = spec.secrets.get_mut(path) {
                mount.content.clone_from(content);
            }
        }
    }

    /// The same with what is known of another one where this one says nothing.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            configs: self.configs.clone().or_else(|| other.configs.clone()),
            secrets: self.secrets.clone().or_else(|| other.secrets.clone()),
            ..self.clone()
        }
    }

    /// What it takes to get from here to there.
    #[must_use]
    pub fn to(&self, there: &Self, is_job: bool) -> Retune {
        let is_taken_away =
            |was: Option<i64>, is: Option<i64>| was.is_some_and(|n| n > 0) && is.is_none_or(|n| n <= 0);
        if self == there {
            Retune::None
        } else if is_taken_away(self.limits.nano_cpus, there.limits.nano_cpus)
            || is_taken_away(self.limits.memory, there.limits.memory)
        {
            Retune::Replace
        } else if self.limits != there.limits
            || self.policy(is_job) != there.policy(is_job)
            || self.differs_in_files(there)
        {
            Retune::Engine
        } else {
            Retune::Remember
        }
    }

    /// Whether another content is in any file.
    #[must_use]
    pub fn differs_in_files(&self, there: &Self) -> bool {
        self.configs != there.configs || self.secrets != there.secrets
    }

    fn policy(&self, is_job: bool) -> EnginePolicy {
        engine_policy(&self.restart_policy, is_job)
    }

    /// The memory limit that it gets, if it is lower than the one that it has.
    #[must_use]
    pub fn lowered_memory(&self, there: &Self) -> Option<i64> {
        let limit = there.limits.memory.filter(|limit| *limit > 0)?;
        self.limits.memory.filter(|was| *was > 0).is_none_or(|was| limit < was).then_some(limit)
    }

    /// As a container shows it, whose files can be swapped or not. What engines do not know of stays.
    #[must_use]
    pub fn as_seen(&self, seen: &Seen, is_job: bool, swaps: bool) -> Self {
        let mut tuning = Self { limits: seen.limits, ..self.clone() };
        // No engine says what is in files.
        tuning.configs.iter_mut().flatten().for_each(|(_, content)| UNKNOWN.clone_into(content));
        if swaps {
            tuning.secrets.iter_mut().flatten().for_each(|(_, content)| UNKNOWN.clone_into(content));
        }
        if self.policy(is_job) != seen.policy {
            let (condition, max_attempts) = match seen.policy {
                EnginePolicy::No => (RestartCondition::None, 0),
                EnginePolicy::OnFailure(attempts) => (RestartCondition::OnFailure, attempts),
                EnginePolicy::UnlessStopped => (RestartCondition::Any, 0),
            };
            tuning.restart_policy = RestartPolicy { condition, max_attempts, ..self.restart_policy };
        }
        tuning
    }
}

/// What a container shows of its tuning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Zero and "without" are one.
    pub limits: Limits,
    pub policy: EnginePolicy,
}

/// What was changed in place, of all stacks.
pub type InPlaceRecords = BTreeMap<StackName, InPlaceRecord>;

/// What was changed in place on the tasks of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InPlaceRecord {
    /// The tuning that tasks have now; of those that are not named, the one in their label.
    #[serde(with = "grouped", skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<TaskId, Tuning>,
    /// Tasks that may have either: a change was begun, and its end was not recorded. Their containers are asked.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unsure: BTreeSet<TaskId>,
    /// It may lack changes, since it is from a backup. All containers of the stack are asked, until its next release.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_old: bool,
}

/// Tasks of a service mostly share their tuning, and the record is read at each look: a thousand tasks are 30 KB so, and
/// 250 KB with a tuning for each.
mod grouped {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{TaskId, Tuning};

    #[derive(Serialize, Deserialize)]
    struct Group {
        tuning: Tuning,
        tasks: Vec<TaskId>,
    }

    pub(super) fn serialize<S: Serializer>(
        tasks: &BTreeMap<TaskId, Tuning>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut groups: Vec<Group> = Vec::new();
        for (id, tuning) in tasks {
            match groups.iter_mut().find(|group| group.tuning == *tuning) {
                Some(group) => group.tasks.push(id.clone()),
                None => groups.push(Group { tuning: tuning.clone(), tasks: vec![id.clone()] }),
            }
        }
        groups.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<TaskId, Tuning>, D::Error> {
        let groups: Vec<Group> = Vec::deserialize(from)?;
        let of = |group: Group| group.tasks.into_iter().map(move |id| (id, group.tuning.clone()));
        Ok(groups.into_iter().flat_map(of).collect())
    }
}

impl InPlaceRecord {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning(memory: Option<i64>, attempts: u32) -> Tuning {
        let restart_policy = RestartPolicy { max_attempts: attempts, ..RestartPolicy::default() };
        Tuning { limits: Limits { memory, ..Limits::default() }, restart_policy, ..Tuning::default() }
    }

    #[test]
    fn what_a_step_takes_is_known() {
        let of = |from: &Tuning, to: &Tuning| from.to(to, false);
        let base = tuning(Some(64), 3);
        assert_eq!(of(&base, &base), Retune::None);
        assert_eq!(of(&base, &tuning(Some(32), 3)), Retune::Engine);
        assert_eq!(of(&base, &tuning(Some(64), 0)), Retune::Engine);
        assert_eq!(of(&tuning(None, 3), &base), Retune::Engine);
        assert_eq!(of(&base, &tuning(None, 3)), Retune::Replace);
        let grace = Tuning { stop_grace_period: Some(GoDuration::from_secs(60)), ..base.clone() };
        assert_eq!(of(&base, &grace), Retune::Remember);
        let slower = RestartPolicy { delay: GoDuration::from_secs(60), ..base.restart_policy };
        assert_eq!(of(&base, &Tuning { restart_policy: slower, ..base.clone() }), Retune::Remember);
        assert_eq!(base.lowered_memory(&tuning(Some(32), 3)), Some(32));
        assert_eq!(tuning(None, 3).lowered_memory(&base), Some(64));
        assert_eq!(base.lowered_memory(&tuning(Some(65), 3)), None);
    }

    #[test]
    fn a_container_shows_what_engines_know_of() {
        let label = Tuning { stop_grace_period: Some(GoDuration::from_secs(60)), ..tuning(Some(64), 3) };
        let mut seen = Seen { limits: label.limits, policy: EnginePolicy::OnFailure(3) };
        assert_eq!(
            label.as_seen(&seen, false, false),
            label,
            "`any` with a limit is `on-failure` to an engine"
        );
        seen.limits.memory = Some(32);
        seen.policy = EnginePolicy::No;
        let now = label.as_seen(&seen, false, false);
        assert_eq!((now.limits.memory, now.restart_policy.condition), (Some(32), RestartCondition::None));
        assert_eq!(now.stop_grace_period, label.stop_grace_period);
    }

    #[test]
    fn configs_change_in_place_where_a_signal_has_them_read_again() {
        let file = |content: &str| FileMount {
            source: "site".into(),
            uid: "0".into(),
            gid: "0".into(),
            mode: 0o444,
            content: content.into(),
            template_driver: None,
        };
        let spec = |content: &str, signal: Option<&str>| TaskSpec {
            on_config: signal.map(Into::into),
            configs: [("/site".to_owned(), file(content))].into(),
            ..TaskSpec::default()
        };
        let of = |content, signal| Tuning::of(&spec(content, signal));
        assert_eq!(of("a", None).to(&of("b", None), false), Retune::None, "its hash tells");
        let (a, b) = (of("a", Some("SIGHUP")), of("b", Some("SIGHUP")));
        assert_eq!((a.to(&b, false), a.to(&a, false)), (Retune::Engine, Retune::None));
        let mut changed = spec("a", Some("SIGHUP"));
        b.apply(&mut changed);
        assert_eq!(changed, spec("b", Some("SIGHUP")));
        // A record of an older version knows of no contents.
        tuning(None, 0).or(&a).apply(&mut changed);
        assert_eq!(changed.configs["/site"].content, "a");
        let seen = Seen { limits: Limits::default(), policy: EnginePolicy::UnlessStopped };
        assert_eq!(b.as_seen(&seen, false, false).to(&b, false), Retune::Engine, "it may be either");
    }

    #[test]
    fn secrets_change_in_place_too_and_what_variables_have_does_not() {
        use crate::model::testing::file_mount;
        let spec = |version: &str, signal: Option<&str>| TaskSpec {
            on_config: signal.map(Into::into),
            secrets: [
                ("/run/secrets/db".to_owned(), file_mount("db", version)),
                (secret_env::file_of("DB"), file_mount("db", version)),
            ]
            .into(),
            ..TaskSpec::default()
        };
        let of = |version, signal| Tuning::of(&spec(version, signal));
        assert_eq!(of("a", None).to(&of("b", None), false), Retune::None, "its hash tells");
        let (a, b) = (of("a", Some("SIGHUP")), of("b", Some("SIGHUP")));
        assert_eq!((a.to(&b, false), a.to(&a, false)), (Retune::Engine, Retune::None));
        let mut changed = spec("a", Some("SIGHUP"));
        b.apply(&mut changed);
        let versions: Vec<&str> = changed.secrets.values().map(|mount| mount.content.as_str()).collect();
        assert_eq!(versions, ["b", "a"]);
        // A record of an older version knows of none.
        Tuning { secrets: None, ..b.clone() }.or(&a).apply(&mut changed);
        assert_eq!(changed.secrets["/run/secrets/db"].content, "a");
        let seen = Seen { limits: Limits::default(), policy: EnginePolicy::UnlessStopped };
        assert_eq!(b.as_seen(&seen, false, true).to(&b, false), Retune::Engine, "it may be either");
        assert_eq!(
            b.as_seen(&seen, false, false).to(&b, false),
            Retune::None,
            "what was never swapped is as it was"
        );
        let text = serde_json::to_string(&b).unwrap();
        assert_eq!(serde_json::from_str::<Tuning>(&text).unwrap(), b);
        assert!(!serde_json::to_string(&tuning(None, 0)).unwrap().contains("secrets"));
    }

    #[test]
    fn a_record_is_written_in_groups_and_read_back() {
        let id = |n: u32| TaskId::unchecked(&format!("t{n}"));
        let tasks = (0..6).map(|n| (id(n), tuning(Some(64), n % 2))).collect();
        let record = InPlaceRecord { tasks, unsure: [id(9)].into(), is_old: true };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text.matches("tuning").count(), 2, "{text}");
        assert_eq!(serde_json::from_str::<InPlaceRecord>(&text).unwrap(), record);
    }

    #[test]
    fn paths_in_a_diff_are_known() {
        for (path, is) in [
            ("resources.limits.memory", true),
            ("restart_policy.delay", true),
            ("stop_grace_period", true),
            ("stop_signal", false),
            ("restart_policy_x", false),
        ] {
            assert_eq!(is_field(path, ReadsAgain::Nothing), is, "{path}");
        }
        let of = |path| {
            [ReadsAgain::Nothing, ReadsAgain::Configs, ReadsAgain::All].map(|reads| is_field(path, reads))
        };
        assert_eq!(of("configs[\"/etc/site.conf\"].content"), [false, true, true]);
        assert_eq!(of("secrets[\"/run/secrets/db\"].content"), [false, false, true]);
        assert_eq!(of("secrets[\"/run/secrets/db\"].source"), [false; 3]);
        assert_eq!(of("secrets[\"/run/stackctl/env/DB\"].content"), [false; 3], "it is read once");
    }
}
