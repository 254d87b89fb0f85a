//! The real ledger over registers in memory: what is written, and who has which lease. Each question is put
//! at one moment; how questions overlap is the subject of `tests/sim/ledger.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize as _;
use stackctl::ledger::lease::{Holder, Left, Note, Terms, held};
use stackctl::ledger::nodes::{self, NodeRecords};
use stackctl::ledger::release::{History, Outcome, Release, outcomes, releases};
use stackctl::ledger::settings::{self, Settings};
use stackctl::ledger::{
    Appended, Content, Found, Kind, Ledger, LedgerError, Limits, Log, Place, ReadRegisters, Silent, Stream,
    Value, WriteRegisters, document,
};
use stackctl::model::{StackName, Timestamp};
use stackctl::ops::declared::record::StackRecord;

#[derive(Debug, Default)]
struct Shared {
    now: Timestamp,
    registers: BTreeMap<(usize, String, Place), (Content, Timestamp)>,
    stacks: BTreeSet<StackName>,
    down: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
struct Registers {
    names: Arc<Vec<String>>,
    shared: Arc<Mutex<Shared>>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registers {
    fn ask<T>(&self, manager: usize, act: impl FnOnce(&mut Shared) -> T) -> Result<T, Silent> {
        let shared = &mut *lock(&self.shared);
        if shared.down.contains(&manager) {
            return Err(Silent("is silent".to_owned()));
        }
        Ok(act(shared))
    }
}

impl ReadRegisters for Registers {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        let first = (manager, stream.to_string(), Place { seq: 0, round: 0 });
        self.ask(manager, |shared| {
            let of_stream = shared.registers.range(first.clone()..);
            of_stream
                .take_while(|((at, of, _), _)| *at == manager && *of == first.1)
                .map(|((_, _, place), (content, created))| Found {
                    place: *place,
                    content: content.clone(),
                    created: *created,
                })
                .collect()
        })
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        self.ask(manager, |shared| shared.stacks.clone())
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        self.ask(manager, |shared| shared.now)
    }
}

impl WriteRegisters for Registers {
    async fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        self.ask(manager, |shared| {
            if stream.kind == Kind::Releases {
                shared.stacks.insert(StackName::unchecked(&stream.of));
            }
            let at = (manager, stream.to_string(), place);
            let now = shared.now;
            shared.registers.entry(at).or_insert_with(|| (content.clone(), now)).0.clone()
        })
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        self.ask(manager, |shared| {
            shared.registers.remove(&(manager, stream.to_string(), place));
        })
    }
}

/// The ledger of the simulated cluster, on three managers.
pub struct SimLedger {
    runtime: tokio::runtime::Runtime,
    registers: Registers,
    ledger: Ledger<Registers>,
    values: u64,
}

/// A lease that is held, until when its holder relies on it.
#[derive(Debug, Clone)]
pub struct Lease {
    pub stream: Stream,
    pub holder: Holder,
    pub terms: Terms,
    pub epoch: u64,
    pub until: Timestamp,
    next: u64,
}

impl Lease {
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// What came of an attempt to take a lease.
pub enum Taken {
    Held(Lease),
    /// Another process has it.
    Busy(Box<Holder>),
    /// Another process was faster; who has it is seen by the next attempt.
    Lost,
    Failed(LedgerError),
}

/// The last sign of life of another holder, and when it was first seen.
pub type Sight = Option<(u64, Timestamp)>;

impl SimLedger {
    pub fn new(now: Timestamp) -> Self {
        let names = (1..=3).map(|n| format!("h{n}")).collect();
        let shared = Shared { now, ..Shared::default() };
        let registers = Registers { names: Arc::new(names), shared: Arc::new(Mutex::new(shared)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        Self {
            runtime: runtime.expect("a runtime"),
            ledger: Ledger::new(registers.clone(), Limits::default()),
            registers,
            values: 0,
        }
    }

    pub fn set_now(&self, now: Timestamp) {
        lock(&self.registers.shared).now = now;
    }

    pub fn set_down(&self, down: BTreeSet<usize>) {
        lock(&self.registers.shared).down = down;
    }

    fn value(&mut self, data: serde_json::Value) -> Value {
        self.values += 1;
        let format = stackctl::model::Format::CURRENT;
        Value { id: format!("v{}", self.values), managers: self.registers.names.to_vec(), format, data }
    }

    pub fn stacks(&self) -> Result<BTreeSet<StackName>, String> {
        self.runtime.block_on(self.ledger.stacks()).map_err(|error| error.to_string())
    }

    fn read(&self, stream: &Stream) -> Result<Log, LedgerError> {
        self.runtime.block_on(self.ledger.read(stream))
    }

    pub fn history(&self, stack: &StackName) -> Result<History, LedgerError> {
        let stream = releases(stack);
        let (releases, outcomes) = (self.read(&stream)?, self.read(&outcomes(stack))?);
        let unreadable = |(seq, detail)| LedgerError::Unreadable { stream: stream.to_string(), seq, detail };
        History::of(&releases, &outcomes).map_err(unreadable)
    }

    /// The same under the lock of the stack: what is undecided of its releases is settled.
    pub fn settled_history(&mut self, stack: &StackName) -> Result<History, LedgerError> {
        if self.history(stack)?.doubtful().next().is_some() {
            self.settled(&releases(stack))?;
        }
        self.history(stack)
    }

    pub fn settings(&self, stack: &StackName) -> Result<Settings, LedgerError> {
        self.runtime.block_on(settings::settings(&self.ledger, stack))
    }

    pub fn known(&self, stack: &StackName) -> Result<StackRecord, LedgerError> {
        Ok(StackRecord::of(&self.history(stack)?, self.settings(stack)?))
    }

    /// The number that is free in a lock's stream; 0, which no lock has, if one is held.
    pub fn free(&self, stream: &Stream) -> Result<u64, LedgerError> {
        let log = self.read(stream)?;
        Ok(if held(&log).expect("readable").is_some() { 0 } else { log.next() })
    }

    pub fn suspend(&self, stack: &StackName, suspended: Option<settings::Suspended>) -> bool {
        let change = settings::change(&self.ledger, stack, |all| all.suspended.clone_from(&suspended));
        self.runtime.block_on(change).is_ok()
    }

    /// Writes a release down; its number.
    pub fn begin(&mut self, release: &Release) -> Result<u64, LedgerError> {
        let stream = releases(&release.spec.name);
        let value = self.value(serde_json::json!(release));
        loop {
            let log = self.read(&stream)?;
            let number = log.undecided.first().copied().unwrap_or_else(|| log.next());
            if self.runtime.block_on(self.ledger.append(&stream, number, &value))? == Appended::Won {
                return Ok(number);
            }
        }
    }

    pub fn end(&mut self, stack: &StackName, number: u64, outcome: &Outcome) -> Result<(), LedgerError> {
        let now = lock(&self.registers.shared).now;
        let value = self.value(outcome.recorded(now));
        let stream = outcomes(stack);
        let append = self.ledger.append(&stream, number, &value);
        self.runtime.block_on(append).map(drop)
    }

    pub fn nodes(&self) -> Result<NodeRecords, String> {
        let stream = nodes::stream();
        let read = document::read(&self.ledger, &stream);
        self.runtime.block_on(read).map(|(_, records)| records).map_err(|error| error.to_string())
    }

    pub fn remember(&self, found: &BTreeMap<stackctl::model::NodeName, String>) {
        let with = |records: &mut NodeRecords| {
            records.discovered.clone_from(found);
            Ok::<(), LedgerError>(())
        };
        let stream = nodes::stream();
        let change = document::change(&self.ledger, &stream, with);
        let _may_fail = self.runtime.block_on(change);
    }

    /// A stream as a writer has to see it: what those who answer can't tell by themselves is decided first. The
    /// last sign of life may lie on a manager that answers and one that does not.
    fn settled(&mut self, stream: &Stream) -> Result<Log, LedgerError> {
        loop {
            let log = self.read(stream)?;
            if log.undecided.is_empty() {
                return Ok(log);
            }
            let mut nothing: Vec<Value> =
                log.undecided.iter().map(|_| self.value(serde_json::Value::Null)).collect();
            let settle = self.ledger.settle(stream, &log, || nothing.pop().expect("one for each place"));
            self.runtime.block_on(settle)?;
        }
    }

    /// One attempt to take a lease, as `engine::lease::take` makes it again and again.
    pub fn take(&mut self, stream: &Stream, holder: &Holder, terms: Terms, sight: &mut Sight) -> Taken {
        let now = lock(&self.registers.shared).now;
        let log = match self.settled(stream) {
            Ok(log) => log,
            Err(error) => return Taken::Failed(error),
        };
        if let Some(held) = held(&log).expect("readable") {
            let clocks = match self.runtime.block_on(self.ledger.clocks()) {
                Ok(clocks) => clocks,
                Err(error) => return Taken::Failed(error),
            };
            let first = sight.filter(|(sign, _)| *sign == held.sign).map_or(now, |(_, first)| first);
            *sight = Some((held.sign, first));
            if held.left_ms(held.age_ms(&log, &clocks), now.since_ms(first)) > 0 {
                return Taken::Busy(Box::new(held.holder.clone()));
            }
        }
        let epoch = log.next();
        let Terms { ttl_ms, drain_ms, margin_ms, .. } = terms;
        let note = Note::Acquire { holder: holder.clone(), ttl_ms, drain_ms, left: Left::default() };
        let value = self.value(serde_json::json!(note));
        match self.runtime.block_on(self.ledger.append(stream, epoch, &value)) {
            Ok(Appended::Won) => Taken::Held(Lease {
                stream: stream.clone(),
                holder: holder.clone(),
                terms,
                epoch,
                until: now.plus_ms(ttl_ms - margin_ms),
                next: epoch + 1,
            }),
            Ok(Appended::Lost(_)) => Taken::Lost,
            Err(error) => Taken::Failed(error),
        }
    }

    /// A sign of life.
    pub fn renew(&mut self, lease: &mut Lease) {
        let now = lock(&self.registers.shared).now;
        let Terms { ttl_ms, drain_ms, margin_ms, .. } = lease.terms;
        let note = Note::Renew {
            holder: lease.holder.clone(),
            epoch: lease.epoch,
            ttl_ms,
            drain_ms,
            is_last: false,
            left: Left::default(),
        };
        let value = self.value(serde_json::json!(note));
        match self.runtime.block_on(self.ledger.append(&lease.stream, lease.next, &value)) {
            Ok(Appended::Won) => {
                lease.until = now.plus_ms(ttl_ms - margin_ms);
                lease.next += 1;
                if let Ok(log) = self.read(&lease.stream) {
                    self.runtime.block_on(self.ledger.replicate(&lease.stream, &log));
                    self.runtime.block_on(self.ledger.trim(&lease.stream, &log));
                }
            }
            Ok(Appended::Lost(other)) => match Note::deserialize(&other.data) {
                Ok(Note::Renew { holder, .. }) if holder.id == lease.holder.id => lease.next += 1,
                _ => lease.until = Timestamp(i64::MIN),
            },
            Err(LedgerError::Overtaken { .. }) => lease.until = Timestamp(i64::MIN),
            Err(_) => {}
        }
    }

    pub fn give_back(&mut self, lease: &Lease) {
        let note = Note::Release { id: lease.holder.id.clone(), by: None, left: Left::default() };
        let value = self.value(serde_json::json!(note));
        let mut next = lease.next;
        while let Ok(Appended::Lost(other)) =
            self.runtime.block_on(self.ledger.append(&lease.stream, next, &value))
        {
            match Note::deserialize(&other.data) {
                Ok(Note::Renew { holder, .. }) if holder.id == lease.holder.id => next += 1,
                _ => return,
            }
        }
    }
}
