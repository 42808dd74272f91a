//! Hashing by the sha2 crate, whose state can be saved.

use sha2::{
    Digest as _, Sha256, Sha512,
    digest::common::hazmat::{SerializableState, SerializedState},
};
use wharf_reference::Algorithm;

#[derive(Clone)]
pub(super) enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl State {
    pub(super) fn new(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Some(Self::Sha256(Sha256::new())),
            Algorithm::Sha512 => Some(Self::Sha512(Box::default())),
            _ => None,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(state) => state.finalize().to_vec(),
            Self::Sha512(state) => state.finalize().to_vec(),
        }
    }

    /// The state in the crate's own format: the chaining value, the number of whole blocks in little-endian
    /// order, the number of bytes in the last block, and these bytes.
    pub(super) fn save(&self) -> Vec<u8> {
        match self {
            Self::Sha256(state) => state.serialize().to_vec(),
            Self::Sha512(state) => state.serialize().to_vec(),
        }
    }

    /// The state that was saved after `count` bytes; `None` if these bytes are none.
    pub(super) fn restore(algorithm: Algorithm, count: u64, saved: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => {
                let state = deserialize::<Sha256>(
                    saved,
                    &Blocks {
                        size: 64,
                        start: 32,
                        width: 8,
                    },
                    count,
                )?;
                Some(Self::Sha256(state))
            }
            Algorithm::Sha512 => {
                let state = deserialize::<Sha512>(
                    saved,
                    &Blocks {
                        size: 128,
                        start: 64,
                        width: 16,
                    },
                    count,
                )?;
                Some(Self::Sha512(Box::new(state)))
            }
            _ => None,
        }
    }
}

/// The place of the number of whole blocks in a saved state.
struct Blocks {
    /// Bytes of a block.
    size: u64,
    start: usize,
    /// Bytes of the number.
    width: usize,
}

fn deserialize<S: SerializableState>(saved: &[u8], blocks: &Blocks, count: u64) -> Option<S> {
    let end = blocks.start + blocks.width;
    let whole = saved.get(blocks.start..end)?;
    let mut number = [0; 16];
    number.get_mut(..blocks.width)?.copy_from_slice(whole);
    let (whole, last) = (u128::from_le_bytes(number), u128::from(*saved.get(end)?));
    let counted = whole.checked_mul(blocks.size.into())?.checked_add(last)?;
    if counted != u128::from(count) {
        return None;
    }
    let saved = SerializedState::<S>::try_from(saved).ok()?;
    S::deserialize(&saved).ok()
}
