//! A stream that a thread of its own writes, so that a reader who stops reading stops that thread and nothing else.
//!
//! A full pipe, or a terminal after Ctrl-S, blocks a write for as long as it stays so. Work must not: it holds leases,
//! which others wait for. So text is queued, and what becomes of it depends on what it is ([`Kind`]):
//!
//! - *data* is what a command was asked for: a table, a plan, JSON that a script reads. None of it is dropped. It is
//!   as long as the command makes it, so all of it is queued; the command waits for its reader at its end, when every
//!   lease is returned.
//! - a *flow* has no end, and no lease is held meanwhile: the output of containers. Its source waits for the reader.
//! - a *log* has no end, and its source has leases: the loop's lines, progress, warnings. What does not fit is dropped
//!   and counted, and the next line that fits is preceded by how many were.
//!
//! While the reader reads, a write of data or of a log returns when the text is written, so that two streams of one
//! terminal keep their order. The first that takes longer makes the stream late: nothing waits for it until it has caught up.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a write is waited for while the reader keeps up.
const GRACE: Duration = Duration::from_millis(200);
/// Bytes that may wait before a source does, or before lines are dropped.
const WAITING_MAX: usize = 1 << 20;

/// Bytes that are written together: as many as a pipe takes as a whole (`PIPE_BUF` of Linux). Both streams are often one
/// pipe (`2>&1`), where the other one would otherwise come between the two halves of a line.
const TOGETHER_MAX: usize = 4 << 10;

/// What text is, which decides what happens while it cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Kept, and waited for at the end.
    Data,
    /// Its source waits.
    Flow,
    /// Dropped, and counted.
    Log,
}

/// A stream and its thread. A clone is the same stream.
#[derive(Clone)]
pub(super) struct Output(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The stream, until the thread has it.
    to: Option<Box<dyn Write + Send>>,
    queue: VecDeque<Vec<u8>>,
    /// Of the queue and of what is being written.
    bytes: usize,
    /// The reader did not keep up, and has not caught up yet.
    is_late: bool,
    /// The reader went away, or a write failed.
    is_closed: bool,
    error: Option<io::Error>,
    /// Nothing more will come.
    is_over: bool,
    /// Lines that were dropped and of which nothing was said yet.
    unsaid: u64,
    /// All that were dropped.
    dropped: u64,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Output {
    pub(super) fn new(to: impl Write + Send + 'static) -> Self {
        let state = State { to: Some(Box::new(to)), ..State::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Has text written. `notice` is the line that says how many lines were dropped before it.
    pub(super) fn write(&self, kind: Kind, bytes: &[u8], notice: impl FnOnce(u64) -> String) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.0.state();
        if kind == Kind::Flow {
            state = self.0.wait_while(state, |state| !state.is_closed && state.bytes > WAITING_MAX);
        }
        if state.is_closed {
            return;
        }
        if kind == Kind::Log && state.bytes + bytes.len() > WAITING_MAX {
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count().max(1) as u64;
            (state.unsaid, state.dropped) = (state.unsaid + lines, state.dropped + lines);
            return;
        }
        if state.unsaid > 0 {
            let text = notice(std::mem::take(&mut state.unsaid));
            state.push(text.as_bytes());
        }
        state.push(bytes);
        if let Some(to) = state.to.take() {
            let shared = Arc::clone(&self.0);
            thread::spawn(move || shared.write_all(to));
        }
        self.0.changed.notify_all();
        // A flow is often thousands of lines: they are written together.
        if kind != Kind::Flow && !state.is_late {
            let (mut state, _) = (self.0.changed)
                .wait_timeout_while(state, GRACE, |state| state.is_busy())
                .unwrap_or_else(PoisonError::into_inner);
            state.is_late = state.is_busy();
        }
    }

    /// Whether the reader has gone away.
    pub(super) fn is_closed(&self) -> bool {
        self.0.state().is_closed
    }

    /// How many lines were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.0.state().dropped
    }

    /// Waits until all is written, as long as that takes.
    pub(super) fn drain(&self) {
        drop(self.0.wait_while(self.0.state(), State::is_busy));
    }

    /// The same for a moment; whether all is written.
    pub(super) fn is_drained_soon(&self) -> bool {
        let (state, _) = (self.0.changed)
            .wait_timeout_while(self.0.state(), GRACE, |state| state.is_busy())
            .unwrap_or_else(PoisonError::into_inner);
        !state.is_busy()
    }

    /// Ends the thread once all is written.
    pub(super) fn end(&self) {
        self.drain();
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }

    /// Why a write failed, if it did; a reader that went away is none.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.0.state().error.take()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        holds: impl Fn(&State) -> bool,
    ) -> MutexGuard<'s, State> {
        self.changed.wait_while(state, |state| holds(state)).unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's work, until nothing more will come.
    fn write_all(&self, mut to: Box<dyn Write + Send>) {
        loop {
            let bytes =
                self.wait_while(self.state(), |state| state.queue.is_empty() && !state.is_over).take();
            if bytes.is_empty() {
                return;
            }
            let written = to.write_all(&bytes).and_then(|()| to.flush());
            let mut state = self.state();
            state.bytes -= bytes.len();
            if let Err(error) = written {
                let is_an_error = error.kind() != io::ErrorKind::BrokenPipe;
                let error = is_an_error.then_some(error);
                let (dropped, is_over) = (state.dropped, state.is_over);
                *state = State { is_closed: true, error, dropped, is_over, ..State::default() };
            }
            state.is_late &= state.is_busy();
            self.changed.notify_all();
        }
    }
}

impl State {
    /// Whole lines, as many as are written together; a longer one by itself.
    fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let mut together = Vec::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if !together.is_empty() && together.len() + line.len() > TOGETHER_MAX {
                self.queue.push_back(std::mem::take(&mut together));
            }
            together.extend_from_slice(line);
        }
        self.queue.push_back(together);
    }

    /// What waits, but not all of a long queue at once.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = self.queue.pop_front().unwrap_or_default();
        while let Some(next) = self.queue.front()
            && bytes.len() + next.len() <= TOGETHER_MAX
        {
            bytes.extend_from_slice(next);
            self.queue.pop_front();
        }
        bytes
    }

    fn is_busy(&self) -> bool {
        self.bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that goes away after some bytes, or a disk that is full.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader takes what is written when it is let to, a write at a time.
    struct Stalled {
        may: Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.may.recv().is_err() {
                // From here on everything is read.
            }
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stalled() -> (Output, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let ((let_it, may), read) = (channel(), Arc::new(Mutex::new(Vec::new())));
        (Output::new(Stalled { may, read: Arc::clone(&read) }), let_it, read)
    }

    fn notice(lines: u64) -> String {
        format!("{lines} dropped\n")
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
        for (kind, is_error) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let output = Output::new(Failing(kind));
            output.write(Kind::Data, b"a", notice);
            output.write(Kind::Flow, b"b", notice);
            output.drain();
            assert!(output.is_closed());
            assert_eq!(output.take_error().is_some(), is_error);
        }
    }

    #[test]
    fn what_is_read_is_written_when_the_write_returns() {
        let (output, let_it, read) = stalled();
        drop(let_it);
        for word in ["a", "b", "c"] {
            output.write(Kind::Log, word.as_bytes(), notice);
            assert!(read.lock().unwrap().ends_with(word.as_bytes()));
        }
    }

    #[test]
    fn a_log_that_no_one_reads_is_dropped_and_its_source_goes_on() {
        let (output, let_it, read) = stalled();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let kept = WAITING_MAX / line.len();
        for _ in 0..kept + 7 {
            output.write(Kind::Log, &line, notice);
        }
        assert_eq!(output.dropped(), 7);
        drop(let_it);
        output.drain();
        output.write(Kind::Log, b"and on\n", notice);
        output.drain();
        let read = String::from_utf8(read.lock().unwrap().clone()).unwrap();
        assert_eq!(read.lines().count(), kept + 2);
        assert!(read.ends_with("x\n7 dropped\nand on\n"), "{}", &read[read.len() - 40..]);
        assert_eq!(output.dropped(), 7, "the count goes on growing");
    }

    /// A pipe that two streams write into tears no write of so many bytes.
    #[test]
    fn lines_are_written_as_a_whole() {
        struct Sized(Arc<Mutex<Vec<Vec<u8>>>>);
        impl Write for Sized {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let writes = Arc::default();
        let output = Output::new(Sized(Arc::clone(&writes)));
        let line = [&[b'x'; 299][..], b"\n"].concat();
        let text = [line.repeat(100), vec![b'y'; TOGETHER_MAX + 1], b"\n".to_vec(), line.repeat(7)].concat();
        output.write(Kind::Data, &text, notice);
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            output.write(Kind::Flow, line, notice);
        }
        output.drain();
        let writes = writes.lock().unwrap();
        assert_eq!(writes.concat(), text.repeat(2));
        for write in writes.iter() {
            assert!(write.len() <= TOGETHER_MAX || write.len() == TOGETHER_MAX + 2, "{}", write.len());
            assert_eq!(write.last(), Some(&b'\n'));
        }
        assert!(writes.len() < 50, "{}", writes.len());
    }

    #[test]
    fn data_that_no_one_reads_is_kept_and_its_source_goes_on() {
        let (output, let_it, read) = stalled();
        let part = vec![b'x'; WAITING_MAX];
        for _ in 0..3 {
            output.write(Kind::Data, &part, notice);
        }
        assert!(!output.is_drained_soon());
        drop(let_it);
        output.drain();
        assert_eq!((read.lock().unwrap().len(), output.dropped()), (3 * WAITING_MAX, 0));
    }

    #[test]
    fn the_source_of_a_flow_waits_for_its_reader() {
        let (output, let_it, read) = stalled();
        let source = output.clone();
        let flowing = thread::spawn(move || {
            for _ in 0..40 {
                source.write(Kind::Flow, &[b'x'; WAITING_MAX / 8], notice);
            }
        });
        while output.0.state().bytes <= WAITING_MAX {
            thread::yield_now();
        }
        assert!(!flowing.is_finished() && output.0.state().bytes <= WAITING_MAX * 9 / 8);
        drop(let_it);
        flowing.join().unwrap();
        output.drain();
        assert_eq!(read.lock().unwrap().len(), WAITING_MAX * 5);
    }
}
