//! The current changes of a journal: the last one of each key.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

/// A 128-bit hash of a key. The hash functions are seeded at random, so that nobody can make two keys
/// collide.
pub(super) type Print = u128;

/// The hash functions.
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

/// The current change of each key, by its number in the file. So a journal can be opened and rewritten
/// without the records in memory.
#[derive(Default)]
pub(super) struct Live {
    records: HashMap<Print, LiveRecord>,
    /// The number of changes in the file.
    changes: u64,
    /// The bytes of the current changes.
    bytes: u64,
}

struct LiveRecord {
    change: u64,
    bytes: u32,
}

impl Live {
    /// An empty set, with room for as many keys, for a file that gets the same records.
    pub(super) fn rewritten(&self) -> Self {
        Self {
            records: HashMap::with_capacity(self.records.len()),
            ..Self::default()
        }
    }

    /// Adds the next change of the file.
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
            self.records.shrink_to_fit(); // only below a quarter, since each time copies the map
        }
    }

    /// Whether the change with this number is the current one of its key.
    pub(super) fn counts(&self, print: Print, number: u64) -> bool {
        self.records
            .get(&print)
            .is_some_and(|record| record.change == number)
    }

    /// A snapshot of the current changes, for a reader of a file that may be replaced meanwhile.
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

/// One bit for each change of a file: whether it is current.
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

/// The facts about a change that [`Live`] needs.
#[derive(Clone, Copy)]
pub(super) struct Applied {
    pub(super) print: Print,
    pub(super) bytes: usize,
    pub(super) removes: bool,
}
