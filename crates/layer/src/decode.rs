//! Decoding of layers: compressed bytes in, the tar out, digests and limits on the way.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "gzip")]
mod gzip_header;
mod problem;
mod reader;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;

use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};

pub use self::reader::DecodedReader;

use self::problem::Problem;
use crate::{
    Error, ErrorKind,
    codec::{Codec, MAGIC_SIZE, Sniffed, unsupported},
    limits::Limits,
};

/// Decodes a layer in one pass: compressed bytes in, the bytes of its tar out, both digests verified at the end.
///
/// The decoder does no I/O. Its user gives it the bytes of the layer in pieces of any size and a buffer for the
/// result; memory is bounded by the window of the codec. What was decoded counts when [`Decoder::finish`] has
/// returned, and not before.
///
/// ```
/// use wharf_layer::{Codec, Decoder, Encoder, Level, Limits, Profile};
///
/// let mut layer = Vec::new();
/// let mut encoder = Encoder::new(Profile::V1, Level::new(Codec::Gzip, 6)?, 1);
/// encoder.encode(b"a tar", &mut layer)?;
/// encoder.finish(&mut layer)?;
///
/// let expected = wharf_content::Hasher::sha256(b"a tar"); // of the config's `rootfs.diff_ids`
/// let mut decoder = Decoder::new(Codec::Gzip, Limits::default()).with_diff_id(expected.clone())?;
/// let mut tar = Vec::new();
/// let mut buffer = [0; 4096];
/// for mut input in layer.chunks(10) {
///     loop {
///         let count = decoder.decode(&mut input, &mut buffer)?;
///         if count == 0 {
///             break; // this piece is used up
///         }
///         tar.extend_from_slice(&buffer[..count]);
///     }
/// }
/// let decoded = decoder.finish()?; // fails unless the digest is right
/// assert_eq!((decoded.diff_id, decoded.size), (expected, 5));
/// assert_eq!(tar, b"a tar");
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// | content | result |
/// |---|---|
/// | begins as another codec than the one given | [`ErrorKind::Corrupt`]; [`Decoder::by_magic`] reads it |
/// | several gzip members, or zstd frames | all of them, one after the other |
/// | zstd's skippable frames, anywhere (zstd:chunked has its table there) | passed over |
/// | zeros after the last member or frame | passed over, and counted in [`Decoded::trailing`] |
/// | anything else there, or an end within a member | [`ErrorKind::Corrupt`] |
/// | more than a field of [`Limits`] allows | [`ErrorKind::TooLarge`], which names the field |
///
/// # Deviation
///
/// Go's tools choose the codec by the first bytes, whatever the media type says. Two readers, one of each kind,
/// would see different layers, so this is on request.
pub struct Decoder {
    limits: Limits,
    /// `None`: by the first bytes.
    codec: Option<Codec>,
    head: Head,
    inner: Inner,
    digest: Option<Expected>,
    diff_id: Hasher,
    expected_diff_id: Option<Digest>,
    consumed: u64,
    failed: bool,
}

/// The first bytes, until the codec is known, and then until they are decoded.
#[derive(Default)]
struct Head {
    bytes: [u8; MAGIC_SIZE],
    length: usize,
    decoded: usize,
}

struct Expected {
    hasher: Hasher,
    digest: Digest,
}

enum Inner {
    Undecided,
    Plain,
    #[cfg(feature = "gzip")]
    Gzip(Box<gzip::Gzip>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Zstd),
}

/// The digests and sizes of content that was decoded and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// The codec.
    pub codec: Codec,
    /// The digest of the decoded bytes, all of them.
    pub diff_id: Digest,
    /// The number of decoded bytes.
    pub size: u64,
    /// The number of compressed bytes.
    pub compressed_size: u64,
    /// Bytes after the last gzip member or zstd frame. All of them are zero.
    pub trailing: u64,
}

/// Decoded bytes from which on the ratio counts.
const RATIO_FROM: u64 = 1 << 20;

impl Decoder {
    /// A decoder of content that is compressed so.
    ///
    /// A codec that this build was made without is [`ErrorKind::Unsupported`] when the first bytes are decoded.
    #[must_use]
    pub fn new(codec: Codec, limits: Limits) -> Self {
        Self::of(Some(codec), limits)
    }

    /// A decoder of content whose first bytes say how it is compressed. [`Decoded::codec`] says it afterwards.
    #[must_use]
    pub fn by_magic(limits: Limits) -> Self {
        Self::of(None, limits)
    }

    #[expect(clippy::expect_used, reason = "sha256 is always supported")]
    fn of(codec: Option<Codec>, limits: Limits) -> Self {
        Self {
            limits,
            codec,
            head: Head::default(),
            inner: Inner::Undecided,
            digest: None,
            diff_id: Hasher::new(Algorithm::Sha256).expect("sha256 is supported"),
            expected_diff_id: None,
            consumed: 0,
            failed: false,
        }
    }

    /// Verifies that the compressed bytes have this digest. Without it they are not hashed: a
    /// [`Blob`](wharf_content::Blob) verifies itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the digest's algorithm is neither sha256 nor sha512.
    pub fn with_digest(mut self, digest: Digest) -> Result<Self, Error> {
        let hasher = Hasher::new(digest.algorithm())?;
        self.digest = Some(Expected { hasher, digest });
        Ok(self)
    }

    /// Verifies that the decoded bytes have this digest, which a config has in `rootfs.diff_ids`.
    ///
    /// # Errors
    ///
    /// As [`Decoder::with_digest`].
    pub fn with_diff_id(mut self, diff_id: Digest) -> Result<Self, Error> {
        self.diff_id = Hasher::new(diff_id.algorithm())?;
        self.expected_diff_id = Some(diff_id);
        Ok(self)
    }

    /// Takes compressed bytes from the front of `input` and writes decoded ones to `output`. Returns their number,
    /// at most the length of `output`. 0: `input` is used up. Give the bytes that follow, or call
    /// [`Decoder::finish`] where none do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`], [`ErrorKind::TooLarge`] and [`ErrorKind::Unsupported`], as the table above says;
    /// [`ErrorKind::Invalid`] for an `output` without room. After an error the decoder decodes nothing more.
    pub fn decode(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, Error> {
        if output.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "there is no room for decoded bytes",
            ));
        }
        if self.failed {
            return Err(failed_before());
        }
        let before = *input;
        let result = self.step(input, output);
        let used = before.get(..before.len() - input.len()).unwrap_or(before);
        self.consumed = self.consumed.saturating_add(used.len() as u64);
        if let Some(expected) = &mut self.digest {
            expected.hasher.update(used);
        }
        let result = result.and_then(|count| {
            self.diff_id.update(output.get(..count).unwrap_or_default());
            self.check_limits()?;
            Ok(count)
        });
        result.map_err(|problem| self.fail(&problem))
    }

    fn step(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, Problem> {
        if matches!(self.inner, Inner::Undecided) && !self.sniff(input)? {
            return Ok(0);
        }
        while self.head.decoded < self.head.length {
            let bytes = self.head.bytes;
            let mut rest = bytes.get(self.head.decoded..self.head.length).unwrap_or_default();
            let count = self.inner.decode(&mut rest, output, &self.limits)?;
            self.head.decoded = self.head.length - rest.len();
            if count > 0 {
                return Ok(count);
            }
        }
        self.inner.decode(input, output, &self.limits)
    }

    /// Takes bytes from `input` until they tell the codec. False if they do not yet.
    fn sniff(&mut self, input: &mut &[u8]) -> Result<bool, Problem> {
        loop {
            let head = self.head.bytes.get(..self.head.length).unwrap_or_default();
            match Sniffed::of(head) {
                Sniffed::Foreign(name) => {
                    return Err(Problem::wrap(&unsupported(name)));
                }
                Sniffed::Codec(found) => {
                    let codec = self.codec.unwrap_or(found);
                    if found != codec {
                        return Err(Problem::corrupt(format!(
                            "the content is {found}, but its type says {codec}"
                        )));
                    }
                    self.codec = Some(codec);
                    self.inner = Inner::new(codec, &self.limits)?;
                    return Ok(true);
                }
                Sniffed::Undecided => {
                    let Some((byte, rest)) = input.split_first() else {
                        return Ok(false);
                    };
                    *input = rest;
                    if let Some(to) = self.head.bytes.get_mut(self.head.length) {
                        *to = *byte;
                        self.head.length += 1;
                    }
                }
            }
        }
    }

    fn check_limits(&self) -> Result<(), Problem> {
        let decoded = self.diff_id.count();
        if decoded > self.limits.output {
            return Err(Problem::limit(
                "more bytes than that come out of it",
                "output",
                self.limits.output,
            ));
        }
        if decoded > RATIO_FROM && decoded > self.consumed.saturating_mul(self.limits.ratio) {
            return Err(Problem::limit(
                format_args!("{decoded} bytes come out of {}", self.consumed),
                "ratio",
                self.limits.ratio,
            ));
        }
        Ok(())
    }

    /// Ends the content: no bytes follow those that were given.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Corrupt`] if the content ends too early, and after an error;
    /// - [`ErrorKind::Mismatch`] if a digest is not the expected one.
    pub fn finish(mut self) -> Result<Decoded, Error> {
        if self.failed {
            return Err(failed_before());
        }
        let trailing = self.end().map_err(|problem| self.fail(&problem))?;
        if let Some(Expected { hasher, digest }) = self.digest {
            must_be("compressed", &hasher.finish()?, &digest)?;
        }
        let size = self.diff_id.count();
        let diff_id = self.diff_id.finish()?;
        if let Some(expected) = self.expected_diff_id {
            must_be("uncompressed", &diff_id, &expected)?;
        }
        Ok(Decoded {
            codec: self.codec.unwrap_or(Codec::Plain),
            diff_id,
            size,
            compressed_size: self.consumed,
            trailing,
        })
    }

    fn end(&self) -> Result<u64, Problem> {
        match &self.inner {
            Inner::Undecided if self.head.length > 0 => {
                Err(Problem::corrupt("the content ends within its first bytes"))
            }
            Inner::Undecided => match self.codec {
                Some(codec @ (Codec::Gzip | Codec::Zstd)) => {
                    Err(Problem::corrupt(format!("{codec} content cannot be empty")))
                }
                _ => Ok(0),
            },
            Inner::Plain => Ok(0),
            #[cfg(feature = "gzip")]
            Inner::Gzip(gzip) => gzip.end(),
            #[cfg(feature = "zstd")]
            Inner::Zstd(zstd) => zstd.end(),
        }
    }

    fn fail(&mut self, problem: &Problem) -> Error {
        self.failed = true;
        problem.at(self.consumed)
    }
}

impl Inner {
    fn new(codec: Codec, limits: &Limits) -> Result<Self, Problem> {
        match codec {
            Codec::Plain => Ok(Self::Plain),
            #[cfg(feature = "gzip")]
            Codec::Gzip => Ok(Self::Gzip(Box::default())),
            #[cfg(feature = "zstd")]
            Codec::Zstd => zstd::Zstd::new(limits).map(Self::Zstd),
            #[cfg(not(all(feature = "gzip", feature = "zstd")))]
            codec => {
                let _ = limits;
                Err(Problem::new(
                    ErrorKind::Unsupported,
                    format!("this program was built without {codec}"),
                ))
            }
        }
    }

    /// Decodes until there is output, or no more input.
    fn decode(&mut self, input: &mut &[u8], output: &mut [u8], limits: &Limits) -> Result<usize, Problem> {
        match self {
            Self::Undecided | Self::Plain => {
                let count = input.len().min(output.len());
                if let (Some((bytes, rest)), Some(to)) =
                    (input.split_at_checked(count), output.get_mut(..count))
                {
                    to.copy_from_slice(bytes);
                    *input = rest;
                }
                Ok(count)
            }
            #[cfg(feature = "gzip")]
            Self::Gzip(gzip) => gzip.decode(input, output, limits),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.decode(input, output, limits),
        }
    }
}

fn must_be(what: &str, found: &Digest, expected: &Digest) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Mismatch,
        format!("the digest of the {what} bytes is {found}, not {expected}"),
    ))
}

fn failed_before() -> Error {
    Error::new(ErrorKind::Corrupt, "the content could not be decoded before")
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("limits", &self.limits)
            .field("consumed", &self.consumed)
            .field("decoded", &self.diff_id.count())
            .finish_non_exhaustive()
    }
}
