//! Chunks of a body, in memory of about their size.

use bytes::{Bytes, BytesMut};

/// Chunks of fewer bytes are copied into one. Each chunk costs memory beside its bytes and holds the buffer in which it was
/// received, and a client decides how small they are.
const SMALL: usize = 4 * 1024;

/// Chunks in the order in which they came.
#[derive(Default)]
pub(super) struct Chunks {
    all: Vec<Bytes>,
    /// The last ones, if they are small.
    small: BytesMut,
    length: usize,
}

impl Chunks {
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if chunk.len() < SMALL {
            self.small.extend_from_slice(&chunk);
        } else {
            self.flush();
            self.all.push(chunk);
        }
    }

    /// The bytes of all chunks.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) fn into_vec(mut self) -> Vec<Bytes> {
        self.flush();
        self.all
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.all.push(self.small.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sizes: &[usize]) -> Vec<usize> {
        let mut chunks = Chunks::default();
        let mut expected = Vec::new();
        for (number, size) in (0_u8..).zip(sizes) {
            let chunk = vec![number; *size];
            expected.extend_from_slice(&chunk);
            chunks.push(Bytes::from(chunk));
        }
        assert_eq!(chunks.length(), expected.len());
        let all = chunks.into_vec();
        assert_eq!(all.concat(), expected);
        all.iter().map(Bytes::len).collect()
    }

    #[test]
    fn small_chunks_become_few_and_large_ones_are_not_copied() {
        assert_eq!(of(&[]), [0; 0]);
        assert_eq!(of(&[1]), [1]);
        assert_eq!(of(&[1; 250]), [250]);
        assert_eq!(of(&[SMALL, SMALL]), [SMALL, SMALL]);
        assert_eq!(of(&[1, 2, SMALL, SMALL - 1, 1]), [3, SMALL, SMALL]);
        assert_eq!(of(&[SMALL + 1, 1, 1]), [SMALL + 1, 2]);
    }
}
