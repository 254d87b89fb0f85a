//! The mistakes: each takes a text that is right and makes one thing wrong, or finds nothing to break.

use std::ops::Range;

use stackctl::compose::support::{At, KEYS, Treatment};
use stackctl::yaml::{Map, Node, Sink, SourceText, Sources, Value, parse};

use super::random::Random;

/// A text with a mistake.
pub struct Broken {
    pub text: String,
    /// The lines of the mistake in it, from 1.
    pub lines: Vec<usize>,
    /// For whoever looks at a miss.
    pub what: String,
}

type Make = fn(&str, &mut Random) -> Option<Broken>;

pub const KINDS: [(&str, Make); 7] = [
    ("wrong type", wrong_type),
    ("typo in a key", typo),
    ("bad reference", bad_reference),
    ("bad duration", bad_duration),
    ("duplicate key", duplicate),
    ("bad indentation", bad_indentation),
    ("bad port", bad_port),
];

/// A value and the keys that lead to it; `#` is an item of a list.
struct Site {
    path: Vec<String>,
    /// Of the key, if it has one.
    key: Option<Range<usize>>,
    node: Node,
}

fn tree(text: &str) -> Option<Node> {
    let sources = Sources::new();
    let id = sources.add(SourceText { name: "x".to_owned(), bytes: text.into() }).ok()?;
    let sink = Sink::new("test", &sources);
    let root = parse(&sources, id, &sink)?;
    (sink.errors() == 0).then_some(root)
}

/// Every value that is written where it stands: not by an alias or a merge, not under `x-`.
fn sites(text: &str) -> Vec<Site> {
    let mut found = Vec::new();
    // A mark of the byte order would shift all places.
    if let Some(root) = tree(text).filter(|_| !text.starts_with('\u{feff}')) {
        walk(&root, &mut Vec::new(), &mut found);
    }
    found
}

fn walk(node: &Node, path: &mut Vec<String>, found: &mut Vec<Site>) {
    match &node.value {
        Value::Map(Map { entries, .. }) => {
            for entry in entries {
                if entry.value.via().is_some() || entry.key.starts_with("x-") {
                    continue;
                }
                path.push(entry.key.value.clone());
                found.push(Site {
                    path: path.clone(),
                    key: Some(entry.key.span.range()),
                    node: entry.value.clone(),
                });
                walk(&entry.value, path, found);
                path.pop();
            }
        }
        Value::List(items) => {
            for item in items.iter().filter(|item| item.via().is_none()) {
                path.push("#".to_owned());
                found.push(Site { path: path.clone(), key: None, node: item.clone() });
                walk(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

impl Site {
    fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Which mapping its key is one of.
    fn at(&self) -> Option<At> {
        Some(match self.path().as_slice() {
            [_] => At::Top,
            ["services", _, _] => At::Service,
            ["services", _, "deploy", rest @ ..] => match rest {
                [_] => At::Deploy,
                ["update_config", _] => At::UpdateConfig,
                ["restart_policy", _] => At::RestartPolicy,
                ["resources", _] => At::Resources,
                ["resources", "limits", _] => At::Limits,
                ["resources", "reservations", _] => At::Reservations,
                ["placement", _] => At::Placement,
                _ => return None,
            },
            ["services", _, "healthcheck", _] => At::Healthcheck,
            ["services", _, "logging", _] => At::Logging,
            ["services", _, "ports", "#", _] => At::Port,
            ["services", _, "volumes", "#", _] => At::Mount,
            ["services", _, "configs" | "secrets", "#", _] => At::FileMount,
            ["networks", _, _] => At::Network,
            ["networks", _, "ipam", _] => At::Ipam,
            ["volumes", _, _] => At::Volume,
            ["configs", _, _] => At::Config,
            ["secrets", _, _] => At::Secret,
            _ => return None,
        })
    }

    /// Whether its key is one that does something.
    fn is_used(&self) -> bool {
        let name = self.path.last().map_or("", String::as_str);
        self.at().is_some_and(|at| {
            KEYS.iter().any(|key| {
                key.0 == at && key.1 == name && matches!(key.3, Treatment::Used | Treatment::Partly(_))
            })
        }) && name != "version"
    }

    /// The bytes of a scalar that stands on one line.
    fn scalar(&self, text: &str) -> Option<Range<usize>> {
        let range = self.node.span.range();
        let is_scalar = !matches!(self.node.value, Value::List(_) | Value::Map(_) | Value::Null);
        let written = text.get(range.clone())?;
        let is_plain = !written.contains(['\n', '&', '!']) && self.node.tag().is_none();
        let is_block =
            text[..range.start].trim_end_matches(' ').ends_with(['|', '>', '-']) && self.key.is_some();
        (is_scalar && is_plain && !is_block && !range.is_empty()).then_some(range)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn replaced(text: &str, range: Range<usize>, by: &str) -> Broken {
    let line = line_of(text, range.start);
    let what = format!("`{}` becomes `{by}`", &text[range.clone()]);
    let text = format!("{}{by}{}", &text[..range.start], &text[range.end..]);
    Broken { text, lines: vec![line], what }
}

/// The lines of what stands under a key in block style: those indented further, and items beside it.
fn block_below(text: &str, key: &Range<usize>) -> Option<Range<usize>> {
    let line_start = text[..key.start].rfind('\n').map_or(0, |at| at + 1);
    let indent = key.start - line_start;
    text[line_start..key.start].trim().is_empty().then_some(())?;
    let line_end = key.end + text[key.end..].find('\n')?;
    text[key.end..line_end].trim().eq(":").then_some(())?;
    let mut end = line_end + 1;
    for line in text[end..].split_inclusive('\n') {
        let body = line.trim();
        let own = line.len() - line.trim_start().len();
        let belongs = body.is_empty() || own > indent || (own == indent && body.starts_with("- "));
        if !belongs {
            break;
        }
        end += line.len();
    }
    (end > line_end + 1).then_some(line_end..end)
}

fn wrong_type(text: &str, random: &mut Random) -> Option<Broken> {
    let sites: Vec<Site> = sites(text).into_iter().filter(Site::is_used).collect();
    for _ in 0..20 {
        let site = random.pick(&sites)?;
        let name = site.path.last().map_or("", String::as_str);
        let wrong = match &site.node.value {
            Value::Int(_) | Value::Float(_) => "many",
            Value::Bool(_) => "perhaps",
            Value::Text(_) => "{wrong: type}",
            Value::Map(_) => "wrong",
            Value::List(_) => match name {
                "dns" | "dns_search" | "tmpfs" | "env_file" | "command" | "entrypoint" | "test" => {
                    "{wrong: type}"
                }
                _ => "wrong",
            },
            Value::Null => continue,
        };
        if let Some(range) = site.scalar(text) {
            return Some(replaced(text, range, wrong));
        }
        let Some(below) = site.key.as_ref().and_then(|key| block_below(text, key)) else { continue };
        // What others refer to would be missed elsewhere.
        if text[below.clone()].contains('&') || name == "services" {
            continue;
        }
        let mut broken = replaced(text, below, &format!(" {wrong}\n"));
        broken.what = format!("`{name}` becomes `{wrong}`");
        return Some(broken);
    }
    None
}

fn typo(text: &str, random: &mut Random) -> Option<Broken> {
    let sites: Vec<Site> = sites(text).into_iter().filter(Site::is_used).collect();
    for _ in 0..20 {
        let site = random.pick(&sites)?;
        let (key, at) = (site.key.clone()?, site.at()?);
        let mut name: Vec<char> = text[key.clone()].chars().collect();
        let place = random.below(name.len().saturating_sub(1).max(1));
        match random.below(4) {
            0 if place + 1 < name.len() => name.swap(place, place + 1),
            1 => drop(name.remove(place)),
            2 => name.insert(place, name[place]),
            _ => name[place] = 'q',
        }
        let name: String = name.into_iter().collect();
        let known = KEYS.iter().any(|key| key.0 == at && key.1 == name);
        if name.len() < 2 || known || name == text[key.clone()] {
            continue;
        }
        return Some(replaced(text, key, &name));
    }
    None
}

fn bad_reference(text: &str, random: &mut Random) -> Option<Broken> {
    let sites = sites(text);
    let mut places: Vec<Range<usize>> = Vec::new();
    for site in &sites {
        match site.path().as_slice() {
            ["services", _, "networks" | "configs" | "secrets" | "depends_on", "#"]
            | ["services", _, "configs" | "secrets", "#", "source"] => places.extend(site.scalar(text)),
            ["services", _, "networks" | "depends_on", name] if *name != "#" => {
                places.extend(site.key.clone())
            }
            ["services", _, "volumes", "#"] => {
                let Some(range) = site.scalar(text) else { continue };
                let written = text[range.clone()].trim_start_matches(['"', '\'']);
                let start = range.end - written.len();
                if let Some(colon) = written.find(':').filter(|_| !written.starts_with(['.', '/', '~', '$']))
                {
                    places.push(start..start + colon);
                }
            }
            _ => {}
        }
    }
    let place = random.pick(&places)?.clone();
    let bare = text[place.clone()].trim_matches(['"', '\'']);
    let by = format!("{}{bare}{}", ["no-", ""][random.below(2)], ["x", "-gone"][random.below(2)]);
    Some(replaced(text, place, &by))
}

fn bad_duration(text: &str, random: &mut Random) -> Option<Broken> {
    let is_duration = |site: &&Site| {
        matches!(
            site.path().as_slice(),
            ["services", _, "stop_grace_period"]
                | ["services", _, "healthcheck", "interval" | "timeout" | "start_period" | "start_interval"]
                | ["services", _, "deploy", _, "delay" | "monitor" | "window"]
        )
    };
    let sites = sites(text);
    let places: Vec<Range<usize>> =
        sites.iter().filter(is_duration).filter_map(|site| site.scalar(text)).collect();
    let place = random.pick(&places)?.clone();
    let wrong = ["10 sec", "1x", "ten", "5", "1d", "-5s", "1m 30s", "10seconds", "\"30\"", "5.s.s"];
    Some(replaced(text, place, random.pick(&wrong)?))
}

fn duplicate(text: &str, random: &mut Random) -> Option<Broken> {
    let sites = sites(text);
    let mut lines: Vec<(usize, Range<usize>)> = Vec::new();
    for site in &sites {
        let (Some(key), Some(value)) = (&site.key, site.scalar(text)) else { continue };
        let start = text[..key.start].rfind('\n').map_or(0, |at| at + 1);
        let Some(end) = text[value.end..].find('\n').map(|at| value.end + at + 1) else { continue };
        let alone = text[start..key.start].trim().is_empty() && !text[key.end..value.start].contains('\n');
        // Behind the value nothing but a comment: else it is one of several in brackets.
        let rest = text[value.end..end].trim();
        // A text that goes on in the next line would take the copy in.
        let next = text[end..].lines().next().unwrap_or("");
        let goes_on = next.len() - next.trim_start().len() > key.start - start;
        if alone && !goes_on && (rest.is_empty() || rest.starts_with('#')) {
            lines.push((line_of(text, start), start..end));
        }
    }
    let (line, range) = random.pick(&lines)?.clone();
    let copy = text[range.clone()].to_owned();
    let what = format!("twice: `{}`", copy.trim());
    let text = format!("{}{copy}{}", &text[..range.end], &text[range.end..]);
    Some(Broken { text, lines: vec![line, line + 1], what })
}

fn bad_indentation(text: &str, random: &mut Random) -> Option<Broken> {
    let before = tree(text)?;
    let sites = sites(text);
    // Lines on which a key or an item begins: not those within texts and comments.
    let mut starts: Vec<usize> = Vec::new();
    for site in sites.iter().filter(|site| site.path.len() >= 2) {
        let at = match &site.key {
            Some(key) => key.start,
            None => site.node.span.range().start,
        };
        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let lead = text[start..at].trim();
        if (lead.is_empty() || lead == "-") && !starts.contains(&start) {
            starts.push(start);
        }
    }
    for _ in 0..20 {
        let start = *random.pick(&starts)?;
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = &text[start..end];
        let indent = line.len() - line.trim_start().len();
        let (shifted, what) = match random.below(5) {
            0 => (indent + 1, "one more"),
            1 => (indent + 2, "two more"),
            2 if indent >= 1 => (indent - 1, "one less"),
            3 if indent >= 2 => (indent - 2, "two less"),
            4 if indent >= 2 => {
                let broken = format!("{}\t{}{}", &text[..start], line.trim_start(), &text[end..]);
                let what = format!("a tab: `{}`", line.trim());
                return Some(Broken { text: broken, lines: vec![line_of(text, start)], what });
            }
            _ => continue,
        };
        let broken =
            format!("{}{}{}{}", &text[..start], " ".repeat(shifted), line.trim_start(), &text[end..]);
        // Some lines can stand further in or out and mean the same.
        if tree(&broken).is_some_and(|after| same(&before, &after)) {
            continue;
        }
        let first = line_of(text, start);
        // What stands under the line belongs to it.
        let below = text[end..]
            .lines()
            .skip(1)
            .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > indent);
        let last = first + below.count();
        return Some(Broken {
            text: broken,
            lines: (first..=last).collect(),
            what: format!("{what}: `{}`", line.trim()),
        });
    }
    None
}

/// Equal but for places.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.entries.len() == b.entries.len()
                && a.entries.iter().all(|x| b.get(&x.key).is_some_and(|y| same(&x.value, y)))
        }
        (a, b) => a == b,
    }
}

fn bad_port(text: &str, random: &mut Random) -> Option<Broken> {
    let sites = sites(text);
    let mut places: Vec<(Range<usize>, bool)> = Vec::new();
    for site in &sites {
        match site.path().as_slice() {
            ["services", _, "ports", "#"] => places.extend(site.scalar(text).map(|range| (range, false))),
            ["services", _, "ports", "#", "target" | "published"] => {
                places.extend(site.scalar(text).map(|range| (range, true)));
            }
            _ => {}
        }
    }
    let (place, is_long) = random.pick(&places)?.clone();
    let wrong: &[&str] = if is_long {
        &["70000", "-1", "http", "80.5", "\"\""]
    } else {
        &[
            "\"99999:80\"",
            "\"80:http\"",
            "\"80:80:80:80\"",
            "\"8080-8070:80\"",
            "eighty",
            "\"8080:80/htp\"",
            "\"0.0.0:80:80\"",
            "\"80;80\"",
        ]
    };
    Some(replaced(text, place, random.pick(wrong)?))
}
