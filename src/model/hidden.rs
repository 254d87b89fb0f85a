//! The values of a stack, apart from the rest of its spec: a release in the ledger has [marks](super::marks) in their places,
//! and the values themselves encrypted.
//!
//! Who has no private key still compares: two values of one place have the same mark if they are equal. Only what makes a task
//! of a spec needs the values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ids::ServiceName;
use super::marks::{MarkKey, Marks, each_hidden, is_mark, network_place};
use super::spec::StackSpec;

/// Values by where they stand: `services/web/environment TOKEN`.
pub type Values = BTreeMap<String, String>;

/// Where a value stands.
struct At<'a> {
    /// The service that it is of; `None` for what belongs to the stack as a whole.
    service: Option<&'a ServiceName>,
    /// Of the stack.
    path: String,
    /// What its mark is made for.
    place: String,
}

impl At<'_> {
    fn mark(&self, key: &MarkKey, spec: &super::StackName, value: &str) -> String {
        let marks = match self.service {
            Some(service) => Marks::of(key, spec, service),
            None => Marks::of_stack(key, spec),
        };
        marks.mark(&self.place, value)
    }
}

/// Every value of a stack that is hidden. What files hold stands in a spec as a digest or a version, by which the file is
/// found: those stay.
fn each(spec: &mut StackSpec, act: &mut dyn FnMut(&At<'_>, &mut String)) {
    let StackSpec { name: _, services, networks, volumes, configs: _, secrets } = spec;
    for (name, service) in services {
        each_hidden(Arc::make_mut(&mut service.task), &mut |place, value| {
            if !place.starts_with("configs ") && !place.starts_with("secrets ") {
                let path = format!("services/{name}/{place}");
                act(&At { service: Some(name), path, place: place.to_owned() }, value);
            }
        });
    }
    let of_networks = networks.iter_mut().map(|(key, network)| ("networks", key, &mut network.driver_opts));
    let of_volumes = volumes.iter_mut().map(|(key, volume)| ("volumes", key, &mut volume.driver_opts));
    let of_secrets = secrets.iter_mut().map(|(key, secret)| ("secrets", key, &mut secret.driver_opts));
    for (kind, key, options) in of_networks.chain(of_volumes).chain(of_secrets) {
        // What a volume is decides where its tasks may be: a word, and no secret.
        for (option, value) in options.iter_mut().filter(|(option, _)| kind != "volumes" || *option != "type")
        {
            let path = format!("{kind}/{key}/{option}");
            let place = if kind == "networks" { network_place(option) } else { format!("{kind} {option}") };
            act(&At { service: None, path, place }, value);
        }
    }
}

/// Puts marks in the places of all values, and gives those.
#[must_use]
pub fn take(key: &MarkKey, spec: &mut StackSpec) -> Values {
    let (stack, mut taken) = (spec.name.clone(), Values::new());
    each(spec, &mut |at, value| {
        let mark = at.mark(key, &stack, value);
        taken.insert(at.path.clone(), std::mem::replace(value, mark));
    });
    taken
}

/// Puts values back into their places; whether there is one for each mark.
#[must_use]
pub fn put(spec: &mut StackSpec, values: &Values) -> bool {
    let mut is_whole = true;
    each(spec, &mut |at, value| match values.get(&at.path) {
        Some(known) => value.clone_from(known),
        None => is_whole &= !is_mark(value),
    });
    is_whole
}

/// Services that have a mark where a value should be: no task can be made of them.
#[must_use]
pub fn services_with_marks(spec: &StackSpec) -> Vec<ServiceName> {
    let has_marks = |name: &&ServiceName| super::marks::has_marks(&spec.services[*name].task);
    spec.services.keys().filter(has_marks).cloned().collect()
}

/// Whether two specs say the same, where values of either may be marks.
#[must_use]
pub fn is_same(key: &MarkKey, one: &StackSpec, other: &StackSpec) -> bool {
    one == other || (has_marks(one) || has_marks(other)) && marked(key, one) == marked(key, other)
}

fn has_marks(spec: &StackSpec) -> bool {
    let mut has = false;
    each(&mut spec.clone(), &mut |_, value| has |= is_mark(value));
    has
}

fn marked(key: &MarkKey, spec: &StackSpec) -> StackSpec {
    let mut spec = spec.clone();
    let stack = spec.name.clone();
    each(&mut spec, &mut |at, value| {
        if !is_mark(value) {
            *value = at.mark(key, &stack, value);
        }
    });
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{FileMount, NetworkSpec, TaskSpec, VolumeSpec};
    use crate::model::testing::{replicated, stack, with_task};

    const KEY: MarkKey = MarkKey::new([7; 32]);

    fn spec(password: &str) -> StackSpec {
        let service = with_task(replicated("web", 1), |task: &mut TaskSpec| {
            task.environment.insert("TOKEN".into(), Some(password.into()));
            task.environment.insert("GONE".into(), None);
            task.environment.insert("EMPTY".into(), Some(String::new()));
            task.command = Some(vec!["run".into(), format!("--key={password}")]);
            task.labels.insert("team".into(), "a".into());
            let (uid, gid, content) = ("0".into(), "0".into(), "abc".into());
            let file =
                FileMount { source: "s".into(), uid, gid, mode: 0o400, content, template_driver: None };
            task.secrets.insert("/run/secrets/s".into(), file);
        });
        let mut spec = stack(vec![service]);
        let options = |name: &str| BTreeMap::from([(name.to_owned(), password.to_owned())]);
        let network = NetworkSpec { driver_opts: options("key"), ..NetworkSpec::default() };
        spec.networks.insert("n".into(), network);
        let mut volume = VolumeSpec { driver_opts: options("o"), ..VolumeSpec::default() };
        volume.driver_opts.insert("type".into(), "cifs".into());
        spec.volumes.insert("v".into(), volume);
        spec
    }

    #[test]
    fn values_are_taken_out_and_put_back() {
        let whole = spec("hunter2");
        let mut marked = whole.clone();
        let values = take(&KEY, &mut marked);
        let text = serde_json::to_string(&marked).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        for stays in ["\"team\":\"a\"", "\"content\":\"abc\"", "\"type\":\"cifs\""] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
        assert_eq!(services_with_marks(&marked), [ServiceName::unchecked("web")]);
        assert!(services_with_marks(&whole).is_empty());
        assert!(put(&mut marked, &values));
        assert_eq!(marked, whole);
    }

    #[test]
    fn a_value_that_is_missing_is_noticed() {
        let mut marked = spec("hunter2");
        let mut values = take(&KEY, &mut marked);
        values.remove("services/web/environment TOKEN").expect("it is hidden");
        assert!(!put(&mut marked, &values));
    }

    #[test]
    fn what_is_marked_is_compared_by_marks() {
        let whole = spec("hunter2");
        let mut marked = whole.clone();
        let _values = take(&KEY, &mut marked);
        assert!(
            is_same(&KEY, &whole, &marked)
                && is_same(&KEY, &marked, &whole)
                && is_same(&KEY, &marked, &marked)
        );
        assert!(!is_same(&KEY, &spec("hunter3"), &marked));
        assert!(!is_same(&MarkKey::new([8; 32]), &whole, &marked));
        let marks = Marks::of(&KEY, &whole.name, &whole.services["web"].name);
        let task = |spec: &StackSpec| marks.hash(&spec.services["web"].task);
        assert_eq!(task(&whole), task(&marked), "nothing rolls");
        let marks = Marks::of_stack(&KEY, &whole.name);
        let network = |spec: &StackSpec| marks.network_hash(&spec.networks["n"]);
        assert_eq!(network(&whole), network(&marked));
    }
}
