//! Nodes and data into text.

use serde_json::{Map, Value};

use super::{Base, Node, Operand, Pipe, TemplateError};
use crate::cli::render::text::clean;
use crate::model::json::json_line;

/// Every function there is, for the error that lists them.
pub(super) const FUNCTIONS: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not", "or", "pad",
    "print", "printf", "println", "split", "title", "truncate", "upper",
];

/// Whether data or headings are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Data,
    Header,
}

/// An intermediate value: from the data, or text that is already safe to print.
#[derive(Debug, Clone, PartialEq)]
enum Given {
    Data(Value),
    Safe(String),
}

pub(super) fn render(nodes: &[Node], data: &Value, mode: Mode) -> Result<String, TemplateError> {
    let mut out = String::new();
    Eval { root: data, mode }.nodes(nodes, data, &mut out)?;
    Ok(out)
}

struct Eval<'a> {
    root: &'a Value,
    mode: Mode,
}

impl Eval<'_> {
    fn nodes(&self, nodes: &[Node], dot: &Value, out: &mut String) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Print(pipe) => out.push_str(&shown(&self.pipe(pipe, dot)?)),
                Node::If { arms, otherwise } => {
                    let mut chosen = otherwise;
                    for (condition, then) in arms {
                        if is_true(&self.pipe(condition, dot)?) {
                            chosen = then;
                            break;
                        }
                    }
                    self.nodes(chosen, dot, out)?;
                }
                Node::Range { over, each, otherwise } => {
                    let items: Vec<Value> = match plain(self.pipe(over, dot)?) {
                        Value::Array(items) => items,
                        Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
                        Value::Null => Vec::new(),
                        other => return Err(bad("range", format!("{} is not a list", kind(&other)))),
                    };
                    for item in &items {
                        self.nodes(each, item, out)?;
                    }
                    if items.is_empty() {
                        self.nodes(otherwise, dot, out)?;
                    }
                }
                Node::With { value, then, otherwise } => {
                    let value = self.pipe(value, dot)?;
                    if is_true(&value) {
                        self.nodes(then, &plain(value), out)?;
                    } else {
                        self.nodes(otherwise, dot, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn pipe(&self, pipe: &Pipe, dot: &Value) -> Result<Given, TemplateError> {
        let mut last = None;
        for command in &pipe.0 {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.expect("a pipe has a command"))
    }

    fn command(
        &self,
        command: &[Operand],
        piped: Option<Given>,
        dot: &Value,
    ) -> Result<Given, TemplateError> {
        let (first, rest) = command.split_first().expect("a command has an operand");
        if let Operand::Function(name) = first {
            let mut args = rest.iter().map(|o| self.operand(o, dot)).collect::<Result<Vec<_>, _>>()?;
            args.extend(piped);
            return call(name, args, self.mode);
        }
        if !rest.is_empty() || piped.is_some() {
            return Err(TemplateError::Syntax(format!("`{first}` is not a function and takes nothing")));
        }
        self.operand(first, dot)
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Given, TemplateError> {
        Ok(match operand {
            Operand::Field { of: Base::Dot, path } => Given::Data(self.field(dot, path)?),
            Operand::Field { of: Base::Root, path } => Given::Data(self.field(self.root, path)?),
            Operand::Field { of: Base::Group(pipe), path } => {
                let value = self.pipe(pipe, dot)?;
                if path.is_empty() { value } else { Given::Data(self.field(&plain(value), path)?) }
            }
            Operand::Text(text) => Given::Safe(text.clone()),
            Operand::Number(number) => Given::Data(Value::Number(number.clone())),
            Operand::Bool(value) => Given::Data(Value::Bool(*value)),
            Operand::Nil => Given::Data(Value::Null),
            Operand::Function(name) => call(name, Vec::new(), self.mode)?,
        })
    }

    fn field(&self, of: &Value, path: &[String]) -> Result<Value, TemplateError> {
        let mut value = of;
        for name in path {
            value = match value {
                Value::Object(map) => match map.get(name) {
                    Some(value) => value,
                    // A heading has no inner fields, and a map of the user's, such as labels, may lack
                    // any key. Only the object's own fields are known.
                    None if std::ptr::eq(value, self.root) => return Err(unknown_field(name, map)),
                    None => return Ok(Value::Null),
                },
                Value::String(_) if self.mode == Mode::Header => return Ok(Value::String(name.clone())),
                _ => return Ok(Value::Null),
            };
        }
        Ok(value.clone())
    }
}

fn unknown_field(name: &str, map: &Map<String, Value>) -> TemplateError {
    TemplateError::UnknownField { field: name.to_owned(), known: map.keys().cloned().collect() }
}

fn bad(function: &str, why: impl Into<String>) -> TemplateError {
    TemplateError::BadArgument { function: function.to_owned(), why: why.into() }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn plain(given: Given) -> Value {
    match given {
        Given::Data(value) => value,
        Given::Safe(text) => Value::String(text),
    }
}

/// As Go prints it (`%v`), safe for a terminal.
fn shown(given: &Given) -> String {
    match given {
        Given::Safe(text) => text.clone(),
        Given::Data(value) => clean(&go_text(value)).into_owned(),
    }
}

fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// Go's notion of truth: not zero, not empty.
fn is_true(given: &Given) -> bool {
    match given {
        Given::Safe(text) => !text.is_empty(),
        Given::Data(Value::Null) => false,
        Given::Data(Value::Bool(value)) => *value,
        Given::Data(Value::Number(number)) => number.as_f64() != Some(0.0),
        Given::Data(Value::String(text)) => !text.is_empty(),
        Given::Data(Value::Array(items)) => !items.is_empty(),
        Given::Data(Value::Object(map)) => !map.is_empty(),
    }
}

fn call(name: &str, args: Vec<Given>, mode: Mode) -> Result<Given, TemplateError> {
    if mode == Mode::Header
        && matches!(name, "json" | "title" | "lower" | "upper" | "truncate" | "join" | "split" | "pad")
    {
        return args.into_iter().next().ok_or_else(|| bad(name, "it takes a value"));
    }
    let arity = |count: usize| {
        if args.len() == count {
            Ok(())
        } else {
            Err(bad(name, format!("it takes {count} values, not {}", args.len())))
        }
    };
    // The result of a text function is as raw as its input.
    let text = |at: usize| match &args[at] {
        Given::Data(Value::String(text)) | Given::Safe(text) => Ok(text.clone()),
        Given::Data(other) => Err(bad(name, format!("{} is not a text", kind(other)))),
    };
    let number = |at: usize| match &args[at] {
        Given::Data(Value::Number(number)) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| bad(name, format!("{number} is not a count"))),
        other => Err(bad(name, format!("{} is not a number", kind(&plain(other.clone()))))),
    };
    let data = |text: String| Ok(Given::Data(Value::String(text)));
    match name {
        "json" => arity(1).map(|()| Given::Safe(json_line(&plain(args[0].clone())))),
        "lower" => arity(1).and_then(|()| data(text(0)?.to_lowercase())),
        "upper" => arity(1).and_then(|()| data(text(0)?.to_uppercase())),
        "title" => arity(1).and_then(|()| data(title(&text(0)?))),
        "truncate" => arity(2).and_then(|()| data(text(0)?.chars().take(number(1)?).collect())),
        "pad" => arity(3).and_then(|()| {
            let value = text(0)?;
            let (before, after) = (" ".repeat(number(1)?.min(1000)), " ".repeat(number(2)?.min(1000)));
            data(if value.is_empty() { value } else { format!("{before}{value}{after}") })
        }),
        "join" => arity(2).and_then(|()| match &args[0] {
            Given::Data(Value::Array(items)) => {
                data(items.iter().map(go_text).collect::<Vec<_>>().join(&text(1)?))
            }
            Given::Data(Value::Null) => data(String::new()),
            other => Err(bad(name, format!("{} is not a list", kind(&plain(other.clone()))))),
        }),
        "split" => arity(2).and_then(|()| {
            let parts = text(0)?.split(&text(1)?).map(|part| Value::String(part.to_owned())).collect();
            Ok(Given::Data(Value::Array(parts)))
        }),
        "len" => arity(1).and_then(|()| length(name, &args[0])),
        "index" => index(args),
        "not" => arity(1).map(|()| Given::Data((!is_true(&args[0])).into())),
        "and" | "or" => {
            let stops_at = name == "or";
            let found = args.iter().position(|arg| is_true(arg) == stops_at);
            let chosen =
                found.or_else(|| args.len().checked_sub(1)).ok_or_else(|| bad(name, "it takes a value"))?;
            Ok(args[chosen].clone())
        }
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare(name, &args),
        "print" => Ok(Given::Safe(print(&args))),
        "println" => Ok(Given::Safe(args.iter().map(shown).collect::<Vec<_>>().join(" ") + "\n")),
        "printf" => printf(&args).map(Given::Safe),
        _ => Err(TemplateError::UnknownFunction(name.to_owned())),
    }
}

fn length(name: &str, of: &Given) -> Result<Given, TemplateError> {
    let count = match plain(of.clone()) {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        other => return Err(bad(name, format!("{} has no length", kind(&other)))),
    };
    Ok(Given::Data(count.into()))
}

fn title(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            let shown = if starts { c.to_ascii_uppercase() } else { c };
            starts = c.is_whitespace();
            shown
        })
        .collect()
}

/// Go puts a blank between two values when neither is a text.
fn print(args: &[Given]) -> String {
    let is_text = |given: &Given| matches!(given, Given::Safe(_) | Given::Data(Value::String(_)));
    let mut out = String::new();
    for (at, arg) in args.iter().enumerate() {
        if at > 0 && !is_text(arg) && !is_text(&args[at - 1]) {
            out.push(' ');
        }
        out.push_str(&shown(arg));
    }
    out
}

fn index(args: Vec<Given>) -> Result<Given, TemplateError> {
    let mut args = args.into_iter().map(plain);
    let mut value = args.next().ok_or_else(|| bad("index", "it takes a list or a map, and where"))?;
    for at in args {
        value = match (&value, &at) {
            (Value::Array(items), Value::Number(number)) => number
                .as_u64()
                .and_then(|number| items.get(usize::try_from(number).ok()?))
                .cloned()
                .ok_or_else(|| bad("index", format!("the list has no item {number}")))?,
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or_default(),
            (value, _) => {
                return Err(bad("index", format!("cannot look into {} with {}", kind(value), kind(&at))));
            }
        };
    }
    Ok(Given::Data(value))
}

fn compare(name: &str, args: &[Given]) -> Result<Given, TemplateError> {
    let values: Vec<Value> = args.iter().cloned().map(plain).collect();
    let [first, rest @ ..] = values.as_slice() else { return Err(bad(name, "it takes two values")) };
    if rest.is_empty() || (name != "eq" && rest.len() > 1) {
        return Err(bad(name, "it takes two values"));
    }
    let ordering = |a: &Value, b: &Value| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) if matches!(name, "eq" | "ne") => Some(a.cmp(b)),
        _ => None,
    };
    let holds = |b: &Value| {
        let order = ordering(first, b)
            .ok_or_else(|| bad(name, format!("{} and {} do not compare", kind(first), kind(b))))?;
        Ok(match name {
            "eq" => order.is_eq(),
            "ne" => order.is_ne(),
            "lt" => order.is_lt(),
            "le" => order.is_le(),
            "gt" => order.is_gt(),
            _ => order.is_ge(),
        })
    };
    let mut result = false;
    for value in rest {
        result |= holds(value)?;
    }
    Ok(Given::Data(result.into()))
}

/// `%s %v %d %q %t %%`, with a width: what people use to set columns.
fn printf(args: &[Given]) -> Result<String, TemplateError> {
    const WIDTH_MAX: usize = 1000;
    let Some((Given::Safe(format) | Given::Data(Value::String(format)), mut rest)) = args.split_first()
    else {
        return Err(bad("printf", "its first value is a text such as \"%s\""));
    };
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let is_left = chars.next_if_eq(&'-').is_some();
        let mut columns = 0;
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
            chars.next();
            columns = (columns * 10 + digit as usize).min(WIDTH_MAX);
        }
        let verb = chars.next().ok_or_else(|| bad("printf", "`%` at the end"))?;
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some((value, others)) = rest.split_first() else {
            return Err(bad("printf", format!("nothing is left for `%{verb}`")));
        };
        rest = others;
        let text = match verb {
            's' | 'v' | 'd' | 't' => shown(value),
            'q' => format!("{:?}", shown(value)),
            other => return Err(bad("printf", format!("`%{other}` is not one of %s %v %d %t %q"))),
        };
        let fill = " ".repeat(columns.saturating_sub(text.chars().count()));
        out.push_str(&if is_left { format!("{text}{fill}") } else { format!("{fill}{text}") });
    }
    Ok(out)
}
