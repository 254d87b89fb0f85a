//! Pieces of text into nodes. Goes on behind a mistake, so that all are found at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::vec::IntoIter;

use super::scan::{Action, Piece, Scanned, Sign, Token, scan};
use super::{
    Base, DEPTH_MAX, Dialect, FAULTS_MAX, Fault, Node, Operand, Pipe, Template, What, Wrong, functions,
};

/// Reads a whole template.
pub(super) fn parse(text: &str, dialect: &dyn Dialect) -> Result<Template, Vec<Fault>> {
    let Scanned { pieces, faults, is_cut } = scan(text);
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        faults,
        is_cut,
        depth: 0,
        loops: 0,
        moved: 0,
        in_definition: false,
        variables: Vec::new(),
        defined: BTreeMap::new(),
        used: Vec::new(),
        dialect,
    };
    let mut nodes = Vec::new();
    loop {
        let (more, stop) = parser.block();
        nodes.extend(more);
        match stop {
            Stop::Eof => break,
            Stop::End(at) => parser.syntax(at, "`{{end}}` without a beginning"),
            Stop::Else(_, at) => parser.syntax(at, "`{{else}}` without an `{{if}}`"),
        }
    }
    for (name, at) in std::mem::take(&mut parser.used) {
        if !parser.defined.contains_key(&name) && !parser.is_cut {
            parser.syntax(at, "no template of this name is defined here");
        }
    }
    let Parser { mut faults, defined, .. } = parser;
    faults.sort_by_key(|fault| fault.at.start);
    if faults.is_empty() { Ok(Template { nodes, defined }) } else { Err(faults) }
}

fn syntax(at: Range<usize>, why: impl Into<String>) -> Fault {
    Fault { at, wrong: Wrong::Syntax(why.into()) }
}

struct Parser<'a> {
    pieces: IntoIter<Piece>,
    faults: Vec<Fault>,
    /// Whether the rest of the text could not be read: what seems to be missing may be there.
    is_cut: bool,
    depth: usize,
    /// How many `range` are open.
    loops: usize,
    /// How many blocks are open in which `.` is not the whole of the data.
    moved: usize,
    /// Whether `$` is not the whole of the data.
    in_definition: bool,
    variables: Vec<String>,
    defined: BTreeMap<String, Vec<Node>>,
    /// Templates that are used, and where.
    used: Vec<(String, Range<usize>)>,
    dialect: &'a dyn Dialect,
}

/// What ended a block, and where that is.
enum Stop {
    Eof,
    End(Range<usize>),
    /// With what follows the word: `if …`, or nothing.
    Else(Vec<Token>, Range<usize>),
}

/// What came of one action.
enum Step {
    Node(Node),
    /// It is wrong, or defines something.
    Nothing,
    Stop(Stop),
}

impl Parser<'_> {
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn syntax(&mut self, at: Range<usize>, why: impl Into<String>) {
        self.fault(syntax(at, why));
    }

    fn block(&mut self) -> (Vec<Node>, Stop) {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Text(text) if text.is_empty() => {}
                Piece::Text(text) => nodes.push(Node::Text(text)),
                Piece::Action(action) => match self.action(action) {
                    Step::Node(node) => nodes.push(node),
                    Step::Nothing => {}
                    Step::Stop(stop) => return (nodes, stop),
                },
            }
        }
        (nodes, Stop::Eof)
    }

    /// A block inside of another one.
    fn inner(&mut self, at: &Range<usize>) -> (Vec<Node>, Stop) {
        if self.depth == DEPTH_MAX {
            self.syntax(at.clone(), "too deeply nested");
            self.is_cut = true;
            self.pieces = Vec::new().into_iter();
            return (Vec::new(), Stop::Eof);
        }
        self.depth += 1;
        let known = self.variables.len();
        let block = self.block();
        self.variables.truncate(known);
        self.depth -= 1;
        block
    }

    fn action(&mut self, action: Action) -> Step {
        let Action { at, tokens, is_broken } = action;
        let tokens = trim(&tokens);
        let (keyword, rest) = match tokens.split_first() {
            Some((Token { sign: Sign::Word(word), .. }, rest)) => (word.as_str(), trim(rest)),
            _ => ("", tokens),
        };
        // Of a broken one only what it begins or ends is known.
        let rest = if is_broken { None } else { Some(rest) };
        let alone = |parser: &mut Self| {
            if rest.is_some_and(|rest| !rest.is_empty()) {
                parser.syntax(at.clone(), format!("`{keyword}` stands alone between `{{{{` and `}}}}`"));
            }
        };
        match keyword {
            "end" => {
                alone(self);
                Step::Stop(Stop::End(at))
            }
            "else" => Step::Stop(Stop::Else(rest.unwrap_or_default().to_vec(), at)),
            "if" | "with" => self.choose(keyword == "with", rest, &at),
            "range" => self.range(rest, &at),
            "define" => self.define(rest, &at),
            "block" => self.named_block(rest, &at),
            "template" => self.template(rest, &at),
            "break" | "continue" => {
                alone(self);
                if self.loops == 0 {
                    self.syntax(at, format!("`{keyword}` outside of `range`"));
                    return Step::Nothing;
                }
                Step::Node(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            _ if is_broken => Step::Nothing,
            _ => self.pipe(tokens, &at, 1).map_or(Step::Nothing, |pipe| Step::Node(Node::Print(pipe))),
        }
    }

    fn unclosed(&mut self, name: &str, at: &Range<usize>) {
        if !self.is_cut {
            self.syntax(at.clone(), format!("`{{{{{name}}}}}` without `{{{{end}}}}`"));
        }
    }

    fn choose(&mut self, is_with: bool, condition: Option<&[Token]>, at: &Range<usize>) -> Step {
        let name = if is_with { "with" } else { "if" };
        let known = self.variables.len();
        let (mut arms, mut otherwise) = (Vec::new(), Vec::new());
        let mut condition = condition.and_then(|tokens| self.pipe(tokens, at, 1));
        loop {
            self.moved += usize::from(is_with);
            let (then, stop) = self.inner(at);
            self.moved -= usize::from(is_with);
            arms.extend(condition.map(|condition| (condition, then)));
            match stop {
                Stop::Eof => self.unclosed(name, at),
                Stop::End(_) => {}
                Stop::Else(tokens, else_at) => match tokens.split_first() {
                    None => otherwise = self.last_block(name, at),
                    Some((token, rest)) if token.sign == Sign::Word(name.to_owned()) => {
                        condition = self.pipe(trim(rest), &else_at, 1);
                        continue;
                    }
                    Some(_) => {
                        self.syntax(else_at, format!("only `{name}` may follow this `else`"));
                        condition = None;
                        continue;
                    }
                },
            }
            break;
        }
        self.variables.truncate(known);
        Step::Node(Node::Choose { is_with, arms, otherwise })
    }

    fn range(&mut self, over: Option<&[Token]>, at: &Range<usize>) -> Step {
        let known = self.variables.len();
        let over = over.and_then(|tokens| self.pipe(tokens, at, 2));
        self.loops += 1;
        self.moved += 1;
        let (each, stop) = self.inner(at);
        self.loops -= 1;
        self.moved -= 1;
        let otherwise = match stop {
            Stop::End(_) => Vec::new(),
            Stop::Else(tokens, else_at) => {
                if !tokens.is_empty() {
                    self.syntax(else_at, "nothing may follow this `else`");
                }
                self.last_block("range", at)
            }
            Stop::Eof => {
                self.unclosed("range", at);
                Vec::new()
            }
        };
        self.variables.truncate(known);
        over.map_or(Step::Nothing, |over| Step::Node(Node::Range { over, each, otherwise }))
    }

    /// What stands between `{{else}}` and `{{end}}`.
    fn last_block(&mut self, name: &str, at: &Range<usize>) -> Vec<Node> {
        loop {
            match self.inner(at) {
                (nodes, Stop::End(_)) => return nodes,
                (_, Stop::Else(_, again)) => self.syntax(again, "a second `{{else}}`"),
                (_, Stop::Eof) => {
                    self.unclosed(name, at);
                    return Vec::new();
                }
            }
        }
    }

    /// Reads what is defined under a name: nothing of what is around it is known there.
    fn body(&mut self, name: &str, at: &Range<usize>) -> Vec<Node> {
        let outside = (std::mem::take(&mut self.variables), self.loops, self.in_definition);
        (self.loops, self.in_definition) = (0, true);
        let body = self.last_block(name, at);
        (self.variables, self.loops, self.in_definition) = outside;
        body
    }

    fn define(&mut self, rest: Option<&[Token]>, at: &Range<usize>) -> Step {
        if self.depth > 0 {
            self.syntax(at.clone(), "`define` stands inside of no other block");
        }
        let name = rest.and_then(|rest| match rest {
            [Token { sign: Sign::Text(name), .. }] => Some(name.clone()),
            _ => {
                self.syntax(at.clone(), "`define` takes a name in quotes");
                None
            }
        });
        let body = self.body("define", at);
        if let Some(name) = name {
            self.add(name, body, at);
        }
        Step::Nothing
    }

    /// As Go has it, one of blanks alone replaces nothing.
    fn add(&mut self, name: String, body: Vec<Node>, at: &Range<usize>) {
        let is_empty = |nodes: &[Node]| {
            nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
        };
        match self.defined.get(&name) {
            Some(there) if !is_empty(there) && !is_empty(&body) => {
                self.syntax(at.clone(), "a template of this name is defined already");
            }
            Some(there) if !is_empty(there) => {}
            _ => drop(self.defined.insert(name, body)),
        }
    }

    /// The name that a `template` or `block` begins with, and what it is filled with.
    fn name_and_pipe(
        &mut self,
        keyword: &str,
        rest: &[Token],
        at: &Range<usize>,
    ) -> Option<(String, Option<Pipe>)> {
        let Some((Token { sign: Sign::Text(name), .. }, rest)) = rest.split_first() else {
            self.syntax(at.clone(), format!("`{keyword}` takes a name in quotes"));
            return None;
        };
        let rest = trim(rest);
        let with = if rest.is_empty() { None } else { Some(self.pipe(rest, at, 1)?) };
        Some((name.clone(), with))
    }

    fn template(&mut self, rest: Option<&[Token]>, at: &Range<usize>) -> Step {
        let Some((name, with)) = rest.and_then(|rest| self.name_and_pipe("template", rest, at)) else {
            return Step::Nothing;
        };
        self.used.push((name.clone(), at.clone()));
        Step::Node(Node::Use { at: at.clone(), name, with })
    }

    fn named_block(&mut self, rest: Option<&[Token]>, at: &Range<usize>) -> Step {
        let named = rest.and_then(|rest| self.name_and_pipe("block", rest, at));
        let body = self.body("block", at);
        match named {
            Some((name, Some(pipe))) => {
                self.add(name.clone(), body, at);
                Step::Node(Node::Use { at: at.clone(), name, with: Some(pipe) })
            }
            Some((_, None)) => {
                self.syntax(at.clone(), "`block` takes a value, such as `.`");
                Step::Nothing
            }
            None => Step::Nothing,
        }
    }

    fn pipe(&mut self, tokens: &[Token], at: &Range<usize>, names_max: usize) -> Option<Pipe> {
        let mut rest = tokens;
        let pipe = self.pipe_until(&mut rest, at, names_max, 0).and_then(|pipe| match rest.first() {
            None => Ok(pipe),
            Some(token) => Err(syntax(token.at.clone(), "`)` without `(`")),
        });
        match pipe {
            Ok(pipe) => {
                if pipe.is_new {
                    self.variables.extend(pipe.names.iter().cloned());
                }
                Some(pipe)
            }
            Err(fault) => {
                self.fault(fault);
                // What it would have made is no further mistake.
                self.variables.extend(names(tokens));
                None
            }
        }
    }

    /// Reads commands separated by `|` up to the end or a `)`.
    fn pipe_until(
        &self,
        tokens: &mut &[Token],
        at: &Range<usize>,
        names_max: usize,
        depth: usize,
    ) -> Result<Pipe, Fault> {
        if depth > DEPTH_MAX {
            return Err(syntax(at.clone(), "too deeply nested"));
        }
        let (names, is_new) = self.variables_set(tokens, names_max)?;
        let from = tokens.first().map_or(at.start, |token| token.at.start);
        let mut to = from;
        let mut commands = vec![Vec::new()];
        while let Some((token, rest)) = tokens.split_first() {
            match &token.sign {
                Sign::Close => break,
                Sign::Blank => *tokens = rest,
                Sign::Pipe => {
                    *tokens = rest;
                    commands.push(Vec::new());
                }
                _ => {
                    let operand = self.operand(tokens, depth)?;
                    to = operand.at.end;
                    commands.last_mut().expect("there is always one").push(operand);
                }
            }
        }
        let at = if to > from { from..to } else { at.clone() };
        for (stage, command) in commands.iter().enumerate() {
            let Some((first, others)) = command.split_first() else {
                return Err(syntax(at, "a value is missing"));
            };
            let is_function = matches!(first.what, What::Function(_));
            if !is_function && (stage > 0 || !others.is_empty()) {
                let why = format!("{} is not a function and takes nothing", named(&first.what));
                return Err(syntax(first.at.clone(), why));
            }
        }
        Ok(Pipe { at, names, is_new, commands })
    }

    /// `$x :=`, `$i, $x :=` or `$x =` at the beginning of a pipe.
    fn variables_set(&self, tokens: &mut &[Token], names_max: usize) -> Result<(Vec<String>, bool), Fault> {
        let mut set = Vec::new();
        let mut rest = trim(tokens);
        while let Some((Token { sign: Sign::Variable(name), at }, more)) = rest.split_first()
            && !name.is_empty()
        {
            set.push((name.clone(), at.clone()));
            let more = trim(more);
            match more.split_first() {
                Some((Token { sign: sign @ (Sign::Declare | Sign::Assign), .. }, value)) => {
                    let is_new = *sign == Sign::Declare;
                    if set.len() > names_max {
                        return Err(syntax(at.clone(), "too many variables in front of this"));
                    }
                    if !is_new {
                        set.iter().try_for_each(|(name, at)| self.known(name, at))?;
                    }
                    *tokens = value;
                    return Ok((set.into_iter().map(|(name, _)| name).collect(), is_new));
                }
                Some((Token { sign: Sign::Comma, .. }, further)) => rest = trim(further),
                _ => break,
            }
        }
        Ok((Vec::new(), false))
    }

    fn known(&self, name: &str, at: &Range<usize>) -> Result<(), Fault> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(syntax(at.clone(), format!("no variable `${name}` here")))
    }

    fn operand(&self, tokens: &mut &[Token], depth: usize) -> Result<Operand, Fault> {
        let Some((Token { at, sign }, rest)) = tokens.split_first() else {
            return Err(syntax(0..0, "a value is missing"));
        };
        *tokens = rest;
        let mut at = at.clone();
        let field = |of, path: Vec<String>| What::Field { of, path };
        let what = match sign {
            Sign::Field(name) => {
                let mut path: Vec<String> =
                    Some(name.clone()).filter(|name| !name.is_empty()).into_iter().collect();
                if !path.is_empty() {
                    path.extend(field_path(tokens, &mut at));
                }
                if self.moved == 0 && !self.in_definition {
                    self.check_path(&path, &at)?;
                }
                field(Base::Dot, path)
            }
            Sign::Variable(name) if name.is_empty() => {
                let path = field_path(tokens, &mut at);
                if !self.in_definition {
                    self.check_path(&path, &at)?;
                }
                field(Base::Root, path)
            }
            Sign::Variable(name) => {
                self.known(name, &at)?;
                field(Base::Variable(name.clone()), field_path(tokens, &mut at))
            }
            Sign::Open => {
                let inner = self.pipe_until(tokens, &at, 0, depth + 1)?;
                let Some((Token { sign: Sign::Close, at: end }, rest)) = tokens.split_first() else {
                    return Err(syntax(at, "`(` is not closed"));
                };
                *tokens = rest;
                at.end = end.end;
                field(Base::Group(Box::new(inner)), field_path(tokens, &mut at))
            }
            Sign::Text(text) => What::Text(text.clone()),
            Sign::Number(number) => What::Number(number.clone()),
            Sign::Word(word) => match word.as_str() {
                "true" => What::Bool(true),
                "false" => What::Bool(false),
                "nil" => What::Nil,
                _ => {
                    self.check_function(word, &at)?;
                    What::Function(word.clone())
                }
            },
            Sign::Declare | Sign::Assign | Sign::Comma => {
                return Err(syntax(at, "a variable is set at the beginning of an action, as in `$x := 1`"));
            }
            Sign::Pipe | Sign::Close | Sign::Blank => return Err(syntax(at, "a value is missing")),
        };
        Ok(Operand { at, what })
    }

    fn check_path(&self, path: &[String], at: &Range<usize>) -> Result<(), Fault> {
        self.dialect.check_path(path).map_err(|wrong| Fault { at: at.clone(), wrong })
    }

    fn check_function(&self, name: &str, at: &Range<usize>) -> Result<(), Fault> {
        if functions::OWN.contains(&name) || self.dialect.functions().contains(&name) {
            return Ok(());
        }
        Err(Fault { at: at.clone(), wrong: Wrong::UnknownFunction(name.to_owned()) })
    }
}

/// What takes nothing, for the error that says so.
fn named(what: &What) -> String {
    match what {
        What::Field { of: Base::Dot, path } => format!("`.{}`", path.join(".")),
        What::Field { of: Base::Root, path } if path.is_empty() => "`$`".to_owned(),
        What::Field { of: Base::Root, path } => format!("`$.{}`", path.join(".")),
        What::Field { of: Base::Variable(name), .. } => format!("`${name}`"),
        What::Field { of: Base::Group(_), .. } => "`(…)`".to_owned(),
        What::Text(_) => "a text".to_owned(),
        What::Number(_) => "a number".to_owned(),
        What::Bool(_) | What::Nil | What::Function(_) => "this".to_owned(),
    }
}

/// Variables that an action seems to make.
fn names(tokens: &[Token]) -> impl Iterator<Item = String> {
    let is_made = tokens.iter().any(|token| token.sign == Sign::Declare);
    let before = tokens.iter().take_while(|token| token.sign != Sign::Declare);
    before.filter(move |_| is_made).filter_map(|token| match &token.sign {
        Sign::Variable(name) => Some(name.clone()),
        _ => None,
    })
}

fn trim(mut tokens: &[Token]) -> &[Token] {
    while let [Token { sign: Sign::Blank, .. }, rest @ ..] | [rest @ .., Token { sign: Sign::Blank, .. }] =
        tokens
    {
        tokens = rest;
    }
    tokens
}

/// The fields that follow without a blank between: `.A.B.C`.
fn field_path(tokens: &mut &[Token], at: &mut Range<usize>) -> Vec<String> {
    let mut path = Vec::new();
    while let Some((Token { sign: Sign::Field(name), at: field }, rest)) = tokens.split_first() {
        if name.is_empty() {
            break;
        }
        path.push(name.clone());
        at.end = field.end;
        *tokens = rest;
    }
    path
}
