//! Where a cluster's records are, as it is written in an inventory or on the command line. Opens nothing.

use std::fmt;
use std::path::PathBuf;

/// The port of etcd's clients.
const ETCD_PORT: u16 = 2379;
/// The port of ZooKeeper's.
const ZOOKEEPER_PORT: u16 = 2181;
/// What keys begin with unless something else is said.
const ETCD_PREFIX: &str = "stackctl";

/// Where the cluster's records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LedgerPlace {
    /// In volumes of the managers.
    #[default]
    Volumes,
    /// In a directory of this machine, or one that several share.
    Directory(PathBuf),
    /// In etcd.
    Etcd(EtcdPlace),
    /// In ZooKeeper.
    Zookeeper(ZookeeperPlace),
}

/// A ZooKeeper, and who we are to it. Holds no password: only where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZookeeperPlace {
    /// Names and ports of its members.
    pub members: Vec<(String, u16)>,
    /// What paths begin with, without slashes at the ends.
    pub prefix: String,
    /// Who we are to it, by its scheme `digest`.
    pub user: Option<String>,
    /// Where their password is.
    pub password: Option<PasswordFrom>,
    /// As of an etcd.
    pub tells_password: bool,
}

/// An etcd, and how it is spoken to. Holds no password: only where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EtcdPlace {
    /// Names and ports of its members.
    pub members: Vec<(String, u16)>,
    /// What keys begin with, without slashes at the ends.
    pub prefix: String,
    /// Whose certificates are believed; with it, TLS is spoken.
    pub ca: Option<PathBuf>,
    /// Our own certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Who we are to etcd.
    pub user: Option<String>,
    /// Where their password is.
    pub password: Option<PasswordFrom>,
    /// A password is in the address itself, where everybody can read it. Nothing else of the address is
    /// kept then, so that nothing of it can be shown.
    pub tells_password: bool,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordFrom {
    /// In a variable of the environment.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

/// No place for a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLedger {
    /// Of no known kind.
    #[error(
        "`{0}` is no place for a ledger: write `volumes`, `file:///path/to/a/directory`, \
         `etcd://host1,host2,host3/prefix` or `zookeeper://host1,host2,host3/prefix`"
    )]
    Unknown(String),
    /// Something that people keep such records in, and we cannot.
    #[error(
        "{0} is not supported: there are `volumes`, `file:///path/to/a/directory`, `etcd://…` and `zookeeper://…`"
    )]
    NotSupported(&'static str),
    /// An address of etcd with something wrong in it.
    #[error("in `etcd://`: {0}")]
    Etcd(String),
    /// An address of ZooKeeper with something wrong in it.
    #[error("in `zookeeper://`: {0}")]
    Zookeeper(String),
}

impl LedgerPlace {
    /// Reads `volumes`, `file:///path`, `etcd://host,…/prefix?…` or `zookeeper://…`.
    pub fn parse(text: &str) -> Result<Self, BadLedger> {
        if let Some(rest) = text.strip_prefix("etcd://") {
            return EtcdPlace::parse(rest, ETCD_PORT).map(Self::Etcd).map_err(BadLedger::Etcd);
        }
        if let Some(rest) = text.strip_prefix("zookeeper://") {
            return ZookeeperPlace::parse(rest).map(Self::Zookeeper).map_err(BadLedger::Zookeeper);
        }
        if text.starts_with("consul:") {
            return Err(BadLedger::NotSupported("Consul"));
        }
        match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Self::Directory(PathBuf::from(path))),
            None if text == "volumes" => Ok(Self::Volumes),
            Some(_) | None => Err(BadLedger::Unknown(text.to_owned())),
        }
    }
}

impl EtcdPlace {
    /// Reads an address below which hosts are named: a whole one, with a prefix of its own.
    pub fn of_hosts(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("etcd://").ok_or("an address of etcd begins with `etcd://`")?;
        with_prefix(rest, Self::parse(rest, ETCD_PORT)?)
    }

    fn parse(text: &str, port: u16) -> Result<Self, String> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Ok(Self { tells_password: true, ..Self::default() });
        }
        let (members, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/');
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if !is_plain(prefix)
            || prefix.split('/').any(|part| matches!(part, "." | ".."))
            || prefix.contains("//")
        {
            return Err(format!("the prefix `{prefix}` is not made of letters, digits, `-`, `_` and `.`"));
        }
        let mut etcd = Self {
            members: members.split(',').map(|text| member(text, port)).collect::<Result<_, _>>()?,
            prefix: if prefix.is_empty() { ETCD_PREFIX.to_owned() } else { prefix.to_owned() },
            user: user.map(str::to_owned),
            ..Self::default()
        };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            etcd.set(option)?;
        }
        etcd.check()?;
        Ok(etcd)
    }

    fn set(&mut self, option: &str) -> Result<(), String> {
        let Some((name, value)) = option.split_once('=') else {
            return Err(format!("`{option}` has no value: write `{option}=…`"));
        };
        let file = || match value.starts_with('/') {
            true => Ok(PathBuf::from(value)),
            false => Err(format!("`{name}` is not an absolute path")),
        };
        let twice = match name {
            "ca" => self.ca.replace(file()?).is_some(),
            "cert" => self.cert.replace(file()?).is_some(),
            "key" => self.key.replace(file()?).is_some(),
            "password-file" => self.password.replace(PasswordFrom::File(file()?)).is_some(),
            "password-env" if value.is_empty() => return Err("`password-env` names no variable".to_owned()),
            "password-env" => self.password.replace(PasswordFrom::Variable(value.to_owned())).is_some(),
            _ => {
                return Err(format!(
                    "there is no option `{name}`: there are ca, cert, key, password-env and password-file"
                ));
            }
        };
        if twice { Err(format!("`{name}` is given twice, or the password is")) } else { Ok(()) }
    }

    /// What goes only with something else.
    fn check(&self) -> Result<(), String> {
        let why = match (&self.cert, &self.key, &self.ca, &self.user, &self.password) {
            (Some(_), None, ..) => "`cert` needs `key`",
            (None, Some(_), ..) => "`key` needs `cert`",
            (Some(_), _, None, ..) => "`cert` needs `ca`: whom are we to believe?",
            (.., Some(user), _) if user.is_empty() => "there is no user before `@`",
            (.., Some(_), None) => "a user needs `password-env=VARIABLE` or `password-file=/path`",
            (.., None, Some(_)) => "a password needs a user: `USER@host…`",
            _ => return Ok(()),
        };
        Err(why.to_owned())
    }
}

impl ZookeeperPlace {
    /// Reads an address below which hosts are named: a whole one, with a prefix of its own.
    pub fn of_hosts(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("zookeeper://");
        let rest = rest.ok_or("an address of ZooKeeper begins with `zookeeper://`")?;
        with_prefix(rest, Self::parse(rest)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let place = EtcdPlace::parse(text, ZOOKEEPER_PORT)?;
        if place.ca.is_some() {
            return Err("TLS is not spoken to ZooKeeper: there are password-env and password-file".to_owned());
        }
        let EtcdPlace { members, prefix, user, password, tells_password, .. } = place;
        Ok(Self { members, prefix, user, password, tells_password })
    }

    /// `h1:2181,h2:2181`.
    #[must_use]
    pub fn members_text(&self) -> String {
        self.members.iter().map(shown).collect::<Vec<_>>().join(",")
    }
}

/// The place, if the address says itself below which prefix it is.
fn with_prefix<P>(rest: &str, place: P) -> Result<P, String> {
    let place_text = rest.split('?').next().unwrap_or(rest);
    let is_said = place_text.trim_end_matches('/').contains('/');
    // Of one with a password in it another error is told.
    let tells_password =
        place_text.split('@').next().is_some_and(|user| user.contains(':')) && place_text.contains('@');
    if is_said || tells_password {
        Ok(place)
    } else {
        Err("below which prefix? write `host1,host2,host3/hosts`".to_owned())
    }
}

/// `name`, `name:port`, `[address]:port`.
fn member(text: &str, default: u16) -> Result<(String, u16), String> {
    let bad = || format!("`{text}` is no member: write `host` or `host:port`, with commas between several");
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').ok_or_else(bad)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?,
        None if rest.is_empty() => default,
        None => return Err(bad()),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%');
    if host.is_empty() || !host.chars().all(is_plain) {
        return Err(bad());
    }
    Ok((host.to_owned(), port))
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volumes => f.write_str("volumes"),
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Etcd(etcd) => etcd.fmt(f),
            Self::Zookeeper(zookeeper) => zookeeper.fmt(f),
        }
    }
}

/// As it is called: which etcd, and where in it.
impl fmt::Display for EtcdPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self.members.iter().map(shown).collect();
        write!(f, "etcd://{}/{}", members.join(","), self.prefix)
    }
}

impl fmt::Display for ZookeeperPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zookeeper://{}/{}", self.members_text(), self.prefix)
    }
}

/// A member as it is called.
#[must_use]
pub fn shown((host, port): &(String, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etcd(text: &str) -> EtcdPlace {
        match LedgerPlace::parse(text) {
            Ok(LedgerPlace::Etcd(etcd)) => etcd,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_place_is_read_and_told() {
        for (text, told) in [
            ("volumes", "volumes"),
            ("file:///srv/stackctl", "file:///srv/stackctl"),
            ("etcd://h1", "etcd://h1:2379/stackctl"),
            ("etcd://h1:1,h2,[fe80::1]:3/a/b/", "etcd://h1:1,h2:2379,[fe80::1]:3/a/b"),
            ("etcd://ann@h1/x?ca=/ca.pem&password-env=PW", "etcd://h1:2379/x"),
            ("zookeeper://ann@h1,h2:1/x?password-env=PW", "zookeeper://h1:2181,h2:1/x"),
        ] {
            assert_eq!(LedgerPlace::parse(text).unwrap().to_string(), told, "{text}");
        }
        let full = etcd("etcd://ann@h1/x?ca=/c/ca.pem&cert=/c/c.pem&key=/c/k.pem&password-file=/c/pw");
        assert_eq!((full.user.as_deref(), full.ca.as_deref()), (Some("ann"), Some("/c/ca.pem".as_ref())));
        assert_eq!((full.cert, full.key), (Some("/c/c.pem".into()), Some("/c/k.pem".into())));
        assert_eq!(full.password, Some(PasswordFrom::File("/c/pw".into())));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, word) in [
            ("file://here", "no place"),
            ("zookeeper://h1/a?ca=/ca.pem", "TLS is not spoken"),
            ("zookeeper://ann@h1/a", "a user needs"),
            ("consul://h1:8500/prod", "Consul is not supported"),
            ("etcd:h1", "no place"),
            ("etcd://", "no member"),
            ("etcd://h1,,h2", "no member"),
            ("etcd://h1:0", "no member"),
            ("etcd://[::1", "no member"),
            ("etcd://h 1", "no member"),
            ("etcd://h1/a?b", "`b` has no value"),
            ("etcd://h1/../a", "the prefix"),
            ("etcd://h1/a b", "the prefix"),
            ("etcd://h1?tls=yes", "no option `tls`"),
            ("etcd://h1?ca=ca.pem", "not an absolute path"),
            ("etcd://h1?ca=/a&ca=/b", "twice"),
            ("etcd://h1?cert=/a&key=/b", "`cert` needs `ca`"),
            ("etcd://h1?ca=/a&cert=/b", "`cert` needs `key`"),
            ("etcd://h1?ca=/a&key=/b", "`key` needs `cert`"),
            ("etcd://ann@h1", "a user needs"),
            ("etcd://@h1?password-env=A", "no user"),
            ("etcd://h1?password-env=A", "needs a user"),
            ("etcd://ann@h1?password-env=", "names no variable"),
        ] {
            let error = LedgerPlace::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn of_an_address_with_a_password_in_it_nothing_is_kept() {
        for text in ["etcd://ann:hush@h1/a", "etcd://ann:hu@sh@h 1:x?nonsense"] {
            let place = etcd(text);
            assert!(place.tells_password);
            assert!(!format!("{place:?}{place}").contains("hu"), "{place:?}");
        }
    }
}
