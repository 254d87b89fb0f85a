//! A plan together with everything that it was made from and that it is carried out by.
//!
//! [`Planned::make`] decides every placement once. People read the forecast of that assignment, and a run
//! executes that same assignment: nothing outside this file pairs a plan with another one, so the plan that
//! was shown is the plan that is carried out. Knows no hosts and no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assign::{Assignment, assign};
use super::drift::Drifted;
use super::forecast::Plan;
use super::note::Note;
use super::options::PlanOptions;
use super::problem::Problem;
use super::same_image;
use crate::diff::{self, StackDiff, Values};
use crate::model::hidden;
use crate::model::marks::has_marks;
use crate::model::{
    Observed, ServiceName, ServiceSpec, StackName, StackSpec, Task, TaskId, TaskSpec, template,
};
use crate::template::payload::TaskView;

/// A plan of one stack, its placement, and what both were made from.
#[derive(Debug, Clone)]
pub struct Planned {
    observed: Arc<Observed>,
    spec: StackSpec,
    options: PlanOptions,
    plan: Plan,
    assignment: Assignment,
    /// The look with all values of tasks that are known, where they were looked for.
    known: Option<Arc<Observed>>,
}

impl Planned {
    /// Plans a stack on an observation. Reads nothing, writes nothing; the same input gives the same plan.
    #[must_use]
    pub fn make(observed: impl Into<Arc<Observed>>, spec: StackSpec, options: PlanOptions) -> Self {
        let is_upkeep = options.upkeep;
        let mut made = Self::judged(observed, spec, options, is_upkeep);
        // What a release says of a stack may have marks in place of values. It can be compared, and nothing be made of it.
        let services = hidden::services_with_marks(&made.spec);
        if !services.is_empty() && made.is_busy() {
            made.plan.problems.push(Problem::SealedValues { services });
        }
        made
    }

    /// What is amiss with a stack, measured by what was declared, and not what a deploy would do: an image that was loaded
    /// again under its name is neither. Not to be carried out.
    #[must_use]
    pub fn amiss(observed: impl Into<Arc<Observed>>, spec: StackSpec, options: PlanOptions) -> Self {
        Self::judged(observed, spec, options, true)
    }

    fn judged(
        observed: impl Into<Arc<Observed>>,
        spec: StackSpec,
        options: PlanOptions,
        is_upkeep: bool,
    ) -> Self {
        let mut observed: Arc<Observed> = observed.into();
        if observed.tasks().any(|task| task.stack == spec.name && task.key_id.is_some()) {
            Arc::make_mut(&mut observed).unmask(&spec);
        }
        fold_templates(&mut observed, &spec);
        let same = same_image::fold(&mut observed, &spec, is_upkeep);
        let assignment = assign(&observed, &spec, options.clone());
        let mut plan = Plan::of(&observed, &spec, &options, assignment.clone());
        plan.notes.extend(same);
        Self { observed, spec, options, plan, assignment, known: None }
    }

    /// Plans the same spec with the same choices on another observation. Notes and drift of this plan are
    /// not taken over: they were of the older look.
    #[must_use]
    pub fn again(&self, observed: impl Into<Arc<Observed>>) -> Self {
        Self::make(observed, self.spec.clone(), self.options.clone())
    }

    /// The same plan with contents of configs, by their digests, where the spec lacks them: that of an older release does.
    #[must_use]
    pub fn with_contents(&self, contents: &BTreeMap<String, Arc<[u8]>>) -> Self {
        let mut spec = self.spec.clone();
        for config in spec.configs.values_mut().filter(|config| config.content.is_none()) {
            config.content = contents.get(&config.digest).cloned();
        }
        let mut filled = Self::make(Arc::clone(&self.observed), spec, self.options.clone());
        filled.plan.notes.clone_from(&self.plan.notes);
        filled.plan.drift.clone_from(&self.plan.drift);
        filled
    }

    /// With notes that were made before the plan was, such as those of pinned images, in front of its own.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<Note>) -> Self {
        self.plan.notes.splice(0..0, notes);
        self
    }

    /// Services that differ and have a value that is compared with a mark.
    #[must_use]
    pub fn hidden(&self) -> Vec<ServiceName> {
        let changed = self.plan.diff.services.iter().filter(|service| !service.changes.is_empty());
        let holds_marks = |name: &ServiceName| {
            let mut tasks = self.observed.tasks().filter(|task| task.stack == self.spec.name);
            tasks.any(|task| task.service == *name && task.key_id.is_some() && has_marks(&task.spec))
        };
        changed.map(|service| service.name.clone()).filter(holds_marks).collect()
    }

    /// Finds the values that tasks have now, as far as they are those of specs that are known: containers carry marks in
    /// their place. The newest spec comes first. Decides nothing, and shows nothing that is hidden.
    #[must_use]
    pub fn with_known<'s>(mut self, known: impl IntoIterator<Item = &'s StackSpec>) -> Self {
        if self.hidden().is_empty() {
            return self;
        }
        let mut observed = Observed::clone(&self.observed);
        known.into_iter().for_each(|spec| observed.unmask(spec));
        self.known = Some(Arc::new(observed));
        self
    }

    /// The difference; with all values that are known, if they are asked for.
    #[must_use]
    pub fn diff(&self, values: Values) -> StackDiff {
        if values == Values::Hidden {
            return self.plan.diff.clone();
        }
        let observed = self.known.as_ref().unwrap_or(&self.observed);
        let tasks = observed.tasks().filter(|task| task.stack == self.spec.name);
        let mut shown = diff::stack(tasks, &self.spec, &observed.key, values);
        let mut diff = self.plan.diff.clone();
        for service in &mut diff.services {
            if let Some(shown) = shown.services.iter_mut().find(|shown| shown.name == service.name) {
                service.changes = std::mem::take(&mut shown.changes);
            }
        }
        diff
    }

    /// Adds the drift from the stack's last release.
    #[must_use]
    pub fn with_drift(mut self, drift: Drifted) -> Self {
        self.plan.drift = drift;
        self
    }

    /// The stack that it is about.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.spec.name
    }

    /// The look at the cluster that it was made from.
    #[must_use]
    pub fn observed(&self) -> &Arc<Observed> {
        &self.observed
    }

    /// What is wanted, images pinned.
    #[must_use]
    pub fn spec(&self) -> &StackSpec {
        &self.spec
    }

    /// The choices that it was made with.
    #[must_use]
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// What people and programs are shown.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where everything goes: what a run carries out.
    #[must_use]
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.plan.forecast.waves.is_empty()
    }
}

/// A container whose label says nothing has templates as they were expanded, in its files, too. Where that is what the
/// wanted templates give, they are the same.
fn fold_templates(observed: &mut Arc<Observed>, wanted: &StackSpec) {
    let templated: BTreeMap<&ServiceName, &ServiceSpec> =
        wanted.services.iter().filter(|(_, service)| has_templates(&service.task)).collect();
    if templated.is_empty() {
        return;
    }
    let is_bare = |task: &Task| task.stack == wanted.name && task.key_id.is_none();
    let mut folded: BTreeMap<TaskId, Arc<TaskSpec>> = BTreeMap::new();
    for (member, facts) in observed.reachable() {
        for task in facts.tasks.iter().filter(|task| is_bare(task)) {
            let Some(service) = templated.get(&task.service) else { continue };
            let (stack, id, slot) = (&wanted.name, &task.id, &task.slot);
            let context = template::Context { stack, service, member, facts, task: id, slot };
            let fields = context.fields();
            let expanded = template::expand(&service.task, &fields);
            let mut spec = TaskSpec::clone(&task.spec);
            let view = TaskView::new(&fields, &expanded.environment, &expanded.configs, &wanted.configs);
            for (path, mount) in &mut spec.configs {
                let wanted = service.task.configs.get(path);
                let Some(wanted) = wanted.filter(|wanted| wanted.template_driver.is_some()) else { continue };
                if view.digest(path).as_ref() == Some(&mount.content) {
                    mount.content.clone_from(&wanted.content);
                }
            }
            for (name, value) in &mut spec.environment {
                if expanded.environment.get(name) == Some(value) {
                    value.clone_from(&service.task.environment[name]);
                }
            }
            if spec != *task.spec {
                folded.insert(task.id.clone(), Arc::new(spec));
            }
        }
    }
    if !folded.is_empty() {
        let folded = folded.into_iter().map(|(id, spec)| (id, Some(spec))).collect();
        Arc::make_mut(observed).reveal(&folded);
    }
}

fn has_templates(task: &TaskSpec) -> bool {
    template::is_templated(task) || task.configs.values().any(|mount| mount.template_driver.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::What;
    use crate::model::ids::sha256_hex;
    use crate::model::spec::{ConfigSpec, FileMount, SecretSpec};
    use crate::model::testing::*;
    use crate::model::{Health, MarkKey, Marks, ServiceMode, Slot, SpecHash, TaskId, TaskStatus, Timestamp};
    use crate::orchestrator::Problem;

    /// Of a file, a release, a saved plan or a snapshot: as many as these would take all memory.
    #[test]
    fn a_mistyped_number_of_tasks_is_a_problem_before_anything_is_made_for_them() {
        let job = ServiceMode::ReplicatedJob { total: u32::MAX, max_concurrent: u32::MAX };
        for (services, tasks) in [
            (vec![replicated("db", 1), replicated("web", 2_000_000_000)], 2_000_000_001),
            (vec![service("web", job), replicated("x", u32::MAX)], 2 * u64::from(u32::MAX)),
            (vec![replicated("web", 999_999), global("agent")], 1_000_001),
        ] {
            let planned = Planned::make(nodes(2), stack(services), PlanOptions::default());
            let [Problem::TooManyTasks { tasks: found, .. }] = planned.plan().problems.as_slice() else {
                panic!("{:?}", planned.plan().problems);
            };
            assert_eq!(*found, tasks);
            assert!(planned.plan().forecast.waves.is_empty());
        }
    }

    /// A cloned disk: the second one would write what the first one writes.
    #[test]
    fn a_copy_of_a_task_on_another_machine_stops_the_plan_by_name() {
        let service = replicated("web", 1);
        let spec = stack(vec![service.clone()]);
        let plan = |hostname: &str, id: &str| {
            let mut observed = nodes(2);
            for (node, at) in observed.nodes.values_mut().zip([5, 9]) {
                let (name, facts) = (node.member.name.clone(), facts(node));
                let task = task_of(&spec.name, &service, 1);
                facts.tasks.push(Task { node: name, created_at: Timestamp(at), ..task });
                (facts.hostname, facts.id) = (format!("{hostname}{at}"), id.to_owned());
            }
            observed.settle();
            Planned::make(observed, spec.clone(), PlanOptions::default()).plan().problems.clone()
        };
        let [Problem::NotUnderstood { node, why, .. }] = &plan("a", "same")[..] else { panic!() };
        assert_eq!(node.as_str(), "n000002");
        assert_eq!(why, "it is a copy of `app_web.1.web1` on node `n000001`");
    }

    #[test]
    fn a_host_that_does_not_answer_is_the_only_problem_where_the_others_follow_from_it() {
        let spec = stack(vec![constrained(replicated("web", 1), "node.hostname == n000002")]);
        let mut observed = nodes(2);
        silence(observed.nodes.values_mut().nth(1).unwrap());
        let planned = Planned::make(observed, spec, PlanOptions::default());
        let problems = &planned.plan().problems;
        assert!(matches!(&problems[..], [Problem::Silent { .. }]), "{problems:?}");
        assert_eq!(planned.plan().diff.services[0].kind, diff::DiffKind::Added);
    }

    #[test]
    fn of_two_copies_the_one_on_the_machine_for_which_it_was_made_is_the_task() {
        let service = replicated("web", 1);
        let spec = stack(vec![service.clone()]);
        let placed = |id: Option<&TaskId>| {
            let mut observed = nodes(2);
            for (node, at) in observed.nodes.values_mut().zip([5, 9]) {
                let (name, facts) = (node.member.name.clone(), facts(node));
                facts.hostname = format!("host{at}");
                let mut task = Task { created_at: Timestamp(at), ..task_of(&spec.name, &service, 1) };
                (task.node, task.id) = (name, id.unwrap_or(&task.id).clone());
                facts.tasks.push(task);
            }
            observed.settle();
            observed
        };
        let Task { stack, service, slot, spec_hash, .. } = placed(None).tasks().next().unwrap().clone();
        let (second, cluster) = (node_name("n000002"), &placed(None).cluster);
        let id = TaskId::derive(cluster, &stack, &service, &slot, &second, &spec_hash, false, 1);
        let observed = placed(Some(&id));
        let mut tasks = observed.tasks();
        assert_eq!(tasks.next().map(|task| (&task.id, &task.node)), Some((&id, &second)));
        assert!(tasks.next().is_none(), "the older one is the copy");
    }

    #[test]
    fn after_a_stopped_update_a_change_is_shown_against_what_most_tasks_have() {
        let of = |image: &str| with_task(replicated("web", 4), |task| image.clone_into(&mut task.image));
        let wanted = stack(vec![of("web:sick")]);
        let mut observed = nodes(1);
        let facts = facts(observed.nodes.values_mut().next().unwrap());
        facts.tasks.extend((1..=3).map(|number| task_of(&wanted.name, &of("web:1"), number)));
        facts.tasks.push(Task { created_at: Timestamp(9), ..task_of(&wanted.name, &of("web:bad"), 4) });
        let planned = Planned::make(observed, wanted, PlanOptions::default());
        let change = &planned.plan().diff.services[0].changes[0];
        assert_eq!((&*change.path, &change.before), ("image", &Some("web:1".into())));
    }

    /// Whether its file lies on a disk is decided by what is in it.
    #[test]
    fn a_config_that_asks_for_a_secret_is_brought_as_one() {
        let mount = |source: &str, content: &str, template_driver: Option<&str>| FileMount {
            source: source.into(),
            uid: "0".into(),
            gid: "0".into(),
            mode: 0o444,
            content: content.into(),
            template_driver: template_driver.map(Into::into),
        };
        let with = |text: &'static str| {
            let digest = sha256_hex(text.as_bytes());
            let service = with_task(replicated("web", 1), |task| {
                task.configs.insert("/site".into(), mount("site", &digest, Some("golang")));
                task.secrets.insert("/run/secrets/a".into(), mount("a", "v1", None));
            });
            let mut spec = stack(vec![service]);
            let site = ConfigSpec {
                name: "app_site".into(),
                external: false,
                digest,
                content: Some(Arc::from(text.as_bytes())),
                labels: BTreeMap::new(),
                template_driver: Some("golang".into()),
            };
            spec.configs.insert("site".into(), site);
            let secret = SecretSpec { name: "app_a".into(), version: "v1".into(), ..SecretSpec::default() };
            spec.secrets.insert("a".into(), secret);
            let planned = Planned::make(nodes(1), spec, PlanOptions::default());
            let is_told = planned
                .plan()
                .notes
                .iter()
                .any(|note| matches!(note, Note::ConfigsInMemory { configs } if configs == &["site"]));
            let mut tasks = planned.plan().forecast.actions().filter_map(|action| match &action.what {
                What::CreateTask { task } => Some(Arc::clone(task)),
                _ => None,
            });
            (tasks.next().unwrap(), is_told)
        };
        let (task, is_told) = with("{{if false}}{{secret \"a\"}}{{end}}");
        assert!(is_told && task.fields.is_some() && task.service.files.is_empty());
        let sources: Vec<_> =
            task.service.secrets.iter().map(|one| (&*one.target, &*one.name, one.version())).collect();
        assert_eq!(sources, [("/run/secrets/a", "app_a", Some("v1")), ("/site", "app_site", None)]);
        let (task, is_told) = with("{{env \"secret\"}}");
        assert!(!is_told && task.fields.is_some());
        assert_eq!((task.service.files.len(), task.service.secrets.len()), (1, 1));
    }

    /// After a key was lost: one task says nothing of its values and was read from its container, the other was made
    /// under the new key.
    #[test]
    fn a_task_that_was_read_from_its_container_changes_nothing_about_its_neighbours() {
        const TEXT: &[u8] = b"{{.Task.Slot}} on {{.Node.Hostname}}, {{env \"ME\"}}";
        let service = with_task(replicated("web", 2), |task| {
            task.environment.insert("ME".into(), Some("{{.Task.Slot}}".into()));
            task.environment.insert("TOKEN".into(), Some("hunter2".into()));
            let (uid, gid, template_driver) = ("0".into(), "0".into(), Some("golang".into()));
            let content = sha256_hex(TEXT);
            let site = FileMount { source: "site".into(), uid, gid, mode: 0o444, content, template_driver };
            task.configs.insert("/site".into(), site);
        });
        let mut spec = stack(vec![service.clone()]);
        let (digest, content) = (sha256_hex(TEXT), Some(Arc::from(TEXT)));
        let (name, template_driver) = ("app_site".into(), Some("golang".into()));
        let site =
            ConfigSpec { name, external: false, digest, content, labels: BTreeMap::new(), template_driver };
        spec.configs.insert("site".into(), site);
        let mut observed = nodes(2);
        observed.key = MarkKey::new([7; 32]);
        let key = observed.key.clone();
        let marks = Marks::of(&key, &spec.name, &service.name);
        let mut expanded = TaskSpec::clone(&service.task);
        expanded.environment.insert("ME".into(), Some("1".into()));
        expanded.configs.get_mut("/site").unwrap().content = sha256_hex(b"1 on host-n000001, 1");
        let of = [(expanded, None), (marks.masked(&service.task), Some(Arc::from(key.id())))];
        for ((node, (task, key_id)), number) in observed.nodes.values_mut().zip(of).zip(1..) {
            let slot = Slot::Replica(number);
            let id = TaskId::unchecked(&format!("t{number}"));
            facts(node).tasks.push(Task {
                container: format!("app_web.{number}.{id}"),
                id,
                stack: spec.name.clone(),
                service: service.name.clone(),
                slot,
                node: node_name("n"),
                attempt: 1,
                is_job: false,
                spec_hash: SpecHash::unchecked("of its label"),
                spec: Arc::new(task),
                key_id,
                status: TaskStatus::Running { health: Health::None },
                created_at: Timestamp(0),
                since: None,
                published: Vec::new(),
            });
        }
        for node in observed.nodes.values_mut() {
            let name = node.member.name.clone();
            facts(node).tasks.iter_mut().for_each(|task| task.node = name.clone());
        }
        observed.settle();
        let planned = Planned::make(observed, spec, PlanOptions::default());
        assert!(planned.plan().is_empty(), "{:#?}", planned.plan().forecast);
    }
}
