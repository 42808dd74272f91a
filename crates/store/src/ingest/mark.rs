//! The end of an ingest file that has gaps.

use std::{fs::File, io};

use crate::os;

const MAGIC: [u8; 8] = *b"wharf\0\0\x01";
const LENGTH: usize = 24;
/// How far beyond the bytes it is put, so that it need not move often.
const AHEAD: u64 = 8 * 1024 * 1024;

/// Says how many bytes there are before the first gap. It lies behind all of them, and moves on before bytes
/// reach it.
///
/// It is a hint like the file's length is one: what it makes the next writer keep is hashed like anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The byte at which it begins.
    pub(super) at: u64,
    /// All bytes before this one are there.
    pub(super) front: u64,
}

impl Mark {
    /// A mark behind bytes that end at `end`; none follow those of a blob of this size.
    pub(super) fn beyond(end: u64, size: u64, front: u64) -> Self {
        Self {
            at: end.saturating_add(AHEAD).min(size.max(end)),
            front,
        }
    }

    /// The mark of a file of this length, if it has one.
    pub(super) fn find(file: &File, length: u64) -> io::Result<Option<Self>> {
        let Some(at) = length.checked_sub(LENGTH as u64) else {
            return Ok(None);
        };
        let mut bytes = [0; LENGTH];
        if os::read_at(file, &mut bytes, at)? < bytes.len() {
            return Ok(None);
        }
        let mark = Self {
            at,
            front: bytes
                .get(8..16)
                .and_then(|front| front.try_into().ok())
                .map_or(0, u64::from_le_bytes),
        };
        Ok((mark.bytes() == bytes && mark.front <= at).then_some(mark))
    }

    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        os::write_all_at(file, &self.bytes(), self.at)
    }

    fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts = MAGIC
            .into_iter()
            .chain(self.front.to_le_bytes())
            .chain(self.at.to_le_bytes());
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = part;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_where_it_is_and_nowhere_else() {
        let file = tempfile::tempfile().unwrap();
        let length = || file.metadata().unwrap().len();
        assert_eq!(Mark::find(&file, length()).unwrap(), None);
        let mark = Mark::beyond(1000, 50_000_000, 700);
        mark.write(&file).unwrap();
        assert_eq!(length(), 1000 + AHEAD + LENGTH as u64);
        assert_eq!(Mark::find(&file, length()).unwrap(), Some(mark));
        os::write_all_at(&file, b"x", length()).unwrap();
        assert_eq!(Mark::find(&file, length()).unwrap(), None);
        // A copy of one at another place is none, nor one that promises more than there is.
        for mark in [Mark { at: 90, front: 5 }, Mark { at: 100, front: 101 }] {
            file.set_len(0).unwrap();
            os::write_all_at(&file, &mark.bytes(), 100).unwrap();
            assert_eq!(Mark::find(&file, length()).unwrap(), None);
        }
        assert_eq!(Mark::beyond(1000, 1200, 0).at, 1200);
    }
}
