//! Warnings about stacks that a command leaves as they are.

use super::report::{Exit, draw};
use super::ui::Ui;
use crate::ops::edit;

/// A stack whose declared state is unknown.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{why}")]
#[diagnostic(code(stackctl::history::left_as_it_is), help("{help}"))]
pub(super) struct Left {
    why: edit::Left,
    help: String,
}

/// Says which stacks are left as they are; the status of a command that has ended with `exit` otherwise.
pub(super) fn tell_left(ui: &Ui, all: Vec<edit::Left>, exit: Exit) -> Exit {
    let is_complete = all.is_empty();
    for why in all {
        let help = miette::Diagnostic::help(&why.why).map(|help| help.to_string()).unwrap_or_default();
        ui.talk(&draw(&Left { why, help }, ui.look()));
    }
    if exit == Exit::Done && !is_complete { Exit::Refused } else { exit }
}
