//! SHA-2, by ring's assembly with the `ring` feature and by the sha2 crate otherwise. All hashing of the
//! family goes through this module.
//!
//! `--cfg wharf_sha2` selects the sha2 crate in any case, for measurements, because it can be told not to
//! use SHA instructions.

mod sha2;
mod state;

use std::fmt;

use wharf_reference::{Algorithm, Digest};

use self::state::State;
use crate::{Error, ErrorKind};

/// Computes a [`Digest`] incrementally. A clone has the same state, so that a resumed download need not
/// hash its first bytes again.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    state: State,
    count: u64,
}

impl Hasher {
    /// Makes a hasher.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512.
    pub fn new(algorithm: Algorithm) -> Result<Self, Error> {
        Self::with(algorithm, State::new(algorithm))
    }

    /// Makes a hasher whose state can be [saved](Hasher::save), so that another process goes on where this one
    /// ends. It is the sha2 crate's also with the feature `ring`, which can save no state: as fast where the
    /// processor has SHA instructions, else half as fast.
    ///
    /// ```
    /// use wharf_content::Hasher;
    /// use wharf_reference::Algorithm;
    ///
    /// let mut hasher = Hasher::resumable(Algorithm::Sha256)?;
    /// hasher.update(b"some ");
    /// let state = hasher.save().expect("it is resumable");
    /// let mut hasher = Hasher::restore(Algorithm::Sha256, 5, &state)?;
    /// hasher.update(b"content");
    /// assert_eq!(hasher.finish()?, Hasher::sha256(b"some content"));
    /// # Ok::<(), wharf_content::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512.
    pub fn resumable(algorithm: Algorithm) -> Result<Self, Error> {
        Self::with(algorithm, State::resumable(algorithm))
    }

    fn with(algorithm: Algorithm, state: Option<State>) -> Result<Self, Error> {
        let state = state.ok_or_else(|| {
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

    /// The state as at most 228 bytes for [`Hasher::restore`]; `None` for a hasher that was not made by
    /// [`Hasher::resumable`], nor restored.
    ///
    /// It holds up to the last 127 bytes that were hashed, so it is as confidential as they are.
    #[must_use]
    pub fn save(&self) -> Option<Vec<u8>> {
        let state = self.state.as_sha2()?;
        Some(state::encode(self.algorithm, self.count, &state.save()))
    }

    /// Makes the hasher that [`Hasher::save`] has saved, of this algorithm and after so many bytes. The next
    /// bytes to hash are those at the offset `count`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for an algorithm other than sha256 and sha512, and for a state that a later
    /// version has saved; [`ErrorKind::Mismatch`] for a state of another algorithm or after another number of
    /// bytes; [`ErrorKind::Corrupt`] for bytes that are no state.
    pub fn restore(algorithm: Algorithm, count: u64, state: &[u8]) -> Result<Self, Error> {
        let mut hasher = Self::resumable(algorithm)?;
        let saved = state::decode(state)?;
        if saved.algorithm != algorithm || saved.count != count {
            let message = format!(
                "the saved state is of {} after {} bytes, not of {algorithm} after {count} bytes",
                saved.algorithm, saved.count
            );
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let restored = sha2::State::restore(algorithm, count, saved.state);
        hasher.state = State::from(restored.ok_or_else(state::corrupt)?);
        hasher.count = count;
        Ok(hasher)
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

    /// The proof for bytes that this crate has hashed before.
    pub(crate) const fn known(digest: Digest, size: u64) -> Self {
        Self { digest, size }
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
        for made in [
            Hasher::new(Algorithm::Unsupported),
            Hasher::resumable(Algorithm::Unsupported),
            Hasher::restore(Algorithm::Unsupported, 0, b""),
        ] {
            assert_eq!(made.unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn a_manifest_is_the_proof_of_its_bytes() {
        let bytes =
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        for algorithm in BOTH {
            let expected = Verified::of(algorithm, bytes).unwrap();
            let manifest = crate::Manifest::parse_pinned(bytes[..].into(), None, expected.digest()).unwrap();
            assert_eq!(manifest.verified(), expected);
        }
    }

    const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    fn resumable(algorithm: Algorithm, bytes: &[u8]) -> Hasher {
        let mut hasher = Hasher::resumable(algorithm).unwrap();
        hasher.update(bytes);
        hasher
    }

    fn kind(restored: Result<Hasher, Error>) -> Option<ErrorKind> {
        restored.err().map(|error| error.kind())
    }

    #[test]
    fn a_saved_hasher_goes_on_at_every_cut() {
        let bytes = (0..=255).cycle().take(600).collect::<Vec<u8>>();
        for algorithm in BOTH {
            let whole = Hasher::digest(algorithm, &bytes).unwrap();
            for cut in 0..=bytes.len() {
                let (first, rest) = bytes.split_at(cut);
                let saved = resumable(algorithm, first).save().unwrap();
                assert!(saved.len() <= 228, "{}", saved.len());
                let mut hasher = Hasher::restore(algorithm, cut as u64, &saved).unwrap();
                assert_eq!((hasher.algorithm(), hasher.count()), (algorithm, cut as u64));
                assert_eq!(hasher.save().unwrap(), saved, "{cut}: as it was");
                let (middle, last) = rest.split_at(rest.len() / 2);
                hasher.update(middle);
                let saved = hasher.save().unwrap();
                let mut hasher = Hasher::restore(algorithm, hasher.count(), &saved).unwrap();
                hasher.update(last);
                let proof = hasher.prove().unwrap();
                assert_eq!((proof.digest(), proof.size()), (&whole, 600), "{algorithm} {cut}");
            }
        }
    }

    #[test]
    fn only_a_resumable_hasher_has_a_state() {
        for algorithm in BOTH {
            let by_ring = cfg!(all(feature = "ring", not(wharf_sha2)));
            assert_eq!(Hasher::new(algorithm).unwrap().save().is_none(), by_ring);
            assert!(resumable(algorithm, b"x").clone().save().is_some());
        }
    }

    #[test]
    fn a_state_of_another_algorithm_or_count_is_refused() {
        for (algorithm, other) in [BOTH, [Algorithm::Sha512, Algorithm::Sha256]].map(|[a, b]| (a, b)) {
            for count in [0_u64, 1, 63, 64, 65, 127, 128, 500] {
                let bytes = vec![7; usize::try_from(count).unwrap()];
                let saved = resumable(algorithm, &bytes).save().unwrap();
                let restored = Hasher::restore(other, count, &saved);
                assert_eq!(kind(restored), Some(ErrorKind::Mismatch), "{algorithm} {count}");
                for wrong in [count + 1, count + 64, count + 128, u64::MAX] {
                    let restored = Hasher::restore(algorithm, wrong, &saved);
                    assert_eq!(kind(restored), Some(ErrorKind::Mismatch), "{count} {wrong}");
                }
            }
        }
    }

    #[test]
    fn a_state_that_is_damaged_anywhere_is_refused() {
        for algorithm in BOTH {
            let saved = resumable(algorithm, &[7; 100]).save().unwrap();
            for position in 0..saved.len() {
                for bit in [1, 0x10, 0x80] {
                    let mut damaged = saved.clone();
                    damaged[position] ^= bit;
                    let restored = kind(Hasher::restore(algorithm, 100, &damaged));
                    let expected = match position {
                        0 => ErrorKind::Unsupported, // the version
                        _ => ErrorKind::Corrupt,
                    };
                    assert_eq!(restored, Some(expected), "{algorithm} {position}");
                }
                let cut = kind(Hasher::restore(algorithm, 100, &saved[..position]));
                assert_eq!(cut, Some(ErrorKind::Corrupt), "{algorithm} cut at {position}");
            }
            for more in [&b"x"[..], &saved] {
                let restored = Hasher::restore(algorithm, 100, &[&*saved, more].concat());
                assert_eq!(kind(restored), Some(ErrorKind::Corrupt));
            }
        }
    }
}
