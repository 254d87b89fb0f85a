//! A diff beside the lines of a pull request, and in its comment: also where there is no plan, since that is
//! what its author has to hear first.

use super::{Diff, Format};
use crate::cli::Context;
use crate::cli::render::annotations::{Finding, github, gitlab, of_diagnostic, of_notes, of_plan};
use crate::cli::render::plan::{self, PlanView};
use crate::cli::report::Failure;
use crate::cli::template::json_lines;
use crate::compose::Written;
use crate::orchestrator::Problem;
use crate::yaml::Drawn;

/// What is known of the stackfiles besides the spec.
#[derive(Debug)]
pub(super) struct FromFiles<'a> {
    /// Where everything is written.
    pub(super) written: Written<'a>,
    /// Warnings and notes.
    pub(super) notes: &'a [Drawn],
}

/// What stops a plan, with its code: it is told with the plan, by [`plan`].
const REFUSED: &str = "stackctl::plan::refused";

/// A plan and what stands in its way.
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

/// What kept a plan from being made.
pub(super) fn failure(args: &Diff, context: &Context, failure: &Failure) {
    let is_told = failure.report.code().is_some_and(|code| code.to_string() == REFUSED);
    if !args.format.is_for_pull_requests() || is_told {
        return;
    }
    // The name in the files is not known where they cannot be read.
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
