//! What runs now, as it was declared.
//!
//! This is not simply the newest release: one that failed and was rolled back left some services on the spec
//! before it. Nor is it always known: after a failure, or an incomplete run, what runs matches no single
//! release. Looks at records only; what really runs is read from the hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use super::release::{History, Outcome, Release};
use crate::model::spec::{ConfigSpec, ServiceSpec};
use crate::model::{ServiceName, StackSpec};

/// What runs now, as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The newest release.
    pub number: u64,
    /// What is to run since then.
    pub spec: StackSpec,
    /// Services that are not as the newest release has them, and the release they are of; 0 is before
    /// any.
    pub older: BTreeMap<ServiceName, u64>,
}

/// Why the current spec is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[diagnostic(code(stackctl::history::no_current))]
pub enum NoCurrent {
    /// Nothing is remembered.
    #[error("no release of the stack is remembered")]
    #[diagnostic(help("deploy it: `stackctl deploy`"))]
    NoRelease,
    /// The stack was removed, or never came to be.
    #[error("since release {0} nothing of the stack is to run")]
    #[diagnostic(help("deploy it again, or bring an older release back: `stackctl rollback`"))]
    Removed(u64),
    /// The newest release did not come to a good end.
    #[error("release {number} {how}: what runs now is no release as a whole")]
    #[diagnostic(help("bring the stack to a known state first: `stackctl deploy`, or `stackctl rollback`"))]
    Unknown {
        number: u64,
        /// How it ended, or that it did not.
        how: &'static str,
    },
    /// The newest release is not at its end.
    #[error("release {0} is unfinished: it is under way, or was cut off")]
    #[diagnostic(help(
        "wait for it with `--lock-timeout 5m`; if no deploy is running, bring the stack to a known state: `stackctl \
         deploy`, or `stackctl rollback`"
    ))]
    Unfinished(u64),
    /// What was rolled back to is no longer remembered.
    #[error("release {number} was rolled back to release {to}, which is no longer remembered")]
    #[diagnostic(help("bring the stack to a known state first: `stackctl deploy`"))]
    Forgotten {
        number: u64,
        /// To which.
        to: u64,
    },
    /// One name for two things.
    #[error("since release {number} was rolled back in part, config {config} is in use with two contents")]
    #[diagnostic(help("bring the stack to one state first: `stackctl deploy`, or `stackctl rollback`"))]
    TwoContents {
        number: u64,
        /// Key of the config.
        config: String,
    },
}

impl Current {
    /// Of which release a service is.
    #[must_use]
    pub fn release_of(&self, service: &str) -> u64 {
        self.older.get(service).copied().unwrap_or(self.number)
    }
}

impl History {
    /// What runs now, as it was declared.
    pub fn current(&self) -> Result<Current, NoCurrent> {
        // Whatever is known is older, and may be out of date.
        if let Some(number) = self.newer_undecided() {
            return Err(NoCurrent::Unfinished(number));
        }
        let (newest, release, _) = self.last().ok_or(NoCurrent::NoRelease)?;
        self.current_at(newest).or_else(|why| self.unchanged(release).ok_or(why))
    }

    /// What ran before releases that declare nothing new. However those ended, such as a drain that was
    /// cut off, they only moved tasks or made up for drift.
    fn unchanged(&self, newest: &Release) -> Option<Current> {
        let same = self.releases.iter().rev().take_while(|(_, (release, _))| release.spec == newest.spec);
        let mut known = same.filter_map(|(number, _)| self.current_at(*number).ok());
        known.find(|current| current.spec == newest.spec)
    }

    /// What ran before the newest release, as it was declared; an empty stack before the first.
    pub fn before(&self, number: u64) -> Result<Option<Current>, NoCurrent> {
        match self.releases.range(..number).next_back() {
            None => Ok(None),
            Some((&before, _)) => match self.current_at(before) {
                Ok(current) => Ok(Some(current)),
                Err(NoCurrent::Removed(_)) => Ok(None),
                Err(why) => Err(why),
            },
        }
    }

    /// The previous spec of a service that differs from the current one, and the stack it was part of.
    /// Restarts alone do not count as a difference; releases whose result is not known are skipped.
    #[must_use]
    pub fn previous_of(&self, current: &Current, service: &str) -> Option<Current> {
        let plain = |spec: &ServiceSpec| {
            let mut spec = spec.clone();
            Arc::make_mut(&mut spec.task).force_update = 0;
            spec
        };
        let now = plain(current.spec.services.get(service)?);
        self.releases.range(..current.number).rev().find_map(|(&number, _)| {
            let then = self.current_at(number).ok()?;
            let differs = then.spec.services.get(service).is_some_and(|spec| plain(spec) != now);
            differs.then_some(then)
        })
    }

    fn current_at(&self, number: u64) -> Result<Current, NoCurrent> {
        let Some((release, outcome)) = self.releases.get(&number) else { return Err(NoCurrent::NoRelease) };
        let unknown = |how| Err(NoCurrent::Unknown { number, how });
        match outcome {
            Some(Outcome::Deployed) => {
                Ok(Current { number, spec: release.spec.clone(), older: BTreeMap::new() })
            }
            Some(Outcome::Removed) => Err(NoCurrent::Removed(number)),
            Some(Outcome::Failed) => unknown("failed"),
            Some(Outcome::Interrupted) => unknown("was interrupted"),
            Some(Outcome::Paused) => unknown("is paused"),
            Some(Outcome::Unknown) => unknown("ended in an unknown state"),
            None => Err(NoCurrent::Unfinished(number)),
            Some(Outcome::NotBegun { still }) => self.rolled_back(number, release, *still, None),
            Some(Outcome::RolledBack { to, services }) => {
                self.rolled_back(number, release, *to, services.as_ref())
            }
        }
    }

    fn rolled_back(
        &self,
        number: u64,
        release: &Release,
        to: u64,
        services: Option<&BTreeSet<ServiceName>>,
    ) -> Result<Current, NoCurrent> {
        let Some(services) = services else {
            return match to {
                0 => Err(NoCurrent::Removed(number)),
                _ => self.current_at(to).map_err(|why| match why {
                    NoCurrent::NoRelease => NoCurrent::Forgotten { number, to },
                    why => why,
                }),
            };
        };
        // The release before is what ran when this one began, and may itself have been rolled back in part.
        let before = self.before(number)?;
        if before.is_none() && to != 0 {
            return Err(NoCurrent::Forgotten { number, to });
        }
        let of = |name: &ServiceName| before.as_ref().map_or(0, |before| before.release_of(name.as_str()));
        let older = services.iter().map(|name| (name.clone(), of(name))).collect();
        let spec = put_back(&release.spec, before.as_ref().map(|before| &before.spec), services);
        let spec = spec.map_err(|config| NoCurrent::TwoContents { number, config })?;
        Ok(Current { number, spec, older })
    }
}

/// A stack with some of its services as they are in an older one, and what those need beside. The key of
/// a config that would have to have two contents, if there is one.
pub fn put_back(
    new: &StackSpec,
    old: Option<&StackSpec>,
    services: &BTreeSet<ServiceName>,
) -> Result<StackSpec, String> {
    let mut spec = new.clone();
    for name in services {
        match old.and_then(|old| old.services.get(name)) {
            Some(service) => drop(spec.services.insert(name.clone(), service.clone())),
            None => drop(spec.services.remove(name)),
        }
    }
    if let Some(old) = old {
        let (back, ahead): (Vec<&ServiceSpec>, Vec<&ServiceSpec>) =
            spec.services.values().partition(|service| services.contains(&service.name));
        let parts = merged(&spec, old, &ahead, &back)?;
        spec = StackSpec { services: spec.services, ..parts };
    }
    let used = |name: &str| spec.services.values().any(|one| one.task.networks.contains_key(name));
    spec.networks.retain(|_, network| used(&network.name));
    Ok(spec)
}

/// Networks, volumes and configs of `new`, and of `old` what only the services need that went back. The
/// key of a config that would have to be both.
fn merged(
    new: &StackSpec,
    old: &StackSpec,
    ahead: &[&ServiceSpec],
    back: &[&ServiceSpec],
) -> Result<StackSpec, String> {
    let mut all = StackSpec { services: BTreeMap::new(), ..new.clone() };
    let any = |of: &[&ServiceSpec], uses: &dyn Fn(&ServiceSpec) -> bool| of.iter().any(|one| uses(one));
    for (key, config) in &old.configs {
        let uses = |one: &ServiceSpec| one.task.configs.values().any(|mount| mount.source == *key);
        let same = |other: &ConfigSpec| other.digest == config.digest;
        if any(back, &uses) && !all.configs.get(key).is_some_and(same) {
            if any(ahead, &uses) {
                return Err(key.clone());
            }
            all.configs.insert(key.clone(), config.clone());
        }
    }
    for (key, secret) in &old.secrets {
        let uses = |one: &ServiceSpec| one.task.secrets.values().any(|mount| mount.source == *key);
        if any(back, &uses) && !any(ahead, &uses) {
            all.secrets.insert(key.clone(), secret.clone());
        }
    }
    for (key, network) in &old.networks {
        let uses = |one: &ServiceSpec| one.task.networks.contains_key(&network.name);
        if any(back, &uses) && !any(ahead, &uses) {
            all.networks.insert(key.clone(), network.clone());
        }
    }
    for (key, volume) in &old.volumes {
        let mounts = |one: &ServiceSpec| {
            one.task.volumes.values().any(|mount| mount.named_volume() == Some(&volume.name))
        };
        if any(back, &mounts) && !any(ahead, &mounts) {
            all.volumes.insert(key.clone(), volume.clone());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::FileMount;
    use crate::model::testing::{replicated, stack, with_image};
    use crate::model::{ServiceName, Timestamp};

    fn names(all: &[&str]) -> BTreeSet<ServiceName> {
        all.iter().copied().map(ServiceName::unchecked).collect()
    }

    fn back(to: u64, services: &[&str]) -> Option<Outcome> {
        Some(Outcome::RolledBack { to, services: Some(names(services)) })
    }

    /// `web:2 db:1`: services and their images.
    fn history(all: &[(&str, Option<Outcome>)]) -> History {
        let releases = all.iter().zip(1..).map(|((images, outcome), number)| {
            let services = images.split_whitespace().map(|image| {
                let name = image.split(':').next().unwrap();
                with_image(replicated(name, 1), image)
            });
            let spec = stack(services.collect());
            let release = Release::of(spec, "deploy".to_owned(), "ann@mill".to_owned(), Timestamp(5));
            (number, (release, outcome.clone()))
        });
        History { releases: releases.collect(), ..History::default() }
    }

    fn images(current: &Current) -> Vec<&str> {
        current.spec.services.values().map(|one| one.task.image.as_str()).collect()
    }

    #[test]
    fn what_was_deployed_well_runs() {
        let history = history(&[("web:1", None), ("web:2 db:2", Some(Outcome::Deployed))]);
        let current = history.current().unwrap();
        assert_eq!((current.number, images(&current)), (2, vec!["db:2", "web:2"]));
        assert_eq!(current.release_of("web"), 2);
    }

    #[test]
    fn a_rolled_back_service_has_its_previous_spec() {
        let good = || Some(Outcome::Deployed);
        let twice = history(&[
            ("web:1 db:1", good()),
            ("web:2 db:2 new:2", back(1, &["web", "new"])),
            ("web:3 db:3", back(1, &["web"])),
        ]);
        let current = twice.current().unwrap();
        assert_eq!((current.number, images(&current)), (3, vec!["db:3", "web:1"]));
        assert_eq!((current.release_of("web"), current.release_of("db")), (1, 3));
        let before = twice.before(3).unwrap().unwrap();
        assert_eq!((before.number, images(&before)), (2, vec!["db:2", "web:1"]), "new is not there");
        let whole = Some(Outcome::RolledBack { to: 2, services: None });
        let history = history(&[("web:1 db:1", good()), ("web:2 db:2", back(1, &["web"])), ("web:3", whole)]);
        assert_eq!(images(&history.current().unwrap()), ["db:2", "web:1"]);
    }

    #[test]
    fn what_was_not_begun_left_all_as_it_was() {
        let still = Some(Outcome::NotBegun { still: 1 });
        let history =
            history(&[("web:1", Some(Outcome::Deployed)), ("web:2", still.clone()), ("web:3", still)]);
        let current = history.current().unwrap();
        assert_eq!((current.number, images(&current)), (1, vec!["web:1"]));
    }

    #[test]
    fn the_previous_spec_of_a_service_is_the_last_that_differs() {
        let good = || Some(Outcome::Deployed);
        let mut history = history(&[
            ("web:1 db:1", good()),
            ("web:2 db:1", Some(Outcome::Failed)),
            ("web:3 db:2", good()),
            ("web:3 db:3", good()),
            ("web:3 db:4", good()),
        ]);
        let spec = &mut history.releases.get_mut(&4).unwrap().0.spec;
        Arc::make_mut(&mut spec.services.get_mut("web").unwrap().task).force_update = 1;
        let current = history.current().unwrap();
        let of = |name| history.previous_of(&current, name).map(|one| one.number);
        assert_eq!((of("web"), of("db"), of("none")), (Some(1), Some(4), None));
    }

    #[test]
    fn the_first_release_goes_back_to_nothing() {
        let part = history(&[("web:1 db:1", back(0, &["web"]))]);
        assert_eq!(images(&part.current().unwrap()), ["db:1"]);
        let whole = history(&[("web:1", Some(Outcome::RolledBack { to: 0, services: None }))]);
        assert_eq!(whole.current(), Err(NoCurrent::Removed(1)));
        let never = history(&[("web:1", Some(Outcome::NotBegun { still: 0 }))]);
        assert_eq!(never.current(), Err(NoCurrent::Removed(1)));
        let mut trimmed = history(&[("web:1", Some(Outcome::Deployed)), ("web:2", back(1, &["web"]))]);
        trimmed.releases.remove(&1);
        assert_eq!(trimmed.current(), Err(NoCurrent::Forgotten { number: 2, to: 1 }));
    }

    #[test]
    fn what_is_not_known_has_a_reason() {
        assert_eq!(History::default().current(), Err(NoCurrent::NoRelease));
        for (outcome, why) in [
            (Some(Outcome::Removed), "since release 2 nothing of the stack is to run"),
            (Some(Outcome::Failed), "release 2 failed: what runs now is no release as a whole"),
            (Some(Outcome::Paused), "release 2 is paused: what runs now is no release as a whole"),
            (
                Some(Outcome::Unknown),
                "release 2 ended in an unknown state: what runs now is no release as a whole",
            ),
            (Some(Outcome::Interrupted), "release 2 was interrupted: what runs now is no release as a whole"),
            (None, "release 2 is unfinished: it is under way, or was cut off"),
        ] {
            let history = history(&[("web:1", Some(Outcome::Deployed)), ("web:2", outcome)]);
            assert_eq!(history.current().unwrap_err().to_string(), why);
        }
        // One that went back to what is not known is not known either.
        let history = history(&[("web:1", Some(Outcome::Failed)), ("web:2", back(1, &["web"]))]);
        assert_eq!(history.current(), Err(NoCurrent::Unknown { number: 1, how: "failed" }));
    }

    #[test]
    fn a_release_without_changes_leaves_the_current_spec_known() {
        let good = || Some(Outcome::Deployed);
        let all = [("web:1", good()), ("web:2", good()), ("web:2", None), ("web:2", Some(Outcome::Failed))];
        let moved = history(&all);
        assert_eq!(images(&moved.current().unwrap()), ["web:2"]);
        let changed = history(&[&all[..], &[("web:3", None)]].concat());
        assert_eq!(changed.current(), Err(NoCurrent::Unfinished(5)));
        let never = history(&[("web:1", good()), ("web:2", None), ("web:2", None)]);
        assert_eq!(never.current(), Err(NoCurrent::Unfinished(3)));
    }

    #[test]
    fn beside_a_newer_release_that_is_undecided_no_older_one_is_current() {
        let good = || Some(Outcome::Deployed);
        let undecided = |numbers: &[u64]| History {
            undecided: numbers.to_vec(),
            ..history(&[("web:1", good()), ("web:1", good()), ("web:2", good())])
        };
        assert_eq!(undecided(&[4, 5]).current(), Err(NoCurrent::Unfinished(5)), "the newest");
        let mut older = undecided(&[2]);
        older.releases.remove(&2);
        assert_eq!(
            images(&older.current().unwrap()),
            ["web:2"],
            "what lies before the newest is no newer one"
        );
        let first = History { undecided: vec![1], ..History::default() };
        assert_eq!(first.current(), Err(NoCurrent::Unfinished(1)));
    }

    #[test]
    fn a_config_goes_back_with_its_service_and_cannot_be_two_things() {
        let with_page = |history: &mut History, number: u64, content: &str, users: &[&str]| {
            let spec = &mut history.releases.get_mut(&number).unwrap().0.spec;
            let config = ConfigSpec {
                name: "shop_page".into(),
                external: false,
                digest: content.into(),
                content: Some(Arc::from(content.as_bytes())),
                labels: BTreeMap::new(),
                template_driver: None,
            };
            spec.configs.insert("page".into(), config);
            for user in users {
                let mount = FileMount {
                    source: "page".into(),
                    uid: "0".into(),
                    gid: "0".into(),
                    mode: 0o444,
                    content: content.into(),
                    template_driver: None,
                };
                let service = spec.services.get_mut(*user).unwrap();
                Arc::make_mut(&mut service.task).configs.insert("/page".into(), mount);
            }
        };
        let fresh = || history(&[("web:1 db:1", Some(Outcome::Deployed)), ("web:2 db:2", back(1, &["web"]))]);
        let mut one = fresh();
        with_page(&mut one, 1, "old", &["web"]);
        with_page(&mut one, 2, "new", &["web"]);
        assert_eq!(one.current().unwrap().spec.configs["page"].digest, "old");
        let mut two = fresh();
        with_page(&mut two, 1, "old", &["web"]);
        with_page(&mut two, 2, "new", &["web", "db"]);
        assert_eq!(two.current(), Err(NoCurrent::TwoContents { number: 2, config: "page".into() }));
    }
}
