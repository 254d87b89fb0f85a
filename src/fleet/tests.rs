//! From an action to its outcome, against a small engine in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::docker::labels;
use super::docker::labels::tests::plan;
use super::fake::{Answer, FakeEngine};
use super::*;
use crate::inventory::Address;
use crate::model::action::{Action, ActionId, Failure, FailureKind, FilePlan, Outcome, TaskPlan, What};
use crate::model::reason::Reason;
use crate::model::spec::{NetworkSpec, TaskSpec};
use crate::model::template::Fields;
use crate::model::testing;
use crate::model::{GoDuration, Health, MarkKey, Slot, TaskStatus, Timestamp};

struct World {
    engine: FakeEngine,
    fleet: Fleet,
    node: NodeName,
    _folder: tempfile::TempDir,
}

async fn world(script: impl Fn(&str, &Value) -> Option<Answer> + Send + Sync + 'static) -> World {
    let folder = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("fake", folder.path());
    engine.answer_by(script);
    let mut inventory = Inventory::local(Address::Unix(engine.socket().to_owned()));
    inventory.cluster = ClusterName::unchecked("prod");
    let runtime_dir = Some(folder.path().join("s"));
    // The credentials of this machine's user are nothing to a test.
    let options = ConnectOptions { runtime_dir, with_registry_auth: false, ..ConnectOptions::default() };
    let fleet = Fleet::connect(&inventory, options).await;
    World { engine, fleet, node: NodeName::unchecked("local"), _folder: folder }
}

impl World {
    async fn run(&self, what: What) -> Outcome {
        let executor = self.fleet.executor(&StackName::unchecked("efk"), &MarkKey::unset());
        let (id, node, why) = (ActionId(0), self.node.clone(), Reason::NewService);
        executor.execute(&Action { id, node, what, why }).await
    }

    async fn failure(&self, what: What) -> Failure {
        match self.run(what).await {
            Outcome::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

fn task() -> Arc<TaskPlan> {
    let spec = TaskSpec { image: "web:1".into(), ..TaskSpec::default() };
    Arc::new(plan(spec, Slot::Replica(1), Vec::new()))
}

fn running() -> Answer {
    Answer::ok(json!({ "State": { "Status": "running" } }))
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_done_and_not_twice() {
    let task = task();
    let mine = labels::of_task(&task);
    let tries = AtomicUsize::new(0);
    let world = world(move |line, _| {
        if line.starts_with("POST /containers/create") {
            let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
            return Some(if first {
                Answer::HangUp
            } else {
                Answer::no(409, "Conflict. The name is in use")
            });
        }
        line.ends_with("/json").then(|| Answer::ok(json!({ "Config": { "Labels": mine } })))
    })
    .await;
    assert_eq!(world.run(What::CreateTask { task }).await, Outcome::Done);
}

#[tokio::test]
async fn a_foreign_container_of_that_name_is_refused() {
    let world = world(|line, _| {
        let create = line.starts_with("POST /containers/create");
        Some(if create {
            Answer::no(409, "Conflict")
        } else {
            Answer::ok(json!({ "Config": { "Labels": null } }))
        })
        .filter(|_| !line.ends_with("/version"))
    })
    .await;
    let failure = world.failure(What::CreateTask { task: task() }).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Refused, "stackctl::docker::name_taken"));
}

#[tokio::test]
async fn a_plain_start_takes_two_calls() {
    let world = world(|line, _| match line {
        _ if line.ends_with("/start") => Some(Answer::Json(304, Value::Null)),
        _ if line.contains("/containers/") => Some(running()),
        _ => None,
    })
    .await;
    let started = world.run(What::StartTask { task: task() }).await;
    assert_eq!(started, Outcome::Started(TaskStatus::Running { health: Health::None }));
    assert_eq!(world.engine.asked().len(), 2);
}

#[tokio::test]
async fn a_start_that_the_runtime_stumbles_over_is_tried_again() {
    let tries = AtomicUsize::new(0);
    let world = world(move |line, _| match line {
        _ if line.ends_with("/start") => Some(match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Answer::no(
                500,
                "error mounting \"cgroup\" to rootfs at \"/sys/fs/cgroup\": stat /x: no such file",
            ),
            2 => Answer::Json(204, Value::Null),
            _ => Answer::no(500, "error mounting \"/nope\" to rootfs at \"/x\": no such file"),
        }),
        _ if line.contains("/containers/") => Some(running()),
        _ => None,
    })
    .await;
    assert!(matches!(world.run(What::StartTask { task: task() }).await, Outcome::Started(_)));
    assert_eq!(world.engine.asked().len(), 4);
    let failure = world.failure(What::StartTask { task: task() }).await;
    assert_eq!(failure.code, "stackctl::docker::bad_mount");
    assert_eq!(world.engine.asked().len(), 1, "a mount of the stackfile's is not tried again");
}

#[tokio::test]
async fn a_start_joins_networks_and_uploads_files_before_it() {
    let file = FilePlan {
        target: "/etc/x".into(),
        uid: 0,
        gid: 0,
        mode: 0o444,
        content: Some(Arc::from(&b"x"[..])),
        template_driver: None,
    };
    let networks = ["a", "b", "c"].map(|name| (name.to_owned(), Box::default())).into();
    let spec = TaskSpec { image: "web:1".into(), networks, ..TaskSpec::default() };
    let task = Arc::new(plan(spec, Slot::Replica(1), vec![file]));
    let started = AtomicUsize::new(0);
    let world = world(move |line, _| {
        let verb = line.split('?').next().unwrap_or_default();
        Some(match verb {
            "POST /networks/b/connect" => Answer::no(403, "endpoint with name x already exists in network b"),
            "POST /networks/c/connect" => Answer::ok(Value::Null),
            _ if verb.ends_with("/archive") => Answer::ok(Value::Null),
            _ if verb.ends_with("/start") => {
                started.store(1, Ordering::SeqCst);
                Answer::Json(204, Value::Null)
            }
            _ if verb.ends_with("/json") && started.load(Ordering::SeqCst) == 1 => running(),
            _ if verb.ends_with("/json") => Answer::ok(json!({ "State": { "Status": "created" } })),
            _ => return None,
        })
    })
    .await;
    assert!(matches!(world.run(What::StartTask { task: Arc::clone(&task) }).await, Outcome::Started(_)));
    let name = task.container_name();
    let calls = world.engine.asked();
    let wanted = [
        format!("GET /containers/{name}/json"),
        "POST /networks/b/connect".to_owned(),
        "POST /networks/c/connect".to_owned(),
        format!("PUT /containers/{name}/archive?path=%2F"),
        format!("POST /containers/{name}/start"),
        format!("GET /containers/{name}/json"),
    ];
    assert_eq!(calls, wanted);
    // Running by now: nothing is done to it a second time.
    assert!(matches!(world.run(What::StartTask { task }).await, Outcome::Started(_)));
    assert_eq!(world.engine.asked().len(), 1);
}

#[tokio::test]
async fn a_task_whose_file_cannot_be_filled_in_is_not_made() {
    let file = FilePlan {
        target: "/etc/x".into(),
        uid: 0,
        gid: 0,
        mode: 0o444,
        content: Some(Arc::from(&b"on {{.Node.Hostname}}\n{{config .Node.Hostname}}"[..])),
        template_driver: Some("golang".into()),
    };
    let mut task = plan(TaskSpec::default(), Slot::Replica(1), vec![file]);
    task.fields = Some(Arc::new(Fields {
        service: "efk_web".into(),
        labels: BTreeMap::new(),
        node_id: "N".into(),
        hostname: "hunter2".into(),
        os: "linux".into(),
        architecture: "x86_64".into(),
        task: "t".into(),
        task_name: "efk_web.1.t".into(),
        slot: "1".into(),
    }));
    let world = world(|_, _| None).await;
    let failure = world.failure(What::CreateTask { task: Arc::new(task) }).await;
    assert_eq!(
        (failure.kind, failure.code.as_str()),
        (FailureKind::Refused, "stackctl::docker::bad_template")
    );
    assert!(
        failure.message.contains("/etc/x") && failure.message.contains("line 2, column 3"),
        "{failure:?}"
    );
    assert!(!failure.message.contains("hunter2"), "no value is repeated: {failure:?}");
    assert!(world.engine.asked().is_empty());
}

#[tokio::test]
async fn what_is_gone_is_stopped_and_removed() {
    let world = world(|_, _| None).await;
    let task = task().handle();
    assert_eq!(world.run(What::StopTask { task: task.clone(), grace: None }).await, Outcome::Done);
    assert_eq!(world.run(What::RemoveTask { task }).await, Outcome::Done);
    assert_eq!(world.run(What::RemoveNetwork { name: "n".into() }).await, Outcome::Done);
}

#[tokio::test]
async fn a_removal_that_is_under_way_is_waited_for() {
    let tries = AtomicUsize::new(0);
    let world = world(move |line, _| {
        let busy = line.starts_with("DELETE") && tries.fetch_add(1, Ordering::SeqCst) < 2;
        busy.then(|| Answer::no(409, "removal of container x is already in progress"))
    })
    .await;
    assert_eq!(world.run(What::RemoveTask { task: task().handle() }).await, Outcome::Done);
    let removals = world.engine.asked();
    assert_eq!(removals.len(), 3);
    assert!(removals[0].contains("force=false") && removals[0].contains("v=false"), "{}", removals[0]);
}

#[tokio::test]
async fn a_network_is_ours_or_refused() {
    let spec = Arc::new(NetworkSpec { name: "efk_default".into(), ..NetworkSpec::default() });
    let (cluster, stack) = (ClusterName::unchecked("prod"), StackName::unchecked("efk"));
    let ours = labels::of_network(&cluster, &stack, &MarkKey::unset(), &spec);
    let world = world(move |line, _| match line {
        "POST /networks/create" => Some(Answer::no(409, "network with name efk_default already exists")),
        "GET /networks/efk_default" => {
            Some(Answer::ok(json!({ "Name": "efk_default", "Id": "1", "Labels": ours })))
        }
        _ => None,
    })
    .await;
    let same = What::CreateNetwork { network: Arc::clone(&spec) };
    assert_eq!(world.run(same).await, Outcome::Done);
    let network = Arc::new(NetworkSpec { internal: true, ..(*spec).clone() });
    let failure = world.failure(What::CreateNetwork { network }).await;
    assert_eq!(failure.code, "stackctl::docker::network_conflict");
    assert!(failure.message.ends_with("was made from another definition"), "{}", failure.message);
}

#[tokio::test]
async fn a_network_whose_id_begins_with_the_name_is_another_one() {
    let world = world(|line, _| {
        let other = json!({ "Name": "other", "Id": "cafe01", "Labels": { labels::CLUSTER: "prod" } });
        (line == "GET /networks/cafe").then(|| Answer::ok(other))
    })
    .await;
    assert_eq!(world.run(What::RemoveNetwork { name: "cafe".into() }).await, Outcome::Done);
    assert_eq!(world.engine.asked(), ["GET /networks/cafe"], "nothing is removed");
    let networks = [("cafe".to_owned(), Box::default())].into();
    let spec = TaskSpec { image: "web:1".into(), networks, ..TaskSpec::default() };
    let task = Arc::new(plan(spec, Slot::Replica(1), Vec::new()));
    let failure = world.failure(What::CreateTask { task }).await;
    assert_eq!(failure.code, "stackctl::docker::network_missing");
    assert_eq!(world.engine.asked(), ["GET /networks/cafe"], "nothing is joined");
}

#[tokio::test]
async fn a_pull_whose_line_has_no_end_fails() {
    let line: &'static str = "x".repeat(5 << 20).leak();
    let world =
        world(move |ask, _| ask.starts_with("POST /images/create").then_some(Answer::Lines(line))).await;
    let failure = world.failure(What::PullImage { image: "web:1".into() }).await;
    assert!(failure.message.contains("`POST /images/create` sends a line of more than 4 MiB"), "{failure:?}");
}

#[tokio::test]
async fn a_lone_host_that_hangs_up_is_asked_twice() {
    let tries = AtomicUsize::new(0);
    let world = world(move |line, _| {
        let is_first = line == "GET /version" && tries.fetch_add(1, Ordering::SeqCst) < 2;
        is_first.then_some(Answer::HangUp)
    })
    .await;
    assert_eq!(world.fleet.errors().len(), 0, "{:?}", world.fleet.errors());
}

/// A change, or the removal of a volume, by an executor; whether it failed.
async fn changed(world: &World, executor: &Executor, is_volume: bool) -> bool {
    if is_volume {
        return executor.remove_volume(&world.node, "efk_data").await.is_err();
    }
    let (what, why) = (What::RemoveTask { task: task().handle() }, Reason::NewService);
    let action = Action { id: ActionId(0), node: world.node.clone(), what, why };
    executor.execute(&action).await != Outcome::Done
}

#[tokio::test]
async fn a_change_counts_as_sent_until_the_connection_it_went_over_has_answered() {
    for (is_volume, lost, open, fails) in [
        (false, 0, &[][..], false),
        (true, 0, &[], false),
        (false, 1, &[1], false),
        (true, 1, &[1], false),
        (false, 2, &[2], true),
        (true, 2, &[2], true),
    ] {
        let tries = AtomicUsize::new(0);
        let world = world(move |line, _| {
            let is_lost = line.starts_with("DELETE") && tries.fetch_add(1, Ordering::SeqCst) < lost;
            is_lost.then_some(Answer::HangUp)
        })
        .await;
        let executor = world.fleet.executor(&StackName::unchecked("efk"), &MarkKey::unset());
        assert_eq!(changed(&world, &executor, is_volume).await, fails, "{is_volume} {lost}");
        assert_eq!(executor.open_calls(), open, "{is_volume} {lost}");
        // Here is no ssh that would keep what was written.
        assert!(!executor.is_uncertain().await);
    }
}

#[tokio::test]
async fn behind_a_closed_fence_nothing_is_sent() {
    for is_volume in [false, true] {
        let world = world(|_, _| None).await;
        let fence = Fence::new(None, || false);
        let executor = world.fleet.executor(&StackName::unchecked("efk"), &MarkKey::unset()).fenced(fence);
        assert!(changed(&world, &executor, is_volume).await, "{is_volume}");
        assert_eq!(world.engine.asked(), [""; 0], "{is_volume}");
    }
}

#[tokio::test]
async fn a_pull_that_fails_in_its_stream_has_failed() {
    let world = world(|line, _| {
        line.starts_with("POST /images/create").then_some(Answer::Lines(
            "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"m\"},\"error\":\"manifest unknown\"}\r\n",
        ))
    })
    .await;
    let image = format!("registry:5000/web:1@sha256:{}", "a".repeat(64));
    let failure = world.failure(What::PullImage { image: image.into() }).await;
    assert_eq!(failure.code, "stackctl::docker::image_missing");
    let asked = world.engine.asked();
    assert!(asked[0].contains("fromImage=registry%3A5000%2Fweb&tag=sha256%3Aaaa"), "{}", asked[0]);
}

#[tokio::test]
async fn a_dead_engine_is_silent_and_not_empty() {
    let world = world(|_, _| None).await;
    let (now, stack) = (Timestamp(7), StackName::unchecked("efk"));
    let observer = world.fleet.observer();
    assert_eq!(observer.observe(now).await.reachable().count(), 1);
    world.engine.crash();
    let look = observer.look(now, &stack).await;
    let silent = look[&world.node].as_ref().unwrap_err();
    assert_eq!((silent.code.as_str(), silent.since), ("stackctl::docker::down", now));
    let failure = world.failure(What::RemoveTask { task: task().handle() }).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::HostSilent, "stackctl::docker::down"));
    assert_eq!(observer.observe(now).await.silent().count(), 1);
    world.engine.revive();
    assert_eq!(observer.observe(now).await.reachable().count(), 1);
    assert!(observer.look(now, &stack).await[&world.node].is_ok());
}

#[tokio::test]
async fn a_look_reads_the_tasks_of_the_stack() {
    let plan = task();
    let labels = labels::of_task(&plan);
    let world = world(move |line, _| {
        line.starts_with("GET /containers/json?all=1&filters=").then(|| {
            Answer::ok(
                json!([{ "Id": "x", "Names": ["/x"], "State": "exited", "Status": "Exited (3) 1 second ago",
                        "Labels": labels }]),
            )
        })
    })
    .await;
    let looks = world.fleet.observer().look(Timestamp(0), &StackName::unchecked("efk")).await;
    assert_eq!(looks[&world.node], Ok(vec![(plan.id.clone(), TaskStatus::Exited { exit_code: 3 })]));
    assert_eq!(world.fleet.calls()[&world.node]["GET /containers/json"], 1);
}

/// As engines 25 to 27 were seen to do it.
#[tokio::test]
async fn a_stop_is_over_when_the_list_knows_of_it() {
    let task = task();
    let lists = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&lists);
    let mine = labels::of_task(&task);
    let world = world(move |line, _| match line {
        "GET /version" => Some(Answer::ok(json!({ "ApiVersion": "1.45", "MinAPIVersion": "1.24" }))),
        line if line.starts_with("GET /containers/json") => {
            Some(Answer::ok(match seen.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => json!([{ "Id": "1", "State": "running", "Labels": mine }]),
                _ => json!([]),
            }))
        }
        line if line.contains("/stop") => Some(Answer::ok(json!({}))),
        _ => None,
    })
    .await;
    let grace = Some(GoDuration::from_secs(1));
    assert_eq!(world.run(What::StopTask { task: task.handle(), grace }).await, Outcome::Done);
    assert_eq!(lists.load(Ordering::SeqCst), 3);
}

/// The agent of a host that is up again starts what could not start without its secrets, while a run that has seen it ended
/// fills its place.
#[tokio::test]
async fn who_fills_the_place_of_a_task_that_waits_for_its_secrets_ends_that_one_first() {
    let world = world(|line, _| match line {
        line if line.contains("/stop") => Some(Answer::Json(304, Value::Null)),
        line if line.starts_with("POST /containers/create") => {
            Some(Answer::Json(201, json!({ "Id": "new" })))
        }
        _ => None,
    })
    .await;
    let new = task();
    let seen = |number: u32, exit_code: i64, has_secrets: bool| {
        let mut service = testing::replicated("web", 1);
        if has_secrets {
            service = testing::with_task(service, |task| {
                task.secrets.insert("/run/secrets/one".to_owned(), testing::file_mount("one", "v1"));
            });
        }
        let mut task = testing::task_of(&new.service.stack, &service, number);
        task.status = TaskStatus::Exited { exit_code };
        task
    };
    let (waiting, failed, plain, other) =
        (seen(1, 127, true), seen(1, 3, true), seen(1, 127, false), seen(2, 127, true));
    let mut node = testing::node("local");
    testing::facts(&mut node).tasks = vec![waiting.clone(), failed, plain, other];
    world.fleet.inner.sightings().observed(&world.node, node.view.facts().unwrap());
    for _ in 0..2 {
        assert_eq!(world.run(What::CreateTask { task: Arc::clone(&new) }).await, Outcome::Done);
    }
    let asked = world.engine.asked();
    let at = |word: &str| {
        asked.iter().enumerate().filter(|(_, line)| line.contains(word)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (stops, creates) = (at("/stop"), at("/containers/create"));
    assert_eq!((stops.len(), creates.len()), (1, 2), "{asked:?}");
    assert!(stops[0] < creates[0] && asked[stops[0]].contains(waiting.id.as_str()), "{asked:?}");
}
