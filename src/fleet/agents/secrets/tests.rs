//! Secrets brought to an agent of the real program, at an engine that is none.

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
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
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
    SecretFile { name: name.into(), version: version.into(), uid, gid, mode: 0o400, place: None }
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
    let options = ConnectOptions { runtime_dir: Some(folder.path().join("s")), ..ConnectOptions::default() };
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
        let place = Place { cluster, socket, engine: None, activation: None, on_host: None, identity: None };
        let keeper = Keeper::of_test(place.socket.parent().unwrap(), None);
        let socket = place.socket.clone();
        tokio::spawn(async move { serve_with(&place, keeper, "0.9.0", || Timestamp(7)).await });
        while !socket.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn deliver(&self, task: &str, files: &[SecretFile], values: &Values) -> Result<(), NotDelivered> {
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
    assert_eq!((world.read("t1", 0), world.read("t1", 2)), ("value of a 1".into(), "value of a 1".into()));
    // Once more; another task with the same; and one with a new version of one of them.
    world.deliver("t1", &files, &values).await.unwrap();
    world.deliver("t2", &files[..2], &values).await.unwrap();
    assert_eq!(values.asked(), [""; 0]);
    world.deliver("t3", &[file("a", "2"), file("b", "1")], &values).await.unwrap();
    assert_eq!(values.asked(), ["a 2"]);
    assert_eq!((world.read("t3", 0), world.read("t3", 1)), ("value of a 2".into(), "value of b 1".into()));
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
async fn files_are_swapped_with_what_templates_make_of_the_new_ones_and_back() {
    let world = world(Some(&Rights::of_agents().word()), true).await;
    world.agent().await;
    let values = Values::default();
    let of = |version: &str, text: &str| {
        let source = SecretSource::Secret { version: version.into(), is_template: false };
        let beside =
            SecretSource::Beside { content: Some(Arc::from(text.as_bytes())), template_driver: None };
        let mut task = task(vec![
            secret("/run/secrets/a", "a", source),
            secret("/etc/app", "app", config(r#"{{secret "a"}} {{config "site"}}"#)),
            secret("/site", "site", beside),
        ]);
        Arc::make_mut(&mut task.service).swaps = true;
        task
    };
    let id = "t1";
    let cluster = ClusterName::unchecked("prod");
    let folder = folder_on_host(&cluster, world.engine.socket(), id);
    let read = || {
        ["a", "..data/1", "..data/2"]
            .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
            .join("; ")
    };
    let swap_to = async |task: &TaskPlan| {
        let filled = Filled { plan: task, values: &values };
        swap(&world.fleet.inner, &world.host, id, &files(task), &filled).await
    };
    let first = of("1", "one");
    let refused = swap_to(&first).await.unwrap_err().to_string();
    assert!(refused.contains("cannot keep secrets"), "{refused}");
    let filled = Filled { plan: &first, values: &values };
    deliver(&world.fleet.inner, &world.host, (id, None), &files(&first), &filled).await.unwrap();
    let was = "value of a 1; value of a 1 one; one";
    assert_eq!(read(), was);
    values.asked();
    // The template's own text is the same, and what it is made of is not.
    let second = of("2", "one");
    swap_to(&second).await.unwrap();
    assert_eq!(
        (read().as_str(), values.asked()),
        ("value of a 2; value of a 2 one; one", vec!["a 2".into(); 2])
    );
    let versions = async || {
        let all = versions(&world.fleet.inner, &world.host, id).await.unwrap();
        all.into_iter().map(|one| one.version).collect::<Vec<_>>()
    };
    assert_eq!(versions().await, files(&second).into_iter().map(|file| file.version).collect::<Vec<_>>());
    swap_back(&world.fleet.inner, &world.host, id).await.unwrap();
    assert_eq!(read(), was);
    swap_to(&of("1", "two")).await.unwrap();
    settle(&world.fleet.inner, &world.host, id).await.unwrap();
    swap_back(&world.fleet.inner, &world.host, id).await.unwrap();
    assert_eq!(read(), "value of a 1; value of a 1 two; two");
    let agent = &look::agents_of(&world.host, &cluster).await.unwrap()[0];
    assert!(knows_swaps(&world.fleet.inner, &world.host, agent).await);
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
