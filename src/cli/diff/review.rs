//! A diff as a comment or as annotations of a pull request, also if there is no plan: the author needs to see
//! why.

use super::{Diff, Format};
use crate::cli::Context;
use crate::cli::render::annotations::{Finding, github, gitlab, of_diagnostic, of_notes, of_plan};
use crate::cli::render::plan::{self, PlanView};
use crate::cli::report::Failure;
use crate::compose::Written;
use crate::model::json::json_lines;
use crate::orchestrator::Problem;
use crate::yaml::Drawn;

/// The stackfiles' places and diagnostics, besides the spec.
#[derive(Debug)]
pub(super) struct FromFiles<'a> {
    /// Where everything is written.
    pub(super) written: Written<'a>,
    /// Warnings and notes.
    pub(super) notes: &'a [Drawn],
}

/// The code of a refused plan, whose problems [`plan`] has already shown.
const REFUSED: &str = "stackctl::plan::refused";

/// A plan with the problems that block it.
pub(super) fn plan(
    args: &Diff,
    view: &PlanView<'_>,
    problems: &[Problem],
    files: Option<&FromFiles<'_>>,
) -> String {
    let mut found: Vec<Finding> = files.map(|files| of_notes(files.notes)).unwrap_or_default();
    if args.format == Format::Markdown && problems.is_empty() {
        let notes = found.into_iter().filter(|one| one.is_worse_than_a_notice()).collect::<Vec<_>>();
        return plan::markdown(view) + &plan::findings(&notes);
    }
    let written = files.map(|files| &files.written);
    if problems.is_empty() {
        found.extend(of_plan(view, written));
    }
    for problem in problems {
        let place = problem.service().zip(written).map(|(name, written)| written.of_service(name.as_str()));
        found.extend(of_diagnostic(problem).into_iter().map(|one| match &place {
            Some(place) => one.at(place),
            None => one,
        }));
    }
    text(args, view.stack.as_str(), &found)
}

/// The failure because of which there is no plan.
pub(super) fn failure(args: &Diff, context: &Context, failure: &Failure) {
    let is_shown = failure.report.code().is_some_and(|code| code.to_string() == REFUSED);
    if !args.format.is_for_pull_requests() || is_shown {
        return;
    }
    // If the files cannot be read, the name in them is unknown.
    let stack = args.stack.as_ref().map_or("", |name| name.stack.as_str());
    context.ui.data(&text(args, stack, &of_diagnostic(&*failure.report)));
}

fn text(args: &Diff, stack: &str, found: &[Finding]) -> String {
    match args.format {
        Format::Github => github(found),
        Format::Gitlab => {
            let names = args.stackfiles.names().unwrap_or_default();
            let first = names.first().map_or("docker-compose.yml", String::as_str);
            json_lines(&gitlab(found, first)) + "\n"
        }
        Format::Markdown | Format::Text | Format::Json => plan::no_plan(stack, found),
    }
}
