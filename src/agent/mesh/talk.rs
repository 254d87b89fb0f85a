//! What agents say to each other: one JSON document each way, in the [wire](super::super::wire)'s manner. Who asks is known
//! by its certificate and its address, and is never said: no agent can ask for another one's secrets.

use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use crate::agent::join::List;
use crate::agent::put::{OfSet, Over, Part, SecretsPut, read_set, write_set};
use crate::agent::secrets::kept::digest;

/// The longest of both, in bytes. What is more goes in parts.
pub const TALK_MAX: usize = 64 << 20;
/// Bytes of values in one part, and those of one more task.
pub const PART_BYTES: usize = 8 << 20;

/// What one agent asks another.
#[derive(Debug)]
pub enum Ask {
    /// Whether it is there.
    Hello {
        /// The number of the list of agents that the one who asks knows; 0 of one that knows of no such number.
        list: u64,
        /// That list, for one that is known to have an older one.
        news: Option<List>,
    },
    /// Whether just this is kept for the one who asks.
    Has {
        /// Its [digest].
        digest: String,
        /// The [digest](crate::agent::secrets::kept::owners) of what its tasks are of; empty of one that does not say.
        owners: String,
    },
    /// To keep this for the one who asks, instead of all that is kept for it.
    Keep {
        /// The [digest] of the whole.
        digest: String,
        /// Which part of it this is, if it comes in several.
        part: Option<Part>,
        set: Vec<SecretsPut>,
    },
    /// To forget what is kept for the one who asks.
    Drop,
    /// What is kept for the one who asks, who has begun without memory.
    Give {
        /// By chance, and the same as long as the agent runs; 0 of one that does not say.
        begun: u64,
        /// The last task of the part before; empty for the first part, and nothing of one that takes it as a whole.
        after: Option<String>,
    },
}

/// What it answers.
#[derive(Debug)]
pub enum Reply {
    /// It is there, or has done it.
    Done(Here),
    /// To [`Ask::Has`].
    Has {
        has: bool,
        /// The number of its list of agents; 0 of one that does not say.
        list: u64,
        /// It takes sets in parts.
        parts: bool,
    },
    /// To [`Ask::Give`].
    Given {
        set: Vec<SecretsPut>,
        /// There are other parts.
        more: bool,
    },
    /// It does not do it; why.
    Refused(String),
}

/// What an agent says of itself to another one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Here {
    /// The number of its list of agents; 0 of one that does not say.
    #[serde(default)]
    pub list: u64,
    /// That list, for one that has an older one, if the authority vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<List>,
    /// Tasks of the one who asks that are over, as a client said while its host was off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Over>,
}

#[derive(Serialize)]
struct Done<'a> {
    word: &'a str,
    #[serde(flatten)]
    here: &'a Here,
}

#[derive(Deserialize)]
struct Said {
    word: String,
    #[serde(default)]
    list: u64,
    #[serde(default)]
    news: Option<List>,
    #[serde(default)]
    over: Vec<Over>,
    #[serde(default)]
    owners: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    has: bool,
    #[serde(default)]
    parts: bool,
    #[serde(default)]
    part: Option<Part>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    begun: u64,
}

/// A question as bytes.
#[must_use]
pub fn write_ask(ask: &Ask) -> Zeroizing<Vec<u8>> {
    let text = match ask {
        Ask::Keep { digest, part, set } => {
            return write_set(OfSet { word: "keep", digest, part: *part }, set);
        }
        Ask::Has { digest, owners } => json!({ "word": "has", "digest": digest, "owners": owners }),
        Ask::Hello { list, news: None } => json!({ "word": "hello", "list": list }),
        Ask::Hello { list, news } => json!({ "word": "hello", "list": list, "news": news }),
        Ask::Drop => json!({ "word": "drop" }),
        Ask::Give { begun, after } => json!({ "word": "give", "begun": begun, "after": after }),
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
        "hello" => Ok(Ask::Hello { list: said.list, news: said.news }),
        "has" => Ok(Ask::Has { digest: said.digest, owners: said.owners }),
        "keep" => Ok(Ask::Keep { digest: said.digest, part: said.part, set: read_set(bytes)? }),
        "drop" => Ok(Ask::Drop),
        "give" => Ok(Ask::Give { begun: said.begun, after: said.after }),
        _ => Err("it asks something that this agent does not know".to_owned()),
    }
}

/// An answer as bytes.
#[must_use]
pub fn write_reply(reply: &Reply) -> Zeroizing<Vec<u8>> {
    let text = match reply {
        Reply::Given { set, more } => {
            // Which one it is knows who asked for it.
            let part = Some(Part { at: 0, is_last: !more });
            return write_set(OfSet { word: "given", digest: &digest(set), part }, set);
        }
        Reply::Done(here) => json!(Done { word: "done", here }),
        Reply::Has { has, list, parts } => {
            json!({ "word": "has", "has": has, "list": list, "parts": parts })
        }
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
        "done" => Ok(Reply::Done(Here { list: said.list, news: said.news, over: said.over })),
        "has" => Ok(Reply::Has { has: said.has, list: said.list, parts: said.parts }),
        "given" => {
            let set = read_set(bytes)?;
            let more = said.part.is_some_and(|part| !part.is_last);
            if digest(&set) != said.digest {
                return Err("it is cut off".to_owned());
            }
            Ok(Reply::Given { set, more })
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
            of: None,
            files: vec![(file, Some(Arc::new(Plaintext::new(b"hunter2".to_vec()))))],
        }]
    }

    #[test]
    fn what_is_said_is_read_back() {
        let digest = || digest(&set());
        let over = Over { task: "t1".into(), born: u64::MAX };
        let list = || List { number: 7, members: vec![], proof: "p".into() };
        for ask in [
            Ask::Hello { list: 6, news: None },
            Ask::Hello { list: 7, news: Some(list()) },
            Ask::Has { digest: digest(), owners: "o".into() },
            Ask::Keep { digest: digest(), part: None, set: set() },
            Ask::Keep { digest: digest(), part: Some(Part { at: 3, is_last: true }), set: set() },
            Ask::Drop,
            Ask::Give { begun: u64::MAX, after: None },
            Ask::Give { begun: 0, after: Some("t1".into()) },
        ] {
            let back = read_ask(&write_ask(&ask)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{ask:?}"));
        }
        for reply in [
            Reply::Done(Here::default()),
            Reply::Done(Here { list: 7, news: Some(list()), over: vec![over] }),
            Reply::Has { has: true, list: 7, parts: true },
            Reply::Given { set: set(), more: true },
            Reply::Given { set: set(), more: false },
            Reply::Refused("x".into()),
        ] {
            let back = read_reply(&write_reply(&reply)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{reply:?}"));
        }
    }

    /// Agents of one cluster are of two versions while they are replaced: 0.8.0 knows of no lists.
    #[test]
    fn agents_of_the_version_before_are_understood_and_understand() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let Ok(Ask::Hello { list: 0, news: None }) = read_ask(br#"{"word":"hello"}"#) else {
            panic!("hello")
        };
        let Ok(Reply::Done(Here { list: 0, news: None, .. })) = read_reply(br#"{"word":"done"}"#) else {
            panic!("done")
        };
        let Ok(Reply::Has { has: true, list: 0, parts: false }) = read_reply(br#"{"word":"has","has":true}"#)
        else {
            panic!("has")
        };
        // What it reads are the words and fields that it knows, and it passes over all others.
        let hello = text(&write_ask(&Ask::Hello { list: 7, news: None }));
        assert!(hello.contains(r#""word":"hello""#), "{hello}");
        let has = text(&write_ask(&Ask::Has { digest: "d".into(), owners: "o".into() }));
        assert!(has.contains(r#""word":"has""#) && has.contains(r#""digest":"d""#), "{has}");
        let done = text(&write_reply(&Reply::Done(Here { list: 7, ..Here::default() })));
        assert!(done.contains(r#""word":"done""#), "{done}");
        let has = text(&write_reply(&Reply::Has { has: true, list: 7, parts: true }));
        assert!(has.contains(r#""word":"has""#) && has.contains(r#""has":true"#), "{has}");
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
