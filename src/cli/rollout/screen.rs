//! What a run looks like while it goes on.

use crate::cli::format::Format;
use crate::cli::render::progress::{Board, Happened, json_line};
use crate::cli::ui::{Live, Ui};
use crate::engine::Progress;
use crate::model::Timestamp;

/// Where there is no terminal, a line says at least so often that there is still life.
const HEARTBEAT_MS: i64 = 10_000;
/// Rows are drawn no more often than this.
const FRAME_MS: i64 = 50;

/// Rows, lines or JSON.
pub(super) struct Screen<'a> {
    ui: &'a Ui,
    board: Board,
    kind: Kind,
    drawn: Option<Timestamp>,
}

enum Kind {
    Rows(Live),
    Lines,
    Json,
}

impl<'a> Screen<'a> {
    /// A screen; `is_busy` if there is anything to be seen.
    pub(super) fn new(ui: &'a Ui, board: Board, format: Format, is_busy: bool) -> Self {
        let kind = match format {
            Format::Json => Kind::Json,
            Format::Text => ui.live().filter(|_| is_busy).map_or(Kind::Lines, Kind::Rows),
        };
        Self { ui, board, kind, drawn: None }
    }

    /// Shows what happened.
    pub(super) fn take(&mut self, now: Timestamp, what: &Progress<'_>) {
        let happened = match *what {
            Progress::Began(action) => Some(Happened::Began(action)),
            Progress::Ended(action, outcome) => Some(Happened::Ended(action, outcome)),
            Progress::Seen(node, task, status) => Some(Happened::Seen(node, task, status)),
            Progress::Silent(node, why) => Some(Happened::Silent(node, why)),
            Progress::Noticed(notice) => Some(Happened::Noticed(notice)),
            Progress::Tick => None,
        };
        let line = match happened {
            Some(happened) => self.board.take(now, happened),
            None => self.board.heartbeat(now, HEARTBEAT_MS),
        };
        match &mut self.kind {
            Kind::Json => {
                if let Some(happened) = happened {
                    super::say_json(self.ui, &json_line(now, happened));
                }
            }
            Kind::Lines => {
                if let Some(line) = line {
                    self.ui.say(&line);
                }
            }
            Kind::Rows(live) => {
                if self.drawn.is_none_or(|at| now.since_ms(at) >= FRAME_MS) {
                    self.drawn = Some(now);
                    live.draw(&self.board.rows(now, self.ui.width(), self.ui.height().saturating_sub(1)));
                }
            }
        }
    }

    /// The last picture stays; what is said next goes below it.
    pub(super) fn leave(self, now: Timestamp) {
        if let Kind::Rows(mut live) = self.kind {
            live.draw(&self.board.rows(now, self.ui.width(), self.ui.height().saturating_sub(1)));
            live.leave();
        }
    }
}
