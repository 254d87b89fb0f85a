//! `stackctl logs`: the output of tasks on every host, merged by time.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::Context;
use super::cluster::{self, Cluster};
use super::render::ps;
use super::render::text::{pad, width};
use super::report::{Exit, Failure};
use super::service_name::{Named, named};
use super::ui::Ui;
use crate::fleet::logs::merge::Merge;
use crate::fleet::logs::{LogLine, LogOptions, LogStream};
use crate::fleet::{ConnectOptions, HostError};
use crate::model::ids::NameError;
use crate::model::{GoDuration, NodeName, Observed, ServiceName, StackName, Task, Timestamp};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The last hundred lines of each task of a stack", "stackctl logs --tail 100 shop"),
    ("Follow one service", "stackctl logs -f shop_web"),
    ("The last ten minutes, with times", "stackctl logs --since 10m -t shop web"),
];

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Name of the stack, or of one service of it: STACK_SERVICE or STACK/SERVICE
    #[arg(value_name = "STACK", add = super::complete::stacks())]
    pub stack: String,
    /// One service of it
    #[arg(value_name = "SERVICE", add = super::complete::services())]
    pub service: Option<String>,
    /// Follow: keep printing new lines
    #[arg(short, long)]
    pub follow: bool,
    /// How many lines to show of each task, or `all`
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    pub tail: String,
    /// Only lines since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only lines until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Print the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Print whole task ids in front of the lines
    #[arg(long)]
    pub no_trunc: bool,
    /// Print lines without the name of the task in front
    #[arg(long)]
    pub raw: bool,
}

/// The arguments, parsed.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    stack: StackName,
    service: Option<ServiceName>,
    /// The name of the stack if no such stack runs.
    or_service: Option<Named>,
    options: LogOptions,
}

/// An argument that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum LogsError {
    #[error("`{text}` is not a number of lines")]
    #[diagnostic(code(stackctl::usage::bad_tail), help("write it as `--tail 100`, or `--tail all`"))]
    BadTail { text: String },
    #[error("`{text}` is no time")]
    #[diagnostic(
        code(stackctl::usage::bad_time),
        help("write it as 10m, as 2026-01-31 or 2026-01-31T12:00:00Z, or as seconds since 1970")
    )]
    BadTime { text: String },
    #[error("`{text}` is no name: {why}")]
    #[diagnostic(code(stackctl::usage::bad_name))]
    BadName { text: String, why: NameError },
    #[error("two services are named: `{one}` and `{other}`")]
    #[diagnostic(code(stackctl::usage::two_services), help("write STACK/SERVICE or STACK SERVICE, not both"))]
    TwoServices { one: String, other: String },
    #[error("nothing found in stack: {stack}")]
    #[diagnostic(code(stackctl::cli::nothing_found), help("`stackctl ls` lists the stacks there are"))]
    NoStack { stack: StackName },
    #[error("no service `{service}` in stack {stack}")]
    #[diagnostic(code(stackctl::cli::no_such_service), help("there are: {}", known.join(", ")))]
    NoService { stack: StackName, service: ServiceName, known: Vec<String> },
}

pub(super) fn run(args: &Logs, context: &Context) -> Result<Exit, Failure> {
    let now = cluster::clock()?.now();
    let wanted = understand(args, now).map_err(Failure::usage)?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let stop = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            exit = show(args, &wanted, context, cluster) => exit,
            () = stop => Ok(Exit::Interrupted),
        }
    })
}

fn understand(args: &Logs, now: Timestamp) -> Result<Wanted, LogsError> {
    let (stack, inner) = match args.stack.split_once('/') {
        Some((stack, service)) => (stack, Some(service)),
        None => (args.stack.as_str(), None),
    };
    let service = match (inner, args.service.as_deref()) {
        (Some(one), Some(other)) => {
            return Err(LogsError::TwoServices { one: one.to_owned(), other: other.to_owned() });
        }
        (one, other) => one.or(other),
    };
    let bad = |text: &str| {
        let text = text.to_owned();
        |why| LogsError::BadName { text, why }
    };
    let or_service = if service.is_none() { named(stack).ok() } else { None };
    let stack = StackName::new(stack).map_err(bad(stack))?;
    // As docker names services too: `shop_web`.
    let short = service.map(|name| name.strip_prefix(&format!("{stack}_")).unwrap_or(name));
    let service = short.map(|name| ServiceName::new(name).map_err(bad(name))).transpose()?;
    let tail = match args.tail.as_str() {
        "all" => None,
        text => Some(text.parse().map_err(|_| LogsError::BadTail { text: text.to_owned() })?),
    };
    let time = |text: &Option<String>| text.as_deref().map(|text| time(text, now)).transpose();
    let options = LogOptions {
        tail,
        since: time(&args.since)?,
        until: time(&args.until)?,
        follow: args.follow,
        details: false,
    };
    Ok(Wanted { stack, service, or_service, options })
}

/// Nanoseconds since 1970: how long ago, a time, or seconds.
pub(super) fn time(text: &str, now: Timestamp) -> Result<i64, LogsError> {
    const NANOS: i64 = 1_000_000_000;
    let bad = || LogsError::BadTime { text: text.to_owned() };
    if let Ok(ago) = text.parse::<GoDuration>() {
        return Ok(now.plus_ms(-ago.as_millis()).0.saturating_mul(NANOS / 1000));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return i64::try_from(at.as_nanosecond()).map_err(|_| bad());
    }
    if let Some(at) = civil(text, &TimeZone::system()) {
        return i64::try_from(at.as_nanosecond()).map_err(|_| bad());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(bad());
    }
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    let nanos: i64 = format!("{fraction:0<9}")[..9].parse().map_err(|_| bad())?;
    seconds.checked_mul(NANOS).and_then(|whole| whole.checked_add(nanos)).ok_or_else(bad)
}

/// A day, or a time without a zone: this machine's, as docker has it.
fn civil(text: &str, zone: &TimeZone) -> Option<jiff::Timestamp> {
    // Digits alone are seconds.
    let text = Some(text).filter(|text| text.contains('-'))?;
    let day = || text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0));
    let time = text.parse::<DateTime>().ok().or_else(day)?;
    zone.to_timestamp(time).ok()
}

async fn show(args: &Logs, wanted: &Wanted, context: &Context, cluster: &Cluster) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let observed = cluster.observer.observe(cluster.clock.now()).await;
    cluster::warn_of_silent(ui, &observed);
    let tasks = tasks(wanted, &observed)?;
    let mut exit = cluster::or_silent(Exit::Done, &observed);
    let prefixes = prefixes(&tasks, args.no_trunc);
    let mut by_node: BTreeMap<&NodeName, Vec<usize>> = BTreeMap::new();
    for (number, task) in tasks.iter().enumerate() {
        by_node.entry(&task.node).or_default().push(number);
    }
    let opened = by_node.values().map(|numbers| open(cluster, &tasks, numbers, &wanted.options));
    let mut lanes: Vec<(usize, LogStream)> = Vec::new();
    for (opened, errors) in join_all(opened).await {
        lanes.extend(opened);
        for error in errors {
            exit = exit.max(complain(ui, &error));
        }
    }
    lanes.sort_by_key(|(number, _)| *number);
    let numbers: Vec<usize> = lanes.iter().map(|(number, _)| *number).collect();
    let streams = lanes
        .into_iter()
        .map(|(_, stream)| stream.map(|line| (line.as_ref().ok().and_then(|line| line.at), line)).boxed())
        .collect();
    let mut merge = Merge::new(streams, args.follow);
    while let Some((lane, line)) = merge.next().await {
        match line {
            Ok(line) => {
                let line = drawn(args, &prefixes[numbers[lane]], &line);
                // A log that is followed says when its reader has gone away.
                if args.follow { ui.data_bytes(&line) } else { ui.flow_bytes(&line) }
            }
            Err(error) => exit = exit.max(complain(ui, &error)),
        }
        if ui.is_stdout_closed() {
            break;
        }
    }
    Ok(exit)
}

/// The tasks whose logs to show, including ended ones.
fn tasks<'o>(wanted: &Wanted, observed: &'o Observed) -> Result<Vec<&'o Task>, Failure> {
    let (mut stack, mut service) = (wanted.stack.clone(), wanted.service.clone());
    // `shop_web` is a stack if there is one of that name, and else docker's name of a service.
    if let Some(named) = &wanted.or_service
        && !observed.tasks().any(|task| task.stack == stack)
        && let Ok(full) = named.find(observed)
        && observed.tasks().any(|task| task.stack == full.stack)
    {
        (stack, service) = (full.stack, Some(full.service));
    }
    let all: Vec<&Task> = observed.tasks().filter(|task| task.stack == stack).collect();
    // A silent host may have the tasks.
    let failure = |error| Failure::new(cluster::blame(observed.silent_and_needed().next().is_some()), error);
    if all.is_empty() {
        return Err(failure(LogsError::NoStack { stack }));
    }
    let Some(service) = service else { return Ok(all) };
    let mut known: Vec<String> = all.iter().map(|task| task.service.to_string()).collect();
    let tasks: Vec<&Task> = all.into_iter().filter(|task| task.service == service).collect();
    if tasks.is_empty() {
        known.sort();
        known.dedup();
        return Err(failure(LogsError::NoService { stack, service, known }));
    }
    Ok(tasks)
}

/// Of one log that is read before others of its host can be.
const HELD_MAX: usize = 64 << 20;

type Opened = (Vec<(usize, LogStream)>, Vec<HostError>);

/// Opens the logs of one host's tasks. If the host limits concurrent logs, reads the open ones to their end
/// first; a followed log has no end.
async fn open(cluster: &Cluster, tasks: &[&Task], numbers: &[usize], options: &LogOptions) -> Opened {
    let mut lanes: Vec<(usize, LogStream)> = Vec::new();
    let mut errors = Vec::new();
    for &number in numbers {
        let task = tasks[number];
        let ask = || cluster.observer.logs(&task.node, &task.container, options);
        let mut answer = ask().await;
        if matches!(answer, Err(HostError::StreamsTaken { .. })) && !options.follow {
            let read = std::mem::take(&mut lanes).into_iter().map(|(number, stream)| async move {
                let lines = held(&tasks[number].container, stream).await;
                let stream: LogStream = Box::pin(futures_util::stream::iter(lines));
                (number, stream)
            });
            lanes = join_all(read).await;
            answer = ask().await;
        }
        match answer {
            Ok(Some(stream)) => lanes.push((number, stream)),
            // Removed since it was seen.
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    (lanes, errors)
}

/// The lines of a log, as far as they may be kept.
async fn held(container: &str, mut stream: LogStream) -> Vec<Result<LogLine, HostError>> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while let Some(line) = stream.next().await {
        bytes += line.as_ref().map_or(0, |line| line.bytes.len());
        lines.push(line);
        if bytes > HELD_MAX {
            let container = container.to_owned();
            let detail = format!(
                "it is longer than {} MiB, and the host carries too few streams to show it meanwhile; pass --tail",
                HELD_MAX >> 20
            );
            lines.push(Err(HostError::LogsUnavailable { container, detail }));
            break;
        }
    }
    lines
}

fn complain(ui: &Ui, error: &HostError) -> Exit {
    ui.warn(&error.to_string());
    if let Some(help) = miette::Diagnostic::help(error) {
        ui.detail(&format!("  help: {help}"));
    }
    match error {
        HostError::LogsUnavailable { .. } => Exit::Refused,
        _ => Exit::Unreachable,
    }
}

/// `shop_web.1.3qfw1qmmi6pa@h2    |`, docker's prefix of lines, padded to the same width for every task.
fn prefixes(tasks: &[&Task], is_whole: bool) -> Vec<String> {
    const ID_CHARS: usize = 12;
    let names: Vec<String> = tasks
        .iter()
        .map(|task| {
            let id = task.id.as_str();
            let id = if is_whole { id } else { id.get(..ID_CHARS).unwrap_or(id) };
            format!("{}.{id}@{}", ps::name(task), task.node)
        })
        .collect();
    let columns = names.iter().map(|name| width(name)).max().unwrap_or(0);
    names.iter().map(|name| format!("{}    | ", pad(name, columns))).collect()
}

/// A line as it is printed: the container's own text is not changed.
fn drawn(args: &Logs, prefix: &str, line: &LogLine) -> Vec<u8> {
    let mut out = Vec::with_capacity(prefix.len() + line.bytes.len() + 32);
    if args.timestamps
        && let Some(at) = line.at
        && let Ok(at) = jiff::Timestamp::from_nanosecond(at.into())
    {
        out.extend_from_slice(format!("{at:.9} ").as_bytes());
    }
    if !args.raw {
        out.extend_from_slice(prefix.as_bytes());
    }
    out.extend_from_slice(&line.bytes);
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ages_dates_or_seconds() {
        let now = Timestamp(1_000_000);
        assert_eq!(time("10m", now).ok(), Some(400_000_000_000));
        assert_eq!(time("1970-01-01T00:00:01.5Z", now).ok(), Some(1_500_000_000));
        assert_eq!(time("12.25", now).ok(), Some(12_250_000_000));
        let east = TimeZone::fixed(jiff::tz::offset(1));
        for (text, at) in [
            ("1970-01-02", Some("1970-01-01T23:00:00Z")),
            ("1970-01-02T10:30", Some("1970-01-02T09:30:00Z")),
            ("1970-01-02 10:30:05", Some("1970-01-02T09:30:05Z")),
            ("19700102", None),
            ("1970-13-02", None),
        ] {
            assert_eq!(civil(text, &east), at.map(|at| at.parse().unwrap()), "{text}");
        }
        for bad in ["", "yesterday", "1.2.3", "-5", ".5"] {
            assert!(time(bad, now).is_err(), "{bad}");
        }
    }
}
