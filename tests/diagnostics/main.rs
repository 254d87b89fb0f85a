//! What is said about mistakes: each code has its smallest file and shows as a terminal would, the
//! catalogue has every code, and files that somebody broke are found out on the right line.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

mod beside;
mod cases;
mod catalogue;
mod mutation;
#[path = "../support/splitmix.rs"]
mod splitmix;
