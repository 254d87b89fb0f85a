//! The life of a stack on fake engines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::engine::{Behaviour, Clock, Wrong};
use crate::hosts::Hosts;

/// What the machines take for now, and what stackctl does a minute later.
const THEN_MS: i64 = 1_769_860_800_000;
const NOW: &str = "2026-01-31T12:01:05Z";

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    ports: ['8080:80']
    deploy:
      replicas: 3
      update_config: {monitor: 100ms}
  db:
    image: postgres:16
    volumes: ['data:/var/lib/postgresql/data']
    deploy:
      update_config: {monitor: 100ms}
volumes:
  data:
";

/// Four hosts whose clocks stand still, and the shop's stackfile.
fn shop() -> Hosts {
    let mut hosts = Hosts::new(4);
    for engine in &hosts.engines {
        engine.with(|world| world.clock = Clock::Fixed(THEN_MS));
    }
    hosts.room.env("STACKCTL_NOW", NOW);
    hosts.stackfile(SHOP);
    hosts
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Where, what, and to what, of every line of a type, as often as it was said.
fn actions(lines: &[Value], kind: &str) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] == kind) {
        let key = format!("{} {} {} {}", line["node"], line["verb"], line["object"], line["why"]);
        *actions.entry(key).or_default() += 1;
    }
    actions
}

#[test]
fn a_stack_comes_stays_changes_and_goes() {
    let hosts = shop();
    let run = hosts.expect(0, "deploy --yes shop");
    insta::assert_snapshot!("deploy_from_nothing", run.stdout);
    assert!(run.stderr.contains("Stack shop is deployed: 4 of 4 tasks up"), "{}", run.show());
    assert_eq!(hosts.running().len(), 4);

    hosts.forget_calls();
    let run = hosts.expect(0, "deploy --yes shop");
    insta::assert_snapshot!("deploy_again", run.show());
    hosts.expect(0, "diff shop");
    assert_eq!(hosts.writes(), [""; 0]);

    insta::assert_snapshot!("ps", hosts.expect(0, "ps shop").show());
    insta::assert_snapshot!("services", hosts.expect(0, "services shop").show());
    insta::assert_snapshot!("ls", hosts.expect(0, "ls").show());
    insta::assert_snapshot!("node_ls", hosts.expect(0, "node ls").show());
    insta::assert_snapshot!("node_inspect", hosts.expect(0, "node inspect --pretty h2").show());
    let versions = hosts.expect(0, "version --hosts").show();
    insta::assert_snapshot!("version_hosts", versions.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    assert_eq!(hosts.expect(0, "ls --format {{.Name}}").stdout, "shop\n");
    assert_eq!(hosts.expect(0, "ps -f node=h2 --format {{.Name}} shop").stdout, "shop_web.1\n");
    assert_eq!(hosts.expect(0, "services -f name=db --format {{.Name}} shop").stdout, "shop_db\n");
    hosts.expect(1, "ps nothing");
    hosts.expect(0, "services nothing");

    hosts.stackfile(&SHOP.replace("nginx:1.25", "nginx:1.26"));
    insta::assert_snapshot!("diff_after_an_edit", hosts.expect(2, "diff shop").show());
    let json: Value = serde_json::from_str(&hosts.expect(2, "diff --format json shop").stdout).unwrap();
    assert_eq!((&json["summary"]["replace"], &json["problems"]), (&3.into(), &Value::Array(Vec::new())));
    assert!(hosts.expect(2, "diff --format markdown shop").stdout.contains("nginx:1.26"));
    assert_eq!(hosts.writes(), [""; 0]);
    hosts.expect(0, "deploy --yes shop");
    insta::assert_snapshot!("ps_with_ended_tasks", hosts.expect(0, "ps shop").show());

    hosts.forget_calls();
    insta::assert_snapshot!("rm_dry_run", hosts.expect(0, "rm --dry-run shop").show());
    assert_eq!(hosts.writes(), [""; 0]);
    let run = hosts.expect(0, "rm --yes shop");
    assert!(run.stderr.contains("Stack shop is removed: 4 tasks"), "{}", run.show());
    assert!(run.stderr.contains("/h1.sock volume rm shop_data\n"), "{}", run.show());
    assert_eq!(hosts.running(), [""; 0]);
    let volumes: Vec<String> = hosts.engines[0].with(|world| world.volumes.keys().cloned().collect());
    let of_stack = volumes.iter().filter(|name| !name.starts_with("stackctl-ledger-"));
    assert_eq!(of_stack.collect::<Vec<_>>(), ["shop_data"]);

    hosts.forget_calls();
    let run = hosts.expect(0, "rm --yes shop");
    assert!(run.stderr.starts_with("nothing found in stack: shop\n"), "{}", run.show());
    assert_eq!(hosts.writes(), [""; 0]);
}

#[test]
fn what_is_done_is_what_was_planned() {
    let hosts = shop();
    for (file, kinds) in [(SHOP.to_owned(), 5), (SHOP.replace("1.25", "1.26").replace(": 3", ": 2"), 5)] {
        hosts.stackfile(&file);
        let said = lines(&hosts.expect(0, "deploy --yes --format json shop").stdout);
        let planned = actions(&said, "planned_action");
        assert!(planned.len() > kinds, "{planned:?}");
        assert_eq!(planned, actions(&said, "action_start"));
        assert_eq!(planned, actions(&said, "action_done"));
        let last = said.last().unwrap();
        assert_eq!(
            (&last["type"], &last["end"], &last["status"]),
            (&"end".into(), &"converged".into(), &0.into())
        );
        assert_eq!(said[0]["type"], "version");
    }
    let said = lines(&hosts.expect(0, "rm --yes --format json shop").stdout);
    assert_eq!(actions(&said, "planned_action"), actions(&said, "action_start"));
    // The journal holds the same, one run a file.
    let journals = hosts.path().join(".local/state/stackctl/test/shop");
    assert_eq!(std::fs::read_dir(journals).unwrap().count(), 3);
}

#[test]
fn a_silent_host_stops_everything_before_it_begins() {
    let hosts = shop();
    hosts.engines[2].kill();
    for args in ["deploy --yes shop", "diff shop", "deploy --dry-run shop", "rm --yes shop"] {
        let run = hosts.expect(6, args);
        assert!(run.stderr.contains("node `h3` is unreachable"), "{}", run.show());
        assert!(run.stderr.contains("nothing was changed"), "{}", run.show());
    }
    assert_eq!(hosts.writes(), [""; 0]);
    let run = hosts.expect(6, "ls");
    assert!(run.stderr.contains("warning: node h3 is silent"), "{}", run.show());
    assert_eq!(run.stdout, "NAME      SERVICES   NODES\n");
    hosts.expect(0, "node ls");
    hosts.expect(6, "version --hosts");
    // One that gives its tasks away is not needed.
    hosts.inventory(|at| if at == 2 { ", availability: drain".to_owned() } else { String::new() });
    hosts.expect(0, "deploy --yes shop");
    hosts.expect(0, "ls");
}

#[test]
fn nobody_there_to_say_yes_is_no() {
    let hosts = shop();
    let run = hosts.expect(1, "deploy shop");
    assert!(
        run.stderr.contains("cannot ask for confirmation") && run.stderr.contains("--yes"),
        "{}",
        run.show()
    );
    assert!(run.stdout.contains("Plan: 4 to create"), "{}", run.show());
    assert_eq!(hosts.writes(), [""; 0]);
    hosts.expect(0, "deploy --dry-run shop");
    assert_eq!(hosts.writes(), [""; 0]);
    // From stdin, in the directory of the caller.
    let run = hosts.run_with(&["deploy", "--yes", "-c", "-", "shop"], SHOP);
    assert_eq!(run.status, 0, "{}", run.show());
}

#[test]
fn what_cannot_be_done_is_said_all_at_once() {
    let hosts = shop();
    hosts.stackfile(
        "\
services:
  web:
    image: nginx:1.25
    secrets: [key]
    deploy:
      placement: {constraints: ['node.labels.zone == a']}
  api:
    image: api:1
    deploy:
      replicas: 2
      resources: {reservations: {cpus: '900'}}
secrets:
  key: {file: ./key}
",
    );
    hosts.file("key", "hush");
    insta::assert_snapshot!("refused", hosts.expect(1, "deploy --yes shop").show());
    let run = hosts.expect(1, "-v diff shop");
    insta::assert_snapshot!("refused_node_by_node", run.stderr);
    assert_eq!(hosts.writes(), [""; 0]);
    let said = lines(&hosts.expect(1, "deploy --yes --format json shop").stdout);
    assert_eq!(said.iter().filter(|line| line["type"] == "diagnostic").count(), 3, "{said:?}");
}

#[test]
fn a_stackfile_that_is_not_there_or_makes_no_sense() {
    let hosts = Hosts::new(1);
    insta::assert_snapshot!("no_stackfile", hosts.expect(1, "deploy --yes shop").show());
    insta::assert_snapshot!("missing_stackfile", hosts.expect(1, "diff -c gone.yml shop").show());
    hosts.stackfile("services:\n  web:\n    imge: nginx\n");
    insta::assert_snapshot!("bad_stackfile", hosts.expect(1, "config").show());
    assert_eq!(hosts.engines[0].calls(), []);
    hosts.stackfile("services:\n  web:\n    image: nginx:${TAG:-1}\n    command: [echo, $$HOME]\n");
    insta::assert_snapshot!("config_yaml", hosts.expect(0, "config").show());
    let json: Value = serde_json::from_str(&hosts.expect(0, "config --format json").stdout).unwrap();
    assert_eq!(json["services"]["web"]["task"]["image"], "nginx:1");
    assert_eq!(hosts.expect(0, "config -q").stdout, "");
    let text = hosts.expect(0, "config").stdout;
    let again = hosts.run_with(&["config", "-c", "-"], &text);
    assert_eq!(again.stdout, text, "{}", again.show());
}

#[test]
fn a_task_that_fails_is_shown_with_its_last_words() {
    let hosts = shop();
    for engine in &hosts.engines {
        engine.with(|world| {
            world.clock = Clock::Real;
            world.behaviours.insert("postgres:16".to_owned(), Behaviour::Exits(0, 3));
        });
    }
    hosts.stackfile(
        "\
services:
  db:
    image: postgres:16
    deploy: {restart_policy: {condition: on-failure, max_attempts: 1}}
  web:
    image: nginx:1.25
    depends_on: [db]
",
    );
    let run = hosts.meanwhile(
        |engines| {
            // It speaks before it ends.
            engines[0].with(|world| {
                let name = world.containers.values().find(|one| one.life.started().is_some())?.name.clone();
                (1..=12).for_each(|n| world.write(&name, world.now(), &format!("word {n}")));
                Some(())
            })
        },
        "deploy --yes shop",
    );
    assert_eq!(run.status, 1, "{}", run.show());
    assert!(!run.stderr.contains("word 2\n"), "{}", run.show());
    for part in [
        "error: shop_db.1 on h1: ",
        "    | word 3\n",
        "    | word 12\n",
        "web: skipped, because it depends on db",
        "error: stack shop is not as declared",
        "next: stackctl logs shop db",
    ] {
        assert!(run.stderr.contains(part), "{part}\n{}", run.show());
    }
}

#[test]
fn an_image_that_cannot_be_had_stops_the_run_before_any_task() {
    let hosts = shop();
    hosts.engines[1].fail("POST /images/create", 9, Wrong::Refuse(404, "manifest unknown".to_owned()));
    let run = hosts.expect(1, "deploy --yes shop");
    assert!(run.stderr.contains("no task was stopped or started"), "{}", run.show());
    assert_eq!(hosts.running(), [""; 0]);
    // It goes on from there.
    hosts.engines[1].heal();
    hosts.expect(0, "deploy --yes shop");
    // Since nothing was touched, it is still known what runs, and commands that need that do their work.
    hosts.engines[1].fail("POST /images/create", 9, Wrong::Refuse(404, "manifest unknown".to_owned()));
    hosts.expect(1, "service update --yes --image nginx:1.99 shop_web");
    hosts.engines[1].heal();
    let history = hosts.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    // Images are pulled before a release is written down: what cannot be had is none.
    assert_eq!(history, "1:deployed\n");
    hosts.expect(0, "restart --yes shop_web");
}

#[test]
fn time_that_runs_out_and_ctrl_c_have_their_own_status() {
    let hosts = shop();
    for engine in &hosts.engines {
        engine.with(|world| {
            world.behaviours.insert("postgres:16".to_owned(), Behaviour::HealthyAfter(60_000));
        });
    }
    hosts.stackfile(
        &SHOP.replace(
            "    volumes: [",
            "    healthcheck: {test: [CMD, ok], start_period: 5m}\n    volumes: [",
        ),
    );
    let run = hosts.expect(4, "deploy --yes --timeout 1s shop");
    assert!(run.stderr.contains("not up yet: db.1 on h1"), "{}", run.show());
    let run = hosts.expect(4, "deploy --timeout 1s shop");
    assert!(run.stderr.contains("Waiting until db.1 on h1 is up."), "{}", run.show());
    assert!(run.stderr.contains("not up yet: db.1 on h1"), "{}", run.show());
    let run = hosts.interrupt("deploy --yes shop", 1_000);
    assert_eq!(run.status, 130, "{}", run.show());
    assert!(run.stderr.contains("run `stackctl deploy … shop` again"), "{}", run.show());
    hosts.expect(0, "deploy --yes --detach shop");
}

#[test]
fn what_was_begun_is_finished_after_ctrl_c_and_the_next_run_goes_on() {
    let hosts = shop();
    hosts.engines.iter().for_each(|engine| engine.with(|world| world.pull_ms = 2_000));
    let run = hosts.interrupt("deploy --yes --format json shop", 1_000);
    assert_eq!(run.status, 130, "{}", run.show());
    let said = lines(&run.stdout);
    assert_eq!(actions(&said, "action_start"), actions(&said, "action_done"));
    assert_eq!(said.last().unwrap()["end"], "interrupted");
    assert_eq!(hosts.running(), [""; 0]);
    let run = hosts.expect(0, "deploy --yes shop");
    assert!(!run.stdout.contains("to pull"), "{}", run.show());
}

#[test]
fn what_ends_while_images_are_pulled_has_changed_nothing() {
    let hosts = shop();
    hosts.engines.iter().for_each(|engine| engine.with(|world| world.pull_ms = 3_000));
    let run = hosts.interrupt("deploy --yes shop", 1_000);
    assert_eq!(run.status, 130, "{}", run.show());
    assert!(run.stderr.contains("interrupted: nothing of stack shop was changed"), "{}", run.show());
    hosts.engines.iter().for_each(|engine| {
        engine.with(|world| {
            world.images.clear();
            world.pull_ms = 60_000;
        });
    });
    // Nothing converges, as status 4 would say.
    let run = hosts.expect(1, "deploy --yes --timeout 1s shop");
    assert!(run.stderr.contains("were not pulled within 1.0s: nothing was changed"), "{}", run.show());
    assert_eq!(hosts.running(), [""; 0]);
    hosts.expect(1, "history shop");
}

#[test]
fn arrival_is_proved_by_another_look() {
    let hosts = shop();
    hosts.expect(0, "deploy --yes shop");
    hosts.stackfile(&SHOP.replace("nginx:1.25", "nginx:1.26"));
    // Somebody removes a task that is none of this run's business.
    let run = hosts.meanwhile(
        |engines| {
            let has_begun = engines[3].with(|world| world.containers.len() > 1);
            has_begun.then(|| engines[0].with(|world| world.containers.clear()))
        },
        "deploy --yes shop",
    );
    assert_eq!(run.status, 1, "{}", run.show());
    assert!(run.stderr.contains("shows that it is not as declared"), "{}", run.show());
    assert!(run.stderr.contains("+ db  postgres:16"), "{}", run.show());
}

#[test]
fn a_diff_costs_one_round() {
    let hosts = shop();
    hosts.expect(0, "deploy --yes shop");
    hosts.forget_calls();
    hosts.set_latency(60);
    hosts.expect(0, "diff shop");
    for engine in &hosts.engines {
        let calls: Vec<_> = engine.calls().into_iter().map(|call| call.target).collect();
        assert_eq!(engine.rounds(), 2, "{calls:#?}");
    }
}

#[test]
fn logs_are_merged_by_time() {
    let hosts = shop();
    hosts.expect(0, "deploy --yes shop");
    for (at, engine) in hosts.engines.iter().enumerate() {
        let at = i64::try_from(at).unwrap();
        engine.with(|world| {
            let name = world.running()[0].clone();
            for n in 0..3 {
                world.write(&name, THEN_MS + n * 1000 + at, &format!("line {n} of {}", &name[..10]));
            }
        });
    }
    insta::assert_snapshot!("logs", hosts.expect(0, "logs -t shop").show());
    insta::assert_snapshot!("logs_raw", hosts.expect(0, "logs --raw --tail 1 shop/web").show());
    assert_eq!(
        hosts.expect(0, "logs --raw --since 2026-01-31T12:00:02Z shop db").stdout,
        "line 2 of shop_db.1.\n"
    );
    let run = hosts.expect(1, "logs shop wbe");
    assert!(run.stderr.contains("there are: db, web"), "{}", run.show());
    hosts.expect(1, "logs nothing");
    hosts.expect(64, "logs --tail few shop");
    let run = hosts.interrupt("logs --follow --raw shop db", 1_000);
    assert_eq!((run.status, run.stdout.lines().count()), (130, 3), "{}", run.show());
}

#[test]
fn two_first_deploys_of_a_cluster_at_once_both_arrive() {
    let mut cluster = Hosts::new(2);
    cluster.stackfile("services: {web: {image: 'web:1', deploy: {update_config: {monitor: 50ms}}}}\n");
    // The first has made its last plan, under a key of its own, and the call that writes this key is slow.
    let (claims, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (claimed, over) = (Arc::clone(&claims), Arc::clone(&is_over));
    cluster.engines[0].answer_by(move |call, body| {
        let writes = call.starts_with("POST /volumes/create")
            && body["Name"].as_str().is_some_and(|name| name.contains(".nodes."));
        if writes && !claimed.swap(true, Ordering::SeqCst) {
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        None
    });
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut first = cluster.start_into(&["deploy", "--yes", "shop"], writer);
    while !claims.load(Ordering::SeqCst) {
        assert!(first.try_wait().expect("a child").is_none(), "it came to its end");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // Each process makes a key of its own.
    cluster.room.env("STACKCTL_NEW_KEY", &"5a".repeat(32));
    let second = cluster.run("deploy --yes other");
    is_over.store(true, Ordering::SeqCst);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut reader, &mut said).expect("text");
    let status = first.wait().expect("it ends");
    assert_eq!((second.status, status.code()), (0, Some(0)), "{said}\n{}", second.show());
    assert_eq!(cluster.running().len(), 2);
    let again = cluster.expect(0, "deploy --yes shop");
    assert!(again.stdout.contains("No changes"), "{}", again.show());
}

#[test]
fn a_task_that_was_seen_failed_is_not_up_whatever_is_said_of_watching_it() {
    let hosts = Hosts::new(1);
    let file = |image: &str| {
        format!(
            "services:\n  web:\n    image: '{image}'\n    deploy:\n      restart_policy: {{condition: none}}\n      \
             update_config: {{monitor: 0s}}\n"
        )
    };
    hosts.stackfile(&file("web:1"));
    hosts.expect(0, "deploy --yes shop");
    hosts.engines[0].with(|world| world.behaviours.insert("web:2".to_owned(), Behaviour::Exits(0, 1)));
    hosts.stackfile(&file("web:2"));
    let run = hosts.expect(7, "deploy --yes shop");
    assert!(run.stderr.contains("shop_web.1 on h1: it ended with status 1"), "{}", run.show());
}
