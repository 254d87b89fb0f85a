//! How a run ended, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::lease::Lost;
use super::{Kind, PUSH, Wish, look_again};
use crate::cli::cluster::Cluster;
use crate::cli::render::age::elapsed;
use crate::cli::render::plan::{short_digest, text as plan_text};
use crate::cli::render::progress::stamped;
use crate::cli::render::style::{BAD, CHANGE, FAINT, GOOD, STRONG, paint};
use crate::cli::render::text::{clean, count, pad, some_of, width};
use crate::cli::report::{Exit, draw};
use crate::cli::ui::Ui;
use crate::engine::{End, Planned};
use crate::model::{NodeName, Observed, ServiceName, ServiceSpec, Slot, Task, TaskStatus, Timestamp};
use crate::orchestrator::restart::is_complete;
use crate::orchestrator::{Ending, Problem, TaskFailure, TaskHandle, Verdict};

/// Lines of a failed task's log that are shown.
const TAIL_LINES: u32 = 10;
/// Failures that are shown with all there is to say; the others are counted.
const FAILURES_MAX: usize = 8;
/// Names in a line before the rest is counted.
const NAMES_MAX: usize = 8;

/// Who tells it.
pub(super) struct Told<'a> {
    pub(super) ui: &'a Ui,
    pub(super) cluster: &'a Cluster,
    pub(super) planned: &'a Planned,
    pub(super) wish: Wish,
    pub(super) begun: Timestamp,
    pub(super) timeout_ms: i64,
}

/// A failure to be told.
struct Shown<'a> {
    of_task: bool,
    failed: &'a TaskFailure,
    nodes: Vec<&'a NodeName>,
}

/// One thing that fails alike on many hosts, as an image without a registry does, is told once.
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

/// How many of a service's tasks do what they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) service: ServiceName,
    pub(super) up: usize,
    pub(super) tasks: usize,
}

impl Told<'_> {
    /// Everything went well. The proof of that is another look: a plan made now must be empty.
    pub(super) async fn arrival(&self, is_busy: bool) -> Exit {
        if !is_busy {
            return Exit::Done;
        }
        let again = look_again(self.cluster, self.planned, self.wish.options.clone()).await;
        let took = elapsed(self.cluster.clock.now().since_ms(self.begun));
        let stack = paint(STRONG, &self.planned.spec.name);
        if !again.plan.is_empty() {
            self.ui.talk(&format!(
                "{} every step of stack {stack} was done, and another look shows that it is not as wanted:\n",
                paint(BAD, "error:")
            ));
            for problem in &again.plan.problems {
                self.ui.talk(&draw(problem, self.ui.look()));
            }
            if !again.plan.forecast.waves.is_empty() {
                self.ui.talk(&plan_text(&super::view(&again, self.wish.kind, self.ui.is_verbose())));
            }
            self.next(&format!("run `{}` again: it continues from there", self.command()));
            let is_silent = again.plan.problems.iter().any(Problem::is_silence);
            return if is_silent { Exit::Unreachable } else { Exit::Refused };
        }
        match self.wish.kind {
            Kind::Remove => {
                let gone = count(self.tasks_before(), "task");
                self.ui.say(&format!("Stack {stack} is {}: {gone} in {took}", paint(GOOD, "removed")));
                self.volumes_kept(&again.observed);
            }
            Kind::Deploy | Kind::Move => {
                let word = if self.wish.kind == Kind::Move { "as wanted" } else { "deployed" };
                let stands = stands(&again);
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
        Exit::Done
    }

    /// Volumes outlive their stack: say so, and how to be rid of them.
    pub(super) fn volumes_kept(&self, observed: &Observed) {
        volumes_kept(self.ui, observed, self.planned.spec.name.as_str());
    }

    /// Something did not go well: what, why, its last words, and what to type next.
    pub(super) async fn failure(&self, verdict: &Verdict) -> Exit {
        let stack = &self.planned.spec.name;
        let of_tasks = verdict.services.iter().flat_map(|service| {
            let shown = |failed| Shown { of_task: true, failed, nodes: vec![&failed.node] };
            service.failures.iter().chain(&service.return_failures).map(shown)
        });
        let all: Vec<Shown<'_>> = folded(&verdict.failures).into_iter().chain(of_tasks).collect();
        let tails: Vec<Vec<String>> = join_all(all.iter().take(FAILURES_MAX).map(|shown| async move {
            match &shown.failed.container {
                Some(container) => {
                    self.cluster.observer.tail(&shown.failed.node, container, TAIL_LINES).await
                }
                None => Vec::new(),
            }
        }))
        .await;
        for (shown, tail) in all.iter().zip(tails) {
            self.one_failure(shown, &tail);
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
                says("back as before", service.returned);
            }
            if service.not_returned > 0 {
                says("not taken back", service.not_returned);
            }
            if service.untouched > 0 {
                says("not touched", service.untouched);
            }
            if !service.waited_for.is_empty() && service.failures.is_empty() {
                let names: Vec<&str> = service.waited_for.iter().map(ServiceName::as_str).collect();
                let text = format!("{}: waited in vain for {}", service.service, some_of(&names, NAMES_MAX));
                self.ui.talk(&format!("{}\n", paint(CHANGE, text)));
            }
        }
        let (exit, words) = match verdict.ending {
            Ending::Converged => (Exit::Done, "is as wanted"),
            Ending::NotPrepared => {
                (Exit::Refused, "could not be prepared: nothing was stopped and nothing was started")
            }
            Ending::Failed => (Exit::Refused, "is not as wanted"),
            Ending::RolledBack => (Exit::RolledBack, "is rolled back: what failed runs as before"),
            Ending::Paused => (Exit::Paused, "is half way: its update is paused"),
            Ending::RollbackPaused => {
                (Exit::Paused, "is half way back: its rollback failed as well and is paused")
            }
            Ending::HostSilent => {
                (Exit::Unreachable, "is in an unknown state: a host went silent on the way")
            }
        };
        self.ui.talk(&format!("{} stack {} {words}\n", paint(BAD, "error:"), paint(STRONG, stack)));
        let with_log = verdict.services.iter().find(|one| one.failures.iter().any(|f| f.container.is_some()));
        if let Some(service) = with_log {
            self.next(&format!("stackctl logs {stack} {}", service.service));
        }
        let next = match verdict.ending {
            Ending::RolledBack => format!("mend it, then `{}` again", self.command()),
            Ending::RollbackPaused => {
                format!("`stackctl ps {stack}` shows what runs; `{}` goes on from here", self.command())
            }
            _ => format!("`{}` again continues from here", self.command()),
        };
        self.next(&next);
        exit
    }

    fn one_failure(&self, shown: &Shown<'_>, tail: &[String]) {
        let (stack, failed) = (&self.planned.spec.name, shown.failed);
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
            self.ui.talk("  its last words:\n");
            for line in tail {
                self.ui.talk(&format!("    {} {}\n", paint(FAINT, "|"), clean(line)));
            }
        }
    }

    /// Nobody waits for the rest.
    pub(super) fn detached(&self) -> Exit {
        let stack = &self.planned.spec.name;
        self.ui.say(&format!(
            "Stack {}: every step is done; whether the tasks prove stable was not waited for",
            paint(STRONG, stack)
        ));
        self.next(&format!("stackctl ps {stack}"));
        Exit::Done
    }

    /// The time is over.
    pub(super) fn timed_out(&self, tasks: &[(NodeName, TaskHandle)]) -> Exit {
        let stack = &self.planned.spec.name;
        self.ui.talk(&format!(
            "{} stack {} is not as wanted after {}\n",
            paint(BAD, "error:"),
            paint(STRONG, stack),
            elapsed(self.timeout_ms)
        ));
        let names: Vec<String> = tasks.iter().map(|(node, task)| format!("{task} on {node}")).collect();
        if !names.is_empty() {
            self.ui.talk(&format!("  not up yet: {}\n", some_of(&names, NAMES_MAX)));
        }
        self.next(&format!(
            "`stackctl ps {stack}` shows how it stands; `{}` again, with a longer --timeout, continues",
            self.command()
        ));
        Exit::Deadline
    }

    /// Somebody said stop.
    pub(super) fn interrupted(&self) -> Exit {
        let stack = &self.planned.spec.name;
        self.ui.talk(&format!(
            "{} stack {} is half way: `{}` again continues from there\n",
            paint(CHANGE, "interrupted:"),
            paint(STRONG, stack),
            self.command()
        ));
        Exit::Interrupted
    }

    /// Somebody else may be at work by now.
    pub(super) fn lease_lost(&self) -> Exit {
        let lost = Lost { stack: self.planned.spec.name.clone() };
        self.ui.talk(&draw(&lost, self.ui.look()));
        Exit::Locked
    }

    /// The last line for programs.
    pub(super) fn json(&self, end: &End, exit: Exit, now: Timestamp) -> Value {
        let mut value = json!({
            "stack": self.planned.spec.name,
            "status": exit.code(),
            "duration_ms": now.since_ms(self.begun),
        });
        value["end"] = match end {
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

    fn command(&self) -> String {
        match self.wish.command {
            // The stackfile is in a repository, and nobody there types our commands.
            PUSH => PUSH.to_owned(),
            command => format!("stackctl {command} … {}", self.planned.spec.name),
        }
    }

    fn tasks_before(&self) -> usize {
        let stack = &self.planned.spec.name;
        self.planned.observed.tasks().filter(|task| task.stack == *stack && task.is_live()).count()
    }
}

/// Volumes whose names begin with the stack's, and the command that removes them.
pub(in crate::cli) fn volumes_kept(ui: &Ui, observed: &Observed, stack: &str) {
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

/// How every service stands.
fn stands(planned: &Planned) -> Vec<Stand> {
    let stack = &planned.spec.name;
    planned
        .spec
        .services
        .values()
        .map(|service| {
            let tasks: Vec<&Task> = planned
                .observed
                .tasks()
                .filter(|task| task.stack == *stack && task.service == service.name)
                .collect();
            stand(service, &tasks)
        })
        .collect()
}

fn stand(service: &ServiceSpec, tasks: &[&Task]) -> Stand {
    let is_done = |task: &&Task| match task.status {
        TaskStatus::Exited { exit_code } => {
            is_complete(&service.task.restart_policy, service.mode.is_job(), exit_code)
        }
        status => status.is_up(),
    };
    let counts = |task: &&&Task| task.is_live() || service.mode.is_job() || is_done(task);
    let slots: BTreeSet<&Slot> = tasks.iter().filter(counts).map(|task| &task.slot).collect();
    let done: BTreeSet<&Slot> = tasks.iter().filter(|task| is_done(task)).map(|task| &task.slot).collect();
    Stand { service: service.name.clone(), up: slots.intersection(&done).count(), tasks: slots.len() }
}

fn sums(stands: &[Stand]) -> (usize, usize) {
    stands.iter().fold((0, 0), |(up, all), stand| (up + stand.up, all + stand.tasks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::{Failure, FailureKind};

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
        let told: Vec<(String, Vec<&str>)> = folded(&failures)
            .into_iter()
            .map(|one| (one.failed.what.clone(), one.nodes.iter().map(|node| node.as_str()).collect()))
            .collect();
        assert_eq!(
            told,
            [
                ("pull image a".to_owned(), vec!["h1", "h2"]),
                ("pull image a".to_owned(), vec!["h3"]),
                ("pull image b".to_owned(), vec!["h1"]),
            ]
        );
    }
}
