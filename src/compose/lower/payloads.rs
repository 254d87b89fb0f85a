//! Contents of configs that are templates: read with the file, and tried out for each service that has them, so that a
//! mistake is reported at its place before anything is deployed.
//!
//! Of a file that a config is made of, an excerpt shows the actions, `{{…}}`, and nothing else: what stands around them
//! may be secret, and so may texts in quotes within them.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Context;
use crate::compose::Variables;
use crate::compose::stackfile::{Content, Service};
use crate::model::spec::{ConfigSpec, ServiceSpec};
use crate::model::template::{self as fields, Fields};
use crate::template::payload::{self, DRIVER, Payload, TaskView};
use crate::template::{Fault, Limits, Wrong};
use crate::yaml::{Diagnostic, SourceId, SourceText, Span, Spanned, closest};

/// SwarmKit's limit on the content of a config.
pub const CONFIG_BYTES_MAX: usize = 1_024_000;
/// Bytes that trying out may copy for all services together. Beyond that, the host of a task finds a mistake.
const TRIALS_MAX: usize = 4 * payload::WORK_MAX;
/// What a secret may be: values are not known here.
pub const SOME_VALUE: &[u8] = b"value-of-a-secret";

/// The templates of a stack, by the keys of their configs.
#[derive(Default)]
pub struct Payloads<'a> {
    of: BTreeMap<&'a str, Read<'a>>,
}

/// A template, and where its text stands.
struct Read<'a> {
    key: &'a Spanned<String>,
    payload: Payload,
    text: Text<'a>,
}

/// A content, and where it comes from.
struct Text<'a> {
    content: Arc<[u8]>,
    origin: Origin<'a>,
}

enum Origin<'a> {
    /// A file, and what messages call it once there is something to say.
    File(String, OnceCell<SourceId>),
    /// The stackfile itself.
    Here(&'a Spanned<String>),
    /// A variable.
    Elsewhere(Span),
}

/// The driver of a template, if it has one. An unknown one is reported.
pub fn driver(context: &Context<'_>, config: &Content) -> Option<String> {
    let driver = config.template_driver.as_ref().filter(|driver| !driver.is_empty())?;
    if driver.value != DRIVER {
        // Docker passes any on, and its engines refuse the tasks.
        let severity = context.world.reading.severity();
        let shown = context.sink.shown(driver);
        let message = format!("no template driver `{shown}` is known");
        context.sink.push(
            Diagnostic::new(severity, "bad_template_driver", message)
                .at(driver.span, "not a driver")
                .help(format!("the only one is `{DRIVER}`; without one the content stays as it is")),
        );
    }
    Some(driver.value.clone())
}

impl<'a> Payloads<'a> {
    /// Reads every content that is a template. Reports all mistakes in them.
    pub fn of(context: &Context<'a>, configs: &BTreeMap<String, ConfigSpec>) -> Self {
        let mut payloads = Self::default();
        for (key, config) in &context.file.configs {
            if let Some(spec) = configs.get(key) {
                payloads.read(context, config, spec);
            }
        }
        payloads
    }

    fn read(&mut self, context: &Context<'_>, config: &'a Content, spec: &ConfigSpec) {
        let is_template = spec.template_driver.as_deref() == Some(DRIVER);
        let Some(content) = spec.content.as_ref().filter(|_| is_template) else { return };
        let origin = match (&config.content, &config.file, &config.environment) {
            // Not before its variables are filled in.
            (Some(here), ..) if context.world.variables == Variables::Keep && here.contains('$') => return,
            (Some(here), ..) => Origin::Here(here),
            (None, Some(file), _) => Origin::File(context.world.shown.name(file), OnceCell::new()),
            (None, None, Some(variable)) => Origin::Elsewhere(variable.span),
            (None, None, None) => return,
        };
        let text = Text { content: Arc::clone(content), origin };
        match Payload::parse(content) {
            Ok(payload) => drop(self.of.insert(&config.key, Read { key: &config.key, payload, text })),
            Err(faults) => {
                faults.iter().for_each(|fault| text.report(context, &config.key, fault, None));
            }
        }
    }

    /// Fills in the templates of one task of a service, as it would be on some node.
    pub fn try_out(
        &self,
        context: &Context<'_>,
        service: &Service,
        spec: &ServiceSpec,
        configs: &BTreeMap<String, ConfigSpec>,
        limits: &mut Limits,
    ) {
        let task = &spec.task;
        let is_template = |source: &str| self.of.contains_key(source);
        // One that is not defined, or has another's place, has been reported.
        let is_whole = task.configs.len() == service.configs.len();
        if !is_whole || !task.configs.values().any(|mount| is_template(&mount.source)) {
            return;
        }
        let fields = some_task(&format!("{}_{}", context.stack, spec.name), &spec.labels);
        let mut environment = task.environment.clone();
        environment.values_mut().flatten().for_each(|value| *value = fields::text(value, &fields));
        let secrets = task.secrets.keys().map(|path| (path.as_str(), Some(SOME_VALUE)));
        let view =
            TaskView::new(&fields, &environment, &task.configs, configs).with_secrets(secrets.collect());
        for mount in task.configs.values() {
            let Some(read) = self.of.get(mount.source.as_str()) else { continue };
            let mut own = Limits { work: limits.work.min(payload::WORK_MAX), ..*limits };
            let before = own.work;
            let filled = read.payload.expand(&view, &mut own);
            limits.work -= before - own.work;
            let Err(fault) = filled else { continue };
            let is_cut_short = own.work == 0 && before < payload::WORK_MAX;
            let reference = service.configs.iter().find(|one| *one.source == mount.source);
            if !is_cut_short {
                read.text.report(context, read.key, &fault, reference.map(|one| one.source.span));
            }
        }
    }
}

/// What trying out may take.
pub fn limits() -> Limits {
    Limits { bytes_max: CONFIG_BYTES_MAX - 1, work: TRIALS_MAX }
}

/// A task like those that there will be: values of the right kind, and of the usual length.
pub fn some_task(service: &str, labels: &BTreeMap<String, String>) -> Fields {
    let (task, slot) = ("abcdefghijklmnopqrstuvwxy", "1");
    Fields {
        service: service.to_owned(),
        labels: labels.clone(),
        node_id: "abcdefghijklmnopqrstuvwxy".to_owned(),
        hostname: "host-of-a-task".to_owned(),
        os: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        task: task.to_owned(),
        task_name: format!("{service}.{slot}.{task}"),
        slot: slot.to_owned(),
    }
}

impl Text<'_> {
    /// Reports a mistake; `used` is where the service for which it is one names the config.
    fn report(&self, context: &Context<'_>, key: &Spanned<String>, fault: &Fault, used: Option<Span>) {
        let name = context.sink.shown(key);
        let (span, is_literal) = self.place(context, &fault.at);
        let (label, help) = if is_literal {
            (fault.wrong.to_string(), advice(&fault.wrong))
        } else {
            let (line, _) = payload::place(&self.content, fault);
            let why = format!("line {line} of what comes from here cannot be filled in");
            (why, "values of variables are not shown: try the text as the `content` of a config".to_owned())
        };
        // Docker passes them on, and its engines refuse the tasks.
        let severity = context.world.reading.severity();
        let message = format!("config `{name}` is a template that cannot be filled in");
        let diagnostic = Diagnostic::new(severity, "bad_config_template", message).at(span, label).help(help);
        context.sink.push(match used {
            Some(used) => diagnostic.also(used, "for a task of this service"),
            None => diagnostic,
        });
    }

    /// Where a part of the content stands, and whether it does so as it is.
    fn place(&self, context: &Context<'_>, part: &Range<usize>) -> (Span, bool) {
        match &self.origin {
            Origin::File(name, source) => {
                let source = *source.get_or_init(|| self.show(context, name));
                // The text that is shown lacks the mark.
                let mark = if self.content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                let at = |at: usize| at.saturating_sub(mark);
                (Span::new(source, at(part.start)..at(part.end)), true)
            }
            Origin::Here(text) => {
                let written = context.sink.sources().slice(text.span);
                match in_scalar(written, text, part) {
                    Some(part) => (text.span.part(part), true),
                    None => (text.span, false),
                }
            }
            Origin::Elsewhere(span) => (*span, false),
        }
    }

    /// Adds the file to the texts that excerpts are made of.
    fn show(&self, context: &Context<'_>, name: &str) -> SourceId {
        let bytes = self.content.to_vec();
        let (Ok(id) | Err((id, _))) = context.sink.sources().add(SourceText { name: name.to_owned(), bytes });
        for hidden in around_actions(&context.sink.sources().get(id).text) {
            context.sink.hide(Span::new(id, hidden));
        }
        id
    }
}

/// What to do about a mistake.
fn advice(wrong: &Wrong) -> String {
    let near = |name: &str, known: &[&str]| match closest(name, known) {
        Some(near) => format!("did you mean `{near}`? there are: {}", known.join(", ")),
        None => format!("there are: {}", known.join(", ")),
    };
    match wrong {
        Wrong::UnknownField { field, known } if !known.is_empty() => {
            near(field, &known.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Wrong::UnknownField { .. } => "a text has no fields".to_owned(),
        Wrong::UnknownFunction(name) => near(name, &payload::functions()),
        Wrong::TooMuch(_) => {
            format!("a config has less than {CONFIG_BYTES_MAX} bytes, also once it is filled in")
        }
        Wrong::Syntax(_) | Wrong::BadArgument { .. } => {
            format!(
                "`template_driver: {DRIVER}` fills it in for each task; without it the content stays as it is"
            )
        }
    }
}

/// What a file has outside of its actions, and texts in quotes within them.
fn around_actions(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|offset| at + offset) {
        hidden.push(at..open);
        at = open + 2;
        while at < text.len() && !text[at..].starts_with("}}") {
            let c = text[at..].chars().next().unwrap_or_default();
            at += c.len_utf8();
            if matches!(c, '"' | '`' | '\'') {
                let end = end_of_text(&text[at..], c);
                hidden.push(at..at + end);
                at = text.len().min(at + end + 1);
            }
        }
        at = text.len().min(at + 2);
    }
    hidden.push(at..text.len());
    hidden
}

/// How long what stands in quotes is: up to the quote, or to the end if there is none.
fn end_of_text(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    text.char_indices()
        .find(|&(_, c)| {
            let ends = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped && quote != '`';
            ends
        })
        .map_or(text.len(), |(at, _)| at)
}

/// The place in a scalar, as it is written, of a part of its value: in a plain or quoted one as it is, or in a block, of
/// which every line is indented. `$$` stands for `$`. Nothing if it stands there otherwise.
fn in_scalar(written: &str, value: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let is_block = written.starts_with(['|', '>']);
    let row = value.get(..part.start)?.matches('\n').count();
    let starts = |text: &str, row: usize| match row {
        0 => Some(0),
        row => text.match_indices('\n').nth(row - 1).map(|(at, _)| at + 1),
    };
    let (value_row, row_start) = (value.lines().nth(row).unwrap_or_default(), starts(value, row)?);
    let there = starts(written, row + usize::from(is_block))?;
    let line = written[there..].lines().next()?;
    let indent = if is_block || row > 0 {
        line.len() - line.trim_start_matches(' ').len()
    } else {
        usize::from(line.starts_with(['"', '\'']))
    };
    // Blanks in front of the value's line are the value's own.
    let own = value_row.len() - value_row.trim_start_matches(' ').len();
    let begins = if is_block || row > 0 { indent.checked_sub(own)? } else { indent };
    let map = unfolded(&line[begins..], value_row)?;
    let at = |at: usize| there + begins + map.get(at.min(map.len() - 1)).copied().unwrap_or_default();
    let from = part.start - row_start;
    let to = (part.end - row_start).min(value_row.len()).max(from);
    Some(at(from)..at(to))
}

/// For each byte of a line of the value, and its end, the byte of the written line; `$$` there is one `$`.
fn unfolded(written: &str, value: &str) -> Option<Vec<usize>> {
    let (written, mut at) = (written.as_bytes(), 0);
    let mut map = Vec::with_capacity(value.len() + 1);
    for byte in value.bytes() {
        if written.get(at) != Some(&byte) {
            return None;
        }
        map.push(at);
        at += 1;
        if byte == b'$' {
            at += usize::from(written.get(at) == Some(&b'$'));
        }
    }
    map.push(at);
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_value_is_found_where_it_is_written() {
        let found = |written: &str, value: &str, part: &str| {
            let at = value.find(part).unwrap();
            in_scalar(written, value, &(at..at + part.len())).map(|range| written[range].to_owned())
        };
        assert_eq!(found("a {{x}} b", "a {{x}} b", "x").as_deref(), Some("x"));
        assert_eq!(found("'a {{x}} b'", "a {{x}} b", "x").as_deref(), Some("x"));
        assert_eq!(found("|\n    a\n      b {{x}}\n", "a\n  b {{x}}\n", "{{x").as_deref(), Some("{{x"));
        assert_eq!(found("|-\n  a\n  {{$$x}} {{y}}", "a\n{{$x}} {{y}}", "$x").as_deref(), Some("$$x"));
        assert_eq!(found("|-\n  a\n  {{$$x}} {{y}}", "a\n{{$x}} {{y}}", "y").as_deref(), Some("y"));
        assert_eq!(found("|-\n  a\n  $TOKEN {{y}}", "a\nhunter2 {{y}}", "y"), None);
        assert_eq!(found("\"a\\n{{x}}\"", "a\n{{x}}", "x"), None);
    }

    #[test]
    fn what_is_around_actions_and_in_quotes_is_hidden() {
        let shown = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            around_actions(text).into_iter().for_each(|range| bytes[range].fill(b'*'));
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(shown("ab{{env \"X\"}}c"), "**{{env \"*\"}}*");
        assert_eq!(shown("{{ `a}}` }}b{{ \"a\\\"b\" }}"), "{{ `***` }}*{{ \"****\" }}");
        assert_eq!(shown("a{{ \"b }} c"), "*{{ \"******");
        assert_eq!(shown("abc"), "***");
        assert_eq!(shown("{{x"), "{{x");
    }
}
