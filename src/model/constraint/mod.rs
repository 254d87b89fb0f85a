//! `node.labels.zone == a`: reading and judging placement constraints.
//!
//! The grammar and the comparison are those of SwarmKit's `manager/constraint/constraint.go`: `==` and
//! `!=`, keys without regard to case but for the label part, values compared without regard to case, a
//! missing label compares as empty. Beyond it there is what Swarm classic had and Swarm mode lost; SwarmKit
//! gives none of it another meaning:
//!
//! - globs and regular expressions as values (`pattern`);
//! - `==~` and `!=~`, which prefer and never refuse;
//! - `affinity:service == db`: which services share the node, instead of the node itself ([`Beside`]).

mod pattern;

use std::fmt;

use ipnet::IpNet;

use crate::model::node::{Member, NodeFacts};
use pattern::Pattern;

/// One constraint, ready to be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constraint {
    subject: Subject,
    equal: bool,
    soft: bool,
    value: Pattern,
    written: String,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Node(Key),
    Affinity(Beside),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id,
    Hostname,
    Ip(Option<IpNet>),
    Role,
    Os,
    Arch,
    NodeLabel(String),
    EngineLabel(String),
}

/// What an affinity looks for on a node. `container`, `image` and labels are Swarm classic's
/// (`scheduler/filter/affinity.go`); it had no services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beside {
    /// A live task of a service: `db` of the same stack, or `shop_db` of any.
    Service,
    /// A container that runs there, by name.
    Container,
    /// An image that is there, with or without its tag.
    Image,
    /// A live task with this container label.
    Label(String),
}

/// Why a text is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// Neither `==` nor `!=`.
    #[error("a constraint needs `==` or `!=`")]
    NoOperator,
    /// Something that cannot be a key.
    #[error("`{0}` is not a constraint key")]
    BadKey(String),
    /// A key that no node has.
    #[error("unknown constraint key `{0}`")]
    UnknownKey(String),
    /// Nothing after the operator, or characters that no value has.
    #[error("`{0}` is not a constraint value")]
    BadValue(String),
    /// Between slashes, and not a regular expression.
    #[error("`{value}` is not a regular expression: {why}")]
    BadRegex {
        /// With its slashes.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Keys that do not end in a label name, for messages.
pub const KEYS: [&str; 6] =
    ["node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"];

/// What an affinity begins with.
const AFFINITY: &str = "affinity:";

/// Where the operator of a constraint is.
#[must_use]
pub fn operator(text: &str) -> Option<usize> {
    ["==", "!="].iter().filter_map(|operator| text.find(operator)).min()
}

/// Where the value of a constraint begins, behind operator, tilde and blanks.
#[must_use]
pub fn value_start(text: &str) -> usize {
    let Some(at) = operator(text) else { return text.len() };
    let behind = |at: usize| text.len() - text[at..].trim_start().len();
    let start = behind(at + 2);
    if text[start..].starts_with('~') { behind(start + 1) } else { start }
}

impl Constraint {
    /// Reads one constraint.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let Some(at) = operator(text) else { return Err(ConstraintError::NoOperator) };
        let (key, equal) = (text[..at].trim(), text[at..].starts_with("=="));
        let soft = text[at + 2..].trim_start().starts_with('~');
        let value = text[value_start(text)..].trim();
        let affinity = key.get(..AFFINITY.len()).filter(|head| head.eq_ignore_ascii_case(AFFINITY));
        let name = affinity.map_or(key, |head| key[head.len()..].trim_start());
        // SwarmKit's pattern: `^(?i)[a-z_][a-z0-9\-_.]+$`.
        let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || name.len() < 2 || !name.chars().all(part) {
            return Err(ConstraintError::BadKey(key.to_owned()));
        }
        // SwarmKit's pattern: `^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`. An expression may
        // hold more than that, and so may the name of an image.
        let in_swarmkit =
            |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":-_.*()?+[]\\^$|/".contains(c);
        let is_regex = Pattern::is_regex(value);
        let allowed =
            |c: char| in_swarmkit(c) || (is_regex && !c.is_control()) || (affinity.is_some() && c == '@');
        if value.is_empty() || !value.chars().all(allowed) {
            return Err(ConstraintError::BadValue(value.to_owned()));
        }
        let bad = |why| ConstraintError::BadRegex { value: value.to_owned(), why };
        Ok(Self {
            subject: match affinity {
                None => Subject::Node(Key::parse(key, value)?),
                Some(_) => Subject::Affinity(Beside::parse(name)),
            },
            equal,
            soft,
            value: Pattern::parse(value).map_err(bad)?,
            written: text.trim().to_owned(),
        })
    }

    /// Reads one constraint exactly as SwarmKit does: no preferences, no affinities, and a star is a
    /// star.
    pub fn parse_strictly(text: &str) -> Result<Self, ConstraintError> {
        let mut read = Self::parse(text)?;
        if read.soft {
            let value = text[operator(text).map_or(0, |at| at + 2)..].trim();
            return Err(ConstraintError::BadValue(value.to_owned()));
        }
        if let Subject::Affinity(_) = read.subject {
            let key = text[..operator(text).unwrap_or_default()].trim();
            return Err(ConstraintError::BadKey(key.to_owned()));
        }
        read.value = Pattern::Text(read.value.written().to_owned());
        Ok(read)
    }

    /// Whether it only prefers.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.soft
    }

    /// The affinity: what it refers to, and whether it attracts or repels; `None` if it asks about the node
    /// itself.
    #[must_use]
    pub fn affinity(&self) -> Option<(&Beside, bool)> {
        match &self.subject {
            Subject::Node(_) => None,
            Subject::Affinity(beside) => Some((beside, self.equal)),
        }
    }

    /// Whether a name or label value is one that is looked for.
    #[must_use]
    pub fn matches(&self, actual: &str) -> bool {
        self.value.matches(actual)
    }

    /// The value, if it is no pattern.
    #[must_use]
    pub fn plain_value(&self) -> Option<&str> {
        self.value.text()
    }

    /// Why no node will ever meet it, if that is so; fit for a label.
    #[must_use]
    pub fn never_holds(&self) -> Option<&'static str> {
        let Subject::Node(key) = &self.subject else { return None };
        match key {
            Key::Ip(None) if self.value.text().is_some() => {
                Some("not an address or a subnet: it never holds")
            }
            Key::Role if self.equal && !ROLES.iter().any(|role| self.value.matches(role)) => {
                Some("a node is `manager` or `worker`, and nothing else")
            }
            Key::Role if !self.equal && ROLES.iter().all(|role| self.value.matches(role)) => {
                Some("every node is `manager` or `worker`")
            }
            _ => None,
        }
    }

    /// Whether no node can meet both. Patterns are given the benefit of the doubt.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        if self.soft || other.soft {
            return false;
        }
        let (Subject::Node(key), Subject::Node(other_key)) = (&self.subject, &other.subject) else {
            // Both texts are patterns to the same things on one node, wanted here and unwanted there.
            return self.subject == other.subject && self.value == other.value && self.equal != other.equal;
        };
        let (value, other_value) = match (self.value.text(), other.value.text()) {
            (Some(value), Some(other)) => (value, other),
            // One of them is a pattern: the other's text either is of that kind or not.
            (text, other_text) => {
                let is_known = !matches!(key, Key::Id | Key::Ip(_) | Key::Arch);
                return key == other_key
                    && is_known
                    && match (text, other_text) {
                        (Some(text), None) if self.equal => other.value.matches(text) != other.equal,
                        (None, Some(text)) if other.equal => self.value.matches(text) != self.equal,
                        _ => self.value == other.value && self.equal != other.equal,
                    };
            }
        };
        let same = value.eq_ignore_ascii_case(other_value);
        match (key, other_key) {
            (Key::Ip(Some(a)), Key::Ip(Some(b))) => match (self.equal, other.equal) {
                (true, true) => !a.contains(b) && !b.contains(a),
                (true, false) => b.contains(a),
                (false, true) => a.contains(b),
                (false, false) => false,
            },
            // Both names of a node are its id, so two different ones may be the same node.
            (Key::Id, Key::Id) => same && self.equal != other.equal,
            (Key::Role, Key::Role) if !self.equal && !other.equal => {
                !same && is_role(value) && is_role(other_value)
            }
            (a, b) if a == b => match (self.equal, other.equal) {
                (true, true) => !same,
                (true, false) | (false, true) => same,
                (false, false) => false,
            },
            _ => false,
        }
    }

    /// Whether it leaves one node at most.
    #[must_use]
    pub fn names_one_node(&self) -> bool {
        let Subject::Node(key) = &self.subject else { return false };
        self.equal
            && !self.soft
            && self.value.text().is_some()
            && match key {
                Key::Id | Key::Hostname => true,
                Key::Ip(Some(net)) => net.prefix_len() == net.max_prefix_len(),
                Key::Ip(None) | Key::Role | Key::Os | Key::Arch | Key::NodeLabel(_) | Key::EngineLabel(_) => {
                    false
                }
            }
    }

    /// Whether a node meets it. Affinities always pass here: the scheduler checks them, which knows the tasks
    /// of the node.
    #[must_use]
    pub fn holds(&self, member: &Member, facts: &NodeFacts) -> bool {
        let Subject::Node(key) = &self.subject else { return true };
        let same = |actual: &str| self.value.matches(actual);
        let matches = match key {
            // Both names of a node serve as its id: the engine's, and the inventory's.
            Key::Id => same(&facts.id) || same(member.name.as_str()),
            Key::Hostname => same(&facts.hostname),
            // A bad address never matches, whatever the operator (SwarmKit does the same).
            Key::Ip(None) if self.value.text().is_some() => return false,
            Key::Ip(None) => facts.ip.is_some_and(|ip| same(&ip.to_string())),
            Key::Ip(Some(net)) => facts.ip.is_some_and(|ip| net.contains(&ip)),
            Key::Role => same(&member.role.to_string()),
            Key::Os => same(&facts.platform.os),
            Key::Arch => match self.value.text() {
                Some(text) => architecture(&facts.platform.architecture) == architecture(text),
                None => same(&facts.platform.architecture),
            },
            Key::NodeLabel(name) => same(member.labels.get(name).map_or("", String::as_str)),
            Key::EngineLabel(name) => same(facts.engine_labels.get(name).map_or("", String::as_str)),
        };
        matches == self.equal
    }

    /// Whether a node of which only the inventory is known may meet it.
    #[must_use]
    pub fn may_hold(&self, member: &Member) -> bool {
        let Subject::Node(key) = &self.subject else { return true };
        if self.soft {
            return true;
        }
        match key {
            Key::Role | Key::NodeLabel(_) => self.holds(member, &NodeFacts::default()),
            Key::Id | Key::Hostname | Key::Ip(_) | Key::Os | Key::Arch | Key::EngineLabel(_) => true,
        }
    }
}

const ROLES: [&str; 2] = ["manager", "worker"];

fn is_role(text: &str) -> bool {
    ROLES.iter().any(|role| text.eq_ignore_ascii_case(role))
}

impl Beside {
    fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "service" => Self::Service,
            "container" => Self::Container,
            "image" => Self::Image,
            _ => Self::Label(name.to_owned()),
        }
    }
}

/// An architecture in Go's words: engines say `x86_64` of themselves, and so do constraints.
fn architecture(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        _ => text,
    }
}

impl Key {
    fn parse(key: &str, value: &str) -> Result<Self, ConstraintError> {
        let lower = key.to_ascii_lowercase();
        Ok(match lower.as_str() {
            "node.id" => Self::Id,
            "node.hostname" => Self::Hostname,
            "node.ip" => Self::Ip(
                value.parse().ok().or_else(|| value.parse::<std::net::IpAddr>().ok().map(IpNet::from)),
            ),
            "node.role" => Self::Role,
            "node.platform.os" => Self::Os,
            "node.platform.arch" => Self::Arch,
            _ => {
                let label = |prefix: &str| {
                    lower
                        .starts_with(prefix)
                        .then(|| key[prefix.len()..].to_owned())
                        .filter(|l| !l.is_empty())
                };
                match (label("node.labels."), label("engine.labels.")) {
                    (Some(name), _) => Self::NodeLabel(name),
                    (None, Some(name)) => Self::EngineLabel(name),
                    (None, None) => return Err(ConstraintError::UnknownKey(key.to_owned())),
                }
            }
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeName;
    use crate::model::node::{Availability, Role};
    use crate::model::spec::Platform;

    fn node() -> (Member, NodeFacts) {
        let member = Member {
            name: NodeName::unchecked("h1"),
            address: "ssh://h1".into(),
            role: Role::Worker,
            labels: [("zone".to_owned(), "A".to_owned())].into(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        };
        let facts = NodeFacts {
            id: "ABCD:EF".into(),
            hostname: "host-1".into(),
            ip: Some("10.0.0.7".parse().unwrap()),
            platform: Platform { os: "linux".into(), architecture: "amd64".into() },
            engine_labels: [("disk".to_owned(), "ssd".to_owned())].into(),
            ..NodeFacts::default()
        };
        (member, facts)
    }

    #[test]
    fn judges_every_key() {
        let (member, facts) = node();
        for (text, holds) in [
            ("node.role == worker", true),
            ("node.role==WORKER", true),
            ("node.role != worker", false),
            ("Node.Labels.zone == a", true),
            ("node.labels.Zone == a", false),
            ("node.labels.gone != x", true),
            ("engine.labels.disk == ssd", true),
            ("node.hostname == host-1", true),
            ("node.id == abcd:ef", true),
            ("node.id == h1", true),
            ("node.ip == 10.0.0.7", true),
            ("node.ip == 10.0.0.0/24", true),
            ("node.ip != 10.0.0.0/24", false),
            ("node.ip != nonsense", false),
            ("node.platform.os == linux", true),
            ("node.platform.arch == arm64", false),
            ("node.platform.arch == x86_64", true),
            ("node.platform.arch != AMD64", false),
        ] {
            assert_eq!(Constraint::parse(text).unwrap().holds(&member, &facts), holds, "{text}");
            let strict = Constraint::parse_strictly(text).unwrap();
            assert_eq!(strict.holds(&member, &facts), holds, "{text}, strictly");
        }
    }

    #[test]
    fn judges_what_swarm_classic_had_besides() {
        let (member, facts) = node();
        for (text, holds, strictly) in [
            ("node.labels.zone == A*", true, Some(false)),
            ("node.labels.zone != b*", true, Some(true)),
            ("node.labels.zone == /^[ab]$/", true, Some(false)),
            ("node.hostname == host-*", true, Some(false)),
            ("node.ip == 10.0.*", true, Some(false)),
            ("node.ip != 10.0.*", false, Some(false)),
            ("node.role == /work|man/", true, Some(false)),
            ("node.platform.arch == a*64", true, Some(false)),
            ("node.labels.zone ==~ b", false, None),
            ("node.labels.zone!=~b", true, None),
            ("node.labels.zone == /^.{1,2}$/", true, None),
        ] {
            let read = Constraint::parse(text).unwrap();
            assert_eq!(read.holds(&member, &facts), holds, "{text}");
            let strict = Constraint::parse_strictly(text);
            assert_eq!(read.is_soft(), text.contains('~'), "{text}");
            // An expression with characters that SwarmKit refuses is a plain text to it, and no fault here.
            if let Some(strictly) = strictly {
                assert_eq!(strict.unwrap().holds(&member, &facts), strictly, "{text}, strictly");
            }
        }
        assert!(Constraint::parse_strictly("node.labels.zone ==~ b").is_err());
        assert!(Constraint::parse_strictly("affinity:service == db").is_err());
    }

    #[test]
    fn affinities_are_parsed() {
        let parse = |text: &str| Constraint::parse(text).unwrap();
        for (text, beside, wanted) in [
            ("affinity:service == db", Beside::Service, true),
            ("Affinity:container!=~web*", Beside::Container, false),
            ("affinity:image==redis@sha256:ab", Beside::Image, true),
            ("affinity:com.example.type==frontend", Beside::Label("com.example.type".into()), true),
        ] {
            assert_eq!(parse(text).affinity(), Some((&beside, wanted)), "{text}");
        }
        assert_eq!(parse("node.role == worker").affinity(), None);
        assert!(parse("affinity:service == db").contradicts(&parse("affinity:service != db")));
        assert!(!parse("affinity:service == db").contradicts(&parse("affinity:service ==web")));
        assert!(!parse("affinity:service == db").contradicts(&parse("affinity:service !=~ db")));
    }

    #[test]
    fn finds_what_no_node_can_meet() {
        let parse = |text: &str| Constraint::parse(text).unwrap();
        for (one, other, contradict) in [
            ("node.role == manager", "node.role == worker", true),
            ("node.role == manager", "node.role == MANAGER", false),
            ("node.role != manager", "node.role != worker", true),
            ("node.labels.zone == a", "node.labels.zone != a", true),
            ("node.labels.zone == a", "node.labels.zone == b", true),
            ("node.labels.zone == a", "node.labels.Zone == b", false),
            ("node.labels.zone != a", "node.labels.zone != b", false),
            ("node.labels.zone == a", "engine.labels.zone == b", false),
            ("node.id == abcd", "node.id == h1", false),
            ("node.ip == 10.0.0.0/8", "node.ip == 10.1.0.0/16", false),
            ("node.ip == 10.0.0.0/8", "node.ip == 11.1.0.0/16", true),
            ("node.ip == 10.0.0.7", "node.ip != 10.0.0.0/24", true),
            ("node.labels.zone == eu-*", "node.labels.zone == us-1", true),
            ("node.labels.zone == eu-*", "node.labels.zone == eu-1", false),
            ("node.labels.zone != eu-*", "node.labels.zone == eu-1", true),
            ("node.labels.zone != eu-*", "node.labels.zone == eu-*", true),
            ("node.labels.zone == eu-*", "node.labels.zone == *-1", false),
            ("node.labels.zone == a", "node.labels.zone ==~ b", false),
        ] {
            assert_eq!(parse(one).contradicts(&parse(other)), contradict, "{one}, {other}");
            assert_eq!(parse(other).contradicts(&parse(one)), contradict, "{other}, {one}");
        }
        assert!(parse("node.role == leader").never_holds().is_some());
        assert!(parse("node.role != leader").never_holds().is_none());
        assert!(parse("node.role == lead*").never_holds().is_some());
        assert!(parse("node.role != *er").never_holds().is_some());
        assert!(parse("node.role == *er").never_holds().is_none());
        assert!(parse("node.ip == 10.*").never_holds().is_none());
        assert!(!parse("node.hostname == a*").names_one_node() && !parse("node.id ==~ a").names_one_node());
        assert!(parse("node.ip != nonsense").never_holds().is_some());
        assert!(
            parse("node.hostname == a").names_one_node() && !parse("node.hostname != a").names_one_node()
        );
        assert!(
            parse("node.ip == 10.0.0.7").names_one_node()
                && !parse("node.ip == 10.0.0.0/24").names_one_node()
        );
    }

    #[test]
    fn refuses_what_cannot_be_judged() {
        assert_eq!(Constraint::parse("node.role"), Err(ConstraintError::NoOperator));
        assert_eq!(Constraint::parse("node.role =="), Err(ConstraintError::BadValue(String::new())));
        assert_eq!(Constraint::parse("node.rol == x"), Err(ConstraintError::UnknownKey("node.rol".into())));
        assert_eq!(Constraint::parse("1a == b"), Err(ConstraintError::BadKey("1a".into())));
        assert!(matches!(Constraint::parse("node.role == a,b"), Err(ConstraintError::BadValue(_))));
        assert!(matches!(Constraint::parse("node.role == /a(/"), Err(ConstraintError::BadRegex { .. })));
        assert_eq!(Constraint::parse("node.role ==~ "), Err(ConstraintError::BadValue(String::new())));
        assert!(matches!(Constraint::parse("affinity:x == a"), Err(ConstraintError::BadKey(_))));
    }
}
