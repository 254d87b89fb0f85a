//! What agents say to each other: one JSON document each way, in the [wire](super::super::wire)'s manner. Who asks is known
//! by its certificate and its address, and is never said: no agent can ask for another one's secrets.

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::agent::put::{SecretsPut, read_set, write_set};
use crate::agent::secrets::kept::digest;

/// The longest of both, in bytes: all secrets of a host's tasks, each once.
pub const TALK_MAX: usize = 64 << 20;

/// What one agent asks another.
#[derive(Debug)]
pub enum Ask {
    /// Whether it is there.
    Hello,
    /// Whether just this is kept for the one who asks.
    Has {
        /// Its [digest].
        digest: String,
    },
    /// To keep this for the one who asks, instead of all that is kept for it.
    Keep {
        /// Its [digest].
        digest: String,
        set: Vec<SecretsPut>,
    },
    /// To forget what is kept for the one who asks.
    Drop,
    /// What is kept for the one who asks, who has begun without memory.
    Give {
        /// By chance, and the same as long as the agent runs; 0 of one that does not say.
        begun: u64,
    },
}

/// What it answers.
#[derive(Debug)]
pub enum Reply {
    /// It is there, or has done it.
    Done,
    /// To [`Ask::Has`].
    Has(bool),
    /// To [`Ask::Give`].
    Given(Vec<SecretsPut>),
    /// It does not do it; why.
    Refused(String),
}

#[derive(Deserialize)]
struct Said {
    word: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    has: bool,
    #[serde(default)]
    why: String,
    #[serde(default)]
    begun: u64,
}

/// A question as bytes.
#[must_use]
pub fn write_ask(ask: &Ask) -> Zeroizing<Vec<u8>> {
    let text = match ask {
        Ask::Keep { digest, set } => return write_set("keep", digest, set),
        Ask::Has { digest } => json!({ "word": "has", "digest": digest }),
        Ask::Hello => json!({ "word": "hello" }),
        Ask::Drop => json!({ "word": "drop" }),
        Ask::Give { begun } => json!({ "word": "give", "begun": begun }),
    };
    Zeroizing::new(text.to_string().into_bytes())
}

/// A question back from bytes; in words why it is none.
///
/// # Errors
///
/// It is none. The words have nothing of a value in them.
pub fn read_ask(bytes: &[u8]) -> Result<Ask, String> {
    let said = said(bytes)?;
    match said.word.as_str() {
        "hello" => Ok(Ask::Hello),
        "has" => Ok(Ask::Has { digest: said.digest }),
        "keep" => Ok(Ask::Keep { digest: said.digest, set: read_set(bytes)? }),
        "drop" => Ok(Ask::Drop),
        "give" => Ok(Ask::Give { begun: said.begun }),
        _ => Err("it asks something that this agent does not know".to_owned()),
    }
}

/// An answer as bytes.
#[must_use]
pub fn write_reply(reply: &Reply) -> Zeroizing<Vec<u8>> {
    let text = match reply {
        Reply::Given(set) => return write_set("given", &digest(set), set),
        Reply::Done => json!({ "word": "done" }),
        Reply::Has(has) => json!({ "word": "has", "has": has }),
        Reply::Refused(why) => json!({ "word": "refused", "why": why }),
    };
    Zeroizing::new(text.to_string().into_bytes())
}

/// An answer back from bytes.
///
/// # Errors
///
/// It is none.
pub fn read_reply(bytes: &[u8]) -> Result<Reply, String> {
    let said = said(bytes)?;
    match said.word.as_str() {
        "done" => Ok(Reply::Done),
        "has" => Ok(Reply::Has(said.has)),
        "given" => {
            let set = read_set(bytes)?;
            if digest(&set) == said.digest { Ok(Reply::Given(set)) } else { Err("it is cut off".to_owned()) }
        }
        "refused" => Ok(Reply::Refused(said.why)),
        _ => Err("it answers something that this agent does not know".to_owned()),
    }
}

fn said(bytes: &[u8]) -> Result<Said, String> {
    // The parser's own words may quote what was sent.
    serde_json::from_slice(bytes)
        .map_err(|error| format!("what came is no message: column {}", error.column()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agent::put::SecretFile;
    use crate::vault::Plaintext;

    fn set() -> Vec<SecretsPut> {
        let file =
            SecretFile { name: "a".into(), version: "v".into(), uid: 0, gid: 0, mode: 0o400, place: None };
        vec![SecretsPut {
            task: "t1".into(),
            files: vec![(file, Some(Arc::new(Plaintext::new(b"hunter2".to_vec()))))],
        }]
    }

    #[test]
    fn what_is_said_is_read_back() {
        let digest = || digest(&set());
        for ask in [
            Ask::Hello,
            Ask::Has { digest: digest() },
            Ask::Keep { digest: digest(), set: set() },
            Ask::Drop,
            Ask::Give { begun: u64::MAX },
        ] {
            let back = read_ask(&write_ask(&ask)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{ask:?}"));
        }
        for reply in [Reply::Done, Reply::Has(true), Reply::Given(set()), Reply::Refused("x".into())] {
            let back = read_reply(&write_reply(&reply)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{reply:?}"));
        }
    }

    #[test]
    fn words_about_mistakes_have_no_value_in_them() {
        let texts = [
            "",
            "hunter2",
            r#"{"word": "hunter2"}"#,
            r#"{"word": "keep", "tasks": "hunter2"}"#,
            r#"{"word": ["hunter2"]}"#,
            r#"{"word": "given", "tasks": [{"task": "t", "files": ["hunter2"]}]}"#,
        ];
        for text in texts {
            for why in [read_ask(text.as_bytes()).map(drop), read_reply(text.as_bytes()).map(drop)] {
                assert!(!why.unwrap_err().contains("hunter2"), "{text}");
            }
        }
    }
}
