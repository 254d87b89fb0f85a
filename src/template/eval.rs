//! Nodes and data into text.

use std::ops::Range;

use serde_json::Value;

use super::given::{Given, bad, kind, too_long};
use super::{Base, DEPTH_MAX, Dialect, Fault, Limits, Node, Operand, Pipe, Template, What, Wrong, functions};

/// What each step counts for.
const STEP: usize = 64;

pub(super) fn render(
    template: &Template,
    data: &Value,
    dialect: &dyn Dialect,
    limits: &mut Limits,
) -> Result<String, Fault> {
    let mut eval = Eval {
        template,
        dialect,
        is_bounded: limits.work < usize::MAX,
        limits,
        at: 0..0,
        depth: 0,
        variables: Vec::new(),
        out: String::new(),
    };
    eval.nodes(&template.nodes, Scope { root: data, dot: data })?;
    Ok(eval.out)
}

struct Eval<'a> {
    template: &'a Template,
    dialect: &'a dyn Dialect,
    limits: &'a mut Limits,
    is_bounded: bool,
    /// The action that is being filled.
    at: Range<usize>,
    depth: usize,
    variables: Vec<(&'a str, Given)>,
    out: String,
}

/// What `$` and `.` are.
#[derive(Clone, Copy)]
struct Scope<'v> {
    root: &'v Value,
    dot: &'v Value,
}

/// How a block ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Eval<'a> {
    fn nodes(&mut self, nodes: &'a [Node], scope: Scope<'_>) -> Result<Flow, Fault> {
        let known = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, scope)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, scope: Scope<'_>) -> Result<Flow, Fault> {
        self.charge(STEP)?;
        let known = self.variables.len();
        let flow = match node {
            Node::Text(text) => self.write(text).map(|()| Flow::On),
            Node::Print(pipe) => {
                let value = self.pipe(pipe, scope)?;
                if pipe.names.is_empty() {
                    let text = self.at(&pipe.at, value.shown(self.dialect))?;
                    self.write(&text)?;
                }
                // What it has set lasts to the end of the block.
                return Ok(Flow::On);
            }
            Node::Choose { is_with, arms, otherwise } => self.choose(*is_with, arms, otherwise, scope),
            Node::Range { over, each, otherwise } => self.range(over, each, otherwise, scope),
            Node::Use { at, name, with } => self.use_defined(at, name, with.as_ref(), scope),
            Node::Break => Ok(Flow::Break),
            Node::Continue => Ok(Flow::Continue),
        };
        self.variables.truncate(known);
        flow
    }

    fn choose(
        &mut self,
        is_with: bool,
        arms: &'a [(Pipe, Vec<Node>)],
        otherwise: &'a [Node],
        scope: Scope<'_>,
    ) -> Result<Flow, Fault> {
        for (condition, then) in arms {
            let value = self.pipe(condition, scope)?;
            if !value.is_true() {
                continue;
            }
            if !is_with {
                return self.nodes(then, scope);
            }
            let value = value.into_value();
            return self.nodes(then, Scope { dot: &value, ..scope });
        }
        self.nodes(otherwise, scope)
    }

    fn range(
        &mut self,
        over: &'a Pipe,
        each: &'a [Node],
        otherwise: &'a [Node],
        scope: Scope<'_>,
    ) -> Result<Flow, Fault> {
        let items: Vec<(Value, Value)> = match self.value(over, scope)?.into_value() {
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect()
            }
            Value::Object(map) => map.into_iter().map(|(key, item)| (key.into(), item)).collect(),
            Value::Null => Vec::new(),
            other => return self.at(&over.at, Err(bad("range", format!("{} is not a list", kind(&other))))),
        };
        if items.is_empty() {
            return self.nodes(otherwise, scope);
        }
        for (key, item) in &items {
            let known = self.variables.len();
            match &over.names[..] {
                [] => {}
                [name] => self.set(over.is_new, name, Given::Data(item.clone())),
                [first, second, ..] => {
                    self.set(over.is_new, first, Given::Data(key.clone()));
                    self.set(over.is_new, second, Given::Data(item.clone()));
                }
            }
            let flow = self.nodes(each, Scope { dot: item, ..scope })?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn use_defined(
        &mut self,
        at: &Range<usize>,
        name: &str,
        with: Option<&'a Pipe>,
        scope: Scope<'_>,
    ) -> Result<Flow, Fault> {
        let value = match with {
            Some(pipe) => self.pipe(pipe, scope)?.into_value(),
            None => Value::Null,
        };
        if self.depth == DEPTH_MAX {
            return self.at(at, Err(Wrong::TooMuch("templates use each other too often".to_owned())));
        }
        let Some(nodes) = self.template.defined.get(name) else { return Ok(Flow::On) };
        self.depth += 1;
        let outside = std::mem::take(&mut self.variables);
        self.nodes(nodes, Scope { root: &value, dot: &value })?;
        self.variables = outside;
        self.depth -= 1;
        Ok(Flow::On)
    }

    /// The value of a pipe, which its variables have from now on.
    fn pipe(&mut self, pipe: &'a Pipe, scope: Scope<'_>) -> Result<Given, Fault> {
        let value = self.value(pipe, scope)?;
        for name in &pipe.names {
            self.set(pipe.is_new, name, value.clone());
        }
        Ok(value)
    }

    fn set(&mut self, is_new: bool, name: &'a str, value: Given) {
        match self.variables.iter_mut().rev().find(|(known, _)| !is_new && *known == name) {
            Some((_, there)) => *there = value,
            None => self.variables.push((name, value)),
        }
    }

    fn value(&mut self, pipe: &'a Pipe, scope: Scope<'_>) -> Result<Given, Fault> {
        self.at = pipe.at.clone();
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, scope)?);
        }
        Ok(last.unwrap_or(Given::Data(Value::Null)))
    }

    fn command(
        &mut self,
        command: &'a [Operand],
        piped: Option<Given>,
        scope: Scope<'_>,
    ) -> Result<Given, Fault> {
        let Some((first, rest)) = command.split_first() else { return Ok(Given::Data(Value::Null)) };
        let What::Function(name) = &first.what else { return self.operand(first, scope) };
        let at = first.at.start..command.last().map_or(first.at.end, |last| last.at.end);
        if matches!(name.as_str(), "and" | "or") {
            return self.first_that(name == "or", rest, piped, scope, &at);
        }
        let mut args =
            rest.iter().map(|operand| self.operand(operand, scope)).collect::<Result<Vec<_>, _>>()?;
        args.extend(piped);
        let made = functions::call(name, args, self.dialect, self.limits.bytes_max);
        let made = self.at(&at, made)?;
        self.charge_for(&made)?;
        Ok(made)
    }

    /// `and` and `or` leave the rest alone once they know.
    fn first_that(
        &mut self,
        is: bool,
        operands: &'a [Operand],
        piped: Option<Given>,
        scope: Scope<'_>,
        at: &Range<usize>,
    ) -> Result<Given, Fault> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, scope)?;
            if value.is_true() == is {
                return Ok(value);
            }
            last = Some(value);
        }
        let found = piped.or(last);
        self.at(at, found.ok_or_else(|| bad(if is { "or" } else { "and" }, "it takes a value")))
    }

    fn operand(&mut self, operand: &'a Operand, scope: Scope<'_>) -> Result<Given, Fault> {
        self.charge(STEP)?;
        let value = match &operand.what {
            What::Field { of: Base::Dot, path } => Given::Data(self.field(scope.dot, path, operand, scope)?),
            What::Field { of: Base::Root, path } => {
                Given::Data(self.field(scope.root, path, operand, scope)?)
            }
            What::Field { of: Base::Variable(name), path } => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = known.map_or(Given::Data(Value::Null), |(_, value)| value.clone());
                self.field_of(value, path, operand, scope)?
            }
            What::Field { of: Base::Group(pipe), path } => {
                let value = self.value(pipe, scope)?;
                self.field_of(value, path, operand, scope)?
            }
            What::Text(text) => Given::Safe(text.clone()),
            What::Number(number) => Given::Data(Value::Number(number.clone())),
            What::Bool(value) => Given::Data(Value::Bool(*value)),
            What::Nil => Given::Data(Value::Null),
            What::Function(_) => return self.command(std::slice::from_ref(operand), None, scope),
        };
        self.charge_for(&value)?;
        Ok(value)
    }

    fn field_of(
        &self,
        of: Given,
        path: &[String],
        operand: &Operand,
        scope: Scope<'_>,
    ) -> Result<Given, Fault> {
        if path.is_empty() {
            return Ok(of);
        }
        self.field(&of.into_value(), path, operand, scope).map(Given::Data)
    }

    fn field(
        &self,
        of: &Value,
        path: &[String],
        operand: &Operand,
        scope: Scope<'_>,
    ) -> Result<Value, Fault> {
        let mut value = of;
        for name in path {
            match value.as_object().and_then(|map| map.get(name)) {
                Some(there) => value = there,
                None => {
                    let is_root = std::ptr::eq(value, scope.root);
                    return self.at(&operand.at, self.dialect.lacking(value, is_root, name));
                }
            }
        }
        Ok(value.clone())
    }

    fn at<T>(&self, at: &Range<usize>, result: Result<T, Wrong>) -> Result<T, Fault> {
        result.map_err(|wrong| Fault { at: at.clone(), wrong })
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        if self.out.len() + text.len() > self.limits.bytes_max {
            return self.at(&self.at, Err(too_long(self.limits.bytes_max)));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        if !self.is_bounded {
            return Ok(());
        }
        if let Some(left) = self.limits.work.checked_sub(bytes) {
            self.limits.work = left;
            return Ok(());
        }
        self.limits.work = 0;
        self.at(&self.at, Err(Wrong::TooMuch("it takes too many steps to fill in".to_owned())))
    }

    /// For a value that was copied or made.
    fn charge_for(&mut self, value: &Given) -> Result<(), Fault> {
        if self.is_bounded { self.charge(value.bytes()) } else { Ok(()) }
    }
}
