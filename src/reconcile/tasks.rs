//! Tasks that each end with exactly one input, also if they are aborted or panic.

use std::collections::BTreeMap;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::supervisor::Input;
use crate::words::of_panic;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<Input>,
    /// What is heard of a task that does not end by itself.
    instead: BTreeMap<Id, Instead>,
}

#[derive(Debug)]
struct Instead {
    what: &'static str,
    input: Input,
}

/// A task that panicked: which, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panicked {
    pub task: String,
    pub why: String,
}

impl Tasks {
    /// Begins one; `instead` is heard if it is aborted or panics.
    pub(super) fn begin(
        &mut self,
        what: &'static str,
        instead: Input,
        task: impl Future<Output = Input> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.running.spawn(task);
        self.instead.insert(handle.id(), Instead { what, input: instead });
        handle
    }

    /// The next end of one, and whether it panicked; `None` if there is none under way. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<(Input, Option<Panicked>)> {
        let ended = self.running.join_next_with_id().await?;
        let error = match ended {
            Ok((id, input)) => {
                self.instead.remove(&id);
                return Some((input, None));
            }
            Err(error) => error,
        };
        let instead = self.instead.remove(&error.id());
        let Instead { what, input } = instead.unwrap_or(Instead { what: "work", input: Input::Tick });
        Some((input, panicked(what, error)))
    }
}

/// What a task that did not end by itself said, if it panicked.
pub(super) fn panicked(what: &str, error: JoinError) -> Option<Panicked> {
    let why = of_panic(&*error.try_into_panic().ok()?);
    Some(Panicked { task: what.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackName;
    use crate::reconcile::supervisor::work::Healed;

    fn worked(why: &str) -> Input {
        Input::Worked(StackName::unchecked("shop"), Healed::Failed(why.to_owned()))
    }

    fn is_worked(input: &Input, why: &str) -> bool {
        matches!(input, Input::Worked(_, Healed::Failed(said)) if said == why)
    }

    #[tokio::test]
    async fn a_task_that_panics_has_ended_as_any_other() {
        let mut tasks = Tasks::default();
        tasks.begin("heal", worked("broke off"), async { panic!("index {}", 7) });
        let (input, panicked) = tasks.next().await.unwrap();
        assert!(is_worked(&input, "broke off"), "{input:?}");
        assert_eq!(panicked, Some(Panicked { task: "heal".to_owned(), why: "index 7".to_owned() }));
        // And the next one is as if nothing had happened.
        tasks.begin("heal", worked("broke off"), async { worked("by itself") });
        let (input, panicked) = tasks.next().await.unwrap();
        assert!(is_worked(&input, "by itself") && panicked.is_none() && tasks.instead.is_empty());
        tasks.begin("look", Input::Looked(None), std::future::pending()).abort();
        assert!(matches!(tasks.next().await, Some((Input::Looked(None), None))));
    }
}
