//! Pushing an image to hosts: what each of them lacks, and bringing it to all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::listed::normal;
use super::source::AtHand;
use super::ways::{Lacking, groups};
use crate::engine::Writing;
use crate::fleet::images::{Checked, Meter, Need, NotPushed, Push, Pushed};
use crate::fleet::{Fleet, HostError};
use crate::image::Fault;
use crate::image::load::Store;
use crate::ledger::LedgerError;
use crate::model::NodeName;
use crate::model::spec::Platform;
use crate::ops::log::{Actor, NewEntry, Unended, logged};

/// Between two reports of how far a push has come.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The verb of these operations; names follow. What was pushed is read back from them: see [`pushed()`].
pub const VERB: &str = "image push";

/// What a push does.
#[derive(Debug)]
pub struct Plan {
    /// What the image is called on the hosts.
    pub names: Vec<String>,
    /// What each host lacks, and the image for it: not read where all hosts have it.
    pub hosts: BTreeMap<NodeName, (Option<Arc<Checked>>, Need)>,
    /// Hosts that do not answer.
    pub silent: BTreeMap<NodeName, HostError>,
}

/// Why nothing is pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum NotPlanned {
    /// Hosts of other platforms than the image's.
    #[error("the image is for {image} alone, and {} {} other: {}", hosts.len(), are(hosts), listed(hosts))]
    #[diagnostic(
        code(stackctl::image::wrong_platform),
        help("nothing was sent; build it for these too, or name the hosts that are to have it: `--host h1`")
    )]
    Platform {
        /// What it is for.
        image: String,
        /// The hosts, and what they are.
        hosts: BTreeMap<NodeName, Platform>,
    },
    /// The image cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fault(#[from] Fault),
    /// An engine does not say what it has.
    #[error("{node} does not say which images it has: {why}")]
    #[diagnostic(code(stackctl::image::not_listed), help("nothing was sent; try `docker image ls` there"))]
    NotListed {
        /// The host.
        node: NodeName,
        /// Why.
        why: String,
    },
}

fn are(hosts: &BTreeMap<NodeName, Platform>) -> &'static str {
    if hosts.len() == 1 { "host is" } else { "hosts are" }
}

fn listed(hosts: &BTreeMap<NodeName, Platform>) -> String {
    let of = |(node, is): (&NodeName, &Platform)| format!("{node} ({}/{})", is.os, is.architecture);
    hosts.iter().map(of).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// Asks hosts what they lack. Changes nothing.
    ///
    /// # Errors
    ///
    /// A host is of another platform, an engine does not say what it has, or the image cannot be read.
    pub async fn of(
        fleet: &Fleet,
        image: &AtHand,
        hosts: impl IntoIterator<Item = NodeName>,
    ) -> Result<Self, NotPlanned> {
        let (plan, others) = Self::of_fitting(fleet, image, hosts).await?;
        if !others.is_empty() {
            return Err(NotPlanned::Platform { image: image.platforms(), hosts: others });
        }
        Ok(plan)
    }

    /// A plan that sends nothing, if every host has the image, by its id, under these names; `None` otherwise. It can be
    /// known before the image is read where the hosts' engines and the one that the id is of have graph drivers.
    pub async fn if_everywhere(
        fleet: &Fleet,
        id: &str,
        names: &[String],
        hosts: &[NodeName],
    ) -> Option<Self> {
        let asked = hosts.iter().map(async |node| (node, fleet.images_of(node).await));
        let mut plan = Self { names: names.to_vec(), hosts: BTreeMap::new(), silent: BTreeMap::new() };
        for (node, has) in join_all(asked).await {
            let has = match has {
                Ok(has) => has,
                Err(error) => {
                    plan.silent.insert(node.clone(), error);
                    continue;
                }
            };
            // That store may have an image and lack some of its layers, which the id does not say.
            let held = has.images.iter().find(|held| held.id == id && has.store == Store::GraphDriver)?;
            let is_named = |name: &String| held.names.iter().any(|other| normal(other) == normal(name));
            if !names.iter().all(is_named) {
                return None;
            }
            let (id, store, names) = (id.to_owned(), has.store, Vec::new());
            let need = Need { id, store, has: 0, lacks: 0, bytes: 0, names, has_parts: false };
            plan.hosts.insert(node.clone(), (None, need));
        }
        Some(plan)
    }

    /// The same for the hosts that could run the image; and the platforms of the others.
    ///
    /// # Errors
    ///
    /// An engine does not say what it has, or the image cannot be read.
    pub async fn of_fitting(
        fleet: &Fleet,
        image: &AtHand,
        hosts: impl IntoIterator<Item = NodeName>,
    ) -> Result<(Self, BTreeMap<NodeName, Platform>), NotPlanned> {
        let asked = hosts.into_iter().map(async |node| {
            let need = fleet.image_need(&node, &image.images, &image.names).await;
            (node, need)
        });
        let (mut hosts, mut silent, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (node, need) in join_all(asked).await {
            match need {
                Ok((image, need)) => {
                    hosts.insert(node, (Some(image), need));
                }
                Err(NotPushed::Silent(error)) => {
                    silent.insert(node, error);
                }
                Err(NotPushed::Platform { host, .. }) => {
                    others.insert(node, host);
                }
                Err(NotPushed::Fault(fault)) => return Err(fault.into()),
                Err(why @ (NotPushed::Refused(_) | NotPushed::Other { .. })) => {
                    return Err(NotPlanned::NotListed { node, why: why.to_string() });
                }
            }
        }
        Ok((Self { names: image.names.clone(), hosts, silent }, others))
    }

    /// Hosts that lack something.
    pub fn lacking(&self) -> impl Iterator<Item = (&NodeName, &Arc<Checked>, &Need)> {
        let all = self.hosts.iter().filter(|(_, (_, need))| !need.is_nothing());
        all.filter_map(|(node, (image, need))| Some((node, image.as_ref()?, need)))
    }

    /// Bytes of layers that are sent to all hosts together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.hosts.values().map(|(_, need)| need.bytes).sum()
    }
}

/// What came of each host.
pub type Results = BTreeMap<NodeName, Result<Pushed, NotPushed>>;

/// How the operation is written into the log if it failed.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{failed} of {all} hosts: {why}")]
    Failed { failed: usize, all: usize, why: String },
}

/// Who pushes, over which connections, and where that is written down.
#[derive(Debug, Clone, Copy)]
pub struct Hands<'a> {
    pub fleet: &'a Fleet,
    pub actor: &'a Actor,
    pub writing: &'a Writing,
    /// Agents may be asked to pass layers on.
    pub asks_agents: bool,
}

/// Brings the hosts of a plan what they lack, all at once. `far` hears every second of each host how far it has come,
/// and `done` of each when it has ended; `warn` hears why a host was not passed on what it should have been. A host that has the
/// image already is not asked again, and where all have it nothing is written down.
///
/// # Errors
///
/// If the operation cannot be written down, in which case nothing is sent.
pub async fn carry_out(
    hands: &Hands<'_>,
    plan: &Plan,
    far: impl Fn(&BTreeMap<NodeName, Arc<Meter>>),
    done: impl Fn(&NodeName, &Result<Pushed, NotPushed>),
    warn: impl Fn(&NodeName, &str),
    unended: impl FnOnce(Unended),
) -> Result<Results, LedgerError> {
    let lacking: Lacking<'_> = plan.lacking().collect();
    let mut results = Results::new();
    if lacking.is_empty() {
        return Ok(results);
    }
    let stamp = hands.actor.clock.now().0 / 1000;
    let meters: BTreeMap<NodeName, Arc<Meter>> =
        lacking.iter().map(|(node, ..)| ((*node).clone(), Arc::default())).collect();
    let work = async {
        let groups = if hands.asks_agents { groups(hands.fleet, &lacking).await } else { Vec::new() };
        let each = lacking.iter().map(async |(node, image, need)| {
            let group = groups.iter().find(|group| group.has_member(node));
            let (names, meter) = (plan.names.as_slice(), &meters[*node]);
            let push = Push { names, stamp, meter, group, warn: &|why| warn(node, why) };
            let pushed = hands.fleet.push_image(node, image, need, &push).await;
            done(node, &pushed);
            ((*node).clone(), pushed)
        });
        let all = tokio::select! {
            all = join_all(each) => all,
            never = report(&meters, &far) => match never {},
        };
        results.extend(all);
        let failed = results.values().filter(|result| result.is_err()).count();
        match results.iter().find_map(|(node, result)| Some((node, result.as_ref().err()?))) {
            None => Ok(()),
            Some((node, why)) => {
                Err(Unfinished::Failed { failed, all: results.len(), why: format!("{node}: {why}") })
            }
        }
    };
    let hosts: Vec<&str> = lacking.iter().map(|(node, ..)| node.as_str()).collect();
    let entry = NewEntry {
        verb: format!("{VERB} {}", plan.names.join(" ")),
        message: Some(format!("to {}: {}", hosts.join(", "), ids(plan).join(", "))),
        ..NewEntry::default()
    };
    match logged(hands.actor, hands.writing, entry, work, unended).await {
        Err(Unfinished::Ledger(error)) => Err(error),
        Ok(()) | Err(Unfinished::Failed { .. }) => Ok(results),
    }
}

async fn report(
    meters: &BTreeMap<NodeName, Arc<Meter>>,
    far: &impl Fn(&BTreeMap<NodeName, Arc<Meter>>),
) -> Infallible {
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        far(meters);
    }
}

/// What engines call the image.
fn ids(plan: &Plan) -> Vec<&str> {
    let ids: BTreeSet<&str> = plan.hosts.values().map(|(_, need)| need.id.as_str()).collect();
    ids.into_iter().collect()
}

/// Names and ids of an image that an operation of the log has pushed.
pub fn pushed<'a>(verb: &'a str, message: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let names = verb.strip_prefix(VERB);
    let ids = names.and(message).unwrap_or_default().split([' ', ',']);
    names.unwrap_or_default().split_whitespace().chain(ids.filter(|word| word.starts_with("sha256:")))
}
