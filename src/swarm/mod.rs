//! A stack in the format of swarm mode: the requests that `docker stack deploy` would send to an engine.
//!
//! The values come from the [`StackSpec`], so that they are those of a deploy with stackctl. A spec has every default
//! filled in, and docker's client sends none of them: the merged file shows which settings the user wrote. Settings
//! without a field in those requests (devices, fixed addresses, …) are left out, and so are null, false and empty
//! values. Objects that docker's client always sends are there even if they are empty: to an engine a missing one is
//! another value, by which an update replaces tasks or worse. Knows nothing of files, hosts and printing.

mod container;
mod resources;
mod service;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::StackSpec;
use crate::model::ids::STACK_LABEL;
use crate::model::spec::{ServiceSpec, VolumeSpec};
use crate::yaml::{Node, Value as Yaml};

/// The bodies of all requests, in four lists: `services`, `networks`, `secrets`, `configs`.
///
/// `merged` is the merged file the spec was made of. Secrets come without their data.
#[must_use]
pub fn bodies(spec: &StackSpec, merged: &Node) -> Value {
    let stack = Stack::new(spec);
    let written: BTreeMap<&str, Written<'_>> = Written::File(Some(merged)).at("services").entries().collect();
    let written = |name: &str| written.get(name).copied().unwrap_or(Written::File(None));
    let services = spec.services.values();
    let services: Vec<Value> =
        services.map(|service| service::body(&stack, service, written(service.name.as_str()))).collect();
    let mut all = Map::new();
    all.insert("services".to_owned(), services.into());
    all.insert("networks".to_owned(), resources::networks(spec).into());
    all.insert("secrets".to_owned(), resources::secrets(spec).into());
    all.insert("configs".to_owned(), resources::configs(spec).into());
    Value::Object(all)
}

/// A service as an engine would show it, with every default filled in, because there is no file that shows what the
/// user wrote.
#[must_use]
pub fn settled(spec: &StackSpec, service: &ServiceSpec) -> Value {
    service::body(&Stack::new(spec), service, Written::Settled)
}

/// A spec, with indexes of what is looked up often.
struct Stack<'a> {
    spec: &'a StackSpec,
    /// Keys of networks by full name.
    networks: BTreeMap<&'a str, &'a str>,
    /// Volumes that are the stack's own, by full name.
    volumes: BTreeMap<&'a str, &'a VolumeSpec>,
}

impl<'a> Stack<'a> {
    fn new(spec: &'a StackSpec) -> Self {
        let own = spec.volumes.values().filter(|volume| !volume.external);
        Self {
            spec,
            networks: spec
                .networks
                .iter()
                .map(|(key, network)| (network.name.as_str(), key.as_str()))
                .collect(),
            volumes: own.map(|volume| (volume.name.as_str(), volume)).collect(),
        }
    }
}

/// Labels of the user's, and that of the stack over them.
fn labels<'l>(spec: &StackSpec, own: impl IntoIterator<Item = (&'l String, &'l String)>) -> Value {
    let mut labels: Map<String, Value> =
        own.into_iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    labels.insert(STACK_LABEL.to_owned(), spec.name.as_str().into());
    Value::Object(labels)
}

/// An object in the making.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    /// Adds a field, unless the value is null, false or empty; zero is kept.
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let says_nothing = match &value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(_) => false,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
        };
        if !says_nothing {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    /// Adds a field even if its value is false or empty: docker's client sends it so.
    fn with_even_empty(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds an object unless it is empty. If the file has it, docker's client sends it even then.
    fn with_written(self, key: &str, value: Self, written: Written<'_>) -> Self {
        let is_in_file = written.node().is_some_and(|node| !node.is_null());
        if is_in_file { self.with_even_empty(key, value) } else { self.with(key, value) }
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        Self::Object(body.0)
    }
}

/// The settings that the user wrote.
#[derive(Clone, Copy)]
enum Written<'a> {
    /// A part of the merged file, possibly missing.
    File(Option<&'a Node>),
    /// Without a file: every setting counts as written, with the values of the spec.
    Settled,
}

impl<'a> Written<'a> {
    fn node(self) -> Option<&'a Node> {
        match self {
            Self::File(node) => node,
            Self::Settled => None,
        }
    }

    fn at(self, key: &str) -> Self {
        match self {
            Self::File(node) => Self::File(node.and_then(Node::as_map).and_then(|map| map.get(key))),
            Self::Settled => Self::Settled,
        }
    }

    /// Whether the user wrote this setting.
    fn is_there(self) -> bool {
        match self {
            Self::File(node) => node.is_some_and(|node| !node.is_null()),
            Self::Settled => true,
        }
    }

    /// The text that the user wrote, or that of the spec if there is no file.
    fn word(self, settled: Value) -> Value {
        match self {
            Self::File(node) => node.and_then(Node::as_text).map_or(Value::Null, Value::from),
            Self::Settled => settled,
        }
    }

    /// The value if the user wrote one.
    fn then<T>(self, value: T) -> Option<T> {
        self.is_there().then_some(value)
    }

    fn text(self) -> Option<&'a str> {
        self.node().and_then(Node::as_text)
    }

    fn number(self, key: &str) -> Option<i128> {
        match self.at(key).node().map(|node| &node.value) {
            Some(Yaml::Int(number)) => Some(number.get()),
            _ => None,
        }
    }

    fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = match self.node().and_then(Node::as_map) {
            Some(map) => map.entries.as_slice(),
            None => &[],
        };
        entries.iter().map(|entry| (entry.key.as_str(), Self::File(Some(&entry.value))))
    }

    fn items(self) -> impl Iterator<Item = Self> {
        let list = match self.node().map(|node| &node.value) {
            Some(Yaml::List(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter().map(|node| Self::File(Some(node)))
    }
}
