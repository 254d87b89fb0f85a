//! `stackctl man`: manual pages, made from the arguments themselves.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap_mangen::Man as Page;

use super::Context;
use super::report::{Exit, Failure};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Read the page of a command", "stackctl man deploy | man -l -"),
    ("Install all pages", "stackctl man --dir /usr/local/share/man/man1"),
];

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The command, such as `deploy` or `node ls`; without it, the page of stackctl itself
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ManError {
    #[error("there is no command `{0}`")]
    #[diagnostic(code(stackctl::cli::no_such_command), help("`stackctl --help` lists the commands"))]
    NoSuchCommand(String),
    #[error("cannot write {path}: {why}")]
    #[diagnostic(code(stackctl::cli::cannot_write))]
    CannotWrite { path: String, why: std::io::Error },
}

pub(super) fn run(args: &Man, context: &Context) -> Result<Exit, Failure> {
    let pages = pages();
    if let Some(dir) = &args.dir {
        for (name, text) in &pages {
            let path = dir.join(format!("{name}.1"));
            write(&path, text).map_err(|why| {
                Failure::refused(ManError::CannotWrite { path: path.display().to_string(), why })
            })?;
        }
        context.ui.say(&format!("{} pages are in {}", pages.len(), dir.display()));
        return Ok(Exit::Done);
    }
    let words: Vec<&str> = args.command.iter().flat_map(|words| words.split(' ')).collect();
    let name = ["stackctl"].into_iter().chain(words.iter().copied()).collect::<Vec<_>>().join("-");
    let Some((_, text)) = pages.iter().find(|(known, _)| *known == name) else {
        return Err(Failure::usage(ManError::NoSuchCommand(words.join(" "))));
    };
    context.ui.data(text);
    Ok(Exit::Done)
}

/// The only file this command writes.
#[expect(clippy::disallowed_methods, reason = "the pages are what this command is for")]
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, text)
}

/// Every page by its name: `stackctl`, `stackctl-deploy`, `stackctl-node-ls`.
fn pages() -> Vec<(String, String)> {
    let mut root = super::command();
    root.build();
    let mut pages = Vec::new();
    collect(&root, "stackctl", &mut pages);
    pages
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) {
    let mut text = Vec::new();
    let page = Page::new(command.clone().name(name.to_owned())).title(name.to_owned());
    page.render(&mut text).expect("memory takes bytes");
    pages.push((name.to_owned(), String::from_utf8(text).expect("pages are text")));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_flags_and_examples() {
        let pages = pages();
        for name in ["stackctl", "stackctl-deploy", "stackctl-snapshot", "stackctl-node-inspect"] {
            assert!(pages.iter().any(|(known, _)| known == name), "{name}");
        }
        let (_, deploy) = pages.iter().find(|(name, _)| name == "stackctl-deploy").unwrap();
        for text in ["resolve\\-image", "Examples:", "stackctl deploy"] {
            assert!(deploy.replace("\\-deploy", "-deploy").contains(text), "{text}: {deploy}");
        }
        assert!(pages.iter().all(|(_, text)| !text.contains('\u{1b}')), "no colours in a page");
    }
}
