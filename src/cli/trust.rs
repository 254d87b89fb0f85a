//! `stackctl trust`: lets an inventory of a folder start what it names.

use std::path::PathBuf;

use clap::ValueHint;

use super::Context;
use super::cluster::{env, show_notes};
use super::not_confirmed::NotConfirmed;
use super::report::{Exit, Failure};
use super::trusted::{UNREAD, UNWRITTEN, failed, show};
use crate::inventory;
use crate::inventory::trust::{Trusted, digest};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Look at what the inventory of this folder asks for, and trust it", "stackctl trust"),
    ("Trust it without a question, in a script", "stackctl trust --yes"),
    ("Trust it no more", "stackctl trust --forget"),
];

/// Arguments of `trust`.
#[derive(Debug, clap::Args)]
pub struct Trust {
    /// The inventory [default: stackctl.yml of this folder]
    #[arg(value_name = "FILE", default_value = inventory::FILE, value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Do not ask
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Trust it no more
    #[arg(long)]
    pub forget: bool,
}

pub(super) fn run(args: &Trust, context: &Context) -> Result<Exit, Failure> {
    let mut trusted = Trusted::read(&env).ok_or_else(no_home)?;
    if args.forget {
        let was_trusted = trusted.remove(&args.file).map_err(failed(UNWRITTEN))?;
        let file = args.file.display();
        context.ui.say(&if was_trusted {
            format!("{file} is not trusted any more.")
        } else {
            format!("{file} was not trusted.")
        });
        return Ok(Exit::Done);
    }
    let (inventory, notes) = inventory::load(Some(&args.file), &env).map_err(Failure::refused)?;
    show_notes(&context.ui, &notes);
    let now = digest(&inventory).map_err(failed(UNREAD))?;
    let file = args.file.display();
    if trusted.has(&args.file, &now) {
        context.ui.say(&format!("{file} is trusted already ({now})."));
        return Ok(Exit::Done);
    }
    show(&args.file, &inventory, context);
    if !args.yes && !context.ui.confirm(&format!("Trust {file}?")).map_err(Failure::refused)? {
        return Err(Failure::refused(NotConfirmed));
    }
    trusted.add(&args.file, &now).map_err(failed(UNWRITTEN))?;
    context.ui.say(&format!("{file} is trusted as it is now ({now})."));
    Ok(Exit::Done)
}

fn no_home() -> Failure {
    failed(UNWRITTEN)(std::io::ErrorKind::NotFound.into())
}
