//! The rows of a terminal: one for each service in motion, with the others folded.

use super::super::age::elapsed;
use super::super::style::{ADD, BAD, FAINT, STRONG, paint};
use super::super::text::{clean, count, ellipsis, pad, width};
use super::{Board, Open, Phase, Row};
use crate::model::{ServiceName, Timestamp};

/// The spinner.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPIN_MS: i64 = 100;
const NAME_COLUMNS_MAX: usize = 24;

/// In the order in which rows are shown when there is not room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Failed,
    Moving,
    Waiting,
    Done,
}

impl Board {
    /// The current rows, at most `columns` wide, and at most `most` of them.
    #[must_use]
    pub fn rows(&self, now: Timestamp, columns: usize, most: usize) -> Vec<String> {
        let (done, total) = self.tasks();
        let spinner = usize::try_from(now.since_ms(self.began) / SPIN_MS).unwrap_or(0) % SPINNER.len();
        let spinner = SPINNER[spinner];
        let mut rows = vec![format!(
            "{} {done} of {} · {}",
            paint(STRONG, &self.stack),
            count(total, "task"),
            elapsed(now.since_ms(self.began))
        )];
        if self.chores.done + self.chores.failed < self.chores.total && self.open.values().any(|o| o.is_chore)
        {
            rows.push(self.chores_row(spinner, columns));
        }
        let name_columns =
            self.services.keys().map(|name| width(name.as_str())).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
        let mut shown: Vec<(Look, &ServiceName, &Row)> =
            self.services.iter().map(|(name, row)| (row.look(), name, row)).collect();
        // The first row and the two that count the rest.
        let room = most.saturating_sub(rows.len() + 2).max(1);
        let mut folded: Vec<(Look, usize)> = Vec::new();
        if shown.len() > room {
            shown.sort_by_key(|(look, name, _)| (*look, *name));
            for (look, ..) in shown.drain(room..) {
                match folded.iter_mut().find(|(known, _)| *known == look) {
                    Some((_, number)) => *number += 1,
                    None => folded.push((look, 1)),
                }
            }
            shown.sort_by_key(|(_, name, _)| *name);
        }
        for (look, name, row) in shown {
            rows.push(row.text(now, look, name, spinner, name_columns, columns));
        }
        for (look, number) in folded {
            let word = match look {
                Look::Failed => "failed",
                Look::Moving => "in motion",
                Look::Waiting => "waiting",
                Look::Done => "done",
            };
            rows.push(paint(FAINT, format!("  … {} {word}", count(number, "service"))));
        }
        rows
    }

    fn chores_row(&self, spinner: &str, columns: usize) -> String {
        let open: Vec<String> = self.open.values().filter(|open| open.is_chore).map(Open::words).collect();
        let more = if open.len() > 1 { format!(" and {} more", open.len() - 1) } else { String::new() };
        let text = format!("{}{more}", clean(open.first().map_or("", String::as_str)));
        let head = format!("{}/{}", self.chores.done, self.chores.total);
        let room = columns.saturating_sub(12 + head.len());
        format!("  {spinner} prepare {head}  {}", ellipsis(&text, room))
    }
}

impl Row {
    fn look(&self) -> Look {
        let has = |fits: fn(&Phase) -> bool| self.slots.values().any(|stand| fits(&stand.phase));
        match () {
            () if has(|phase| matches!(phase, Phase::Failed(_))) => Look::Failed,
            () if !has(|phase| *phase != Phase::Done) => Look::Done,
            () if self.began.is_none() => Look::Waiting,
            () => Look::Moving,
        }
    }

    fn text(
        &self,
        now: Timestamp,
        look: Look,
        name: &ServiceName,
        spinner: &str,
        name_columns: usize,
        columns: usize,
    ) -> String {
        let sign = match look {
            Look::Failed => paint(BAD, "✘"),
            Look::Done => paint(ADD, "✔"),
            Look::Moving => spinner.to_owned(),
            Look::Waiting => paint(FAINT, "·"),
        };
        let done = self.slots.values().filter(|stand| stand.counts()).count();
        let counts = format!("{done}/{}", self.slots.len());
        let time = match (self.began, self.ended) {
            (Some(began), Some(ended)) => elapsed(ended.since_ms(began)),
            (Some(began), None) => elapsed(now.since_ms(began)),
            (None, _) => String::new(),
        };
        let shown_name = ellipsis(name.as_str(), name_columns);
        let head = format!("{}  {counts:>7}  ", pad(&shown_name, name_columns));
        let room = columns.saturating_sub(4 + width(&head) + width(&time) + 2);
        let what = self.what(look, name);
        let what = ellipsis(&what, room);
        let what = if time.is_empty() { what.into_owned() } else { pad(&what, room) };
        let what = match look {
            Look::Failed => paint(BAD, what),
            Look::Waiting => paint(FAINT, what),
            Look::Moving | Look::Done => what,
        };
        format!("  {sign} {head}{what}  {}", paint(FAINT, time)).trim_end().to_owned()
    }

    /// The most important fact about a service.
    fn what(&self, look: Look, name: &ServiceName) -> String {
        let tell = |fits: fn(&Phase) -> Option<&str>| {
            let found: Vec<String> = self
                .slots
                .iter()
                .filter_map(|(slot, stand)| {
                    let word = fits(&stand.phase)?;
                    let node = stand.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
                    Some(format!("{name}.{slot} {}{node}", clean(word)))
                })
                .collect();
            match found.split_first() {
                None => String::new(),
                Some((first, [])) => first.clone(),
                Some((first, rest)) => format!("{first} and {} more", rest.len()),
            }
        };
        let is_removal = self.slots.values().all(|stand| stand.is_removal);
        match look {
            Look::Failed => tell(|phase| match phase {
                Phase::Failed(why) => Some(why),
                _ => None,
            }),
            Look::Moving => tell(|phase| match phase {
                Phase::Moving(word) => Some(word),
                _ => None,
            }),
            Look::Waiting => "waiting".to_owned(),
            Look::Done if is_removal => "removed".to_owned(),
            Look::Done => "up".to_owned(),
        }
    }
}
