//! Docker's forms of single flags: `published=80,target=8080`, `type=volume,source=data,target=/data`.
//!
//! Functions from text to a value or a reason, for clap. They check forms only; names are looked up where they
//! are used.

use std::collections::BTreeMap;

use crate::compose::short;
use crate::model::GoDuration;
use crate::model::constraint::Constraint;
use crate::model::spec::{FailureAction, Port, Protocol, PublishMode, RestartCondition, UpdateOrder};

/// `KEY=VALUE`, or a key alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub(super) key: String,
    pub(super) value: Option<String>,
}

pub(super) fn pair(text: &str) -> Result<Pair, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.trim().is_empty() {
        return Err("it is KEY=VALUE".to_owned());
    }
    Ok(Pair { key: key.to_owned(), value })
}

/// `a=b,c`: docker's comma-separated fields, each once; the known ones.
struct Fields<'t>(BTreeMap<&'t str, Option<&'t str>>);

impl<'t> Fields<'t> {
    fn read(text: &'t str, known: &[&str]) -> Result<Self, String> {
        let mut fields = BTreeMap::new();
        for part in text.split(',') {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (part.trim(), None),
            };
            if !known.contains(&key) {
                return Err(format!("`{key}` is none of {}", known.join(", ")));
            }
            if fields.insert(key, value).is_some() {
                return Err(format!("`{key}` is given twice"));
            }
        }
        Ok(Self(fields))
    }

    /// The value of the first of these names.
    fn text(&self, names: &[&str]) -> Option<&'t str> {
        names.iter().find_map(|name| self.0.get(name).copied().flatten())
    }

    /// A flag: present, or set to true.
    fn flag(&self, names: &[&str]) -> Result<bool, String> {
        match names.iter().find_map(|name| self.0.get_key_value(name)) {
            None => Ok(false),
            Some((_, None | Some("true" | "1"))) => Ok(true),
            Some((_, Some("false" | "0"))) => Ok(false),
            Some((name, Some(other))) => Err(format!("`{name}` is true or false, not `{other}`")),
        }
    }
}

/// The ports of one `--publish-add` or `--publish-rm`; a range is several ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    pub(super) ports: Vec<Port>,
    /// Whether the mode was written, and did not come from the short form.
    pub(super) has_mode: bool,
}

pub(super) fn ports(text: &str) -> Result<Ports, String> {
    if !text.contains('=') {
        let port = |port: short::ShortPort| Port {
            published: port.published,
            target: port.target,
            protocol: port.protocol,
            mode: port.mode,
            host_ip: port.host_ip,
        };
        let ports = short::ports(text).map_err(|error| error.0)?;
        return Ok(Ports { ports: ports.into_iter().map(port).collect(), has_mode: false });
    }
    let fields = Fields::read(text, &["published", "target", "protocol", "mode"])?;
    let number = |text: &str| short::port(text).map_err(|error| error.0);
    let published = match fields.text(&["published"]) {
        None | Some("0") => None,
        Some(text) => Some(number(text)?),
    };
    let Some(target) = fields.text(&["target"]) else { return Err("`target` is missing".to_owned()) };
    let protocol = match fields.text(&["protocol"]) {
        None => Protocol::Tcp,
        Some(word) => short::protocol(word).map_err(|error| error.0)?,
    };
    let mode = match fields.text(&["mode"]) {
        None | Some("ingress") => PublishMode::Ingress,
        Some("host") => PublishMode::Host,
        Some(other) => return Err(format!("`mode` is ingress or host, not `{other}`")),
    };
    let port = Port { published, target: number(target)?, protocol, mode, host_ip: None };
    Ok(Ports { ports: vec![port], has_mode: fields.text(&["mode"]).is_some() })
}

/// The mount of one `--mount-add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFlag {
    pub(super) kind: MountKind,
    pub(super) source: Option<String>,
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) propagation: Option<String>,
    pub(super) nocopy: bool,
    pub(super) subpath: Option<String>,
    pub(super) size: u64,
    pub(super) mode: Option<u32>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MountKind {
    Bind,
    Volume,
    Tmpfs,
}

pub(super) fn mount(text: &str) -> Result<MountFlag, String> {
    const KNOWN: &[&str] = &[
        "type",
        "source",
        "src",
        "target",
        "dst",
        "destination",
        "readonly",
        "ro",
        "bind-propagation",
        "volume-nocopy",
        "volume-subpath",
        "tmpfs-size",
        "tmpfs-mode",
    ];
    let fields = Fields::read(text, KNOWN)?;
    let kind = match fields.text(&["type"]) {
        None | Some("volume") => MountKind::Volume,
        Some("bind") => MountKind::Bind,
        Some("tmpfs") => MountKind::Tmpfs,
        Some(other) => return Err(format!("`type` is volume, bind or tmpfs, not `{other}`")),
    };
    let source = fields.text(&["source", "src"]).filter(|source| !source.is_empty()).map(ToOwned::to_owned);
    let Some(target) = fields.text(&["target", "dst", "destination"]) else {
        return Err("`target` is missing".to_owned());
    };
    if !target.starts_with('/') {
        return Err(format!("the target `{target}` is not an absolute path"));
    }
    let only = |key: &str, of: MountKind, word: &str| match fields.0.contains_key(key) && kind != of {
        true => Err(format!("`{key}` is for mounts of type {word}")),
        false => Ok(()),
    };
    only("bind-propagation", MountKind::Bind, "bind")?;
    only("volume-nocopy", MountKind::Volume, "volume")?;
    only("volume-subpath", MountKind::Volume, "volume")?;
    only("tmpfs-size", MountKind::Tmpfs, "tmpfs")?;
    only("tmpfs-mode", MountKind::Tmpfs, "tmpfs")?;
    match (kind, &source) {
        (MountKind::Bind, None) => return Err("a bind needs a `source`".to_owned()),
        (MountKind::Bind, Some(path)) if !path.starts_with('/') => {
            return Err(format!("the source `{path}` is not an absolute path"));
        }
        (MountKind::Tmpfs, Some(_)) => return Err("a tmpfs has no source".to_owned()),
        _ => {}
    }
    let size = fields.text(&["tmpfs-size"]).map(short::bytes).transpose().map_err(|error| error.0)?;
    let octal = |text| u32::from_str_radix(text, 8).map_err(|_| "`tmpfs-mode` is an octal number".to_owned());
    Ok(MountFlag {
        kind,
        source,
        target: target.to_owned(),
        read_only: fields.flag(&["readonly", "ro"])?,
        propagation: fields.text(&["bind-propagation"]).map(ToOwned::to_owned),
        nocopy: fields.flag(&["volume-nocopy"])?,
        subpath: fields.text(&["volume-subpath"]).map(ToOwned::to_owned),
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        mode: fields.text(&["tmpfs-mode"]).map(octal).transpose()?,
    })
}

/// The config of one `--config-add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFlag {
    pub(super) source: String,
    pub(super) target: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) gid: Option<String>,
    pub(super) mode: Option<u32>,
}

pub(super) fn config(text: &str) -> Result<ConfigFlag, String> {
    if !text.contains(['=', ',']) {
        return Ok(ConfigFlag { source: text.to_owned(), target: None, uid: None, gid: None, mode: None });
    }
    let fields = Fields::read(text, &["source", "src", "target", "uid", "gid", "mode"])?;
    let Some(source) = fields.text(&["source", "src"]) else { return Err("`source` is missing".to_owned()) };
    let octal = |text| u32::from_str_radix(text, 8).map_err(|_| "`mode` is an octal number".to_owned());
    let owned = |name: &str| fields.text(&[name]).map(ToOwned::to_owned);
    Ok(ConfigFlag {
        source: source.to_owned(),
        target: owned("target"),
        uid: owned("uid"),
        gid: owned("gid"),
        mode: fields.text(&["mode"]).map(octal).transpose()?,
    })
}

/// The network of one `--network-add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFlag {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
}

pub(super) fn network(text: &str) -> Result<NetworkFlag, String> {
    if !text.contains('=') {
        return Ok(NetworkFlag { name: text.to_owned(), aliases: Vec::new() });
    }
    let mut flag = NetworkFlag { name: String::new(), aliases: Vec::new() };
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("name", name)) => name.clone_into(&mut flag.name),
            // The only field that may be given twice.
            Some(("alias", alias)) => flag.aliases.push(alias.to_owned()),
            _ => return Err(format!("`{part}` is neither `name=` nor `alias=`")),
        }
    }
    if flag.name.is_empty() {
        return Err("`name` is missing".to_owned());
    }
    Ok(flag)
}

pub(super) fn constraint(text: &str) -> Result<String, String> {
    Constraint::parse(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// `spread=node.labels.zone`.
pub(super) fn preference(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some(("spread", label)) if !label.is_empty() => Ok(label.to_owned()),
        _ => Err("it is spread=LABEL, as in spread=node.labels.zone".to_owned()),
    }
}

pub(super) fn cpus(text: &str) -> Result<i64, String> {
    short::nano_cpus(text).map_err(|error| error.0)
}

pub(super) fn bytes(text: &str) -> Result<i64, String> {
    short::bytes(text).map_err(|error| error.0)
}

pub(super) fn words(text: &str) -> Result<Words, String> {
    short::words(text).map(Words).map_err(|error| error.0)
}

/// A command, split as a shell does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub(super) Vec<String>);

/// A duration that is not below zero.
pub(super) fn duration(text: &str) -> Result<GoDuration, String> {
    let duration = crate::cli::rollout_args::duration(text)?;
    if duration < GoDuration::ZERO { Err("it is negative".to_owned()) } else { Ok(duration) }
}

pub(super) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Ok(_) | Err(_) => Err("it is a number from 0 to 1".to_owned()),
    }
}

pub(super) fn order(text: &str) -> Result<UpdateOrder, String> {
    match text {
        "stop-first" => Ok(UpdateOrder::StopFirst),
        "start-first" => Ok(UpdateOrder::StartFirst),
        _ => Err("it is start-first or stop-first".to_owned()),
    }
}

pub(super) fn update_action(text: &str) -> Result<FailureAction, String> {
    match text {
        "rollback" => Ok(FailureAction::Rollback),
        _ => rollback_action(text).map_err(|_| "it is pause, continue or rollback".to_owned()),
    }
}

/// A rollback is never rolled back.
pub(super) fn rollback_action(text: &str) -> Result<FailureAction, String> {
    match text {
        "pause" => Ok(FailureAction::Pause),
        "continue" => Ok(FailureAction::Continue),
        _ => Err("it is pause or continue".to_owned()),
    }
}

pub(super) fn restart_condition(text: &str) -> Result<RestartCondition, String> {
    match text {
        "none" => Ok(RestartCondition::None),
        "on-failure" => Ok(RestartCondition::OnFailure),
        "any" => Ok(RestartCondition::Any),
        _ => Err("it is none, on-failure or any".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_short_form_and_a_long_one() {
        let one = |text: &str| ports(text).map(|all| (all.ports[0].clone(), all.ports.len(), all.has_mode));
        let (port, count, has_mode) = one("8080-8081:80-81/udp").unwrap();
        assert_eq!((port.published, port.target, port.protocol), (Some(8080), 80, Protocol::Udp));
        assert_eq!((count, has_mode), (2, false));
        let (port, _, has_mode) = one("published=8080,target=80,mode=host").unwrap();
        assert_eq!((port.published, port.mode, has_mode), (Some(8080), PublishMode::Host, true));
        for wrong in ["published=8080", "target=0", "target=80,mode=x", "target=80,colour=red", "x"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mounts_are_of_three_kinds() {
        let read = mount("type=bind,src=/srv,dst=/data,ro").unwrap();
        assert_eq!(
            (read.kind, read.source.as_deref(), read.read_only),
            (MountKind::Bind, Some("/srv"), true)
        );
        let read = mount("source=data,target=/data,readonly=false,volume-nocopy").unwrap();
        assert_eq!((read.kind, read.read_only, read.nocopy), (MountKind::Volume, false, true));
        let read = mount("type=tmpfs,target=/run,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!((read.size, read.mode), (1 << 20, Some(0o1770)));
        for wrong in [
            "type=bind,target=/data",
            "type=bind,source=here,target=/data",
            "source=data",
            "source=data,target=data",
            "type=tmpfs,source=x,target=/run",
            "target=/data,tmpfs-size=1m",
            "target=/data,ro=maybe",
            "target=/a,target=/b",
        ] {
            assert!(mount(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_small_forms() {
        assert_eq!(network("back").unwrap().name, "back");
        let read = network("name=back,alias=a,alias=b").unwrap();
        assert_eq!((read.name.as_str(), read.aliases.len()), ("back", 2));
        assert!(network("alias=a").is_err() && network("name=a,x=y").is_err());
        assert_eq!(config("source=site,target=/etc/site,mode=0400").unwrap().mode, Some(0o400));
        assert!(config("target=/etc/site").is_err());
        assert_eq!(preference("spread=node.labels.zone").as_deref(), Ok("node.labels.zone"));
        assert!(preference("node.labels.zone").is_err() && constraint("node.labels.zone").is_err());
        assert_eq!(pair("A=b=c").unwrap().value.as_deref(), Some("b=c"));
        assert!(pair("=b").is_err() && ratio("1.5").is_err() && duration("-1s").is_err());
        assert!(rollback_action("rollback").is_err() && update_action("rollback").is_ok());
    }
}
