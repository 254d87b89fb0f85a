//! Circles among services that wait for one another, and where they are broken.
//!
//! Docker starts services in any order, so a cycle in `depends_on` is no error there. Here all edges are kept
//! except those that close a cycle. Which ones those are depends on the names alone: a stackfile and the
//! release that was made of it lose the same edges.

use std::collections::{BTreeMap, BTreeSet};

/// Each cycle as the names along it, with the first one repeated at the end: the last edge closes it. Without
/// these edges there is no cycle left.
///
/// `edges` has each service's dependencies; names that are no service are ignored. Goes
/// through the services without recursion: a file may have a chain of any length.
#[must_use]
pub fn circles<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in edges.keys() {
        let mut trail: Vec<(&'a str, std::collections::btree_set::Iter<'_, &'a str>)> = Vec::new();
        let mut open: BTreeMap<&str, usize> = BTreeMap::new();
        let mut next = Some(*start);
        loop {
            if let Some(name) = next.take()
                && !done.contains(name)
                && let Some(needed) = edges.get(name)
            {
                open.insert(name, trail.len());
                trail.push((name, needed.iter()));
            }
            let Some((name, needed)) = trail.last_mut() else { break };
            match needed.next() {
                None => {
                    done.insert(name);
                    open.remove(name);
                    trail.pop();
                }
                Some(needed) => match open.get(needed) {
                    None => next = Some(needed),
                    Some(&at) => {
                        found.push(trail[at..].iter().map(|(name, _)| *name).chain([*needed]).collect());
                    }
                },
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(&'static str, &[&'static str])]) -> Vec<String> {
        let edges = edges.iter().map(|(name, needed)| (*name, needed.iter().copied().collect())).collect();
        circles(&edges).iter().map(|ring| ring.join(" ")).collect()
    }

    #[test]
    fn each_circle_is_found_with_the_edge_that_closes_it() {
        assert_eq!(found(&[("a", &["b"]), ("b", &["c", "x"]), ("c", &[])]), [""; 0]);
        assert_eq!(found(&[("a", &["a"])]), ["a a"]);
        assert_eq!(found(&[("web", &["db"]), ("db", &["api"]), ("api", &["web"])]), ["api web db api"]);
        assert_eq!(
            found(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["a", "b"])]),
            ["a b a", "a b c a", "b c b"]
        );
        assert_eq!(found(&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])]), ["a b a", "c d c"]);
    }

    #[test]
    fn without_the_closing_edges_no_circle_is_left() {
        // Every graph of four services.
        let names = ["a", "b", "c", "d"];
        for bits in 0..1_u32 << 16 {
            let has = |one: usize, other: usize| bits >> (one * 4 + other) & 1 == 1;
            let needed =
                |one: usize| (0..4).filter(|other| has(one, *other)).map(|other| names[other]).collect();
            let mut edges: BTreeMap<&str, BTreeSet<&str>> =
                (0..4).map(|one| (names[one], needed(one))).collect();
            for ring in circles(&edges) {
                let [.., from, to] = ring[..] else { panic!("{ring:?}") };
                edges.get_mut(from).unwrap().remove(to);
            }
            assert_eq!(circles(&edges), [[""; 0]; 0], "{bits:x}");
        }
    }
}
