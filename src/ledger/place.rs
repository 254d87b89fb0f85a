//! Where a cluster's records are, as it is written in an inventory or on the command line. Opens nothing.

use std::fmt;
use std::path::PathBuf;

use crate::model::address;

/// The port of etcd's clients.
const ETCD_PORT: u16 = 2379;
/// The port of ZooKeeper's.
const ZOOKEEPER_PORT: u16 = 2181;
/// The ports of Consul's, plain and with TLS.
const CONSUL_PORTS: (u16, u16) = (8500, 8501);
/// Default prefix of keys.
const ETCD_PREFIX: &str = "stackctl";

/// Where the cluster's records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LedgerPlace {
    /// In volumes of the managers.
    #[default]
    Volumes,
    /// In a directory of this machine, or one that several share.
    Directory(PathBuf),
    Etcd(EtcdPlace),
    Zookeeper(ZookeeperPlace),
    Consul(ConsulPlace),
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
    pub password: Option<PasswordFrom>,
    /// As of an etcd.
    pub tells_password: bool,
}

/// A Consul, and how it is spoken to. Holds no token: only where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsulPlace {
    /// Names and ports of its servers, or of agents that speak with them.
    pub members: Vec<(String, u16)>,
    /// What keys begin with, without slashes at the ends.
    pub prefix: String,
    /// The CA; with it, the connection uses TLS.
    pub ca: Option<PathBuf>,
    /// Our own certificate.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Where the token is that says what we may do.
    pub token: Option<PasswordFrom>,
    /// A token is in the address itself. Nothing else of the address is kept then, as of an etcd.
    pub tells_token: bool,
}

/// An etcd, and how it is spoken to. Holds no password: only where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EtcdPlace {
    /// Names and ports of its members.
    pub members: Vec<(String, u16)>,
    /// What keys begin with, without slashes at the ends.
    pub prefix: String,
    /// The CA; with it, the connection uses TLS.
    pub ca: Option<PathBuf>,
    /// Our own certificate.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Who we are to etcd.
    pub user: Option<String>,
    pub password: Option<PasswordFrom>,
    /// The address itself holds a password, where other users can read it. Nothing else of the address is
    /// kept then, so that nothing of it can be shown.
    pub tells_password: bool,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordFrom {
    /// In a variable of the environment.
    Variable(String),
    File(PathBuf),
}

/// No place for a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLedger {
    /// Of no known kind.
    #[error(
        "`{}` is no place for a ledger: write `volumes`, `file:///path/to/a/directory`, \
         `etcd://host1,host2,host3/prefix`, or the same with `zookeeper://` or `consul://`",
        shown_kind(.0)
    )]
    Unknown(String),
    /// An address of etcd with something wrong in it.
    #[error("in `etcd://`: {0}")]
    Etcd(String),
    /// An address of ZooKeeper with something wrong in it.
    #[error("in `zookeeper://`: {0}")]
    Zookeeper(String),
    /// An address of Consul with something wrong in it.
    #[error("in `consul://`: {0}")]
    Consul(String),
}

/// What was written, without what inventories hide: in the path of a web address there may be a token.
fn shown_kind(text: &str) -> String {
    let shown = address::shown(text);
    let (scheme, from) = address::scheme(&shown);
    match shown[from..].find('/') {
        Some(end) if matches!(scheme.as_str(), "http" | "https") => shown[..from + end].to_owned(),
        _ => shown,
    }
}

impl PasswordFrom {
    /// The variable that it is in.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name),
            Self::File(_) => None,
        }
    }
}

impl LedgerPlace {
    /// Where the password or token is by which it is opened.
    #[must_use]
    pub fn secret(&self) -> Option<&PasswordFrom> {
        match self {
            Self::Etcd(place) => place.password.as_ref(),
            Self::Zookeeper(place) => place.password.as_ref(),
            Self::Consul(place) => place.token.as_ref(),
            Self::Directory(_) | Self::Volumes => None,
        }
    }

    /// Reads `volumes`, `file:///path`, `etcd://host,…/prefix?…`, `zookeeper://…` or `consul://…`.
    pub fn parse(text: &str) -> Result<Self, BadLedger> {
        if let Some(rest) = text.strip_prefix("etcd://") {
            return EtcdPlace::parse(rest, ETCD_PORT).map(Self::Etcd).map_err(BadLedger::Etcd);
        }
        if let Some(rest) = text.strip_prefix("zookeeper://") {
            return ZookeeperPlace::parse(rest).map(Self::Zookeeper).map_err(BadLedger::Zookeeper);
        }
        if let Some(rest) = text.strip_prefix("consul://") {
            return ConsulPlace::parse(rest).map(Self::Consul).map_err(BadLedger::Consul);
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
        let (user, place, query) = parts(text);
        if user.is_some_and(|user| user.contains(':')) {
            return Ok(Self { tells_password: true, ..Self::default() });
        }
        let (members, prefix) = members_and_prefix(place, port)?;
        let Options { ca, cert, key, secret } = Options::read(query, "password")?;
        let user = user.map(str::to_owned);
        let etcd = Self { members, prefix, ca, cert, key, user, password: secret, tells_password: false };
        etcd.check()?;
        Ok(etcd)
    }

    /// What goes only with something else.
    fn check(&self) -> Result<(), String> {
        let why = match (&self.user, &self.password) {
            (Some(user), _) if user.is_empty() => "there is no user before `@`",
            (Some(_), None) => "a user needs `password-env=VARIABLE` or `password-file=/path`",
            (None, Some(_)) => "a password needs a user: `USER@host…`",
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

impl ConsulPlace {
    /// Reads an address below which hosts are named: a whole one, with a prefix of its own.
    pub fn of_hosts(text: &str) -> Result<Self, String> {
        let rest = Self::rest(text)?;
        let place = Self::parse(rest)?;
        if place.tells_token { Ok(place) } else { with_prefix(rest, place) }
    }

    /// Reads an address at which services are asked for: without a prefix.
    pub fn of_services(text: &str) -> Result<Self, String> {
        let rest = Self::rest(text)?;
        let place = Self::parse(rest)?;
        match place.tells_token || with_prefix(rest, ()).is_err() {
            true => Ok(Self { prefix: String::new(), ..place }),
            false => Err("services have no prefix: write `consul://host1,host2,host3`".to_owned()),
        }
    }

    fn rest(text: &str) -> Result<&str, String> {
        text.strip_prefix("consul://")
            .ok_or_else(|| "an address of Consul begins with `consul://`".to_owned())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (user, place, query) = parts(text);
        let options = || query.split('&').filter(|option| !option.is_empty());
        let is_of = |option: &str, name: &str| option.split('=').next() == Some(name);
        // Consul has no users: a text in the user's place is taken for the token.
        if user.is_some() || options().any(|option| is_of(&option.to_ascii_lowercase(), "token")) {
            return Ok(Self { tells_token: true, ..Self::default() });
        }
        let (plain, secure) = CONSUL_PORTS;
        let port = if options().any(|option| is_of(option, "ca")) { secure } else { plain };
        let (members, prefix) = members_and_prefix(place, port)?;
        let Options { ca, cert, key, secret } = Options::read(query, "token")?;
        Ok(Self { members, prefix, ca, cert, key, token: secret, tells_token: false })
    }
}

/// What stands behind the `?` of an address that is spoken to over HTTP.
#[derive(Default)]
struct Options {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    secret: Option<PasswordFrom>,
}

impl Options {
    /// `secret` is what the secret is called: `password`, `token`.
    fn read(query: &str, secret: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            all.set(option, secret)?;
        }
        // What goes only with something else.
        match (&all.cert, &all.key, &all.ca) {
            (Some(_), None, _) => Err("`cert` needs `key`".to_owned()),
            (None, Some(_), _) => Err("`key` needs `cert`".to_owned()),
            (Some(_), _, None) => Err("`cert` needs `ca`: whom are we to believe?".to_owned()),
            _ => Ok(all),
        }
    }

    fn set(&mut self, option: &str, secret: &str) -> Result<(), String> {
        let (name, value) = named(option)?;
        let file = || file(name, value);
        let twice = match (name, name.strip_prefix(secret)) {
            ("ca", _) => self.ca.replace(file()?).is_some(),
            ("cert", _) => self.cert.replace(file()?).is_some(),
            ("key", _) => self.key.replace(file()?).is_some(),
            (_, Some("-file")) => self.secret.replace(PasswordFrom::File(file()?)).is_some(),
            (_, Some("-env")) if value.is_empty() => return Err(format!("`{name}` names no variable")),
            (_, Some("-env")) => self.secret.replace(PasswordFrom::Variable(value.to_owned())).is_some(),
            _ => {
                return Err(format!(
                    "there is no such option: there are ca, cert, key, {secret}-env and {secret}-file"
                ));
            }
        };
        if twice { Err(format!("`{name}` is given twice, or the {secret} is")) } else { Ok(()) }
    }
}

/// `user@members/prefix?options`, in three.
fn parts(text: &str) -> (Option<&str>, &str, &str) {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    match place.rsplit_once('@') {
        Some((user, place)) => (Some(user), place, query),
        None => (None, place, query),
    }
}

/// `host1,host2:port/prefix`, in two.
fn members_and_prefix(place: &str, port: u16) -> Result<(Vec<(String, u16)>, String), String> {
    let (members, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_matches('/');
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if !is_plain(prefix) || prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.contains("//")
    {
        return Err("the prefix is not made of letters, digits, `-`, `_` and `.`".to_owned());
    }
    let members = members.split(',').map(|text| member(text, port)).collect::<Result<_, _>>()?;
    Ok((members, if prefix.is_empty() { ETCD_PREFIX.to_owned() } else { prefix.to_owned() }))
}

/// `name=value`.
fn named(option: &str) -> Result<(&str, &str), String> {
    option.split_once('=').ok_or_else(|| "after `?`, an option has no value: write `name=value`".to_owned())
}

/// An option that names a file.
fn file(name: &str, value: &str) -> Result<PathBuf, String> {
    match value.starts_with('/') {
        true => Ok(PathBuf::from(value)),
        false => Err(format!("`{name}` is not an absolute path")),
    }
}

/// The place, if the address says itself below which prefix it is.
fn with_prefix<P>(rest: &str, place: P) -> Result<P, String> {
    let place_text = rest.split('?').next().unwrap_or(rest);
    let is_said = place_text.trim_end_matches('/').contains('/');
    // An address with a password in it gets an error of its own.
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
    let bad = || {
        "there is no member, or one is wrong: write `host` or `host:port`, with commas between several"
            .to_owned()
    };
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
            Self::Consul(consul) => consul.fmt(f),
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

impl fmt::Display for ConsulPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self.members.iter().map(shown).collect();
        write!(f, "consul://{}", members.join(","))?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
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
    fn every_place_is_parsed_and_printed() {
        for (text, printed) in [
            ("volumes", "volumes"),
            ("file:///srv/stackctl", "file:///srv/stackctl"),
            ("etcd://h1", "etcd://h1:2379/stackctl"),
            ("etcd://h1:1,h2,[fe80::1]:3/a/b/", "etcd://h1:1,h2:2379,[fe80::1]:3/a/b"),
            ("etcd://ann@h1/x?ca=/ca.pem&password-env=PW", "etcd://h1:2379/x"),
            ("zookeeper://ann@h1,h2:1/x?password-env=PW", "zookeeper://h1:2181,h2:1/x"),
            ("consul://h1,h2:1", "consul://h1:8500,h2:1/stackctl"),
            ("consul://h1/x?token-env=TOKEN&ca=/ca.pem", "consul://h1:8501/x"),
        ] {
            assert_eq!(LedgerPlace::parse(text).unwrap().to_string(), printed, "{text}");
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
            ("consul:h1", "no place"),
            ("consul://h1/a?password-env=A", "there is no such option"),
            ("consul://h1/a?token-env=A&token-file=/a", "twice"),
            ("consul://h1/a?token-env=", "names no variable"),
            ("consul://h1/a?cert=/a&key=/b", "`cert` needs `ca`"),
            ("consul://h1/a?cert=/a&ca=/b", "`cert` needs `key`"),
            ("consul://h1,/a", "no member"),
            ("etcd:h1", "no place"),
            ("etcd://", "no member"),
            ("etcd://h1,,h2", "no member"),
            ("etcd://h1:0", "no member"),
            ("etcd://[::1", "no member"),
            ("etcd://h 1", "no member"),
            ("etcd://h1/a?b", "an option has no value"),
            ("etcd://h1/../a", "the prefix"),
            ("etcd://h1/a b", "the prefix"),
            ("etcd://h1?tls=yes", "no such option"),
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
    #[test]
    fn a_token_in_an_address_is_not_kept_either() {
        for text in ["consul://hush@h1/a", "consul://h1/a?token=hush", "consul://:hush@h 1?Token=hush&x"] {
            let Ok(LedgerPlace::Consul(place)) = LedgerPlace::parse(text) else { panic!("{text}") };
            assert!(place.tells_token);
            assert!(!format!("{place:?}{place}").contains("hu"), "{place:?}");
            assert!(ConsulPlace::of_hosts(text).is_ok_and(|place| place.tells_token));
            assert!(ConsulPlace::of_services(text).is_ok_and(|place| place.tells_token));
        }
    }

    #[test]
    fn hosts_have_a_prefix_and_services_have_none() {
        let place = ConsulPlace::of_hosts("consul://h1/hosts").unwrap();
        assert_eq!(place.to_string(), "consul://h1:8500/hosts");
        assert!(ConsulPlace::of_hosts("consul://h1").unwrap_err().contains("which prefix"));
        let place = ConsulPlace::of_services("consul://h1,h2/?token-env=T").unwrap();
        assert_eq!(place.to_string(), "consul://h1:8500,h2:8500");
        assert!(ConsulPlace::of_services("consul://h1/hosts").unwrap_err().contains("no prefix"));
        assert!(ConsulPlace::of_services("etcd://h1").unwrap_err().contains("begins with"));
    }
}
