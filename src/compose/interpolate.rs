//! Variables in values: `$X`, `${X}`, `${X:-d}`, `${X-d}`, `${X:?m}`, `${X?m}`, `${X:+y}`, `${X+y}`,
//! nested in one another, and `$$` for a dollar.
//!
//! Fills in values only, never keys; places stay those of the file, so that no message shows the value of a variable.
//! Where the language wants a number or a boolean, a text that came out of a variable is
//! read as one: docker does so in a fixed list of places, [`CASTS`].
//!
//! Two differences from docker, on purpose. Without braces an operator is text: docker reads
//! `$TAG-alpine` as "TAG, or else `alpine`" and loses the suffix. And a variable that is not set gets a
//! warning. Docker's own way is in `docker::variables`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

use super::Reading;
use super::docker::variables;
use super::variable::{Env, name};
use crate::yaml::scalar::resolve;
use crate::yaml::{Budget, Diagnostic, Node, Sink, VALUE_MAX, Value};

/// How deep `${A:-${B:-…}}` may go.
const NESTING_MAX: usize = 32;

/// What a text from a variable is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Number,
    Boolean,
}

/// Where a text from a variable is read as something else: docker's list, and the keys it has no use
/// for. `*` is any key, `#` any item.
const CASTS: [(&str, Cast); 43] = [
    ("services.*.configs.#.mode", Cast::Number),
    ("services.*.secrets.#.mode", Cast::Number),
    ("services.*.healthcheck.retries", Cast::Number),
    ("services.*.healthcheck.disable", Cast::Boolean),
    ("services.*.deploy.replicas", Cast::Number),
    ("services.*.deploy.update_config.parallelism", Cast::Number),
    ("services.*.deploy.update_config.max_failure_ratio", Cast::Number),
    ("services.*.deploy.rollback_config.parallelism", Cast::Number),
    ("services.*.deploy.rollback_config.max_failure_ratio", Cast::Number),
    ("services.*.deploy.restart_policy.max_attempts", Cast::Number),
    ("services.*.deploy.placement.max_replicas_per_node", Cast::Number),
    ("services.*.deploy.resources.limits.pids", Cast::Number),
    (
        "services.*.deploy.resources.reservations.generic_resources.#.discrete_resource_spec.value",
        Cast::Number,
    ),
    ("services.*.ports.#.target", Cast::Number),
    ("services.*.ports.#.published", Cast::Number),
    ("services.*.ulimits.*", Cast::Number),
    ("services.*.ulimits.*.soft", Cast::Number),
    ("services.*.ulimits.*.hard", Cast::Number),
    ("services.*.oom_score_adj", Cast::Number),
    ("services.*.init", Cast::Boolean),
    ("services.*.privileged", Cast::Boolean),
    ("services.*.read_only", Cast::Boolean),
    ("services.*.stdin_open", Cast::Boolean),
    ("services.*.tty", Cast::Boolean),
    ("services.*.volumes.#.read_only", Cast::Boolean),
    ("services.*.volumes.#.volume.nocopy", Cast::Boolean),
    ("services.*.volumes.#.bind.create_host_path", Cast::Boolean),
    ("services.*.volumes.#.tmpfs.size", Cast::Number),
    ("services.*.volumes.#.tmpfs.mode", Cast::Number),
    ("services.*.depends_on.*.required", Cast::Boolean),
    ("services.*.depends_on.*.restart", Cast::Boolean),
    ("services.*.env_file.#.required", Cast::Boolean),
    ("networks.*.external", Cast::Boolean),
    ("networks.*.internal", Cast::Boolean),
    ("networks.*.attachable", Cast::Boolean),
    ("networks.*.enable_ipv6", Cast::Boolean),
    ("networks.*.enable_ipv4", Cast::Boolean),
    ("volumes.*.external", Cast::Boolean),
    ("secrets.*.external", Cast::Boolean),
    ("configs.*.external", Cast::Boolean),
    ("services.*.build.no_cache", Cast::Boolean),
    ("services.*.scale", Cast::Number),
    ("services.*.pids_limit", Cast::Number),
];

/// Fills in the variables of all values below a node.
pub fn apply(root: &mut Node, env: Env<'_>, reading: Reading, sink: &Sink<'_>) {
    let filler = Filler { env, reading, sink, warned: RefCell::default() };
    filler.node(root, &mut Vec::new());
}

/// Leaves variables as they are: values with variables cannot be checked, so they get no diagnostics.
pub fn leave(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::Text(text) if text.contains('$') => sink.spoil(node.span),
        Value::List(list) => list.iter().for_each(|node| leave(node, sink)),
        Value::Map(map) => map.entries.iter().for_each(|entry| leave(&entry.value, sink)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

/// Fills in a text outside the tree, as Compose does in `.env` files: a `$` that begins no variable is a dollar, and an
/// unset variable is silently empty. The error quotes nothing.
pub fn expand(text: &str, env: Env<'_>, budget: &Budget) -> Result<String, Unfilled> {
    fn fill(parts: &[Part], env: Env<'_>, out: &mut String) -> Result<(), &'static str> {
        for part in parts {
            let variable = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Variable(variable) => variable,
            };
            let value = env(&variable.name);
            let usable = |strict: bool| value.as_deref().filter(|v| !(strict && v.is_empty()));
            match &variable.operator {
                None => out.push_str(value.as_deref().unwrap_or_default()),
                Some((Operator::Default { empty }, default)) => match usable(*empty) {
                    Some(value) => out.push_str(value),
                    None => fill(default, env, out)?,
                },
                Some((Operator::Alternative { empty }, alternative)) => {
                    if usable(*empty).is_some() {
                        fill(alternative, env, out)?;
                    }
                }
                Some((Operator::Required { empty }, _)) => match usable(*empty) {
                    Some(value) => out.push_str(value),
                    None => return Err("a variable that it requires is not set"),
                },
            }
        }
        Ok(())
    }
    let refused = |why| Unfilled { why, is_excess: false };
    let parts = parse(text, 0..text.len(), Stray::Dollar, 0).map_err(|fault| refused(fault.why))?;
    let mut out = String::new();
    let meter = Meter::new(text, env, budget);
    let filled = fill(&parts, &|name| meter.look_up(name), &mut out);
    if let Some(excess) = meter.excess.get() {
        let why = match excess {
            Excess::Value => "a value of more than 16 MiB",
            Excess::All => "with this one the values come to more than 64 MiB",
        };
        return Err(Unfilled { why, is_excess: true });
    }
    filled.map_err(refused)?;
    Ok(out)
}

/// Why a text outside the tree cannot be filled in. Fit for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfilled {
    pub why: &'static str,
    /// Whether it is well written, but would be too long.
    pub is_excess: bool,
}

/// What a text came to too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Value,
    All,
}

/// Looks up the variables of one text, and counts what they hold: also where it is only asked whether they are set,
/// since looking one up copies it.
struct Meter<'a> {
    env: Env<'a>,
    budget: &'a Budget,
    made: Cell<usize>,
    excess: Cell<Option<Excess>>,
}

impl<'a> Meter<'a> {
    fn new(text: &str, env: Env<'a>, budget: &'a Budget) -> Self {
        Self { env, budget, made: Cell::new(text.len()), excess: Cell::new(None) }
    }

    fn look_up(&self, name: &str) -> Option<String> {
        // What comes out is thrown away by now; a required variable is to be set.
        let placeholder = || Some("…".to_owned());
        if self.excess.get().is_some() {
            return placeholder();
        }
        let value = (self.env)(name)?;
        self.made.set(self.made.get().saturating_add(value.len()));
        let is_affordable = self.budget.take(value.len());
        let excess = match (self.made.get() <= VALUE_MAX, is_affordable) {
            (true, true) => return Some(value),
            (false, _) => Excess::Value,
            (true, false) => Excess::All,
        };
        self.excess.set(Some(excess));
        placeholder()
    }
}

/// How a `$` that begins no variable is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stray {
    /// A mistake: docker's way with stackfiles.
    Mistake,
    /// A dollar: Compose's way.
    Dollar,
}

/// A text of the tree, and where its variables come from.
struct Written<'a> {
    text: &'a str,
    node: &'a Node,
    env: Env<'a>,
}

struct Filler<'a> {
    env: Env<'a>,
    reading: Reading,
    sink: &'a Sink<'a>,
    warned: RefCell<BTreeSet<String>>,
}

impl Filler<'_> {
    fn node(&self, node: &mut Node, path: &mut Vec<String>) {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => {
                let text = text.clone();
                if let Some(filled) = self.text(&text, node)
                    && filled != text
                {
                    node.value = cast(filled, path);
                }
            }
            Value::List(list) => {
                path.push("#".to_owned());
                list.iter_mut().for_each(|node| self.node(node, path));
                path.pop();
            }
            Value::Map(map) => {
                for entry in &mut map.entries {
                    path.push(entry.key.value.clone());
                    self.node(&mut entry.value, path);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }

    /// One text filled in docker's way; `None` if something is wrong with it.
    fn as_docker(&self, text: &str, node: &Node, env: Env<'_>) -> Option<String> {
        let fault = match variables::fill(text, env) {
            Ok(filled) => return Some(filled),
            Err(fault) => fault,
        };
        let place = |part: Range<usize>| self.sink.sources().part(node.span, text, part);
        self.sink.push(match fault {
            variables::Fault::Malformed(part) => Diagnostic::error("bad_variable", "not a variable")
                .at(place(part), "docker sees no variable here")
                .help("write `$$` for a dollar that is not a variable"),
            variables::Fault::Required(part, name, _) if !self.may_name(text, node, &part, &name) => {
                Diagnostic::error("missing_variable", "a variable is required")
                    .at(place(part), "not set, or empty")
                    .help("write `$$` for a dollar that is no variable, or set it")
            }
            variables::Fault::Required(part, name, message) => {
                let name = self.sink.clean(&name);
                let help =
                    if message.is_empty() { format!("set `{name}`") } else { self.sink.clean(&message) };
                Diagnostic::error("missing_variable", format!("variable `{name}` is required"))
                    .at(place(part), "not set, or empty")
                    .help(help)
            }
        });
        self.sink.spoil(node.span);
        None
    }

    /// Whether messages may name a variable: of a value that excerpts hide, `pa$word` is rather a password than a variable.
    fn may_name(&self, text: &str, node: &Node, part: &Range<usize>, name: &str) -> bool {
        let has_braces = text.get(part.clone()).is_some_and(|written| written.starts_with("${"));
        has_braces || !name.contains(char::is_lowercase) || !self.sink.is_hidden(node.span)
    }

    /// One text filled in; `None` if something is wrong with it.
    fn text(&self, text: &str, node: &Node) -> Option<String> {
        let meter = Meter::new(text, self.env, self.sink.budget());
        let env = |name: &str| meter.look_up(name);
        let filled = match self.reading {
            Reading::Docker => self.as_docker(text, node, &env),
            Reading::Ours => self.as_ours(text, node, &env),
        };
        match meter.excess.get() {
            None => return filled,
            Some(Excess::Value) => self.sink.too_long(node.place()),
            Some(Excess::All) => {
                self.sink.afford(0, node.place());
            }
        }
        self.sink.spoil(node.span);
        None
    }

    fn as_ours(&self, text: &str, node: &Node, env: Env<'_>) -> Option<String> {
        let parts = match parse(text, 0..text.len(), Stray::Mistake, 0) {
            Ok(parts) => parts,
            Err(fault) => {
                let span = self.sink.sources().part(node.span, text, fault.part);
                let mut diagnostic = Diagnostic::error("bad_variable", "not a variable")
                    .at(span, fault.why)
                    .help("write `$$` for a dollar that is not a variable");
                if let Some(via) = node.via() {
                    diagnostic = diagnostic.also(via, "used here");
                }
                self.sink.push(diagnostic);
                self.sink.spoil(node.span);
                return None;
            }
        };
        let mut out = String::new();
        self.fill(&parts, &Written { text, node, env }, &mut out).then_some(out)
    }

    fn fill(&self, parts: &[Part], written: &Written<'_>, out: &mut String) -> bool {
        let mut whole = true;
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable) => whole &= self.variable(variable, written, out),
            }
        }
        whole
    }

    fn variable(&self, variable: &Variable, written: &Written<'_>, out: &mut String) -> bool {
        let Written { text, node, env } = *written;
        let value = env(&variable.name);
        let usable = |strict: bool| value.as_deref().filter(|v| !(strict && v.is_empty()));
        let place = || self.sink.sources().part(node.span, text, variable.part.clone());
        let may_name = self.may_name(text, node, &variable.part, &variable.name);
        match &variable.operator {
            None => match &value {
                Some(value) => out.push_str(value),
                None => {
                    if self.warned.borrow_mut().insert(variable.name.clone()) {
                        self.sink.push(unset(&variable.name, may_name).at(place(), "becomes nothing"));
                    }
                }
            },
            Some((Operator::Default { empty }, default)) => match usable(*empty) {
                Some(value) => out.push_str(value),
                None => return self.fill(default, written, out),
            },
            Some((Operator::Alternative { empty }, alternative)) => {
                if usable(*empty).is_some() {
                    return self.fill(alternative, written, out);
                }
            }
            Some((Operator::Required { empty }, message)) => match usable(*empty) {
                Some(value) => out.push_str(value),
                None => {
                    let state = if value.is_some() { "empty" } else { "not set" };
                    let message: String = message.iter().map(Part::as_written).collect();
                    let help = if message.is_empty() {
                        format!("set `{}`", variable.name)
                    } else {
                        self.sink.clean(&message)
                    };
                    self.sink.push(
                        Diagnostic::error(
                            "missing_variable",
                            format!("variable `{}` is required", variable.name),
                        )
                        .at(place(), state)
                        .help(help),
                    );
                    self.sink.spoil(node.span);
                    return false;
                }
            },
        }
        if let Some(operator) = variable.operator_without_braces {
            let name = if may_name { &variable.name } else { "NAME" };
            let named = if may_name { format!("`${name}`") } else { "a variable".to_owned() };
            self.sink.push(
                Diagnostic::warning(
                    "operator_without_braces",
                    format!("`{operator}` behind {named} is taken as text"),
                )
                .at(place(), "a variable, then text")
                .help(format!(
                    "docker takes it for an operator; write `${{{name}}}{operator}…` to be understood by both"
                )),
            );
        }
        true
    }
}

/// A variable without a value.
fn unset(name: &str, may_name: bool) -> Diagnostic {
    let (message, help) = match may_name {
        true => {
            (format!("variable `{name}` is not set"), format!("set it, or give a default: `${{{name}:-…}}`"))
        }
        false => (
            "a variable is not set".to_owned(),
            "write `$$` for a dollar that is no variable; or set it, or give a default: `${NAME:-…}`"
                .to_owned(),
        ),
    };
    Diagnostic::warning("unset_variable", message).help(help)
}

/// Reads a filled-in text as what the place wants, if it can be.
fn cast(text: String, path: &[String]) -> Value {
    let fits = |pattern: &str| {
        let mut pattern = pattern.split('.');
        path.iter().all(|key| pattern.next().is_some_and(|p| p == key || (p == "*" && key != "#")))
            && pattern.next().is_none()
    };
    let Some((_, cast)) = CASTS.iter().find(|(pattern, _)| fits(pattern)) else {
        return Value::Text(text);
    };
    match cast {
        Cast::Number => match resolve(text.trim()) {
            number @ (Value::Int(_) | Value::Float(_)) => number,
            _ => Value::Text(text),
        },
        Cast::Boolean => match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "true" | "on" => Value::Bool(true),
            "n" | "no" | "false" | "off" => Value::Bool(false),
            _ => Value::Text(text),
        },
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

impl Part {
    fn as_written(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Variable(variable) => format!("${{{}}}", variable.name),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: String,
    operator: Option<(Operator, Vec<Part>)>,
    /// `-`, `:-`, `?` or `:?` that follows a variable without braces.
    operator_without_braces: Option<&'static str>,
    part: Range<usize>,
}

/// `empty`: whether an empty variable counts as unset (the forms with a colon).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Default { empty: bool },
    Required { empty: bool },
    Alternative { empty: bool },
}

const OPERATORS: [(&str, Operator); 6] = [
    (":-", Operator::Default { empty: true }),
    ("-", Operator::Default { empty: false }),
    (":?", Operator::Required { empty: true }),
    ("?", Operator::Required { empty: false }),
    (":+", Operator::Alternative { empty: true }),
    ("+", Operator::Alternative { empty: false }),
];

struct Fault {
    why: &'static str,
    part: Range<usize>,
}

/// Splits a part of a text into plain text and variables.
fn parse(text: &str, within: Range<usize>, stray: Stray, depth: usize) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut at = within.start;
    while at < within.end {
        let Some(dollar) = text[at..within.end].find('$').map(|offset| at + offset) else {
            plain.push_str(&text[at..within.end]);
            break;
        };
        plain.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..within.end];
        if rest.starts_with('$') {
            plain.push('$');
            at = dollar + 2;
            continue;
        }
        let (variable, end) = if rest.starts_with('{') {
            braced(text, dollar, within.end, stray, depth)?
        } else {
            let name = name(rest);
            if name.is_empty() && stray == Stray::Dollar {
                plain.push('$');
                at = dollar + 1;
                continue;
            }
            if name.is_empty() {
                let end = dollar + 1 + rest.chars().next().map_or(0, char::len_utf8);
                return Err(Fault { why: "no name behind the `$`", part: dollar..end });
            }
            let end = dollar + 1 + name.len();
            let behind = &text[end..within.end];
            let operator = [":-", ":?", "-", "?"].into_iter().find(|op| behind.starts_with(op));
            let variable = Variable {
                name: name.to_owned(),
                operator: None,
                operator_without_braces: operator,
                part: dollar..end,
            };
            (variable, end)
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Variable(variable));
        at = end;
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// `${…}` at a dollar; the variable and where it ends.
fn braced(
    text: &str,
    dollar: usize,
    limit: usize,
    stray: Stray,
    depth: usize,
) -> Result<(Variable, usize), Fault> {
    let inner = dollar + 2;
    if depth >= NESTING_MAX {
        return Err(Fault { why: "nested too deeply", part: dollar..inner });
    }
    let Some(close) = matching_brace(&text[inner..limit]).map(|offset| inner + offset) else {
        return Err(Fault { why: "the `{` is not closed", part: dollar..inner });
    };
    let part = dollar..close + 1;
    let name = name(&text[inner..close]);
    if name.is_empty() {
        return Err(Fault { why: "no name between the braces", part });
    }
    let behind = inner + name.len();
    let operator = if behind == close {
        None
    } else {
        let Some((sign, operator)) =
            OPERATORS.into_iter().find(|(sign, _)| text[behind..close].starts_with(sign))
        else {
            return Err(Fault { why: "not an operator behind the name", part });
        };
        Some((operator, parse(text, behind + sign.len()..close, stray, depth + 1)?))
    };
    Ok((Variable { name: name.to_owned(), operator, operator_without_braces: None, part }, close + 1))
}

/// The `}` that closes; `${` opens another level.
fn matching_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::{SourceText, Sources, parse as parse_yaml};

    /// The value filled in, or the fault's code and label.
    fn fill(yaml: &str) -> Result<Node, String> {
        let sources = Sources::new();
        let id = sources.add(SourceText { name: "a.yml".into(), bytes: yaml.into() }).unwrap();
        let sink = Sink::new("compose", &sources);
        let mut node = parse_yaml(&sources, id, &sink).unwrap();
        let env = |name: &str| match name {
            "TAG" => Some("1.2".to_owned()),
            "EMPTY" => Some(String::new()),
            "N" => Some("3".to_owned()),
            "YES" => Some("yes".to_owned()),
            _ => None,
        };
        apply(&mut node, &env, Reading::Ours, &sink);
        match sink.finish() {
            Ok(_) => Ok(node),
            Err(report) => Err(format!("{} {}", report.faults[0].code, report.faults[0].column)),
        }
    }

    fn value(text: &str) -> String {
        match fill(&format!("k: '{text}'")) {
            Ok(node) => node.as_map().unwrap().get("k").unwrap().as_text().unwrap().to_owned(),
            Err(fault) => fault,
        }
    }

    #[test]
    fn all_forms() {
        for (text, expected) in [
            ("a $TAG b", "a 1.2 b"),
            ("${TAG}x", "1.2x"),
            ("$$TAG $$", "$TAG $"),
            ("$TAG-alpine", "1.2-alpine"),
            ("${TAG-d}${NO-d}${EMPTY-d}", "1.2d"),
            ("${TAG:-d}${NO:-d}${EMPTY:-d}", "1.2dd"),
            ("${TAG:+y}${NO:+y}${EMPTY:+y}${EMPTY+y}", "yy"),
            ("${NO:-${TAG}}", "1.2"),
            ("${NO:-${NO2:-a}b}c", "abc"),
            ("${NO:-a$$b}", "a$b"),
            ("${NO}", ""),
            ("${TAG:?no}${EMPTY?no}", "1.2"),
            ("${NO:?why}", "stackctl::compose::missing_variable 5"),
            ("${EMPTY:?why}", "stackctl::compose::missing_variable 5"),
            ("$", "stackctl::compose::bad_variable 5"),
            ("ab$1", "stackctl::compose::bad_variable 7"),
            ("${}", "stackctl::compose::bad_variable 5"),
            ("${TAG", "stackctl::compose::bad_variable 5"),
            ("${TAG!}", "stackctl::compose::bad_variable 5"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_become_numbers_and_booleans_where_they_are_wanted() {
        let node = fill("services: {a: {tty: $YES, image: $N, deploy: {replicas: '${N}'}}}").unwrap();
        let service = node.as_map().unwrap().get("services").unwrap().as_map().unwrap().get("a").unwrap();
        let service = service.as_map().unwrap();
        assert_eq!(service.get("tty").unwrap().value, Value::Bool(true));
        assert_eq!(service.get("image").unwrap().value, Value::Text("3".into()));
        let deploy = service.get("deploy").unwrap().as_map().unwrap();
        assert_eq!(deploy.get("replicas").unwrap().value, Value::Int(3.into()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}A:?+a é-]{0,24}") {
            let _ = parse(&text, 0..text.len(), Stray::Mistake, 0);
            let _ = expand(&text, &|_| None, &Budget::default());
        }

        #[test]
        fn text_without_dollars_is_left_alone(text in "[^$]{0,24}") {
            let parts = parse(&text, 0..text.len(), Stray::Mistake, 0).ok();
            let expected = if text.is_empty() { vec![] } else { vec![Part::Text(text)] };
            prop_assert_eq!(parts, Some(expected));
        }
    }
}
