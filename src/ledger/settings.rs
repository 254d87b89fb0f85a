//! What a user sets for the reconcile loop about a stack, kept so that it outlives every process.

use serde::{Deserialize, Serialize};

use super::decide::Ledger;
use super::document;
use super::error::LedgerError;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use crate::model::{StackName, Timestamp};

/// All that is set for a stack: each record holds the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The loop looks at the stack, and leaves it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
}

/// By whom, and why, a stack is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// `user@machine`.
    pub who: String,
    /// When, by their clock.
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The stream of a stack's settings.
#[must_use]
pub fn stream(stack: &StackName) -> Stream {
    Stream::new(Kind::Settings, stack)
}

/// The newest settings.
pub async fn settings<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Settings, LedgerError> {
    Ok(document::read(ledger, &stream(stack)).await?.1)
}

/// Changes the settings of a stack; what they were, and what they are.
pub async fn change<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    mut with: impl FnMut(&mut Settings),
) -> Result<(Settings, Settings), LedgerError> {
    document::change(ledger, &stream(stack), |settings| {
        with(settings);
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{FileRegisters, Limits};
    use crate::model::ClusterName;

    #[tokio::test]
    async fn a_change_keeps_what_others_set_and_writes_nothing_twice() {
        let dir = tempfile::tempdir().unwrap();
        let registers = FileRegisters::new(dir.path(), &ClusterName::unchecked("test"));
        let ledger = Ledger::new(registers, Limits::default());
        let stack = StackName::unchecked("shop");
        assert_eq!(settings(&ledger, &stack).await.unwrap(), Settings::default());
        let why = Suspended { who: "ann@mill".to_owned(), at: Timestamp(5), why: Some("disk".to_owned()) };
        let suspend = |settings: &mut Settings| settings.suspended = Some(why.clone());
        let (before, after) = change(&ledger, &stack, suspend).await.unwrap();
        assert_eq!((before, after.suspended.as_ref()), (Settings::default(), Some(&why)));
        change(&ledger, &stack, suspend).await.unwrap();
        assert_eq!(ledger.read(&stream(&stack)).await.unwrap().next(), 2);
        for _ in 0..8 {
            change(&ledger, &stack, |settings| settings.suspended = None).await.unwrap();
            change(&ledger, &stack, suspend).await.unwrap();
        }
        assert_eq!(settings(&ledger, &stack).await.unwrap(), after);
        let log = ledger.read(&stream(&stack)).await.unwrap();
        assert!(log.entries.len() <= 6, "{}", log.entries.len());
    }
}
