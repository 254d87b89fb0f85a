//! `stackctl history`: lists the releases of a stack: when, by whom, from what.

use serde_json::json;

use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::render::age::ago;
use super::render::list::{Columns, Row};
use super::render::services::into_row;
use super::report::{Exit, Failure};
use super::time_arg;
use super::{Context, ui::Ui};
use crate::fleet::ConnectOptions;
use crate::model::{StackName, Timestamp};
use crate::ops::records::{Git, History, Outcome, Release};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All releases, the newest first", "stackctl history shop"),
    ("Number and outcome, for a script", r"stackctl history --format '{{.Release}}\t{{.Outcome}}' shop"),
];

/// What is shown of a release.
const COLUMNS: Columns = Columns {
    fields: &[
        ("Release", "RELEASE"),
        ("When", "WHEN"),
        ("Outcome", "OUTCOME"),
        ("Who", "WHO"),
        ("What", "WHAT"),
        ("Commit", "COMMIT"),
        ("Files", "FILES"),
        ("Message", "MESSAGE"),
        ("At", "AT"),
        ("Branch", "BRANCH"),
        ("Subject", "SUBJECT"),
        ("Version", "VERSION"),
    ],
    table: &["Release", "When", "Outcome", "Who", "What", "Commit", "Files", "Message"],
};

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Only releases until then: a time, or an operation as `log` names it
    #[arg(long, value_name = "ID|TIME")]
    pub at: Option<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Release}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(args: &Arguments, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let mut history = cluster.remembered(&args.stack).await?.history;
        if let Some(then) = &args.at {
            time_arg::until(cluster, &args.stack, then, &mut history).await?;
        }
        warn_of_undecided(&context.ui, &history);
        if history.releases.is_empty() {
            context.ui.talk(&format!("the ledger has no release of stack: {}\n", args.stack));
            return Ok(Exit::Refused);
        }
        let rows = rows(cluster.clock.now(), &history);
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        Ok(Exit::Done)
    })
}

/// Warns about a release whose record is undecided.
pub(super) fn warn_of_undecided(ui: &Ui, history: &History) {
    for number in &history.undecided {
        ui.warn(&format!(
            "it is unknown whether release {number} exists: its writer was cut off, managers do not answer, or the managers have \
             changed; the next deploy or rollback settles it"
        ));
    }
}

fn rows(now: Timestamp, history: &History) -> Vec<Row> {
    // Under way, cut off, or ended in a way that cannot be read now.
    let open = |number: &u64| if history.unknown_ends.contains(number) { "unknown" } else { "unfinished" };
    let row = |(number, (release, outcome)): (&u64, &(Release, Option<Outcome>))| {
        let git = release.git.as_ref();
        into_row(json!({
            "Release": number.to_string(),
            "When": ago(now, release.at),
            "Outcome": outcome.as_ref().map_or_else(|| open(number).to_owned(), Outcome::words),
            "Who": release.who,
            "What": release.verb,
            "Commit": git.map(Git::short).unwrap_or_default(),
            "Files": release.files.join(","),
            "Message": release.message.clone().unwrap_or_default(),
            "At": release.at.to_string(),
            "Branch": git.and_then(|git| git.branch.clone()).unwrap_or_default(),
            "Subject": git.map(|git| git.subject.clone()).unwrap_or_default(),
            "Version": release.version,
        }))
    };
    history.releases.iter().rev().map(row).collect()
}
