//! Which changes of a journal still count.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

/// A 128-bit hash that stands for a key here. The hash functions are seeded at random, so that two keys have
/// the same hash only by a chance that nobody can influence.
pub(super) type Print = u128;

/// How keys become prints.
#[derive(Clone)]
pub(super) struct Prints([RandomState; 2]);

impl Prints {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn of(&self, key: &str) -> Print {
        let [one, other] = self.0.each_ref().map(|hasher| u128::from(hasher.hash_one(key)));
        one << 64 | other
    }
}

/// The change of each key that counts, by its number in the file. So a rewriting, and the start, know what lives
/// without the records in memory.
#[derive(Default)]
pub(super) struct Live {
    records: HashMap<Print, LiveRecord>,
    /// Changes in the file.
    changes: u64,
    /// Bytes of the changes that count.
    bytes: u64,
}

struct LiveRecord {
    change: u64,
    bytes: u32,
}

impl Live {
    /// For a file that is to have the same records.
    pub(super) fn anew(&self) -> Self {
        Self {
            records: HashMap::with_capacity(self.records.len()),
            ..Self::default()
        }
    }

    /// Notes the next change of the file, which has so many bytes there.
    pub(super) fn apply(&mut self, change: &Applied) {
        let number = self.changes;
        self.changes += 1;
        let before = if change.removes {
            self.records.remove(&change.print)
        } else {
            let bytes = u32::try_from(change.bytes).unwrap_or(u32::MAX);
            self.bytes += u64::from(bytes);
            let record = LiveRecord {
                change: number,
                bytes,
            };
            self.records.insert(change.print, record)
        };
        self.bytes -= before.map_or(0, |before| u64::from(before.bytes));
        if self.records.len() < self.records.capacity() / 4 {
            self.records.shrink_to_fit(); // as seldom as it is worth it
        }
    }

    /// Whether the change with this number is the one that counts for its key.
    pub(super) fn counts(&self, print: Print, number: u64) -> bool {
        self.records
            .get(&print)
            .is_some_and(|record| record.change == number)
    }

    /// Which changes of the file count now, for who reads it while it may be replaced.
    pub(super) fn counting(&self) -> Counting {
        let length = usize::try_from(self.changes).unwrap_or(usize::MAX).div_ceil(8);
        let mut counting = Counting(vec![0; length]);
        for record in self.records.values() {
            let byte = usize::try_from(record.change / 8).ok();
            if let Some(byte) = byte.and_then(|byte| counting.0.get_mut(byte)) {
                *byte |= mask(record.change);
            }
        }
        counting
    }

    /// Bytes of the changes that count.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A bit for each change of a file: whether it counts.
pub(super) struct Counting(Vec<u8>);

impl Counting {
    pub(super) fn counts(&self, number: u64) -> bool {
        let byte = usize::try_from(number / 8).ok().and_then(|byte| self.0.get(byte));
        byte.is_some_and(|byte| byte & mask(number) != 0)
    }
}

const fn mask(number: u64) -> u8 {
    1 << (number % 8)
}

/// A change as [`Live`] sees it.
#[derive(Clone, Copy)]
pub(super) struct Applied {
    pub(super) print: Print,
    pub(super) bytes: usize,
    pub(super) removes: bool,
}
