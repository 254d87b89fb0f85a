//! Names of releases, such as `shop@3`.

use std::fmt;

use super::history::warn_of_undecided;
use super::report::Failure;
use super::ui::Ui;
use crate::model::StackName;
use crate::ops::records::{History, Outcome, Release};

/// A stack, and perhaps one of its releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseName {
    pub stack: StackName,
    pub number: Option<u64>,
}

/// No such release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("no release {number} of stack `{stack}` is remembered")]
#[diagnostic(code(stackctl::history::no_release), help("{help}"))]
struct NoRelease {
    stack: StackName,
    number: String,
    help: String,
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stack)?;
        self.number.map_or(Ok(()), |number| write!(f, "@{number}"))
    }
}

/// `shop` or `shop@3`.
pub(super) fn release_name(text: &str) -> Result<ReleaseName, String> {
    let (stack, number) = match text.split_once('@') {
        Some((stack, number)) => match number.parse() {
            Ok(number) if number > 0 => (stack, Some(number)),
            Ok(_) | Err(_) => return Err(format!("`{number}` is not the number of a release, as in shop@3")),
        },
        None => (text, None),
    };
    let stack = StackName::new(stack).map_err(|error| error.to_string())?;
    Ok(ReleaseName { stack, number })
}

/// The release of that number, if one was named and the ledger has it.
pub(super) fn find<'h>(
    ui: &Ui,
    stack: &StackName,
    number: Option<u64>,
    history: &'h History,
) -> Result<(u64, &'h Release, Option<&'h Outcome>), Failure> {
    match number.and_then(|number| history.releases.get_key_value(&number)) {
        Some((number, (release, outcome))) => Ok((*number, release, outcome.as_ref())),
        None => {
            warn_of_undecided(ui, history);
            Err(Failure::refused(no_release(stack, number, history)))
        }
    }
}

/// The release that a name means: without a number, the newest.
pub(super) fn find_named<'h>(
    ui: &Ui,
    name: &ReleaseName,
    history: &'h History,
) -> Result<(u64, &'h Release, Option<&'h Outcome>), Failure> {
    if name.number.is_none() && !history.releases.is_empty() {
        warn_of_undecided(ui, history);
    }
    let number = name.number.or_else(|| history.last().map(|(number, ..)| number));
    find(ui, &name.stack, number, history)
}

/// Warns where marks are shown in place of values: it is not what the release declares.
pub(super) fn warn_of_sealed(ui: &Ui, number: u64, release: &Release) {
    if release.sealed.is_some() {
        ui.warn(&format!(
            "values of release {number} are encrypted, and no private key here opens them: marks stand in their places"
        ));
    }
}

/// The error for a missing release, with those that exist.
fn no_release(stack: &StackName, number: Option<u64>, history: &History) -> NoRelease {
    let help = match (history.releases.first_key_value(), history.releases.last_key_value()) {
        (Some((first, _)), Some((last, _))) if first != last => {
            format!("there are {first} to {last}: `stackctl history {stack}`")
        }
        (Some((only, _)), _) => format!("there is {only}: `stackctl history {stack}`"),
        _ if !history.undecided.is_empty() => {
            "it is unknown which releases there are: the next deploy settles it".to_owned()
        }
        _ => "there is none; `stackctl ls` lists what runs".to_owned(),
    };
    let number = number.map_or_else(|| "to go back to".to_owned(), |number| number.to_string());
    NoRelease { stack: stack.clone(), number, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        let read = |text: &str| release_name(text).map(|name| (name.stack.to_string(), name.number));
        assert_eq!(read("shop@3"), Ok(("shop".to_owned(), Some(3))));
        assert_eq!(read("shop"), Ok(("shop".to_owned(), None)));
        for wrong in ["shop@", "shop@0", "shop@x", "@3", "a b@1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
