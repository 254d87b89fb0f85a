//! `stackctl doctor`: says whether hosts, records and what lies on this machine are in order, and what to do.

use clap::ValueEnum;
use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster, env, named_inventory, read_inventory};
use super::render::doctor::{area, level, of_cause, remedy, what};
use super::render::style::{BAD, CHANGE, GOOD, paint};
use super::render::text::{clean, pad};
use super::report::{Exit, Failure};
use super::trusted;
use crate::fleet::ConnectOptions;
use crate::model::json::json_lines;
use crate::ops::doctor::{Area, Check, Finding, Level, by_cause, doctor};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Whether all is in order, and what to do", "stackctl doctor"),
    ("All findings, for a program", "stackctl doctor --format json"),
];

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Text for people, or every finding as JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// How the findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A line for each cause of findings, and below it the remedy.
    #[default]
    Text,
    /// A list.
    Json,
}

pub(super) fn run(args: &Doctor, context: &Context) -> Result<Exit, Failure> {
    if let Some(check) = not_trusted(context)? {
        return Ok(show(&[check], args.format, context));
    }
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let place = context.globals.ledger.as_ref().unwrap_or(&cluster.inventory.ledger);
        Ok(show(&doctor(cluster, place).await, args.format, context))
    })
}

/// An inventory that is not trusted is a finding, and the only one: no host is asked.
fn not_trusted(context: &Context) -> Result<Option<Check>, Failure> {
    let named = named_inventory(context)?;
    let (inventory, _notes) = read_inventory(named.as_deref())?;
    let wants = trusted::refused(&inventory, named.as_deref(), &env)?;
    let of = inventory.file.map(|file| file.display().to_string()).unwrap_or_default();
    let check = |wants| Check { area: Area::Rights, of, finding: Finding::NotTrusted { wants } };
    Ok(wants.map(check))
}

fn show(checks: &[Check], format: Format, context: &Context) -> Exit {
    match format {
        Format::Text => context.ui.data(&text(checks)),
        Format::Json => context.ui.data(&(json_lines(&checks.iter().map(json).collect()) + "\n")),
    }
    let is_broken = checks.iter().any(|check| check.finding.level() == Level::Fault);
    if is_broken { Exit::Refused } else { Exit::Done }
}

fn json(check: &Check) -> serde_json::Value {
    json!({
        "level": level(check.finding.level()),
        "area": area(check.area),
        "of": check.of,
        "what": what(&check.finding),
        "remedy": remedy(&check.finding),
    })
}

fn text(checks: &[Check]) -> String {
    let (mut text, causes) = (String::new(), by_cause(checks));
    for cause in &causes {
        let (finding, (of, what)) = (&cause.first.finding, of_cause(cause));
        let found = finding.level();
        let style = match found {
            Level::Ok => GOOD,
            Level::Warning => CHANGE,
            Level::Fault => BAD,
        };
        let of = if of.is_empty() { String::new() } else { format!("{of}: ") };
        let what = clean(&format!("{of}{what}")).into_owned();
        let word = paint(style, pad(level(found), 7));
        text += &format!("{word}  {}  {what}\n", pad(area(cause.first.area), 9));
        if let Some(remedy) = remedy(finding).filter(|_| found > Level::Ok) {
            text += &format!("{}help: {}\n", " ".repeat(20), clean(&remedy));
        }
    }
    let count = |wanted| causes.iter().filter(|cause| cause.first.finding.level() == wanted).count();
    let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
    text + &match (faults, warnings) {
        (0, 0) => "All is in order.\n".to_owned(),
        _ => format!(
            "{} and {}.\n",
            super::render::text::count(faults, "fault"),
            super::render::text::count(warnings, "warning")
        ),
    }
}
