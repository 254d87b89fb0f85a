//! The few colours there are. Meaning never hangs on a colour alone: each goes with a sign or a word.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Something comes.
pub const ADD: Style = AnsiColor::Green.on_default();
/// Something goes.
pub const REMOVE: Style = AnsiColor::Red.on_default();
/// Something changes, or wants attention.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Something went wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What the eye should find first.
pub const STRONG: Style = Style::new().bold();
/// What the eye may skip.
pub const FAINT: Style = Style::new().dimmed();

/// `text` in a style.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
