use std::{collections::BTreeMap, ops::Range};

/// Ranges that do not touch, by their start.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range and returns the number of bytes that were not in it before.
    pub(super) fn add(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let (mut start, mut end) = (range.start, range.end);
        let mut new = end - start;
        let touching: Vec<(u64, u64)> = self
            .0
            .range(..=end)
            .rev()
            .take_while(|(_, other_end)| **other_end >= start)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (other_start, other_end) in touching {
            self.0.remove(&other_start);
            new -= range.end.min(other_end) - range.start.max(other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        self.0.insert(start, end);
        new
    }

    /// Removes all before `front`; returns the end of the range at `front`, if there is one.
    pub(super) fn advance(&mut self, front: u64) -> Option<u64> {
        loop {
            let (start, end) = self.0.first_key_value().map(|(start, end)| (*start, *end))?;
            if start > front {
                return None;
            }
            self.0.remove(&start);
            if end > front {
                self.0.insert(front, end);
                return Some(end);
            }
        }
    }

    /// The start of the first range.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_count_what_is_new() {
        let mut ranges = Ranges::default();
        for (range, new) in [(4..6, 2), (8..9, 1), (6..7, 1), (2..3, 1), (3..3, 0), (2..9, 2)] {
            assert_eq!(ranges.add(range.clone()), new, "{range:?}");
        }
        assert_eq!(ranges.0, BTreeMap::from([(2, 9)]));
    }

    #[test]
    fn ranges_are_forgotten_as_the_front_passes() {
        let mut ranges = Ranges::default();
        for range in [2..4, 6..9, 12..13] {
            ranges.add(range);
        }
        for (front, end, first) in [
            (0, None, Some(2)),
            (2, Some(4), Some(2)),
            (3, Some(4), Some(3)),
            (4, None, Some(6)),
            (7, Some(9), Some(7)),
            (12, Some(13), Some(12)),
            (20, None, None),
        ] {
            assert_eq!((ranges.advance(front), ranges.first()), (end, first), "{front}");
        }
    }
}
