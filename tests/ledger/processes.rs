//! The members of something that keeps records, as programs that can be killed, stopped and let go on.

use std::process::{Child, Command};
use std::sync::Mutex;

/// One for each member, as far as it runs. All end with the test.
pub struct Processes(Mutex<Vec<Option<Child>>>);

impl Processes {
    /// So many, none of which runs yet.
    pub fn new(members: usize) -> Self {
        Self(Mutex::new((0..members).map(|_| None).collect()))
    }

    /// This one runs now.
    pub fn began(&self, member: usize, child: Child) {
        self.0.lock().expect("no panic")[member] = Some(child);
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.0.lock().expect("no panic").iter().flatten().count()
    }

    /// Kills a member.
    pub fn kill(&self, member: usize) {
        let child = self.0.lock().expect("no panic")[member].take();
        if let Some(mut child) = child {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Cuts a member off: it takes connections, and answers nothing.
    pub fn cut(&self, member: usize) {
        self.signal(member, "-STOP");
    }

    /// Lets it go on.
    pub fn join(&self, member: usize) {
        self.signal(member, "-CONT");
    }

    fn signal(&self, member: usize, word: &str) {
        if let Some(child) = &self.0.lock().expect("no panic")[member] {
            signal(child, word);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for mut child in self.0.lock().expect("no panic").drain(..).flatten() {
            let _ended = child.kill();
            let _ended = child.wait();
        }
    }
}

/// Sends a signal to a program that a test has started.
pub fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
}
