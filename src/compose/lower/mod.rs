//! From what was written to what we will do: defaults are filled in, names get their stack, references
//! are followed, contents of configs are read.
//!
//! Every reference that leads nowhere is reported with the place it stands at.

mod mounts;
mod networks;
mod resources;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::spec::StackSpec;
use crate::model::{ServiceName, StackName};
use crate::yaml::{Diagnostic, Sink, Span, Spanned, closest};

use super::environment::Environments;
use super::stackfile::{Dependency, Pairs, Stackfile};
use super::{Files, Reading};

/// Longest `<stack>_<service>` that SwarmKit takes: a DNS label.
const FULL_NAME_MAX: usize = 63;

/// What the outside lends us.
pub struct World<'a> {
    /// Variables.
    pub environments: &'a Environments<'a>,
    /// The caller's files.
    pub files: &'a dyn Files,
    /// Whose reading counts.
    pub reading: Reading,
}

/// What every part of the lowering needs.
struct Context<'a> {
    stack: &'a StackName,
    /// Without the services once these are lowered one by one.
    file: &'a Stackfile,
    world: &'a World<'a>,
    sink: &'a Sink<'a>,
}

/// A stack. What could not be lowered is in the sink, and left out. What is read is used up: of a large file
/// there is no room for all services as they were written beside all as they will be.
pub fn stack(stack: &StackName, mut file: Stackfile, world: &World<'_>, sink: &Sink<'_>) -> StackSpec {
    let context = Context { stack, file: &file, world, sink };
    let mut spec = StackSpec::empty(stack.clone());
    spec.configs = resources::configs(&context);
    spec.secrets = resources::secrets(&context);
    spec.volumes = resources::volumes(&context);
    spec.networks = networks::used(&context);
    for service in file.services.values() {
        context.check_name(&service.key);
        service::check_dependencies(&context, service);
    }
    context.check_cycles();
    service::check_ingress(&context);
    service::note_labels(&context);
    // After a mistake it may well be that they are there and could not be read.
    if file.services.is_empty() && sink.errors() == 0 {
        sink.push(
            Diagnostic::warning("no_services", "there are no services in this stack")
                .at(Span::default(), "nothing under `services`"),
        );
    }
    let services = std::mem::take(&mut file.services);
    let context = Context { stack, file: &file, world, sink };
    for service in services.into_values() {
        let name = ServiceName::unchecked(&service.key);
        spec.services.insert(name, service::lower(&context, &service, &spec.configs));
    }
    spec
}

impl Context<'_> {
    /// `<stack>_<key>`, unless a name is given.
    fn full_name(&self, key: &str, name: Option<&Spanned<String>>, external: bool) -> String {
        match name {
            Some(name) => name.value.clone(),
            None if external => key.to_owned(),
            None => format!("{}_{key}", self.stack),
        }
    }

    fn check_name(&self, key: &Spanned<String>) {
        let full = self.stack.as_str().len() + 1 + key.len();
        if full <= FULL_NAME_MAX
            && let Err(error) = ServiceName::new(key)
        {
            self.sink.push(
                Diagnostic::error(
                    "bad_name",
                    format!("`{}` is not a name for a service", self.sink.clean(key)),
                )
                .at(key.span, error.to_string()),
            );
            return;
        }
        if full > FULL_NAME_MAX {
            self.sink.push(
                Diagnostic::error(
                    "name_too_long",
                    format!("the name of service `{}` is too long", key.value),
                )
                .at(key.span, format!("{full} characters with the stack's name in front"))
                .help(format!("at most {FULL_NAME_MAX} fit: shorten this name or the stack's")),
            );
        }
    }

    /// Reports a reference to something the file does not have.
    fn undefined<'k>(&self, kind: &str, name: &str, span: Span, known: impl Iterator<Item = &'k String>) {
        let shown = self.sink.shown(&Spanned::new(name.to_owned(), span));
        let known: Vec<&str> =
            if self.sink.is_flooded() { Vec::new() } else { known.map(String::as_str).collect() };
        let help = match closest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if kind == "service" => "services are defined under `services`".to_owned(),
            None => format!("define it under `{kind}s` at the top of the file"),
        };
        let diagnostic = Diagnostic::error(undefined_code(kind), format!("{kind} `{shown}` is not defined"))
            .at(span, "used here")
            .help(help);
        if self.sink.is_flooded() {
            self.sink.push(diagnostic);
            return;
        }
        self.sink.push(match self.where_defined(kind, closest(name, &known)) {
            Some((place, label)) => diagnostic.also(place, label),
            None => diagnostic,
        });
    }

    /// The place of the one that was perhaps meant, or where others of its kind are defined.
    fn where_defined(&self, kind: &str, near: Option<&str>) -> Option<(Span, String)> {
        let file = self.file;
        let keys: Vec<&Spanned<String>> = match kind {
            "service" => file.services.values().map(|service| &service.key).collect(),
            "network" => file.networks.values().map(|network| &network.key).collect(),
            "volume" => file.volumes.values().map(|volume| &volume.key).collect(),
            "config" => file.configs.values().map(|config| &config.key).collect(),
            _ => file.secrets.values().map(|secret| &secret.key).collect(),
        };
        if let Some(key) = keys.iter().find(|key| Some(key.as_str()) == near) {
            return Some((key.span, "defined here".to_owned()));
        }
        // Of services there is always one: the very one that asks.
        let first = keys.iter().map(|key| key.span).min().filter(|_| kind != "service")?;
        Some((first, format!("{kind}s are defined here")))
    }

    /// A service that waits for itself would never start. Goes through the services without calling itself:
    /// a file may have them wait in a row of any length.
    fn check_cycles(&self) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for start in self.file.services.keys() {
            let mut trail: Vec<(&str, Dependencies<'_>)> = Vec::new();
            let mut open: BTreeMap<&str, usize> = BTreeMap::new();
            let mut next = Some(start.as_str());
            loop {
                if let Some(name) = next.take()
                    && !done.contains(name)
                    && let Some(service) = self.file.services.get(name)
                {
                    open.insert(name, trail.len());
                    trail.push((name, service.depends_on.iter()));
                }
                let Some((name, dependencies)) = trail.last_mut() else { break };
                match dependencies.next() {
                    None => {
                        done.insert(name);
                        open.remove(*name);
                        trail.pop();
                    }
                    Some((needed, dependency)) => match open.get(needed.as_str()) {
                        None => next = Some(needed),
                        Some(&at) => {
                            let ring: Vec<&str> =
                                trail[at..].iter().map(|(name, _)| *name).chain([needed.as_str()]).collect();
                            self.ring(&ring, dependency.span);
                        }
                    },
                }
            }
        }
    }

    fn ring(&self, ring: &[&str], span: Span) {
        const SHOWN_MAX: usize = 8;
        let clean = |name: &str| format!("`{}`", self.sink.clean(name));
        let mut shown: Vec<String> = ring.iter().take(SHOWN_MAX).map(|name| clean(name)).collect();
        if ring.len() > SHOWN_MAX {
            shown.push("…".to_owned());
        }
        let message = match ring {
            [one, _] => format!("{} waits for itself", clean(one)),
            _ => format!("services wait for each other: {}", shown.join(" → ")),
        };
        let mut diagnostic = Diagnostic::error("dependency_cycle", message)
            .at(span, "closes the circle")
            .help("take one of the dependencies out");
        for step in ring.windows(2).take(SHOWN_MAX) {
            let [one, other] = step else { continue };
            let edge = self.file.services.get(*one).and_then(|service| service.depends_on.get(*other));
            if let Some(edge) = edge.filter(|edge| edge.span != span) {
                diagnostic = diagnostic.also(edge.span, format!("{} waits for {}", clean(one), clean(other)));
            }
        }
        self.sink.push(diagnostic);
    }
}

type Dependencies<'a> = std::collections::btree_map::Iter<'a, String, Spanned<Dependency>>;

fn undefined_code(kind: &str) -> &'static str {
    match kind {
        "service" => "undefined_service",
        "network" => "undefined_network",
        "volume" => "undefined_volume",
        "config" => "undefined_config",
        _ => "undefined_secret",
    }
}

/// Pairs without places; a name alone has an empty value.
fn plain(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.clone(), value.value.clone().unwrap_or_default())).collect()
}

/// Texts without places.
fn bare(texts: &[Spanned<String>]) -> Vec<String> {
    texts.iter().map(|text| text.value.clone()).collect()
}
