//! Releases and leases in volumes of real hosts.

use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS, number};

/// What may be left of it when its holder was killed right after a sign.
const LEASE_MIN: Duration = Duration::from_secs(35 - 10);

fn stackfile(value: &str, replicas: usize) -> String {
    format!(
        "version: '3.8'
services:
  web:
    image: web:1
    environment: {{VALUE: {value}}}
    configs: [{{source: page, target: /page}}]
    deploy:
      replicas: {replicas}
      update_config: {{parallelism: 0, monitor: 100ms}}
configs: {{page: {{content: {value}}}}}
"
    )
}

/// Three managers, and their tasks on `h4` alone if they are to be killed.
fn managers(ground: &Ground, is_drained: bool) -> String {
    ground.inventory(|text| {
        let more = if is_drained { "role: manager\n    availability: drain" } else { "role: manager" };
        let (first, last) = text.split_once("  h4:").expect("four hosts");
        format!("{}  h4:{last}", first.replace("role: manager", more).replace("role: worker", more))
    })
}

/// Number, outcome and message of every release, the newest first.
fn history(ground: &Ground, inventory: &str) -> Vec<(u64, String, String)> {
    let words = "history --format {{.Release}}:{{.Outcome}}:{{.Message}} app";
    let run = ground.stackctl_on(inventory, words).ends(0);
    let read = |line: &str| {
        let mut parts = line.split(':').map(str::to_owned);
        let number = parts.next().and_then(|number| number.parse().ok()).expect("a number");
        (number, parts.next().expect("an outcome"), parts.next().expect("a message"))
    };
    run.stdout.lines().map(read).collect()
}

/// What the live tasks of the hosts were started with.
fn values_on(ground: &Ground, hosts: &[&str]) -> Vec<String> {
    let value = |task: &crate::ground::Task| {
        let env = task.inspect["Config"]["Env"].as_array().expect("variables").clone();
        let find = |one: &serde_json::Value| Some(one.as_str()?.strip_prefix("VALUE=")?.to_owned());
        env.iter().find_map(find).expect("a value")
    };
    let tasks: Vec<_> = hosts.iter().flat_map(|host| ground.tasks_on(host, "app")).collect();
    tasks.iter().filter(|task| task.is_live()).map(value).collect()
}

fn values(ground: &Ground) -> Vec<String> {
    values_on(ground, &HOSTS)
}

#[test]
fn two_deploys_at_once_are_one_after_the_other() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground, false);
    let rounds = number("STACKCTL_ROUNDS", 3);
    let (mut refused, mut waited, mut done) = (0, 0, 0);
    let mut wanted: Vec<String> = Vec::new();
    for round in 0..rounds {
        let words = |name: &str, wait: &str| {
            let value = format!("{name}{round}");
            let file = ground.file(&format!("{name}.yml"), &stackfile(&value, 2));
            format!("deploy --yes{wait} -m {value} -c {file} app")
        };
        // One waits in each round; the other does in every second one.
        let first =
            ground.begin_on(&inventory, &words("a", if round % 2 == 0 { "" } else { " --lock-timeout 90s" }));
        std::thread::sleep(Duration::from_millis(round % 5 * 40));
        let second = ground.begin_on(&inventory, &words("b", " --lock-timeout 90s"));
        for (name, run) in [("a", first.wait()), ("b", second.wait())] {
            waited += u32::from(run.stderr.contains("Waiting for"));
            match run.status {
                0 => {
                    done += 1;
                    wanted.push(format!("{name}{round}"));
                }
                5 if name == "a" && round % 2 == 0 => {
                    refused += 1;
                    run.says(&["is locked by"]);
                }
                _ => panic!("round {round}: {}", run.whole()),
            }
        }
        // What was said to be done is remembered as such, each once, and the last of it is what runs.
        let all = history(&ground, &inventory);
        let newest = &all[0];
        assert!(all.iter().all(|(_, outcome, _)| outcome == "deployed"), "{all:?}");
        for value in wanted.iter().rev().take(40) {
            assert_eq!(all.iter().filter(|(_, _, message)| message == value).count(), 1, "{value}: {all:?}");
        }
        assert_eq!(newest.0, wanted.len() as u64, "{all:?}");
        assert_eq!(values(&ground), vec![newest.2.clone(); 2], "{all:?}");
        ground.stackctl_on(&inventory, &format!("diff app@{}", newest.0)).ends(0);
        ground.assert_is("app", &["web.1", "web.2"]);
    }
    eprintln!("{rounds} rounds: {done} deploys done, {waited} of them waited, {refused} refused");
    for host in ["h1", "h2", "h3"] {
        let names = ground
            .docker(host, &["volume", "ls", "-q", "--filter", "label=io.stackctl.ledger.stream=lease/app"]);
        assert!(names.lines().count() <= 12, "{names}");
    }
}

#[test]
fn a_killed_holder_loses_its_lease_in_bounded_time() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground, false);
    let words = |value: &str, wait: &str| {
        let file = ground.file(&format!("{value}.yml"), &stackfile(value, 4));
        format!("deploy --yes{wait} --format json -c {file} app")
    };
    // On this machine it is seen to be gone: a deploy that does not wait for locks gets this one.
    let mut here = ground.begin_on(&inventory, &words("one", ""));
    here.line_of("action_start", |_| true).expect("an action");
    here.kill();
    let begun = Instant::now();
    ground.stackctl_on(&inventory, &words("two", "")).ends(0);
    eprintln!("killed here: the next deploy was done after {:.1?}", begun.elapsed());

    // Elsewhere, as far as anybody here can tell.
    let mut elsewhere = ground.begin_elsewhere(&inventory, &words("three", ""));
    elsewhere.line_of("action_start", |_| true).expect("an action");
    elsewhere.kill();
    let begun = Instant::now();
    ground.stackctl_on(&inventory, &words("four", "")).ends(5).says(&["stackctl unlock app-"]);
    ground.stackctl_on(&inventory, &words("four", " --lock-timeout 120s")).ends(0);
    let took = begun.elapsed();
    eprintln!("killed elsewhere: the next deploy was done after {took:.1?}");
    assert!(took >= LEASE_MIN, "{took:?}");
    assert_eq!(values(&ground), vec!["four"; 4]);
}

#[test]
fn a_majority_of_the_managers_is_needed_and_enough() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground, true);
    let deploy = |value: &str| {
        let file = ground.file("app.yml", &stackfile(value, 1));
        ground.stackctl_on(&inventory, &format!("deploy --yes -m {value} -c {file} app"))
    };
    deploy("one").ends(0);
    ground.playground("kill h1");
    let begun = Instant::now();
    let silent = deploy("two");
    eprintln!("one of three managers down: status {} after {:.1?}", silent.status, begun.elapsed());
    silent.ends(0);
    let known: Vec<String> =
        history(&ground, &inventory).into_iter().map(|(_, _, message)| message).collect();
    assert_eq!(known, ["two", "one"]);
    ground.playground("kill h2");
    deploy("three").ends(6).says(&["ledger: 1 of 3 managers answers, 2 are needed: "]);
    assert_eq!(values_on(&ground, &["h4"]), ["two"]);
    ground.playground("start h1");
    ground.playground("start h2");
    deploy("four").ends(0);
    // What was missed is made good.
    let names = ground
        .docker("h1", &["volume", "ls", "-q", "--filter", "label=io.stackctl.ledger.stream=releases/app"]);
    assert_eq!(names.lines().count(), 3, "{names}");
}

#[test]
fn history_leads_back_and_can_be_lost() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground, false);
    for value in ["one", "two"] {
        let file = ground.file("app.yml", &stackfile(value, 2));
        ground.stackctl_on(&inventory, &format!("deploy --yes -m {value} -c {file} app")).ends(0);
    }
    ground.stackctl_on(&inventory, "diff app@1").ends(2);
    ground.stackctl_on(&inventory, "rollback --yes app").ends(0);
    assert_eq!(values(&ground), ["one", "one"]);
    for task in ground.live("app", "web") {
        assert_eq!(ground.exec(&task, &["cat", "/page"]), "one");
    }
    ground.stackctl_on(&inventory, "show app@1").ends(0).says(&["VALUE: one"]);
    ground.stackctl_on(&inventory, "rm --yes app").ends(0);
    assert_eq!(history(&ground, &inventory).len(), 4);
    ground.stackctl_on(&inventory, "rollback --yes --to 2 app").ends(0);
    for host in ["h1", "h2", "h3"] {
        let names = ground.docker(host, &["volume", "ls", "-q", "--filter", "label=io.stackctl.ledger"]);
        let mut remove = vec!["volume", "rm"];
        remove.extend(names.lines());
        ground.docker(host, &remove);
    }
    ground.stackctl_on(&inventory, "history app").ends(1);
    assert_eq!(values(&ground), ["two", "two"]);
    let file = ground.file("app.yml", &stackfile("two", 2));
    ground.stackctl_on(&inventory, &format!("diff -c {file} app")).ends(0);
    ground.stackctl_on(&inventory, &format!("deploy --yes -m again -c {file} app")).ends(0);
    assert_eq!(history(&ground, &inventory), [(1, "deployed".to_owned(), "again".to_owned())]);
}

/// What a person can ask the records for: histories, every release, how stacks stand, nodes, settings.
fn remembered(ground: &Ground, inventory: &str) -> String {
    let said = |words: &str| ground.stackctl_on(inventory, words).ends(0).stdout;
    let mut all = String::new();
    for (stack, releases) in [("app", 3), ("blog", 1)] {
        all += &said(&format!(
            "history --format {{{{.Release}}}}:{{{{.Message}}}}:{{{{.Outcome}}}}:{{{{.At}}}}:{{{{.Who}}}}:{{{{.What}}}}:{{{{.Files}}}} {stack}"
        ));
        for release in 1..=releases {
            all += &said(&format!("show {stack}@{release}"));
        }
    }
    for words in
        ["status --format {{.Stack}}:{{.Sync}}:{{.Health}}:{{.Release}}:{{.Why}}", "node ls --format json"]
    {
        all += &said(words);
    }
    all
}

/// All records, of all managers.
fn lose_the_records(ground: &Ground) {
    for host in ["h1", "h2", "h3"] {
        let names = ground.docker(host, &["volume", "ls", "-q", "--filter", "label=io.stackctl.ledger"]);
        let mut remove = vec!["volume", "rm"];
        remove.extend(names.lines());
        ground.docker(host, &remove);
    }
}

#[test]
fn a_backup_is_restored_on_empty_managers() {
    let Some(ground) = Ground::new() else { return };
    let inventory = managers(&ground, false);
    let deploy = |stack: &str, value: &str| {
        let file = ground.file("app.yml", &stackfile(value, 2));
        ground.stackctl_on(&inventory, &format!("deploy --yes -m {value} -c {file} {stack}")).ends(0)
    };
    deploy("app", "one");
    deploy("app", "two");
    deploy("blog", "blog");
    ground.stackctl_on(&inventory, "rollback --yes -m back app").ends(0);
    ground.stackctl_on(&inventory, "suspend blog").ends(0);
    ground.stackctl_on(&inventory, "node update --label-add disk=fast h2").ends(0);
    let before = remembered(&ground, &inventory);
    let backup = ground.path().join("backup").display().to_string();
    let said = ground.stackctl_on(&inventory, &format!("ledger backup {backup}")).ends(0).stderr;
    let sum = said.split(" in ").next().expect("a sum").to_owned();
    let running = ground.everything_but_records(&HOSTS);

    lose_the_records(&ground);
    ground.stackctl_on(&inventory, "history app").ends(1);
    let run = ground.stackctl_on(&inventory, &format!("ledger restore {backup}")).ends(0);
    run.says(&[&format!("{sum} in the ledger, as of ")]);
    assert_eq!(remembered(&ground, &inventory), before);
    // Nothing that runs was touched, and nothing is to be done.
    assert_eq!(ground.everything_but_records(&HOSTS), running);
    let file = ground.file("app.yml", &stackfile("one", 2));
    ground.stackctl_on(&inventory, &format!("diff -c {file} app")).ends(0);
    ground.stackctl_on(&inventory, "rollback --yes --to 2 app").ends(0);
    assert_eq!(values(&ground), ["two", "two"]);
    ground.stackctl_on(&inventory, "rollback --yes --to 1 app").ends(0);
    assert_eq!(values(&ground), ["one", "one"]);

    // What came after the backup is not in it. It runs all the same, and is shown as what no release declares.
    deploy("app", "late");
    lose_the_records(&ground);
    ground.stackctl_on(&inventory, &format!("ledger restore {backup}")).ends(0);
    assert_eq!(remembered(&ground, &inventory).matches("late").count(), 0);
    assert_eq!(values(&ground), ["late", "late"]);
    ground.stackctl_on(&inventory, "diff app@3").ends(2).says(&["VALUE"]);
    eprintln!("{}", ground.stackctl_on(&inventory, "status").whole());
    deploy("app", "late");
    let run = ground.stackctl_on(&inventory, "history --format {{.Release}}:{{.Message}} app").ends(0);
    run.says(&["4:late", "3:back", "2:two", "1:one"]);
}
