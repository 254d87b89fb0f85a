//! Names of services: `shop_web`, docker's full name, or `shop/web`.
//!
//! Names of stacks and services may contain underscores: if a name can be split in several places, the running
//! services decide.

use std::collections::BTreeSet;

use super::cluster::blame;
use super::report::Failure;
use crate::model::{Observed, ServiceName, StackName};

/// A service of a stack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FullName {
    pub(super) stack: StackName,
    pub(super) service: ServiceName,
}

/// A service's name as it was typed, checked for its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    text: String,
    candidates: Vec<FullName>,
}

/// A name that means no service, or several.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum NameError {
    #[error("no such service: {text}")]
    #[diagnostic(code(stackctl::cli::no_such_service), help("{help}"))]
    None { text: String, help: String },
    #[error("`{text}` may be {} or {}", .both[0], .both[1])]
    #[diagnostic(code(stackctl::cli::ambiguous_service), help("write it with a slash: STACK/SERVICE"))]
    Several { text: String, both: Vec<String> },
}

impl std::fmt::Display for FullName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.stack, self.service)
    }
}

/// Reads a service's name; for clap.
pub(super) fn named(text: &str) -> Result<Named, String> {
    let candidates = match text.split_once('/') {
        Some((stack, service)) => {
            let stack = StackName::new(stack).map_err(|error| error.to_string())?;
            let service = ServiceName::new(service).map_err(|error| error.to_string())?;
            vec![FullName { stack, service }]
        }
        None => divisions(text),
    };
    if candidates.is_empty() {
        return Err("the name of a service is STACK_SERVICE, as in shop_web".to_owned());
    }
    Ok(Named { text: text.to_owned(), candidates })
}

/// Every way to split it at an underscore.
fn divisions(text: &str) -> Vec<FullName> {
    let divided = |(at, _): (usize, &str)| {
        let stack = StackName::new(&text[..at]).ok()?;
        Some(FullName { stack, service: ServiceName::new(&text[at + 1..]).ok()? })
    };
    text.match_indices('_').filter_map(divided).collect()
}

impl Named {
    /// The service, if the name can be read in one way only.
    pub(super) fn only(&self) -> Option<&FullName> {
        match self.candidates.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The running service of that name. A name that can be read in one way only need not run.
    pub(super) fn find(&self, observed: &Observed) -> Result<FullName, NameError> {
        if let Some(only) = self.only() {
            return Ok(only.clone());
        }
        let running: BTreeSet<FullName> = observed
            .tasks()
            .map(|task| FullName { stack: task.stack.clone(), service: task.service.clone() })
            .filter(|name| self.candidates.contains(name))
            .collect();
        let mut running = running.into_iter();
        match (running.next(), running.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(no_such(&self.text, observed)),
            (Some(one), Some(other)) => {
                let both = [one, other].map(|name| format!("{}/{}", name.stack, name.service));
                Err(NameError::Several { text: self.text.clone(), both: both.to_vec() })
            }
        }
    }

    /// The error for an unknown name, with the names that exist.
    pub(super) fn unknown(&self, observed: &Observed) -> Failure {
        not_found(&self.text, observed)
    }
}

/// The error for a service that does not run; a silent host may have it.
pub(super) fn not_found(text: &str, observed: &Observed) -> Failure {
    Failure::new(blame(observed.silent_and_needed().next().is_some()), no_such(text, observed))
}

fn no_such(text: &str, observed: &Observed) -> NameError {
    const NAMES_MAX: usize = 8;
    let known: BTreeSet<String> =
        observed.tasks().map(|task| format!("{}_{}", task.stack, task.service)).collect();
    let help = match known.len() {
        0 => "nothing runs on the hosts that answer".to_owned(),
        all if all > NAMES_MAX => "`stackctl service ls` lists them".to_owned(),
        _ => format!("there are: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    NameError::None { text: text.to_owned(), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_divided_where_it_can_be() {
        let read = |text: &str| -> Vec<String> {
            let named = named(text).map(|named| named.candidates).unwrap_or_default();
            named.iter().map(|name| format!("{}/{}", name.stack, name.service)).collect()
        };
        assert_eq!(read("shop_web"), ["shop/web"]);
        assert_eq!(read("my_shop_web"), ["my/shop_web", "my_shop/web"]);
        assert_eq!(read("my_shop/web_1"), ["my_shop/web_1"]);
        for none in ["shop", "_web", "shop_", "shop/", "/web", ""] {
            assert_eq!(read(none), [""; 0], "{none}");
        }
    }
}
