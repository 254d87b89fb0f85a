//! The first page of help: commands under headings. And the line on each page that names its topic.
//!
//! clap has one heading for all commands, so the list is drawn here and handed over as a template.

use anstyle::Style;
use clap::builder::StyledStr;

use super::super::render::{style, text};
use super::{TOPICS, of_command};

/// Headings and their commands. Every command stands under one of them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Deploy", &["check", "config", "diff", "deploy", "rm"]),
    ("Look", &["ls", "status", "ps", "services", "logs", "exec", "explain", "doctor"]),
    ("Change services", &["scale", "restart", "service", "rebalance"]),
    ("Releases and records", &["history", "show", "rollback", "log", "undo", "events", "unlock", "ledger"]),
    ("Nodes", &["node", "image", "volume", "agent", "trust"]),
    ("Secrets", &["secret", "key", "registry"]),
    ("Automation", &["reconcile", "suspend", "resume", "hook", "snapshot"]),
    ("Help and setup", &["help", "explain-code", "version", "completions", "man"]),
];

/// Columns of the names of commands, and of topics.
const COMMAND_WIDTH: usize = 13;
const TOPIC_WIDTH: usize = 18;

/// A heading as clap draws its own.
pub(in super::super) fn heading(title: &str) -> String {
    style::paint(Style::new().bold().underline(), format!("{title}:"))
}

/// The parser with its commands grouped on the first page, and with a topic on each page.
pub(in super::super) fn arrange(root: clap::Command) -> clap::Command {
    let root = with_topics(root, "");
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{}\n{{options}}{{after-help}}",
        commands(&root),
        heading("Options")
    );
    root.help_template(StyledStr::from(template))
}

fn with_topics(command: clap::Command, path: &str) -> clap::Command {
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
        let topic = of_command(&path).map_or("", |topic| topic.name);
        let line = format!("{} stackctl help {topic}", heading("Topic"));
        let end = match inner.get_after_help() {
            Some(help) => format!("{}\n\n{line}", help.ansi()),
            None => line,
        };
        with_topics(inner.after_help(StyledStr::from(end)), &path)
    })
}

/// The commands under their headings, with a blank line behind each group.
pub(in super::super) fn commands(root: &clap::Command) -> String {
    let mut out = String::new();
    for (title, names) in GROUPS {
        out.push_str(&format!("{}\n", heading(title)));
        for command in names.iter().filter_map(|name| root.find_subcommand(name)) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let aliases: Vec<&str> = command.get_visible_aliases().collect();
            let also = match aliases.as_slice() {
                [] => String::new(),
                [one] => format!(" [alias: {one}]"),
                all => format!(" [aliases: {}]", all.join(", ")),
            };
            out.push_str(&row(command.get_name(), COMMAND_WIDTH, &format!("{about}{also}")));
        }
        out.push('\n');
    }
    out
}

/// All topics, one a line.
pub(super) fn topics() -> String {
    TOPICS.iter().map(|topic| row(topic.name, TOPIC_WIDTH, topic.summary)).collect()
}

/// A Markdown table of each group, for the topic `commands`.
pub(in super::super) fn markdown(root: &clap::Command) -> String {
    let mut out = String::new();
    for (title, names) in GROUPS {
        out.push_str(&format!("## {title}\n\n| command | purpose | topic |\n|---|---|---|\n"));
        for command in names.iter().filter_map(|name| root.find_subcommand(name)) {
            rows(command, "", &mut out);
        }
        out.push('\n');
    }
    out.trim_end().to_owned() + "\n"
}

fn rows(command: &clap::Command, path: &str, out: &mut String) {
    let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
    let aliases: Vec<String> = command.get_visible_aliases().map(|name| format!("`{name}`")).collect();
    let also = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let topic = of_command(&path).map(|topic| format!("[{0}]({0}.md)", topic.name)).unwrap_or_default();
    out.push_str(&format!("| `{path}`{also} | {} | {topic} |\n", about.replace('|', "\\|")));
    for inner in command.get_subcommands() {
        rows(inner, &path, out);
    }
}

fn row(name: &str, width: usize, purpose: &str) -> String {
    let name = text::pad(&style::paint(style::STRONG, name), width);
    format!("  {name} {purpose}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_fits_a_terminal_of_80_columns() {
        let root = crate::cli::command();
        for command in root.get_subcommands() {
            let name = command.get_name();
            let count = GROUPS.iter().flat_map(|(_, names)| *names).filter(|known| **known == name).count();
            assert_eq!(count, 1, "{name}");
        }
        for line in commands(&root).lines().chain(topics().lines()) {
            assert!(text::width(line) <= 80, "{line}");
        }
        let count: usize = GROUPS.iter().map(|(_, names)| names.len()).sum();
        assert_eq!(count, root.get_subcommands().count());
    }
}
