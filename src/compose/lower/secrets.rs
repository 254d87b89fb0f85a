//! Values of secrets: read beside the stackfile, and handed on apart from its specification, which never has one.
//!
//! What is read may be encrypted, and is not opened here: that takes a private key. Values that a driver has in another store
//! are not asked for here, either: of them it is said where the driver is named. No message shows any of it.

use std::sync::Arc;

use super::Context;
use crate::compose::normal::unreadable;
use crate::compose::stackfile::Content;
use crate::compose::{Held, SecretFiles, SecretText, SecretTexts};
use crate::model::Plaintext;
use crate::yaml::{Diagnostic, Node, Severity};

/// Swarm's limit on the value of a secret: the first size that it refuses.
const BYTES_MAX: usize = 500 * 1024;
/// For one that is encrypted: what is in it is smaller, and is looked at once it is opened.
const ENCRYPTED_MAX: usize = 2 * BYTES_MAX;

/// Reads the values of all secrets that name a file or a variable.
pub fn texts(context: &Context<'_>) -> SecretTexts {
    let mut texts = SecretTexts::new();
    if context.world.secrets == SecretFiles::Leave {
        return texts;
    }
    for (key, secret) in context.file.secrets.iter().filter(|(_, secret)| !secret.external) {
        let Some(text) = read(context, secret) else { continue };
        let is_fit = match &text.held {
            Held::File(bytes) => is_fit(context, key, secret, bytes.len(), ENCRYPTED_MAX),
            Held::Plain(bytes) => is_fit(context, key, secret, bytes.len(), BYTES_MAX),
            Held::Elsewhere => true,
        };
        if is_fit {
            texts.insert(key.clone(), Arc::new(text));
        }
    }
    texts
}

fn read(context: &Context<'_>, secret: &Content) -> Option<SecretText> {
    // How bad it is that one is not there.
    let absence = match context.world.secrets {
        SecretFiles::Need => Some(Severity::Error),
        SecretFiles::Look => Some(Severity::Warning),
        SecretFiles::Try | SecretFiles::Leave => None,
    };
    if let Some(file) = &secret.file {
        return match context.world.files.read(file) {
            Ok(bytes) => {
                let from = context.world.shown.name(file);
                Some(SecretText { from, held: Held::File(Arc::new(Plaintext::new(bytes))) })
            }
            Err(error) => {
                if let Some(severity) = absence {
                    let node = Node::text(file.value.clone(), file.span);
                    context.sink.push(unreadable(context.sink, &node, &error).as_bad_as(severity));
                }
                None
            }
        };
    }
    if let Some(driver) = &secret.driver {
        let place = context.sink.sources().place(driver.span);
        let (line, column) = (place.line, place.column);
        let from = format!(
            "driver `{}` ({}:{line}:{column})",
            context.sink.shown(driver),
            context.sink.clean(place.file)
        );
        return Some(SecretText { from, held: Held::Elsewhere });
    }
    let variable = secret.environment.as_ref()?;
    let environments = context.world.environments;
    let value = environments.look_up(environments.of(variable.span.file), variable);
    let name = context.sink.clean(variable);
    if let (None, Some(severity)) = (&value, absence) {
        context.sink.push(
            Diagnostic::error("missing_variable", format!("variable `{name}` is required"))
                .at(variable.span, "not set")
                .help(format!("set `{name}`: secret `{}` is made of it", secret.key.value))
                .as_bad_as(severity),
        );
    }
    let bytes = Arc::new(Plaintext::new(value?.into_bytes()));
    Some(SecretText { from: format!("the variable {name}"), held: Held::Plain(bytes) })
}

/// Whether Swarm would take it, and there is room for it. The exact size says too much about a password; that of a file is no
/// secret.
fn is_fit(context: &Context<'_>, key: &str, secret: &Content, bytes: usize, most: usize) -> bool {
    let place = secret.file.as_ref().or(secret.environment.as_ref()).unwrap_or(&secret.key).span;
    let key = context.sink.clean(key);
    let found = match bytes {
        0 => Diagnostic::error("secret_empty", format!("secret `{key}` is empty")).at(place, "nothing in it"),
        bytes if bytes >= most => {
            Diagnostic::error("secret_too_large", format!("secret `{key}` is too large"))
                .at(place, "more than a secret can have")
        }
        bytes => return context.sink.afford(bytes, secret.key.span),
    };
    context
        .sink
        .push(found.help(format!("a secret has at least 1 byte and less than {BYTES_MAX}, as in Swarm")));
    false
}
