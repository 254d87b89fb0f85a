//! The question whether an inventory of the folder is trusted, which every command asks that would connect.

use std::io::IsTerminal as _;
use std::path::Path;

use super::Context;
use super::render::text::clean;
use super::report::Failure;
use crate::inventory::trust::{Trusted, digest, is_given, is_merely_found, wants};
use crate::inventory::{Env, Inventory};

/// The inventory was found, and asks for something.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{file} of this folder is not trusted, and would have programs started or passwords sent: {}", wants.join("; "))]
#[diagnostic(
    code(stackctl::cli::not_trusted),
    help(
        "`stackctl trust` trusts it as it is now, and `-i {file}` uses it for once; a script sets STACKCTL_TRUST={digest}"
    )
)]
struct NotTrusted {
    file: String,
    wants: Vec<String>,
    digest: String,
}

/// The files or the list of answers.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}: {error}")]
#[diagnostic(
    code(stackctl::cli::trust_failed),
    help("check the permissions of the file, and that HOME is set")
)]
struct Unusable {
    what: &'static str,
    error: std::io::Error,
}

pub(super) const UNREAD: &str = "what the inventory names cannot be read";
pub(super) const UNWRITTEN: &str = "the answer cannot be kept";

/// What an inventory asks for that no answer covers.
struct Asks {
    wants: Vec<String>,
    /// The digest of all that counts.
    now: String,
    trusted: Option<Trusted>,
}

fn unanswered(inventory: &Inventory, explicit: Option<&Path>, env: Env<'_>) -> Result<Option<Asks>, Failure> {
    let (wants, Some(file)) = (wants(inventory), &inventory.file) else { return Ok(None) };
    if wants.is_empty() || !is_merely_found(explicit, env) {
        return Ok(None);
    }
    let now = digest(inventory).map_err(failed(UNREAD))?;
    let trusted = Trusted::read(env);
    let is_answered = is_given(&now, env) || trusted.as_ref().is_some_and(|trusted| trusted.has(file, &now));
    Ok((!is_answered).then_some(Asks { wants, now, trusted }))
}

/// What an inventory asks for, where no answer covers it and no user is there to give one.
pub(super) fn refused(
    inventory: &Inventory,
    explicit: Option<&Path>,
    env: Env<'_>,
) -> Result<Option<Vec<String>>, Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    Ok(unanswered(inventory, explicit, env)?.map(|asks| asks.wants))
}

/// Lets an inventory pass that is trusted or asks for nothing; asks about any other.
pub(super) fn settle(
    inventory: &Inventory,
    explicit: Option<&Path>,
    env: Env<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let (Some(Asks { wants, now, trusted }), Some(file)) =
        (unanswered(inventory, explicit, env)?, &inventory.file)
    else {
        return Ok(());
    };
    let shown = file.display().to_string();
    let not_trusted = || NotTrusted {
        file: shown.clone(),
        wants: wants.iter().map(|want| clean(want).into_owned()).collect(),
        digest: now.clone(),
    };
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refused(not_trusted()));
    }
    if trusted.as_ref().is_some_and(|trusted| trusted.knows(file)) {
        context.ui.talk(&format!("{shown}, or a file that it names, has changed since it was trusted.\n"));
    }
    show(file, inventory, context);
    if !context.ui.confirm(&format!("Trust {shown} of this folder?")).map_err(Failure::refused)? {
        return Err(Failure::refused(not_trusted()));
    }
    if let Some(Err(error)) = trusted.map(|mut trusted| trusted.add(file, &now)) {
        context.ui.warn(&format!("{UNWRITTEN}: {error}"));
    }
    Ok(())
}

/// Whether hosts may be asked while a line is being typed, when there is no room for a question.
pub(super) fn is_trusted(inventory: &Inventory, explicit: Option<&Path>, env: Env<'_>) -> bool {
    let Some(file) = &inventory.file else { return true };
    if !is_merely_found(explicit, env) {
        return true;
    }
    let Ok(now) = digest(inventory) else { return false };
    is_given(&now, env) || Trusted::read(env).is_some_and(|trusted| trusted.has(file, &now))
}

/// Says what an inventory asks for.
pub(super) fn show(file: &Path, inventory: &Inventory, context: &Context) {
    let wants = wants(inventory);
    let head = if wants.is_empty() {
        format!("{} names hosts, and neither programs nor passwords.\n", file.display())
    } else {
        format!("With {}:\n", file.display())
    };
    context.ui.talk(&head);
    for want in wants {
        context.ui.talk(&format!("  - {}\n", clean(&want)));
    }
}

/// What went wrong with a file.
pub(super) fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::refused(Unusable { what, error })
}
