//! Operations that are no release, written into the log: that they begin, and how they ended.
//!
//! What cannot be written down is not done: a log with holes is none.

use std::fmt::Display;

use crate::engine::{Clock, Me};
use crate::ledger::operation::{Changed, Ending, Operation, begin, end, stream};
use crate::ledger::{Ledger, LedgerError, WriteRegisters};
use crate::model::StackName;

/// In whose name an operation is carried out, and by which clock.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The process.
    pub me: Me,
    /// Its clock.
    pub clock: Clock,
}

/// What is written of an operation beside who begins it, and when.
#[derive(Debug, Default)]
pub struct NewEntry {
    /// The words of the command, without secret values.
    pub verb: String,
    /// What the user said about it.
    pub message: Option<String>,
    /// The stacks it is about, unless it is about the cluster.
    pub stacks: Vec<StackName>,
    /// What it changes.
    pub changes: Vec<Changed>,
}

/// An operation whose end could not be written down: it stands in the log as cut off.
#[derive(Debug, thiserror::Error)]
#[error("operation @{number} was not written to its end: {why}")]
pub struct Unended {
    /// Its number.
    pub number: u64,
    /// Why.
    pub why: LedgerError,
}

/// Writes an operation down, does it, and writes down how it ended. `unended` is called if that cannot be.
///
/// # Errors
///
/// If the beginning cannot be written down, in which case nothing is done; and those of the work.
pub async fn logged<R: WriteRegisters, T, E: From<LedgerError> + Display>(
    actor: &Actor,
    ledger: &Ledger<R>,
    entry: NewEntry,
    work: impl Future<Output = Result<T, E>>,
    unended: impl FnOnce(Unended),
) -> Result<T, E> {
    let NewEntry { verb, message, stacks, changes } = entry;
    let (who, at) = (actor.me.who.clone(), actor.clock.now());
    let operation = Operation { verb, who, at, message, stacks, changes };
    let number = begin(ledger, &stream(), operation).await?;
    let done = work.await;
    let ending = match &done {
        Ok(_) => Ending::Done,
        Err(failure) => Ending::Failed { why: failure.to_string() },
    };
    if let Err(why) = end(ledger, &stream(), number, actor.clock.now(), ending).await {
        unended(Unended { number, why });
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::new_key::NewKey;
    use crate::ledger::operation::{Recorded, read};
    use crate::ledger::{FileRegisters, Limits};
    use crate::model::ClusterName;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error(transparent)]
        Ledger(#[from] LedgerError),
        #[error("the host went silent")]
        Silent,
    }

    #[tokio::test]
    async fn both_how_it_began_and_how_it_ended_are_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let registers = FileRegisters::new(dir.path(), &ClusterName::unchecked("test"));
        let ledger = Ledger::new(registers, Limits::default());
        let me = Me {
            who: "ann@mill".into(),
            pid: 1,
            process: String::new(),
            is_gone: |_| false,
            new_key: NewKey::default(),
        };
        let actor = Actor { me, clock: Clock::start(None).unwrap() };
        let of = |verb: &str| NewEntry { verb: verb.into(), ..NewEntry::default() };
        let quiet = |error: Unended| panic!("{error}");
        let done = logged(&actor, &ledger, of("one"), async { Ok::<_, Failed>(7) }, quiet).await;
        assert_eq!(done.unwrap(), 7);
        let failed = async { Err::<(), _>(Failed::Silent) };
        logged(&actor, &ledger, of("two"), failed, quiet).await.unwrap_err();
        let read_back: Vec<(String, String, Option<Ending>)> = (read(&ledger, &stream()).await.unwrap())
            .into_iter()
            .map(|Recorded { operation, ended, .. }| {
                (operation.verb, operation.who, ended.map(|(_, ending)| ending))
            })
            .collect();
        let why = "the host went silent".to_owned();
        assert_eq!(
            read_back,
            [
                ("one".to_owned(), "ann@mill".to_owned(), Some(Ending::Done)),
                ("two".to_owned(), "ann@mill".to_owned(), Some(Ending::Failed { why })),
            ]
        );
    }
}
