//! `stackctl completions`: static scripts, made from the arguments themselves.

use clap_complete::Shell;

use super::Context;
use super::report::{Exit, Failure};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("For bash, with the names of stacks, services and nodes", "source <(COMPLETE=bash stackctl)"),
    ("For fish, permanently", "stackctl completions fish >~/.config/fish/completions/stackctl.fish"),
    ("For zsh, permanently", "stackctl completions zsh >\"${fpath[1]}/_stackctl\""),
];

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

pub(super) fn run(args: &Completions, context: &Context) -> Result<Exit, Failure> {
    context.ui.data(&script(args.shell));
    Ok(Exit::Done)
}

/// The script for a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "stackctl", &mut out);
    String::from_utf8(out).expect("the scripts are text")
}
