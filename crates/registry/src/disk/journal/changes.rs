//! The changes of a group as bytes.
//!
//! | part | form |
//! |---|---|
//! | shared | a number: how many bytes the key begins with that the key of the change before begins with, too |
//! | rest | a number of bytes, and these: the rest of the key |
//! | value | 0 if the key is removed; else one more than the number of bytes, and these |
//!
//! Numbers are those of [`packed`](crate::packed).

use crate::packed::{Input, pack_number};

/// Packs changes.
#[derive(Default)]
pub(super) struct Packing {
    pub(super) bytes: Vec<u8>,
    /// The key of the last change.
    key: Vec<u8>,
}

impl Packing {
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let equal = self.key.iter().zip(key).take_while(|(one, other)| one == other);
        let shared = equal.count();
        pack_number(&mut self.bytes, shared as u64);
        pack_number(&mut self.bytes, (key.len() - shared) as u64);
        self.key.truncate(shared);
        self.key.extend(key.iter().skip(shared));
        self.bytes.extend(key.iter().skip(shared));
        pack_number(&mut self.bytes, value.map_or(0, |value| value.len() as u64 + 1));
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    /// The changes up to here. Those that follow depend on none of them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.key.clear();
        std::mem::take(&mut self.bytes)
    }
}

/// Unpacks changes.
pub(super) struct Unpacking<'a> {
    input: Input<'a>,
    key: Vec<u8>,
}

/// A change of a key: its new value, or `None` if it is removed.
pub(super) type Packed<'a> = (&'a [u8], Option<&'a [u8]>);

impl<'a> Unpacking<'a> {
    pub(super) const fn new(changes: &'a [u8]) -> Self {
        Self {
            input: Input(changes),
            key: Vec::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// The next change, or `None` if the bytes are not one.
    pub(super) fn next(&mut self) -> Option<Packed<'_>> {
        let shared = self.input.length()?;
        let rest = self.input.section()?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        let value = match self.input.length()?.checked_sub(1) {
            Some(length) => Some(self.input.take(length)?),
            None => None,
        };
        Some((&self.key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_back_and_no_part_of_them_does() {
        let changes: [(&[u8], Option<&[u8]>); 6] = [
            (b"a\0b1", Some(b"value")),
            (b"a\0b12", None),
            (b"a\0c", Some(b"")),
            (b"", Some(b"x")),
            (b"b", None),
            (b"b", Some(&[7; 300])),
        ];
        let mut packing = Packing::default();
        let mut ends = Vec::new();
        for (key, value) in changes {
            packing.push(key, value);
            ends.push(packing.bytes.len());
        }
        let bytes = packing.take();
        for cut in 0..=bytes.len() {
            let mut unpacking = Unpacking::new(&bytes[..cut]);
            let whole = ends.iter().take_while(|end| **end <= cut).count();
            for (key, value) in &changes[..whole] {
                assert_eq!(unpacking.next(), Some((*key, *value)));
            }
            assert_eq!(
                unpacking.is_empty(),
                cut == 0 || ends.contains(&cut),
                "cut at {cut}"
            );
            assert_eq!(unpacking.next(), None, "cut at {cut}");
        }
        // What shares more than there is.
        assert_eq!(Unpacking::new(&[1, 0, 0]).next(), None);
    }
}
