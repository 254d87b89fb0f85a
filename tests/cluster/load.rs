//! Updates under load: steady requests to the published port of every host, and who answers them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::agents;
use crate::ground::{Ground, HOSTS, Happened, now};

const PORT: u16 = 8080;

/// Between two requests to a host, each on a connection of its own.
const PACE: Duration = Duration::from_millis(20);

/// A request that is not answered within this time has failed.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Between the moment a host's engine does something and the moment its event is written.
const SLACK_NS: i64 = 50_000_000;

/// Serves on for a moment when it is told to end, so that what has reached it is answered.
fn stackfile(image: &str, replicas: usize) -> String {
    format!(
        "version: '3.8'
services:
  web:
    image: {image}
    environment: {{WEB_STOP_DELAY: '1'}}
    ports: [{{target: 80, published: {PORT}, mode: host}}]
    healthcheck: {{interval: 500ms, retries: 3}}
    deploy:
      replicas: {replicas}
      update_config: {{parallelism: 1, order: start-first, failure_action: rollback}}
"
    )
}

/// One request, and when it began and ended, in nanoseconds since the epoch.
struct Asked {
    begun: i64,
    ended: i64,
    /// What was answered, or what went wrong.
    answer: Result<String, String>,
}

/// Asks each host again and again, whatever becomes of it.
struct Load {
    over: Arc<AtomicBool>,
    asked: Arc<Mutex<BTreeMap<&'static str, Vec<Asked>>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

fn nanos() -> i64 {
    i64::try_from(now().as_nanos()).expect("this century")
}

fn ask(address: SocketAddr) -> Result<String, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(said)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").map_err(said)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(said)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.trim().to_owned()),
        _ => Err(format!("answered {answer:?}")),
    }
}

impl Load {
    fn begin(ground: &Ground) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let threads = HOSTS.map(|host| {
            let address = SocketAddr::new(ground.address(host), PORT);
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            std::thread::spawn(move || {
                let mut next = Instant::now();
                let mut requests = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += PACE;
                    // One that takes long does not hold up those behind it.
                    requests.push(std::thread::spawn(move || {
                        let begun = nanos();
                        let answer = ask(address);
                        Asked { begun, ended: nanos(), answer }
                    }));
                }
                let all = requests.into_iter().map(|one| one.join().expect("an end")).collect();
                asked.lock().expect("nobody panics").insert(host, all);
            })
        });
        Self { over, asked, threads: threads.into() }
    }

    fn end(self) -> BTreeMap<&'static str, Vec<Asked>> {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("an end"));
        std::mem::take(&mut *self.asked.lock().expect("nobody panics"))
    }
}

/// When each host had a task that did its work, by what the engines say: from healthy until it is told to
/// end. `before` are the hosts that had one to begin with.
fn serving(events: &[Happened], before: &[String], until: i64) -> BTreeMap<String, Vec<(i64, i64)>> {
    let mut since: BTreeMap<String, i64> = before.iter().map(|host| (host.clone(), 0)).collect();
    let mut spans: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for happened in events.iter().filter(|happened| happened.name.starts_with("app_web.")) {
        match happened.action.as_str() {
            "health_status: healthy" => {
                since.insert(happened.host.clone(), happened.at);
            }
            "kill" => {
                let from = since.remove(&happened.host).unwrap_or(happened.at);
                spans.entry(happened.host.clone()).or_default().push((from, happened.at));
            }
            _ => {}
        }
    }
    for (host, from) in since {
        spans.entry(host).or_default().push((from, until));
    }
    spans
}

/// The fewest hosts that served at a time.
fn fewest(spans: &BTreeMap<String, Vec<(i64, i64)>>) -> usize {
    let all: Vec<(i64, i64)> = spans.values().flatten().copied().collect();
    let at = |moment: i64| all.iter().filter(|(from, to)| (*from..*to).contains(&moment)).count();
    all.iter().map(|(_, to)| *to).filter(|to| *to < spans_end(&all)).map(at).min().unwrap_or(all.len())
}

fn spans_end(all: &[(i64, i64)]) -> i64 {
    all.iter().map(|(_, to)| *to).max().unwrap_or(0)
}

fn hosts_of(ground: &Ground) -> Vec<String> {
    ground.live("app", "web").iter().map(|task| task.host.clone()).collect()
}

fn ids(ground: &Ground) -> Vec<String> {
    let mut ids: Vec<String> = ground.live("app", "web").iter().map(|task| task.id().to_owned()).collect();
    ids.sort();
    ids
}

/// Longest time without an answer, in milliseconds, from the first to the last answer of a host.
fn longest_gap(asked: &[Asked]) -> i64 {
    let good: Vec<&Asked> = asked.iter().filter(|one| one.answer.is_ok()).collect();
    good.windows(2).map(|two| two[1].begun - two[0].ended).max().unwrap_or(0) / 1_000_000
}

#[test]
fn with_a_spare_host_no_request_fails_where_a_task_serves() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |image: &str| {
        let file = ground.file("app.yml", &stackfile(image, 3));
        ground.stackctl(&format!("deploy --yes -c {file} app"))
    };
    deploy("webhc:1").ends(0);
    let (before, since) = (hosts_of(&ground), now());
    let load = Load::begin(&ground);
    std::thread::sleep(Duration::from_secs(1));
    deploy("webhc:2").ends(0).says(&["3 tasks move to other hosts to be replaced start-first"]);
    std::thread::sleep(Duration::from_secs(1));
    let asked = load.end();
    let spans = serving(&ground.events(&HOSTS, since), &before, nanos());
    assert_eq!(fewest(&spans), 3, "{spans:?}");
    let Judged { sent, due, failed, rounds, unserved } = judged(&asked, &spans);
    eprintln!(
        "start-first, 3 tasks on 4 hosts: {sent} requests, {due} to a host while its task served, {} of these failed; \
         never fewer than {} tasks served; {unserved} of {rounds} moments without any host that answered",
        failed.len(),
        fewest(&spans)
    );
    assert!(due > 500, "{due} of {sent}");
    assert_eq!((failed, unserved), (Vec::new(), 0));
    assert!(ground.live("app", "web").iter().all(|task| task.image().starts_with("webhc:2")));
}

/// What became of requests while tasks were replaced.
struct Judged {
    sent: usize,
    /// To a host while its task served.
    due: usize,
    /// Of these.
    failed: Vec<String>,
    /// Moments at which all hosts were asked, and those at which none answered.
    rounds: usize,
    unserved: usize,
}

fn judged(asked: &BTreeMap<&'static str, Vec<Asked>>, spans: &BTreeMap<String, Vec<(i64, i64)>>) -> Judged {
    let (mut sent, mut due, mut failed) = (0, 0, Vec::new());
    for (host, requests) in asked {
        sent += requests.len();
        for one in requests {
            let serves =
                |(from, to): &(i64, i64)| from + SLACK_NS <= one.begun && one.ended + SLACK_NS <= *to;
            if !spans.get(*host).into_iter().flatten().any(serves) {
                continue;
            }
            due += 1;
            if let Err(why) = &one.answer {
                failed.push(format!("{host}: {why}"));
            }
        }
    }
    // One who asks the next host where one does not answer is always served.
    let rounds = asked.values().map(Vec::len).min().unwrap_or(0);
    let unserved = (0..rounds).filter(|at| asked.values().all(|all| all[*at].answer.is_err())).count();
    Judged { sent, due, failed, rounds, unserved }
}

/// A changed file of a secret rolls its users as a changed image does.
#[test]
fn a_rotated_secret_fails_no_request_where_a_host_is_spare() {
    let Some(world) = agents::World::new() else { return };
    let ground = &world.ground;
    let text = stackfile("webhc:1", 3).replace("    ports:", "    secrets: [key]\n    ports:");
    let file = ground.file("app.yml", &(text + "secrets:\n  key: {file: key.txt}\n"));
    let deploy = |value: &str| {
        ground.file("key.txt", value);
        world.run(&format!("deploy --yes -c {file} app"))
    };
    world.run("key init").ends(0);
    deploy("the first").ends(0);
    let (before, was, since) = (hosts_of(ground), ids(ground), now());
    let load = Load::begin(ground);
    std::thread::sleep(Duration::from_secs(1));
    for value in ["the second", "the third"] {
        deploy(value).ends(0).says(&["3 tasks move to other hosts to be replaced start-first"]);
    }
    std::thread::sleep(Duration::from_secs(1));
    let asked = load.end();
    let spans = serving(&ground.events(&HOSTS, since), &before, nanos());
    let Judged { sent, due, failed, rounds, unserved } = judged(&asked, &spans);
    eprintln!(
        "a secret rotated twice, 3 tasks on 4 hosts: {sent} requests, {due} to a host while its task served, {} of these \
         failed; {unserved} of {rounds} moments without any host that answered",
        failed.len()
    );
    assert!(due > 1_000, "{due} of {sent}");
    assert_eq!((failed, unserved), (Vec::new(), 0));
    assert!(ids(ground).iter().all(|id| !was.contains(id)), "they have rolled");
    for task in ground.live("app", "web") {
        let held = ground.docker(&task.host, &["exec", task.id(), "cat", "/run/secrets/key"]);
        assert_eq!(held, "the third");
    }
    world.run("rm --yes app").ends(0);
}

#[test]
fn a_bad_image_fails_no_request_where_a_host_is_spare() {
    let Some(ground) = Ground::new() else { return };
    for bad in ["webhc:sick", "web:bad"] {
        let good = ground.file("good.yml", &stackfile("webhc:1", 3));
        ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
        let (before, hosts) = (ids(&ground), hosts_of(&ground));
        let load = Load::begin(&ground);
        std::thread::sleep(Duration::from_secs(1));
        let file = ground.file("bad.yml", &stackfile(bad, 3));
        ground.stackctl(&format!("deploy --yes -c {file} app")).ends(3).says(&["rolled back"]);
        std::thread::sleep(Duration::from_secs(1));
        let asked = load.end();
        assert_eq!(ids(&ground), before, "the very containers that ran");
        let (mut sent, mut failed) = (0, Vec::new());
        for host in &hosts {
            let requests = &asked[host.as_str()];
            sent += requests.len();
            failed.extend(requests.iter().filter_map(|one| one.answer.as_ref().err()));
        }
        eprintln!("{bad}, rolled back: {sent} requests to the three hosts, {} failed", failed.len());
        assert!(sent > 300, "{sent}");
        assert!(failed.is_empty(), "{failed:?}");
        ground.stackctl("rm --yes app").ends(0);
    }
}

/// No two containers can publish the same port of a host, so where every host has a task there is a gap. It is
/// as short as the old task's end and the new one's beginning: all else is done before.
#[test]
fn without_a_spare_host_the_gap_is_the_tasks_own() {
    let Some(ground) = Ground::new() else { return };
    // What docker itself says to a second container on a published port.
    ground.docker("h1", &["run", "-d", "--name", "one", "-p", "8080:80", "web:1"]);
    let second = ground.try_docker("h1", &["run", "-d", "--name", "two", "-p", "8080:80", "web:1"]);
    let why = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && why.contains("port is already allocated"), "{why}");
    ground.docker("h1", &["rm", "-f", "one", "two"]);
    let deploy = |image: &str| {
        let file = ground.file("app.yml", &stackfile(image, 4));
        ground.stackctl(&format!("deploy --yes -c {file} app"))
    };
    deploy("webhc:1").ends(0);
    let before = hosts_of(&ground);
    let since = now();
    let load = Load::begin(&ground);
    std::thread::sleep(Duration::from_secs(1));
    let run = deploy("webhc:2").ends(0);
    run.says(&["web is replaced stop-first: two tasks cannot publish port 8080/tcp on one host, and no other is free"]);
    std::thread::sleep(Duration::from_secs(1));
    let asked = load.end();
    assert_eq!(hosts_of(&ground), before, "nobody moves");
    let events = ground.events(&HOSTS, since);
    for (host, requests) in &asked {
        let at = |action: &str| {
            let mut of_host =
                events.iter().filter(|one| one.host == *host && one.name.starts_with("app_web."));
            of_host.find(|one| one.action == action).map_or(0, |one| one.at / 1_000_000)
        };
        let (killed, died, started) = (at("kill"), at("die"), at("start"));
        let gap = longest_gap(requests);
        eprintln!(
            "{host}: {gap} ms without an answer; told to end, dead after {} ms, the next started {} ms later",
            died - killed,
            started - died
        );
        assert!(started - died < 3_000, "{host}: {events:#?}");
        assert!(at("create") < killed, "{host}: made before the old one goes");
    }
}
