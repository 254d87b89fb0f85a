//! Where first? A tree of spread preferences, with ranked nodes at its leaves.
//!
//! After SwarmKit's `decision_tree.go`: each `spread` divides the nodes by a label's value (a missing
//! label is a value of its own), and tasks go so as to level the counts of the service's tasks among the
//! branches, those already there included. Placing one task after another into the emptiest branch
//! gives the same levels as SwarmKit's division of a whole group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::super::site::Site;
use super::filter::Request;

/// Nodes in the order in which they take tasks of one service.
pub(crate) struct Spread<'r> {
    request: &'r Request,
    root: Tree,
}

enum Tree {
    Leaf(BinaryHeap<Reverse<Rank>>),
    Branches(Vec<Branch>),
}

struct Branch {
    tasks: u32,
    tree: Tree,
    full: bool,
}

/// Fewer tasks of the service; holds the service's volumes; fewer tasks; name (nodes are in its order).
type Rank = (u32, bool, u32, usize);

impl<'r> Spread<'r> {
    /// Sorts the nodes that pass the filters which placing does not change.
    ///
    /// `counts` holds the service's tasks on each node. Labels other than `node.labels.*` and
    /// `engine.labels.*` cannot be spread over; as in SwarmKit, they are skipped.
    pub(crate) fn new(
        request: &'r Request,
        preferences: &[String],
        sites: &[Site<'_>],
        counts: &[u32],
    ) -> Self {
        let preferences: Vec<Label<'_>> = preferences.iter().filter_map(|text| Label::parse(text)).collect();
        let all: Vec<usize> = (0..sites.len()).collect();
        Self { request, root: grow(&preferences, &all, request, sites, counts) }
    }

    /// The best node that has room; it is counted as taken.
    pub(crate) fn place(&mut self, sites: &mut [Site<'_>], counts: &mut [u32]) -> Option<usize> {
        take(&mut self.root, self.request, sites, counts)
    }
}

enum Label<'a> {
    Node(&'a str),
    Engine(&'a str),
}

impl<'a> Label<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let cut = |prefix: &str| {
            text.get(..prefix.len())
                .filter(|head| head.eq_ignore_ascii_case(prefix))
                .map(|_| &text[prefix.len()..])
        };
        cut("node.labels.").map(Self::Node).or_else(|| cut("engine.labels.").map(Self::Engine))
    }

    fn value<'s>(&self, site: &'s Site<'_>) -> &'s str {
        match self {
            Self::Node(name) => site.member.labels.get(*name).map_or("", String::as_str),
            Self::Engine(name) => {
                site.view.ok().and_then(|facts| facts.engine_labels.get(*name)).map_or("", String::as_str)
            }
        }
    }
}

fn grow(
    preferences: &[Label<'_>],
    nodes: &[usize],
    request: &Request,
    sites: &[Site<'_>],
    counts: &[u32],
) -> Tree {
    let Some((first, rest)) = preferences.split_first() else {
        let fits = |at: &usize| {
            let site = &sites[*at];
            request.check_fixed(site).is_ok() && request.check_room(site, counts[*at]).is_ok()
        };
        return Tree::Leaf(
            nodes.iter().copied().filter(fits).map(|at| Reverse(rank(at, request, sites, counts))).collect(),
        );
    };
    let mut by_value: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in nodes {
        by_value.entry(first.value(&sites[*at])).or_default().push(*at);
    }
    let branch = |nodes: Vec<usize>| Branch {
        tasks: nodes.iter().map(|at| counts[*at]).sum(),
        tree: grow(rest, &nodes, request, sites, counts),
        full: false,
    };
    Tree::Branches(by_value.into_values().map(branch).collect())
}

fn rank(at: usize, request: &Request, sites: &[Site<'_>], counts: &[u32]) -> Rank {
    let lacks_volumes = !request.named_volumes.is_empty()
        && !sites[at]
            .view
            .is_ok_and(|facts| request.named_volumes.iter().any(|name| facts.volumes.contains(name)));
    (counts[at], lacks_volumes, sites[at].load.tasks, at)
}

fn take(tree: &mut Tree, request: &Request, sites: &mut [Site<'_>], counts: &mut [u32]) -> Option<usize> {
    match tree {
        Tree::Leaf(heap) => {
            let Reverse((_, _, _, at)) = heap.pop()?;
            sites[at].load.add(&request.demand);
            counts[at] += 1;
            // Room only shrinks while one service is placed: a node without any is out for good.
            if request.check_room(&sites[at], counts[at]).is_ok() {
                heap.push(Reverse(rank(at, request, sites, counts)));
            }
            Some(at)
        }
        Tree::Branches(branches) => loop {
            let emptiest =
                branches.iter_mut().filter(|branch| !branch.full).min_by_key(|branch| branch.tasks)?;
            match take(&mut emptiest.tree, request, sites, counts) {
                Some(at) => {
                    emptiest.tasks += 1;
                    return Some(at);
                }
                None => emptiest.full = true,
            }
        },
    }
}
