//! A plan for people.

use std::fmt::Write as _;

use anstyle::Style;

use super::super::age::elapsed;
use super::super::services::ports;
use super::super::style::{ADD, BAD, CHANGE, FAINT, GOOD, REMOVE, STRONG, paint};
use super::super::text::{clean, count, pad, some_of, width};
use super::moves::{Move, MoveKind, Moves};
use super::shown::short_digest;
use super::{PlanView, fold, shown};
use crate::diff::{Change, DiffKind};
use crate::model::{NodeName, ServiceMode, ServiceName, ServiceSpec};

/// Nodes that are named before the rest is counted.
const NODES_MAX: usize = 8;
/// Names are set in a column up to this.
const NAME_COLUMNS_MAX: usize = 24;
/// Shorter forecasts are not mentioned.
const DURATION_MIN_MS: i64 = 3_000;

/// One line before rendering: terminals and pull requests render it differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) mark: Mark,
    pub(super) depth: Depth,
    pub(super) text: String,
}

/// The sign at the start of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Add,
    Remove,
    Change,
    StopFirst,
    StartFirst,
    Same,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Service,
    Task,
    Field,
}

impl Mark {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Remove => "-",
            Self::Change => "~",
            Self::StopFirst => "-/+",
            Self::StartFirst => "+/-",
            Self::Same => "=",
            Self::None => "",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Add | Self::StartFirst => ADD,
            Self::Remove => REMOVE,
            Self::Change | Self::StopFirst => CHANGE,
            Self::Same => FAINT,
            Self::None => Style::new(),
        }
    }
}

impl From<MoveKind> for Mark {
    fn from(kind: MoveKind) -> Self {
        match kind {
            MoveKind::Create => Self::Add,
            MoveKind::InPlace => Self::Change,
            MoveKind::StopFirst => Self::StopFirst,
            MoveKind::StartFirst => Self::StartFirst,
            MoveKind::Remove => Self::Remove,
        }
    }
}

/// The plan as text, with colours.
#[must_use]
pub fn text(view: &PlanView<'_>) -> String {
    let moves = Moves::of(view.forecast);
    let mut out = heading(view);
    out.push('\n');
    for section in sections(view, &moves) {
        out.push('\n');
        for line in section {
            let sign = paint(line.mark.style(), line.mark.sign());
            let fill = |columns: usize| " ".repeat(columns - line.mark.sign().len());
            let _ = match line.depth {
                Depth::Service => writeln!(out, "{sign}{} {}", fill(1), line.text),
                Depth::Task => writeln!(out, "    {}{sign} {}", fill(3), line.text),
                Depth::Field => writeln!(out, "        {}", line.text),
            };
        }
    }
    if let Some(lines) = drift_lines(view) {
        let _ = writeln!(out, "\n{}", paint(STRONG, &lines.heading));
        for line in &lines.found {
            let _ = writeln!(out, "  {} {line}", paint(BAD, "*"));
        }
    }
    if !view.notes.is_empty() {
        let _ = writeln!(out, "\n{}", paint(STRONG, "Notes:"));
        for note in view.notes {
            let _ = writeln!(out, "  {} {}", paint(CHANGE, "!"), clean(&note.to_string()));
        }
    }
    let _ = writeln!(out, "\n{}", summary(view));
    out
}

/// Drift in words.
pub(super) struct DriftLines {
    pub(super) heading: String,
    pub(super) found: Vec<String>,
}

/// Drift since the last release, if there is any.
pub(super) fn drift_lines(view: &PlanView<'_>) -> Option<DriftLines> {
    let release = view.drift.release.filter(|_| !view.drift.found.is_empty())?;
    let found = view.drift.found.iter().map(|one| {
        clean(&format!("{}.{} on {}: {}", one.service, one.slot, one.node, one.kind)).into_owned()
    });
    Some(DriftLines { heading: format!("Drift since release {release}:"), found: found.collect() })
}

pub(super) fn heading(view: &PlanView<'_>) -> String {
    format!(
        "Stack {} on cluster {} ({})",
        paint(STRONG, view.stack),
        paint(STRONG, view.cluster),
        count(view.nodes, "node")
    )
}

/// Changes and actions, in paragraphs: changed services one by one, then a line for each added or removed
/// service, then what belongs to no service.
pub(super) fn sections(view: &PlanView<'_>, moves: &Moves<'_>) -> Vec<Vec<Line>> {
    let total: usize = moves.services.values().map(Vec::len).sum();
    let mut services: Vec<(&ServiceName, DiffKind, &[Change])> =
        view.diff.services.iter().map(|service| (&service.name, service.kind, &*service.changes)).collect();
    // Moves of services that the diff does not name: none today, and none may be dropped.
    for &name in moves.services.keys() {
        if !services.iter().any(|(known, ..)| *known == name) {
            services.push((name, DiffKind::Removed, &[]));
        }
    }
    let mut sections = Vec::new();
    let (mut coming, mut going, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut unchanged = 0;
    let column = services
        .iter()
        .filter(|(_, kind, _)| matches!(kind, DiffKind::Added | DiffKind::Removed))
        .map(|(name, ..)| width(name.as_str()))
        .max()
        .unwrap_or(0)
        .min(NAME_COLUMNS_MAX);
    for (name, kind, changes) in services {
        let moved = moves.services.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_one_line = !view.is_whole
            && moved.iter().all(|one| match kind {
                DiffKind::Added => one.kind == MoveKind::Create,
                DiffKind::Removed => one.kind == MoveKind::Remove,
                DiffKind::Changed | DiffKind::Unchanged => false,
            });
        match kind {
            DiffKind::Unchanged if moved.is_empty() => unchanged += 1,
            DiffKind::Added if is_one_line => coming.push(one_line(view, name, kind, moved, column)),
            DiffKind::Removed if is_one_line => going.push(one_line(view, name, kind, moved, column)),
            _ => sections.push(paragraph(view, name, kind, changes, moved, total)),
        }
    }
    rest_lines(moves, view.is_whole, &mut rest);
    sections.extend([coming, going, rest].into_iter().filter(|lines| !lines.is_empty()));
    if unchanged > 0 && !sections.is_empty() {
        let text = paint(FAINT, format!("{} unchanged", count(unchanged, "service")));
        sections.push(vec![Line { mark: Mark::Same, depth: Depth::Service, text }]);
    }
    sections
}

/// An added or removed service: `web   nginx:1.25, 3 replicas on h1, h2, h3`.
fn one_line(view: &PlanView<'_>, name: &ServiceName, kind: DiffKind, moves: &[Move], column: usize) -> Line {
    let spec = view.wanted.and_then(|spec| spec.services.get(name));
    let (mark, about) = match (kind, spec) {
        (DiffKind::Added, Some(spec)) => (Mark::Add, about(spec, view.is_whole)),
        (DiffKind::Added, None) => (Mark::Add, count(moves.len(), "task")),
        _ => (Mark::Remove, count(moves.len(), "task")),
    };
    let places = match moves.len() {
        0 => String::new(),
        _ => format!(" on {}", fold::places(&moves.iter().collect::<Vec<_>>())),
    };
    let text = format!("{}  {about}{places}", paint(STRONG, pad(name.as_str(), column)));
    Line { mark, depth: Depth::Service, text }
}

fn paragraph(
    view: &PlanView<'_>,
    name: &ServiceName,
    kind: DiffKind,
    changes: &[Change],
    moves: &[Move],
    total: usize,
) -> Vec<Line> {
    let mark = match kind {
        DiffKind::Added => Mark::Add,
        DiffKind::Removed => Mark::Remove,
        DiffKind::Changed | DiffKind::Unchanged => Mark::Change,
    };
    let mut text = paint(STRONG, name);
    let spec = view.wanted.and_then(|spec| spec.services.get(name));
    if let (DiffKind::Added, Some(spec)) = (kind, spec) {
        let _ = write!(text, "  {}", about(spec, view.is_whole));
    }
    let mut lines = vec![Line { mark, depth: Depth::Service, text }];
    for change in changes {
        let shown = shown::change(change, view.is_whole);
        lines.extend(shown.into_iter().enumerate().map(|(at, text)| Line {
            mark: Mark::None,
            depth: Depth::Field,
            text: if at == 0 { text } else { format!("  {text}") },
        }));
    }
    for line in fold::lines(name, moves, total, view.is_whole) {
        let why = paint(FAINT, format!("({})", clean(&line.why)));
        let text = format!("{}  {why}", clean(&line.text));
        lines.push(Line { mark: line.kind.into(), depth: Depth::Task, text });
    }
    lines
}

/// A new service in a few words: `nginx:1.25, 3 replicas, *:80->80/tcp`.
fn about(spec: &ServiceSpec, is_whole: bool) -> String {
    let image = spec.task.pinned_image();
    let mut words = vec![if is_whole { image } else { short_digest(&image) }];
    words.push(match spec.mode {
        ServiceMode::Replicated { replicas } => count(replicas as usize, "replica"),
        ServiceMode::ReplicatedJob { total, .. } => format!("job of {}", count(total as usize, "task")),
        mode @ (ServiceMode::Global | ServiceMode::GlobalJob) => mode.to_string(),
    });
    let ports = ports(&spec.task.ports);
    if !ports.is_empty() {
        words.push(ports);
    }
    clean(&words.join(", ")).into_owned()
}

/// Networks, volumes, images, and removed containers. Image pulls follow from placement, so that the sum at the
/// end is enough unless the user asked for everything.
fn rest_lines(moves: &Moves<'_>, is_whole: bool, lines: &mut Vec<Line>) {
    let mut add = |mark, what: &str, name: &str, nodes: &[&NodeName]| {
        let nodes: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
        let most = if is_whole { usize::MAX - 1 } else { NODES_MAX };
        let text = format!("{what} {} on {}", clean(name), some_of(&nodes, most));
        lines.push(Line { mark, depth: Depth::Service, text });
    };
    for (name, nodes) in &moves.new_networks {
        add(Mark::Add, "network", name, nodes);
    }
    for (name, nodes) in &moves.volumes {
        add(Mark::Add, "volume", name, nodes);
    }
    for (name, nodes) in moves.images.iter().filter(|_| is_whole) {
        add(Mark::Add, "image", name, nodes);
    }
    for (name, nodes) in &moves.old_networks {
        add(Mark::Remove, "network", name, nodes);
    }
    if moves.cleared > 0 {
        let text = format!("{} cleared away", count(moves.cleared, "ended task"));
        lines.push(Line { mark: Mark::Remove, depth: Depth::Service, text });
    }
}

/// The last line of a plan: the sum of its actions.
#[must_use]
pub fn summary(view: &PlanView<'_>) -> String {
    if view.forecast.waves.is_empty() {
        let checked = format!(
            "Checked {} and {} on {}.",
            count(view.diff.services.len(), "service"),
            count(view.tasks, "task"),
            count(view.nodes, "node")
        );
        // A field may differ without an action, such as a replica count that
        // the running tasks match already.
        let head = if view.diff.is_empty() { "No changes." } else { "Nothing to do." };
        return format!("{} {checked}", paint(GOOD, head));
    }
    let moves = Moves::of(view.forecast);
    let sum = view.forecast.summary();
    let mut parts = Vec::new();
    for (number, what) in [
        (sum.create, "to create"),
        (sum.replace, "to replace"),
        (sum.in_place, "to change in place"),
        (sum.remove, "to remove"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let mut text = if parts.is_empty() { "no task to change".to_owned() } else { parts.join(", ") };
    let _ = write!(text, " on {}", count(sum.nodes as usize, "node"));
    if !moves.images.is_empty() {
        let _ = write!(text, "; {} to pull", count(moves.images.len(), "image"));
    }
    if view.forecast.duration_ms >= DURATION_MIN_MS {
        let _ = write!(text, "; takes at least {}", elapsed(view.forecast.duration_ms));
    }
    format!("{} {text}", paint(STRONG, "Plan:"))
}
