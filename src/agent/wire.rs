//! What client and agent say to each other: one JSON document each way, of a protocol that has a number.
//!
//! A client names the protocol in which it asks, and the agent answers in that one or says which ones it has. `hello` is
//! answered whatever protocol is named, so that a client of any version learns that range: its request and the
//! fields of its answer never change. A new request, or a new field that matters, is a new protocol; fields that are
//! not known are passed over.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::Timestamp;

/// The oldest protocol that this program answers in.
pub const PROTOCOL_OLDEST: u32 = 1;
/// The newest, in which it asks.
pub const PROTOCOL: u32 = 1;
/// The longest request, in bytes.
pub const REQUEST_MAX: usize = 64 << 10;
/// The longest answer, in bytes.
pub const ANSWER_MAX: usize = 1 << 20;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who is there.
    Hello,
    /// How it is.
    Status,
}

impl Request {
    fn word(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Status => "status",
        }
    }
}

/// Who an agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest protocol that it speaks.
    pub protocol_from: u32,
    /// The newest.
    pub protocol_to: u32,
    /// The version of its program.
    pub version: String,
    /// The SHA-256 digest of its program, in hexadecimal digits.
    pub digest: String,
    /// The cluster that it is of.
    pub cluster: String,
    /// Since when it runs, by the clock of its host.
    pub started: Timestamp,
}

impl Hello {
    /// Whether this program and the agent have a protocol in common.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.protocol_from <= PROTOCOL && self.protocol_to >= PROTOCOL_OLDEST
    }
}

/// How an agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Milliseconds that it runs.
    pub up_ms: i64,
    /// Requests that it has answered.
    pub answered: u64,
    /// Requests that it has refused.
    pub refused: u64,
    /// Memory that it holds, in KiB, where the kernel says so.
    pub memory_kib: Option<u64>,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Status`].
    Status(Status),
}

/// Why an agent does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// No request of that name in this protocol.
    #[error("the agent knows no request `{request}`")]
    UnknownRequest {
        /// Its name.
        request: String,
    },
    /// The client is newer, or older, than the agent can be spoken with.
    #[error("the agent speaks protocols {from} to {to}, and was asked in protocol {asked}")]
    Protocol {
        /// What the client named.
        asked: u32,
        /// The oldest that the agent has.
        from: u32,
        /// The newest.
        to: u32,
    },
    /// What came is no request.
    #[error("the agent was sent what is no request: {why}")]
    Malformed {
        /// Why not.
        why: String,
    },
    /// Longer than a request may be.
    #[error("the agent reads requests of {max} bytes at most")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A refusal that this program does not know.
    #[error("the agent refused for a reason that this version does not know")]
    #[serde(other)]
    Other,
}

/// What came back is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what came from the agent is no answer: {0}")]
pub struct NoAnswer(String);

#[derive(Deserialize)]
struct Asked {
    protocol: u32,
    request: String,
}

/// A request as bytes, in the newest protocol.
#[must_use]
pub fn write_request(request: &Request) -> Vec<u8> {
    json!({ "protocol": PROTOCOL, "request": request.word() }).to_string().into_bytes()
}

/// A request back from its bytes.
///
/// # Errors
///
/// It is none, of a protocol that is not spoken, or not known.
pub fn read_request(bytes: &[u8]) -> Result<Request, Refusal> {
    if bytes.len() > REQUEST_MAX {
        return Err(Refusal::TooLarge { max: REQUEST_MAX });
    }
    let asked: Asked =
        serde_json::from_slice(bytes).map_err(|error| Refusal::Malformed { why: error.to_string() })?;
    let is_spoken = (PROTOCOL_OLDEST..=PROTOCOL).contains(&asked.protocol);
    match asked.request.as_str() {
        "hello" => Ok(Request::Hello),
        _ if !is_spoken => {
            Err(Refusal::Protocol { asked: asked.protocol, from: PROTOCOL_OLDEST, to: PROTOCOL })
        }
        "status" => Ok(Request::Status),
        _ => Err(Refusal::UnknownRequest { request: asked.request }),
    }
}

/// An answer, or a refusal, as bytes.
#[must_use]
pub fn write_answer(answer: &Result<Answer, Refusal>) -> Vec<u8> {
    let value = match answer {
        Ok(Answer::Hello(hello)) => json!({ "answer": hello }),
        Ok(Answer::Status(status)) => json!({ "answer": status }),
        Err(refusal) => json!({ "refused": refusal }),
    };
    value.to_string().into_bytes()
}

/// The answer to a request back from its bytes.
///
/// # Errors
///
/// It is no answer to that request.
pub fn read_answer(request: &Request, bytes: &[u8]) -> Result<Result<Answer, Refusal>, NoAnswer> {
    let no_answer = |error: serde_json::Error| NoAnswer(error.to_string());
    let mut value: Value = serde_json::from_slice(bytes).map_err(no_answer)?;
    if let Some(refused) = value.get_mut("refused").map(Value::take) {
        return serde_json::from_value(refused).map(Err).map_err(no_answer);
    }
    let Some(answer) = value.get_mut("answer").map(Value::take) else {
        return Err(NoAnswer("there is neither an answer nor a refusal in it".to_owned()));
    };
    let answer = match request {
        Request::Hello => serde_json::from_value(answer).map(Answer::Hello),
        Request::Status => serde_json::from_value(answer).map(Answer::Status),
    };
    answer.map(Ok).map_err(no_answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol_from: 1,
            protocol_to: 1,
            version: "0.3.0".into(),
            digest: "ab".into(),
            cluster: "prod".into(),
            started: Timestamp(5),
        }
    }

    #[test]
    fn what_is_asked_and_answered_is_read_back() {
        let status = Status { up_ms: 7, answered: 2, refused: 1, memory_kib: None };
        for (request, answer) in
            [(Request::Hello, Answer::Hello(hello())), (Request::Status, Answer::Status(status))]
        {
            assert_eq!(read_request(&write_request(&request)), Ok(request.clone()));
            let written = write_answer(&Ok(answer.clone()));
            assert_eq!(read_answer(&request, &written), Ok(Ok(answer)));
        }
    }

    #[test]
    fn each_thing_that_is_not_understood_has_its_own_name() {
        let read = |text: &str| read_request(text.as_bytes()).unwrap_err();
        let too_new = Refusal::Protocol { asked: 9, from: PROTOCOL_OLDEST, to: PROTOCOL };
        assert_eq!(read(r#"{"protocol": 9, "request": "status"}"#), too_new);
        assert_eq!(read(r#"{"protocol": 9, "request": "dance"}"#), too_new, "it may be one of protocol 9");
        let unknown = Refusal::UnknownRequest { request: "dance".into() };
        assert_eq!(read(r#"{"protocol": 1, "request": "dance"}"#), unknown);
        assert!(matches!(read("[]"), Refusal::Malformed { .. }));
        assert_eq!(read(&" ".repeat(REQUEST_MAX + 1)), Refusal::TooLarge { max: REQUEST_MAX });
        for refusal in
            [too_new, unknown, Refusal::TooLarge { max: 7 }, Refusal::Malformed { why: "x".into() }]
        {
            let written = write_answer(&Err(refusal.clone()));
            assert_eq!(read_answer(&Request::Status, &written), Ok(Err(refusal)));
        }
        let newer = br#"{"refused": {"code": "asleep", "until": 7}}"#;
        assert_eq!(read_answer(&Request::Status, newer), Ok(Err(Refusal::Other)));
    }

    /// The shape of `hello` is for all versions to come.
    #[test]
    fn hello_is_answered_whatever_the_protocol() {
        let future = br#"{"protocol": 4000, "request": "hello", "more": [1]}"#;
        assert_eq!(read_request(future), Ok(Request::Hello));
        let fields = ["cluster", "digest", "protocol_from", "protocol_to", "started", "version"];
        let written: Value = serde_json::from_slice(&write_answer(&Ok(Answer::Hello(hello())))).unwrap();
        let answer = written["answer"].as_object().unwrap();
        assert!(fields.iter().all(|field| answer.contains_key(*field)), "{answer:?}");
        assert!(hello().is_understood());
        assert!(!Hello { protocol_from: 2, protocol_to: 3, ..hello() }.is_understood());
        assert!(!Hello { protocol_from: 0, protocol_to: 0, ..hello() }.is_understood());
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for text in ["", "{}", "[1]", r#"{"answer": {"up_ms": "x"}}"#] {
            assert!(read_answer(&Request::Status, text.as_bytes()).is_err(), "{text}");
        }
    }
}
