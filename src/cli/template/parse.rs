//! Template text into nodes.

use super::{Base, Node, Operand, Pipe, TemplateError};

/// The limit of nesting, which keeps a hostile template from overflowing the stack.
const DEPTH_MAX: usize = 64;

/// Reads a whole template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { pieces: pieces(text)?, at: 0, depth: 0 };
    let (nodes, stop) = parser.block()?;
    match stop {
        Stop::Eof => Ok(nodes),
        Stop::End => Err(syntax("`{{end}}` without a beginning")),
        Stop::Else(_) => Err(syntax("`{{else}}` without an `{{if}}`")),
    }
}

fn syntax(what: impl Into<String>) -> TemplateError {
    TemplateError::Syntax(what.into())
}

enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// Splits text from `{{ actions }}`, and applies the trim marks `{{-` and `-}}`.
fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut trims_next = false;
    loop {
        let open = rest.find("{{");
        let mut before = &rest[..open.unwrap_or(rest.len())];
        if trims_next {
            before = before.trim_start();
        }
        let Some(open) = open else {
            out.push(Piece::Text(before.to_owned()));
            return Ok(out);
        };
        let mut body = &rest[open + 2..];
        if let Some(trimmed) = body.strip_prefix('-').filter(|t| t.starts_with(char::is_whitespace)) {
            before = before.trim_end();
            body = trimmed;
        }
        out.push(Piece::Text(before.to_owned()));
        let is_comment = body.trim_start().starts_with("/*");
        if is_comment {
            let end = body.find("*/").ok_or_else(|| syntax("a comment is not closed"))?;
            body = &body[end + 2..];
        }
        let (tokens, trims, after) = tokens(body)?;
        trims_next = trims;
        rest = after;
        match (is_comment, trim(&tokens)) {
            (true, []) => {}
            (true, _) => return Err(syntax("a comment stands alone between `{{` and `}}`")),
            (false, []) => return Err(syntax("nothing between `{{` and `}}`")),
            (false, tokens) => out.push(Piece::Action(tokens.to_vec())),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Field(String),
    Word(String),
    Text(String),
    Number(serde_json::Number),
    Dollar,
    Pipe,
    Open,
    Close,
    /// A blank: separates `.A .B` (two arguments) from `.A.B` (one).
    Blank,
}

/// Reads up to `}}`; returns whether it was `-}}`, and what follows.
fn tokens(mut rest: &str) -> Result<(Vec<Token>, bool, &str), TemplateError> {
    let mut out = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((out, false, after));
        }
        if let Some(after) = rest.strip_prefix("-}}")
            && matches!(out.last(), None | Some(Token::Blank))
        {
            return Ok((out, true, after));
        }
        let Some(c) = rest.chars().next() else {
            return Err(syntax("`{{` is not closed with `}}`"));
        };
        let word_end =
            |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        match c {
            c if c.is_whitespace() => {
                rest = rest.trim_start();
                out.push(Token::Blank);
            }
            '|' | '(' | ')' | '$' => {
                out.push(match c {
                    '|' => Token::Pipe,
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Dollar,
                });
                rest = &rest[1..];
            }
            '.' => {
                let end = word_end(&rest[1..]) + 1;
                out.push(Token::Field(rest[1..end].to_owned()));
                rest = &rest[end..];
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| syntax("a raw string is not closed"))?;
                out.push(Token::Text(rest[1..=end].to_owned()));
                rest = &rest[end + 2..];
            }
            '"' => {
                let (text, after) = quoted(&rest[1..])?;
                out.push(Token::Text(text));
                rest = after;
            }
            c if c.is_ascii_digit() || c == '-' => {
                let end =
                    rest[1..].find(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(rest.len(), |e| e + 1);
                let number =
                    rest[..end].parse().map_err(|_| syntax(format!("`{}` is not a number", &rest[..end])))?;
                out.push(Token::Number(number));
                rest = &rest[end..];
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = word_end(rest);
                out.push(Token::Word(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            c => return Err(syntax(format!("`{c}` means nothing inside `{{{{ }}}}`"))),
        }
    }
}

/// The rest of a double-quoted string with Go's escapes, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), TemplateError> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(c @ ('\\' | '"' | '\'')) => out.push(c),
                _ => return Err(syntax("an escape in a string is not one of \\n \\t \\\\ \\\"")),
            },
            c => out.push(c),
        }
    }
    Err(syntax("a string is not closed"))
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
    depth: usize,
}

/// What ended a block.
enum Stop {
    Eof,
    End,
    /// With what follows the word: `if …`, or nothing.
    Else(Vec<Token>),
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, Stop), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(syntax("too deeply nested"));
        }
        let mut nodes = Vec::new();
        let stop = loop {
            let Some(piece) = self.pieces.get_mut(self.at) else { break Stop::Eof };
            self.at += 1;
            match piece {
                Piece::Text(text) if text.is_empty() => {}
                Piece::Text(text) => nodes.push(Node::Text(std::mem::take(text))),
                Piece::Action(tokens) => {
                    let tokens = std::mem::take(tokens);
                    let keyword = match tokens.first() {
                        Some(Token::Word(word)) => word.as_str(),
                        _ => "",
                    };
                    match keyword {
                        "end" => break Stop::End,
                        "else" => break Stop::Else(trim(&tokens[1..]).to_vec()),
                        "if" => nodes.push(self.if_node(&tokens[1..])?),
                        "range" | "with" => nodes.push(self.over(keyword == "range", &tokens[1..])?),
                        _ => nodes.push(Node::Print(pipe(&tokens)?)),
                    }
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, stop))
    }

    fn if_node(&mut self, condition: &[Token]) -> Result<Node, TemplateError> {
        let mut arms = Vec::new();
        let mut condition = pipe(trim(condition))?;
        loop {
            let (then, stop) = self.block()?;
            arms.push((condition, then));
            match stop {
                Stop::Eof => return Err(syntax("`{{if}}` without `{{end}}`")),
                Stop::End => return Ok(Node::If { arms, otherwise: Vec::new() }),
                Stop::Else(tokens) => match tokens.split_first() {
                    None => return Ok(Node::If { arms, otherwise: self.last_block("if")? }),
                    Some((Token::Word(word), rest)) if word == "if" => condition = pipe(trim(rest))?,
                    Some(_) => return Err(syntax("only `if` may follow `else`")),
                },
            }
        }
    }

    fn over(&mut self, is_range: bool, subject: &[Token]) -> Result<Node, TemplateError> {
        let name = if is_range { "range" } else { "with" };
        let subject = pipe(trim(subject))?;
        let (body, stop) = self.block()?;
        let otherwise = match stop {
            Stop::End => Vec::new(),
            Stop::Else(tokens) if tokens.is_empty() => self.last_block(name)?,
            Stop::Else(_) | Stop::Eof => {
                return Err(syntax(format!("`{{{{{name}}}}}` without `{{{{end}}}}`")));
            }
        };
        Ok(if is_range {
            Node::Range { over: subject, each: body, otherwise }
        } else {
            Node::With { value: subject, then: body, otherwise }
        })
    }

    /// What stands between `{{else}}` and `{{end}}`.
    fn last_block(&mut self, name: &str) -> Result<Vec<Node>, TemplateError> {
        match self.block()? {
            (nodes, Stop::End) => Ok(nodes),
            _ => Err(syntax(format!("`{{{{{name}}}}}` without `{{{{end}}}}`"))),
        }
    }
}

fn trim(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Blank, rest @ ..] | [rest @ .., Token::Blank] = tokens {
        tokens = rest;
    }
    tokens
}

fn pipe(tokens: &[Token]) -> Result<Pipe, TemplateError> {
    let mut tokens = tokens;
    let pipe = pipe_until(&mut tokens, 0)?;
    if tokens.is_empty() { Ok(pipe) } else { Err(syntax("`)` without `(`")) }
}

/// Reads commands separated by `|` up to the end or a `)`.
fn pipe_until(tokens: &mut &[Token], depth: usize) -> Result<Pipe, TemplateError> {
    if depth > DEPTH_MAX {
        return Err(syntax("too deeply nested"));
    }
    let mut commands = vec![Vec::new()];
    while let Some((token, rest)) = tokens.split_first() {
        if *token == Token::Close {
            break;
        }
        *tokens = rest;
        let operand = match token {
            Token::Close | Token::Blank => continue,
            Token::Pipe => {
                commands.push(Vec::new());
                continue;
            }
            Token::Field(name) => {
                let mut path = Vec::new();
                if !name.is_empty() {
                    path.push(name.clone());
                    path.extend(field_path(tokens));
                }
                Operand::Field { of: Base::Dot, path }
            }
            Token::Dollar => Operand::Field { of: Base::Root, path: field_path(tokens) },
            Token::Open => {
                let inner = pipe_until(tokens, depth + 1)?;
                let Some((Token::Close, rest)) = tokens.split_first() else {
                    return Err(syntax("`(` is not closed"));
                };
                *tokens = rest;
                Operand::Field { of: Base::Group(Box::new(inner)), path: field_path(tokens) }
            }
            Token::Text(text) => Operand::Text(text.clone()),
            Token::Number(number) => Operand::Number(number.clone()),
            Token::Word(word) => match word.as_str() {
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                "nil" => Operand::Nil,
                _ => Operand::Function(word.clone()),
            },
        };
        commands.last_mut().expect("there is always one").push(operand);
    }
    if commands.iter().any(Vec::is_empty) {
        return Err(syntax("a value is missing"));
    }
    Ok(Pipe(commands))
}

/// The fields that follow without a blank between: `.A.B.C`.
fn field_path(tokens: &mut &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    while let Some((Token::Field(name), rest)) = tokens.split_first() {
        if name.is_empty() {
            break;
        }
        path.push(name.clone());
        *tokens = rest;
    }
    path
}
