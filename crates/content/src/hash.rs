//! SHA-2, by ring's assembly with the `ring` feature and by the sha2 crate otherwise. All hashing of the
//! family goes through this module.
//!
//! `--cfg wharf_sha2` selects the sha2 crate in any case, for measurements, because it can be told not to
//! use SHA instructions.

use std::fmt;

use wharf_reference::{Algorithm, Digest};

use crate::{Error, ErrorKind};

/// Computes a [`Digest`] incrementally. A clone has the same state, so that a resumed download need not
/// hash its first bytes again.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    state: backend::State,
    count: u64,
}

impl Hasher {
    /// Makes a hasher.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512.
    pub fn new(algorithm: Algorithm) -> Result<Self, Error> {
        let state = backend::State::new(algorithm).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "this digest algorithm is not supported; use sha256 or sha512",
            )
        })?;
        Ok(Self {
            algorithm,
            state,
            count: 0,
        })
    }

    /// Hashes `bytes` in one call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512.
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, Error> {
        let mut hasher = Self::new(algorithm)?;
        hasher.update(bytes);
        hasher.finish()
    }

    /// The sha256 digest of `bytes`. Nearly all content is named by it; a config lists that of each
    /// uncompressed layer as its `diff_id`.
    ///
    /// ```
    /// let digest = wharf_content::Hasher::sha256(b"");
    /// assert_eq!(digest, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    /// ```
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "both backends have sha256, and the digest has the length that it is checked for"
    )]
    pub fn sha256(bytes: &[u8]) -> Digest {
        Self::digest(Algorithm::Sha256, bytes).expect("sha256 is supported")
    }

    /// Hashes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.count = self.count.saturating_add(bytes.len() as u64);
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The number of bytes hashed so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The digest of all bytes hashed.
    ///
    /// # Errors
    ///
    /// None for a hasher that [`Hasher::new`] has made.
    pub fn finish(self) -> Result<Digest, Error> {
        Digest::from_bytes(self.algorithm, self.state.finish().as_ref())
            .map_err(|error| Error::wrap(ErrorKind::Unsupported, error))
    }

    /// The digest and number of all bytes hashed, as a proof that somebody hashed them.
    ///
    /// # Errors
    ///
    /// None for a hasher that [`Hasher::new`] has made.
    pub fn prove(self) -> Result<Verified, Error> {
        let size = self.count;
        let digest = self.finish()?;
        Ok(Verified { digest, size })
    }
}

/// The digest and number of bytes that were hashed.
///
/// Only hashing makes one, so an argument of this type is never a digest that was merely claimed. It does
/// not record which bytes were hashed; the caller must keep the two together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    digest: Digest,
    size: u64,
}

impl Verified {
    /// Hashes `bytes` in one call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, Error> {
        let mut hasher = Hasher::new(algorithm)?;
        hasher.update(bytes);
        hasher.prove()
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The number of bytes that were hashed.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(all(feature = "ring", not(wharf_sha2)))]
mod backend {
    use ring::digest::{Context, SHA256, SHA512};
    use wharf_reference::Algorithm;

    #[derive(Clone)]
    pub(super) struct State(Context);

    impl State {
        pub(super) fn new(algorithm: Algorithm) -> Option<Self> {
            match algorithm {
                Algorithm::Sha256 => Some(Self(Context::new(&SHA256))),
                Algorithm::Sha512 => Some(Self(Context::new(&SHA512))),
                _ => None,
            }
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> impl AsRef<[u8]> {
            self.0.finish()
        }
    }
}

#[cfg(any(not(feature = "ring"), wharf_sha2))]
mod backend {
    use sha2::{Digest as _, Sha256, Sha512};
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

        pub(super) fn finish(self) -> impl AsRef<[u8]> {
            match self {
                Self::Sha256(state) => state.finalize().to_vec(),
                Self::Sha512(state) => state.finalize().to_vec(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_and_kept_state() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Hasher::digest(Algorithm::Sha256, b"").unwrap(), empty);
        let abc = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                   2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(Hasher::digest(Algorithm::Sha512, b"abc").unwrap(), abc);

        let mut first = Hasher::new(Algorithm::Sha256).unwrap();
        first.update(b"wh");
        let mut second = first.clone();
        second.update(b"arf");
        assert_eq!(second.count(), 5);
        assert_eq!(
            second.finish().unwrap(),
            Hasher::digest(Algorithm::Sha256, b"wharf").unwrap()
        );
        assert_eq!(first.count(), 2);
        let proof = first.prove().unwrap();
        let expected = Verified::of(Algorithm::Sha256, b"wh").unwrap();
        assert_eq!((&proof, proof.size()), (&expected, 2));
    }

    #[test]
    fn an_unknown_algorithm_is_refused() {
        assert_eq!(
            Hasher::new(Algorithm::Unsupported).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }
}
