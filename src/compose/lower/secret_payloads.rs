//! Values of secrets that are templates: tried out for each service that has them, so that one which asks for what the
//! service does not have is reported before anything is deployed.
//!
//! No message shows anything of such a text but a line and a column. One that is encrypted is no template as it is read; it is
//! tried out once it is opened, see [`why_not`].

use std::collections::BTreeMap;

use super::Context;
use super::payloads::{self, SOME_VALUE};
use crate::compose::stackfile::Service;
use crate::compose::{Held, SecretTexts};
use crate::model::spec::{ConfigSpec, ServiceSpec};
use crate::model::template as fields;
use crate::template::payload::{self, DRIVER, Payload, TaskView};
use crate::template::{Limits, Wrong};
use crate::yaml::Diagnostic;

/// How a template begins to ask for something.
const ACTION: &[u8] = b"{{";
/// What SOPS writes in place of a value.
const ENCRYPTED: &[u8] = b"ENC[";

/// Tries out the templates among the secrets of a service.
pub(super) fn try_out(
    context: &Context<'_>,
    service: &Service,
    spec: &ServiceSpec,
    configs: &BTreeMap<String, ConfigSpec>,
    texts: &SecretTexts,
) {
    // One that is not defined, or has another's place, has been reported.
    if spec.task.configs.len() != service.configs.len() {
        return;
    }
    let is_template = |key: &str| {
        let driver = context.file.secrets.get(key).and_then(|secret| secret.template_driver.as_ref());
        driver.is_some_and(|driver| driver.value == DRIVER)
    };
    let mut tried: Vec<&str> = Vec::new();
    for key in spec.task.secrets.values().map(|mount| mount.source.as_str()).filter(|key| is_template(key)) {
        let Some(Held::File(bytes) | Held::Plain(bytes)) = texts.get(key).map(|text| &text.held) else {
            continue;
        };
        let has = |part: &[u8]| bytes.expose().windows(part.len()).any(|there| there == part);
        if tried.contains(&key) || !has(ACTION) || has(ENCRYPTED) {
            continue;
        }
        tried.push(key);
        if let Some(why) = why_not(context.stack.as_str(), spec, configs, bytes.expose()) {
            report(context, service, key, &why);
        }
    }
}

/// Where and why a text, which is a template, cannot be filled in for tasks of a service, if that is sure.
#[must_use]
pub fn why_not(
    stack: &str,
    spec: &ServiceSpec,
    configs: &BTreeMap<String, ConfigSpec>,
    text: &[u8],
) -> Option<WhyNot> {
    let payload = Payload::parse(text).ok()?;
    let fields = payloads::some_task(&format!("{stack}_{}", spec.name), &spec.labels);
    let mut environment = spec.task.environment.clone();
    environment.values_mut().flatten().for_each(|value| *value = fields::text(value, &fields));
    let secrets = spec.task.secrets.keys().map(|path| (path.as_str(), Some(SOME_VALUE)));
    let view =
        TaskView::new(&fields, &environment, &spec.task.configs, configs).with_secrets(secrets.collect());
    // Of what only values decide, nothing is sure.
    let mut limits = Limits { bytes_max: usize::MAX, work: payload::WORK_MAX };
    let fault = payload.expand(&view, &mut limits).err()?;
    let (line, column) = payload::place(text, &fault);
    match fault.wrong {
        Wrong::BadArgument { function, why } if function == "secret" => {
            Some(WhyNot { line, column, wrong: why, is_secret: true })
        }
        Wrong::BadArgument { function, why } if function == "config" => {
            // That the content of one is not at hand is no matter of the template.
            why.contains("has no config").then_some(WhyNot { line, column, wrong: why, is_secret: false })
        }
        _ => None,
    }
}

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyNot {
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    /// In words that have nothing of the text.
    pub wrong: String,
    /// It asks for a secret, and not for a config.
    pub is_secret: bool,
}

impl WhyNot {
    /// What to do about it.
    #[must_use]
    pub fn help(&self, service: &str) -> String {
        let what = if self.is_secret { "secrets" } else { "configs" };
        format!(
            "list what it asks for under `{what}` of service `{service}`, or correct the path in the template"
        )
    }
}

fn report(context: &Context<'_>, service: &Service, key: &str, why: &WhyNot) {
    let Some(secret) = context.file.secrets.get(key) else { return };
    let used =
        service.secrets.iter().find(|one| *one.source == key).map_or(service.key.span, |one| one.source.span);
    let place = secret.file.as_ref().or(secret.environment.as_ref()).unwrap_or(&secret.key).span;
    let WhyNot { line, column, wrong, .. } = why;
    // Docker passes them on, and its engines refuse the tasks.
    let severity = context.world.reading.severity();
    let message = format!("secret `{}` is a template that cannot be filled in", context.sink.clean(key));
    context.sink.push(
        Diagnostic::new(severity, "bad_secret_template", message)
            .at(used, wrong.clone())
            .also(place, format!("line {line}, column {column} of what comes from here"))
            .help(why.help(&service.key.value)),
    );
}
