//! What is done with an input, and what must hold of the outcome.

use std::io;

use stackctl::compose::{
    self, Files, Options, Reading, SourceText, Stack, Variables, config, constraint_syntax, short, templates,
};
use stackctl::model::{GoDuration, ImageRef, StackName};
use stackctl::swarm;
use stackctl::template::payload::Payload;
use stackctl::yaml::emit::{Style, yaml};
use stackctl::yaml::{self, Drawn, Node, Sink, Sources, Value};

/// Text to tree, and the tree to text and back.
pub fn yaml_tree(input: &[u8]) -> Result<(), String> {
    let Some((node, _)) = tree(input) else { return Ok(()) };
    let written = yaml(&node, Style::default());
    let Some((again, _)) = tree(written.as_bytes()) else {
        return if written.len() > 100_000 { Ok(()) } else { Err("does not read back".to_owned()) };
    };
    if meaning(&node) == meaning(&again) { Ok(()) } else { Err("reads back as something else".to_owned()) }
}

/// Whether a text is within the limits.
pub fn is_read(text: &str) -> bool {
    let sources = Sources::new();
    let source = SourceText { name: "a.yml".into(), bytes: text.into() };
    let sink = Sink::new("fuzz", &sources);
    let (Ok(id) | Err((id, _))) = sources.add(source);
    let _ = yaml::parse(&sources, id, &sink);
    !sink
        .finish()
        .is_err_and(|report| report.faults.iter().any(|fault| fault.code.ends_with("too_many_nodes")))
}

/// A tree without mistakes.
fn tree(input: &[u8]) -> Option<(Node, Vec<Drawn>)> {
    let sources = Sources::new();
    let id = sources.add(SourceText { name: "a.yml".into(), bytes: input.to_vec() }).ok()?;
    let sink = Sink::new("fuzz", &sources);
    let node = yaml::parse(&sources, id, &sink);
    let notes = sink.finish().ok()?;
    Some((node?, notes))
}

/// A tree without places and tags.
fn meaning(node: &Node) -> String {
    match &node.value {
        Value::List(list) => format!("[{}]", list.iter().map(meaning).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            let entries =
                map.entries.iter().map(|entry| format!("{:?}:{}", entry.key.value, meaning(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        // Written as Go writes them, a float that is whole is an integer, and what is not a number has no
        // sign.
        Value::Float(float) if float.is_nan() => "nan".to_owned(),
        Value::Float(float) => format!("number {}", float + 0.0),
        #[expect(clippy::cast_precision_loss, reason = "on both sides")]
        Value::Int(int) => format!("number {}", int.get() as f64),
        scalar => format!("{scalar:?}"),
    }
}

/// Variables in a value of a stackfile, and in an environment file.
pub fn interpolation(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let quoted = yaml(&Node::text(text.as_ref(), yaml::Span::default()), Style::default());
    let file = format!(
        "services:\n  a:\n    image: x\n    labels:\n      a: {quoted}    env_file: [{{path: f.env}}]\n"
    );
    load(file.as_bytes(), &[(".env", input), ("f.env", input)])
}

pub fn short_forms(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let text = text.as_ref();
    let _ = (
        short::volume(text, Reading::Ours),
        short::volume(text, Reading::Docker),
        short::words(text),
        short::env_file(text),
        short::capability(text),
    );
    let _ = (short::device(text), short::extra_host(text), short::is_path(text), templates::check(text));
    let _ = Payload::parse(text.as_bytes()).is_ok();
    let _ = (ImageRef::parse(text), constraint_syntax::check(text), StackName::new(text));
    if let Ok(ports) = short::ports(text)
        && ports.iter().any(|port| port.target == 0 || port.published == Some(0))
    {
        return Err("a port of zero".to_owned());
    }
    if let Ok(size) = short::bytes(text)
        && size < 0
    {
        return Err("a size below zero".to_owned());
    }
    if let Ok(cores) = short::nano_cpus(text)
        && cores < 0
    {
        return Err("cores below zero".to_owned());
    }
    if let Ok(duration) = text.parse::<GoDuration>()
        && duration.to_string().parse() != Ok(duration)
    {
        return Err("a duration that does not come back".to_owned());
    }
    Ok(())
}

/// A stackfile from its text to its specification, alone and over itself.
pub fn whole_file(input: &[u8]) -> Result<(), String> {
    load(input, &[("a.yml", input), ("a.env", b"A=1\n"), (".env", b"B='x'\n")])
}

/// A stackfile that has itself beside it, as an environment file, and a variable that is long.
pub fn bomb(input: &[u8]) -> Result<(), String> {
    let beside: &[(&str, &[u8])] = &[("self", input), (".env", input), ("a.yml", b"x-a: b\n")];
    load_once(vec![input.to_vec()], beside, USUAL)?;
    load_once(vec![input.to_vec()], beside, (Reading::Docker, Variables::Fill)).map(drop)
}

/// A stackfile, once.
pub fn read(input: &[u8]) -> Result<(), String> {
    load_once(vec![input.to_vec()], &[], USUAL).map(drop)
}

/// The files beside the one that is read.
struct Beside<'a>(&'a [(&'a str, &'a [u8])]);

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let found = self.0.iter().find(|(name, _)| path.strip_prefix("/p/") == Some(name));
        found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn load(input: &[u8], beside: &[(&str, &[u8])]) -> Result<(), String> {
    let first = load_once(vec![input.to_vec()], beside, USUAL)?;
    if input.len() < 20_000 {
        for how in [USUAL, (Reading::Docker, Variables::Fill), (Reading::Ours, Variables::Keep)] {
            load_once(vec![input.to_vec(), input.to_vec()], beside, how)?;
        }
    }
    if let Some(merged) = first {
        // What is printed is a stackfile without mistakes.
        let again = load_once(vec![merged.clone().into_bytes()], &[], USUAL)?;
        if again.is_none() && !beside_is_needed(&merged) {
            return Err("the merged file is refused".to_owned());
        }
    }
    Ok(())
}

/// Whether a merged file speaks of other files.
fn beside_is_needed(merged: &str) -> bool {
    merged.contains("file:") || merged.contains("environment:")
}

/// How a file is read if nobody says otherwise.
const USUAL: (Reading, Variables) = (Reading::Ours, Variables::Fill);

/// The merged file, if there are no mistakes.
fn load_once(
    files: Vec<Vec<u8>>,
    beside: &[(&str, &[u8])],
    how: (Reading, Variables),
) -> Result<Option<String>, String> {
    let stack = StackName::unchecked("fuzz");
    let (reading, variables) = how;
    let options = Options {
        stack: Stack::Given(&stack),
        project_dir: "/p",
        home: Some("/h"),
        env: &|name| match name {
            "A" => Some("secret-value".to_owned()),
            "LONG" => Some("secret-value".repeat(10_000)),
            _ => None,
        },
        files: &Beside(beside),
        env_files: None,
        profiles: &["p".to_owned()],
        reading,
        variables,
        secrets: stackctl::compose::SecretFiles::default(),
    };
    let sources = files.into_iter().map(|bytes| SourceText { name: "/p/compose.yml".into(), bytes });
    match compose::load(sources.collect(), &options) {
        Ok(loaded) => {
            loaded.notes.iter().try_for_each(check)?;
            let text = config::text(&loaded.merged, true);
            let bodies = swarm::bodies(&loaded.spec, &loaded.merged);
            if bodies["services"].as_array().map(Vec::len) != Some(loaded.spec.services.len()) {
                return Err("a service without its request".to_owned());
            }
            if text.chars().any(|c| c != '\n' && c.is_control()) {
                return Err("a control character in the merged file".to_owned());
            }
            Ok(Some(text))
        }
        Err(report) => {
            if report.faults.is_empty() {
                return Err("refused without a word".to_owned());
            }
            report.faults.iter().chain(&report.notes).try_for_each(check)?;
            Ok(None)
        }
    }
}

/// No message may command a terminal or tell the value of a variable.
fn check(drawn: &Drawn) -> Result<(), String> {
    use miette::Diagnostic as _;
    let labels = drawn.labels().into_iter().flatten().filter_map(|label| label.label().map(str::to_owned));
    let texts = [drawn.message.clone(), drawn.help.clone().unwrap_or_default(), drawn.file.clone()];
    for text in texts.into_iter().chain(labels) {
        if text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)) {
            return Err(format!("a control character in {}: {text:?}", drawn.code));
        }
        if text.contains("secret-value") {
            return Err(format!("the value of a variable in {}: {text:?}", drawn.code));
        }
    }
    Ok(())
}
