//! Encoding of layers: a tar in, compressed bytes out, the same ones every time.

#[cfg(feature = "gzip")]
mod block;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;

use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};

use crate::{
    Error, ErrorKind,
    codec::Codec,
    level::{Level, Profile},
};

/// Encodes a layer: the bytes of a tar in, compressed bytes out.
///
/// The encoder does no I/O. Equal content gives equal bytes, as [`Profile`] says, so that a layer whose bytes are
/// not kept can be made again for its digest.
///
/// ```
/// use wharf_layer::{Codec, Encoder, Level, Profile};
///
/// let mut encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 2)
///     .with_digest(true)
///     .with_diff_id(true);
/// let mut layer = Vec::new(); // take what is in it after each call, and empty it
/// for chunk in [b"first".as_slice(), b"second"] {
///     encoder.encode(chunk, &mut layer)?;
/// }
/// let encoded = encoder.finish(&mut layer)?;
/// assert_eq!(encoded.size, layer.len() as u64);
/// assert_eq!(encoded.uncompressed_size, 11);
/// assert_eq!(encoded.digest, Some(wharf_content::Hasher::sha256(&layer)));
/// # Ok::<(), wharf_layer::Error>(())
/// ```
pub struct Encoder {
    level: Level,
    inner: Inner,
    digest: Option<Hasher>,
    diff_id: Option<Hasher>,
    size: u64,
    uncompressed_size: u64,
    failed: bool,
}

enum Inner {
    Plain,
    #[cfg(feature = "gzip")]
    Gzip(Box<gzip::Gzip>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Zstd),
    #[cfg(not(all(feature = "gzip", feature = "zstd")))]
    Absent,
}

/// The digests and sizes of content that was encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// The number of compressed bytes.
    pub size: u64,
    /// The number of bytes that were given.
    pub uncompressed_size: u64,
    /// The sha256 digest of the compressed bytes, if it was asked for.
    pub digest: Option<Digest>,
    /// The sha256 digest of the bytes that were given, if it was asked for.
    pub diff_id: Option<Digest>,
}

impl Encoder {
    /// An encoder that compresses with this many threads, 1 if `threads` is 0.
    ///
    /// With one thread, gzip is compressed on the thread that calls [`Encoder::encode`]; with more, on threads of
    /// the encoder's own, each with 3 MiB of memory at most, and a call waits while all of them are busy. At most
    /// 64 are used. zstd and plain use no other thread.
    ///
    /// A codec that this build was made without is [`ErrorKind::Unsupported`] when the first bytes are encoded.
    #[must_use]
    pub fn new(profile: Profile, level: Level, threads: usize) -> Self {
        let Profile::V1 = profile;
        let _ = threads;
        let inner = match level.codec() {
            Codec::Plain => Inner::Plain,
            #[cfg(feature = "gzip")]
            Codec::Gzip => Inner::Gzip(Box::new(gzip::Gzip::new(level, threads))),
            #[cfg(feature = "zstd")]
            Codec::Zstd => Inner::Zstd(zstd::Zstd::new(level)),
            #[cfg(not(all(feature = "gzip", feature = "zstd")))]
            _ => Inner::Absent,
        };
        Self {
            level,
            inner,
            digest: None,
            diff_id: None,
            size: 0,
            uncompressed_size: 0,
            failed: false,
        }
    }

    /// Hashes the compressed bytes, for [`Encoded::digest`]. By default they are not hashed: where they are stored,
    /// they are hashed anyway.
    #[must_use]
    pub fn with_digest(mut self, hash: bool) -> Self {
        self.digest = hash.then(sha256);
        self
    }

    /// Hashes the bytes that are given, for [`Encoded::diff_id`]. By default they are not hashed: those that come
    /// out of a [`Decoder`](crate::Decoder) have been.
    #[must_use]
    pub fn with_diff_id(mut self, hash: bool) -> Self {
        self.diff_id = hash.then(sha256);
        self
    }

    /// Encodes bytes, and appends what is ready to `output`. That may be nothing, or the result of earlier calls.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a codec that this build was made without, [`ErrorKind::Other`] where memory
    /// runs out. After an error the encoder encodes nothing more.
    pub fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.usable()?;
        if let Some(hasher) = &mut self.diff_id {
            hasher.update(input);
        }
        self.uncompressed_size = self.uncompressed_size.saturating_add(input.len() as u64);
        let before = output.len();
        let result = match &mut self.inner {
            Inner::Plain => {
                output.extend_from_slice(input);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Inner::Gzip(gzip) => gzip.encode(input, output),
            #[cfg(feature = "zstd")]
            Inner::Zstd(zstd) => zstd.encode(input, output),
            #[cfg(not(all(feature = "gzip", feature = "zstd")))]
            Inner::Absent => Err(absent(self.level)),
        };
        self.failed = result.is_err();
        self.count(output, before);
        result
    }

    /// Ends the content, and appends the rest to `output`.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn finish(mut self, output: &mut Vec<u8>) -> Result<Encoded, Error> {
        self.usable()?;
        let before = output.len();
        match &mut self.inner {
            Inner::Plain => Ok(()),
            #[cfg(feature = "gzip")]
            Inner::Gzip(gzip) => gzip.finish(output),
            #[cfg(feature = "zstd")]
            Inner::Zstd(zstd) => zstd.finish(output),
            #[cfg(not(all(feature = "gzip", feature = "zstd")))]
            Inner::Absent => Err(absent(self.level)),
        }?;
        self.count(output, before);
        Ok(Encoded {
            size: self.size,
            uncompressed_size: self.uncompressed_size,
            digest: self.digest.map(Hasher::finish).transpose()?,
            diff_id: self.diff_id.map(Hasher::finish).transpose()?,
        })
    }

    fn usable(&self) -> Result<(), Error> {
        if self.failed {
            return Err(Error::new(
                ErrorKind::Other,
                "the content could not be encoded before",
            ));
        }
        Ok(())
    }

    /// Counts and hashes what was appended to `output`.
    fn count(&mut self, output: &[u8], before: usize) {
        let appended = output.get(before..).unwrap_or_default();
        self.size = self.size.saturating_add(appended.len() as u64);
        if let Some(hasher) = &mut self.digest {
            hasher.update(appended);
        }
    }
}

#[expect(clippy::expect_used, reason = "sha256 is always supported")]
fn sha256() -> Hasher {
    Hasher::new(Algorithm::Sha256).expect("sha256 is supported")
}

#[cfg(not(all(feature = "gzip", feature = "zstd")))]
fn absent(level: Level) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this program was built without {}", level.codec()),
    )
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("level", &self.level)
            .field("uncompressed_size", &self.uncompressed_size)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
