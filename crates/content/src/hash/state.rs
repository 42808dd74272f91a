//! The state of a hasher, and its saved form.
//!
//! | bytes | hold |
//! |---|---|
//! | 1 | the version of this form, 1 |
//! | 1 | the algorithm: 1 sha256, 2 sha512 |
//! | 8 | the number of bytes that were hashed, in big-endian order |
//! | 105, 209 | the state as the sha2 crate has it |
//! | 8 | the beginning of the sha256 of all this |

#[cfg(all(feature = "ring", not(wharf_sha2)))]
use ring::digest::{Context, SHA256, SHA512};
use wharf_reference::Algorithm;

use super::sha2;
use crate::{Error, ErrorKind};

const VERSION: u8 = 1;

/// Bytes of the sum.
const SUM: usize = 8;

#[derive(Clone)]
pub(super) enum State {
    #[cfg(all(feature = "ring", not(wharf_sha2)))]
    Ring(Context),
    Sha2(sha2::State),
}

impl State {
    #[cfg(all(feature = "ring", not(wharf_sha2)))]
    pub(super) fn new(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Some(Self::Ring(Context::new(&SHA256))),
            Algorithm::Sha512 => Some(Self::Ring(Context::new(&SHA512))),
            _ => None,
        }
    }

    #[cfg(any(not(feature = "ring"), wharf_sha2))]
    pub(super) fn new(algorithm: Algorithm) -> Option<Self> {
        Self::resumable(algorithm)
    }

    pub(super) fn resumable(algorithm: Algorithm) -> Option<Self> {
        sha2::State::new(algorithm).map(Self::Sha2)
    }

    pub(super) const fn as_sha2(&self) -> Option<&sha2::State> {
        match self {
            #[cfg(all(feature = "ring", not(wharf_sha2)))]
            Self::Ring(_) => None,
            Self::Sha2(state) => Some(state),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            #[cfg(all(feature = "ring", not(wharf_sha2)))]
            Self::Ring(state) => state.update(bytes),
            Self::Sha2(state) => state.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            #[cfg(all(feature = "ring", not(wharf_sha2)))]
            Self::Ring(state) => state.finish().as_ref().to_vec(),
            Self::Sha2(state) => state.finish(),
        }
    }
}

impl From<sha2::State> for State {
    fn from(state: sha2::State) -> Self {
        Self::Sha2(state)
    }
}

/// A saved state that has been read.
pub(super) struct Saved<'s> {
    pub(super) algorithm: Algorithm,
    pub(super) count: u64,
    pub(super) state: &'s [u8],
}

pub(super) fn encode(algorithm: Algorithm, count: u64, state: &[u8]) -> Vec<u8> {
    let number = if algorithm == Algorithm::Sha512 { 2 } else { 1 };
    let mut saved = vec![VERSION, number];
    saved.extend_from_slice(&count.to_be_bytes());
    saved.extend_from_slice(state);
    let sum = sum(&saved);
    saved.extend_from_slice(sum.get(..SUM).unwrap_or(&sum));
    saved
}

pub(super) fn decode(saved: &[u8]) -> Result<Saved<'_>, Error> {
    match saved.first() {
        Some(&VERSION) => read(saved).ok_or_else(corrupt),
        Some(version) => {
            let message =
                format!("the saved state of the hash has version {version}; this program reads {VERSION}");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        None => Err(corrupt()),
    }
}

fn read(saved: &[u8]) -> Option<Saved<'_>> {
    let (rest, own) = saved.split_at_checked(saved.len().checked_sub(SUM)?)?;
    if sum(rest).get(..SUM)? != own {
        return None;
    }
    let algorithm = match rest.get(1)? {
        1 => Algorithm::Sha256,
        2 => Algorithm::Sha512,
        _ => return None,
    };
    let (count, state) = rest.get(2..)?.split_first_chunk()?;
    Some(Saved {
        algorithm,
        count: u64::from_be_bytes(*count),
        state,
    })
}

fn sum(bytes: &[u8]) -> Vec<u8> {
    let mut state = State::resumable(Algorithm::Sha256);
    if let Some(state) = &mut state {
        state.update(bytes);
    }
    state.map(State::finish).unwrap_or_default()
}

pub(super) fn corrupt() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the saved state of the hash is corrupt; the bytes must be hashed again from the first",
    )
}
