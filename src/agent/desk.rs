//! Answers requests, by what an agent knows of itself. No effect: time and memory are handed in.

use std::sync::atomic::{AtomicU64, Ordering};

use super::wire::{Answer, Hello, Refusal, Request, Status, read_request, write_answer};
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

    /// The answer to what came, as bytes.
    #[must_use]
    pub fn answer(&self, now: Timestamp, memory_kib: Option<u64>, asked: &[u8]) -> Vec<u8> {
        self.counted(read_request(asked).map(|request| self.of(now, memory_kib, &request)))
    }

    /// The same for what was too long to be read.
    #[must_use]
    pub fn refuse(&self, why: Refusal) -> Vec<u8> {
        self.counted(Err(why))
    }

    fn of(&self, now: Timestamp, memory_kib: Option<u64>, request: &Request) -> Answer {
        match request {
            Request::Hello => Answer::Hello(self.hello.clone()),
            Request::Status => Answer::Status(Status {
                up_ms: now.since_ms(self.hello.started),
                answered: self.answered.load(Ordering::Relaxed),
                refused: self.refused.load(Ordering::Relaxed),
                memory_kib,
            }),
        }
    }

    fn counted(&self, answer: Result<Answer, Refusal>) -> Vec<u8> {
        let count = if answer.is_ok() { &self.answered } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        write_answer(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{read_answer, write_request};
    use super::*;

    #[test]
    fn it_says_since_when_it_runs_and_counts_what_it_was_asked() {
        let hello = Hello {
            protocol_from: 1,
            protocol_to: 1,
            version: "0.3.0".into(),
            digest: "ab".into(),
            cluster: "prod".into(),
            started: Timestamp(1_000),
        };
        let desk = Desk::new(hello.clone());
        let ask = |request: &Request| {
            let bytes = desk.answer(Timestamp(4_000), Some(9), &write_request(request));
            read_answer(request, &bytes).unwrap().unwrap()
        };
        assert_eq!(ask(&Request::Hello), Answer::Hello(hello));
        let _refused = desk.answer(Timestamp(4_000), None, b"nonsense");
        let _too_large = desk.refuse(Refusal::TooLarge { max: 1 });
        let status = Status { up_ms: 3_000, answered: 1, refused: 2, memory_kib: Some(9) };
        assert_eq!(ask(&Request::Status), Answer::Status(status));
    }
}
