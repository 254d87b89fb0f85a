//! One shape for each key: short forms become long ones, lists of `K=V` become mappings, a lone text
//! becomes a list, relative paths of this machine become absolute, keys that have a place under `deploy`
//! go there.
//!
//! After this a reader meets one form of everything, files can be merged key by key, and the tree can be
//! printed as the merged file. What has the wrong type is left alone: the reader reports it. New nodes
//! carry the place of the text they came from.

use std::cell::Cell;
use std::io;

use super::moved;
use super::paths::{Base, is_absolute};
use super::support::{self, At};
use super::{How, Reading, short};
use crate::yaml::decode::wrong_type;
use crate::yaml::{Diagnostic, Fields, Map, Node, Places, Sink, Span, Spanned, Value, scalar_text};

/// Ports of one file, ranges counted out. A range is a few bytes and may be 65,535 ports.
const PORTS_MAX: usize = 100_000;

/// Brings one file into normal form. Relative paths start at `base`.
pub fn normalise(root: &mut Node, base: &Base<'_>, how: How, sink: &Sink<'_>) {
    let normaliser = Normaliser { base, how, sink, ports: Cell::new(0) };
    check_tags(root, sink);
    let Some(top) = root.as_map_mut() else { return };
    for section in ["networks", "volumes", "configs", "secrets"] {
        for resource in children(top, section) {
            normaliser.resource(resource);
        }
    }
    for service in children(top, "services") {
        normaliser.service(service);
    }
}

/// The mappings in a mapping.
fn children<'m>(map: &'m mut Map, key: &str) -> impl Iterator<Item = &'m mut Map> {
    let section = map.get_mut(key).and_then(Node::as_map_mut);
    section.into_iter().flat_map(|section| &mut section.entries).filter_map(|entry| entry.value.as_map_mut())
}

/// Warns about a tag that has no effect.
fn check_tags(node: &Node, sink: &Sink<'_>) {
    if let Some(tag) = node.tag().filter(|tag| !matches!(*tag, "!reset" | "!override")) {
        let is_hidden = node.properties().is_some_and(|place| sink.is_hidden(place));
        let (named, help) = match is_hidden {
            true => (String::new(), "put a text that begins with `!` in quotes"),
            false => (format!(" `{}`", sink.clean(tag)), "tags known are `!reset` and `!override`"),
        };
        sink.push(
            Diagnostic::error("unknown_tag", format!("unknown tag{named}"))
                .on(node, "has this tag")
                .help(help),
        );
    }
    match &node.value {
        Value::List(list) => list.iter().for_each(|node| check_tags(node, sink)),
        Value::Map(map) => map.entries.iter().for_each(|entry| check_tags(&entry.value, sink)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

struct Normaliser<'a> {
    base: &'a Base<'a>,
    how: How,
    ports: Cell<usize>,
    sink: &'a Sink<'a>,
}

impl Normaliser<'_> {
    /// A network, volume, config or secret.
    fn resource(&self, map: &mut Map) {
        self.pairs(map, "labels", Lone::Empty);
        if let Some(file) = map.get_mut("file")
            && let Some(path) = file.as_text().filter(|path| !path.is_empty())
        {
            file.value = Value::Text(self.base.resolve(path));
        }
        // `external: {name: x}` is the old way to write `external: true` and `name: x`.
        let Some(external) = map.get_mut("external") else { return };
        let span = external.span;
        let Some(old) = external.as_map_mut() else { return };
        let name = old.remove("name");
        if !old.entries.is_empty() {
            return;
        }
        external.value = Value::Bool(true);
        let Some(name) = name else { return };
        match map.entry("name") {
            Some(second) => self.sink.push(
                Diagnostic::error("two_names", "the external name is written twice")
                    .at(name.key.span, "here")
                    .also(second.key.span, "and here")
                    .help("keep `external: true` and `name`"),
            ),
            None => {
                self.sink.push(
                    Diagnostic::note("old_external", "`external.name` is the old way to give a name")
                        .at(span, "still understood")
                        .help("write `external: true` and `name` beside it"),
                );
                map.entries.push(name);
            }
        }
    }

    fn service(&self, map: &mut Map) {
        self.command(map, "command");
        self.command(map, "entrypoint");
        self.pairs(map, "labels", Lone::Empty);
        self.pairs(map, "sysctls", Lone::Empty);
        self.pairs(map, "environment", Lone::Nothing);
        self.env_files(map);
        self.ports(map);
        self.volumes(map);
        for key in ["dns", "dns_search", "dns_opt", "tmpfs", "profiles"] {
            listed(map, key);
        }
        for key in ["secrets", "configs"] {
            for item in items(map, key) {
                if item.as_text().is_some() {
                    let (source, span) = (Node::made(item.value.clone(), item.span), item.span);
                    item.value = Node::map(vec![("source", source)], span).value;
                }
            }
        }
        named(map, "networks", |_| Value::Null);
        named(map, "depends_on", |span| {
            Node::map(vec![("condition", Node::text("service_started", span))], span).value
        });
        self.extra_hosts(map);
        if let Some(health) = map.get_mut("healthcheck").and_then(Node::as_map_mut)
            && let Some(test) = health.get_mut("test")
            && test.as_text().is_some()
        {
            let shell = Node::text("CMD-SHELL", test.span);
            let command = Node::made(test.value.clone(), test.span);
            test.value = Value::List(vec![shell, command]);
        }
        if let Some(deploy) = map.get_mut("deploy").and_then(Node::as_map_mut) {
            self.pairs(deploy, "labels", Lone::Empty);
        }
        moved::to_deploy(map, self.sink);
    }

    fn command(&self, map: &mut Map, key: &str) {
        let Some(node) = map.get_mut(key) else { return };
        let Some(text) = node.as_text() else { return };
        match short::words(text) {
            Ok(words) => {
                node.value = Value::List(words.into_iter().map(|word| Node::text(word, node.span)).collect());
            }
            Err(error) => {
                let node = &*node;
                self.sink.push(
                    Diagnostic::error("bad_command", format!("`{key}` cannot be split into words"))
                        .on(node, error.0)
                        .help("write it as a list: `[\"sh\", \"-c\", \"…\"]`"),
                );
                self.sink.spoil(node.span);
            }
        }
    }

    /// `- K=V` items become a mapping; every value becomes text, as docker prints it.
    fn pairs(&self, map: &mut Map, key: &str, lone: Lone) {
        let Some(node) = map.get_mut(key) else { return };
        match &mut node.value {
            Value::List(list) => {
                let (mut pairs, mut places) = (Map::default(), Places::default());
                for item in list.iter() {
                    if let Value::Map(wrong) = &item.value {
                        self.dashes(key, item, wrong);
                        continue;
                    }
                    let Some(text) = scalar_text(self.sink, item, &format!("an item of `{key}`")) else {
                        continue;
                    };
                    let (name, value) = match text.value.split_once('=') {
                        Some((name, value)) => (name, Value::Text(value.to_owned())),
                        None if lone == Lone::Nothing => (text.value.as_str(), Value::Null),
                        None => (text.value.as_str(), Value::Text(String::new())),
                    };
                    let value = Node::made(value, item.span).reached(item.via());
                    places.set(&mut pairs, Spanned::new(name.to_owned(), item.span), value);
                }
                node.value = Value::Map(pairs);
            }
            Value::Map(pairs) => {
                for entry in &mut pairs.entries {
                    match entry.value.value {
                        Value::Null if lone == Lone::Nothing => {}
                        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                            if let Some(text) = scalar_text(self.sink, &entry.value, key) {
                                entry.value.value = Value::Text(text.value);
                            }
                        }
                        Value::Text(_) | Value::List(_) | Value::Map(_) => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// `- A: 1` where `- A=1` or `A: 1` is meant.
    fn dashes(&self, key: &str, item: &Node, wrong: &Map) {
        let named = wrong.entries.first().map(|entry| &entry.key);
        let shown = named.filter(|named| !self.sink.is_hidden(named.span));
        let name = shown.map_or("KEY", |named| named.value.as_str());
        let name = self.sink.clean(name);
        self.sink.push(
            Diagnostic::error("wrong_type", format!("an item of `{key}` must be text"))
                .on(item, "this is a mapping")
                .help(format!("write `- {name}=…`, or leave all the dashes out and write `{name}: …`")),
        );
    }

    /// Makes paths absolute; the files are read once the chosen services are known.
    fn env_files(&self, map: &mut Map) {
        listed(map, "env_file");
        if let Some(entry) = map.entry("env_file")
            && !entry.value.is_null()
            && entry.value.as_list().is_none()
        {
            wrong_type(self.sink, &entry.value, "`env_file`", "a path, or a list of them");
        }
        for item in items(map, "env_file") {
            match &mut item.value {
                Value::Text(path) => *path = self.base.resolve(path),
                Value::Map(_) => self.env_file(item),
                _ => self.sink.push(
                    Diagnostic::error("wrong_type", "an item of `env_file` must be text")
                        .on(item, format!("this is {}", item.value.kind())),
                ),
            }
        }
    }

    /// The Compose specification's form.
    fn env_file(&self, item: &mut Node) {
        if let Some(fields) = Fields::of(self.sink, item, item.span, "an item of `env_file`") {
            support::check(&fields, At::EnvFile);
            fields.required_text("path");
            fields.boolean("required");
            fields.choice("format", &[("raw", ())]);
        }
        if let Some(path) = item.as_map_mut().and_then(|map| map.get_mut("path"))
            && let Some(text) = path.as_text()
        {
            path.value = Value::Text(self.base.resolve(text));
        }
    }

    fn ports(&self, map: &mut Map) {
        let Some(node) = map.get_mut("ports") else { return };
        let Value::List(list) = &mut node.value else { return };
        let mut long = Vec::with_capacity(list.len());
        for item in list.drain(..) {
            if self.ports.get() > PORTS_MAX {
                break;
            }
            let ports = match &item.value {
                Value::Text(text) if self.how.is_open(text) => {
                    long.push(item);
                    continue;
                }
                Value::Text(text) => short::ports(text),
                Value::Int(int) => short::ports(&int.to_string()),
                Value::Float(_) => Err(short::Malformed("a port is a whole number".to_owned())),
                Value::Bool(_) => Err(short::Malformed("neither a number nor text".to_owned())),
                Value::Map(_) | Value::List(_) | Value::Null => {
                    long.push(item);
                    continue;
                }
            };
            match ports {
                Ok(ports) => {
                    self.ports.set(self.ports.get() + ports.len());
                    if self.ports.get() > PORTS_MAX {
                        self.sink.push(
                            Diagnostic::error(
                                "too_many_ports",
                                format!("more than {PORTS_MAX} ports in a file"),
                            )
                            .on(&item, "this is too much")
                            .help("each port of a range counts"),
                        );
                        break;
                    }
                    long.extend(ports.iter().map(|port| long_port(port, &item)));
                }
                Err(error) => {
                    let label = if self.sink.may_quote(&item) || item.as_text().is_none() {
                        error.0
                    } else {
                        "not a port with its variables filled in".to_owned()
                    };
                    let written = self.sink.written(&item);
                    self.sink.push(
                        Diagnostic::error("bad_port", format!("`{written}` is not a port to publish"))
                            .on(&item, label)
                            .help(
                                "the form is `[ip:][published:]target[/protocol]`, such as `\"8080:80/tcp\"`",
                            ),
                    );
                }
            }
        }
        *list = long;
    }

    fn volumes(&self, map: &mut Map) {
        for item in items(map, "volumes") {
            if let Value::Text(text) = &item.value
                && !self.how.is_open(text)
            {
                match short::volume(text, self.how.reading) {
                    Ok(volume) => {
                        if let Some(option) = volume.dropped.first() {
                            self.dropped_option(item, option);
                        }
                        item.value = long_volume(&volume, item.span);
                    }
                    Err(error) => {
                        let item = &*item;
                        let written = self.sink.written(item);
                        let label = if self.sink.may_quote(item) || written.is_empty() {
                            error.0
                        } else {
                            "not a mount with its variables filled in".to_owned()
                        };
                        self.sink.push(
                            Diagnostic::error("bad_volume", format!("`{written}` is not a mount"))
                                .on(item, label)
                                .help("the form is `[source:]target[:options]`, such as `data:/var/lib/data:ro`"),
                        );
                        self.sink.spoil(item.span);
                        continue;
                    }
                }
            }
            self.bind_source(item);
        }
    }

    fn dropped_option(&self, item: &Node, option: &str) {
        let shown = if self.sink.may_quote(item) { self.sink.clean(option) } else { "…".to_owned() };
        let (label, help) = match option {
            "z" | "Z" => ("labels for SELinux are not set", "label the path on the host"),
            "cached" | "delegated" | "consistent" => ("only Docker Desktop knows it", "remove it"),
            _ => (
                "not an option of a mount",
                "options are `ro`, `rw`, `nocopy` and a propagation such as `rshared`",
            ),
        };
        self.sink.push(
            Diagnostic::warning("ignored_option", format!("the mount option `{shown}` is ignored"))
                .on(item, label)
                .help(help),
        );
    }

    fn bind_source(&self, item: &mut Node) {
        let Some(mount) = item.as_map_mut() else { return };
        if mount.get("type").and_then(Node::as_text) != Some("bind") {
            return;
        }
        let Some(source) = mount.get_mut("source") else { return };
        let Some(path) = source.as_text() else { return };
        if is_absolute(path) || path.is_empty() {
            return;
        }
        let resolved = self.base.resolve(path);
        self.sink.push(
            Diagnostic::note("relative_bind", "a relative path is mounted from the nodes")
                .on(source, "a path on each node, not on this machine")
                .help(format!(
                    "`{}` must exist on every node that runs the service; a small file is better given as a config",
                    if self.sink.may_quote(source) { self.sink.clean(&resolved) } else { "it".to_owned() }
                )),
        );
        source.value = Value::Text(resolved);
    }

    fn extra_hosts(&self, map: &mut Map) {
        let Some(node) = map.get_mut("extra_hosts") else { return };
        let mut hosts = Vec::new();
        match &node.value {
            Value::List(list) => {
                for item in list {
                    let Some(text) = item.as_text() else {
                        hosts.push(item.clone());
                        continue;
                    };
                    match short::extra_host(text) {
                        Ok((host, address)) => {
                            let text = Node::text(format!("{host}:{address}"), item.span);
                            hosts.push(text.reached(item.via()));
                        }
                        Err(error) => {
                            self.bad_host(item, error.0);
                            hosts.extend(self.host_as_is(text, item));
                        }
                    }
                }
            }
            Value::Map(pairs) => {
                for entry in &pairs.entries {
                    let addresses = match &entry.value.value {
                        Value::List(list) => list.as_slice(),
                        _ => std::slice::from_ref(&entry.value),
                    };
                    for address in addresses {
                        let Some(text) = address.as_text() else {
                            self.bad_host(address, "an IP address is text".to_owned());
                            continue;
                        };
                        match short::extra_host(&format!("{}={text}", entry.key.value)) {
                            Ok((host, ip)) => {
                                let text = Node::text(format!("{host}:{ip}"), address.span);
                                hosts.push(text.reached(address.via()));
                            }
                            Err(error) => {
                                self.bad_host(address, error.0);
                                hosts
                                    .extend(self.host_as_is(&format!("{}={text}", entry.key.value), address));
                            }
                        }
                    }
                }
                hosts.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
            }
            _ => return,
        }
        node.value = Value::List(hosts);
    }

    /// Docker passes on a host with any address, and the engine refuses a wrong one when it creates a container.
    fn host_as_is(&self, text: &str, node: &Node) -> Option<Node> {
        let (host, address) = text.split_once(['=', ':']).filter(|_| self.how.reading == Reading::Docker)?;
        Some(Node::text(format!("{host}:{address}"), node.span).reached(node.via()))
    }

    fn bad_host(&self, node: &Node, why: String) {
        let why = if self.sink.is_hidden(node.span) { "not a host and its address".to_owned() } else { why };
        // Docker drops an entry without an address; with a wrong one no container would start.
        if node.as_text().is_some_and(|text| !text.contains([':', '='])) {
            self.sink.push(
                Diagnostic::warning(
                    "ignored_host",
                    format!("the host entry `{}` is ignored", self.sink.written(node)),
                )
                .on(node, "has no address")
                .help("the form is `name:address`, such as `db:10.0.0.5`"),
            );
            return;
        }
        self.sink.push(
            Diagnostic::new(
                // Docker passes it on unchanged.
                self.how.reading.severity(),
                "bad_host",
                format!("`{}` is not a host entry", self.sink.written(node)),
            )
            .on(node, why)
            .help("the form is `name:address`, such as `db:10.0.0.5`"),
        );
    }
}

/// The meaning of a name without `=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lone {
    Empty,
    Nothing,
}

/// The diagnostic of a file that cannot be read.
pub fn unreadable(sink: &Sink<'_>, node: &Node, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        _ => sink.clean(&error.to_string()),
    };
    let written = sink.written(node);
    let help = match (error.kind(), node.as_text()) {
        (io::ErrorKind::PermissionDenied, _) => "make it readable for you".to_owned(),
        (_, Some(path)) if path != written && !written.contains('$') && !sink.is_hidden(node.span) => {
            format!(
                "looked for at `{}`: paths start at the directory of the first file, in an included file at its own",
                sink.clean(path)
            )
        }
        _ => "paths start at the directory of the first file, in an included file at its own".to_owned(),
    };
    Diagnostic::error("unreadable_file", format!("cannot read `{written}`")).on(node, why).help(help)
}

/// The items of a list.
pub fn items<'m>(map: &'m mut Map, key: &str) -> impl Iterator<Item = &'m mut Node> {
    let list = map.get_mut(key).and_then(|node| match &mut node.value {
        Value::List(list) => Some(list),
        _ => None,
    });
    list.into_iter().flatten()
}

/// A lone text becomes a list of one.
fn listed(map: &mut Map, key: &str) {
    if let Some(node) = map.get_mut(key)
        && node.as_text().is_some()
    {
        node.value = Value::List(vec![node.clone().tagged(None)]);
    }
}

/// A list of names becomes a mapping.
fn named(map: &mut Map, key: &str, value: impl Fn(Span) -> Value) {
    let Some(node) = map.get_mut(key) else { return };
    let Some(list) = node.as_list() else { return };
    if list.iter().any(|item| item.as_text().is_none()) {
        return;
    }
    let (mut names, mut places) = (Map::default(), Places::default());
    for item in list {
        let name = Spanned::new(item.as_text().unwrap_or_default().to_owned(), item.span);
        places.set(&mut names, name, Node::made(value(item.span), item.span).reached(item.via()));
    }
    node.value = Value::Map(names);
}

fn long_port(port: &short::ShortPort, item: &Node) -> Node {
    let span = item.span;
    let int = |n: u16| Node::int(n, span);
    let mut entries = vec![("mode", Node::text("ingress", span)), ("target", int(port.target))];
    if let Some(published) = port.published {
        entries.push(("published", int(published)));
    }
    if let Some(ip) = port.host_ip {
        entries.push(("host_ip", Node::text(ip.to_string(), span)));
    }
    entries.push(("protocol", Node::text(port.protocol.to_string(), span)));
    Node::map(entries, span).reached(item.via())
}

fn long_volume(volume: &short::ShortVolume, span: Span) -> Value {
    let mut entries = vec![("type", Node::text(if volume.bind { "bind" } else { "volume" }, span))];
    if let Some(source) = &volume.source {
        entries.push(("source", Node::text(source.clone(), span)));
    }
    entries.push(("target", Node::text(volume.target.clone(), span)));
    let yes = || Node::made(Value::Bool(true), span);
    if volume.read_only {
        entries.push(("read_only", yes()));
    }
    if let Some(propagation) = &volume.propagation {
        let propagation = Node::text(propagation.clone(), span);
        entries.push(("bind", Node::map(vec![("propagation", propagation)], span)));
    }
    if volume.nocopy {
        entries.push(("volume", Node::map(vec![("nocopy", yes())], span)));
    }
    Node::map(entries, span).value
}
