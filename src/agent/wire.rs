//! What client and agent say to each other: one JSON document each way, of a protocol that has a number.
//!
//! A client names the protocol in which it asks, and the agent answers in that one or says which ones it has. `hello` is
//! answered whatever protocol is named, so that a client of any version learns that range: its request and the
//! fields of its answer never change. A new request, or a new field that matters, is a new protocol; fields that are
//! not known are passed over.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::join::{Join, Standing};
use super::put;
pub use super::put::{Over, Owner, SecretFile, SecretsPut};
use crate::model::Timestamp;

/// The oldest protocol that this program answers in.
pub const PROTOCOL_OLDEST: u32 = 1;
/// The newest.
pub const PROTOCOL: u32 = 5;
/// The first in which agents keep secrets.
pub const PROTOCOL_SECRETS: u32 = 2;
/// The first in which agents speak with each other.
pub const PROTOCOL_PEERS: u32 = 3;
/// The first in which files of tasks are swapped.
pub const PROTOCOL_SWAPS: u32 = 4;
/// The first in which agents pass [layers](super::relay) on: no request, but a stream.
pub const PROTOCOL_LAYERS: u32 = 5;
/// The longest request, in bytes: a task with more than twenty secrets of the largest size.
pub const REQUEST_MAX: usize = 16 << 20;
/// Bytes of all secrets of one task, which go in one request as base64.
pub const TASK_BYTES_MAX: usize = 12_000_000;
/// The longest answer, in bytes.
pub const ANSWER_MAX: usize = 16 << 20;

/// What a client asks.
#[derive(Debug, Clone)]
pub enum Request {
    /// Who is there.
    Hello,
    /// How it is.
    Status,
    /// Keep the secrets of a task: all of them or none.
    SecretsPut(SecretsPut),
    /// Swap the files of a task, whose container may run: all of them or none. What was there before stays.
    SecretsSwap(SecretsPut),
    /// Put back what was there before the files of a task were swapped.
    SecretsBack {
        /// Its id.
        task: String,
    },
    /// The files that a task has are good: what was there before is to go.
    SecretsSettle {
        /// Its id.
        task: String,
    },
    /// A task is over: its secrets are to go.
    SecretsDrop {
        /// Its id.
        task: String,
    },
    /// A task's variables are secrets: its container needs the agent's own program to start with.
    ProgramPut {
        /// Its id.
        task: String,
    },
    /// Whose secrets are kept.
    SecretsList,
    /// All secrets are to go, with the memory that they are in: the agent is about to be removed.
    SecretsClear,
    /// Who the agent is among the others.
    Join(Box<Join>),
    /// What is kept for another host.
    PeerKept {
        /// Its name in the inventory.
        host: String,
    },
    /// Tasks of another host, which is off, are over: what is kept of them is to go, and none of it to be given back.
    PeerOver {
        /// Its name in the inventory.
        host: String,
        over: Vec<Over>,
    },
}

impl Request {
    fn word(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Status => "status",
            Self::SecretsPut(_) => "secrets_put",
            Self::SecretsSwap(_) => "secrets_swap",
            Self::SecretsBack { .. } => "secrets_back",
            Self::SecretsSettle { .. } => "secrets_settle",
            Self::SecretsDrop { .. } => "secrets_drop",
            Self::ProgramPut { .. } => "program_put",
            Self::SecretsList => "secrets_list",
            Self::SecretsClear => "secrets_clear",
            Self::Join(_) => "join",
            Self::PeerKept { .. } => "peer_kept",
            Self::PeerOver { .. } => "peer_over",
        }
    }

    /// The oldest protocol that has it, in which it is asked: older agents answer what they can.
    fn protocol(&self) -> u32 {
        match self {
            Self::Hello | Self::Status => PROTOCOL_OLDEST,
            // One that does not know of these would mount them one by one.
            Self::SecretsPut(put) if put.files.iter().any(|(file, _)| file.place.is_some()) => PROTOCOL_SWAPS,
            Self::SecretsSwap(_) | Self::SecretsBack { .. } | Self::SecretsSettle { .. } => PROTOCOL_SWAPS,
            // One that has no programs for tasks says that it knows no such request.
            Self::SecretsPut(_)
            | Self::SecretsDrop { .. }
            | Self::ProgramPut { .. }
            | Self::SecretsList
            | Self::SecretsClear => PROTOCOL_SECRETS,
            // One that knows of no tasks that are over says that it knows no such request.
            Self::Join(_) | Self::PeerKept { .. } | Self::PeerOver { .. } => PROTOCOL_PEERS,
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

    /// Whether the agent knows of secrets.
    #[must_use]
    pub fn knows_secrets(&self) -> bool {
        (self.protocol_from..=self.protocol_to).contains(&PROTOCOL_SECRETS)
    }

    /// Whether the agent can swap files of tasks.
    #[must_use]
    pub fn knows_swaps(&self) -> bool {
        (self.protocol_from..=self.protocol_to).contains(&PROTOCOL_SWAPS)
    }

    /// Whether the agent can pass layers on.
    #[must_use]
    pub fn knows_layers(&self) -> bool {
        (self.protocol_from..=self.protocol_to).contains(&PROTOCOL_LAYERS)
    }

    /// Whether the agent can speak with others.
    #[must_use]
    pub fn knows_peers(&self) -> bool {
        (self.protocol_from..=self.protocol_to).contains(&PROTOCOL_PEERS)
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
    /// What it keeps of secrets; none of an agent that knows of none.
    #[serde(default)]
    pub secrets: Option<Keeping>,
    /// How it stands with other agents; none of one that does not know who it is.
    #[serde(default)]
    pub standing: Option<Box<Standing>>,
}

/// What an agent keeps of secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// Tasks whose secrets it has.
    pub tasks: usize,
    /// Why it can keep none.
    pub why_not: Option<String>,
}

/// A task whose secrets are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTask {
    pub task: String,
    pub secrets: Vec<KeptSecret>,
    /// What it is of, where that was asked for and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Owner>,
}

/// One of them, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecret {
    pub name: String,
    pub version: String,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::SecretsPut`] and [`Request::SecretsSwap`]: the places of files that came without a value and have none
    /// here. If there are any, nothing was written.
    Missing(Vec<usize>),
    /// To [`Request::SecretsList`] and [`Request::PeerKept`].
    Kept(Vec<KeptTask>),
    /// To all others.
    Done,
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
    /// No containers would see what it keeps.
    #[error(
        "what the agent mounts does not reach the host, so that no container would see the secrets: run \
         `mount --make-rshared /` on the host, now and at each boot, and have its engine start the agent again"
    )]
    NotShared,
    /// It cannot keep secrets, for any other reason.
    #[error("the agent cannot keep secrets: {why}")]
    NotKept {
        /// Why not.
        why: String,
    },
    /// What the client says of it and the others cannot be used.
    #[error("the agent cannot join the others: {why}")]
    NotJoined {
        /// Why not.
        why: String,
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

#[derive(Deserialize)]
struct OfTask {
    task: String,
}

#[derive(Deserialize)]
struct OfHost {
    host: String,
    #[serde(default)]
    over: Vec<Over>,
}

#[derive(Serialize)]
struct Joining<'a> {
    protocol: u32,
    request: &'a str,
    join: &'a Join,
}

#[derive(Deserialize)]
struct Joined {
    join: Box<Join>,
}

#[derive(Serialize, Deserialize)]
struct Missing {
    missing: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    tasks: Vec<KeptTask>,
}

/// A request as bytes, which are overwritten when they are dropped.
#[must_use]
pub fn write_request(request: &Request) -> Zeroizing<Vec<u8>> {
    let (protocol, word) = (request.protocol(), request.word());
    let text = match request {
        Request::SecretsPut(put) | Request::SecretsSwap(put) => return put::write(protocol, word, put),
        Request::SecretsDrop { task }
        | Request::SecretsBack { task }
        | Request::SecretsSettle { task }
        | Request::ProgramPut { task } => {
            json!({ "protocol": protocol, "request": word, "task": task })
        }
        Request::PeerKept { host } => json!({ "protocol": protocol, "request": word, "host": host }),
        Request::PeerOver { host, over } => {
            json!({ "protocol": protocol, "request": word, "host": host, "over": over })
        }
        Request::Join(join) => {
            return put::counted(&Joining { protocol, request: word, join });
        }
        Request::Hello | Request::Status | Request::SecretsList | Request::SecretsClear => {
            json!({ "protocol": protocol, "request": word })
        }
    };
    Zeroizing::new(text.to_string().into_bytes())
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
    let malformed = |error: serde_json::Error| Refusal::Malformed { why: error.to_string() };
    let asked: Asked = serde_json::from_slice(bytes).map_err(malformed)?;
    let is_spoken = (PROTOCOL_OLDEST..=PROTOCOL).contains(&asked.protocol);
    match asked.request.as_str() {
        "hello" => Ok(Request::Hello),
        _ if !is_spoken => {
            Err(Refusal::Protocol { asked: asked.protocol, from: PROTOCOL_OLDEST, to: PROTOCOL })
        }
        "status" => Ok(Request::Status),
        _ if asked.protocol < PROTOCOL_SECRETS => Err(Refusal::UnknownRequest { request: asked.request }),
        "secrets_put" => put::read(bytes).map(Request::SecretsPut).map_err(|why| Refusal::Malformed { why }),
        "secrets_drop" => {
            let OfTask { task } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::SecretsDrop { task })
        }
        "program_put" => {
            let OfTask { task } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::ProgramPut { task })
        }
        "secrets_list" => Ok(Request::SecretsList),
        "secrets_clear" => Ok(Request::SecretsClear),
        _ if asked.protocol < PROTOCOL_PEERS => Err(Refusal::UnknownRequest { request: asked.request }),
        "join" => match serde_json::from_slice(bytes) {
            Ok(Joined { join }) => Ok(Request::Join(join)),
            // The parser's own words quote the text, which has a key in it.
            Err(error) => {
                Err(Refusal::Malformed { why: format!("it is no join: column {}", error.column()) })
            }
        },
        "peer_kept" => {
            let OfHost { host, .. } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::PeerKept { host })
        }
        "peer_over" => {
            let OfHost { host, over } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::PeerOver { host, over })
        }
        _ if asked.protocol < PROTOCOL_SWAPS => Err(Refusal::UnknownRequest { request: asked.request }),
        "secrets_swap" => {
            put::read(bytes).map(Request::SecretsSwap).map_err(|why| Refusal::Malformed { why })
        }
        "secrets_back" => {
            let OfTask { task } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::SecretsBack { task })
        }
        "secrets_settle" => {
            let OfTask { task } = serde_json::from_slice(bytes).map_err(malformed)?;
            Ok(Request::SecretsSettle { task })
        }
        _ => Err(Refusal::UnknownRequest { request: asked.request }),
    }
}

/// An answer, or a refusal, as bytes.
#[must_use]
pub fn write_answer(answer: &Result<Answer, Refusal>) -> Vec<u8> {
    let value = match answer {
        Ok(Answer::Hello(hello)) => json!({ "answer": hello }),
        Ok(Answer::Status(status)) => json!({ "answer": status }),
        Ok(Answer::Missing(missing)) => json!({ "answer": { "missing": missing } }),
        Ok(Answer::Kept(tasks)) => json!({ "answer": { "tasks": tasks } }),
        Ok(Answer::Done) => json!({ "answer": {} }),
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
        Request::SecretsPut(_) | Request::SecretsSwap(_) => {
            serde_json::from_value(answer).map(|Missing { missing }| Answer::Missing(missing))
        }
        Request::SecretsList | Request::PeerKept { .. } => {
            serde_json::from_value(answer).map(|Kept { tasks }| Answer::Kept(tasks))
        }
        Request::SecretsDrop { .. }
        | Request::SecretsBack { .. }
        | Request::SecretsSettle { .. }
        | Request::ProgramPut { .. }
        | Request::SecretsClear
        | Request::PeerOver { .. }
        | Request::Join(_) => Ok(Answer::Done),
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
        let keeping = Keeping { tasks: 3, why_not: Some("x".into()) };
        let status = Status {
            up_ms: 7,
            answered: 2,
            refused: 1,
            memory_kib: None,
            secrets: Some(keeping),
            standing: None,
        };
        let secret = KeptSecret { name: "a".into(), version: "v".into() };
        let kept = KeptTask { task: "t1".into(), secrets: vec![secret], of: None };
        let of = Owner { stack: "shop".into(), service: "web".into(), slot: "1".into(), born: 7 };
        let owned = KeptTask { of: Some(of.clone()), ..kept.clone() };
        let put = SecretsPut { task: "t1".into(), of: Some(of), files: Vec::new() };
        let over = vec![Over { task: "t1".into(), born: u64::MAX }];
        for (request, answer) in [
            (Request::Hello, Answer::Hello(hello())),
            (Request::Status, Answer::Status(status)),
            (Request::SecretsSwap(put.clone()), Answer::Missing(vec![1])),
            (Request::SecretsBack { task: "t1".into() }, Answer::Done),
            (Request::SecretsSettle { task: "t1".into() }, Answer::Done),
            (Request::SecretsPut(put), Answer::Missing(vec![0, 2])),
            (Request::SecretsList, Answer::Kept(vec![kept])),
            (Request::SecretsDrop { task: "t1".into() }, Answer::Done),
            (Request::ProgramPut { task: "t1".into() }, Answer::Done),
            (Request::SecretsClear, Answer::Done),
            (Request::PeerKept { host: "h1".into() }, Answer::Kept(vec![owned])),
            (Request::PeerOver { host: "h1".into(), over }, Answer::Done),
        ] {
            let read = read_request(&write_request(&request)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{request:?}"));
            let written = write_answer(&Ok(answer.clone()));
            assert_eq!(read_answer(&request, &written), Ok(Ok(answer)));
        }
    }

    /// Agents of protocol 1 are on hosts: what they know is asked as they know it, and what they leave out is no mistake.
    #[test]
    fn an_older_agent_is_asked_what_it_knows() {
        let protocol = |request: &Request| {
            let value: Value = serde_json::from_slice(&write_request(request)).unwrap();
            value["protocol"].clone()
        };
        assert_eq!((protocol(&Request::Hello), protocol(&Request::Status)), (json!(1), json!(1)));
        assert_eq!(protocol(&Request::SecretsClear), json!(2));
        let put = |place: Option<&str>| {
            let file = SecretFile {
                name: "a".into(),
                version: "v".into(),
                uid: 0,
                gid: 0,
                mode: 0,
                place: place.map(Into::into),
            };
            Request::SecretsPut(SecretsPut { task: "t1".into(), of: None, files: vec![(file, None)] })
        };
        assert_eq!(protocol(&put(None)), json!(2));
        assert_eq!(protocol(&put(Some(""))), json!(4), "an older one would put them elsewhere");
        let old = br#"{"answer": {"up_ms": 7, "answered": 1, "refused": 0, "memory_kib": null}}"#;
        let Ok(Ok(Answer::Status(status))) = read_answer(&Request::Status, old) else { panic!("a status") };
        assert_eq!((status.up_ms, status.secrets), (7, None));
        assert!(!hello().knows_secrets() && Hello { protocol_to: 2, ..hello() }.knows_secrets());
        let asked = br#"{"protocol": 1, "request": "secrets_list"}"#;
        assert_eq!(refusal(asked), Refusal::UnknownRequest { request: "secrets_list".into() });
    }

    fn refusal(bytes: &[u8]) -> Refusal {
        read_request(bytes).unwrap_err()
    }

    #[test]
    fn each_thing_that_is_not_understood_has_its_own_name() {
        let read = |text: &str| refusal(text.as_bytes());
        let too_new = Refusal::Protocol { asked: 9, from: PROTOCOL_OLDEST, to: PROTOCOL };
        assert_eq!(read(r#"{"protocol": 9, "request": "status"}"#), too_new);
        assert_eq!(read(r#"{"protocol": 9, "request": "dance"}"#), too_new, "it may be one of protocol 9");
        let unknown = Refusal::UnknownRequest { request: "dance".into() };
        assert_eq!(read(r#"{"protocol": 1, "request": "dance"}"#), unknown);
        assert!(matches!(read("[]"), Refusal::Malformed { .. }));
        assert_eq!(read(&" ".repeat(REQUEST_MAX + 1)), Refusal::TooLarge { max: REQUEST_MAX });
        for refusal in [
            too_new,
            unknown,
            Refusal::TooLarge { max: 7 },
            Refusal::NotShared,
            Refusal::NotKept { why: "x".into() },
            Refusal::NotJoined { why: "x".into() },
        ] {
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
        assert!(matches!(read_request(future), Ok(Request::Hello)));
        let fields = ["cluster", "digest", "protocol_from", "protocol_to", "started", "version"];
        let written: Value = serde_json::from_slice(&write_answer(&Ok(Answer::Hello(hello())))).unwrap();
        let answer = written["answer"].as_object().unwrap();
        assert!(fields.iter().all(|field| answer.contains_key(*field)), "{answer:?}");
        assert!(hello().is_understood());
        assert!(!Hello { protocol_from: 6, protocol_to: 7, ..hello() }.is_understood());
        assert!(!Hello { protocol_to: 4, ..hello() }.knows_layers());
        assert!(Hello { protocol_to: 6, ..hello() }.knows_layers());
        assert!(!Hello { protocol_from: 0, protocol_to: 0, ..hello() }.is_understood());
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for text in ["", "{}", "[1]", r#"{"answer": {"up_ms": "x"}}"#] {
            assert!(read_answer(&Request::Status, text.as_bytes()).is_err(), "{text}");
        }
    }
}
