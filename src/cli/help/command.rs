//! `stackctl help`: the page of a command, a topic, or the list of both.

use super::super::Context;
use super::super::complete;
use super::super::render::text;
use super::super::report::{Exit, Failure};
use super::{TOPICS, Topic, find, groups, markdown, terminal};
use crate::yaml::closest;

pub(in super::super) const EXAMPLES: &[(&str, &str)] = &[
    ("All commands and topics", "stackctl help"),
    ("A topic", "stackctl help placement"),
    ("A command, as with --help", "stackctl help node update"),
];

/// Arguments of `help`.
#[derive(Debug, clap::Args)]
pub struct Help {
    /// A command such as `deploy` or `node update`, or a topic; without it, the list of both
    #[arg(value_name = "COMMAND|TOPIC", add = complete::help())]
    pub words: Vec<String>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no command and no topic `{asked}`")]
#[diagnostic(code(stackctl::cli::no_such_topic), help("{help}"))]
struct NoSuchTopic {
    asked: String,
    help: String,
}

pub(in super::super) fn run(args: &Help, context: &Context) -> Result<Exit, Failure> {
    let words: Vec<&str> = args.words.iter().flat_map(|words| words.split_whitespace()).collect();
    if words.is_empty() {
        context.ui.data(&list());
        return Ok(Exit::Done);
    }
    let asked = words.join(" ");
    let topic = find(&asked);
    let page = is_command(&words).then(|| page(&words));
    if let Some(page) = &page {
        context.ui.data(page);
    }
    if let Some(topic) = topic {
        if page.is_some() {
            context.ui.data("\n");
        }
        context.ui.data(&show(topic, context.ui.width()));
    }
    if page.is_none() && topic.is_none() {
        return Err(Failure::usage(NoSuchTopic {
            help: suggestion(&words),
            asked: text::clean(&asked).into_owned(),
        }));
    }
    Ok(Exit::Done)
}

/// A topic, as it is shown.
#[must_use]
pub fn show(topic: &Topic, width: usize) -> String {
    terminal::render(&markdown::parse(topic.text), width)
}

/// The tables of the topic `commands`, in Markdown.
#[must_use]
pub fn table() -> String {
    groups::markdown(&super::super::command())
}

fn list() -> String {
    format!(
        "{}\n{}{}\n{}",
        "`stackctl help COMMAND` shows the help of a command, `stackctl help TOPIC` a topic.\n",
        groups::commands(&super::super::command()),
        groups::heading("Topics"),
        groups::topics()
    )
}

fn is_command(words: &[&str]) -> bool {
    let root = super::super::command();
    words.iter().try_fold(&root, |command, word| command.find_subcommand(word)).is_some()
}

/// The output of `COMMAND --help`, made by the parser itself, so that the two cannot differ.
fn page(words: &[&str]) -> String {
    let line = ["stackctl"].iter().chain(words).chain(&["--help"]).copied();
    match super::super::command().try_get_matches_from(line) {
        Ok(_) => String::new(),
        Err(help) => help.render().ansi().to_string(),
    }
}

/// A suggestion: the nearest topic or command, at the first word that does not fit.
fn suggestion(words: &[&str]) -> String {
    let root = super::super::command();
    let mut known = &root;
    let mut path = String::new();
    for word in words {
        if let Some(inner) = known.find_subcommand(word) {
            path.push_str(inner.get_name());
            path.push(' ');
            known = inner;
            continue;
        }
        let mut names: Vec<&str> =
            known.get_subcommands().flat_map(clap::Command::get_name_and_visible_aliases).collect();
        if path.is_empty() {
            names.extend(TOPICS.iter().map(|topic| topic.name));
        }
        if let Some(near) = closest(word, &names) {
            return format!("did you mean `stackctl help {path}{near}`?");
        }
        break;
    }
    "`stackctl help` lists the commands and the topics".to_owned()
}
