//! A wire between two programs of this machine, which can be cut and mended: what is cut off is not told
//! so, as on a network whose packets get lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long a thread sleeps before it looks whether its wire is whole again, or gone.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    is_gone: AtomicBool,
    /// Grows with each reset; connections of an earlier age end.
    age: AtomicU64,
}

/// Takes connections at a port of its own and carries them to another.
pub struct Wire {
    port: u16,
    state: Arc<State>,
}

impl Wire {
    /// To this port.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.is_gone.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || carry_both(near, target, &state));
            }
        });
        Self { port, state }
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing gets through, in either direction. Nobody is told.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
    }

    /// What was held up gets through, and what comes.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// All connections break.
    pub fn reset(&self) {
        self.state.age.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.is_gone.store(true, Ordering::SeqCst);
        // The listener looks up.
        let _waken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn carry_both(near: TcpStream, target: u16, state: &Arc<State>) {
    let age = state.age.load(Ordering::SeqCst);
    if !passes(state, age) {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let shared = Arc::clone(state);
    thread::spawn(move || carry(far_too, near_too, &shared, age));
    carry(near, far, state, age);
}

/// Waits until what came may go on; false if the connection is to end.
fn passes(state: &State, age: u64) -> bool {
    loop {
        if state.is_gone.load(Ordering::SeqCst) || state.age.load(Ordering::SeqCst) != age {
            return false;
        }
        if !state.is_cut.load(Ordering::SeqCst) {
            return true;
        }
        thread::sleep(LOOK);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &State, age: u64) {
    let _looks_up = from.set_read_timeout(Some(LOOK));
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => None,
            Err(_) => break,
            Ok(read) => Some(read),
        };
        // An end does not get through a wire that is cut either.
        if !passes(state, age) {
            break;
        }
        match read {
            None => {}
            Some(0) => break,
            Some(read) if to.write_all(&buffer[..read]).is_err() => break,
            Some(_) => {}
        }
    }
    let _closed = from.shutdown(Shutdown::Both);
    let _closed = to.shutdown(Shutdown::Both);
}
