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

use super::Files;
use super::environment::Environments;
use super::stackfile::{Dependency, Pairs, Stackfile};

/// Longest `<stack>_<service>` that SwarmKit takes: a DNS label.
const FULL_NAME_MAX: usize = 63;

/// What the outside lends us.
pub struct World<'a> {
    /// Variables.
    pub environments: &'a Environments<'a>,
    /// The caller's files.
    pub files: &'a dyn Files,
}

/// What every part of the lowering needs.
struct Context<'a> {
    stack: &'a StackName,
    file: &'a Stackfile,
    world: &'a World<'a>,
    sink: &'a Sink<'a>,
}

/// A stack. What could not be lowered is in the sink, and left out.
pub fn stack(stack: &StackName, file: &Stackfile, world: &World<'_>, sink: &Sink<'_>) -> StackSpec {
    let context = Context { stack, file, world, sink };
    let mut spec = StackSpec::empty(stack.clone());
    spec.configs = resources::configs(&context);
    spec.secrets = resources::secrets(&context);
    spec.volumes = resources::volumes(&context);
    for service in file.services.values() {
        context.check_name(&service.key);
        let name = ServiceName::unchecked(&service.key);
        spec.services.insert(name, service::lower(&context, service, &spec.configs));
    }
    spec.networks = networks::used(&context);
    context.check_cycles();
    service::check_ingress(&context);
    service::note_labels(&context);
    if file.services.is_empty() {
        sink.push(
            Diagnostic::warning("no_services", "there are no services in this stack")
                .at(Span::default(), "nothing under `services`"),
        );
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
        self.sink.push(
            Diagnostic::error(undefined_code(kind), format!("{kind} `{shown}` is not defined"))
                .at(span, "used here")
                .help(help),
        );
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
        let mut shown: Vec<String> =
            ring.iter().take(SHOWN_MAX).map(|name| format!("`{}`", self.sink.clean(name))).collect();
        if ring.len() > SHOWN_MAX {
            shown.push("…".to_owned());
        }
        self.sink.push(
            Diagnostic::error(
                "dependency_cycle",
                format!("{} wait for each other", shown[1..].join(" and ")),
            )
            .at(span, format!("closes the ring {}", shown.join(" → ")))
            .help("take one of the dependencies out"),
        );
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
