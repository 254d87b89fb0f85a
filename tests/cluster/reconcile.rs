//! The loop on real hosts: what drifts comes back, what a dead host ran is run elsewhere, and nothing is
//! there twice when it returns.

use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS, Running};

/// By then the tasks of a dead host must run elsewhere, on whatever machine the tests are run.
const ELSEWHERE_MAX: Duration = Duration::from_secs(30);
/// For anything else that a loop is waited for.
const SOON: Duration = Duration::from_secs(60);

const STACKFILE: &str = "version: '3.8'
services:
  web:
    image: web:1
    deploy: {replicas: 4, update_config: {parallelism: 0, monitor: 100ms}}
  db:
    image: web:1
    volumes: [data:/data]
volumes: {data: {}}
";

fn managers(ground: &Ground) -> String {
    ground.inventory(|text| {
        let (first, last) = text.split_once("  h4:").expect("four hosts");
        format!("{}  h4:{last}", first.replace("role: worker", "role: manager"))
    })
}

fn deployed(ground: &Ground, inventory: &str) {
    let file = ground.file("app.yml", STACKFILE);
    ground.stackctl_on(inventory, &format!("deploy --yes -c {file} app")).ends(0);
}

/// A loop that has the lead and has looked at the stack.
fn a_loop(ground: &Ground, inventory: &str, more: &str) -> Running {
    let mut watch = ground.begin_on(inventory, &format!("reconcile --format json{more}"));
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("a stack in sync");
    watch
}

/// Live tasks of a service on some hosts, by slot, sorted.
fn live_on(ground: &Ground, hosts: &[&str], service: &str) -> Vec<String> {
    let tasks = hosts.iter().flat_map(|host| ground.tasks_on(host, "app"));
    let mut slots: Vec<String> = tasks
        .filter(|task| task.service() == service && task.state() == "running")
        .map(|task| task.slot())
        .collect();
    slots.sort();
    slots
}

#[track_caller]
fn until(limit: Duration, what: &str, is: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed()
}

const WEB: [&str; 4] = ["web.1", "web.2", "web.3", "web.4"];
const ALL: [&str; 5] = ["db.1", "web.1", "web.2", "web.3", "web.4"];

#[test]
fn what_a_dead_host_ran_is_run_elsewhere_and_is_not_there_twice_when_it_returns() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground);
    deployed(&ground, &inventory);
    let mut watch = a_loop(&ground, &inventory, "");
    let victim = ground.live("app", "db")[0].host.clone();
    let old: Vec<String> =
        ground.tasks_on(&victim, "app").iter().map(|task| task.name().to_owned()).collect();
    assert!(old.len() > 1, "{victim} runs the database alone");
    let others: Vec<&str> = HOSTS.into_iter().filter(|host| *host != victim).collect();
    for how in ["kill", "cut"] {
        let begun = Instant::now();
        ground.playground(&format!("{how} {victim}"));
        until(ELSEWHERE_MAX, "every slot runs elsewhere", || live_on(&ground, &others, "web") == WEB);
        eprintln!("{how}: its tasks run elsewhere {:.1?} after the host was gone", begun.elapsed());
        let lost = watch.line_of("node_lost", |line| line["node"] == victim.as_str()).expect("a lost node");
        let degraded =
            watch.line_of("stack", |line| line["standing"] == "degraded").expect("a stack that waits");
        assert!(degraded["waiting"][0].as_str().unwrap().contains("volume app_data"), "{lost} {degraded}");
        assert!(live_on(&ground, &others, "db").is_empty(), "its data is on {victim}");
        ground.playground(&format!("{} {victim}", if how == "kill" { "start" } else { "heal" }));
        let back = until(SOON, "each slot once", || {
            live_on(&ground, &HOSTS, "web") == WEB && live_on(&ground, &HOSTS, "db") == ["db.1"]
        });
        eprintln!("{how}: each slot is there once {back:.1?} after it was back");
        watch.line_of("stack", |line| line["standing"] == "in_sync").expect("a stack in sync");
        ground.assert_is("app", &ALL);
        let there = ground.tasks_on(&victim, "app");
        assert!(
            there.iter().filter(|task| task.is_live()).all(|task| old.contains(&task.name().to_owned())),
            "the oldest stay"
        );
    }
    watch.terminate();
    watch.wait().ends(0);
}

#[test]
fn what_drifts_comes_back_unless_it_is_suspended() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground);
    deployed(&ground, &inventory);
    let once = |more: &str| ground.stackctl_on(&inventory, &format!("reconcile --once{more}"));
    once("").ends(0).says(&["stack app (release 1) is as declared"]);

    let damage = || {
        let tasks = ground.live("app", "web");
        ground.docker(&tasks[0].host, &["stop", "-t", "0", tasks[0].id()]);
        ground.docker(&tasks[1].host, &["rm", "-f", tasks[1].id()]);
    };
    damage();
    let before = ground.everything(&HOSTS);
    once(" --policy report").ends(2).says(&["stack app (release 1) has drifted", "stopped", "removed"]);
    assert_eq!(ground.everything(&HOSTS), before, "who reports writes nothing");

    ground.stackctl_on(&inventory, "suspend -m repairs app").ends(0).says(&["is suspended"]);
    ground.stackctl_on(&inventory, "suspend app").ends(0).says(&["already"]);
    ground.stackctl_on(&inventory, "suspend nothing").ends(1).says(&["stack `nothing` has no release"]);
    let mut watch = ground.begin_on(&inventory, "reconcile --format json");
    let line = watch.line_of("stack", |line| line["standing"] != "unknown").expect("a look");
    assert_eq!((&line["standing"], &line["why"]), (&"suspended".into(), &"repairs".into()), "{line}");
    assert_eq!(live_on(&ground, &HOSTS, "web").len(), 2);
    ground.stackctl_on(&inventory, "resume app").ends(0).says(&["managed by the loop again"]);
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("healed");
    ground.assert_is("app", &ALL);

    // As it happens, not only at the next full look.
    for _ in 0..3 {
        damage();
        let took = until(SOON, "the damage is mended", || live_on(&ground, &HOSTS, "web") == WEB);
        eprintln!("two damaged tasks are mended after {took:.1?}");
        watch.line_of("stack", |line| line["standing"] == "in_sync").expect("healed");
    }
    ground.assert_is("app", &ALL);
    // What a person deploys meanwhile is not undone.
    let file = ground.file("app2.yml", &STACKFILE.replace("web:1\n    deploy", "web:2\n    deploy"));
    ground.stackctl_on(&inventory, &format!("deploy --yes --lock-timeout 60s -c {file} app")).ends(0);
    ground.stackctl_on(&inventory, &format!("diff -c {file} app")).ends(0);
    std::thread::sleep(Duration::from_secs(3));
    assert!(ground.live("app", "web").iter().all(|task| task.image().contains("web:2")));
    watch.terminate();
    watch.wait().ends(0);
}

#[test]
fn another_loop_takes_over_and_finishes_what_was_cut_off() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground);
    deployed(&ground, &inventory);
    let first = a_loop(&ground, &inventory, "");
    let mut second = ground.begin_on(&inventory, "reconcile --format json --listen 127.0.0.1:0");
    second.line_of("standing_by", |_| true).expect("the other has the lead");
    ground.stackctl_on(&inventory, "reconcile --once").ends(5).says(&["standing by"]);
    let begun = Instant::now();
    first.terminate();
    first.wait().ends(0);
    second.line_of("leading", |_| true).expect("the lead");
    eprintln!("a loop that ends is followed after {:.1?}", begun.elapsed());
    let third = a_loop_that_stands_by(&ground, &inventory);
    let begun = Instant::now();
    second.kill();
    let mut third = third;
    third.line_of("leading", |_| true).expect("the lead");
    eprintln!("a loop that is killed is followed after {:.1?}", begun.elapsed());

    // A deploy that is killed half way is finished, and remembered as such.
    let file = ground.file(
        "app3.yml",
        &STACKFILE
            .replace("parallelism: 0", "parallelism: 1")
            .replace("web:1\n    deploy", "web:2\n    deploy"),
    );
    let mut deploy =
        ground.begin_on(&inventory, &format!("deploy --yes --lock-timeout 60s --format json -c {file} app"));
    deploy.line_of("action_start", |line| line["verb"] == "start task").expect("an action");
    deploy.kill();
    until(SOON, "the deploy is finished", || {
        let tasks = ground.live("app", "web");
        tasks.len() == 4
            && tasks.iter().all(|task| task.image().contains("web:2") && task.state() == "running")
    });
    third.line_of("stack", |line| line["standing"] == "in_sync" && line["release"] == 2).expect("in sync");
    ground.stackctl_on(&inventory, "history app").ends(0).says(&["deployed"]);
    ground.stackctl_on(&inventory, &format!("diff -c {file} app")).ends(0);
    ground.assert_is("app", &ALL);
    third.terminate();
    third.wait().ends(0);
}

fn a_loop_that_stands_by(ground: &Ground, inventory: &str) -> Running {
    let mut watch = ground.begin_on(inventory, "reconcile --format json");
    watch.line_of("standing_by", |_| true).expect("another has the lead");
    watch
}

/// One service that is sick as long as there is a file, and one that ends at once when told to.
const FRAIL: &str = "version: '3.8'
services:
  hc:
    image: web:1
    healthcheck: {test: [CMD-SHELL, 'test ! -e /sick'], interval: 500ms, retries: 2}
    deploy: {update_config: {monitor: 100ms}}
  weak:
    image: web:1
    configs: [{source: run, target: /run.sh}]
    command: [sh, /run.sh]
    deploy:
      restart_policy: {condition: on-failure, delay: 1s, max_attempts: 2}
configs:
  run: {content: 'while test ! -e /end; do sleep 0.2; done; exit 3'}
";

#[test]
fn sick_tasks_are_replaced_and_hopeless_ones_are_given_up() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground);
    let file = ground.file("frail.yml", FRAIL);
    ground.stackctl_on(&inventory, &format!("deploy --yes -c {file} app")).ends(0);
    let mut watch = a_loop(&ground, &inventory, "");
    let first = ground.live("app", "hc").remove(0);
    ground.exec(&first, &["touch", "/sick"]);
    let took = until(SOON, "a healthy task", || {
        let tasks = ground.live("app", "hc");
        tasks.len() == 1 && tasks[0].id() != first.id() && tasks[0].state() == "running"
    });
    eprintln!("a sick task is replaced after {took:.1?}");
    let acted = watch.line_of("acted", |line| line["why"]["reason"] == "unhealthy").expect("an action");
    assert_eq!(acted["stack"], "app");

    // Each of its tasks ends as soon as it may; three in a row is one more than the policy allows.
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    until(SOON, "the slot is given up", || {
        for task in ground.live("app", "weak") {
            seen.borrow_mut().insert(task.id().to_owned());
            ground.try_docker(&task.host, &["exec", task.id(), "touch", "/end"]);
        }
        ground.live("app", "weak").is_empty() && seen.borrow().len() > 2
    });
    let line = watch.line_of("stack", |line| {
        line["standing"] == "degraded"
            && line["waiting"][0].as_str().is_some_and(|why| why.contains("all attempts"))
    });
    assert!(line.is_some());
    std::thread::sleep(Duration::from_secs(5));
    assert!(ground.live("app", "weak").is_empty(), "it is left until somebody looks after it");
    assert!(seen.borrow().len() <= 3, "{} tasks", seen.borrow().len());
    ground.stackctl_on(&inventory, &format!("deploy --yes --lock-timeout 60s -c {file} app")).ends(0);
    ground.assert_is("app", &["hc.1", "weak.1"]);
    watch.terminate();
    watch.wait().ends(0);
}

/// `h3` and `h4` are named by a program, and then `h4` is not.
#[test]
fn a_host_that_joins_gets_tasks_and_one_that_leaves_loses_them() {
    let Some(ground) = Ground::new() else { return };
    let inventory = ground.inventory(|text| {
        let (named, _) = text.split_once("  h3:").expect("four hosts");
        format!("{named}discover: [{{command: [cat, hosts.json]}}]\n")
    });
    let name = |hosts: &[&str]| {
        let all = hosts.iter().map(|host| format!("\"{host}\": \"ssh://root@{}:22\"", ground.address(host)));
        let all: Vec<String> = all.collect();
        let new = ground.file("hosts.new", &format!("{{\"hosts\": {{{}}}}}", all.join(", ")));
        std::fs::rename(new, ground.path().join("hosts.json")).expect("a file of the test");
    };
    name(&["h3"]);
    let file = ground.file(
        "app.yml",
        &STACKFILE.replace("  db:\n", "  agent:\n    image: web:1\n    deploy: {mode: global}\n  db:\n"),
    );
    ground.stackctl_on(&inventory, &format!("deploy --yes -c {file} app")).ends(0);
    let mut watch = a_loop(&ground, &inventory, " --discover-interval 1s");
    let agents = |hosts: &[&str]| live_on(&ground, hosts, "agent").len();
    assert_eq!((agents(&HOSTS), agents(&["h4"])), (3, 0));

    name(&["h3", "h4"]);
    let took = until(SOON, "the global service is on h4", || agents(&["h4"]) == 1);
    eprintln!("a task runs on a host {took:.1?} after it was named");
    watch.line_of("node_joined", |line| line["node"] == "h4").expect("a node that joined");
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("a stack in sync");
    // Something that can go elsewhere.
    ground.stackctl_on(&inventory, "node update --availability pause h1 h2 h3").ends(0);
    ground.stackctl_on(&inventory, "scale --yes app_web=5").ends(0);
    ground.stackctl_on(&inventory, "node update --availability active h1 h2 h3").ends(0);
    assert!(!live_on(&ground, &["h4"], "web").is_empty());

    name(&["h3"]);
    let others = ["h1", "h2", "h3"];
    let took =
        until(ELSEWHERE_MAX, "its tasks run elsewhere", || live_on(&ground, &others, "web").len() == 5);
    eprintln!("its tasks run elsewhere {took:.1?} after a host was named no more");
    watch.line_of("node_left", |line| line["node"] == "h4").expect("a node that left");
    assert_eq!(agents(&["h4"]), 1, "nobody touches a host that left");

    name(&["h3", "h4"]);
    until(SOON, "each slot once", || live_on(&ground, &HOSTS, "web").len() == 5 && agents(&HOSTS) == 4);
    watch.terminate();
    watch.wait().ends(0);
}
