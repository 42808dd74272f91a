//! The content that the suite writes: pseudorandom bytes in chunks of odd sizes, with faults on request.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_reference::Algorithm;

use crate::{Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Manifest, MediaType, OpenBlob};

/// Makes samples, which differ by seed, algorithm and number.
pub(super) struct Samples {
    seed: u64,
    algorithm: Algorithm,
}

/// Content to write.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Bytes,
}

/// A fault of a stream of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The last byte is wrong.
    Flipped,
    /// The last byte is missing.
    Short,
    /// There is one byte more.
    Long,
    /// The connection breaks in the middle.
    Breaks,
    /// The stream stalls in the middle.
    Stalls,
}

impl Samples {
    pub(super) const fn new(seed: u64, algorithm: Algorithm) -> Self {
        Self { seed, algorithm }
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `length` bytes that differ from those of another `number`.
    pub(super) fn blob(&self, number: u64, length: usize) -> Result<Sample, Error> {
        let algorithm = if self.algorithm == Algorithm::Sha512 {
            1 << 32
        } else {
            0
        };
        let mut state = (self.seed << 40) ^ algorithm ^ number;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes.truncate(length);
        self.sample(MediaType::OCTET_STREAM, bytes.into())
    }

    pub(super) fn sample(&self, media_type: MediaType, bytes: Bytes) -> Result<Sample, Error> {
        let digest = Hasher::digest(self.algorithm, &bytes)?;
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64)?;
        Ok(Sample { descriptor, bytes })
    }

    /// A manifest with the digest of this suite's algorithm.
    pub(super) fn manifest(&self, media_type: &MediaType, text: String) -> Result<Manifest, Error> {
        let sample = self.sample(media_type.clone(), text.into())?;
        Manifest::parse_pinned(sample.bytes, Some(media_type), sample.descriptor.digest())
    }

    /// A number that differs from that of other suites, to make documents differ.
    pub(super) fn mark(&self) -> String {
        format!("{}-{}", self.seed, self.algorithm)
    }
}

impl Sample {
    /// A blob that can be reopened.
    pub(super) fn blob(&self, fault: Fault) -> Result<Blob, Error> {
        let bytes = self.bytes.clone();
        Blob::new(self.descriptor.clone(), Opener { bytes, fault })
    }

    /// A blob that cannot be reopened.
    pub(super) fn blob_once(&self, fault: Fault) -> Result<Blob, Error> {
        Blob::once(self.descriptor.clone(), self.stream(fault))
    }

    /// The bytes as a stream.
    pub(super) fn stream(&self, fault: Fault) -> ByteStream {
        let opener = Opener {
            bytes: self.bytes.clone(),
            fault,
        };
        opener.stream(0)
    }
}

struct Opener {
    bytes: Bytes,
    fault: Fault,
}

impl Opener {
    fn stream(&self, offset: u64) -> ByteStream {
        let mut bytes = self.bytes.to_vec();
        match self.fault {
            Fault::Flipped => {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            }
            Fault::Short => drop(bytes.pop()),
            Fault::Long => bytes.push(0),
            Fault::Breaks | Fault::Stalls => bytes.truncate(bytes.len() / 2),
            Fault::None => {}
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = Bytes::from(bytes).slice(start..);
        // Chunks of odd sizes, an empty one among them.
        let mut chunks = VecDeque::from([Bytes::new()]);
        let mut rest = bytes;
        let mut size = 1;
        while !rest.is_empty() {
            chunks.push_back(rest.split_to(size.min(rest.len())));
            size = (size * 3 + 1).min(50_000);
        }
        let end = match self.fault {
            Fault::Breaks => End::Error,
            Fault::Stalls => End::Never,
            _ => End::Clean,
        };
        Box::pin(Chunks { chunks, end })
    }
}

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        Ok(self.stream(offset))
    }
}

enum End {
    Clean,
    Error,
    Never,
}

struct Chunks {
    chunks: VecDeque<Bytes>,
    end: End,
}

impl Stream for Chunks {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        match self.end {
            End::Clean => Poll::Ready(None),
            End::Error => {
                self.end = End::Clean;
                Poll::Ready(Some(Err(Error::new(ErrorKind::Network, "the connection broke"))))
            }
            End::Never => Poll::Pending,
        }
    }
}
