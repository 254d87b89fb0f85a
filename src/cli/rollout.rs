//! From a plan to the proof that it came true: what all commands have in common that change what runs,
//! and `diff` its beginning.

mod ending;
mod interrupt;
mod lease;
mod screen;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cluster::{Cluster, blame, env};
use super::format::Format;
use super::notify::Notifier;
use super::render::plan::{self, PlanView};
use super::render::progress::{self, Board};
use super::render::style::{STRONG, paint};
use super::render::text::{clean, count, pad, some_of, width};
use super::report::{self, Exit, Failure};
use super::{Context, ui::Ui};
use crate::engine::reconcile::News;
use crate::engine::{self, Crew, End, Journal, Planned, RunOptions, Validity};
use crate::ledger::LedgerError;
use crate::ledger::release::{History, Outcome};
use crate::model::{ClusterName, GoDuration, NodeName, ServiceName, Slot, StackName, Timestamp};
use crate::orchestrator::{Assignment, Ending, Plan, PlanOptions, Problem, assign};

use ending::Told;
pub(super) use ending::volumes_kept;
pub(super) use interrupt::Interrupt;
use lease::Beginning;
pub(super) use lease::{Draft, Edit, Record};
use screen::Screen;

/// How long a run is watched unless `--timeout` says otherwise.
const TIMEOUT_MS: i64 = 10 * 60 * 1000;

/// The command of those who push.
pub(super) const PUSH: &str = "git push";

/// What was asked for besides the stack itself.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// What was typed behind `stackctl`: `deploy`; or [`PUSH`].
    pub(super) command: &'static str,
    /// What is to become of the stack.
    pub(super) kind: Kind,
    pub(super) format: Format,
    pub(super) yes: bool,
    pub(super) dry_run: bool,
    /// The plan that was shown is carried out or none: it is not made anew should others come between.
    pub(super) is_exact: bool,
    pub(super) detach: bool,
    pub(super) timeout: Option<GoDuration>,
    /// How long to wait for somebody else who is at work on the stack.
    pub(super) lock_timeout: Option<GoDuration>,
    pub(super) options: PlanOptions,
    /// Slots of each stack that are to move, besides those of the options.
    pub(super) moves: BTreeMap<StackName, BTreeMap<(ServiceName, Slot), NodeName>>,
}

impl Wish {
    /// What is wished of one stack.
    fn of(&self, stack: &StackName) -> Self {
        let mut wish = self.clone();
        wish.options.moves.extend(wish.moves.remove(stack).unwrap_or_default());
        wish
    }
}

/// A plan that is to be carried out.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) planned: Planned,
    /// The ledger's part of it, or why there is none; `None` for those that only look.
    pub(super) record: Option<Result<Record, LedgerError>>,
}

/// What is to become of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Deploy,
    Remove,
    /// Only its tasks go to other nodes.
    Move,
}

/// What stops a plan, all of it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} in the way of stack `{stack}`: nothing was changed", problems_are(problems))]
#[diagnostic(code(stackctl::plan::refused))]
struct Refused {
    stack: StackName,
    #[related]
    problems: Vec<Problem>,
}

fn problems_are(problems: &[Problem]) -> String {
    if problems.len() == 1 { "1 problem is".to_owned() } else { format!("{} problems are", problems.len()) }
}

/// Nobody said yes.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("not confirmed: nothing was changed")]
#[diagnostic(code(stackctl::cli::not_confirmed))]
pub(super) struct NotConfirmed;

/// A plan as it is shown.
pub(super) fn view<'a>(planned: &'a Planned, kind: Kind, is_whole: bool) -> PlanView<'a> {
    let stack = &planned.spec.name;
    PlanView {
        stack,
        cluster: &planned.observed.cluster,
        nodes: planned.observed.reachable().count(),
        tasks: planned.observed.tasks().filter(|task| task.stack == *stack && task.is_live()).count(),
        diff: &planned.plan.diff,
        forecast: &planned.plan.forecast,
        drift: &planned.plan.drift,
        notes: &planned.plan.notes,
        wanted: (kind != Kind::Remove).then_some(&planned.spec),
        is_whole,
    }
}

/// A plan with problems is no plan: all of them are said, and nothing is done.
pub(super) fn refuse_problems(ui: &Ui, planned: &Planned) -> Result<(), Failure> {
    let problems = planned.plan.problems.clone();
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        if let Problem::Unplaced(unplaced) = problem {
            let columns = unplaced.nodes.iter().map(|(node, _)| width(node.as_str())).max().unwrap_or(0);
            ui.detail(&format!("Nodes for service {}:", paint(STRONG, &unplaced.service)));
            for (node, why) in &unplaced.nodes {
                ui.detail(&format!("  {}  {}", pad(node.as_str(), columns), clean(why)));
            }
        }
    }
    let is_silent = problems.iter().any(Problem::is_silence);
    let stack = planned.spec.name.clone();
    Err(Failure::new(blame(is_silent), Refused { stack, problems }))
}

/// Shows plans, asks once, and carries them out one after the other.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    all: Vec<Job>,
    wish: Wish,
) -> Result<Exit, Failure> {
    carry_out_after(context, cluster, all, wish, async || Ok(())).await
}

/// The same, with something that is done once it is known that plans will be carried out, and before the
/// first of them is.
pub(super) async fn carry_out_after(
    context: &Context,
    cluster: &Cluster,
    all: Vec<Job>,
    wish: Wish,
    first: impl AsyncFnOnce() -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let ui = &context.ui;
    if wish.format == Format::Json {
        say_json(ui, &progress::version(cluster.clock.now()));
    }
    for Job { planned, .. } in &all {
        if wish.format == Format::Json {
            for problem in &planned.plan.problems {
                let at = cluster.clock.now();
                say_json(ui, &progress::stamped(at, "diagnostic", report::to_json(problem)));
            }
        }
        refuse_problems(ui, planned)?;
    }
    for Job { planned, .. } in &all {
        show_plan(ui, planned, wish.clone(), cluster.clock.now());
    }
    if wish.dry_run {
        return Ok(Exit::Done);
    }
    let to_do: Vec<&str> = all
        .iter()
        .filter(|job| !job.planned.plan.forecast.waves.is_empty())
        .map(|job| job.planned.spec.name.as_str())
        .collect();
    if !to_do.is_empty() && !wish.yes {
        let question = question(wish.kind, &to_do, &cluster.inventory.cluster);
        if !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
    }
    first().await?;
    let interrupt = Interrupt::listen();
    let mut exit = Ok(Exit::Done);
    let ill = all.iter().filter_map(ill).collect();
    let mut notifier = Notifier::start(cluster, &ill);
    let mut complaints = notifier.complaints();
    for job in all {
        let ran = one(context, cluster, job, wish.clone(), &interrupt, &notifier, async |_| Ok(true)).await;
        exit = ran.map(|ran| ran.map_or(Exit::Done, |ran| ran.exit));
        if !matches!(exit, Ok(Exit::Done)) {
            break;
        }
    }
    // Also where a later stack could not be begun: whoever is to hear of the earlier ones does.
    notifier.finish(&mut complaints, |why| ui.warn(why)).await;
    exit
}

/// A stack that is in trouble by what is remembered: whoever is told of troubles is told that it ended.
fn ill(job: &Job) -> Option<String> {
    let record = job.record.as_ref()?.as_ref().ok()?;
    let last = record.history().last().and_then(|(.., outcome)| outcome);
    let is_ill = !matches!(last, None | Some(Outcome::Deployed | Outcome::Removed));
    is_ill.then(|| format!("stack {}", job.planned.spec.name))
}

/// Shows one plan and carries it out without a question, unless `still` says, once the lease is held and the
/// history is the newest, that it is not to be done any more. `None` if there was nothing to be done.
pub(super) async fn carry_out_unasked(
    context: &Context,
    cluster: &Cluster,
    job: Job,
    wish: Wish,
    interrupt: &Interrupt,
    still: impl AsyncFnOnce(&History) -> Result<bool, Failure>,
) -> Result<Option<Ran>, Failure> {
    let ui = &context.ui;
    refuse_problems(ui, &job.planned)?;
    show_plan(ui, &job.planned, wish.clone(), cluster.clock.now());
    let mut notifier = Notifier::start(cluster, &ill(&job).into_iter().collect());
    let mut complaints = notifier.complaints();
    let ran = one(context, cluster, job, wish, interrupt, &notifier, still).await;
    notifier.finish(&mut complaints, |why| ui.warn(why)).await;
    ran
}

/// Carries one plan out, and remembers how that went.
async fn one(
    context: &Context,
    cluster: &Cluster,
    job: Job,
    wish: Wish,
    interrupt: &Interrupt,
    notifier: &Notifier,
    still: impl AsyncFnOnce(&History) -> Result<bool, Failure>,
) -> Result<Option<Ran>, Failure> {
    let Job { mut planned, record } = job;
    let Some(record) = record else { return Ok(None) };
    let ui = &context.ui;
    let wish = wish.of(&planned.spec.name);
    let begun = match lease::begin(context, cluster, &mut planned, record?, &wish, still).await? {
        Beginning::Begun(begun) => Some(begun),
        Beginning::Idle => None,
        Beginning::NoMore => return Ok(None),
    };
    let validity = begun.as_ref().map_or_else(Validity::always, |begun| begun.validity());
    let stack = planned.spec.name.clone();
    if let Some(begun) = &begun {
        said_begun(ui, &stack, begun.number(), &wish, cluster.clock.now());
        notifier.tell(&News::ReleaseBegan {
            stack: stack.clone(),
            release: begun.number(),
            commit: begun.commit(),
            actions: Some(planned.plan.forecast.actions().count()),
        });
    }
    let mut ran = run(context, cluster, &planned, wish.clone(), interrupt, &validity).await;
    if let Some(begun) = begun {
        let release = begun.number();
        ran.number = Some(release);
        let now = cluster.clock.now();
        let outcome = begun.end(context, now, &ran, &planned.spec, wish.options.atomic).await;
        let outcome = outcome.map_or_else(|| "unfinished".to_owned(), |outcome| outcome.words());
        notifier.tell(&News::ReleaseEnded { stack, release, outcome });
    }
    Ok(Some(ran))
}

fn question(kind: Kind, stacks: &[&str], cluster: &ClusterName) -> String {
    match (kind, stacks) {
        (Kind::Move, all) => format!("Move tasks of {} in cluster {cluster}?", all.join(", ")),
        (Kind::Deploy, _) => format!("Deploy {} to cluster {cluster}?", stacks.join(", ")),
        (Kind::Remove, [one]) => format!("Remove stack {one} from cluster {cluster}?"),
        (Kind::Remove, all) => {
            format!("Remove {} ({}) from cluster {cluster}?", count(all.len(), "stack"), all.join(", "))
        }
    }
}

fn show_plan(ui: &Ui, planned: &Planned, wish: Wish, now: Timestamp) {
    let view = view(planned, wish.kind, ui.is_verbose());
    match wish.format {
        Format::Text => ui.data(&plan::text(&view)),
        Format::Json => {
            for action in planned.plan.forecast.actions() {
                say_json(ui, &progress::planned(now, action));
            }
            let whole = plan::to_json(&view);
            let fields = ["stack", "cluster", "changes", "drift", "notes", "summary"];
            let about: serde_json::Map<_, _> =
                fields.iter().map(|&key| (key.to_owned(), whole[key].clone())).collect();
            say_json(ui, &progress::stamped(now, "plan", about.into()));
        }
    }
}

/// Under which number this is remembered.
fn said_begun(ui: &Ui, stack: &StackName, number: u64, wish: &Wish, now: Timestamp) {
    match wish.format {
        Format::Text => ui.detail(&format!("Release {number} of stack {stack}")),
        Format::Json => {
            let about = serde_json::json!({ "stack": stack, "release": number });
            say_json(ui, &progress::stamped(now, "release", about));
        }
    }
}

fn say_json(ui: &Ui, line: &serde_json::Value) {
    ui.data(&(super::template::json_line(line) + "\n"));
}

/// Carries one plan out. A plan without actions is seen through as well: what stays is looked at until
/// it is known to be up.
async fn run(
    context: &Context,
    cluster: &Cluster,
    planned: &Planned,
    wish: Wish,
    interrupt: &Interrupt,
    lease: &Validity,
) -> Ran {
    let ui = &context.ui;
    let clock = &cluster.clock;
    let stack = &planned.spec.name;
    let begun = clock.now();
    let mut journal = journal(ui, cluster, planned, begun);
    let executor = cluster.fleet.executor(stack).fenced(lease.fence());
    let assignment = assign(&planned.observed, &planned.spec, wish.options.clone());
    let timeout_ms = wish
        .timeout
        .map_or(TIMEOUT_MS, |timeout| i64::try_from(timeout.to_std().as_millis()).unwrap_or(i64::MAX));
    let options = RunOptions { timeout_ms: Some(timeout_ms), detach: wish.detach };
    let is_busy = !planned.plan.forecast.waves.is_empty();
    if !is_busy && let Some(names) = watched(&assignment) {
        ui.say(&format!("Waiting until {names}."));
    }
    let is_live = ui.live().is_some();
    let board = Board::new(stack.as_str(), &planned.plan.forecast, begun);
    let mut screen = Screen::new(ui, board, wish.format, is_busy);
    interrupt.begin();
    let observer = &cluster.observer;
    let crew = Crew { observer, executor: &executor, clock, journal: &mut journal, lease };
    let stop = async {
        interrupt.wait().await;
        // Below what is drawn, and below the terminal's own `^C`.
        let lead = if is_live { "\n" } else { "" };
        ui.say(&format!("{lead}Stopping: what was begun is being finished. Ctrl-C again leaves at once."));
    };
    let end = engine::run(crew, stack, assignment, options, stop, |now, what| screen.take(now, &what)).await;
    screen.leave(clock.now());
    interrupt.over();
    let told = Told { ui, cluster, planned, wish: wish.clone(), begun, timeout_ms };
    let exit = match &end {
        End::Verdict(verdict) if verdict.ending == Ending::Converged => told.arrival(is_busy).await,
        End::Verdict(verdict) => told.failure(verdict).await,
        End::Detached => told.detached(),
        End::TimedOut(tasks) => told.timed_out(tasks),
        End::Interrupted => told.interrupted(),
        End::LeaseLost => told.lease_lost(),
    };
    if let Some(path) = journal.path() {
        ui.detail(&format!("Journal of this run: {}", path.display()));
    }
    if wish.format == Format::Json {
        say_json(ui, &told.json(&end, exit, clock.now()));
    }
    Ran { exit, end, number: None }
}

/// How a run ended, and how that was told.
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) end: End,
    /// The number under which it is remembered.
    pub(super) number: Option<u64>,
}

/// Tasks that stay and are not as they should be yet, in words.
fn watched(assignment: &Assignment) -> Option<String> {
    const NAMES_MAX: usize = 8;
    let names: Vec<String> = assignment
        .services
        .iter()
        .flat_map(|service| service.slots.iter().map(move |slot| (service, slot)))
        .filter_map(|(service, slot)| {
            let (task, _) = slot.watch.as_ref()?;
            let what = if service.must_complete { "done" } else { "up" };
            Some(format!("{task} on {} is {what}", assignment.nodes[slot.node]))
        })
        .collect();
    (!names.is_empty()).then(|| some_of(&names, NAMES_MAX))
}

/// Whether a plan that is made now has nothing left to do.
async fn look_again(cluster: &Cluster, planned: &Planned, options: PlanOptions) -> Planned {
    let observed = cluster.observe().await;
    let spec = planned.spec.clone();
    let plan = Plan::make(&observed, &spec, options);
    Planned { observed, spec, plan }
}

/// Where journals of runs go, if this machine has a place for such things.
pub(super) fn journals(cluster: &Cluster) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("stackctl").join(cluster.inventory.cluster.as_str()))
}

/// A run without a journal is still a run.
fn journal(ui: &Ui, cluster: &Cluster, planned: &Planned, now: Timestamp) -> Journal {
    if planned.plan.forecast.waves.is_empty() {
        return Journal::none();
    }
    let Some(dir) = journals(cluster) else { return Journal::none() };
    match Journal::create(&dir, &planned.spec.name, now) {
        Ok(journal) => journal,
        Err(error) => {
            ui.detail(&format!("No journal of this run under {}: {error}", dir.display()));
            Journal::none()
        }
    }
}
