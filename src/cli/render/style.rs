//! The colours. Meaning never depends on a colour alone: each comes with a sign or a word.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Additions.
pub const ADD: Style = AnsiColor::Green.on_default();
/// Removals.
pub const REMOVE: Style = AnsiColor::Red.on_default();
/// Changes and warnings.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Errors.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Important text.
pub const STRONG: Style = Style::new().bold();
/// Less important text.
pub const FAINT: Style = Style::new().dimmed();

/// `text` in a style.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
