//! Functions of templates, as Go has them.

use serde_json::{Number, Value};

use super::given::{Given, bad, kind, too_long};
use super::printf::printf;
use super::{Dialect, Wrong};

/// Go's own functions, but for `call`: values here are no functions.
pub(super) const OWN: &[&str] = &[
    "and", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// Calls a function; texts that it makes may have so many bytes.
pub(super) fn call(
    name: &str,
    args: Vec<Given>,
    dialect: &dyn Dialect,
    bytes_max: usize,
) -> Result<Given, Wrong> {
    let one = || match &args[..] {
        [one] => Ok(one),
        args => Err(bad(name, format!("it takes 1 value, not {}", args.len()))),
    };
    let print = || print(&args, dialect, bytes_max);
    match name {
        "not" => Ok(Given::Data((!one()?.is_true()).into())),
        "len" => length(one()?),
        "index" => index(args, dialect),
        "slice" => slice(args),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare(name, args),
        "print" => print().map(Given::Safe),
        "println" => {
            let texts = args.iter().map(|arg| arg.shown(dialect)).collect::<Result<Vec<_>, _>>()?;
            Ok(Given::Safe(texts.join(" ") + "\n"))
        }
        "printf" => printf(&args, dialect, bytes_max).map(Given::Safe),
        "html" => Ok(Given::Safe(html(&print()?))),
        "js" => Ok(Given::Safe(js(&print()?))),
        "urlquery" => Ok(Given::Safe(urlquery(&print()?))),
        _ => dialect.call(name, args),
    }
}

fn length(of: &Given) -> Result<Given, Wrong> {
    let count = match of {
        Given::Safe(text) | Given::Data(Value::String(text)) => text.len(),
        Given::Data(Value::Array(items)) => items.len(),
        Given::Data(Value::Object(map)) => map.len(),
        other => return Err(bad("len", format!("{} has no length", other.kind()))),
    };
    Ok(Given::Data(count.into()))
}

/// Go puts a blank between two values when neither is a text.
fn print(args: &[Given], dialect: &dyn Dialect, bytes_max: usize) -> Result<String, Wrong> {
    let mut out = String::new();
    for (at, arg) in args.iter().enumerate() {
        if at > 0 && arg.as_text().is_none() && args[at - 1].as_text().is_none() {
            out.push(' ');
        }
        out.push_str(&arg.shown(dialect)?);
        if out.len() > bytes_max {
            return Err(too_long(bytes_max));
        }
    }
    Ok(out)
}

fn place(number: &Number) -> Option<usize> {
    number.as_u64().and_then(|number| usize::try_from(number).ok())
}

fn index(args: Vec<Given>, dialect: &dyn Dialect) -> Result<Given, Wrong> {
    let mut args = args.into_iter().map(Given::into_value);
    let mut value = args.next().ok_or_else(|| bad("index", "it takes a list or a map, and where"))?;
    for at in args {
        value = match (&value, &at) {
            (Value::Array(items), Value::Number(number)) => place(number)
                .and_then(|at| items.get(at))
                .cloned()
                .ok_or_else(|| bad("index", format!("the list has no item {number}")))?,
            (Value::Object(map), Value::String(key)) => {
                map.get(key).cloned().unwrap_or_else(|| dialect.absent())
            }
            (value, _) => {
                return Err(bad("index", format!("cannot look into {} with {}", kind(value), kind(&at))));
            }
        };
    }
    Ok(Given::Data(value))
}

/// `slice x 1 3` is `x[1:3]`: of a text, its bytes.
fn slice(args: Vec<Given>) -> Result<Given, Wrong> {
    let wrong = || bad("slice", "it takes a text or a list, and up to two places in it");
    let (of, places) = args.split_first().ok_or_else(wrong)?;
    let places: Option<Vec<usize>> = places
        .iter()
        .map(|at| match at {
            Given::Data(Value::Number(number)) => place(number),
            _ => None,
        })
        .collect();
    let (from, to) = match places.ok_or_else(wrong)?[..] {
        [] => (0, None),
        [from] => (from, None),
        [from, to] => (from, Some(to)),
        _ => return Err(wrong()),
    };
    let outside = || bad("slice", "it has no such part");
    match of {
        Given::Safe(text) => text
            .get(from..to.unwrap_or(text.len()))
            .map(|part| Given::Safe(part.to_owned()))
            .ok_or_else(outside),
        Given::Data(Value::String(text)) => {
            let part = text.get(from..to.unwrap_or(text.len())).ok_or_else(outside)?;
            Ok(Given::Data(Value::String(part.to_owned())))
        }
        Given::Data(Value::Array(items)) => {
            let part = items.get(from..to.unwrap_or(items.len())).ok_or_else(outside)?;
            Ok(Given::Data(Value::Array(part.to_vec())))
        }
        Given::Data(_) => Err(wrong()),
    }
}

fn compare(name: &str, args: Vec<Given>) -> Result<Given, Wrong> {
    let values: Vec<Value> = args.into_iter().map(Given::into_value).collect();
    let [first, rest @ ..] = values.as_slice() else { return Err(bad(name, "it takes two values")) };
    if rest.is_empty() || (name != "eq" && rest.len() > 1) {
        return Err(bad(name, "it takes two values"));
    }
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    let ordering = |a: &Value, b: &Value| match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        },
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

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
