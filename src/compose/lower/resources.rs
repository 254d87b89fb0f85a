//! Configs, secrets and volumes at the top of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::payloads::{self, CONFIG_BYTES_MAX};
use super::{Context, labels, plain};
use crate::compose::normal::unreadable;
use crate::compose::stackfile::Content;
use crate::model::ids::sha256_hex;
use crate::model::spec::{ConfigSpec, SecretSpec, VolumeSpec};
use crate::yaml::{Diagnostic, Node};

/// The volumes at the top of the file.
pub fn volumes(context: &Context<'_>) -> BTreeMap<String, VolumeSpec> {
    let lower = |(key, volume): (&String, &crate::compose::stackfile::Volume)| {
        let spec = VolumeSpec {
            name: context.full_name(key, volume.name.as_ref(), volume.external),
            external: volume.external,
            driver: volume.driver.as_ref().map(|driver| driver.value.clone()),
            driver_opts: plain(&volume.driver_opts),
            labels: labels(context, &volume.labels),
        };
        (key.clone(), spec)
    };
    context.file.volumes.iter().map(lower).collect()
}

/// The configs at the top of the file, with their contents.
pub fn configs(context: &Context<'_>) -> BTreeMap<String, ConfigSpec> {
    let lower = |(key, config): (&String, &Content)| {
        let mut content = content(context, config).unwrap_or_default();
        if content.len() >= CONFIG_BYTES_MAX {
            context.sink.push(
                Diagnostic::error("config_too_large", format!("config `{key}` is too large"))
                    .at(config.key.span, format!("{} bytes", content.len()))
                    .help(format!(
                        "a config has less than {CONFIG_BYTES_MAX} bytes; use a volume or the image"
                    )),
            );
            content.clear();
        }
        if !context.sink.afford(content.len(), config.key.span) {
            content.clear();
        }
        let spec = ConfigSpec {
            name: context.full_name(key, config.name.as_ref(), config.external),
            external: config.external,
            digest: if config.external { String::new() } else { sha256_hex(&content) },
            content: (!config.external).then(|| Arc::from(content)),
            labels: labels(context, &config.labels),
            template_driver: payloads::driver(context, config),
        };
        (key.clone(), spec)
    };
    context.file.configs.iter().map(lower).collect()
}

fn content(context: &Context<'_>, config: &Content) -> Option<Vec<u8>> {
    if let Some(content) = &config.content {
        return Some(content.value.clone().into_bytes());
    }
    if let Some(file) = &config.file {
        match context.world.files.read(file) {
            Ok(bytes) => return Some(bytes),
            Err(error) => {
                let node = Node::text(file.value.clone(), file.span);
                context.sink.push(unreadable(context.sink, &node, &error));
            }
        }
    }
    if let Some(variable) = &config.environment {
        let environments = context.world.environments;
        let value = environments.look_up(environments.of(variable.span.file), variable);
        if value.is_none() {
            let name = context.sink.clean(variable);
            context.sink.push(
                Diagnostic::error("missing_variable", format!("variable `{name}` is required"))
                    .at(variable.span, "not set")
                    .help(format!("set `{name}`: config `{}` is made of it", config.key.value)),
            );
        }
        return value.map(String::into_bytes);
    }
    None
}

/// The secrets at the top of the file.
pub fn secrets(context: &Context<'_>) -> BTreeMap<String, SecretSpec> {
    let text = |text: &Option<crate::yaml::Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let lower = |(key, secret): (&String, &Content)| {
        let spec = SecretSpec {
            name: context.full_name(key, secret.name.as_ref(), secret.external),
            external: secret.external,
            version: String::new(),
            unknown: None,
            file: text(&secret.file),
            environment: text(&secret.environment),
            driver: text(&secret.driver),
            driver_opts: plain(&secret.driver_opts),
            // What is made elsewhere is as it is there.
            template_driver: if secret.external { None } else { payloads::driver(context, secret) },
            labels: labels(context, &secret.labels),
        };
        (key.clone(), spec)
    };
    context.file.secrets.iter().map(lower).collect()
}
