//! `stackctl man`: manual pages. Those of section 1 are made from the arguments, those of section 7 from topics.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap_mangen::Man as Page;

use super::Context;
use super::help::{TOPICS, roff};
use super::report::{Exit, Failure};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Read the page of a command", "stackctl man deploy | man -l -"),
    ("Read a topic", "stackctl man placement | man -l -"),
    ("Install all pages", "stackctl man --dir /usr/local/share/man/man1"),
];

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// A command such as `deploy` or `node ls`, or a topic; a command wins over a topic of the same name, which
    /// is `TOPIC.7` [default: the page of stackctl itself]
    #[arg(value_name = "COMMAND|TOPIC", conflicts_with = "dir", add = super::complete::help())]
    pub command: Vec<String>,
    /// Write all pages into this directory: commands as section 1, topics as section 7; for a directory `man1`
    /// the topics go to `man7` beside it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ManError {
    #[error("there is no command and no topic `{0}`")]
    #[diagnostic(
        code(stackctl::cli::no_such_command),
        help("`stackctl help` lists the commands and the topics")
    )]
    NoSuchCommand(String),
    #[error("cannot write {path}: {why}")]
    #[diagnostic(code(stackctl::cli::cannot_write))]
    CannotWrite { path: String, why: std::io::Error },
}

pub(super) fn run(args: &Man, context: &Context) -> Result<Exit, Failure> {
    let pages = pages();
    if let Some(dir) = &args.dir {
        for (name, text) in &pages {
            let path = place(dir, name);
            write(&path, text).map_err(|why| {
                Failure::refused(ManError::CannotWrite { path: path.display().to_string(), why })
            })?;
        }
        context.ui.say(&format!("{} pages are in {}", pages.len(), dir.display()));
        return Ok(Exit::Done);
    }
    let words: Vec<&str> = args.command.iter().flat_map(|words| words.split(' ')).collect();
    let name = ["stackctl"].into_iter().chain(words.iter().copied()).collect::<Vec<_>>().join("-");
    let page = |name: &str| pages.iter().find(|(known, _)| known == name);
    let found = page(&format!("{name}.1")).or_else(|| page(&format!("{name}.7"))).or_else(|| page(&name));
    let Some((_, text)) = found else {
        return Err(Failure::usage(ManError::NoSuchCommand(words.join(" "))));
    };
    context.ui.data(text);
    Ok(Exit::Done)
}

/// Where a page belongs. `man` looks for section 7 beside `man1` and not in it; any other directory takes both.
fn place(dir: &Path, name: &str) -> PathBuf {
    match dir.parent() {
        Some(parent) if dir.ends_with("man1") && name.ends_with(".7") => parent.join("man7").join(name),
        _ => dir.join(name),
    }
}

/// The only files this command writes.
#[expect(clippy::disallowed_methods, reason = "the pages are what this command is for")]
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, text)
}

/// Every page by the name of its file: `stackctl.1`, `stackctl-node-ls.1`, `stackctl-placement.7`.
fn pages() -> Vec<(String, String)> {
    let mut root = super::command();
    root.build();
    let mut pages = Vec::new();
    collect(&root, "stackctl", &mut pages);
    pages.extend(TOPICS.iter().map(|topic| (format!("stackctl-{}.7", topic.name), roff::page(topic))));
    pages
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) {
    let mut text = Vec::new();
    let page = Page::new(command.clone().name(name.to_owned())).title(name.to_owned());
    page.render(&mut text).expect("memory takes bytes");
    pages.push((format!("{name}.1"), String::from_utf8(text).expect("pages are text")));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_go_beside_a_directory_of_section_1() {
        let at = |dir: &str, name: &str| place(Path::new(dir), name).display().to_string();
        assert_eq!(at("/share/man/man1", "stackctl.1"), "/share/man/man1/stackctl.1");
        assert_eq!(at("/share/man/man1", "stackctl-undo.7"), "/share/man/man7/stackctl-undo.7");
        assert_eq!(at("pages", "stackctl-undo.7"), "pages/stackctl-undo.7");
    }

    #[test]
    fn every_command_has_a_page_with_its_flags_and_examples() {
        let pages = pages();
        for name in ["stackctl.1", "stackctl-deploy.1", "stackctl-snapshot.1", "stackctl-node-inspect.1"] {
            assert!(pages.iter().any(|(known, _)| known == name), "{name}");
        }
        let (_, deploy) = pages.iter().find(|(name, _)| name == "stackctl-deploy.1").unwrap();
        for text in ["resolve\\-image", "Examples:", "stackctl deploy"] {
            assert!(deploy.replace("\\-deploy", "-deploy").contains(text), "{text}: {deploy}");
        }
        for topic in TOPICS {
            let name = format!("stackctl-{}.7", topic.name);
            assert!(pages.iter().any(|(known, _)| *known == name), "{name}");
        }
        assert!(pages.iter().all(|(_, text)| !text.contains('\u{1b}')), "no colours in a page");
    }
}
