//! Turns values into text, without input or output. Colours are ANSI codes, which [`ui`](super::ui) strips where
//! they are not wanted.
//!
//! Must not know of hosts, files, clocks (a `now` is handed in) or terminals (a width is handed in).

pub mod age;
pub mod agents;
pub mod annotations;
pub mod cells;
pub mod configs;
pub mod doctor;
pub mod images;
pub mod key;
pub mod list;
pub mod nodes;
pub mod plan;
pub mod progress;
pub mod ps;
pub mod secrets;
pub mod service;
pub mod services;
pub mod style;
pub mod table;
#[cfg(test)]
mod testing;
pub mod text;
pub mod volumes;
