//! Lines out of bytes that come in pieces, none of them longer than a limit.

/// For a line of an engine: an event carries all labels of its container.
pub(super) const LINE_MAX: usize = 4 << 20;

/// A line that is longer than it may be. What is left of it is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts bytes into lines.
#[derive(Debug)]
pub(super) struct Lines {
    max: usize,
    bytes: Vec<u8>,
    /// How much of them is known to hold no end of a line.
    searched: usize,
    /// Within a line that was too long.
    is_passing_over: bool,
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self { max, bytes: Vec::new(), searched: 0, is_passing_over: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, with its end; `None` until there is more.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        loop {
            let end = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n');
            let Some(end) = end.map(|end| self.searched + end) else {
                self.searched = self.bytes.len();
                let is_news = self.searched > self.max && !self.is_passing_over;
                if self.is_passing_over || is_news {
                    (self.bytes, self.searched, self.is_passing_over) = (Vec::new(), 0, true);
                }
                return is_news.then_some(Err(TooLong));
            };
            self.searched = 0;
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            match std::mem::take(&mut self.is_passing_over) {
                // The end of what was too long already.
                true => {}
                false if line.len() > self.max => return Some(Err(TooLong)),
                false => return Some(Ok(line)),
            }
        }
    }

    /// What is left without an end.
    pub(super) fn rest(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of bytes that come in pieces of a size; `None` for a line that is too long.
    fn cut(bytes: &[u8], size: usize) -> (Vec<Option<String>>, usize) {
        let mut lines = Lines::new(8);
        let (mut all, mut most) = (Vec::new(), 0);
        for piece in bytes.chunks(size) {
            lines.push(piece);
            most = most.max(lines.bytes.len());
            while let Some(line) = lines.next() {
                all.push(line.ok().map(|line| String::from_utf8(line).unwrap()));
            }
        }
        (all, most)
    }

    #[test]
    fn a_line_that_is_too_long_is_said_once_and_passed_over() {
        let line = |text: &str| Some(text.to_owned());
        for size in [1, 3, 7, 100] {
            let (all, most) = cut(b"one\nfar too long a line\ntwo\n12345678\n", size);
            assert_eq!(all, [line("one\n"), None, line("two\n"), None], "{size}");
            assert!(most <= 8 + size.max(1), "{most} bytes are kept");
        }
    }

    #[test]
    fn bytes_without_an_end_are_looked_at_once() {
        let mut lines = Lines::new(1 << 20);
        for at in 1..=1_000 {
            lines.push(b"x");
            assert_eq!(lines.next(), None);
            assert_eq!(lines.searched, at);
        }
        assert_eq!(lines.rest().len(), 1_000);
    }
}
