//! Which of the nodes that fit is best, by strategy.
//!
//! *spread*, in this order:
//!
//! 1. fewer soft constraints and affinities missed (Swarm classic tries with them enforced first);
//! 2. fewer tasks of the service (SwarmKit, `manager/scheduler/nodeinfo.go` and `scheduler.go`);
//! 3. it holds the service's volumes already (ours: a stack that comes back finds its data);
//! 4. fewer tasks in all (SwarmKit);
//! 5. the lower reserved share of CPU or memory, whichever is higher, with the task there, in tenths
//!    (after Swarm classic's `scheduler/strategy/weighted_node.go`; coarse, so that the next key counts);
//! 6. it has the image (ours: nothing to pull);
//! 7. the name.
//!
//! The last three only decide what SwarmKit leaves to the order of a map. Its first key, failures of the
//! last five minutes, needs a memory that a plan does not have.
//!
//! *binpack*: 1 and 3 as above, then the higher reserved share in thousandths, more tasks in all, the
//! image, more tasks of the service, the name. Nodes without room are out before, so the fullest that
//! still fits is taken, as in Swarm classic.
//!
//! *random* knows 1 and 3 only, and then draws.

use super::super::site::Site;
use super::affinity::Tally;
use super::filter::Request;
use crate::model::spec::Strategy;

/// Lower is better. Keys are packed side by side: most of the time of a large plan goes into comparing
/// these. The last part is the node, in order of name.
pub(crate) type Rank = (u64, u64, u32);

/// Ranks one node that passes the filters.
pub(crate) fn rank(strategy: Strategy, node: u32, request: &Request, site: &Site<'_>, tally: &Tally) -> Rank {
    let at = node as usize;
    let preferences = (request.preferences_missed(site) + tally.preferences_missed(at)).min(0xff) << 48;
    let lacks_volumes = u64::from(lacks_volumes(request, site));
    let (count, tasks) = (u64::from(tally.counts[at]), u64::from(site.load.tasks));
    let no_image = u64::from(!has_image(request, site));
    match strategy {
        Strategy::Spread => {
            let high = preferences | count << 1 | lacks_volumes;
            (high, tasks << 5 | reserved(request, site, 10) << 1 | no_image, node)
        }
        Strategy::Binpack => {
            let free = 1_000 - reserved(request, site, 1_000);
            let few = |n: u64| u64::from(u32::MAX) - n.min(u64::from(u32::MAX));
            let high = preferences | lacks_volumes << 32 | free << 16;
            (high, few(tasks) << 32 | no_image << 31 | few(count) >> 1, node)
        }
        Strategy::Random => (preferences | lacks_volumes, 0, node),
    }
}

/// The share of the node that is reserved once the task is there, of `parts`: the higher one of CPU and
/// memory.
pub(crate) fn reserved(request: &Request, site: &Site<'_>, parts: i64) -> u64 {
    let share = |taken: i64, asked: i64, all: i64| {
        if all <= 0 { 0 } else { (taken.saturating_add(asked)).saturating_mul(parts) / all }
    };
    let (load, demand, capacity) = (&site.load, &request.demand, &site.capacity);
    let cpus = share(load.nano_cpus / 1_000, demand.nano_cpus / 1_000, capacity.nano_cpus / 1_000);
    let memory = share(load.memory >> 10, demand.memory >> 10, capacity.memory >> 10);
    u64::try_from(cpus.max(memory).clamp(0, parts)).unwrap_or(0)
}

/// Whether a service has named volumes, and the node has none of them.
pub(crate) fn lacks_volumes(request: &Request, site: &Site<'_>) -> bool {
    !request.named_volumes.is_empty()
        && !site.view.is_ok_and(|facts| request.named_volumes.iter().any(|name| facts.volumes.contains(name)))
}

/// Whether the image need not be pulled.
pub(crate) fn has_image(request: &Request, site: &Site<'_>) -> bool {
    let Some(image) = &request.image else { return false };
    site.view.is_ok_and(|facts| facts.images.contains(image))
}
