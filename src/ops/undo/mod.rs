//! Undo: what was declared before an operation, declared again. Here is decided what that comes to, and what
//! forbids it.
//!
//! Nothing is taken out of the log: an undo is an operation of its own, planned as any other, and can be
//! undone as well. Of a release only what it changed goes back, so that what came later stays, unless that
//! changed the same services.

mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use error::{NotUndone, Obstacle, Subject};

use super::cluster::Cluster;
use super::node::{back, drain};
use super::order::{Choosing, Job, Order};
use super::release::{Draft, Edit};
use super::vault::refuse_all_lost;
use super::{Error, Progress};
use crate::engine::node_records;
use crate::engine::operations::{Id, Operation, State, Touch, What, declared_before, operations, touched};
use crate::ledger::operation::{self, Changed};
use crate::ledger::release::{History, Outcome, Release};
use crate::ledger::settings::{self, Suspended, settings};
use crate::ledger::{LedgerError, ReadRegisters as _, document, put_back};
use crate::model::{ServiceName, StackName, StackSpec};
use crate::orchestrator::Planned;

/// What is to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One operation.
    Operation(Id),
    /// The newest of a stack.
    Stack(StackName),
}

/// An operation that was found, and the log around it.
#[derive(Debug)]
pub struct Found {
    /// The operation.
    pub one: Operation,
    /// The newest first.
    log: Vec<Operation>,
}

/// What undoing an operation comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Undoing<'a> {
    /// A stack is released as it was before this release: see [`Found::edit`].
    Release(&'a StackName, u64),
    /// The loop may or may not touch a stack, as before.
    Suspension {
        /// The stack.
        stack: &'a StackName,
        /// What was said to the loop before.
        before: &'a Option<Suspended>,
    },
    /// What is remembered of nodes becomes what it was: see [`back::returns`].
    Nodes(&'a [Changed]),
}

/// Finds an operation in the log: the named one, or the newest that a user can have meant. What the loop has
/// healed is never meant, and neither are the tasks that a drained node gave away: the drain itself is another
/// operation. What is not decided may be the newest: of the stack whose operation is undone it is settled, and of others,
/// whose locks are not ours, refused.
///
/// # Errors
///
/// If there is none, it cannot be told which it is, or the ledger cannot be read.
pub async fn find(
    cluster: &Cluster,
    target: Option<&Target>,
    choosing: &Choosing<'_, impl Progress<Planned>>,
) -> Result<Found, Error> {
    settle(cluster, choosing.is_dry).await?;
    let found = match target {
        None => newest_of_all(cluster, choosing).await,
        Some(target) => newest_of(cluster, target, choosing).await,
    };
    let found = match found {
        Err(error @ Error::NotUndone(NotUndone::Nothing { .. } | NotUndone::NoOperation(_))) => {
            refuse_all_lost(&cluster.ledger).await?;
            return Err(error);
        }
        found => found?,
    };
    if !choosing.is_dry {
        settle_values(cluster, &found.one).await?;
    }
    Ok(found)
}

async fn newest_of(
    cluster: &Cluster,
    target: &Target,
    choosing: &Choosing<'_, impl Progress<Planned>>,
) -> Result<Found, Error> {
    let stack = target.stack();
    if let Some(stack) = stack {
        choosing.remembered(cluster, stack).await?;
    }
    Ok(Found::of(Some(target), operations(&cluster.ledger, stack, cluster.me.is_gone).await?)?)
}

/// The newest operation of all stacks and of the cluster. What is not decided of its own stack is settled, and then it may be
/// another one.
async fn newest_of_all(
    cluster: &Cluster,
    choosing: &Choosing<'_, impl Progress<Planned>>,
) -> Result<Found, Error> {
    let mut settled = BTreeSet::new();
    loop {
        let mut stacks = BTreeMap::new();
        for stack in cluster.ledger.stacks().await? {
            let remembered = cluster.remembered_patiently(&stack).await?;
            stacks.insert(stack, remembered);
        }
        let found = Found::of(None, operations(&cluster.ledger, None, cluster.me.is_gone).await?);
        let (one, log) = match &found {
            Ok(Found { one, log }) => (Some(one), log.as_slice()),
            Err(_) => (None, &[][..]),
        };
        let own = one.and_then(|one| one.id.stack());
        for (stack, remembered) in stacks.iter().filter(|(stack, _)| own != Some(*stack)) {
            let doubtful = remembered.history.doubtful();
            if let Some(number) = doubtful.filter(|number| may_be_newer(stack, *number, one, log)).last() {
                return Err(NotUndone::Unsure { stack: stack.clone(), number }.into());
            }
        }
        match own.and_then(|own| stacks.remove_entry(own)) {
            Some((own, seen)) if !seen.is_settled() && settled.insert(own.clone()) => {
                choosing.remembered(cluster, &own).await?;
            }
            _ => return Ok(found?),
        }
    }
}

/// Whether a release of which it is not known that it is one may be newer than an operation. Within a stack no release is
/// older than the one before it.
fn may_be_newer(stack: &StackName, number: u64, one: Option<&Operation>, log: &[Operation]) -> bool {
    let is_later = |id: &Id| matches!(id, Id::Release(of, later) if of == stack && *later > number);
    one.is_none_or(|one| !log.iter().any(|other| is_later(&other.id) && other.at <= one.at))
}

/// Has decided what persons did.
async fn settle(cluster: &Cluster, is_dry: bool) -> Result<(), LedgerError> {
    let stream = operation::stream();
    let log = cluster.ledger.read(&stream).await?;
    let managers = cluster.ledger.registers().managers().len();
    // What is said to have been done may be on managers of which too few answer. What its writer was cut off from saying
    // is no record that people saw.
    let of_others = || log.undecided.last().copied().filter(|_| log.may_go_on());
    match log.may_be_decided(managers).or_else(of_others) {
        Some(seq) if is_dry => Err(LedgerError::Undecided { stream: stream.to_string(), seq }),
        Some(_) => cluster.writing().read_settled(&stream).await.map(drop),
        None => Ok(()),
    }
}

/// Has decided what an operation has changed, which is compared with what it was changed to.
async fn settle_values(cluster: &Cluster, one: &Operation) -> Result<(), LedgerError> {
    let What::Values(changes) = &one.what else { return Ok(()) };
    let ledger = cluster.writing();
    for change in changes {
        match change {
            Changed::Suspended { stack, .. } => {
                document::settle(&ledger, &settings::stream(stack)).await?;
            }
            Changed::Node { .. } => {
                node_records::settle(&ledger).await?;
            }
            Changed::Lease { .. } | Changed::Healed { .. } => {}
        }
    }
    Ok(())
}

fn chosen<'a>(target: Option<&Target>, log: &'a [Operation]) -> Result<&'a Operation, NotUndone> {
    let mut newest = log.iter().filter(|one| !matches!(one.id, Id::Heal(..)) && !is_of_a_drain(one));
    match target {
        None => newest.next().ok_or(NotUndone::Nothing { stack: None }),
        Some(Target::Stack(stack)) => {
            newest.next().ok_or_else(|| NotUndone::Nothing { stack: Some(stack.clone()) })
        }
        Some(Target::Operation(id)) => {
            log.iter().find(|one| one.id == *id).ok_or_else(|| NotUndone::NoOperation(id.clone()))
        }
    }
}

fn is_of_a_drain(one: &Operation) -> bool {
    match &one.what {
        What::Release { services, .. } => services.is_empty() && one.verb.starts_with(drain::VERB),
        What::Values(_) => false,
    }
}

impl Target {
    /// The stack that it is of.
    fn stack(&self) -> Option<&StackName> {
        match self {
            Self::Stack(stack) => Some(stack),
            Self::Operation(id) => id.stack(),
        }
    }
}

impl Found {
    fn of(target: Option<&Target>, log: Vec<Operation>) -> Result<Self, NotUndone> {
        let one = chosen(target, &log)?.clone();
        Ok(Self { one, log })
    }

    /// What undoing it comes to.
    ///
    /// # Errors
    ///
    /// If it is of a kind that cannot be undone, or the same was changed since.
    pub async fn undoing(&self, cluster: &Cluster) -> Result<Undoing<'_>, Error> {
        let what = undoing(&self.one)?;
        match (&what, &self.one.what) {
            (Undoing::Suspension { stack, .. }, What::Values(changes)) => {
                if let [Changed::Suspended { after, .. }] = changes.as_slice()
                    && settings(&cluster.ledger, stack).await?.suspended != *after
                {
                    return Err(self.overtaken(Subject::Suspension((*stack).clone())).into());
                }
            }
            (Undoing::Nodes(changes), _) => {
                let (_, now) = node_records::read(&cluster.ledger).await?;
                if let Some(node) = back::overtaken(&now, changes) {
                    return Err(self.overtaken(Subject::Node(node.clone())).into());
                }
            }
            _ => {}
        }
        Ok(what)
    }

    /// That what it changed was changed again since.
    fn overtaken(&self, what: Subject) -> NotUndone {
        let one = &self.one;
        let is_same = |change: &Changed| match (change, &what) {
            (Changed::Suspended { stack, .. }, Subject::Suspension(of)) => stack == of,
            (Changed::Node { node, .. }, Subject::Node(of)) => node == of,
            _ => false,
        };
        let touches = |other: &&Operation| match &other.what {
            What::Values(changes) => other.at >= one.at && other.id != one.id && changes.iter().any(is_same),
            What::Release { .. } => false,
        };
        let later = self.log.iter().take_while(|other| other.id != one.id).filter(touches);
        let later = later.map(|other| (other.id.clone(), other.verb.clone())).collect();
        NotUndone::Overtaken { id: one.id.clone(), verb: one.verb.clone(), later, what }
    }

    /// Plans the release in which a release of a stack is undone; with `dry_run`, only to look at it.
    ///
    /// # Errors
    ///
    /// If it cannot be undone, or the ledger cannot be read.
    pub async fn job<E: From<Error>>(
        &self,
        cluster: &Cluster,
        stack: &StackName,
        number: u64,
        message: Option<String>,
        dry_run: bool,
    ) -> Result<Job<E>, Error> {
        let edit = self.edit(stack, number);
        let remembered = cluster.remembered_open(stack).await?;
        if dry_run {
            remembered.check_ends_from(number, stack)?;
        }
        let spec = edit(&remembered.history)?;
        let plan =
            async { Planned::make(cluster.observe_for(&spec).await, spec, cluster.plan_options(true)) };
        let draft = Draft { verb: format!("undo {}", self.one.id), message, ..Draft::default() };
        let Job { plan, order } = Order::job(cluster, stack, (!dry_run).then_some(draft), plan).await;
        Ok(Job { plan, order: order.map(|order| order.map(|order| order.edited_by(edit))) })
    }

    /// Makes the spec in which a release of a stack is undone and what came later stays.
    fn edit(&self, stack: &StackName, number: u64) -> Edit {
        let (stack, verb) = (stack.clone(), self.one.verb.clone());
        Arc::new(move |history| Ok(Undo { stack: &stack, verb: &verb, number, history }.spec()?))
    }
}

fn undoing(one: &Operation) -> Result<Undoing<'_>, NotUndone> {
    let cannot = |why| Err(NotUndone::Cannot { id: one.id.clone(), verb: one.verb.clone(), why });
    match (&one.id, &one.what) {
        (Id::Release(..), _) if one.state == State::UnderWay => cannot(Obstacle::UnderWay),
        (Id::Release(stack, number), _) => Ok(Undoing::Release(stack, *number)),
        (_, What::Release { .. }) => cannot(Obstacle::NoRelease),
        (_, What::Values(changes)) => match changes.as_slice() {
            [Changed::Suspended { stack, before, .. }] => Ok(Undoing::Suspension { stack, before }),
            [Changed::Node { .. }, ..] => Ok(Undoing::Nodes(changes)),
            [Changed::Healed { .. }, ..] => cannot(Obstacle::Healed),
            [Changed::Lease { .. }, ..] => cannot(Obstacle::Lock),
            [] | [Changed::Suspended { .. }, _, ..] => cannot(Obstacle::Records),
        },
    }
}

/// A release that is undone, beside the newest history.
struct Undo<'a> {
    stack: &'a StackName,
    verb: &'a str,
    number: u64,
    history: &'a History,
}

impl Undo<'_> {
    fn id(&self) -> Id {
        Id::Release(self.stack.clone(), self.number)
    }

    fn cannot(&self, why: Obstacle) -> NotUndone {
        NotUndone::Cannot { id: self.id(), verb: self.verb.to_owned(), why }
    }

    /// What is to be declared now.
    fn spec(&self) -> Result<StackSpec, NotUndone> {
        let Self { history, number, .. } = *self;
        let forgotten = || self.cannot(Obstacle::Forgotten);
        let (release, outcome) = history.releases.get(&number).ok_or_else(forgotten)?;
        let before = match history.before(number) {
            Ok(Some(current)) => current.spec,
            Ok(None) if number == 1 || history.releases.range(..number).next().is_some() => {
                StackSpec::empty(self.stack.clone())
            }
            Ok(None) => return Err(forgotten()),
            Err(why) => return Err(self.cannot(Obstacle::NoBefore(why))),
        };
        let ours = changed(&before, release, outcome.as_ref());
        if ours.is_empty() {
            return Err(self.cannot(match outcome {
                Some(Outcome::NotBegun { .. }) => Obstacle::NotBegun,
                Some(Outcome::RolledBack { .. }) => Obstacle::RolledBack,
                _ => Obstacle::OnlyTasks,
            }));
        }
        let spec = match history.last() {
            Some((newest, ..)) if newest == number => before,
            _ => self.beside_later(&before, &ours)?,
        };
        Ok(keep_forced(spec, history))
    }

    /// What is declared now, with the services that the release changed as they were before it.
    fn beside_later(&self, before: &StackSpec, ours: &BTreeSet<ServiceName>) -> Result<StackSpec, NotUndone> {
        let mut later: BTreeMap<u64, &str> = BTreeMap::new();
        let mut what: BTreeSet<ServiceName> = BTreeSet::new();
        for (at, (release, outcome)) in self.history.releases.range(self.number + 1..) {
            let then = declared_before(self.history, *at).and_then(|(_, spec)| spec);
            let then = then.unwrap_or_else(|| StackSpec::empty(self.stack.clone()));
            let theirs = changed(&then, release, outcome.as_ref());
            for name in ours.intersection(&theirs) {
                later.insert(*at, &release.verb);
                what.insert(name.clone());
            }
        }
        if !later.is_empty() {
            let later = later.into_iter();
            let later = later.map(|(at, verb)| (Id::Release(self.stack.clone(), at), verb.to_owned()));
            return Err(NotUndone::Overtaken {
                id: self.id(),
                verb: self.verb.to_owned(),
                later: later.collect(),
                what: Subject::Services(what),
            });
        }
        let current = self.history.current().map_err(|why| self.cannot(Obstacle::NoCurrent(why)))?;
        put_back(&current.spec, Some(before), ours)
            .map_err(|config| self.cannot(Obstacle::TwoContents(config)))
    }
}

/// Services that a release declared differently, and that did not go back by themselves.
fn changed(before: &StackSpec, release: &Release, outcome: Option<&Outcome>) -> BTreeSet<ServiceName> {
    let went_back = |name: &ServiceName| match outcome {
        Some(Outcome::RolledBack { services: None, .. } | Outcome::NotBegun { .. }) => true,
        Some(Outcome::RolledBack { services: Some(services), .. }) => services.contains(name),
        _ => false,
    };
    let all = touched(Some(before), &release.spec).into_iter();
    all.filter(|(name, touch)| *touch != Touch::Restarted && !went_back(name)).map(|(name, _)| name).collect()
}

/// How often services were restarted is not undone: their tasks would be replaced for nothing.
fn keep_forced(mut spec: StackSpec, history: &History) -> StackSpec {
    let current = match history.current() {
        Ok(current) => Some(current.spec),
        Err(_) => history.last().map(|(_, release, _)| release.spec.clone()),
    };
    for service in spec.services.values_mut() {
        let now = current.as_ref().and_then(|current| current.services.get(&service.name));
        if let Some(now) = now
            && now.task.force_update != service.task.force_update
        {
            Arc::make_mut(&mut service.task).force_update = now.task.force_update;
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::testing::{replicated, stack, with_image};

    /// Releases from 1 on, each with an image of `web` and one of `db`.
    fn history(releases: &[(&str, &str)]) -> History {
        let release = |(web, db): &(&str, &str)| {
            let services = vec![with_image(replicated("web", 1), web), with_image(replicated("db", 1), db)];
            let release = Release::of(stack(services), "deploy".into(), "ann@mill".into(), Timestamp(1));
            (release, Some(Outcome::Deployed))
        };
        History { releases: (1..).zip(releases.iter().map(release)).collect(), ..History::default() }
    }

    fn undone(history: &History, number: u64) -> Result<Vec<String>, NotUndone> {
        let name = history.releases[&1].0.spec.name.clone();
        let spec = Undo { stack: &name, verb: "deploy", number, history }.spec()?;
        Ok(spec.services.values().map(|service| service.task.image.clone()).collect())
    }

    #[test]
    fn only_what_a_release_changed_goes_back() {
        let all = [("web:1", "db:1"), ("web:2", "db:1"), ("web:2", "db:2")];
        assert_eq!(undone(&history(&all[..2]), 2).unwrap(), ["db:1", "web:1"]);
        assert_eq!(undone(&history(&all), 2).unwrap(), ["db:2", "web:1"], "what came later stays");
        assert!(undone(&history(&all[..1]), 1).unwrap().is_empty(), "before the first there was nothing");
    }

    #[test]
    fn a_later_change_of_the_same_service_forbids_it() {
        let all = history(&[("web:1", "db:1"), ("web:2", "db:1"), ("web:2", "db:2"), ("web:3", "db:2")]);
        let name = all.releases[&1].0.spec.name.clone();
        assert_eq!(
            undone(&all, 2).unwrap_err(),
            NotUndone::Overtaken {
                id: Id::Release(name.clone(), 2),
                verb: "deploy".into(),
                later: vec![(Id::Release(name, 4), "deploy".into())],
                what: Subject::Services([ServiceName::unchecked("web")].into()),
            }
        );
    }

    #[test]
    fn what_left_nothing_behind_is_not_undone() {
        let why = |history: &History, number| match undone(history, number) {
            Err(NotUndone::Cannot { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        let mut all = history(&[("web:1", "db:1"), ("web:1", "db:1")]);
        assert_eq!(why(&all, 2), Obstacle::OnlyTasks);
        assert_eq!(why(&all, 3), Obstacle::Forgotten);
        all.releases.get_mut(&2).unwrap().1 = Some(Outcome::RolledBack { to: 1, services: None });
        assert_eq!(why(&all, 2), Obstacle::RolledBack);
    }
}
