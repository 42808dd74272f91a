//! The footer of an ingest file that has gaps.

use std::{fs::File, io};

const MAGIC: [u8; 8] = *b"wharf\0\0\x01";
const LENGTH: usize = 24;
/// Distance in bytes between the last byte written and the footer, so that the footer moves rarely.
const AHEAD: u64 = 8 * 1024 * 1024;

/// The number of bytes before the first gap. The footer lies beyond all bytes of the blob that were
/// written, and moves before a write would reach it.
///
/// It is a hint, as the file's length is: the next writer hashes the bytes that the footer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GapFooter {
    /// The offset of the footer in bytes.
    pub(super) at: u64,
    /// The offset of the first gap: all bytes before it are written.
    pub(super) front: u64,
}

impl GapFooter {
    /// A footer for bytes that end at `end`, of a blob of `size` bytes.
    pub(super) fn beyond(end: u64, size: u64, front: u64) -> Self {
        Self {
            at: end.saturating_add(AHEAD).min(size.max(end)),
            front,
        }
    }

    /// The footer of a file of `length` bytes, if it has one.
    pub(super) fn find(file: &File, length: u64) -> io::Result<Option<Self>> {
        let Some(at) = length.checked_sub(LENGTH as u64) else {
            return Ok(None);
        };
        let mut bytes = [0; LENGTH];
        if wharf_fs::fill_at(file, &mut bytes, at)? < bytes.len() {
            return Ok(None);
        }
        let footer = Self {
            at,
            front: bytes
                .get(8..16)
                .and_then(|front| front.try_into().ok())
                .map_or(0, u64::from_le_bytes),
        };
        Ok((footer.bytes() == bytes && footer.front <= at).then_some(footer))
    }

    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        wharf_fs::write_all_at(file, &self.bytes(), self.at)
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
    fn a_footer_is_found_where_it_is_and_nowhere_else() {
        let file = tempfile::tempfile().unwrap();
        let length = || file.metadata().unwrap().len();
        assert_eq!(GapFooter::find(&file, length()).unwrap(), None);
        let footer = GapFooter::beyond(1000, 50_000_000, 700);
        footer.write(&file).unwrap();
        assert_eq!(length(), 1000 + AHEAD + LENGTH as u64);
        assert_eq!(GapFooter::find(&file, length()).unwrap(), Some(footer));
        wharf_fs::write_all_at(&file, b"x", length()).unwrap();
        assert_eq!(GapFooter::find(&file, length()).unwrap(), None);
        // A footer at another offset than its own is invalid, and so is one that promises more bytes than
        // there are.
        for footer in [GapFooter { at: 90, front: 5 }, GapFooter { at: 100, front: 101 }] {
            file.set_len(0).unwrap();
            wharf_fs::write_all_at(&file, &footer.bytes(), 100).unwrap();
            assert_eq!(GapFooter::find(&file, length()).unwrap(), None);
        }
        assert_eq!(GapFooter::beyond(1000, 1200, 0).at, 1200);
    }
}
