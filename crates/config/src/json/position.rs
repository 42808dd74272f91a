use super::Value;

/// Line and column in a file, counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Finds positions in ascending order in one pass over a text.
pub(crate) struct Cursor<'a> {
    rest: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Cursor<'a> {
    /// At the start of the text that this value is part of.
    pub(crate) const fn new(value: Value<'a>) -> Self {
        Self {
            rest: value.whole,
            offset: 0,
            position: Position { line: 1, column: 1 },
        }
    }

    /// The position of a value that begins no earlier than the one before.
    pub(crate) fn advance(&mut self, value: Value<'_>) -> Position {
        self.to(value.offset())
    }

    pub(super) fn to(&mut self, offset: usize) -> Position {
        let (before, rest) = self
            .rest
            .split_at_checked(offset.saturating_sub(self.offset))
            .unwrap_or((self.rest, ""));
        let lines = before.matches('\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
        self.position = Position {
            line: self.position.line + lines,
            column: if lines == 0 {
                self.position.column + last
            } else {
                last + 1
            },
        };
        (self.rest, self.offset) = (rest, offset);
        self.position
    }
}
