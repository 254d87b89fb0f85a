//! `secrets.drivers` of an inventory: which stores stackfiles may have values of secrets from. Reads settings only.
//!
//! A stackfile names a driver and says which value it wants. What is started for that, and where a token is sent, stands here
//! alone: a stackfile may come from a repository that others write, and is read on machines that have logins of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::GoDuration;
use crate::yaml::{Diagnostic, Entry, Fields, Sink, Spanned, Value};

/// The default time limit of one value.
const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
const NAME_BYTES_MAX: usize = 64;
/// What reads a word as commands.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "fish"];
/// Keys of a driver.
pub(super) const KEYS: [&str; 8] =
    ["type", "command", "timeout", "store", "address", "namespace", "token_file", "ca"];

/// A driver that stackfiles may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    pub kind: DriverKind,
    /// The time limit of one value.
    pub timeout: Duration,
}

/// What a driver asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverKind {
    /// The program `stackctl-secret-NAME`.
    Program,
    /// A command whose output is the value.
    Command {
        /// It, and its arguments; `{OPTION}` stands for an option of the secret.
        argv: Vec<String>,
        /// Where it runs: the inventory's folder.
        folder: PathBuf,
    },
    /// The password manager pass.
    Pass {
        /// Its store, if not the user's own.
        store: Option<PathBuf>,
    },
    /// The HTTP API of Vault or `OpenBao`.
    Vault(VaultPlace),
}

/// A server with the API of Vault. What is not set comes from the variables that its own client reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VaultPlace {
    /// `https://host:port`.
    pub address: Option<String>,
    pub namespace: Option<String>,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// Certificate authorities, instead of the machine's.
    pub ca: Option<PathBuf>,
}

impl Driver {
    /// What starting or asking it means for this machine, in words, for the user who is to trust the inventory.
    #[must_use]
    pub fn wants(&self, name: &str) -> String {
        match &self.kind {
            DriverKind::Program => format!("`stackctl-secret-{name}` runs for secrets of stackfiles"),
            DriverKind::Command { argv, .. } => {
                format!("`{}` runs for secrets of stackfiles", argv.join(" "))
            }
            DriverKind::Pass { .. } => "`pass` runs for secrets of stackfiles".to_owned(),
            DriverKind::Vault(place) => {
                let to = place.address.as_deref().unwrap_or("the server that VAULT_ADDR names");
                format!("the token of Vault is sent to {to} for secrets of stackfiles")
            }
        }
    }
}

/// What is in front of the first `{name}` of a word, the name, and what is behind it. Other braces are the word's own.
#[must_use]
pub fn placeholder(word: &str) -> Option<(&str, &str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    word.match_indices('{').find_map(|(at, _)| {
        let (name, after) = word[at + 1..].split_once('}')?;
        (!name.is_empty() && name.chars().all(is_part)).then_some((&word[..at], name, after))
    })
}

/// Why options of secrets must not stand where they do: who writes a stackfile would choose what is started.
fn misplaced(argv: &[String]) -> Option<&'static str> {
    let (program, args) = argv.split_first()?;
    if placeholder(program).is_some() {
        return Some("an option of a secret would choose the program");
    }
    let is_shell = SHELLS.contains(&program.rsplit('/').next().unwrap_or_default());
    let script = args.iter().position(|word| word.starts_with('-') && word.ends_with('c'));
    let is_script = |at: usize| args.get(at + 1).is_some_and(|word| placeholder(word).is_some());
    (is_shell && script.is_some_and(is_script))
        .then_some("a shell would read an option of a secret as a command")
}

/// Those of a file that lies in `folder`, by name.
pub(super) fn read(sink: &Sink<'_>, top: &Fields<'_>, folder: &Path) -> BTreeMap<String, Driver> {
    let mut drivers = BTreeMap::new();
    let Some(secrets) = top.fields("secrets") else { return drivers };
    if let Some(Value::List(_)) = secrets.node("drivers").map(|node| &node.value) {
        for name in secrets.texts("drivers").unwrap_or_default() {
            if is_name(sink, &name) {
                let kind = by_name(&name.value, VaultPlace::default(), None);
                drivers.insert(name.value, Driver { kind, timeout: TIMEOUT });
            }
        }
    } else if let Some(all) = secrets.fields("drivers") {
        for entry in all.entries().iter().filter(|entry| is_name(sink, &entry.key)) {
            drivers.extend(one(&all, entry, folder).map(|driver| (entry.key.value.clone(), driver)));
        }
    }
    secrets.deny_unknown(&["drivers"]);
    drivers
}

/// It becomes the name of a program.
fn is_name(sink: &Sink<'_>, name: &Spanned<String>) -> bool {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let is_one = name.chars().all(is_good)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= NAME_BYTES_MAX;
    if !is_one {
        let message = format!("`{}` is no name of a driver", sink.clean(name));
        sink.push(
            Diagnostic::error("bad_driver", message)
                .at(name.span, "this one")
                .help("lower case letters, digits, `-` and `_`, and a letter or digit first"),
        );
    }
    is_one
}

fn by_name(name: &str, place: VaultPlace, store: Option<PathBuf>) -> DriverKind {
    match name {
        "vault" | "openbao" => DriverKind::Vault(place),
        "pass" => DriverKind::Pass { store },
        _ => DriverKind::Program,
    }
}

/// One with its settings; without any, its name says what it is.
fn one<'a>(all: &Fields<'a>, entry: &'a Entry, folder: &Path) -> Option<Driver> {
    let name = entry.key.value.as_str();
    if entry.value.is_null() {
        return Some(Driver { kind: by_name(name, VaultPlace::default(), None), timeout: TIMEOUT });
    }
    let fields = all.under(entry)?;
    let timeout = fields.parsed("timeout", "bad_timeout", "a time from 1s to 5m", |text| {
        let time = text.parse::<GoDuration>().map_err(|error| error.to_string())?.to_std();
        let fits = time >= Duration::from_secs(1) && time <= TIMEOUT_MAX;
        if fits { Ok(time) } else { Err("between 1s and 5m".to_owned()) }
    });
    let words = [("vault", "vault"), ("pass", "pass"), ("program", "program")];
    let named = fields.choice("type", &words).map(|word| word.value);
    let relative = |key| fields.text(key).map(|text| folder.join(&*text));
    let text = |key| fields.text(key).map(|text| text.value);
    let place = VaultPlace {
        address: text("address"),
        namespace: text("namespace"),
        token_file: relative("token_file"),
        ca: relative("ca"),
    };
    let store = relative("store");
    let kind = match fields.texts("command") {
        Some(argv) => DriverKind::Command {
            argv: argv.into_iter().map(|word| word.value).collect(),
            folder: folder.to_owned(),
        },
        None => by_name(named.unwrap_or(name), place, store),
    };
    let of_kind: &[&str] = match &kind {
        DriverKind::Program => &[],
        DriverKind::Command { .. } => &["command"],
        DriverKind::Pass { .. } => &["store"],
        DriverKind::Vault(_) => &["address", "namespace", "token_file", "ca"],
    };
    fields.deny_unknown(&KEYS);
    check(&fields, &kind, of_kind)?;
    Some(Driver { kind, timeout: timeout.map_or(TIMEOUT, |time| time.value) })
}

/// What a driver of this kind does not have, and what it must.
fn check(fields: &Fields<'_>, kind: &DriverKind, of_kind: &[&str]) -> Option<()> {
    let bad = |message: String, help: &str| {
        let bad = Diagnostic::error("bad_driver", message);
        fields.sink().push(bad.at(fields.span(), "this driver").help(help));
    };
    let is_strange = |key: &str| {
        let is_general = key == "timeout" || (key == "type" && !matches!(kind, DriverKind::Command { .. }));
        fields.has(key) && !is_general && !of_kind.contains(&key)
    };
    if let Some(key) = KEYS.into_iter().find(|key| is_strange(key)) {
        bad(
            format!("`{key}` does not go with a driver of this kind"),
            "a driver has a `command`; or is of `type: vault`, `pass` or `program`",
        );
        return None;
    }
    match kind {
        DriverKind::Command { argv, .. } if argv.first().is_none_or(String::is_empty) => {
            bad(
                "the command of a driver names no program".to_owned(),
                "write a list: the program, then its arguments",
            );
            None
        }
        DriverKind::Command { argv, .. } => match misplaced(argv) {
            None => Some(()),
            Some(why) => {
                bad(
                    why.to_owned(),
                    "hand it on as an argument, as in `[sh, -c, 'printf %s \"$1\"', sh, '{path}']`",
                );
                None
            }
        },
        DriverKind::Vault(place) => {
            let is_one = |address: &String| {
                ["https://", "http://"]
                    .iter()
                    .any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
            };
            let fits = place.address.as_ref().is_none_or(is_one);
            if !fits {
                bad("the `address` of a driver is none".to_owned(), "write `https://vault.example.com:8200`");
            }
            fits.then_some(())
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::parse;

    fn drivers(text: &str) -> Result<BTreeMap<String, Driver>, String> {
        let text = format!("hosts: {{h1: {{address: h1, role: manager}}}}\nsecrets:\n  drivers:{text}\n");
        let read = parse(&text, "a/stackctl.yml");
        read.map(|(inventory, _)| inventory.drivers).map_err(|report| {
            let faults =
                report.faults.iter().map(|fault| format!("{}:{} {}", fault.line, fault.code, fault.message));
            faults.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn a_driver_is_what_its_name_or_its_settings_say() {
        let short = drivers(" [vault, openbao, pass, aws]").unwrap();
        assert_eq!(short, drivers(" {vault: , openbao: , pass: , aws: }").unwrap());
        assert_eq!(short["vault"].kind, DriverKind::Vault(VaultPlace::default()));
        assert_eq!(short["openbao"].kind, short["vault"].kind);
        assert_eq!(short["pass"].kind, DriverKind::Pass { store: None });
        assert_eq!((&short["aws"].kind, short["aws"].timeout), (&DriverKind::Program, TIMEOUT));
        let long = drivers(
            "\n    prod: {type: vault, address: 'https://v:8200', namespace: a/b, token_file: token, ca: /ca.pem, timeout: 5s}\n    \
             op: {command: [op, read, '{item}']}\n    team: {type: pass, store: store}",
        )
        .unwrap();
        let place = VaultPlace {
            address: Some("https://v:8200".into()),
            namespace: Some("a/b".into()),
            token_file: Some("a/token".into()),
            ca: Some("/ca.pem".into()),
        };
        assert_eq!(long["prod"], Driver { kind: DriverKind::Vault(place), timeout: Duration::from_secs(5) });
        let argv = vec!["op".into(), "read".into(), "{item}".into()];
        assert_eq!(long["op"].kind, DriverKind::Command { argv, folder: "a".into() });
        assert_eq!(long["team"].kind, DriverKind::Pass { store: Some("a/store".into()) });
    }

    #[test]
    fn mistakes_are_named_at_their_place() {
        for (text, fault) in [
            (" ['../x']", "3:stackctl::inventory::bad_driver `../x` is no name"),
            (" {A: }", "`A` is no name"),
            (" {vault: {command: [a]}, x: {store: a}}", "`store` does not go with"),
            (" {x: {command: []}}", "names no program"),
            (" {x: {command: ['{path}', a]}}", "would choose the program"),
            (" {x: {command: [/bin/sh, -ec, 'cat {path}']}}", "a shell would read an option"),
            (" {x: {command: [a], type: vault}}", "`type` does not go with"),
            (" {vault: {address: 'v:8200'}}", "the `address` of a driver is none"),
            (" {vault: {adress: 'https://v'}}", "adress"),
            (" {vault: {timeout: 1h}}", "bad_timeout"),
            (" {x: {type: bank}}", "bank"),
        ] {
            let said = drivers(text).unwrap_err();
            assert!(said.contains(fault), "{text}: {said}");
        }
    }

    #[test]
    fn no_excerpt_shows_arguments_of_a_command() {
        let text = "hosts: {h1: h1}\nsecrets: {drivers: {x: {command: [a, hunter2]}}, nope: 1}\n";
        let drawn = format!("{:?}", miette::Report::new(parse(text, "stackctl.yml").unwrap_err()));
        assert!(drawn.contains("nope") && !drawn.contains("hunter2"), "{drawn}");
    }
}
