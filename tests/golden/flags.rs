//! Every command, flag and variable of the command line; every error code; every exit status.

use std::collections::BTreeSet;

use crate::golden;
use crate::run::Room;

/// One command and all below it: a line each for its names, its flags and its arguments.
fn command(command: &clap::Command, path: &str, out: &mut Vec<String>) {
    let hidden = |is_hidden: bool| if is_hidden { " hidden" } else { "" };
    let aliases: Vec<&str> = command.get_all_aliases().collect();
    let also = if aliases.is_empty() { String::new() } else { format!(" also {}", aliases.join(" ")) };
    out.push(format!("{path}{also}{}", hidden(command.is_hide_set())));
    // Those of all commands stand with the program.
    let is_told = |one: &&clap::Arg| path == "stackctl" || !one.is_global_set();
    let mut flags: Vec<String> = command
        .get_arguments()
        .filter(is_told)
        .map(|one| format!("{path} {}{}", flag(one), hidden(one.is_hide_set())))
        .collect();
    flags.sort();
    out.extend(flags);
    for inner in command.get_subcommands() {
        self::command(inner, &format!("{path} {}", inner.get_name()), out);
    }
}

/// A flag with all its names, or an argument with its place; what it takes and where else it is read from.
fn flag(arg: &clap::Arg) -> String {
    let mut words = Vec::new();
    words.extend(arg.get_long().map(|long| format!("--{long}")));
    words.extend(arg.get_all_aliases().into_iter().flatten().map(|alias| format!("--{alias}")));
    words.extend(arg.get_short().map(|short| format!("-{short}")));
    words.extend(arg.get_all_short_aliases().into_iter().flatten().map(|alias| format!("-{alias}")));
    if words.is_empty() {
        words.push(format!("<{}>", arg.get_index().map_or("last".to_owned(), |at| at.to_string())));
    }
    words.extend(arg.get_env().map(|name| format!("env={}", name.to_string_lossy())));
    if arg.get_action().takes_values() {
        words.push("value".to_owned());
        let values = arg.get_possible_values();
        let names: Vec<String> =
            values.iter().map(|one| one.get_name_and_aliases().collect::<Vec<_>>().join("/")).collect();
        words.extend((!names.is_empty()).then(|| format!("one of {}", names.join(" "))));
        let defaults: Vec<_> = arg.get_default_values().iter().map(|one| one.to_string_lossy()).collect();
        words.extend((!defaults.is_empty()).then(|| format!("default={}", defaults.join(","))));
    }
    if arg.is_required_set() {
        words.push("required".to_owned());
    }
    words.join(" ")
}

#[test]
fn commands_and_flags() {
    let mut all = stackctl::cli::command();
    all.build();
    let mut out = Vec::new();
    command(&all, "stackctl", &mut out);
    // Those that clap makes are of no concern.
    out.retain(|line| !line.contains(" --help ") && !line.ends_with(" --help -h"));
    golden::hold("flags.txt", &(out.join("\n") + "\n"));
}

#[test]
fn error_codes() {
    let run = Room::new().run("explain-code --format json");
    assert_eq!(run.status, 0, "{}", run.show());
    let all: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).expect("a list");
    let codes: BTreeSet<&str> = all.iter().filter_map(|one| one["code"].as_str()).collect();
    assert!(codes.len() > 100, "{codes:?}");
    let fields: BTreeSet<&String> =
        all.iter().filter_map(|one| one.as_object()).flat_map(|one| one.keys()).collect();
    assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["cause", "code", "example", "remedy", "title"]);
    golden::hold("codes.txt", &codes.iter().map(|code| format!("{code}\n")).collect::<String>());
}

/// The numbers of the table in the help; which of them an end has is in the tests of the command line.
#[test]
fn exit_statuses() {
    let run = Room::new().run("--help");
    let (_, table) = run.stdout.split_once("Exit status:").expect("a table");
    let words = table.lines().filter_map(|line| line.split_whitespace().next());
    let numbers: Vec<&str> = words.filter(|word| word.parse::<u8>().is_ok()).collect();
    golden::hold("exit-statuses.txt", &(numbers.join("\n") + "\n"));
}
