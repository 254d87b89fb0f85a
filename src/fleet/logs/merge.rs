//! Many logs become one, ordered by time. Knows streams of lines, and not where they come from.
//!
//! A log that is read to its end is merged exactly: no line is handed out before every log has shown
//! its next one. A log that is followed cannot wait for tasks that say nothing, so each line is held
//! back for a moment, in case an older one from elsewhere is still on its way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

/// How long a line of a followed log is held back.
pub const WINDOW: Duration = Duration::from_millis(200);

/// One log of several.
struct Lane<S, T> {
    stream: S,
    is_open: bool,
    /// The next line, with its time.
    head: Option<(i64, T)>,
    /// Time of the last line: lines without one belong to it.
    last: i64,
}

/// The logs, merged. `S` gives lines with their times in nanoseconds, if they have any.
pub struct Merge<S, T> {
    lanes: Vec<Lane<S, T>>,
    /// Lines that are held back, the oldest first: time, number of arrival.
    held: BinaryHeap<Reverse<(i64, u64)>>,
    lines: std::collections::BTreeMap<u64, (usize, T, Instant)>,
    arrived: u64,
    is_following: bool,
}

impl<S, T> Merge<S, T>
where
    S: Stream<Item = (Option<i64>, T)> + Unpin,
{
    /// Merges logs; `is_following` if they may go on for ever.
    pub fn new(streams: Vec<S>, is_following: bool) -> Self {
        let lane = |stream| Lane { stream, is_open: true, head: None, last: i64::MIN };
        Self {
            lanes: streams.into_iter().map(lane).collect(),
            held: BinaryHeap::new(),
            lines: std::collections::BTreeMap::new(),
            arrived: 0,
            is_following,
        }
    }

    /// The next line and the number of its log; `None` when all have ended.
    pub async fn next(&mut self) -> Option<(usize, T)> {
        if self.is_following { self.next_held().await } else { self.next_exact().await }
    }

    async fn next_exact(&mut self) -> Option<(usize, T)> {
        poll_fn(|cx| {
            let mut is_waiting = false;
            for lane in self.lanes.iter_mut().filter(|lane| lane.is_open && lane.head.is_none()) {
                lane.head = match lane.poll(cx) {
                    Poll::Ready(line) => line,
                    Poll::Pending => {
                        is_waiting = true;
                        None
                    }
                };
            }
            if is_waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let heads = self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.head.as_ref()?.0, at)));
        let (_, at) = heads.min()?;
        let (_, line) = self.lanes[at].head.take()?;
        Some((at, line))
    }

    async fn next_held(&mut self) -> Option<(usize, T)> {
        loop {
            let now = Instant::now();
            let oldest = self.held.peek().map(|Reverse((_, number))| *number);
            let due = oldest.map(|number| self.lines[&number].2 + WINDOW);
            let is_over = self.lanes.iter().all(|lane| !lane.is_open);
            if let Some(number) = oldest
                && (is_over || due.is_some_and(|due| due <= now))
            {
                self.held.pop();
                return self.lines.remove(&number).map(|(at, line, _)| (at, line));
            }
            if is_over {
                return None;
            }
            let arrive = poll_fn(|cx| {
                let mut is_news = false;
                for (at, lane) in self.lanes.iter_mut().enumerate() {
                    while lane.is_open
                        && let Poll::Ready(line) = lane.poll(cx)
                    {
                        is_news = true;
                        let Some((time, line)) = line else { break };
                        self.held.push(Reverse((time, self.arrived)));
                        self.lines.insert(self.arrived, (at, line, now));
                        self.arrived += 1;
                    }
                }
                if is_news { Poll::Ready(()) } else { Poll::Pending }
            });
            match due {
                Some(due) => {
                    // In either case the logs are checked again.
                    let _ = tokio::time::timeout_at(due, arrive).await;
                }
                None => arrive.await,
            }
        }
    }
}

impl<S, T> Lane<S, T>
where
    S: Stream<Item = (Option<i64>, T)> + Unpin,
{
    /// The next line with a time, or the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(i64, T)>> {
        match self.stream.poll_next_unpin(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.is_open = false;
                Poll::Ready(None)
            }
            Poll::Ready(Some((time, line))) => {
                // Within a log the order is that of writing, whatever its clock says.
                self.last = time.unwrap_or(self.last).max(self.last);
                Poll::Ready(Some((self.last, line)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    type Line = (Option<i64>, &'static str);

    async fn all(merge: &mut Merge<stream::BoxStream<'static, Line>, &'static str>) -> Vec<&'static str> {
        let mut out = Vec::new();
        while let Some((_, line)) = merge.next().await {
            out.push(line);
        }
        out
    }

    fn log(lines: &[Line]) -> stream::BoxStream<'static, Line> {
        stream::iter(lines.to_vec()).boxed()
    }

    /// Says its lines after so many milliseconds each.
    fn slow(ms: u64, lines: &[Line]) -> stream::BoxStream<'static, Line> {
        stream::iter(lines.to_vec())
            .then(move |line| async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                line
            })
            .boxed()
    }

    #[tokio::test]
    async fn logs_that_end_are_merged_exactly() {
        let a = log(&[(Some(1), "a1"), (None, "a2"), (Some(9), "a3"), (Some(4), "a4")]);
        let b = slow(5, &[(Some(2), "b1"), (Some(10), "b2")]);
        let mut merge = Merge::new(vec![a, b, log(&[])], false);
        assert_eq!(all(&mut merge).await, ["a1", "a2", "b1", "a3", "a4", "b2"]);
    }

    #[tokio::test]
    async fn a_followed_log_waits_a_moment_and_not_for_ever() {
        let silent = stream::pending().boxed();
        let a = log(&[(Some(5), "a"), (Some(7), "c")]).chain(stream::pending()).boxed();
        let late = slow(20, &[(Some(6), "b")]);
        let mut merge = Merge::new(vec![silent, a, late], true);
        let begun = Instant::now();
        let mut out = Vec::new();
        for _ in 0..3 {
            out.extend(merge.next().await.map(|(_, line)| line));
        }
        assert_eq!(out, ["a", "b", "c"]);
        assert!(begun.elapsed() < WINDOW * 3);
    }
}
