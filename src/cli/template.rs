//! Go templates, as far as docker's `--format` goes: fields, pipes, the functions docker adds, `if`,
//! `range` and `with`.
//!
//! Works on JSON values and knows nothing of what they mean. A field that the data does not have is an
//! error that lists the existing fields: a typo must not silently print nothing.

mod eval;
mod parse;

use std::fmt;

use serde_json::Value;

/// A template, read once and filled many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

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
        help("there are: {}", eval::FUNCTIONS.join(", "))
    )]
    UnknownFunction(String),
    /// A function got an argument that it cannot use.
    #[error("`{function}` cannot use its arguments: {why}")]
    #[diagnostic(code(stackctl::format::bad_argument))]
    BadArgument { function: String, why: String },
}

fn known_fields(field: &str, known: &[String]) -> String {
    let names = format!("there are: {}", known.join(", "));
    match known.iter().find(|name| name.eq_ignore_ascii_case(field)) {
        Some(meant) => format!("did you mean `{meant}`? {names}"),
        None => names,
    }
}

/// How the parts of a template nest.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Print(Pipe),
    If { arms: Vec<(Pipe, Vec<Node>)>, otherwise: Vec<Node> },
    Range { over: Pipe, each: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
}

/// `a | b 1 | c`: each command takes the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
struct Pipe(Vec<Vec<Operand>>);

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    /// `.`, `.A.B`, `$`, `$.A`, `(…).A`.
    Field {
        of: Base,
        path: Vec<String>,
    },
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
    Nil,
    Function(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Base {
    Dot,
    Root,
    Group(Box<Pipe>),
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text).map(|nodes| Self { nodes })
    }

    /// Fills the template with `data`. Control characters of the data are spelled out.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, eval::Mode::Data)
    }

    /// Fills the template with headings, as docker does: there functions leave their value alone.
    pub fn render_header(&self, headings: &Value) -> Result<String, TemplateError> {
        eval::render(&self.nodes, headings, eval::Mode::Header)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { path, .. } => write!(f, ".{}", path.join(".")),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Nil => f.write_str("nil"),
            Self::Function(name) => f.write_str(name),
        }
    }
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
    fn fields_and_text() {
        check("{{.Name}} is {{ .Image }}", "web.1 is nginx:1.25");
        check("{{.Labels.zone}}", "a");
        check("{{.Replicas}} {{.Up}} {{.Ports}} {{.Labels}}", "3 true [80 443] map[disk:ssd zone:a]");
        check("{{$.Name}}", "web.1");
        check("a {{- .Name -}} b", "aweb.1b");
        check("{{/* nothing */}}x", "x");
        check(r#"{{"lit\teral"}}{{`raw\t`}}"#, "lit\teralraw\\t");
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
        check("{{len .Ports}} {{index .Labels \"disk\"}} {{not .Up}}", "2 ssd false");
        check("{{print 1 2}} {{print .Name .Image}}", "1 2 web.1nginx:1.25");
    }

    #[test]
    fn conditions_and_loops() {
        check("{{if .Up}}up{{else}}down{{end}}{{if .Error}}!{{end}}", "up");
        check(r#"{{if eq .Name "x"}}1{{else if ge .Replicas 3}}2{{else}}3{{end}}"#, "2");
        check(r#"{{if and .Up (or .Error (ne .Name "x"))}}y{{end}}"#, "y");
        check("{{range .Ports}}[{{.}}]{{end}}", "[80][443]");
        check("{{range .Labels}}{{.}}-{{$.Name}};{{else}}none{{end}}", "ssd-web.1;a-web.1;");
        check("{{with .Labels}}{{.zone}}{{end}}{{with .Error}}x{{else}}none{{end}}", "anone");
    }

    #[test]
    fn control_characters_of_the_data_do_not_reach_the_terminal() {
        check("{{.Evil}}", "a\\x1b[31m\\nb\\x9b");
        check("{{upper .Evil}}", "A\\x1b[31M\\nB\\x9b");
        check("{{json .Evil}}", "\"a\\u001b[31m\\nb\\u009b\"");
        check("{{println .Evil}}", "a\\x1b[31m\\nb\\x9b\n");
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let data = json!({"Name": "a", "Image": "b"});
        let error = fill("{{.name}}", &data).unwrap_err();
        assert_eq!(error.to_string(), "no field `name` here");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert_eq!(help, "did you mean `Name`? there are: Image, Name");
        assert!(matches!(fill("{{frob .Name}}", &data), Err(TemplateError::UnknownFunction(_))));
        assert!(matches!(fill("{{truncate .Name}}", &data), Err(TemplateError::BadArgument { .. })));
        for bad in [
            "{{.Name",
            "{{if .Name}}x",
            "{{end}}",
            "{{}}",
            "{{.Name | }}",
            "{{\"x}}",
            "{{else}}",
            "{{(.Name}}",
        ] {
            assert!(matches!(fill(bad, &data), Err(TemplateError::Syntax(_))), "{bad}");
        }
    }

    #[test]
    fn headings_pass_through_functions() {
        let template = Template::parse("{{upper .Name}}\t{{json .Image}}\t{{truncate .Name 3}}").unwrap();
        let headings = json!({"Name": "Name", "Image": "IMAGE"});
        assert_eq!(template.render_header(&headings).unwrap(), "Name\tIMAGE\tName");
    }
}
