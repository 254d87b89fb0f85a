//! What an agent knows of itself, and counts. No effect: time and memory are handed in.

use std::sync::atomic::{AtomicU64, Ordering};

use super::join::Standing;
use super::wire::{Answer, Hello, Keeping, Refusal, Status, write_answer};
use crate::model::Timestamp;

/// What an agent knows of itself.
#[derive(Debug)]
pub struct Desk {
    hello: Hello,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Desk {
    /// Of an agent that has just begun.
    #[must_use]
    pub fn new(hello: Hello) -> Self {
        Self { hello, answered: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Who it is.
    #[must_use]
    pub fn hello(&self) -> Answer {
        Answer::Hello(self.hello.clone())
    }

    /// The digest of its program.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.hello.digest
    }

    /// How it is.
    #[must_use]
    pub fn status(
        &self,
        now: Timestamp,
        memory_kib: Option<u64>,
        secrets: Keeping,
        standing: Option<Standing>,
    ) -> Answer {
        Answer::Status(Status {
            up_ms: now.since_ms(self.hello.started),
            answered: self.answered.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            memory_kib,
            secrets: Some(secrets),
            standing: standing.map(Box::new),
        })
    }

    /// An answer as bytes, which is counted.
    #[must_use]
    pub fn counted(&self, answer: &Result<Answer, Refusal>) -> Vec<u8> {
        let count = if answer.is_ok() { &self.answered } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        write_answer(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Request, read_answer};
    use super::*;

    #[test]
    fn it_says_since_when_it_runs_and_counts_what_it_was_asked() {
        let hello = Hello {
            protocol_from: 1,
            protocol_to: 2,
            version: "0.3.0".into(),
            digest: "ab".into(),
            cluster: "prod".into(),
            started: Timestamp(1_000),
        };
        let desk = Desk::new(hello.clone());
        let bytes = desk.counted(&Ok(desk.hello()));
        assert_eq!(read_answer(&Request::Hello, &bytes), Ok(Ok(Answer::Hello(hello))));
        for refusal in [Refusal::TooLarge { max: 1 }, Refusal::NotShared] {
            let _refused = desk.counted(&Err(refusal));
        }
        let keeping = Keeping { tasks: 3, why_not: None };
        let status = Status {
            up_ms: 3_000,
            answered: 1,
            refused: 2,
            memory_kib: Some(9),
            secrets: Some(keeping.clone()),
            standing: None,
        };
        assert_eq!(desk.status(Timestamp(4_000), Some(9), keeping, None), Answer::Status(status));
    }
}
