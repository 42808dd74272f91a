//! An ordered map of byte strings that takes little more memory than these: entries lie side by side in leaves of up to
//! [`LEAF`] bytes, and a small map is one leaf. To find or change an entry costs a search for its leaf, and a look at
//! the entries there.
//!
//! An entry is the length of its key and that of its value as [numbers](pack_number), key and value.

use std::{mem, ops::Range, slice};

use crate::packed::{Input, pack_number};

/// The bytes of a leaf from which it is split, unless it is one entry.
const LEAF: usize = 2048;

pub(super) enum Leaves {
    One(Box<[u8]>),
    /// In the order of their keys; none is empty.
    Many(Vec<Box<[u8]>>),
}

impl Default for Leaves {
    fn default() -> Self {
        Self::One(Box::default())
    }
}

/// An entry of a leaf, and where it is.
struct Entry<'a> {
    key: &'a [u8],
    value: &'a [u8],
    range: Range<usize>,
}

/// The entries of a leaf from an offset on.
fn entries_from(leaf: &[u8], offset: usize) -> impl Iterator<Item = Entry<'_>> {
    let mut input = Input(leaf.get(offset..).unwrap_or_default());
    std::iter::from_fn(move || {
        let start = leaf.len() - input.0.len();
        let (key, value) = (input.length()?, input.length()?);
        let (key, value) = (input.take(key)?, input.take(value)?);
        let range = start..leaf.len() - input.0.len();
        Some(Entry { key, value, range })
    })
}

fn entries(leaf: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    entries_from(leaf, 0)
}

/// The entry with this key, or else where it would be.
fn find<'a>(leaf: &'a [u8], key: &[u8]) -> Result<Entry<'a>, usize> {
    match entries(leaf).find(|entry| entry.key >= key) {
        Some(entry) if entry.key == key => Ok(entry),
        Some(after) => Err(after.range.start),
        None => Err(leaf.len()),
    }
}

fn replace(leaf: &mut Box<[u8]>, range: Range<usize>, with: &[u8]) {
    let mut bytes = mem::take(leaf).into_vec();
    bytes.reserve_exact(with.len().saturating_sub(range.len()));
    bytes.splice(range, with.iter().copied());
    *leaf = bytes.into_boxed_slice();
}

impl Leaves {
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let leaf = self.all().get(self.index_of(key))?;
        find(leaf, key).ok().map(|entry| entry.value)
    }

    /// The value of a key, to be changed in its place.
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut [u8]> {
        let leaf = self.leaf_mut(self.index_of(key))?;
        let Entry { value, range, .. } = find(leaf, key).ok()?;
        let value = range.end - value.len()..range.end;
        leaf.get_mut(value)
    }

    /// The entries from this key on, in order.
    pub(super) fn from<'a>(&'a self, start: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut leaves = self.all().iter().skip(self.index_of(start));
        let first = leaves.next().map(|leaf| {
            let offset = find(leaf, start).map_or_else(|place| place, |entry| entry.range.start);
            entries_from(leaf, offset)
        });
        let entries = first
            .into_iter()
            .flatten()
            .chain(leaves.flat_map(|leaf| entries(leaf)));
        entries.map(|entry| (entry.key, entry.value))
    }

    /// Adds an entry, in the place of the one with its key.
    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) {
        let mut entry = Vec::with_capacity(key.len() + value.len() + 6);
        pack_number(&mut entry, key.len() as u64);
        pack_number(&mut entry, value.len() as u64);
        entry.extend_from_slice(key);
        entry.extend_from_slice(value);
        let index = self.index_of(key);
        if let Some(leaf) = self.leaf_mut(index) {
            let range = find(leaf, key).map_or_else(|place| place..place, |before| before.range);
            replace(leaf, range, &entry);
        }
        self.split(index);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        let index = self.index_of(key);
        if let Some(leaf) = self.leaf_mut(index)
            && let Ok(Entry { range, .. }) = find(leaf, key)
        {
            replace(leaf, range, &[]);
            self.merge(index);
        }
    }

    fn all(&self) -> &[Box<[u8]>] {
        match self {
            Self::One(leaf) => slice::from_ref(leaf),
            Self::Many(leaves) => leaves,
        }
    }

    fn leaf_mut(&mut self, index: usize) -> Option<&mut Box<[u8]>> {
        match self {
            Self::One(leaf) => Some(leaf),
            Self::Many(leaves) => leaves.get_mut(index),
        }
    }

    /// The leaf that has this key, if any has.
    fn index_of(&self, key: &[u8]) -> usize {
        let Self::Many(leaves) = self else { return 0 };
        let begins_before = |leaf: &[u8]| entries(leaf).next().is_some_and(|entry| entry.key <= key);
        leaves
            .partition_point(|leaf| begins_before(leaf))
            .saturating_sub(1)
    }

    /// Splits a leaf that is too large.
    fn split(&mut self, index: usize) {
        let Some(leaf) = self.leaf_mut(index).filter(|leaf| leaf.len() >= LEAF) else {
            return;
        };
        let half = leaf.len() / 2;
        let ends = entries(leaf)
            .map(|entry| entry.range.end)
            .filter(|end| *end < leaf.len());
        let Some(middle) = ends.min_by_key(|end| end.abs_diff(half)) else {
            return;
        };
        let (left, right) = leaf.split_at(middle);
        let (left, right) = (Box::from(left), Box::from(right));
        match self {
            Self::One(_) => *self = Self::Many(vec![left, right]),
            Self::Many(leaves) => {
                leaves.insert(index + 1, right);
                if let Some(leaf) = leaves.get_mut(index) {
                    *leaf = left;
                }
            }
        }
        self.split(index + 1); // beside a large entry, a half may be too large still
        self.split(index);
    }

    /// Joins a leaf that has become small with the one after it.
    fn merge(&mut self, index: usize) {
        let Self::Many(leaves) = self else { return };
        let length = |index: usize| leaves.get(index).map(|leaf| leaf.len());
        if length(index) == Some(0) {
            leaves.remove(index);
        } else if let (Some(one), Some(next)) = (length(index), length(index + 1))
            && one + next < LEAF / 2
        {
            let next = leaves.remove(index + 1);
            if let Some(leaf) = leaves.get_mut(index) {
                *leaf = [&**leaf, &*next].concat().into_boxed_slice();
            }
        }
        if leaves.len() < leaves.capacity() / 4 {
            leaves.shrink_to_fit(); // only below a quarter, since each time copies the list
        }
        if leaves.len() < 2 {
            *self = leaves.pop().map_or_else(Self::default, Self::One);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u8) -> Vec<u8> {
        vec![b'k'; 1 + usize::from(number) % 3]
            .into_iter()
            .chain([number])
            .collect()
    }

    #[test]
    fn entries_are_those_of_an_ordered_map() {
        let noise = wharf_testkit::noise(5, 60_000);
        for (round, noise) in noise.chunks(20_000).enumerate() {
            let mut leaves = Leaves::default();
            let mut expected = BTreeMap::new();
            for (step, pair) in noise.chunks_exact(2).enumerate() {
                let (key, what) = (key(pair[0]), pair[1]);
                // Growing and shrinking in turns.
                if usize::from(what) % 8 < 2 + 4 * (step / 1000 % 2) {
                    leaves.remove(&key);
                    expected.remove(&key);
                } else {
                    let value = vec![what; usize::from(what) * [0, 3, 40][round]];
                    leaves.insert(&key, &value);
                    expected.insert(key.clone(), value);
                }
                assert_eq!(leaves.get(&key), expected.get(&key).map(Vec::as_slice));
                if step % 97 == 0 {
                    let start = &key[..key.len() - 1];
                    let found = leaves
                        .from(start)
                        .map(|(key, value)| (key.to_vec(), value.to_vec()));
                    let wanted = expected.range(start.to_vec()..);
                    let wanted = wanted.map(|(key, value)| (key.clone(), value.clone()));
                    assert!(found.eq(wanted), "round {round}, step {step}");
                }
                if let Leaves::Many(leaves) = &leaves {
                    let whole = |leaf: &[u8]| leaf.len() < LEAF || entries(leaf).count() == 1;
                    assert!(leaves.len() > 1 && leaves.iter().all(|leaf| !leaf.is_empty() && whole(leaf)));
                }
            }
            for (key, value) in &expected {
                let there = leaves.get_mut(key).unwrap();
                assert_eq!(there, value);
                there.fill(7);
                assert_eq!(leaves.get(key), Some(&*vec![7; value.len()]));
                leaves.remove(key);
            }
            assert!(leaves.from(&[]).next().is_none() && matches!(leaves, Leaves::One(_)));
        }
    }
}
