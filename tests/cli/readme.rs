//! The README: short, with a transcript that the program really prints, and with nothing lost of what an
//! earlier, longer one said.
//!
//! `readme-before-topics.md` is that earlier one. Each of its table rows and code blocks is in a topic or in
//! the README as it was, or stands in `readme-moved.txt`: reworded, with the new text, or dropped, with the
//! reason.

use std::path::Path;

use stackctl::cli::help::TOPICS;
use stackctl::cli::help::markdown::{Block, parse};

use crate::engine::Clock;
use crate::hosts::Hosts;

const LINES_MAX: usize = 160;
const BYTES_MAX: usize = 10 * 1024;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn it_is_short() {
    let text = read("README.md");
    assert!(text.lines().count() <= LINES_MAX, "{} lines", text.lines().count());
    assert!(text.len() <= BYTES_MAX, "{} bytes", text.len());
}

/// Rows of tables as they are written, and code blocks without their fences.
fn rows_and_blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            found.push(code.join("\n"));
        } else if line.starts_with('|') && !line.chars().all(|c| "|- ".contains(c)) {
            found.push(line.to_owned());
        }
    }
    found
}

/// One entry of the list: what stood there, and what became of it.
struct Moved {
    old: String,
    new: Vec<String>,
    why: Option<String>,
}

/// Entries are parted by blank lines: `old:`, and `new:` (perhaps several) or `dropped:`. A block is meant by its first line.
fn moved() -> Vec<Moved> {
    let text = read("tests/cli/readme-moved.txt");
    let body = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    body.split("\n\n")
        .filter(|entry| !entry.trim().is_empty())
        .map(|entry| {
            let fields = |name: &str| -> Vec<String> {
                let lines = entry.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(|text| text.trim().to_owned()).collect()
            };
            let old = fields("old:").pop().unwrap_or_else(|| panic!("no `old:` in {entry}"));
            Moved { old, new: fields("new:"), why: fields("dropped:").pop() }
        })
        .collect()
}

#[test]
fn nothing_of_the_longer_one_is_lost() {
    let mut now: Vec<String> = TOPICS.iter().map(|topic| topic.text.to_owned()).collect();
    now.push(read("README.md"));
    let is_there = |text: &str| now.iter().any(|place| place.contains(text));
    let old = rows_and_blocks(&read("tests/cli/readme-before-topics.md"));
    assert!(old.len() > 290, "only {} rows and blocks", old.len());
    let moved = moved();
    let mut faults = Vec::new();
    for one in &old {
        let first = one.lines().next().unwrap_or_default().trim();
        let entry = moved.iter().find(|entry| entry.old == first);
        match (is_there(one), entry) {
            (true, _) => {}
            (false, None) => faults.push(format!("lost: {first}")),
            (false, Some(entry)) => {
                let missing = entry.new.iter().filter(|new| !is_there(new));
                faults.extend(missing.map(|new| format!("reworded as what is nowhere: {new}")));
                let is_dropped = entry.why.as_ref().is_some_and(|why| why.len() > 10);
                if is_dropped != entry.new.is_empty() {
                    faults.push(format!("neither moved nor dropped with a reason: {first}"));
                }
            }
        }
    }
    for entry in &moved {
        let of_old = old.iter().find(|one| one.lines().next().unwrap_or_default().trim() == entry.old);
        if of_old.is_none_or(|one| is_there(one)) {
            faults.push(format!("an entry for what is not missing: {}", entry.old));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Times, and what of an id is by chance, made equal.
fn settled(line: &str) -> String {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    for word in &mut words {
        let bare = word.trim_start_matches('+').trim_end_matches('s');
        if bare.contains('.') && bare.parse::<f64>().is_ok() {
            *word = "TIME".to_owned();
        }
    }
    words.join(" ")
}

/// `STACKCTL_WRITE_GENERATED` puts what the program prints into the README.
#[test]
fn the_transcript_is_what_the_program_prints() {
    let readme = read("README.md");
    let blocks = parse(&readme);
    let code = |wanted: &str| {
        blocks.iter().find_map(|block| match block {
            Block::Code(info, code) if info == wanted => Some(code.clone()),
            _ => None,
        })
    };
    let transcript = code("console").expect("a transcript");
    let (command, output) = transcript.split_once('\n').unwrap_or((&transcript, ""));
    let args = command.strip_prefix("$ stackctl ").expect("a command of ours");
    let mut hosts = Hosts::new(3);
    for engine in &hosts.engines {
        engine.with(|world| world.clock = Clock::Fixed(1_769_860_800_000));
    }
    hosts.room.env("STACKCTL_NOW", "2026-01-31T12:01:05Z").env("STACKCTL_YES", "1");
    hosts.file(
        "docker-compose.yml",
        "services:\n  web: {image: 'nginx:1.25', deploy: {replicas: 2, update_config: {monitor: 100ms}}}\n  \
         db: {image: 'postgres:16', volumes: ['data:/var/lib/postgresql/data'], deploy: {update_config: {monitor: 100ms}}}\n\
         volumes: {data: }\n",
    );
    hosts.expect(0, "deploy -c docker-compose.yml shop");
    let text = std::fs::read_to_string(hosts.path().join("docker-compose.yml")).expect("a stackfile");
    hosts.file("docker-compose.yml", &text.replace("nginx:1.25", "nginx:1.26"));
    let run = hosts.expect(0, args);
    let printed = format!("{}{}", run.stdout, run.stderr);
    if std::env::var_os("STACKCTL_WRITE_GENERATED").is_some() {
        let now = format!("{command}\n{}", printed.trim_end());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(path, readme.replace(&transcript, &now)).expect("the README can be written");
        return;
    }
    // What is done at the same time may be reported in any order.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(settled).filter(|line| !line.is_empty()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(output), sorted(&printed), "{}", run.show());
}
