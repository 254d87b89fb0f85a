//! Lowers the written file to the specification: fills in defaults, adds the stack to names, follows references, and
//! reads contents of configs.
//!
//! Reports every undefined reference, with its place.

mod mounts;
mod networks;
mod payloads;
mod resources;
pub mod secret_payloads;
mod secrets;
mod service;
mod variables;

use std::collections::BTreeMap;

use crate::model::circles::circles;
use crate::model::ids::STACK_LABEL;
use crate::model::spec::StackSpec;
use crate::model::{ServiceName, StackName};
use crate::yaml::{Diagnostic, Sink, Span, Spanned, VALUE_MAX, closest};

use super::environment::Environments;
use super::paths::Shown;
use super::stackfile::{Pairs, Service, Stackfile};
use super::{Files, Reading, SecretFiles, SecretTexts, Variables, templates};
use payloads::Payloads;

/// Labels that are ours.
const OWN_LABELS: &str = "io.stackctl.";
/// Longest `<stack>_<service>` that SwarmKit takes: a DNS label.
const FULL_NAME_MAX: usize = 63;
/// The limit of undefined dependencies that get a suggestion.
const ADVISED_MAX: usize = 200;

/// What the caller provides.
pub struct World<'a> {
    pub environments: &'a Environments<'a>,
    pub files: &'a dyn Files,
    /// What messages call files.
    pub shown: &'a Shown,
    /// Whose reading applies.
    pub reading: Reading,
    /// Whether variables were filled in.
    pub variables: Variables,
    /// Whether the values of secrets are read.
    pub secrets: SecretFiles,
}

/// The context of every part of the lowering.
struct Context<'a> {
    stack: &'a StackName,
    /// Without the services once these are lowered one by one.
    file: &'a Stackfile,
    world: &'a World<'a>,
    sink: &'a Sink<'a>,
}

/// Lowers a stack; beside it the values of its secrets. Reports and leaves out what cannot be lowered. Consumes the written
/// file, because a large one would otherwise be in memory twice.
pub fn stack(
    stack: &StackName,
    mut file: Stackfile,
    world: &World<'_>,
    sink: &Sink<'_>,
) -> (StackSpec, SecretTexts) {
    let context = Context { stack, file: &file, world, sink };
    let mut spec = StackSpec::empty(stack.clone());
    spec.configs = resources::configs(&context);
    spec.secrets = resources::secrets(&context);
    let secrets = secrets::texts(&context);
    spec.volumes = resources::volumes(&context);
    spec.networks = networks::used(&context);
    for service in file.services.values() {
        context.check_name(&service.key);
    }
    // Drops dependencies that cannot be kept: docker accepts such files, and never waits.
    let mut given_up = context.undefined_services();
    given_up.extend(context.circular());
    service::check_ingress(&context);
    service::note_labels(&context);
    // After a mistake there may be services that could not be read.
    if file.services.is_empty() && sink.errors() == 0 {
        sink.push(
            Diagnostic::warning("no_services", "there are no services in this stack")
                .at(Span::default(), "nothing under `services`"),
        );
    }
    for (name, needed) in given_up {
        if let Some(service) = file.services.get_mut(&name) {
            service.depends_on.remove(&needed);
        }
    }
    let services = std::mem::take(&mut file.services);
    let context = Context { stack, file: &file, world, sink };
    let payloads = Payloads::of(&context, &spec.configs);
    let mut limits = payloads::limits();
    for service in services.into_values() {
        let name = ServiceName::unchecked(&service.key);
        let lowered = service::lower(&context, &service, &spec.configs);
        payloads.try_out(&context, &service, &lowered, &spec.configs, &mut limits);
        secret_payloads::try_out(&context, &service, &lowered, &spec.configs, &secrets);
        variables::check_sizes(&context, &service, &lowered.task, &secrets);
        spec.services.insert(name, lowered);
    }
    (spec, secrets)
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

    /// The place of the nearest name, or of other definitions of its kind.
    fn where_defined(&self, kind: &str, near: Option<&str>) -> Option<(Span, String)> {
        let file = self.file;
        let keys: Vec<&Spanned<String>> = match kind {
            "network" => file.networks.values().map(|network| &network.key).collect(),
            "volume" => file.volumes.values().map(|volume| &volume.key).collect(),
            "config" => file.configs.values().map(|config| &config.key).collect(),
            _ => file.secrets.values().map(|secret| &secret.key).collect(),
        };
        if let Some(key) = keys.iter().find(|key| Some(key.as_str()) == near) {
            return Some((key.span, "defined here".to_owned()));
        }
        let first = keys.iter().map(|key| key.span).min()?;
        Some((first, format!("{kind}s are defined here")))
    }

    /// Undefined dependencies: the service that waits, and the missing one.
    fn undefined_services(&self) -> Vec<(String, String)> {
        let services = &self.file.services;
        let mut given_up: Vec<(String, String)> = Vec::new();
        for service in services.values() {
            for (needed, dependency) in &service.depends_on {
                if services.contains_key(needed) {
                    continue;
                }
                let span = dependency.span;
                let shown = self.sink.shown(&Spanned::new(needed.clone(), span));
                let mut warning =
                    Diagnostic::warning("undefined_service", format!("service `{shown}` is not defined"))
                        .at(span, "not waited for")
                        .help("services are defined under `services`");
                // The search for a suggestion is slow, and too many suggestions do not help.
                if given_up.len() < ADVISED_MAX && !self.sink.is_flooded() {
                    let known: Vec<&str> = services.keys().map(String::as_str).collect();
                    if let Some(near) = closest(needed, &known) {
                        warning = warning
                            .also(services[near].key.span, "defined here")
                            .help(format!("did you mean `{near}`?"));
                    }
                }
                self.sink.push(warning);
                given_up.push((service.key.value.clone(), needed.clone()));
            }
        }
        given_up
    }

    /// Dependencies that close a circle: the service that waits, and the other one.
    fn circular(&self) -> Vec<(String, String)> {
        let services = &self.file.services;
        let edges = services
            .iter()
            .map(|(name, service)| (name.as_str(), service.depends_on.keys().map(String::as_str).collect()))
            .collect();
        let mut given_up = Vec::new();
        for ring in circles(&edges) {
            let [.., from, to] = ring[..] else { continue };
            self.ring(&ring, services[from].depends_on[to].span);
            given_up.push((from.to_owned(), to.to_owned()));
        }
        given_up
    }

    fn ring(&self, ring: &[&str], span: Span) {
        const SHOWN_MAX: usize = 8;
        let clean = |name: &str| format!("`{}`", self.sink.clean(name));
        let mut shown: Vec<String> = ring.iter().take(SHOWN_MAX).map(|name| clean(name)).collect();
        if ring.len() > SHOWN_MAX {
            shown.push("…".to_owned());
        }
        let (message, label) = match ring {
            [one, _] => (format!("{} waits for itself", clean(one)), "it does not".to_owned()),
            [.., from, to] => (
                format!("services wait for each other: {}", shown.join(" → ")),
                format!("closes the circle: {} does not wait for {}", clean(from), clean(to)),
            ),
            _ => return,
        };
        let mut diagnostic = Diagnostic::warning("dependency_cycle", message)
            .at(span, label)
            .help("take out one of the dependencies; docker waits for none of them");
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

fn undefined_code(kind: &str) -> &'static str {
    match kind {
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

/// The user's labels of a container, a service, or anything else that a deploy makes, without those that stackctl sets:
/// by these it knows what it made, and a volume's are what a record of the ledger is known by.
fn labels(context: &Context<'_>, labels: &Pairs) -> BTreeMap<String, String> {
    let mut kept = plain(labels);
    for (label, value) in labels {
        let shown = context.sink.clean(label);
        if label == STACK_LABEL {
            kept.remove(label);
            context.sink.push(
                Diagnostic::warning("ignored_label", format!("label `{shown}` is ignored"))
                    .at(value.span, "the deploy sets it to the stack's name"),
            );
        } else if label.starts_with(OWN_LABELS) {
            // Docker knows no such labels; ours would be lost without them.
            kept.remove(label);
            let severity = context.world.reading.severity();
            context.sink.push(
                Diagnostic::new(severity, "reserved_label", format!("label `{shown}` is reserved"))
                    .at(value.span, format!("labels under `{OWN_LABELS}` are set by the deploy"))
                    .help("use a prefix of your own"),
            );
        }
    }
    kept
}

/// Texts without places.
fn bare(texts: &[Spanned<String>]) -> Vec<String> {
    texts.iter().map(|text| text.value.clone()).collect()
}

/// How long the values of a service's labels are.
type Lengths<'a> = BTreeMap<&'a str, usize>;

fn lengths(service: &Service) -> Lengths<'_> {
    let length = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    service.deploy.labels.iter().map(|(key, value)| (key.as_str(), length(&value.value))).collect()
}

/// Reports a template that no task could fill in, or that would come to too much.
fn check_template(context: &Context<'_>, lengths: &Lengths<'_>, text: &Spanned<String>) {
    let made = templates::made(text, &|key| lengths.get(key).copied().unwrap_or(0));
    if made > 0 && text.len().saturating_add(made) > VALUE_MAX {
        context.sink.too_long(text.span);
    } else if made > 0 {
        context.sink.afford(made, text.span);
    }
    let Err(error) = templates::check(text) else { return };
    let written = context.sink.sources().slice(text.span);
    let literal = written.contains(&text.value);
    let span = context.sink.sources().part(text.span, text, error.part);
    let why = match (literal, written.contains('$')) {
        (true, _) => error.why,
        (false, true) => "not a template with its variables filled in".to_owned(),
        (false, false) => "in a value that comes from here".to_owned(),
    };
    // Docker passes templates on unchanged.
    let severity = context.world.reading.severity();
    context.sink.push(
        Diagnostic::new(severity, "bad_template", "a service template that cannot be filled in")
            .at(span, why)
            .help(error.help),
    );
}
