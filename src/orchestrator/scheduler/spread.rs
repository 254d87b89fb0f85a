//! Where first? A tree of spread preferences, with ranked nodes at its leaves.
//!
//! After SwarmKit's `decision_tree.go`: each `spread` divides the nodes by a label's value (a missing
//! label is a value of its own), and tasks go so as to level the counts of the service's tasks among the
//! branches, those already there included. Placing one task after another into the emptiest branch
//! gives the same levels as SwarmKit's division of a whole group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::super::site::Site;
use super::affinity::Tally;
use super::division::Division;
use super::filter::Request;
use super::rank::{Rank, rank};
use crate::model::spec::Strategy;

/// Nodes in the order in which they take tasks of one service.
pub(crate) struct Spread<'r> {
    request: &'r Request,
    strategy: Strategy,
    root: Tree,
}

enum Tree {
    Ranked(BinaryHeap<Reverse<Rank>>),
    /// Equals, best first, to draw from.
    Drawn(Vec<Vec<u32>>),
    Branches(Vec<Branch>),
}

struct Branch {
    tasks: u32,
    tree: Tree,
    full: bool,
}

impl<'r> Spread<'r> {
    /// Ranks the nodes of a division; the tally holds the service's tasks on each node.
    pub(crate) fn new(
        request: &'r Request,
        strategy: Strategy,
        division: &Division,
        sites: &[Site<'_>],
        tally: &Tally,
    ) -> Self {
        let mut spread = Self { request, strategy, root: Tree::Branches(Vec::new()) };
        spread.root = spread.grow(division, sites, tally).0;
        spread
    }

    /// The best node that has room; it is counted as taken. `seed` is for drawing.
    pub(crate) fn place(&mut self, sites: &mut [Site<'_>], tally: &mut Tally, seed: u64) -> Option<usize> {
        take(&mut self.root, (self.request, self.strategy), sites, tally, seed)
    }

    /// The tree of a division, and the tasks of the service in it.
    fn grow(&self, division: &Division, sites: &[Site<'_>], tally: &Tally) -> (Tree, u32) {
        match division {
            Division::Leaf { all, fit } => {
                let ranks =
                    fit.iter().map(|at| rank(self.strategy, *at, self.request, &sites[*at as usize], tally));
                let tree = if self.strategy == Strategy::Random {
                    let mut equals: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
                    ranks.for_each(|(key, _, node)| equals.entry(key).or_default().push(node));
                    Tree::Drawn(equals.into_values().collect())
                } else {
                    Tree::Ranked(ranks.map(Reverse).collect())
                };
                (tree, all.iter().map(|at| tally.counts[*at as usize]).sum())
            }
            Division::Branches(parts) => {
                let branches: Vec<Branch> = parts
                    .iter()
                    .map(|part| {
                        let (tree, tasks) = self.grow(part, sites, tally);
                        Branch { tasks, tree, full: false }
                    })
                    .collect();
                let tasks = branches.iter().map(|branch| branch.tasks).sum();
                (Tree::Branches(branches), tasks)
            }
        }
    }
}

fn take(
    tree: &mut Tree,
    (request, strategy): (&Request, Strategy),
    sites: &mut [Site<'_>],
    tally: &mut Tally,
    seed: u64,
) -> Option<usize> {
    // Room only shrinks while one service is placed: a node without any is out for good. Asked only
    // now, as most nodes of a large cluster never get to the top.
    let has_room = |at: usize, sites: &[Site<'_>], tally: &Tally| {
        request.check_room(&sites[at], tally.counts[at]).is_ok()
    };
    match tree {
        Tree::Ranked(heap) => {
            // A missing affinity may be met later while the service is placed: not excluded for good.
            let mut lonely = Vec::new();
            let found = loop {
                let Some(Reverse(ranked)) = heap.pop() else { break None };
                let at = ranked.2 as usize;
                if !has_room(at, sites, tally) {
                    continue;
                }
                if tally.refuses(at) {
                    if tally.draws_its_own() {
                        lonely.push(Reverse(ranked));
                    }
                    continue;
                }
                // Soft affinities change with each task placed.
                let now = rank(strategy, ranked.2, request, &sites[at], tally);
                if now > ranked {
                    heap.push(Reverse(now));
                    continue;
                }
                sites[at].load.add(&request.demand);
                tally.add(at);
                heap.push(Reverse(rank(strategy, ranked.2, request, &sites[at], tally)));
                break Some(at);
            };
            heap.extend(lonely);
            found
        }
        Tree::Drawn(equals) => equals.iter_mut().find_map(|nodes| {
            let mut left = nodes.clone();
            while !left.is_empty() {
                let drawn = usize::try_from(seed % left.len() as u64).unwrap_or(0);
                let at = left.swap_remove(drawn) as usize;
                if !has_room(at, sites, tally) {
                    nodes.retain(|node| *node as usize != at);
                } else if !tally.refuses(at) {
                    sites[at].load.add(&request.demand);
                    tally.add(at);
                    return Some(at);
                }
            }
            None
        }),
        Tree::Branches(branches) => loop {
            let emptiest =
                branches.iter_mut().filter(|branch| !branch.full).min_by_key(|branch| branch.tasks)?;
            match take(&mut emptiest.tree, (request, strategy), sites, tally, seed) {
                Some(at) => {
                    emptiest.tasks += 1;
                    return Some(at);
                }
                None => emptiest.full = true,
            }
        },
    }
}
