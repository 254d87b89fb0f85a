//! The members of something that keeps records, as programs that can be killed, stopped and let go on.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// The ports that [`reserve_ports`] gives out. They lie below the range from which Linux takes the local port
/// of a connection (32768 and up, by default), so that no connection takes the port of a member that is dead
/// for a moment. Ports that the kernel picks (`:0`) were tried: two tests got the same one.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port for each of `N` purposes of one member: free now, for TCP and for UDP, and given to no other test of
/// this process.
///
/// # Panics
///
/// When no port is free.
pub fn reserve_ports<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| reserve_port())
}

fn reserve_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Test programs that run beside this one begin elsewhere.
    let begin = std::process::id().wrapping_mul(97) % u32::from(count);
    for _ in 0..count {
        let at = (begin + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(count);
        let port = PORTS.start + u16::try_from(at).expect("below the number of ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free")
}

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
