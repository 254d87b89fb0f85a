//! `node.labels.zone == a`: reading and judging placement constraints.
//!
//! The grammar and the comparison are those of SwarmKit's `manager/constraint/constraint.go`: `==` and
//! `!=` only, keys without regard to case but for the label part, values compared without regard to
//! case, a missing label compares as empty.

use std::fmt;

use ipnet::IpNet;

use crate::model::node::{Member, NodeFacts};

/// One constraint, ready to be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constraint {
    key: Key,
    equal: bool,
    value: String,
    written: String,
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
}

/// Keys that do not end in a label name, for messages.
pub const KEYS: [&str; 6] =
    ["node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"];

/// Where the operator of a constraint is.
#[must_use]
pub fn operator(text: &str) -> Option<usize> {
    ["==", "!="].iter().filter_map(|operator| text.find(operator)).min()
}

impl Constraint {
    /// Reads one constraint.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let Some(at) = operator(text) else { return Err(ConstraintError::NoOperator) };
        let (key, equal, value) = (text[..at].trim(), text[at..].starts_with("=="), text[at + 2..].trim());
        // SwarmKit's pattern: `^(?i)[a-z_][a-z0-9\-_.]+$`.
        let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || key.len() < 2 || !key.chars().all(part) {
            return Err(ConstraintError::BadKey(key.to_owned()));
        }
        // SwarmKit's pattern: `^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`.
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":-_.*()?+[]\\^$|/".contains(c);
        if value.is_empty() || !value.chars().all(allowed) {
            return Err(ConstraintError::BadValue(value.to_owned()));
        }
        Ok(Self {
            key: Key::parse(key, value)?,
            equal,
            value: value.to_owned(),
            written: text.trim().to_owned(),
        })
    }

    /// Why no node will ever meet it, if that is so; fit for a label.
    #[must_use]
    pub fn never_holds(&self) -> Option<&'static str> {
        match &self.key {
            Key::Ip(None) => Some("not an address or a subnet: it never holds"),
            Key::Role if self.equal && !is_role(&self.value) => {
                Some("a node is `manager` or `worker`, and nothing else")
            }
            _ => None,
        }
    }

    /// Whether no node can meet both.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let same = self.value.eq_ignore_ascii_case(&other.value);
        match (&self.key, &other.key) {
            (Key::Ip(Some(a)), Key::Ip(Some(b))) => match (self.equal, other.equal) {
                (true, true) => !a.contains(b) && !b.contains(a),
                (true, false) => b.contains(a),
                (false, true) => a.contains(b),
                (false, false) => false,
            },
            // Both names of a node are its id, so two different ones may be the same node.
            (Key::Id, Key::Id) => same && self.equal != other.equal,
            (Key::Role, Key::Role) if !self.equal && !other.equal => {
                !same && is_role(&self.value) && is_role(&other.value)
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
        self.equal
            && match &self.key {
                Key::Id | Key::Hostname => true,
                Key::Ip(Some(net)) => net.prefix_len() == net.max_prefix_len(),
                Key::Ip(None) | Key::Role | Key::Os | Key::Arch | Key::NodeLabel(_) | Key::EngineLabel(_) => {
                    false
                }
            }
    }

    /// Whether a node meets it.
    #[must_use]
    pub fn holds(&self, member: &Member, facts: &NodeFacts) -> bool {
        let same = |actual: &str| actual.eq_ignore_ascii_case(&self.value);
        let matches = match &self.key {
            // Both names of a node serve as its id: the engine's, and the inventory's.
            Key::Id => same(&facts.id) || same(member.name.as_str()),
            Key::Hostname => same(&facts.hostname),
            // A bad address never matches, whatever the operator (SwarmKit does the same).
            Key::Ip(None) => return false,
            Key::Ip(Some(net)) => facts.ip.is_some_and(|ip| net.contains(&ip)),
            Key::Role => same(&member.role.to_string()),
            Key::Os => same(&facts.platform.os),
            Key::Arch => architecture(&facts.platform.architecture) == architecture(&self.value),
            Key::NodeLabel(name) => same(member.labels.get(name).map_or("", String::as_str)),
            Key::EngineLabel(name) => same(facts.engine_labels.get(name).map_or("", String::as_str)),
        };
        matches == self.equal
    }
}

fn is_role(text: &str) -> bool {
    text.eq_ignore_ascii_case("manager") || text.eq_ignore_ascii_case("worker")
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
        }
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
        ] {
            assert_eq!(parse(one).contradicts(&parse(other)), contradict, "{one}, {other}");
            assert_eq!(parse(other).contradicts(&parse(one)), contradict, "{other}, {one}");
        }
        assert!(parse("node.role == leader").never_holds().is_some());
        assert!(parse("node.role != leader").never_holds().is_none());
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
    }
}
