//! Contents of configs and secrets that are templates (`template_driver: golang`), as SwarmKit reads them.
//!
//! Fields and functions are those of SwarmKit's package `template` (`context.go`, `template.go`):
//!
//! - `.Service.ID .Service.Name .Service.Labels`, `.Node.ID .Node.Hostname .Node.Platform.OS
//!   .Node.Platform.Architecture`, `.Task.ID .Task.Name .Task.Slot`. A field or label that is not there is an error;
//!   `index .Service.Labels "x"` is empty then.
//! - `env "NAME"`: a variable as the task has it, its own templates filled in; one that is not set is empty.
//! - `config "TARGET"`: the content of another config of the task, by the place of its file, as it is, even if it is a
//!   template, too: so none can be part of itself. One that the task does not have is an error.
//! - `join SEPARATOR TEXT…`.
//! - `secret "TARGET"`: the value of a secret of the task, in the same way. A content in which that stands is as secret as what
//!   it asks for, whether it is a config or a secret: see [`Payload::is_secret`].
//!
//! Two things differ. Engines call the file by the target as written, so that only `config "site.conf"` finds the one at
//! `/site.conf`, and `secret "db"` that at `/run/secrets/db`; here its path does, too. And an engine whose executor hands no node to its templates leaves fields of the
//! node but its id empty; here these are filled in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Dialect, Fault, Given, Limits, Template, Wrong, bad, go_text, kind};
use crate::model::action::{FilePlan, SecretSource, TaskPlan};
use crate::model::ids::sha256_hex;
use crate::model::spec::{ConfigSpec, FileMount};
use crate::model::template::Fields;

/// The one driver of templates that there is.
pub const DRIVER: &str = "golang";
/// Bytes that filling in one content may copy.
pub const WORK_MAX: usize = 64 << 20;

const FUNCTIONS: &[&str] = &["config", "env", "join", "secret"];
/// Where files of secrets are whose target is no path.
const SECRETS_FOLDER: &str = "/run/secrets/";

/// A content that is a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload(Template);

/// What is filled in: a task, as far as its contents may ask.
#[derive(Debug, Clone)]
pub struct TaskView<'a> {
    pub fields: &'a Fields,
    /// As the container gets it.
    pub environment: &'a BTreeMap<String, Option<String>>,
    /// By absolute path, as they are before anything is filled in; `None` if one is not at hand.
    pub configs: BTreeMap<&'a str, Option<&'a [u8]>>,
    /// The same of secrets.
    pub secrets: BTreeMap<&'a str, Option<&'a [u8]>>,
}

/// Why a file of a task cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// What is wrong, and where in the content, counted from 1.
    #[error("line {line}, column {column}: {wrong}")]
    Template { line: usize, column: usize, wrong: Wrong },
    /// Made by a newer version, or by hand.
    #[error("no template driver `{0}` is known, only `golang`")]
    Driver(String),
    /// The host was silent when the task was planned.
    #[error("nothing is known of the node")]
    NoFields,
}

impl<'a> TaskView<'a> {
    /// Of a task with these configs, whose contents the stack has, and no secrets.
    #[must_use]
    pub fn new(
        fields: &'a Fields,
        environment: &'a BTreeMap<String, Option<String>>,
        mounts: &'a BTreeMap<String, FileMount>,
        configs: &'a BTreeMap<String, ConfigSpec>,
    ) -> Self {
        let content =
            |mount: &FileMount| configs.get(&mount.source).and_then(|config| config.content.as_deref());
        let configs = mounts.iter().map(|(path, mount)| (path.as_str(), content(mount))).collect();
        Self { fields, environment, configs, secrets: BTreeMap::new() }
    }

    /// With secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: BTreeMap<&'a str, Option<&'a [u8]>>) -> Self {
        Self { secrets, ..self }
    }

    /// The SHA-256 of a file that is a template, once it is filled in.
    #[must_use]
    pub fn digest(&self, path: &str) -> Option<String> {
        let content = self.configs.get(path).copied().flatten()?;
        let limits = &mut Limits { bytes_max: usize::MAX, work: WORK_MAX };
        let filled = Payload::parse(content).ok()?.expand(self, limits).ok()?;
        Some(sha256_hex(filled.as_bytes()))
    }
}

impl Payload {
    /// Reads a content.
    ///
    /// # Errors
    ///
    /// All mistakes, in the order of the content.
    pub fn parse(content: &[u8]) -> Result<Self, Vec<Fault>> {
        let text = std::str::from_utf8(content).map_err(|error| {
            let at = error.valid_up_to();
            vec![Fault { at: at..at, wrong: Wrong::Syntax("it is not UTF-8".to_owned()) }]
        })?;
        Template::parse(text, &Language(None)).map(Self)
    }

    /// Whether it asks for a secret, or may. Then what it becomes is to be kept as one.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.0.names("secret")
    }

    /// Fills it in for a task.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be filled in.
    pub fn expand(&self, task: &TaskView<'_>, limits: &mut Limits) -> Result<String, Fault> {
        self.0.render(&data(task.fields), &Language(Some(task)), limits)
    }
}

/// The content of a file as a task gets it: the template filled in, or else as it is. It may have so many bytes.
///
/// # Errors
///
/// It cannot be filled in.
pub fn content<'p>(
    plan: &'p TaskPlan,
    file: &'p FilePlan,
    bytes_max: usize,
) -> Result<Option<Cow<'p, [u8]>>, PayloadError> {
    let Some(content) = file.content.as_deref() else { return Ok(None) };
    match file.template_driver.as_deref() {
        None => return Ok(Some(Cow::Borrowed(content))),
        Some(DRIVER) => {}
        Some(other) => return Err(PayloadError::Driver(other.to_owned())),
    }
    filled(plan, content, BTreeMap::new(), bytes_max).map(|text| Some(Cow::Owned(text.into_bytes())))
}

/// A template filled in for a task with these values of secrets, by the paths of their files.
///
/// # Errors
///
/// It cannot be filled in.
pub fn filled(
    plan: &TaskPlan,
    content: &[u8],
    secrets: BTreeMap<&str, Option<&[u8]>>,
    bytes_max: usize,
) -> Result<String, PayloadError> {
    let files = plan.service.files.iter().map(|file| (file.target.as_str(), file.content.as_deref()));
    let in_memory = plan.service.secrets.iter().filter_map(|file| match &file.source {
        SecretSource::Config(content) => Some((file.target.as_str(), Some(&**content))),
        SecretSource::Beside { content, .. } => Some((file.target.as_str(), content.as_deref())),
        SecretSource::Secret { .. } => None,
    });
    let task = TaskView {
        fields: plan.fields.as_deref().ok_or(PayloadError::NoFields)?,
        environment: &plan.spec.environment,
        configs: files.chain(in_memory).collect(),
        secrets,
    };
    let mut limits = Limits { bytes_max, work: WORK_MAX };
    let filled = Payload::parse(content)
        .map_err(|mut faults| faults.swap_remove(0))
        .and_then(|payload| payload.expand(&task, &mut limits));
    filled.map_err(|fault| {
        let (line, column) = place(content, &fault);
        PayloadError::Template { line, column, wrong: fault.wrong }
    })
}

/// Whether a config's content is a template that asks for a secret.
#[must_use]
pub fn is_secret(content: &[u8], template_driver: Option<&str>) -> bool {
    template_driver == Some(DRIVER) && Payload::parse(content).is_ok_and(|payload| payload.is_secret())
}

/// Every function that a content may use, in order.
#[must_use]
pub fn functions() -> Vec<&'static str> {
    super::functions(&Language(None))
}

/// Line and column of a mistake, in characters, from 1.
#[must_use]
pub fn place(content: &[u8], fault: &Fault) -> (usize, usize) {
    let before = &content[..fault.at.start.min(content.len())];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

fn data(fields: &Fields) -> Value {
    json!({
        "Service": { "ID": fields.service, "Name": fields.service, "Labels": fields.labels },
        "Node": {
            "ID": fields.node_id,
            "Hostname": fields.hostname,
            "Platform": { "OS": fields.os, "Architecture": fields.architecture },
        },
        "Task": { "ID": fields.task, "Name": fields.task_name, "Slot": fields.slot },
    })
}

/// Names of the fields below a path; `None` if any may be there.
fn fields_of(path: &[String]) -> Option<&'static [&'static str]> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match path[..] {
        [] => &["Node", "Service", "Task"],
        ["Service"] => &["ID", "Labels", "Name"],
        ["Service", "Labels"] => return None,
        ["Node"] => &["Hostname", "ID", "Platform"],
        ["Node", "Platform"] => &["Architecture", "OS"],
        ["Task"] => &["ID", "Name", "Slot"],
        _ => &[],
    })
}

/// The dialect; without a task, only what can be said before there is one.
struct Language<'a>(Option<&'a TaskView<'a>>);

impl Dialect for Language<'_> {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn check_path(&self, path: &[String]) -> Result<(), Wrong> {
        for (at, field) in path.iter().enumerate() {
            let Some(known) = fields_of(&path[..at]) else { continue };
            if !known.contains(&field.as_str()) {
                let known = known.iter().map(|name| (*name).to_owned()).collect();
                return Err(Wrong::UnknownField { field: field.clone(), known });
            }
        }
        Ok(())
    }

    fn call(&self, name: &str, args: Vec<Given>) -> Result<Given, Wrong> {
        let texts: Vec<&str> = args
            .iter()
            .map(|arg| arg.as_text().ok_or_else(|| bad(name, format!("{} is not a text", arg.kind()))))
            .collect::<Result<_, _>>()?;
        let text = match (name, &texts[..]) {
            ("env", [variable]) => self.variable(variable),
            ("config", [target]) => self.file("config", "/", target, self.0.map(|task| &task.configs))?,
            ("secret", [target]) => {
                self.file("secret", SECRETS_FOLDER, target, self.0.map(|task| &task.secrets))?
            }
            ("join", [separator, parts @ ..]) => parts.join(separator),
            ("join", []) => return Err(bad(name, "it takes a separator and what to join")),
            ("env" | "config" | "secret", texts) => {
                return Err(bad(name, format!("it takes 1 value, not {}", texts.len())));
            }
            _ => return Err(Wrong::UnknownFunction(name.to_owned())),
        };
        Ok(Given::Safe(text))
    }

    fn lacking(&self, of: &Value, _is_root: bool, name: &str) -> Result<Value, Wrong> {
        let Some(map) = of.as_object() else {
            return Err(Wrong::UnknownField { field: name.to_owned(), known: Vec::new() });
        };
        if self.0.is_some_and(|task| map.keys().eq(task.fields.labels.keys())) {
            let why = format!(
                "the service has no label `{name}`; `index .Service.Labels \"{name}\"` is empty then"
            );
            return Err(Wrong::Syntax(why));
        }
        Err(Wrong::UnknownField { field: name.to_owned(), known: map.keys().cloned().collect() })
    }

    fn absent(&self) -> Value {
        Value::String(String::new())
    }

    fn text(&self, value: &Value) -> Result<String, Wrong> {
        match value {
            Value::Object(_) | Value::Array(_) => {
                Err(Wrong::Syntax(format!("{} has no text: name a part of it", kind(value))))
            }
            value => Ok(go_text(value)),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }
}

impl Language<'_> {
    fn variable(&self, name: &str) -> String {
        let value = self.0.and_then(|task| task.environment.get(name)?.as_ref());
        value.cloned().unwrap_or_default()
    }

    /// Another file of the task, of this kind.
    fn file(
        &self,
        kind: &str,
        folder: &str,
        target: &str,
        all: Option<&BTreeMap<&str, Option<&[u8]>>>,
    ) -> Result<String, Wrong> {
        let path = format!("{folder}{target}");
        let found = all.and_then(|all| all.get(target).or_else(|| all.get(path.as_str())));
        match found {
            Some(Some(content)) => match std::str::from_utf8(content) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(bad(kind, "that one is not UTF-8")),
            },
            Some(None) => Err(bad(kind, "the content of that one is not at hand")),
            // The target may have been made of a variable, so it is not repeated.
            None => {
                let known: Vec<String> =
                    all.into_iter().flatten().map(|(path, _)| format!("`{path}`")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(bad(kind, format!("the task has no {kind} there; it has {known}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::action::ServicePlan;
    use crate::model::spec::TaskSpec;
    use crate::model::{ClusterName, NodeName, ServiceName, Slot, SpecHash, StackName, TaskId};

    fn fields() -> Fields {
        Fields {
            service: "app_web".into(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            node_id: "NODE".into(),
            hostname: "h1".into(),
            os: "linux".into(),
            architecture: "x86_64".into(),
            task: "t1".into(),
            task_name: "app_web.3.t1".into(),
            slot: "3".into(),
        }
    }

    fn filled(content: &[u8]) -> Result<String, (usize, usize, String)> {
        let environment =
            [("MODE".to_owned(), Some("fast".to_owned())), ("UNSET".to_owned(), None)].into_iter().collect();
        let configs = [
            ("/etc/own", Some(content)),
            ("/common", Some(&b"common {{env \"MODE\"}}"[..])),
            ("/bytes", Some(&b"\xff"[..])),
            ("/gone", None),
        ];
        let secrets = [
            ("/run/secrets/db", Some(&b"hunter2"[..])),
            ("/etc/key", Some(&b"{{x"[..])),
            ("/raw", Some(&b"\xff"[..])),
        ];
        let view = TaskView {
            fields: &fields(),
            environment: &environment,
            configs: configs.into(),
            secrets: secrets.into(),
        };
        let mut limits = Limits { bytes_max: 1000, work: WORK_MAX };
        let result = Payload::parse(content)
            .map_err(|mut faults| faults.swap_remove(0))
            .and_then(|payload| payload.expand(&view, &mut limits));
        result.map_err(|fault| {
            let (line, column) = place(content, &fault);
            (line, column, fault.wrong.to_string())
        })
    }

    #[track_caller]
    fn check(content: &str, expected: &str) {
        assert_eq!(filled(content.as_bytes()).as_deref(), Ok(expected), "{content}");
    }

    #[test]
    fn fields_are_those_of_swarmkit() {
        check("{{.Service.ID}} {{.Service.Name}} {{.Service.Labels.tier}}", "app_web app_web front");
        check(
            "{{.Node.ID}} {{.Node.Hostname}} {{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}",
            "NODE h1 linux/x86_64",
        );
        check("{{with .Task}}{{.ID}} {{.Name}} {{.Slot}}{{end}}", "t1 app_web.3.t1 3");
        check("{{range $k, $v := .Service.Labels}}{{$k}}={{$v}}{{end}}", "tier=front");
        check(
            "[{{index .Service.Labels \"none\"}}]{{if not (index .Service.Labels \"none\")}}!{{end}}",
            "[]!",
        );
    }

    #[test]
    fn functions_are_those_of_swarmkit() {
        check("{{env \"MODE\"}} [{{env \"UNSET\"}}] [{{env \"NONE\"}}]", "fast [] []");
        check("{{join \",\" \"a\" .Task.Slot (env \"MODE\")}} {{join \",\"}}", "a,3,fast ");
        check(
            "{{config \"/common\"}} {{\"common\" | config}}",
            "common {{env \"MODE\"}} common {{env \"MODE\"}}",
        );
        check("a{{config \"/etc/own\"}}", "aa{{config \"/etc/own\"}}");
    }

    #[test]
    fn bytes_that_are_no_actions_stay_as_they_are() {
        check("a\u{1b}[1m\r\n\u{feff}ä", "a\u{1b}[1m\r\n\u{feff}ä");
        check("{{\"\\x1b\"}}", "\u{1b}");
        check("", "");
    }

    #[test]
    fn mistakes_say_where_and_repeat_no_value() {
        for (content, line, column, why) in [
            ("a\nä {{.Node.Name}}", 2, 5, "no field `Name` here"),
            (
                "{{.Service.Labels.none}}",
                1,
                3,
                "the service has no label `none`; `index .Service.Labels \"none\"` is empty then",
            ),
            ("{{.Task.Slot.Number}}", 1, 3, "no field `Number` here"),
            ("{{with .Node}}{{.Name}}{{end}}", 1, 17, "no field `Name` here"),
            ("{{.Service.Labels}}", 1, 3, "a map has no text: name a part of it"),
            ("{{json .}}", 1, 3, "no function `json`"),
            (
                "{{secret \"x\"}}",
                1,
                3,
                "`secret` cannot use its arguments: the task has no secret there; it has `/etc/key`, `/raw`, `/run/secrets/db`",
            ),
            ("{{secret \"/raw\"}}", 1, 3, "`secret` cannot use its arguments: that one is not UTF-8"),
            ("{{secret}}", 1, 3, "`secret` cannot use its arguments: it takes 1 value, not 0"),
            ("{{env}}", 1, 3, "`env` cannot use its arguments: it takes 1 value, not 0"),
            ("{{env 1}}", 1, 3, "`env` cannot use its arguments: a number is not a text"),
            ("{{join}}", 1, 3, "`join` cannot use its arguments: it takes a separator and what to join"),
            (
                "{{config (env \"MODE\")}}",
                1,
                3,
                "`config` cannot use its arguments: the task has no config there; it has `/bytes`, `/common`, `/etc/own`, `/gone`",
            ),
            ("{{config \"bytes\"}}", 1, 3, "`config` cannot use its arguments: that one is not UTF-8"),
            (
                "{{config \"gone\"}}",
                1,
                3,
                "`config` cannot use its arguments: the content of that one is not at hand",
            ),
            (
                "{{eq .Task.Slot 3}}",
                1,
                3,
                "`eq` cannot use its arguments: a text and a number do not compare",
            ),
        ] {
            assert_eq!(filled(content.as_bytes()), Err((line, column, why.to_owned())), "{content}");
        }
        let bytes = filled(b"ok\n\xff");
        assert_eq!(bytes, Err((2, 1, "it is not UTF-8".to_owned())));
        let long = format!("{}{{{{.Node.ID}}}}", "x".repeat(997));
        assert_eq!(filled(long.as_bytes()), Err((1, 1000, "it comes to more than 1000 bytes".to_owned())));
    }

    fn plan(driver: Option<&str>, content: Option<&str>, fields: Option<Fields>) -> TaskPlan {
        let file = FilePlan {
            target: "/etc/own".into(),
            uid: 0,
            gid: 0,
            mode: 0o444,
            content: content.map(|content| Arc::from(content.as_bytes())),
            template_driver: driver.map(str::to_owned),
        };
        let spec = Arc::new(TaskSpec {
            environment: [("MODE".to_owned(), Some("fast".to_owned()))].into(),
            ..TaskSpec::default()
        });
        let service = ServicePlan {
            cluster: ClusterName::unchecked("prod"),
            stack: StackName::unchecked("app"),
            service: ServiceName::unchecked("web"),
            spec: Arc::clone(&spec),
            spec_hash: SpecHash::unchecked("0"),
            spec_json: "{}".into(),
            key_id: "".into(),
            is_job: false,
            files: vec![file],
            secrets: Vec::new(),
            swaps: false,
        };
        TaskPlan {
            service: Arc::new(service),
            slot: Slot::Replica(3),
            node: NodeName::unchecked("h1"),
            attempt: 1,
            id: TaskId::unchecked("t1"),
            spec,
            fields: fields.map(Arc::new),
        }
    }

    #[test]
    fn secrets_come_by_their_targets_as_they_are_and_make_a_content_secret() {
        check("{{secret \"db\"}} {{secret \"/run/secrets/db\"}}", "hunter2 hunter2");
        check("{{secret \"/etc/key\"}}", "{{x");
        check("{{if true}}{{(secret \"db\") | printf \"%s!\"}}{{end}}", "hunter2!");
        for (content, is) in [
            ("{{secret \"db\"}}", true),
            ("{{if false}}{{secret \"db\"}}{{end}}", true),
            ("{{if secret \"db\"}}x{{end}}", true),
            ("{{range .Service.Labels}}{{else}}{{secret \"db\"}}{{end}}", true),
            ("{{define \"a\"}}{{secret \"db\"}}{{end}}", true),
            ("{{template \"a\" (secret \"db\")}}{{define \"a\"}}{{end}}", true),
            ("{{$x := (printf \"%s\" (secret \"db\"))}}", true),
            ("secret {{env \"secret\"}} {{.Task.ID}}", false),
        ] {
            assert_eq!(is_secret(content.as_bytes(), Some(DRIVER)), is, "{content}");
            assert!(!is_secret(content.as_bytes(), None), "{content}");
        }
    }

    #[test]
    fn a_file_of_a_task_is_filled_in_only_if_it_is_a_template() {
        let text = "{{.Task.Slot}} {{env \"MODE\"}}";
        let content = |plan: &TaskPlan| {
            let made = content(plan, &plan.service.files[0], 1000);
            made.map(|content| content.map(|content| String::from_utf8(content.into_owned()).unwrap()))
        };
        let of = |driver, text, fields| content(&plan(driver, text, fields));
        assert_eq!(of(Some("golang"), Some(text), Some(fields())), Ok(Some("3 fast".to_owned())));
        assert_eq!(of(None, Some(text), None), Ok(Some(text.to_owned())));
        assert_eq!(of(Some("golang"), None, Some(fields())), Ok(None));
        assert_eq!(of(Some("golang"), Some(text), None), Err(PayloadError::NoFields));
        assert_eq!(of(Some("jinja"), Some(text), Some(fields())), Err(PayloadError::Driver("jinja".into())));
        let wrong = of(Some("golang"), Some("a\n{{frob}}"), Some(fields())).unwrap_err();
        assert_eq!(wrong.to_string(), "line 2, column 3: no function `frob`");
    }
}
