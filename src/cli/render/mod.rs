//! Values become text here. No input, no output: what comes in is data, what goes out is a string,
//! with colours as ANSI codes that [`ui`](super::ui) takes away where nobody wants them.
//!
//! Must not know of hosts, files, clocks (a `now` is handed in) or terminals (a width is handed in).

pub mod age;
pub mod annotations;
pub mod list;
pub mod nodes;
pub mod plan;
pub mod progress;
pub mod ps;
pub mod service;
pub mod services;
pub mod style;
pub mod table;
#[cfg(test)]
mod testing;
pub mod text;
