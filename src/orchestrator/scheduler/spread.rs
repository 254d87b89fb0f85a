//! Where first? A tree of spread preferences, with ranked nodes at its leaves.
//!
//! After SwarmKit's `decision_tree.go`: each `spread` divides the nodes by a label's value (a missing
//! label is a value of its own), and tasks go so as to level the counts of the service's tasks among the
//! branches, those already there included. Placing one task after another into the emptiest branch
//! gives the same levels as SwarmKit's division of a whole group.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::site::Site;
use super::division::Division;
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
type Rank = (u32, bool, u32, u32);

impl<'r> Spread<'r> {
    /// Ranks the nodes of a division; `counts` holds the service's tasks on each node.
    pub(crate) fn new(request: &'r Request, division: &Division, sites: &[Site<'_>], counts: &[u32]) -> Self {
        Self { request, root: grow(division, request, sites, counts).0 }
    }

    /// The best node that has room; it is counted as taken.
    pub(crate) fn place(&mut self, sites: &mut [Site<'_>], counts: &mut [u32]) -> Option<usize> {
        take(&mut self.root, self.request, sites, counts)
    }
}

/// The tree of a division, and the tasks of the service in it.
fn grow(division: &Division, request: &Request, sites: &[Site<'_>], counts: &[u32]) -> (Tree, u32) {
    match division {
        Division::Leaf { all, fit } => {
            let ranks = fit.iter().map(|at| Reverse(rank(*at, request, sites, counts)));
            (Tree::Leaf(ranks.collect()), all.iter().map(|at| counts[*at as usize]).sum())
        }
        Division::Branches(parts) => {
            let branches: Vec<Branch> = parts
                .iter()
                .map(|part| {
                    let (tree, tasks) = grow(part, request, sites, counts);
                    Branch { tasks, tree, full: false }
                })
                .collect();
            let tasks = branches.iter().map(|branch| branch.tasks).sum();
            (Tree::Branches(branches), tasks)
        }
    }
}

fn rank(node: u32, request: &Request, sites: &[Site<'_>], counts: &[u32]) -> Rank {
    let at = node as usize;
    let lacks_volumes = !request.named_volumes.is_empty()
        && !sites[at]
            .view
            .is_ok_and(|facts| request.named_volumes.iter().any(|name| facts.volumes.contains(name)));
    (counts[at], lacks_volumes, sites[at].load.tasks, node)
}

fn take(tree: &mut Tree, request: &Request, sites: &mut [Site<'_>], counts: &mut [u32]) -> Option<usize> {
    match tree {
        Tree::Leaf(heap) => loop {
            let Reverse((_, _, _, node)) = heap.pop()?;
            let at = node as usize;
            // Room only shrinks while one service is placed: a node without any is out for good. Asked
            // only now, as most nodes of a large cluster never get to the top.
            if request.check_room(&sites[at], counts[at]).is_err() {
                continue;
            }
            sites[at].load.add(&request.demand);
            counts[at] += 1;
            heap.push(Reverse(rank(node, request, sites, counts)));
            return Some(at);
        },
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
