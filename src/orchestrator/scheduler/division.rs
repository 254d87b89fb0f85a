//! The nodes of a cluster divided by spread preferences, and which of them pass the filters that placing
//! does not change. The same for every service that asks the same, so it is made once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::site::Site;
use super::filter::{Fixed, Request};

/// Nodes divided by the values of labels, one level a preference.
#[derive(Debug)]
pub(crate) enum Division {
    /// Not divided any further; indices in order of name.
    Leaf {
        /// Every node, for counting the tasks that are there.
        all: Vec<u32>,
        /// Those that pass the filters.
        fit: Vec<u32>,
    },
    /// By value.
    Branches(Vec<Division>),
}

/// Divisions made so far.
#[derive(Debug, Default)]
pub(crate) struct Divisions(BTreeMap<Fixed, BTreeMap<Vec<String>, Rc<Division>>>);

impl Divisions {
    /// The division of the nodes for one service.
    ///
    /// Labels other than `node.labels.*` and `engine.labels.*` cannot be spread over; as in SwarmKit,
    /// they are skipped.
    pub(crate) fn of(
        &mut self,
        request: &Request,
        preferences: &[String],
        sites: &[Site<'_>],
    ) -> Rc<Division> {
        if let Some(known) = self.0.get(&request.fixed).and_then(|known| known.get(preferences)) {
            return Rc::clone(known);
        }
        let labels: Vec<Label<'_>> = preferences.iter().filter_map(|text| Label::parse(text)).collect();
        let all = (0..u32::try_from(sites.len()).expect("nodes fit in memory")).collect();
        let made = Rc::new(divide(&labels, all, request, sites));
        let known = self.0.entry(request.fixed.clone()).or_default();
        known.insert(preferences.to_vec(), Rc::clone(&made));
        made
    }
}

fn divide(labels: &[Label<'_>], all: Vec<u32>, request: &Request, sites: &[Site<'_>]) -> Division {
    let Some((first, rest)) = labels.split_first() else {
        let fit =
            all.iter().copied().filter(|at| request.check_fixed(&sites[*at as usize]).is_ok()).collect();
        return Division::Leaf { all, fit };
    };
    let mut by_value: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for at in all {
        by_value.entry(first.value(&sites[at as usize])).or_default().push(at);
    }
    Division::Branches(by_value.into_values().map(|nodes| divide(rest, nodes, request, sites)).collect())
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
