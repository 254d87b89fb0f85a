//! What a person tells the reconcile loop about a stack, so that it outlives every process.

use serde::{Deserialize, Serialize};

use super::decide::{Appended, Ledger};
use super::error::LedgerError;
use super::log::Log;
use super::payload::Value;
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
    /// What they said.
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
    let stream = stream(stack);
    read(&ledger.read(&stream).await?, &stream)
}

fn read(log: &Log, stream: &Stream) -> Result<Settings, LedgerError> {
    let written = log.entries.iter().rev().find(|(_, entry)| !entry.value.data.is_null());
    let Some((&seq, entry)) = written else { return Ok(Settings::default()) };
    Settings::deserialize(&entry.value.data).map_err(|error| LedgerError::Unreadable {
        stream: stream.to_string(),
        seq,
        detail: error.to_string(),
    })
}

/// Changes the settings of a stack; what they were, and what they are. `value` makes a value of this
/// append alone. A change that changes nothing writes nothing.
pub async fn change<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    value: impl Fn(serde_json::Value) -> Value,
    change: impl Fn(&mut Settings),
) -> Result<(Settings, Settings), LedgerError> {
    let stream = stream(stack);
    loop {
        let log = ledger.read(&stream).await?;
        let before = read(&log, &stream)?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok((before, after));
        }
        let ours = value(serde_json::json!(after));
        // Somebody else may have been quicker: what they set is kept, and ours comes on top of it.
        if ledger.append(&stream, log.next(), &ours).await? == Appended::Won {
            ledger.trim(&stream, &log).await;
            return Ok((before, after));
        }
    }
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
        let managers = ledger.registers().managers().to_vec();
        let value = |data| Value { id: format!("{data}"), managers: managers.clone(), data };
        let why = Suspended { who: "ann@mill".to_owned(), at: Timestamp(5), why: Some("disk".to_owned()) };
        let suspend = |settings: &mut Settings| settings.suspended = Some(why.clone());
        let (before, after) = change(&ledger, &stack, value, suspend).await.unwrap();
        assert_eq!((before, after.suspended.as_ref()), (Settings::default(), Some(&why)));
        change(&ledger, &stack, value, suspend).await.unwrap();
        assert_eq!(ledger.read(&stream(&stack)).await.unwrap().next(), 2);
        for _ in 0..8 {
            change(&ledger, &stack, value, |settings| settings.suspended = None).await.unwrap();
            change(&ledger, &stack, value, suspend).await.unwrap();
        }
        assert_eq!(settings(&ledger, &stack).await.unwrap(), after);
        let log = ledger.read(&stream(&stack)).await.unwrap();
        assert!(log.entries.len() <= 6, "{}", log.entries.len());
    }
}
