//! Reports how a run ended, and what the user can do next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Kind, PUSH, RolloutOptions};
use crate::cli::render::age::{elapsed, human_duration};
use crate::cli::render::plan::{short_digest, text as plan_text};
use crate::cli::render::progress::stamped;
use crate::cli::render::style::{BAD, CHANGE, FAINT, GOOD, STRONG, paint};
use crate::cli::render::text::{clean, count, pad, some_of, width};
use crate::cli::render::volumes::short_name;
use crate::cli::report::{Blame, Exit, Failure, draw};
use crate::cli::ui::Ui;
use crate::model::action::TaskHandle;
use crate::model::restart::is_complete;
use crate::model::volume::AnonymousVolume;
use crate::model::{
    NodeName, Observed, ServiceName, ServiceSpec, Slot, StackName, Task, TaskStatus, Timestamp,
};
use crate::ops::records::Holder;
use crate::ops::{RunReport, Tail};
use crate::orchestrator::End;
use crate::orchestrator::{Ending, Planned, Problem, TaskFailure, Verdict};

/// Failures that are shown with all there is to say; the others are counted.
const FAILURES_MAX: usize = 8;
/// Names in a line before the rest is counted.
const NAMES_MAX: usize = 8;

/// Another process holds the lock.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` is locked by {who} (process {pid}, `{verb}`); last heartbeat {age}")]
#[diagnostic(code(stackctl::lease::held), help("{help}"))]
struct Held {
    stack: StackName,
    who: String,
    pid: u32,
    verb: String,
    age: String,
    help: String,
}

/// The lease was lost.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the lease on stack `{stack}` was lost during the run: stackctl stopped")]
#[diagnostic(
    code(stackctl::lease::lost),
    help(
        "a majority of the managers did not answer for some seconds or could not write, or another user ended the \
         lease; run the command again: it says what is wrong, or continues from the state that it finds"
    )
)]
struct Lost {
    stack: StackName,
}

/// A lock that another process holds.
pub(super) fn held(
    stack: StackName,
    holder: Holder,
    age_ms: Option<i64>,
    lasts_ms: i64,
    has_ended: bool,
) -> Failure {
    let age = age_ms
        .map_or("at an unknown time".to_owned(), |ms| format!("{} ago", human_duration(ms).to_lowercase()));
    let Holder { id, who, pid, verb, .. } = holder;
    let lasts = format!("{} s after its last heartbeat", lasts_ms.saturating_add(999) / 1_000);
    let help = if has_ended {
        format!(
            "that process has ended, and what it sent may still arrive: wait with `--lock-timeout 5m`; the lock expires {lasts}"
        )
    } else {
        format!(
            "wait for it with `--lock-timeout 5m`; if that process is gone, its lock expires {lasts}. If it hangs and you \
             cannot end it, `stackctl unlock {id}` ends its lock; the next command waits for what it may have sent all \
             the same"
        )
    };
    Failure::new(Blame::Locked, Held { stack, who, pid, verb, age, help })
}

/// A lock that was lost before anything was changed.
pub(super) fn lost(stack: StackName) -> Failure {
    Failure::new(Blame::Locked, Lost { stack })
}

/// The exit status of a run.
pub(in crate::cli) fn exit(report: &RunReport<Planned>) -> Exit {
    match &report.end {
        End::Verdict(verdict) => match verdict.ending {
            Ending::Converged => match &report.proof {
                None => Exit::Done,
                Some(proof) if proof.plan().is_empty() => Exit::Done,
                Some(proof) if proof.plan().problems.iter().any(Problem::is_silence) => Exit::Unreachable,
                Some(_) => Exit::Refused,
            },
            Ending::NotPrepared | Ending::Failed => Exit::Refused,
            Ending::RolledBack => Exit::RolledBack,
            Ending::Paused | Ending::RollbackPaused => Exit::Paused,
            Ending::HostSilent => Exit::Unreachable,
        },
        End::Detached => Exit::Done,
        // Nothing converges that was not begun.
        End::TimedOut(_) if report.is_unbegun => Exit::Refused,
        End::TimedOut(_) => Exit::Deadline,
        End::Interrupted => Exit::Interrupted,
        End::LeaseLost => Exit::Locked,
    }
}

/// Reports how a run ended.
pub(super) struct Summary<'a> {
    pub(super) ui: &'a Ui,
    pub(super) report: &'a RunReport<Planned>,
    pub(super) choices: &'a RolloutOptions,
}

/// A failure as it is shown: once for all hosts that it happened on.
struct Shown<'a> {
    of_task: bool,
    failed: &'a TaskFailure,
    nodes: Vec<&'a NodeName>,
}

/// Folds equal failures on many hosts, such as an image without a registry, into one.
fn folded(failures: &[TaskFailure]) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = Vec::new();
    for failed in failures {
        let same = all.iter_mut().find(|shown| {
            shown.failed.what == failed.what && shown.failed.failure.code == failed.failure.code
        });
        match same {
            Some(shown) => shown.nodes.push(&failed.node),
            None => all.push(Shown { of_task: false, failed, nodes: vec![&failed.node] }),
        }
    }
    for shown in &mut all {
        shown.nodes.sort();
    }
    all
}

/// How many of a service's tasks are up, or done if it is a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) service: ServiceName,
    pub(super) up: usize,
    pub(super) tasks: usize,
}

impl Summary<'_> {
    /// For people.
    pub(super) fn tell(&self) {
        match &self.report.end {
            End::Verdict(verdict) if verdict.ending == Ending::Converged => self.arrival(),
            End::Verdict(verdict) => self.failure(verdict),
            End::Detached => self.detached(),
            End::TimedOut(tasks) => self.timed_out(tasks),
            End::Interrupted => self.interrupted(),
            End::LeaseLost => self.lease_lost(),
        }
    }

    /// Every step succeeded. The proof is a fresh observation: a plan made from it must be empty.
    fn arrival(&self) {
        let Some(again) = &self.report.proof else { return };
        let took = elapsed(self.report.ended.since_ms(self.report.began));
        let stack = paint(STRONG, self.stack());
        if !again.plan().is_empty() {
            self.not_arrived(again);
            return;
        }
        match self.choices.kind {
            Kind::Remove => {
                let gone = count(self.tasks_before(), "task");
                self.ui.say(&format!("Stack {stack} is {}: {gone} in {took}", paint(GOOD, "removed")));
                volumes_kept(self.ui, self.report.plan.observed(), again.observed(), self.stack());
            }
            Kind::Deploy | Kind::Move => {
                let word = if self.choices.kind == Kind::Move { "as declared" } else { "deployed" };
                let stands = stands(again);
                let (up, all) = sums(&stands);
                self.ui.say(&format!(
                    "Stack {stack} is {}: {up} of {} up in {took}",
                    paint(GOOD, word),
                    count(all, "task")
                ));
                let column = stands.iter().map(|stand| width(stand.service.as_str())).max().unwrap_or(0);
                for Stand { service, up, tasks } in &stands {
                    self.ui.say(&format!("  {}  {up}/{tasks}", pad(service.as_str(), column)));
                }
            }
        }
    }

    fn not_arrived(&self, again: &Planned) {
        let is_seen = again.plan().problems.is_empty();
        let finds = if is_seen {
            "shows that it is not as declared"
        } else {
            "cannot tell whether it is as declared"
        };
        self.ui.talk(&format!(
            "{} every step of stack {} was done, but another look at the hosts {finds}:\n",
            paint(BAD, "error:"),
            paint(STRONG, self.stack())
        ));
        for problem in &again.plan().problems {
            self.ui.talk(&draw(problem, self.ui.look()));
        }
        if !again.plan().forecast.waves.is_empty() {
            let diff = again.diff(self.choices.values);
            let view = super::view(again, &diff, self.choices.kind, self.ui.is_verbose());
            self.ui.talk(&plan_text(&view));
        }
        self.next(&self.again(": it continues from here"));
    }

    fn stack(&self) -> &StackName {
        self.report.plan.stack()
    }

    /// A failed run: what failed, why, the last lines of its log, and the command to run next.
    fn failure(&self, verdict: &Verdict) {
        let stack = self.stack();
        let of_tasks = verdict.services.iter().flat_map(|service| {
            let shown = |failed| Shown { of_task: true, failed, nodes: vec![&failed.node] };
            service.failures.iter().chain(&service.return_failures).map(shown)
        });
        let all: Vec<Shown<'_>> = folded(&verdict.failures).into_iter().chain(of_tasks).collect();
        for shown in all.iter().take(FAILURES_MAX) {
            self.one_failure(shown, self.tail(shown.failed));
        }
        if all.len() > FAILURES_MAX {
            self.ui.talk(&format!("… and {} more\n", count(all.len() - FAILURES_MAX, "failure")));
        }
        for service in &verdict.services {
            let says = |what: &str, n: u32| {
                let text = format!("{}: {} {what}", service.service, count(n as usize, "task"));
                self.ui.talk(&format!("{}\n", paint(CHANGE, text)));
            };
            if service.returned > 0 {
                says("rolled back", service.returned);
            }
            if service.not_returned > 0 {
                says("not rolled back", service.not_returned);
            }
            if service.untouched > 0 {
                says("not touched", service.untouched);
            }
            if !service.waited_for.is_empty() && service.failures.is_empty() {
                let names: Vec<&str> = service.waited_for.iter().map(ServiceName::as_str).collect();
                let text = format!(
                    "{}: skipped, because it depends on {}",
                    service.service,
                    some_of(&names, NAMES_MAX)
                );
                self.ui.talk(&format!("{}\n", paint(CHANGE, text)));
            }
        }
        let words = match verdict.ending {
            Ending::Converged => "is as declared",
            Ending::NotPrepared => "could not be prepared: no task was stopped or started",
            Ending::Failed => "is not as declared",
            Ending::RolledBack => "is rolled back: the services that failed run as before",
            Ending::Paused => "is not fully updated: its update is paused",
            Ending::RollbackPaused => "is partly rolled back: its rollback failed as well, and is paused",
            Ending::HostSilent => "is in an unknown state: a host stopped answering during the run",
        };
        self.ui.talk(&format!("{} stack {} {words}\n", paint(BAD, "error:"), paint(STRONG, stack)));
        let with_log = verdict.services.iter().find(|one| one.failures.iter().any(|f| f.container.is_some()));
        if let Some(service) = with_log {
            self.next(&format!("stackctl logs {stack} {}", service.service));
        }
        let next = match verdict.ending {
            Ending::RolledBack => format!("fix the cause, then {}", self.again("")),
            Ending::RollbackPaused => {
                format!("`stackctl ps {stack}` shows what runs; {}", self.again(": it continues from here"))
            }
            _ => self.again(": it continues from here"),
        };
        self.next(&next);
    }

    /// The last lines of the container that failed.
    fn tail(&self, failed: &TaskFailure) -> &[String] {
        let of_it =
            |tail: &&Tail| tail.node == failed.node && failed.container.as_ref() == Some(&tail.container);
        self.report.tails.iter().find(of_it).map_or(&[], |tail| &tail.lines)
    }

    fn one_failure(&self, shown: &Shown<'_>, tail: &[String]) {
        let (stack, failed) = (self.stack(), shown.failed);
        let what =
            if shown.of_task { format!("{stack}_{}", failed.what) } else { short_digest(&failed.what) };
        let nodes: Vec<&str> = shown.nodes.iter().map(|node| node.as_str()).collect();
        self.ui.talk(&format!(
            "{} {} on {}: {} {}\n",
            paint(BAD, "error:"),
            paint(STRONG, clean(&what)),
            some_of(&nodes, NAMES_MAX),
            clean(&failed.failure.message),
            paint(FAINT, format!("({})", failed.failure.code)),
        ));
        if let Some(help) = &failed.failure.help {
            self.ui.talk(&format!("  help: {}\n", clean(help)));
        }
        if !tail.is_empty() {
            self.ui.talk("  the last lines of its log:\n");
            for line in tail {
                self.ui.talk(&format!("    {} {}\n", paint(FAINT, "|"), clean(line)));
            }
        }
    }

    /// A detached run: stackctl does not wait until the tasks are stable.
    fn detached(&self) {
        let stack = self.stack();
        self.ui.say(&format!(
            "Stack {}: every step is done; stackctl did not wait until the tasks are stable",
            paint(STRONG, stack)
        ));
        self.next(&format!("stackctl ps {stack}"));
    }

    /// `--timeout` passed.
    fn timed_out(&self, tasks: &[(NodeName, TaskHandle)]) {
        let stack = self.stack();
        if self.report.is_unbegun {
            self.ui.talk(&format!(
                "{} the images of stack {} were not pulled within {}: nothing was changed\n",
                paint(BAD, "error:"),
                paint(STRONG, stack),
                elapsed(self.report.timeout_ms)
            ));
            return self.next(&self.again(" with a longer --timeout"));
        }
        self.ui.talk(&format!(
            "{} stack {} is not as declared after {}\n",
            paint(BAD, "error:"),
            paint(STRONG, stack),
            elapsed(self.report.timeout_ms)
        ));
        let names: Vec<String> = tasks.iter().map(|(node, task)| format!("{task} on {node}")).collect();
        if !names.is_empty() {
            self.ui.talk(&format!("  not up yet: {}\n", some_of(&names, NAMES_MAX)));
        }
        let again = self.again(" with a longer --timeout: it continues from here");
        self.next(&format!("`stackctl ps {stack}` shows its state; {again}"));
    }

    /// The user interrupted the run.
    fn interrupted(&self) {
        let stack = paint(STRONG, self.stack());
        let (state, rest) = match self.report.is_unbegun {
            true => (format!("nothing of stack {stack} was changed"), ""),
            false => (format!("stack {stack} is partly changed"), ": it continues from here"),
        };
        self.ui.talk(&format!("{} {state}; {}\n", paint(CHANGE, "interrupted:"), self.again(rest)));
    }

    /// Another process may hold the lock by now.
    fn lease_lost(&self) {
        let lost = Lost { stack: self.stack().clone() };
        self.ui.talk(&draw(&lost, self.ui.look()));
    }

    /// The last line for programs.
    pub(super) fn json(&self, now: Timestamp) -> Value {
        let exit = exit(self.report);
        let mut value = json!({
            "stack": self.stack(),
            "status": exit.code(),
            "duration_ms": now.since_ms(self.report.began),
        });
        value["end"] = match &self.report.end {
            End::Verdict(verdict) => {
                value["verdict"] = json!(verdict);
                if verdict.ending == Ending::Converged && exit != Exit::Done {
                    json!("not_arrived")
                } else {
                    json!(verdict.ending)
                }
            }
            End::Detached => "detached".into(),
            End::TimedOut(tasks) => {
                value["awaited"] = tasks
                    .iter()
                    .map(|(node, task)| json!({ "node": node, "task": task.to_string() }))
                    .collect::<Vec<_>>()
                    .into();
                "timed_out".into()
            }
            End::Interrupted => "interrupted".into(),
            End::LeaseLost => "lease_lost".into(),
        };
        stamped(now, "end", value)
    }

    fn next(&self, what: &str) {
        self.ui.say(&format!("  next: {what}"));
    }

    /// What helps: the command again, and `rest` about it.
    fn again(&self, rest: &str) -> String {
        let is_unbegun = self.report.is_unbegun;
        match self.choices.command {
            // The stackfile is in a repository, whose users do not run stackctl. Git runs no hook without a commit, and
            // what a commit did not change is not released twice, unless it was never begun.
            PUSH if is_unbegun => "push any commit, also an empty one".to_owned(),
            PUSH => "push a commit that changes the stack".to_owned(),
            command => format!("run `stackctl {command} … {}` again{rest}", self.stack()),
        }
    }

    fn tasks_before(&self) -> usize {
        let stack = self.stack();
        self.report.plan.observed().tasks().filter(|task| task.stack == *stack && task.is_live()).count()
    }
}

/// Volumes of a stack that is gone: those whose names begin with the stack's, with the command that removes them, and
/// those that engines had made for its tasks. `before` shows the tasks, `observed` what is there now.
pub(in crate::cli) fn volumes_kept(ui: &Ui, before: &Observed, observed: &Observed, stack: &StackName) {
    named_volumes_kept(ui, observed, stack);
    let mut kept: Vec<String> = Vec::new();
    for (member, facts) in before.reachable() {
        let is_there = |name: &str| {
            let facts = observed.nodes.get(&member.name).and_then(|node| node.view.facts());
            facts.is_none_or(|facts| facts.volumes.contains(name))
        };
        for (name, of, made) in facts.anonymous_volumes() {
            if of == stack && !made.is_for_files && is_there(name) {
                let AnonymousVolume { service, slot, target, .. } = made;
                kept.push(format!("{service}.{slot} {target}  {}  on {}", short_name(name), member.name));
            }
        }
    }
    if kept.is_empty() {
        return;
    }
    ui.say("Volumes without a name are kept:");
    kept.sort();
    for line in kept.iter().take(NAMES_MAX) {
        ui.say(&format!("  {}", clean(line)));
    }
    if kept.len() > NAMES_MAX {
        ui.say(&format!("  … and {}", count(kept.len() - NAMES_MAX, "more volume")));
    }
    ui.say(&format!("To see them all, with older ones: stackctl volume ls -f stack={stack}"));
}

fn named_volumes_kept(ui: &Ui, observed: &Observed, stack: &StackName) {
    let prefix = format!("{stack}_");
    let mut by_volume: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut commands: Vec<String> = Vec::new();
    for (member, facts) in observed.reachable() {
        let names: Vec<&str> =
            facts.volumes.iter().map(String::as_str).filter(|name| name.starts_with(&prefix)).collect();
        for &name in &names {
            by_volume.entry(name).or_default().push(member.name.as_str());
        }
        if !names.is_empty() {
            commands.push(format!("docker -H {} volume rm {}", address(&member.address), names.join(" ")));
        }
    }
    if by_volume.is_empty() {
        return;
    }
    ui.say("Volumes are kept:");
    for (name, nodes) in &by_volume {
        ui.say(&format!("  {}  on {}", clean(name), some_of(nodes, NAMES_MAX)));
    }
    ui.say("To remove them with all that is in them:");
    for command in commands {
        ui.say(&format!("  {}", clean(&command)));
    }
}

/// What docker's `-H` takes: it wants a scheme.
fn address(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("ssh://{address}") }
}

/// The state of every service.
fn stands(planned: &Planned) -> Vec<Stand> {
    let stack = planned.stack();
    planned
        .spec()
        .services
        .values()
        .map(|service| {
            let tasks: Vec<&Task> = planned
                .observed()
                .tasks()
                .filter(|task| task.stack == *stack && task.service == service.name)
                .collect();
            stand(service, &tasks)
        })
        .collect()
}

fn stand(service: &ServiceSpec, tasks: &[&Task]) -> Stand {
    let is_job = service.mode.is_job();
    let is_over = |code| is_complete(&service.task.restart_policy, is_job, code);
    let counts = |task: &Task| match task.status {
        TaskStatus::Exited { exit_code } => is_job || is_over(exit_code),
        status => is_job || status.is_live(),
    };
    // A policy may leave a task at any status: it is up, or done, with none but 0.
    let is_well = |task: &Task| match task.status {
        TaskStatus::Exited { exit_code } => exit_code == 0 && is_over(0),
        status => status.is_up(),
    };
    let mut slots: BTreeMap<&Slot, Vec<&Task>> = BTreeMap::new();
    for task in tasks.iter().filter(|task| counts(task)) {
        slots.entry(&task.slot).or_default().push(task);
    }
    // What an older task came to says nothing of its slot, unless it is a job that is done.
    let age = |task: &&&Task| (task.is_live(), task.created_at, task.attempt);
    let is_up = |of_slot: &&Vec<&Task>| match of_slot.iter().max_by_key(age) {
        Some(newest) if !is_job && !newest.is_live() => is_well(newest),
        _ => of_slot.iter().any(|task| (is_job || task.is_live()) && is_well(task)),
    };
    Stand { service: service.name.clone(), up: slots.values().filter(is_up).count(), tasks: slots.len() }
}

fn sums(stands: &[Stand]) -> (usize, usize) {
    stands.iter().fold((0, 0), |(up, all), stand| (up + stand.up, all + stand.tasks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::{Failure, FailureKind};
    use crate::model::spec::RestartCondition;
    use crate::model::testing::{STACK, replicated, task_of, with_task};

    #[test]
    fn a_task_that_ended_badly_is_not_up_though_its_policy_leaves_it_at_that() {
        let once =
            |condition| with_task(replicated("web", 1), |task| task.restart_policy.condition = condition);
        let ended = |service: &ServiceSpec, attempt: u32, exit_code: i64| Task {
            status: TaskStatus::Exited { exit_code },
            attempt,
            created_at: Timestamp(i64::from(attempt)),
            ..task_of(&StackName::unchecked(STACK), service, 1)
        };
        let none = once(RestartCondition::None);
        let of = |service: &ServiceSpec, tasks: &[&Task]| {
            let Stand { up, tasks, .. } = stand(service, tasks);
            (up, tasks)
        };
        assert_eq!(of(&none, &[&ended(&none, 1, 0)]), (1, 1), "it has done its work");
        assert_eq!(of(&none, &[&ended(&none, 1, 3)]), (0, 1));
        assert_eq!(of(&none, &[&ended(&none, 1, 0), &ended(&none, 2, 3)]), (0, 1), "the older one is none");
        let runs = task_of(&StackName::unchecked(STACK), &none, 1);
        assert_eq!(of(&none, &[&ended(&none, 1, 3), &runs]), (1, 1));
        let frozen = Task { status: TaskStatus::Paused, ..runs };
        assert_eq!(of(&none, &[&ended(&none, 1, 0), &frozen]), (0, 1));
        let any = once(RestartCondition::Any);
        assert_eq!(of(&any, &[&ended(&any, 1, 0)]), (0, 0), "it is to be replaced");
    }

    #[test]
    fn what_fails_alike_on_many_hosts_is_told_once() {
        let failed = |node: &str, what: &str, code: &str| TaskFailure {
            node: NodeName::unchecked(node),
            what: what.to_owned(),
            container: None,
            task: None,
            failure: Failure {
                kind: FailureKind::Refused,
                code: code.to_owned(),
                message: format!("no, says {node}"),
                help: None,
            },
        };
        let failures = [
            failed("h2", "pull image a", "unreachable"),
            failed("h1", "pull image a", "unreachable"),
            failed("h3", "pull image a", "not_found"),
            failed("h1", "pull image b", "unreachable"),
        ];
        let shown: Vec<(String, Vec<&str>)> = folded(&failures)
            .into_iter()
            .map(|one| (one.failed.what.clone(), one.nodes.iter().map(|node| node.as_str()).collect()))
            .collect();
        assert_eq!(
            shown,
            [
                ("pull image a".to_owned(), vec!["h1", "h2"]),
                ("pull image a".to_owned(), vec!["h3"]),
                ("pull image b".to_owned(), vec!["h1"]),
            ]
        );
    }
}
