//! Writers in one place: with two sets of managers, and with managers that show places far ahead.

use std::sync::Arc;

use super::*;
use crate::ledger::register::{Found, Kind};
use crate::model::Timestamp;

/// Registers of three managers, as clients see them whose inventories may name some of them only.
#[derive(Clone)]
struct Seen {
    names: Vec<String>,
    all: Arc<Mutex<BTreeMap<(String, Place), Content>>>,
    /// Names that do not answer this client.
    cut: Vec<&'static str>,
    /// Names that take a moment to list what they hold.
    slow: Vec<&'static str>,
}

impl Seen {
    fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { names, all: Arc::default(), cut: Vec::new(), slow: Vec::new() }
    }

    /// One manager has a place to which no stream comes.
    fn alone_with(content: Content, name: &str) -> Self {
        let all = Self::new(&OLD);
        let place = Place { seq: u64::MAX - 7, round: 0 };
        all.all.lock().unwrap().insert((name.to_owned(), place), content);
        all
    }

    fn with(&self, names: &[&str], cut: &[&'static str]) -> Ledger<Self> {
        let seen = Self { all: Arc::clone(&self.all), cut: cut.to_vec(), ..Self::new(names) };
        Ledger::new(seen, Limits { append: Duration::from_secs(2), ..Limits::default() })
    }

    fn name(&self, manager: usize) -> Result<String, Silent> {
        let name = self.names[manager].clone();
        if self.cut.contains(&name.as_str()) { Err(Silent("cut".into())) } else { Ok(name) }
    }
}

impl ReadRegisters for Seen {
    fn managers(&self) -> &[String] {
        &self.names
    }

    async fn list(&self, manager: usize, _: &Stream) -> Result<Vec<Found>, Silent> {
        let name = self.name(manager)?;
        if self.slow.contains(&name.as_str()) {
            sleep(Duration::from_millis(20)).await;
        }
        let all = self.all.lock().unwrap();
        let of_manager = all.iter().filter(|((of, _), _)| *of == name);
        Ok(of_manager
            .map(|((_, place), content)| Found {
                place: *place,
                content: content.clone(),
                created: Timestamp(1),
            })
            .collect())
    }

    async fn stacks(&self, _: usize) -> Result<BTreeSet<StackName>, Silent> {
        Ok(BTreeSet::new())
    }

    async fn clock(&self, _: usize) -> Result<Timestamp, Silent> {
        Ok(Timestamp(1))
    }
}

impl WriteRegisters for Seen {
    async fn create(
        &self,
        manager: usize,
        _: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        let key = (self.name(manager)?, place);
        Ok(self.all.lock().unwrap().entry(key).or_insert_with(|| content.clone()).clone())
    }

    async fn remove(&self, manager: usize, _: &Stream, place: Place) -> Result<(), Silent> {
        let key = (self.name(manager)?, place);
        self.all.lock().unwrap().remove(&key);
        Ok(())
    }
}

fn value(id: &str, managers: &[&str]) -> Value {
    let managers = managers.iter().map(|name| (*name).to_owned()).collect();
    Value { id: id.into(), managers, format: Format::CURRENT, data: serde_json::Value::Null }
}

fn lease() -> Stream {
    Stream::new(Kind::Lease, "shop")
}

const OLD: [&str; 3] = ["1", "2", "3"];
const NEW: [&str; 2] = ["2", "3"];

#[tokio::test(start_paused = true)]
async fn writers_with_two_sets_of_managers_never_both_win_a_place() {
    let all = Seen::new(&OLD);
    // The old set decides at 1 and 3. The new one begins at its own arbiter, 2, and sees the other value at 3 only.
    let old = all.with(&OLD, &["2"]);
    assert_eq!(old.append(&lease(), 1, &value("a", &OLD)).await, Ok(Appended::Won));
    let new = all.with(&NEW, &[]);
    let error = new.append(&lease(), 1, &value("b", &NEW)).await.unwrap_err();
    assert!(matches!(error, LedgerError::ManagersDiffer { .. }), "{error}");
    let log = all.with(&OLD, &[]).read(&lease()).await.unwrap();
    assert_eq!(log.entries[&1].value.id, "a", "what was won stays");
    // Who asks all managers of both sets can tell.
    let old = all.with(&OLD, &[]);
    let won = Appended::Lost(value("a", &OLD));
    assert_eq!(old.append(&lease(), 1, &value("c", &OLD)).await, Ok(won));
    // The other way round.
    let all = Seen::new(&OLD);
    let new = all.with(&NEW, &[]);
    assert_eq!(new.append(&lease(), 1, &value("b", &NEW)).await, Ok(Appended::Won));
    let won = Appended::Lost(value("b", &OLD));
    assert_eq!(all.with(&OLD, &[]).append(&lease(), 1, &value("a", &OLD)).await, Ok(won));
}

#[tokio::test(start_paused = true)]
async fn of_two_values_one_that_no_majority_of_any_set_holds_gives_way() {
    const MORE: [&str; 4] = ["1", "2", "3", "4"];
    let all = Seen::new(&MORE);
    // The old set has decided on two of its three; a writer with one manager more has two of four.
    for (name, text) in
        [("1", value("a", &OLD)), ("2", value("a", &OLD)), ("3", value("b", &MORE)), ("4", value("b", &MORE))]
    {
        all.all.lock().unwrap().insert((name.to_owned(), Place { seq: 1, round: 0 }), Some(text.pack()));
    }
    let more = all.with(&MORE, &[]);
    assert_eq!(more.append(&lease(), 1, &value("c", &MORE)).await, Ok(Appended::Lost(value("a", &MORE))));
}

#[tokio::test(start_paused = true)]
async fn a_value_names_the_managers_of_the_writer_that_brought_it_into_its_round() {
    const MORE: [&str; 4] = ["1", "2", "3", "4"];
    const FEWER: [&str; 3] = ["1", "3", "4"];
    let all = Seen::new(&MORE);
    // Two values of writers with the smaller set, which has decided the second one in its second round.
    for (name, round, content) in [
        ("1", 0, Some(value("a", &FEWER).pack())),
        ("3", 0, None),
        ("4", 0, None),
        ("3", 1, Some(value("b", &FEWER).pack())),
        ("4", 1, Some(value("b", &FEWER).pack())),
    ] {
        all.all.lock().unwrap().insert((name.to_owned(), Place { seq: 1, round }), content);
    }
    let more = all.with(&MORE, &[]);
    let Ok(Appended::Lost(won)) = more.append(&lease(), 1, &value("c", &MORE)).await else { panic!() };
    assert_eq!(won.id, "b");
    // Until it met that one it went on with the other one, as its own.
    let brought = all.all.lock().unwrap()[&("2".to_owned(), Place { seq: 1, round: 1 })].clone();
    assert_eq!(brought, Some(value("a", &MORE).pack()));
}

#[tokio::test(start_paused = true)]
async fn one_set_after_the_other_reads_and_settles_what_is_there() {
    let all = Seen::new(&OLD);
    let old = all.with(&OLD, &[]);
    assert_eq!(old.append(&lease(), 1, &value("a", &OLD)).await, Ok(Appended::Won));
    // A writer that died after its first register.
    let half = Some(value("b", &OLD).pack());
    old.registers().create(0, &lease(), Place { seq: 2, round: 0 }, &half).await.unwrap();
    let new = all.with(&NEW, &[]);
    let log = new.read(&lease()).await.unwrap();
    assert_eq!(log.entries[&1].value.id, "a");
    assert_eq!(new.append(&lease(), 2, &value("c", &NEW)).await, Ok(Appended::Won));
    assert_eq!(all.with(&OLD, &[]).read(&lease()).await.unwrap().entries[&2].value.id, "c");
}

#[tokio::test(start_paused = true)]
async fn a_place_far_ahead_on_one_manager_stops_no_writer() {
    for content in [None, Some(value("x", &OLD).pack())] {
        let all = Seen::new(&OLD);
        let ledger = all.with(&OLD, &[]);
        assert_eq!(ledger.append(&lease(), 1, &value("1", &OLD)).await, Ok(Appended::Won));
        for seq in [900, u64::MAX - 7] {
            let place = Place { seq, round: 0 };
            all.all.lock().unwrap().insert(("3".into(), place), content.clone());
        }
        for seq in 2..=9 {
            let ours = value(&seq.to_string(), &OLD);
            assert_eq!(ledger.append(&lease(), seq, &ours).await, Ok(Appended::Won), "{seq}");
            assert_eq!(ledger.read(&lease()).await.unwrap().next(), seq + 1);
        }
    }
    // A manager that is the only one: what no client can have written is named.
    let all = Seen::alone_with(None, "3");
    let only = all.with(&["3"], &[]);
    assert_eq!(only.append(&lease(), 1, &value("a", &["3"])).await, Ok(Appended::Won));
    let all = Seen::alone_with(Some(value("x", &["3"]).pack()), "3");
    let error = all.with(&["3"], &[]).append(&lease(), 1, &value("a", &["3"])).await.unwrap_err();
    assert!(matches!(error, LedgerError::FarPlace { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_place_far_ahead_is_judged_when_all_have_answered() {
    let all = Seen::new(&OLD);
    let far = (("3".to_owned(), Place { seq: 900, round: 0 }), Some(value("x", &OLD).pack()));
    all.all.lock().unwrap().extend([far]);
    // As far as the two that answer at once can tell, the slow one may have it too.
    let seen = Seen { all: Arc::clone(&all.all), slow: vec!["2"], ..Seen::new(&OLD) };
    let ledger = Ledger::new(seen, Limits { append: Duration::from_secs(2), ..Limits::default() });
    assert_eq!(ledger.append(&lease(), 1, &value("1", &OLD)).await, Ok(Appended::Won));
}

#[tokio::test(start_paused = true)]
async fn what_two_decided_of_whom_one_is_left_is_shown_to_the_third() {
    for last in [2, 40] {
        let all = Seen::new(&OLD);
        assert_eq!(all.with(&OLD, &[]).append(&lease(), 1, &value("1", &OLD)).await, Ok(Appended::Won));
        let new = all.with(&NEW, &[]);
        for seq in 2..=last {
            let ours = value(&seq.to_string(), &NEW);
            assert_eq!(new.append(&lease(), seq, &ours).await, Ok(Appended::Won));
            new.trim(&lease(), &new.read(&lease()).await.unwrap()).await;
        }
        let left = all.with(&OLD, &["3"]);
        let log = left.read(&lease()).await.unwrap();
        assert!(log.undecided.contains(&last) && log.next() == last + 1, "{log:?}");
        let log = left.read_to_write(&lease()).await.unwrap();
        let newest = log.last().map(|(seq, entry)| (seq, entry.value.id.clone()));
        assert_eq!(newest, Some((last, last.to_string())));
        assert!(log.undecided.is_empty(), "{log:?}");
        let next = value("next", &OLD);
        assert_eq!(left.append(&lease(), last + 1, &next).await, Ok(Appended::Won));
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_whose_managers_were_changed_twice_meanwhile_is_refused() {
    let all = Seen::new(&["1", "2", "3", "4"]);
    let newer = all.with(&["2", "3", "4"], &[]);
    assert_eq!(newer.append(&lease(), 1, &value("a", &["2", "3", "4"])).await, Ok(Appended::Won));
    // It looked before that, and its majority overlaps the other one by chance only.
    let old = all.with(&OLD, &[]);
    let error = old.append(&lease(), 2, &value("b", &OLD)).await.unwrap_err();
    assert!(matches!(error, LedgerError::ManagersChanged { .. }), "{error}");
}
