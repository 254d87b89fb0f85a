//! Brings tasks' secrets to the agents of their hosts, which keep them in memory, and takes them away.
//!
//! Values are asked for only if the agent has none of the same name and version: the first request is without any, and
//! the agent says what it misses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Installed, NoWay, look, parcel};
use crate::agent::client::{self, AskError};
use crate::agent::wire::{Answer, Owner, Refusal, Request, SecretsPut};
use crate::fleet::Inner;
use crate::fleet::error::HostError;
use crate::fleet::host::Host;
use crate::http::stream::Stream;
use crate::model::ClusterName;
use crate::model::action::{SecretPlan, SecretSource, TaskPlan};
use crate::template::payload::{self, Payload, PayloadError};
use crate::vault::{Kind, Plaintext};

/// One file of a task.
pub use crate::agent::wire::SecretFile;

/// For an agent to answer, and to take values over a slow line.
const LIMIT: Duration = Duration::from_secs(60);
/// Requests for one task: values that the agent said it had can be gone with their task a moment later.
const ROUNDS_MAX: usize = 4;

/// Where values of secrets come from.
pub trait SecretValues: std::fmt::Debug + Send + Sync {
    /// The value of this version.
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>>;
}

/// Why a host does not have a task's secrets, or still has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// There is no agent on it.
    #[error("the host has no agent, which would keep secrets in memory there")]
    NoAgent,
    /// The agent does not do it; why.
    #[error("{0}")]
    Agent(String),
    /// A value cannot be had.
    #[error("there is no value of secret `{name}` (version {version}): {why}")]
    Value {
        /// The secret's name.
        name: String,
        /// The version that the task needs.
        version: String,
        /// Why not.
        why: String,
    },
}

impl NotDelivered {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Silent(_) => "`stackctl doctor` says what is wrong with the host".to_owned(),
            Self::NoAgent => "`stackctl agent install` brings an agent to each host".to_owned(),
            Self::Agent(_) => "`stackctl agent ls` says how the host's agent is".to_owned(),
            Self::Value { name, .. } => format!(
                "`stackctl secret inspect {name}` shows its versions; a private key that opens them is needed here"
            ),
        }
    }
}

/// What a task is of, for agents of other hosts.
#[must_use]
pub fn owner(plan: &TaskPlan) -> Owner {
    let (stack, service) = (plan.service.stack.to_string(), plan.service.service.to_string());
    Owner { stack, service, slot: plan.slot.to_string(), born: 0 }
}

/// The secret files of a task. One that is filled in for the task has a version of its own: no other task's is the same.
#[must_use]
pub fn files(plan: &TaskPlan) -> Vec<SecretFile> {
    let file = |secret: &SecretPlan| {
        let SecretPlan { target: _, name, source: _, uid, gid, mode } = secret;
        let version = version_of(plan, secret);
        SecretFile { name: name.clone(), version, uid: *uid, gid: *gid, mode: *mode }
    };
    plan.service.secrets.iter().map(file).collect()
}

fn version_of(plan: &TaskPlan, secret: &SecretPlan) -> String {
    let version = secret.version().unwrap_or("config");
    match secret.is_template() {
        true => format!("{version} of {} at {}", plan.id, secret.target),
        false => version.to_owned(),
    }
}

/// Values, and what templates of a task become with them.
#[derive(Debug)]
pub(in crate::fleet) struct Filled<'a> {
    pub plan: &'a TaskPlan,
    pub values: &'a dyn SecretValues,
}

impl SecretValues for Filled<'_> {
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
        let secrets = self.plan.service.secrets.iter().filter(|secret| secret.is_template());
        let found = secrets.into_iter().find(|one| one.name == name && version_of(self.plan, one) == version);
        match found {
            None => self.values.value(name, version),
            Some(secret) => Box::pin(self.filled(secret)),
        }
    }
}

impl Filled<'_> {
    /// A template, filled in for the task.
    async fn filled(&self, secret: &SecretPlan) -> Result<Arc<Plaintext>, String> {
        let (text, bytes_max) = match &secret.source {
            SecretSource::Config(content) => (Text::Config(Arc::clone(content)), Kind::Config.bytes_max()),
            SecretSource::Secret { version, .. } => {
                (Text::Secret(self.values.value(&secret.name, version).await?), Kind::Secret.bytes_max())
            }
        };
        let mut values = BTreeMap::new();
        if Payload::parse(text.bytes()).is_ok_and(|payload| payload.is_secret()) {
            for one in &self.plan.service.secrets {
                if let Some(version) = one.version() {
                    values.insert(one.target.as_str(), self.values.value(&one.name, version).await?);
                }
            }
        }
        let secrets = values.iter().map(|(target, value)| (*target, Some(value.expose())));
        let filled = payload::filled(self.plan, text.bytes(), secrets.collect(), bytes_max);
        filled.map(|text| Arc::new(Plaintext::new(text.into_bytes()))).map_err(|why| {
            // Words of a secret's own text are not shown.
            match (why, &text) {
                (PayloadError::Template { line, column, .. }, Text::Secret(_)) => {
                    format!("it is a template that cannot be filled in: line {line}, column {column}")
                }
                (why, _) => format!("it is a template that cannot be filled in: {why}"),
            }
        })
    }
}

/// What a template is read from.
enum Text {
    Config(Arc<[u8]>),
    Secret(Arc<Plaintext>),
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Config(content) => content,
            Self::Secret(value) => value.expose(),
        }
    }
}

/// Where the file stands on its host, for a bind mount (read-only) of the task's container. `at` is its place in the list
/// of files.
#[must_use]
pub fn path_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str, at: usize) -> PathBuf {
    parcel::secrets_folder(cluster, engine_socket).join(task).join(at.to_string())
}

/// Where the program stands on its host that the task's container starts with, if its variables are secrets.
#[must_use]
pub fn program_on_host(cluster: &ClusterName, engine_socket: &Path, task: &str) -> PathBuf {
    parcel::programs_folder(cluster, engine_socket).join(task)
}

/// Has the agent of a host give a task the program to start with. May be repeated. The task's secrets are there.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn give_program(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    match asked(inner, host, &Request::ProgramPut { task: task.to_owned() }).await? {
        Some(_) => Ok(()),
        None => Err(NotDelivered::NoAgent),
    }
}

/// Brings a task's secrets to its host's agent, with what the task is of: all of them or none. May be repeated. Values that the host has already, of
/// any of its tasks, are neither asked for nor sent.
///
/// # Errors
///
/// See [`NotDelivered`]; the host has none of them then.
pub(in crate::fleet) async fn deliver(
    inner: &Inner,
    host: &Arc<Host>,
    (task, of): (&str, Option<Owner>),
    files: &[SecretFile],
    values: &dyn SecretValues,
) -> Result<(), NotDelivered> {
    if files.is_empty() {
        return Ok(());
    }
    let mut found: Vec<Option<Arc<Plaintext>>> = vec![None; files.len()];
    for _ in 0..ROUNDS_MAX {
        let files_with = files.iter().cloned().zip(found.iter().cloned()).collect();
        let put =
            Request::SecretsPut(SecretsPut { task: task.to_owned(), of: of.clone(), files: files_with });
        let missing = match asked(inner, host, &put).await? {
            Some(Answer::Missing(missing)) => missing,
            Some(_) => return Err(NotDelivered::Agent("the agent answered something else".to_owned())),
            None => return Err(NotDelivered::NoAgent),
        };
        if missing.is_empty() {
            return Ok(());
        }
        for at in missing {
            let Some(file) = files.get(at).filter(|_| found[at].is_none()) else {
                return Err(NotDelivered::Agent("the agent misses a value that it was sent".to_owned()));
            };
            // A secret that is several files is sent once: the agent takes the others from the first.
            if (0..at).any(|other| found[other].is_some() && files[other].has_value_of(file)) {
                continue;
            }
            let value = values.value(&file.name, &file.version).await;
            found[at] = Some(value.map_err(|why| NotDelivered::Value {
                name: file.name.clone(),
                version: file.version.clone(),
                why,
            })?);
        }
    }
    Err(NotDelivered::Agent("the secrets that the agent has change while they are asked for".to_owned()))
}

/// Names and versions of values that the agent of a host keeps, of whichever tasks.
///
/// # Errors
///
/// See [`NotDelivered`].
pub(in crate::fleet) async fn kept(
    inner: &Inner,
    host: &Arc<Host>,
) -> Result<BTreeSet<(String, String)>, NotDelivered> {
    match asked(inner, host, &Request::SecretsList).await? {
        Some(Answer::Kept(tasks)) => {
            let secrets = tasks.into_iter().flat_map(|task| task.secrets);
            Ok(secrets.map(|secret| (secret.name, secret.version)).collect())
        }
        Some(_) => Err(NotDelivered::Agent("the agent answered something else".to_owned())),
        None => Err(NotDelivered::NoAgent),
    }
}

/// Takes a task's secrets away, after its container is gone. What was never there is gone, too; a host without an agent is
/// no error.
///
/// # Errors
///
/// See [`NotDelivered`]. The agent removes them itself, some minutes later.
pub(in crate::fleet) async fn forget(
    inner: &Inner,
    host: &Arc<Host>,
    task: &str,
) -> Result<(), NotDelivered> {
    asked(inner, host, &Request::SecretsDrop { task: task.to_owned() }).await.map(drop)
}

/// Asks the agents of a host one after the other until one answers. `None` if there is none, or none from which there
/// could be something to forget.
async fn asked(inner: &Inner, host: &Arc<Host>, request: &Request) -> Result<Option<Answer>, NotDelivered> {
    let mut agents = look::agents_of(host, &inner.cluster).await?;
    if agents.is_empty() {
        return Ok(None);
    }
    // One that was given rights before one that was not: only that one can keep anything.
    agents.sort_by_key(|agent| (!agent.is_on, agent.rights.is_empty()));
    let mut why = None;
    for agent in &agents {
        match of_agent(inner, host, agent, request).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Unanswered::Silent(error)) => return Err(error.into()),
            Err(Unanswered::TooOld) if matches!(request, Request::SecretsDrop { .. }) => {}
            Err(other) => why = why.or(Some(other.to_string())),
        }
    }
    why.map_or(Ok(None), |why| Err(NotDelivered::Agent(why)))
}

/// Why one agent gave no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Silent(HostError),
    #[error(
        "the agent on the host is too old for what it is asked: `stackctl agent install` brings a newer one"
    )]
    TooOld,
    #[error("the agent on the host does not run: `stackctl agent install` starts it")]
    Off,
    #[error("{0}")]
    Other(String),
}

async fn of_agent(
    inner: &Inner,
    host: &Arc<Host>,
    agent: &Installed,
    request: &Request,
) -> Result<Answer, Unanswered> {
    if !agent.is_on {
        return Err(Unanswered::Off);
    }
    let stream: Stream = inner.agent_stream(host, &agent.mark()).await.map_err(|error| match error {
        NoWay::Silent(error) => Unanswered::Silent(error),
        NoWay::Socket(..) => Unanswered::Other(error.to_string()),
    })?;
    client::ask(stream, request, LIMIT).await.map_err(|error| match error {
        AskError::Refused(Refusal::Protocol { .. } | Refusal::UnknownRequest { .. }) => Unanswered::TooOld,
        AskError::Broken(_) => Unanswered::Other("nothing answers at the agent's socket".to_owned()),
        other => Unanswered::Other(other.to_string()),
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::agent::secrets::Keeper;
    use crate::agent::serve::{Place, serve_with};
    use crate::fleet::agents::Rights;
    use crate::fleet::docker::labels::tests::plan;
    use crate::fleet::fake::{Answer as Reply, FakeEngine};
    use crate::fleet::{ConnectOptions, Fleet, Inventory};
    use crate::inventory::Address;
    use crate::model::spec::TaskSpec;
    use crate::model::template::Fields;
    use crate::model::{Slot, TaskId, Timestamp};

    /// Has a value of every secret but `none`, and remembers what it was asked for.
    #[derive(Debug, Default)]
    struct Values(Mutex<Vec<String>>);

    impl SecretValues for Values {
        fn value<'a>(
            &'a self,
            name: &'a str,
            version: &'a str,
        ) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
            self.0.lock().unwrap().push(format!("{name} {version}"));
            let value = match name {
                "none" => Err("no key opens it".to_owned()),
                _ => Ok(Arc::new(Plaintext::new(format!("value of {name} {version}").into_bytes()))),
            };
            Box::pin(std::future::ready(value))
        }
    }

    impl Values {
        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn file(name: &str, version: &str) -> SecretFile {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        SecretFile { name: name.into(), version: version.into(), uid, gid, mode: 0o400 }
    }

    struct World {
        folder: tempfile::TempDir,
        engine: FakeEngine,
        fleet: Fleet,
        host: Arc<Host>,
    }

    /// A host whose engine says that it has one agent, as it is called with these rights.
    async fn world(rights: Option<&str>, is_on: bool) -> World {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::start("fake", folder.path());
        let env = |name: &str, value: &str| json!({ "Name": name, "Value": value });
        let plugins = rights.map(|rights| {
            json!([{ "Name": "stackctl/agent-prod:x", "Enabled": is_on, "Config": { "Env": [
                env(parcel::CLUSTER_VARIABLE, "prod"),
                env(parcel::DIGEST_VARIABLE, &"d".repeat(64)),
                env(parcel::RIGHTS_VARIABLE, rights),
            ] } }])
        });
        engine.answer_by(move |target, _| {
            (target == "GET /plugins").then(|| Reply::ok(plugins.clone().unwrap_or_else(|| json!([]))))
        });
        let mut inventory = Inventory::local(Address::Unix(engine.socket().to_owned()));
        inventory.cluster = ClusterName::unchecked("prod");
        let options =
            ConnectOptions { runtime_dir: Some(folder.path().join("s")), ..ConnectOptions::default() };
        let fleet = Fleet::connect(&inventory, options).await;
        let host = fleet.inner.host(&fleet.nodes()[0]).unwrap();
        World { folder, engine, fleet, host }
    }

    impl World {
        /// Starts the program itself as the agent.
        async fn agent(&self) {
            let mark = parcel::mark(&"d".repeat(64), &Rights::of_agents().word());
            let cluster = ClusterName::unchecked("prod");
            let socket = super::super::socket_on_host(&cluster, self.engine.socket(), &mark);
            let place =
                Place { cluster, socket, engine: None, activation: None, on_host: None, identity: None };
            let keeper = Keeper::of_test(place.socket.parent().unwrap(), None);
            let socket = place.socket.clone();
            tokio::spawn(async move { serve_with(&place, keeper, "0.9.0", || Timestamp(7)).await });
            while !socket.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }

        async fn deliver(
            &self,
            task: &str,
            files: &[SecretFile],
            values: &Values,
        ) -> Result<(), NotDelivered> {
            deliver(&self.fleet.inner, &self.host, (task, None), files, values).await
        }

        fn read(&self, task: &str, at: usize) -> String {
            let cluster = ClusterName::unchecked("prod");
            std::fs::read_to_string(path_on_host(&cluster, self.engine.socket(), task, at)).unwrap()
        }
    }

    #[tokio::test]
    async fn values_are_asked_for_once_and_only_where_the_host_has_none() {
        let world = world(Some(&Rights::of_agents().word()), true).await;
        world.agent().await;
        let (values, files) = (Values::default(), [file("a", "1"), file("b", "1"), file("a", "1")]);
        world.deliver("t1", &files, &values).await.unwrap();
        assert_eq!(values.asked(), ["a 1", "b 1"]);
        assert_eq!(
            (world.read("t1", 0), world.read("t1", 2)),
            ("value of a 1".into(), "value of a 1".into())
        );
        // Once more; another task with the same; and one with a new version of one of them.
        world.deliver("t1", &files, &values).await.unwrap();
        world.deliver("t2", &files[..2], &values).await.unwrap();
        assert_eq!(values.asked(), [""; 0]);
        world.deliver("t3", &[file("a", "2"), file("b", "1")], &values).await.unwrap();
        assert_eq!(values.asked(), ["a 2"]);
        assert_eq!(
            (world.read("t3", 0), world.read("t3", 1)),
            ("value of a 2".into(), "value of b 1".into())
        );
        // One that cannot be had: none is written.
        let refused = world.deliver("t4", &[file("c", "1"), file("none", "1")], &values).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no value of secret `none` (version 1): no key opens it");
        let secrets = world.folder.path().join("stackctl/prod/secrets");
        assert!(!secrets.join("t4").exists());
        for task in ["t1", "t1", "t9"] {
            forget(&world.fleet.inner, &world.host, task).await.unwrap();
        }
        assert!(!secrets.join("t1").exists() && secrets.join("t2").exists());
    }

    #[tokio::test]
    async fn what_is_too_much_for_one_request_is_not_sent() {
        let world = world(Some(&Rights::of_agents().word()), true).await;
        world.agent().await;
        #[derive(Debug)]
        struct Large;
        impl SecretValues for Large {
            fn value<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
                Box::pin(std::future::ready(Ok(Arc::new(Plaintext::new(vec![b'x'; 500 << 10])))))
            }
        }
        let files: Vec<SecretFile> = (0..30).map(|n| file(&n.to_string(), "1")).collect();
        deliver(&world.fleet.inner, &world.host, ("t1", None), &files[..20], &Large).await.unwrap();
        let refused = deliver(&world.fleet.inner, &world.host, ("t2", None), &files[..], &Large).await;
        // The first twenty are there already.
        assert_eq!(refused, Ok(()));
        forget(&world.fleet.inner, &world.host, "t1").await.unwrap();
        forget(&world.fleet.inner, &world.host, "t2").await.unwrap();
        let refused =
            deliver(&world.fleet.inner, &world.host, ("t3", None), &files[..], &Large).await.unwrap_err();
        let text = refused.to_string();
        assert!(
            text.ends_with("are too many for one request to an agent, which reads 16777216 at most"),
            "{text}"
        );
    }

    fn task(secrets: Vec<SecretPlan>) -> TaskPlan {
        let spec = TaskSpec { image: "web:1".into(), ..TaskSpec::default() };
        let mut task = plan(spec, Slot::Replica(3), Vec::new());
        Arc::make_mut(&mut task.service).secrets = secrets;
        let (name, id) = ("efk_web".to_owned(), "n1".to_owned());
        task.fields = Some(Arc::new(Fields {
            service: name.clone(),
            labels: BTreeMap::new(),
            node_id: id,
            hostname: "h1".into(),
            os: "linux".into(),
            architecture: "x86_64".into(),
            task: task.id.to_string(),
            task_name: format!("{name}.3"),
            slot: "3".into(),
        }));
        task
    }

    fn secret(target: &str, name: &str, source: SecretSource) -> SecretPlan {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        SecretPlan { target: target.into(), name: name.into(), source, uid, gid, mode: 0o400 }
    }

    fn value_of(is_template: bool) -> SecretSource {
        SecretSource::Secret { version: "1".into(), is_template }
    }

    fn config(text: &str) -> SecretSource {
        SecretSource::Config(Arc::from(text.as_bytes()))
    }

    #[tokio::test]
    async fn templates_are_filled_in_for_each_task_and_only_then_is_a_value_asked_for() {
        #[derive(Debug, Default)]
        struct Templates(Values);
        impl SecretValues for Templates {
            fn value<'a>(
                &'a self,
                name: &'a str,
                version: &'a str,
            ) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
                let text = match name {
                    "site" => r#"slot {{.Task.Slot}}: {{secret "a"}}"#,
                    "bad" => "one\n{{.Task.hunter2}}",
                    _ => return self.0.value(name, version),
                };
                Box::pin(std::future::ready(Ok(Arc::new(Plaintext::new(text.as_bytes().to_vec())))))
            }
        }
        let world = world(Some(&Rights::of_agents().word()), true).await;
        world.agent().await;
        let values = Templates::default();
        let secrets = vec![
            secret("/run/secrets/a", "a", value_of(false)),
            secret("/etc/site", "site", value_of(true)),
            secret(
                "/etc/app",
                "app",
                config(r#"{{secret "/run/secrets/a"}} on {{.Node.Hostname}}, {{config "app2"}}"#),
            ),
            secret("/app2", "app2", config(r#"{{secret "a"}}"#)),
        ];
        let task = task(secrets);
        let bring = async |task: &TaskPlan| {
            let filled = Filled { plan: task, values: &values };
            deliver(&world.fleet.inner, &world.host, ("t1", None), &files(task), &filled).await
        };
        bring(&task).await.unwrap();
        let read = |at: usize| world.read("t1", at);
        assert_eq!(read(0), "value of a 1");
        assert_eq!(read(1), "slot 3: value of a 1");
        assert_eq!(read(2), r#"value of a 1 on h1, {{secret "a"}}"#);
        assert_eq!(read(3), "value of a 1");
        values.0.asked();
        bring(&task).await.unwrap();
        assert_eq!(values.0.asked(), [""; 0], "they are there");
        let mut other = task.clone();
        other.id = TaskId::unchecked("another");
        let versions = |task: &TaskPlan| files(task).into_iter().map(|file| file.version).collect::<Vec<_>>();
        let (these, those) = (versions(&task), versions(&other));
        assert!(these[0] == those[0] && (1..4).all(|at| these[at] != those[at]), "{these:?} {those:?}");
        // What is wrong is named, and nothing of a secret's text is.
        for (source, name, why) in [
            (value_of(true), "bad", "cannot be filled in: line 2, column 3"),
            (config(r#"{{secret "b"}}"#), "x", "the task has no secret there"),
        ] {
            let mut bad = task.clone();
            Arc::make_mut(&mut bad.service).secrets.push(secret("/x", name, source));
            let said = bring(&bad).await.unwrap_err().to_string();
            assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
        }
    }

    #[tokio::test]
    async fn each_host_without_an_agent_that_can_keep_them_says_so() {
        let (values, files) = (Values::default(), [file("a", "1")]);
        let without = world(None, true).await;
        assert_eq!(without.deliver("t1", &files, &values).await, Err(NotDelivered::NoAgent));
        assert_eq!(forget(&without.fleet.inner, &without.host, "t1").await, Ok(()));
        assert_eq!(without.deliver("t1", &[], &values).await, Ok(()), "nothing to bring");
        let off = world(Some("abcd"), false).await;
        let refused = off.deliver("t1", &files, &values).await.unwrap_err().to_string();
        assert_eq!(refused, "the agent on the host does not run: `stackctl agent install` starts it");
        let dead = world(Some("abcd"), true).await;
        let refused = dead.deliver("t1", &files, &values).await.unwrap_err().to_string();
        assert!(refused.contains("socket"), "{refused}");
        dead.engine.kill();
        let silent = dead.deliver("t1", &files, &values).await;
        assert!(matches!(silent, Err(NotDelivered::Silent(_))), "{silent:?}");
        assert_eq!(values.asked(), [""; 0]);
    }
}
