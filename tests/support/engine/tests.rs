//! The fake engine is believed by every other test; here it is looked at itself.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// One call over a connection of its own: status and body, chunks put together.
fn call(engine: &FakeEngine, method: &str, target: &str, body: &Value) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(engine.socket()).ok()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head =
        format!("{method} /v1.41{target} HTTP/1.1\r\nHost: docker\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = Vec::new();
    if target.contains("follow=1") {
        // Who closes follows no longer.
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            answer.extend(byte);
        }
    } else {
        stream.shutdown(std::net::Shutdown::Write).ok()?;
        stream.read_to_end(&mut answer).ok()?;
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if !head.contains("chunked") {
        return Some((status, body.to_owned()));
    }
    let mut rest = body;
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).ok()?;
        whole.push_str(after.get(..size)?);
        rest = after.get(size + 2..).unwrap_or("");
    }
    Some((status, whole))
}

fn json_of(answer: Option<(u16, String)>) -> Value {
    serde_json::from_str(&answer.expect("an answer").1).expect("JSON")
}

#[test]
fn a_container_lives_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    let ask = |method: &str, target: &str, body: &Value| call(&engine, method, target, body);
    let none = Value::Null;
    let body = json!({ "Image": "nginx:1", "Labels": { "a": "b" } });
    let create = "/containers/create?name=web";
    assert_eq!(ask("POST", create, &body).unwrap().0, 404, "no image yet");
    assert_eq!(
        ask("POST", "/images/create?fromImage=docker.io%2Flibrary%2Fnginx&tag=1", &none).unwrap().0,
        200
    );
    assert_eq!(ask("POST", create, &body).unwrap().0, 201);
    let (status, message) = ask("POST", create, &body).unwrap();
    assert!(status == 409 && message.contains("already in use by container"), "{message}");
    assert_eq!(ask("POST", "/containers/web/start", &none).unwrap().0, 204);
    assert_eq!(ask("POST", "/containers/web/start", &none).unwrap().0, 304);
    let list = |label: &str| {
        let filters = format!("%7B%22label%22%3A%5B%22{label}%22%5D%7D");
        json_of(ask("GET", &format!("/containers/json?all=1&filters={filters}"), &none))
    };
    assert_eq!(list("a%3Db")[0]["State"], "running");
    assert_eq!(list("a%3Dc"), json!([]));
    assert_eq!(ask("DELETE", "/containers/web", &none).unwrap().0, 409, "it runs");
    assert_eq!(ask("POST", "/containers/web/stop?t=1", &none).unwrap().0, 204);
    assert_eq!(json_of(ask("GET", "/containers/web/json", &none))["State"]["Status"], "exited");
    assert_eq!(ask("DELETE", "/containers/web", &none).unwrap().0, 204);
    assert_eq!(engine.counts()["POST /containers/create"], 3);
    assert_eq!(engine.writes().len(), 9);
}

#[test]
fn programs_behave_as_their_image_says() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    engine.with(|world| {
        world.clock = Clock::Fixed(10_000);
        world.behaviours.insert("crash:1".into(), Behaviour::Exits(50, 3));
        world.behaviours.insert("slow:1".into(), Behaviour::HealthyAfter(200));
        let policy = json!({ "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 1 } });
        world.add_container("crash", json!({ "Image": "crash:1", "HostConfig": policy }));
        world.add_container("slow", json!({ "Image": "slow:1" }));
        world.start("crash");
        world.start("slow");
    });
    let at = |ms: i64| {
        engine.with(|world| world.clock = Clock::Fixed(10_000 + ms));
        let status = |name: &str| {
            let state = json_of(call(&engine, "GET", &format!("/containers/{name}/json"), &Value::Null));
            let health = state["State"]["Health"]["Status"].as_str().unwrap_or("-").to_owned();
            format!("{} {health}", state["State"]["Status"].as_str().unwrap())
        };
        (status("crash"), status("slow"))
    };
    assert_eq!(at(0), ("running -".into(), "running starting".into()));
    assert_eq!(at(60), ("restarting -".into(), "running starting".into()));
    assert_eq!(at(160), ("running -".into(), "running starting".into()));
    assert_eq!(at(300), ("exited -".into(), "running healthy".into()));
}

#[test]
fn a_port_of_the_host_is_published_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    engine.with(|world| {
        for name in ["old", "new"] {
            let bindings = json!({ "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] } });
            world.add_container(name, json!({ "Image": "x", "HostConfig": bindings }));
        }
    });
    let ask = |name: &str, verb: &str| {
        call(&engine, "POST", &format!("/containers/{name}/{verb}"), &Value::Null).unwrap()
    };
    assert_eq!(ask("old", "start").0, 204);
    let (status, message) = ask("new", "start");
    assert!(status == 500 && message.contains("Bind for 0.0.0.0:8080 failed: port is already"), "{message}");
    assert_eq!((ask("old", "stop").0, ask("old", "stop").0), (204, 304));
    assert_eq!((ask("new", "start").0, ask("old", "start").0), (204, 500));
}

#[test]
fn a_paused_container_is_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    engine.with(|world| {
        world.add_container("web", json!({ "Image": "x" }));
    });
    let ask = |method: &str, target: &str| call(&engine, method, target, &Value::Null).unwrap().0;
    assert_eq!(ask("POST", "/containers/web/pause"), 409, "it never ran");
    assert_eq!(ask("POST", "/containers/web/start"), 204);
    assert_eq!(ask("POST", "/containers/web/pause"), 204);
    let state = json_of(call(&engine, "GET", "/containers/web/json", &Value::Null))["State"].clone();
    assert_eq!((&state["Status"], &state["Running"]), (&json!("paused"), &json!(true)));
    assert_eq!((ask("POST", "/containers/web/start"), ask("DELETE", "/containers/web")), (409, 409));
    assert_eq!(ask("POST", "/containers/web/unpause"), 204);
    assert_eq!((ask("POST", "/containers/web/unpause"), ask("POST", "/containers/web/stop")), (409, 204));
    assert_eq!(ask("DELETE", "/containers/web"), 204);
}

#[test]
fn what_may_go_wrong_goes_wrong_so_often() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    let info = || call(&engine, "GET", "/info", &Value::Null);
    engine.fail("GET /info", 1, Wrong::Refuse(500, "disk full".into()));
    assert_eq!(info().unwrap(), (500, "{\"message\":\"disk full\"}\n".into()));
    assert_eq!(info().unwrap().0, 200);
    engine.fail("*", 1, Wrong::DropRequest);
    assert!(info().is_none());
    engine.fail("POST /volumes/create", 1, Wrong::DropReply);
    assert!(call(&engine, "POST", "/volumes/create", &json!({ "Name": "data" })).is_none());
    assert!(engine.with(|world| world.volumes.contains_key("data")), "done all the same");
    engine.kill();
    assert!(info().is_none());
    engine.revive();
    assert_eq!(info().unwrap().0, 200);
}

#[test]
fn output_comes_framed_and_can_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    engine.with(|world| {
        world.add_container("web", json!({ "Image": "x" }));
        world.start("web");
        for at in 1..=3 {
            world.write("web", at * 1000, &format!("line {at}"));
        }
    });
    let logs =
        |query: &str| call(&engine, "GET", &format!("/containers/web/logs?stdout=1&{query}"), &Value::Null);
    assert_eq!(logs("tail=1&timestamps=1").unwrap().1.get(8..), Some("1970-01-01T00:00:03.000Z line 3\n"));
    assert_eq!(logs("since=2").unwrap().1.matches("line").count(), 2);
    let text = std::thread::scope(|scope| {
        let following = scope.spawn(|| logs("follow=1&tail=0").unwrap().1);
        std::thread::sleep(Duration::from_millis(50));
        engine.with(|world| {
            world.write("web", 4000, "line 4");
            world.end("web", 5000, 0);
        });
        following.join().unwrap()
    });
    assert_eq!(text.get(8..), Some("line 4\n"));
}

#[test]
fn who_follows_no_longer_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    let mut stream = UnixStream::connect(engine.socket()).unwrap();
    stream.write_all(b"GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n").unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(engine.followers(), 1);
    drop(stream);
    for _ in 0..500 {
        if engine.followers() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("its connection is served still");
}

#[test]
fn calls_that_overlap_are_one_round() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start("h1", dir.path());
    engine.set_latency(Duration::from_millis(40));
    let info = || call(&engine, "GET", "/info", &Value::Null);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(info);
        }
    });
    assert_eq!(engine.rounds(), 1);
    info();
    assert_eq!(engine.rounds(), 2);
}
