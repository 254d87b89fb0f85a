//! A room with a cluster of fake engines and an inventory that names them.

use std::ops::Deref;
use std::time::Duration;

use crate::engine::FakeEngine;
use crate::run::{Room, Run};

/// A cluster.
pub struct Hosts {
    pub room: Room,
    pub engines: Vec<FakeEngine>,
}

impl Hosts {
    /// So many hosts, `h1` and on; `h1` is the manager.
    pub fn new(count: usize) -> Self {
        let names: Vec<String> = (1..=count).map(|n| format!("h{n}")).collect();
        let mut room = Room::new();
        let engines: Vec<FakeEngine> =
            names.iter().map(|name| FakeEngine::start(name, room.path())).collect();
        room.env("XDG_RUNTIME_DIR", &room.path().display().to_string());
        let hosts = Self { room, engines };
        hosts.inventory(|_| String::new());
        hosts
    }

    /// Three hosts on which ann has deployed this as `shop`, at noon.
    pub fn deployed(stackfile: &str) -> Self {
        let mut cluster = Self::new(3);
        cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
        cluster.stackfile(stackfile);
        cluster.expect(0, "deploy --yes shop");
        cluster
    }

    /// The inventory anew, with `more` keys for each host.
    pub fn inventory(&self, more: impl Fn(usize) -> String) {
        let mut text = "cluster: test\nhosts:\n".to_owned();
        for (at, engine) in self.engines.iter().enumerate() {
            let role = if at == 0 { "manager" } else { "worker" };
            let more = more(at);
            text.push_str(&format!(
                "  {}: {{address: \"{}\", role: {role}{more}}}\n",
                engine.name(),
                engine.address()
            ));
        }
        self.room.file("stackctl.yml", &text);
    }

    /// The stackfile of the directory.
    pub fn stackfile(&self, text: &str) {
        self.room.file("compose.yaml", text);
    }

    /// Calls on any engine that may change something.
    pub fn writes(&self) -> Vec<String> {
        self.engines.iter().flat_map(FakeEngine::writes).collect()
    }

    pub fn forget_calls(&self) {
        self.engines.iter().for_each(FakeEngine::forget_calls);
    }

    /// Names of running containers, of all hosts.
    pub fn running(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.engines.iter().flat_map(|engine| engine.with(|world| world.running())).collect();
        names.sort();
        names
    }

    pub fn set_latency(&self, ms: u64) {
        for engine in &self.engines {
            engine.set_latency(Duration::from_millis(ms));
        }
    }

    /// Runs, and lets `act` act on the engines as soon as it finds the moment for it.
    pub fn meanwhile(&self, act: impl Fn(&[FakeEngine]) -> Option<()> + Sync, args: &str) -> Run {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| self.room.run(args));
            while !run.is_finished() && act(&self.engines).is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            run.join().expect("no panic while running")
        })
    }

    /// Runs, and must end with this status.
    pub fn expect(&self, status: i32, args: &str) -> Run {
        let run = self.room.run(args);
        assert_eq!(run.status, status, "{args}\n{}", run.show());
        run
    }
}

impl Deref for Hosts {
    type Target = Room;

    fn deref(&self) -> &Room {
        &self.room
    }
}
