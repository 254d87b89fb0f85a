//! The inventory's `notifications`: receivers of events.
//!
//! Reads the settings only: the sender reads files and variables with secrets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::GoDuration;
use crate::yaml::{self, Diagnostic, Fields, Node, Sink};

pub(super) const KEYS: [&str; 11] = [
    "command",
    "webhook",
    "secret_file",
    "secret_env",
    "ca",
    "format",
    "on",
    "level",
    "stacks",
    "repeat",
    "timeout",
];

/// The types of events.
pub const TYPES: [&str; 22] = [
    "leading",
    "standing_by",
    "lead_lost",
    "node_lost",
    "node_back",
    "fence_began",
    "fence_ended",
    "node_joined",
    "node_left",
    "hosts_unknown",
    "hosts_known",
    "cut_off",
    "stack",
    "heal_began",
    "heal_ended",
    "commit",
    "declined",
    "repository_trouble",
    "release_began",
    "release_ended",
    "ledger_trouble",
    "task_panicked",
];

/// The default interval between repeated alerts.
const REPEAT: Duration = Duration::from_secs(60 * 60);
/// The default time limit of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A receiver of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// How.
    pub target: Target,
    /// Types of events; if empty, all events of sufficient severity.
    pub on: BTreeSet<String>,
    /// The least severity of events that `on` does not name.
    pub level: Level,
    /// Only events of these stacks, or of no stack; if empty, all.
    pub stacks: BTreeSet<String>,
    /// The format.
    pub format: Form,
    /// The interval between repeated alerts.
    pub repeat: Duration,
    /// The time limit of one attempt.
    pub timeout: Duration,
}

/// The target of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A command; the event is its standard input.
    Command(Vec<String>),
    /// A POST to this address.
    Webhook {
        /// `http://host/path` or `https://…`.
        url: String,
        /// The secret for the signature.
        secret: Option<Secret>,
        /// Certificate authorities, instead of the machine's.
        ca: Option<PathBuf>,
    },
}

/// The place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

/// How severe an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Information.
    Info,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

/// The format of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The event.
    #[default]
    Json,
    /// `{"text": …}`, as chat services take it.
    Slack,
}

/// Reads the list.
pub(super) fn read(top: &Fields<'_>, folder: &Path) -> Vec<Notification> {
    let nodes = top.list("notifications").unwrap_or_default();
    nodes.iter().filter_map(|node| one(top.sink(), node, folder)).collect()
}

fn one(sink: &Sink<'_>, node: &Node, folder: &Path) -> Option<Notification> {
    let fields = Fields::of(sink, node, node.span, "notification")?;
    let texts = |key| -> Vec<String> {
        fields.texts(key).unwrap_or_default().into_iter().map(|text| text.value).collect()
    };
    let forms = [("json", Form::Json), ("slack", Form::Slack)];
    let levels = [("info", Level::Info), ("warning", Level::Warning), ("error", Level::Error)];
    let duration = |key, default| {
        let read = |text: &str| text.parse::<GoDuration>().map(|one| one.to_std());
        fields
            .parsed(key, "bad_duration", "a duration such as `10s` or `1h`", read)
            .map_or(default, |one| one.value)
    };
    let target = target(sink, node, &fields, folder);
    for text in fields.texts("on").unwrap_or_default() {
        if !TYPES.contains(&text.value.as_str()) {
            let help = match yaml::closest(&text.value, &TYPES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", TYPES.join(", ")),
            };
            let message = format!("there is no event of type `{}`", sink.clean(&text.value));
            sink.push(Diagnostic::error("unknown_event", message).at(text.span, "this one").help(help));
        }
    }
    let notification = Notification {
        target: target?,
        on: texts("on").into_iter().collect(),
        level: fields.choice("level", &levels).map_or(Level::Warning, |word| word.value),
        stacks: texts("stacks").into_iter().collect(),
        format: fields.choice("format", &forms).map(|word| word.value).unwrap_or_default(),
        repeat: duration("repeat", REPEAT),
        timeout: duration("timeout", TIMEOUT),
    };
    fields.deny_unknown(&KEYS);
    Some(notification)
}

fn target(sink: &Sink<'_>, node: &Node, fields: &Fields<'_>, folder: &Path) -> Option<Target> {
    let wrong = |message: &str, help: &str| {
        sink.push(
            Diagnostic::error("bad_notification", message).at(node.span, "this notification").help(help),
        );
    };
    let path = |key| fields.text(key).map(|text| folder.join(&*text));
    let command = fields.texts("command").map(|all| all.into_iter().map(|one| one.value).collect::<Vec<_>>());
    let url = fields.text("webhook");
    let secret = match (path("secret_file"), fields.text("secret_env")) {
        (Some(_), Some(_)) => {
            wrong("a notification has two secrets", "remove `secret_file` or `secret_env`");
            None
        }
        (Some(file), None) => Some(Secret::File(file)),
        (None, Some(name)) => Some(Secret::Variable(name.value)),
        (None, None) => None,
    };
    let ca = path("ca");
    match (command, url) {
        (Some(words), None) => {
            if words.first().is_none_or(String::is_empty) {
                wrong("a notification's command is empty", "write `command: [/usr/local/bin/tell]`");
            }
            if secret.is_some() || ca.is_some() {
                wrong("a command takes no secret and no `ca`", "they are for `webhook`: remove them");
            }
            Some(Target::Command(words))
        }
        (None, Some(url)) => {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let is_plain = url.chars().all(|c| c.is_ascii_graphic());
            let is_bad = |rest: &str| {
                // Messages show the host, and with it a password before it.
                let host = rest.split(['/', '?']).next().unwrap_or_default();
                host.is_empty() || host.contains('@')
            };
            if !is_plain || rest.is_none_or(is_bad) {
                // Not shown, because it may contain a token.
                wrong("the address of a notification cannot be used", "write `https://host/path`");
            }
            Some(Target::Webhook { url: url.value, secret, ca })
        }
        (Some(_), Some(_)) => {
            wrong("a notification has a command and a webhook", "make two notifications of it");
            None
        }
        (None, None) => {
            if !fields.has("command") && !fields.has("webhook") {
                wrong(
                    "a notification has no target",
                    "give it a `command: [program, argument]` or a `webhook: https://host/path`",
                );
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn everything_a_notification_can_say_is_read() {
        let text = "\
hosts: {h1: {address: h1, role: manager}}
notifications:
  - command: [/bin/tell, loud]
  - webhook: https://chat.example.com/hooks/1
    secret_file: hook.secret
    ca: /etc/ca.pem
    format: slack
    on: [node_lost, release_ended]
    level: info
    stacks: [shop]
    repeat: 5m
    timeout: 2s
";
        let (inventory, notes) = parse(text, "/etc/stack/stackctl.yml").unwrap();
        assert!(notes.is_empty());
        let [command, webhook] = &inventory.notifications[..] else { panic!("{inventory:?}") };
        assert_eq!(command.target, Target::Command(vec!["/bin/tell".into(), "loud".into()]));
        assert_eq!((command.level, command.repeat, command.timeout), (Level::Warning, REPEAT, TIMEOUT));
        assert!(command.on.is_empty() && command.stacks.is_empty() && command.format == Form::Json);
        let secret = Some(Secret::File("/etc/stack/hook.secret".into()));
        let (url, ca) = ("https://chat.example.com/hooks/1".to_owned(), Some("/etc/ca.pem".into()));
        assert_eq!(webhook.target, Target::Webhook { url, secret, ca });
        assert_eq!((webhook.format, webhook.level), (Form::Slack, Level::Info));
        assert_eq!((webhook.repeat.as_secs(), webhook.timeout.as_secs()), (300, 2));
        assert_eq!((webhook.on.len(), webhook.stacks.len()), (2, 1));
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_token_is_shown() {
        let text = "\
hosts: {h1: {address: h1, role: manager}}
notifications:
  - {level: error}
  - {command: [a], webhook: 'https://b/hunter2'}
  - {command: []}
  - {webhook: 'ftp://b/hunter2'}
  - {webhook: 'https://ann:hunter2@b'}
  - {command: [a], secret_env: X}
  - {webhook: 'https://b', secret_env: X, secret_file: y}
  - {command: [a], on: [node_lots], level: loud, repeat: often, fromat: slack}
";
        let report = parse(text, "stackctl.yml").unwrap_err();
        let errors: Vec<String> =
            report.faults.iter().map(|f| format!("{} {} {}", f.line, f.code, f.message)).collect();
        let room = "stackctl::inventory::";
        assert_eq!(
            errors.iter().map(|one| one.replace(room, "")).collect::<Vec<_>>(),
            [
                "3 bad_notification a notification has no target",
                "4 bad_notification a notification has a command and a webhook",
                "5 bad_notification a notification's command is empty",
                "6 bad_notification the address of a notification cannot be used",
                "7 bad_notification the address of a notification cannot be used",
                "8 bad_notification a command takes no secret and no `ca`",
                "9 bad_notification a notification has two secrets",
                "10 unknown_event there is no event of type `node_lots`",
                "10 unknown_word `level` of notification cannot be `loud`",
                "10 bad_duration `repeat` of notification is not a duration such as `10s` or `1h`",
                "10 unknown_key unknown key `fromat` in notification",
            ]
        );
        assert!(errors.iter().all(|one| !one.contains("hunter2")));
    }
}
