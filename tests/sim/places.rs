//! The ledger in a simulated world: managers that go silent and come back, requests and answers that are
//! lost, writes that arrive a minute late, writers that are killed. One seed decides everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stackctl::ledger::{
    Appended, Content, Found, Kind, Ledger, LedgerError, Limits, Place, ReadRegisters, Silent, Stream, Value,
    WriteRegisters,
};
use stackctl::model::{StackName, Timestamp};
use tokio::time::{Instant, sleep, timeout};

use crate::splitmix::SplitMix64;

const SEEDS: u64 = 3_000;
/// What a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Draws numbers.
#[derive(Debug, Default)]
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(SplitMix64(seed).next())
    }

    fn below(&mut self, end: u64) -> u64 {
        let mut generator = SplitMix64(self.0);
        let number = generator.next();
        self.0 = generator.0;
        number % end
    }
}

#[derive(Debug, Default)]
struct World {
    random: Chance,
    registers: BTreeMap<(usize, Place), String>,
    down: BTreeSet<usize>,
    /// Managers that some clients do not reach: by client.
    cut: BTreeSet<(usize, usize)>,
    /// Out of a hundred calls, so many go wrong.
    trouble: u64,
    majority: usize,
    /// The value that a majority held in one round, at whatever moment, by place.
    decided: BTreeMap<u64, String>,
    trims: bool,
    /// What a client took for the value of a place, where clients have different managers.
    believed: BTreeMap<u64, String>,
    faults: Vec<String>,
}

const NIL: &str = "";

impl World {
    fn is_away(&self, client: usize, manager: usize) -> bool {
        self.down.contains(&manager) || self.cut.contains(&(client, manager))
    }

    /// A client takes this for the value of a place.
    fn believe(&mut self, seq: u64, id: &str) {
        let first = self.believed.entry(seq).or_insert_with(|| id.to_owned());
        if *first != id {
            self.faults.push(format!("two values of place {seq}: {first} and {id}"));
        }
    }

    /// A value that a majority holds is decided, whoever knows of it.
    fn watch(&mut self, place: Place) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for ((_, at), text) in &self.registers {
            if *at == place && text != NIL {
                *counts.entry(text).or_default() += 1;
            }
        }
        let Some((text, _)) = counts.iter().find(|(_, count)| **count >= self.majority) else { return };
        let id = Value::unpack(text).expect("a value").id;
        let first = self.decided.entry(place.seq).or_insert_with(|| id.clone()).clone();
        // A place that was trimmed may be filled again; that must only not be believed.
        if first != id && !self.trims {
            self.faults.push(format!("place {}: {first} and {id} are decided", place.seq));
        }
    }
}

/// Registers of the managers that one client names.
#[derive(Clone)]
struct Registers {
    names: Arc<Vec<String>>,
    /// Their numbers in the world.
    numbers: Arc<Vec<usize>>,
    client: usize,
    world: Arc<Mutex<World>>,
    begun: Instant,
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registers {
    /// A call that may be lost on its way there or back, or arrive when nobody waits for it any more.
    async fn call<T: Send + 'static>(
        &self,
        manager: usize,
        act: impl FnOnce(&mut World, usize) -> T + Send + 'static,
    ) -> Result<T, Silent> {
        let silent = || Silent("is silent".to_owned());
        let (manager, client) = (self.numbers[manager], self.client);
        let (there, back, lost, deaf) = {
            let world = &mut *lock(&self.world);
            let trouble = world.random.below(100) < world.trouble;
            let kind = world.random.below(4);
            let there = match (trouble, kind) {
                (true, 2) => 3_000 + world.random.below(60_000),
                (true, 3) => world.random.below(4_000),
                _ => world.random.below(5),
            };
            (there, world.random.below(5), trouble && kind == 0, trouble && kind == 1)
        };
        if lost {
            sleep(PATIENCE).await;
            return Err(silent());
        }
        let world = Arc::clone(&self.world);
        let (answer, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            sleep(Duration::from_millis(there)).await;
            if lock(&world).is_away(client, manager) {
                return;
            }
            let result = act(&mut lock(&world), manager);
            sleep(Duration::from_millis(back)).await;
            if !deaf {
                let _ = answer.send(result);
            }
        });
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }
}

impl ReadRegisters for Registers {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, _: &Stream) -> Result<Vec<Found>, Silent> {
        self.call(manager, move |world, manager| {
            let of_manager = world.registers.range((manager, Place { seq: 0, round: 0 })..);
            of_manager
                .take_while(|((at, _), _)| *at == manager)
                .map(|((_, place), text)| Found {
                    place: *place,
                    content: (text != NIL).then(|| text.clone()),
                    created: Timestamp(0),
                })
                .collect()
        })
        .await
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        Ok(BTreeSet::new())
    }

    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(self.begun.elapsed().as_millis() as i64))
    }
}

impl WriteRegisters for Registers {
    async fn create(
        &self,
        manager: usize,
        _: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let text = content.clone().unwrap_or_else(|| NIL.to_owned());
        self.call(manager, move |world, manager| {
            let there = world.registers.entry((manager, place)).or_insert(text).clone();
            world.watch(place);
            (there != NIL).then_some(there)
        })
        .await
    }

    async fn remove(&self, manager: usize, _: &Stream, place: Place) -> Result<(), Silent> {
        self.call(manager, move |world, manager| {
            world.registers.remove(&(manager, place));
        })
        .await
    }
}

fn stream() -> Stream {
    Stream::new(Kind::Lease, "shop")
}

fn value(id: String) -> Value {
    Value {
        id,
        managers: Vec::new(),
        format: stackctl::model::Format::CURRENT,
        data: serde_json::Value::Null,
    }
}

fn registers(seed: u64, managers: usize, trouble: u64) -> Registers {
    let names: Vec<String> = (1..=managers).map(|n| format!("h{n}")).collect();
    let world = World { random: Chance::new(seed), trouble, majority: managers / 2 + 1, ..World::default() };
    Registers {
        names: Arc::new(names),
        numbers: Arc::new((0..managers).collect()),
        client: 0,
        world: Arc::new(Mutex::new(world)),
        begun: Instant::now(),
    }
}

/// Names the managers it is written under, as callers do.
fn ours(registers: &Registers, id: String) -> Value {
    Value { managers: registers.names.to_vec(), ..value(id) }
}

/// One writer: reads, and takes the first place that is open, again and again.
async fn writer(registers: Registers, name: usize, appends: usize) {
    let ledger = Ledger::new(registers.clone(), Limits::default());
    for number in 0..appends {
        let pause = lock(&registers.world).random.below(3_000);
        sleep(Duration::from_millis(pause)).await;
        let Ok(log) = ledger.read(&stream()).await else { continue };
        let mut seq = log.undecided.first().copied().unwrap_or_else(|| log.next());
        let ours = ours(&registers, format!("w{name}.{number}"));
        loop {
            let (is_killed, is_held_up) = {
                let world = &mut *lock(&registers.world);
                (world.trouble > 0 && world.random.below(20) == 0, world.trims && world.random.below(4) == 0)
            };
            if is_held_up {
                sleep(Duration::from_secs(20)).await;
            }
            let stream = stream();
            let append = ledger.append(&stream, seq, &ours);
            let result = if is_killed {
                let after = lock(&registers.world).random.below(2_000);
                match timeout(Duration::from_millis(after), append).await {
                    Ok(result) => result,
                    Err(_) => return,
                }
            } else {
                append.await
            };
            let world = &mut *lock(&registers.world);
            let first = world.decided.get(&seq).cloned();
            match result {
                Ok(Appended::Won) if first.as_deref() == Some(&*ours.id) => break,
                Ok(Appended::Won) => {
                    world.faults.push(format!("place {seq}: {} thinks it won, there is {first:?}", ours.id));
                    break;
                }
                Ok(Appended::Lost(other)) => {
                    if first.as_deref() != Some(&*other.id) {
                        world.faults.push(format!("place {seq}: lost to {}, there is {first:?}", other.id));
                    }
                    seq += 1;
                }
                // Never for the last writer: nobody is there to overtake it.
                Err(LedgerError::Overtaken { .. }) if name != 99 => break,
                Err(LedgerError::Late { .. }) if world.trouble > 0 => break,
                Err(error) => {
                    world.faults.push(format!("place {seq}: {error}"));
                    break;
                }
            }
        }
        if lock(&registers.world).trims
            && let Ok(log) = ledger.read(&stream()).await
        {
            ledger.trim(&stream(), &log).await;
        }
    }
}

/// Managers come and go, never more than a minority for long, sometimes all of them.
async fn weather(registers: Registers) {
    let all = registers.names.len();
    for _ in 0..8 {
        let pause = {
            let world = &mut *lock(&registers.world);
            world.down.clear();
            for manager in 0..all {
                if world.random.below(4) == 0 {
                    world.down.insert(manager);
                }
            }
            world.random.below(6_000)
        };
        sleep(Duration::from_millis(pause)).await;
    }
    lock(&registers.world).down.clear();
}

async fn story(seed: u64, trims: bool) -> Vec<String> {
    let mut random = Chance::new(seed ^ 0x1ed6_e700);
    let managers = [1, 2, 3, 3, 3, 4, 5][random.below(7) as usize];
    let trouble = [0, 5, 20, 40][random.below(4) as usize];
    let registers = registers(seed, managers, trouble);
    lock(&registers.world).trims = trims;
    let writers = 1 + random.below(4) as usize;
    let appends = if trims { 8 } else { 3 };
    let mut all: Vec<_> =
        (0..writers).map(|name| tokio::spawn(writer(registers.clone(), name, appends))).collect();
    if trouble > 0 {
        all.push(tokio::spawn(weather(registers.clone())));
    }
    for one in all {
        one.await.expect("no panic");
    }
    // What is still on its way arrives; then nothing is wrong any more, and a writer gets through.
    {
        let world = &mut *lock(&registers.world);
        (world.trouble, world.down) = (0, BTreeSet::new());
    }
    writer(registers.clone(), 99, 1).await;
    sleep(Duration::from_secs(70)).await;
    let ledger = Ledger::new(registers.clone(), Limits::default());
    let log = ledger.read(&stream()).await.expect("all answer");
    ledger.settle(&stream(), &log, || ours(&registers, "settled".to_owned())).await.expect("all answer");
    let log = ledger.read(&stream()).await.expect("all answer");
    let world = &mut *lock(&registers.world);
    for (seq, entry) in &log.entries {
        let first = &world.decided[seq];
        if *first != entry.value.id && !trims {
            world.faults.push(format!("place {seq}: reads as {}, was {first}", entry.value.id));
        }
    }
    if !log.entries.values().any(|entry| entry.value.id.starts_with("w99.")) {
        world.faults.push("the last writer did not get through".to_owned());
    }
    if !log.undecided.is_empty() {
        world.faults.push(format!("{:?} stay open", log.undecided));
    }
    std::mem::take(&mut world.faults)
}

fn in_a_runtime<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(story)
}

fn every_seed(name: &str, run: impl Fn(u64) -> Vec<String> + Sync) {
    so_many_seeds(name, 1, run);
}

fn so_many_seeds(name: &str, times: u64, run: impl Fn(u64) -> Vec<String> + Sync) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("STACKCTL_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..times * number("STACKCTL_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (count, threads) = (seeds.end - seeds.start, 2);
    let run = &run;
    let failed = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let mut mine = seeds.clone().filter(move |seed| seed % threads == worker);
                scope.spawn(move || {
                    mine.find_map(|seed| {
                        let faults = run(seed);
                        (!faults.is_empty()).then_some((seed, faults))
                    })
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("no panic")).min()
    });
    if let Some((seed, faults)) = failed {
        panic!(
            "seed {seed}: {}\nrepeat it with: STACKCTL_SIM_SEED={seed} cargo test --test sim {name}",
            faults.join("\n")
        );
    }
    println!("{count} seeds");
}

#[test]
fn a_place_of_the_ledger_has_one_value_whatever_goes_wrong() {
    every_seed("a_place_of_the_ledger", |seed| in_a_runtime(story(seed, false)));
}

#[test]
fn a_trimmed_place_is_never_won_again() {
    every_seed("a_trimmed_place", |seed| in_a_runtime(story(seed, true)));
}

/// A writer among others with another set of managers: it may be refused, and never believes what another one does not.
async fn one_of_two_sets(registers: Registers, appends: usize) {
    let ledger = Ledger::new(registers.clone(), Limits::default());
    for number in 0..appends {
        let pause = lock(&registers.world).random.below(2_000);
        sleep(Duration::from_millis(pause)).await;
        let Ok(log) = ledger.read_to_write(&stream()).await else { continue };
        let seq = log.undecided.first().copied().unwrap_or_else(|| log.next());
        for (seq, entry) in &log.entries {
            lock(&registers.world).believe(*seq, &entry.value.id);
        }
        let ours = ours(&registers, format!("w{}.{number}", registers.client));
        match ledger.append(&stream(), seq, &ours).await {
            Ok(Appended::Won) => lock(&registers.world).believe(seq, &ours.id),
            Ok(Appended::Lost(other)) => lock(&registers.world).believe(seq, &other.id),
            // It is not known what is there, or it is known that only a person can say.
            Err(_) => {}
        }
    }
}

/// Managers come and go, for each client by itself.
async fn cuts(registers: Registers, clients: usize) {
    for _ in 0..8 {
        let pause = {
            let world = &mut *lock(&registers.world);
            world.cut.clear();
            for client in 0..clients {
                for manager in 0..registers.names.len() {
                    if world.random.below(4) == 0 {
                        world.cut.insert((client, manager));
                    }
                }
            }
            world.random.below(6_000)
        };
        sleep(Duration::from_millis(pause)).await;
    }
    lock(&registers.world).cut.clear();
}

async fn two_sets(seed: u64) -> Vec<String> {
    let mut random = Chance::new(seed ^ 0x2_5e75);
    let managers = 2 + random.below(3) as usize;
    let all = registers(seed, managers, [0, 5, 20][random.below(3) as usize]);
    lock(&all.world).majority = usize::MAX;
    let without = random.below(managers as u64) as usize;
    let clients = 2 + random.below(2) as usize;
    let mut tasks = vec![tokio::spawn(cuts(all.clone(), clients))];
    for client in 0..clients {
        // The second has one fewer, and maybe the third.
        let has_fewer = client == 1 || client == 2 && random.below(2) == 0;
        let numbers: Vec<usize> = (0..managers).filter(|number| !has_fewer || *number != without).collect();
        let names = numbers.iter().map(|number| all.names[*number].clone()).collect();
        let own = Registers { names: Arc::new(names), numbers: Arc::new(numbers), client, ..all.clone() };
        tasks.push(tokio::spawn(one_of_two_sets(own, 6)));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    std::mem::take(&mut lock(&all.world).faults)
}

#[test]
fn a_place_has_one_value_for_writers_with_two_sets_of_managers() {
    // The rarest fault that was found takes some thousands.
    so_many_seeds("a_place_has_one_value_for_writers", 3, |seed| in_a_runtime(two_sets(seed)));
}

#[test]
fn an_append_ends_while_a_majority_is_up() {
    for seed in 0..200 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let faults = runtime.expect("a runtime").block_on(async {
            let mut random = Chance::new(seed);
            let managers = 1 + random.below(7) as usize;
            let registers = registers(seed, managers, 0);
            while lock(&registers.world).down.len() < (managers - 1) / 2 {
                let one = random.below(managers as u64) as usize;
                lock(&registers.world).down.insert(one);
            }
            writer(registers.clone(), 0, 5).await;
            let world = &mut *lock(&registers.world);
            let won: Vec<&str> = world.decided.values().map(String::as_str).collect();
            assert_eq!(won, ["w0.0", "w0.1", "w0.2", "w0.3", "w0.4"], "seed {seed}");
            std::mem::take(&mut world.faults)
        });
        assert_eq!(faults, [""; 0], "seed {seed}");
    }
}

#[test]
fn without_a_majority_it_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let registers = registers(1, 3, 0);
        lock(&registers.world).down.extend([0, 2]);
        let ledger = Ledger::new(registers.clone(), Limits::default());
        let said = ledger.read(&stream()).await.unwrap_err().to_string();
        assert_eq!(said, "ledger: 1 of 3 managers answers, 2 are needed: h1: is silent; h3: is silent");
        let said = ledger.append(&stream(), 1, &ours(&registers, "a".into())).await.unwrap_err();
        assert!(said.is_silence(), "{said}");
    });
}

#[test]
fn a_manager_that_was_away_is_given_what_it_lacks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let registers = registers(1, 3, 0);
        lock(&registers.world).down.insert(1);
        writer(registers.clone(), 0, 3).await;
        lock(&registers.world).down.clear();
        let ledger = Ledger::new(registers.clone(), Limits::default());
        let log = ledger.read(&stream()).await.unwrap();
        assert_eq!(ledger.replicate(&stream(), &log).await, 3);
        // Each of the others may go now.
        lock(&registers.world).down.insert(0);
        let log = ledger.read(&stream()).await.unwrap();
        assert_eq!((log.entries.len(), log.undecided.len()), (3, 0));
    });
}
