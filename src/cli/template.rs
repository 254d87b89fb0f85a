//! Templates of `--format`: the language, docker's own functions, and what a mistake is called.
//!
//! What they are filled with goes to a terminal, so control characters of the data are spelled out. A field that the data
//! does not have is an error that lists the existing fields: a typo must not silently print nothing.

use serde_json::{Map, Value};

use crate::cli::render::text::clean;
use crate::model::json::json_line;
use crate::template::{self, Dialect, Fault, Given, Limits, Wrong, bad, go_text, kind};

/// A template, read once and filled many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(template::Template);

/// Why a template cannot be read or filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum TemplateError {
    /// The text is not a template.
    #[error("--format is not a template: {0}")]
    #[diagnostic(
        code(stackctl::format::bad_template),
        help("a template looks like '{{{{.Name}}}}\\t{{{{.Image}}}}'; put `table ` before it for headers")
    )]
    Syntax(String),
    /// The data has no such field.
    #[error("no field `{field}` here")]
    #[diagnostic(code(stackctl::format::unknown_field), help("{}", known_fields(field, known)))]
    UnknownField { field: String, known: Vec<String> },
    /// Neither Go nor docker has such a function.
    #[error("no function `{0}`")]
    #[diagnostic(
        code(stackctl::format::unknown_function),
        help("there are: {}", template::functions(&Docker(Mode::Data)).join(", "))
    )]
    UnknownFunction(String),
    /// A function got an argument that it cannot use.
    #[error("`{function}` cannot use its arguments: {why}")]
    #[diagnostic(code(stackctl::format::bad_argument))]
    BadArgument { function: String, why: String },
}

fn known_fields(field: &str, known: &[String]) -> String {
    let names = format!("there are: {}", known.join(", "));
    match template::meant(field, known) {
        Some(meant) => format!("did you mean `{meant}`? {names}"),
        None => names,
    }
}

impl From<Fault> for TemplateError {
    fn from(fault: Fault) -> Self {
        match fault.wrong {
            Wrong::Syntax(why) | Wrong::TooMuch(why) => Self::Syntax(why),
            Wrong::UnknownField { field, known } => Self::UnknownField { field, known },
            Wrong::UnknownFunction(name) => Self::UnknownFunction(name),
            Wrong::BadArgument { function, why } => Self::BadArgument { function, why },
        }
    }
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let read = template::Template::parse(text, &Docker(Mode::Data));
        read.map(Self).map_err(|mut faults| faults.swap_remove(0).into())
    }

    /// Fills the template with `data`. Control characters of the data are spelled out.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        let mut limits = Limits::NONE;
        Ok(self.0.render(data, &Docker(Mode::Data), &mut limits)?)
    }

    /// Fills the template with headings, as docker does: there functions leave their value alone.
    pub fn render_header(&self, headings: &Value) -> Result<String, TemplateError> {
        let mut limits = Limits::NONE;
        Ok(self.0.render(headings, &Docker(Mode::Header), &mut limits)?)
    }
}

/// Whether data or headings are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Data,
    Header,
}

/// What docker's templates have besides Go's.
struct Docker(Mode);

impl Dialect for Docker {
    fn functions(&self) -> &'static [&'static str] {
        &["join", "json", "lower", "pad", "split", "title", "truncate", "upper"]
    }

    fn call(&self, name: &str, args: Vec<Given>) -> Result<Given, Wrong> {
        match self.0 {
            Mode::Data => call(name, &args),
            Mode::Header => args.into_iter().next().ok_or_else(|| bad(name, "it takes a value")),
        }
    }

    fn lacking(&self, of: &Value, is_root: bool, name: &str) -> Result<Value, Wrong> {
        match of {
            // A map of the user's, such as labels, may lack any key. Only the object's own fields are known.
            Value::Object(map) if is_root => Err(unknown_field(name, map)),
            // A heading has no inner fields.
            Value::String(_) if self.0 == Mode::Header => Ok(Value::String(name.to_owned())),
            _ => Ok(Value::Null),
        }
    }

    fn text(&self, value: &Value) -> Result<String, Wrong> {
        Ok(clean(&go_text(value)).into_owned())
    }
}

fn unknown_field(name: &str, map: &Map<String, Value>) -> Wrong {
    Wrong::UnknownField { field: name.to_owned(), known: map.keys().cloned().collect() }
}

fn call(name: &str, args: &[Given]) -> Result<Given, Wrong> {
    let arity = |count: usize| {
        if args.len() == count {
            Ok(())
        } else {
            Err(bad(name, format!("it takes {count} values, not {}", args.len())))
        }
    };
    let text = |at: usize| {
        let arg: &Given = &args[at];
        arg.as_text().ok_or_else(|| bad(name, format!("{} is not a text", arg.kind())))
    };
    let number = |at: usize| match &args[at] {
        Given::Data(Value::Number(number)) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| bad(name, format!("{number} is not a count"))),
        other => Err(bad(name, format!("{} is not a number", other.kind()))),
    };
    // The result of a text function is as raw as its input.
    let data = |text: String| Ok(Given::Data(Value::String(text)));
    match name {
        "json" => arity(1).map(|()| Given::Safe(json_line(&args[0].clone().into_value()))),
        "lower" => arity(1).and_then(|()| data(text(0)?.to_lowercase())),
        "upper" => arity(1).and_then(|()| data(text(0)?.to_uppercase())),
        "title" => arity(1).and_then(|()| data(title(text(0)?))),
        "truncate" => arity(2).and_then(|()| data(text(0)?.chars().take(number(1)?).collect())),
        "pad" => arity(3).and_then(|()| {
            let value = text(0)?;
            let (before, after) = (" ".repeat(number(1)?.min(1000)), " ".repeat(number(2)?.min(1000)));
            data(if value.is_empty() { String::new() } else { format!("{before}{value}{after}") })
        }),
        "join" => arity(2).and_then(|()| match &args[0] {
            Given::Data(Value::Array(items)) => {
                data(items.iter().map(go_text).collect::<Vec<_>>().join(text(1)?))
            }
            Given::Data(Value::Null) => data(String::new()),
            other => Err(bad(name, format!("{} is not a list", kind(&other.clone().into_value())))),
        }),
        "split" => arity(2).and_then(|()| {
            let parts = text(0)?.split(text(1)?).map(|part| Value::String(part.to_owned())).collect();
            Ok(Given::Data(Value::Array(parts)))
        }),
        _ => Err(Wrong::UnknownFunction(name.to_owned())),
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, data: &Value) -> Result<String, TemplateError> {
        Template::parse(template)?.render(data)
    }

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let data = json!({
            "Name": "web.1", "Image": "nginx:1.25", "Replicas": 3, "Up": true, "Error": "",
            "Ports": ["80", "443"], "Labels": {"zone": "a", "disk": "ssd"}, "Evil": "a\u{1b}[31m\nb\u{9b}"
        });
        assert_eq!(fill(template, &data).as_deref(), Ok(expected), "{template}");
    }

    #[test]
    fn functions_that_docker_adds() {
        check("{{json .Ports}} {{json .Name}}", r#"["80","443"] "web.1""#);
        check("{{upper .Name}} {{.Name | upper | lower}} {{title .Name}}", "WEB.1 web.1 Web.1");
        check("{{truncate .Image 5}} {{truncate .Image 50}}", "nginx nginx:1.25");
        check(r#"{{join .Ports ", "}} {{index (split .Image ":") 1}}"#, "80, 443 1.25");
        check("[{{pad .Name 1 2}}] [{{pad .Error 1 2}}]", "[ web.1  ] []");
        check(
            r#"{{println .Name}}{{printf "%s has %d, %v, %q, %5s|%-6s|" .Name .Replicas .Up .Name "x" "y"}}"#,
            "web.1\nweb.1 has 3, true, \"web.1\",     x|y     |",
        );
    }

    #[test]
    fn a_map_of_the_users_may_lack_any_key() {
        check(
            "{{.Labels.none}} {{.Labels.none.at.all}} {{index .Labels \"none\"}}",
            "<no value> <no value> <no value>",
        );
        check("{{range .Labels}}{{.}}-{{$.Name}};{{else}}none{{end}}", "ssd-web.1;a-web.1;");
    }

    #[test]
    fn control_characters_of_the_data_do_not_reach_the_terminal() {
        check("{{.Evil}}", "a\\x1b[31m\\nb\\x9b");
        check("{{upper .Evil}}", "A\\x1b[31M\\nB\\x9b");
        check("{{json .Evil}}", "\"a\\u001b[31m\\nb\\u009b\"");
        check("{{println .Evil}}", "a\\x1b[31m\\nb\\x9b\n");
        check("{{$x := .Evil}}{{printf \"%s %q\" $x \"\\n\"}}", "a\\x1b[31m\\nb\\x9b \"\\n\"");
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let data = json!({"Name": "a", "Image": "b"});
        let error = fill("{{.name}}", &data).unwrap_err();
        assert_eq!(error.to_string(), "no field `name` here");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert_eq!(help, "did you mean `Name`? there are: Image, Name");
        assert!(matches!(fill("{{frob .Name}}", &data), Err(TemplateError::UnknownFunction(_))));
        assert!(matches!(fill("{{env \"HOME\"}}", &data), Err(TemplateError::UnknownFunction(_))));
        assert!(matches!(fill("{{truncate .Name}}", &data), Err(TemplateError::BadArgument { .. })));
        assert!(matches!(fill("{{.Name", &data), Err(TemplateError::Syntax(_))));
    }

    #[test]
    fn headings_pass_through_functions() {
        let template = Template::parse("{{upper .Name}}\t{{json .Image}}\t{{truncate .Name 3}}").unwrap();
        let headings = json!({"Name": "Name", "Image": "IMAGE"});
        assert_eq!(template.render_header(&headings).unwrap(), "Name\tIMAGE\tName");
    }
}
