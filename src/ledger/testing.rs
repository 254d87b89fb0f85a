//! Managers in memory, for tests: each may be silent, and calls are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use super::register::{Content, Found, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use super::{Ledger, Limits};
use crate::model::{StackName, Timestamp};

/// Registers by manager, stream and place.
pub(crate) type Registers = BTreeMap<(usize, String, Place), Content>;

/// What is done once, in the middle of another's work.
type Act = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What all who use the managers share.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub registers: Registers,
    pub silent: BTreeSet<usize>,
    /// Managers that list what they have, and do not answer when one register is asked for.
    pub slow: BTreeSet<usize>,
    /// Calls as they came: `create 0 contents/shop`.
    pub calls: Vec<String>,
    pub spares: BTreeMap<usize, String>,
}

/// So many managers in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    names: Vec<String>,
    /// Of each name, which register keeper of the world it is.
    keepers: Vec<usize>,
    world: Arc<Mutex<World>>,
    /// Before the write of this number something else is done.
    before: Option<(usize, Act)>,
    writes: Arc<Mutex<usize>>,
    keeps_spares: bool,
}

impl Memory {
    pub(crate) fn new(managers: usize) -> Self {
        let names = (1..=managers).map(|number| format!("h{number}")).collect();
        Self { names, keepers: (0..managers).collect(), ..Self::default() }
    }

    /// The same, of a kind that keeps spare copies.
    pub(crate) fn with_spares(self) -> Self {
        Self { keeps_spares: true, ..self }
    }

    /// An inventory that names only these as managers.
    pub(crate) fn only(&self, managers: &[usize]) -> Self {
        let names = managers.iter().map(|at| self.names[*at].clone()).collect();
        Self { names, keepers: managers.to_vec(), ..self.clone() }
    }

    /// The same managers, for one in whose work something else happens before its write of this number.
    pub(crate) fn interrupted<F: Future<Output = ()> + Send + 'static>(
        &self,
        write: usize,
        act: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let before: Option<(usize, Act)> = Some((write, Arc::new(move || Box::pin(act()))));
        Self { before, writes: Arc::default(), ..self.clone() }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn ledger(&self) -> Ledger<Self> {
        Ledger::new(self.clone(), Limits::default())
    }

    fn call(&self, what: &str, manager: usize, stream: &str) -> Result<MutexGuard<'_, World>, Silent> {
        let mut world = self.world();
        if world.silent.contains(&manager) {
            return Err(Silent("is silent".to_owned()));
        }
        world.calls.push(format!("{what} {manager} {stream}"));
        Ok(world)
    }

    async fn interrupt(&self) {
        let is_due = {
            let mut writes = self.writes.lock().unwrap();
            *writes += 1;
            self.before.as_ref().is_some_and(|(at, _)| *at == *writes)
        };
        if let Some((_, act)) = self.before.as_ref().filter(|_| is_due) {
            act().await;
        }
    }
}

impl ReadRegisters for Memory {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        let manager = self.keepers[manager];
        let stream = stream.to_string();
        let world = self.call("list", manager, &stream)?;
        let of = world.registers.iter().filter(|((at, of, _), _)| (*at, of) == (manager, &stream));
        let found = |((.., place), content): (&(usize, String, Place), &Content)| Found {
            place: *place,
            content: content.clone(),
            created: Timestamp(0),
        };
        Ok(of.map(found).collect())
    }

    async fn get(&self, manager: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        let manager = self.keepers[manager];
        let stream = stream.to_string();
        let world = self.call("get", manager, &stream)?;
        if world.slow.contains(&manager) {
            return Err(Silent("gives no answer in time".to_owned()));
        }
        Ok(world.registers.get(&(manager, stream, place)).cloned())
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        let manager = self.keepers[manager];
        let world = self.call("stacks", manager, "")?;
        let lease = format!("{}/", Kind::Lease.word());
        let names = world.registers.keys().filter_map(|(_, stream, _)| stream.strip_prefix(&lease));
        Ok(names.map(StackName::unchecked).collect())
    }

    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(0))
    }

    async fn spare(&self, manager: usize) -> Result<Option<String>, Silent> {
        let manager = self.keepers[manager];
        Ok(self.call("spare", manager, "")?.spares.get(&manager).cloned())
    }

    fn keeps_spares(&self) -> bool {
        self.keeps_spares
    }
}

impl WriteRegisters for Memory {
    async fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        self.interrupt().await;
        let (manager, stream) = (self.keepers[manager], stream.to_string());
        let mut world = self.call("create", manager, &stream)?;
        Ok(world.registers.entry((manager, stream, place)).or_insert_with(|| content.clone()).clone())
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        self.interrupt().await;
        let (manager, stream) = (self.keepers[manager], stream.to_string());
        self.call("remove", manager, &stream)?.registers.remove(&(manager, stream, place));
        Ok(())
    }

    async fn put_spare(&self, manager: usize, copy: &str) -> Result<(), Silent> {
        let manager = self.keepers[manager];
        self.call("put_spare", manager, "")?.spares.insert(manager, copy.to_owned());
        Ok(())
    }
}
