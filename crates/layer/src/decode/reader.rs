use std::{
    fmt,
    io::{self, Read},
};

use super::{Decoded, Decoder};
use crate::Error;

/// Bytes of compressed content that are read at a time.
const BUFFER: usize = 128 << 10;

/// A [`Decoder`] as a [`Read`]: reads compressed content from `R` and yields the bytes of its tar.
///
/// The end is reported, by a read of no bytes, when both digests were verified, and not before: a wrong digest is an
/// error of the last read. An [`io::Error`] of the decoder has the crate's [`Error`] inside.
///
/// ```
/// use std::io::Read as _;
/// use wharf_layer::{Codec, Decoder, Encoder, Level, Limits, Profile};
///
/// let mut layer = Vec::new();
/// let mut encoder = Encoder::new(Profile::V1, Level::new(Codec::Gzip, 6)?, 1);
/// encoder.encode(b"a tar", &mut layer)?;
/// encoder.finish(&mut layer)?;
///
/// let mut reader = Decoder::new(Codec::Gzip, Limits::default()).reader(layer.as_slice());
/// let mut tar = String::new();
/// reader.read_to_string(&mut tar)?;
/// assert_eq!((tar.as_str(), reader.decoded().unwrap().size), ("a tar", 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DecodedReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The part of the buffer that is not decoded.
    start: usize,
    end: usize,
    state: State,
}

enum State {
    Decoding(Box<Decoder>),
    Ended(Box<Decoded>),
    Failed,
}

impl Decoder {
    /// Decodes what `input` has, to its end.
    pub fn reader<R: Read>(self, input: R) -> DecodedReader<R> {
        DecodedReader {
            input,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            state: State::Decoding(Box::new(self)),
        }
    }
}

impl<R> DecodedReader<R> {
    /// The verified digests and sizes; `None` until the end was reported.
    pub fn decoded(&self) -> Option<&Decoded> {
        match &self.state {
            State::Ended(decoded) => Some(decoded),
            State::Decoding(_) | State::Failed => None,
        }
    }
}

impl<R: Read> Read for DecodedReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            let decoder = match &mut self.state {
                State::Decoding(decoder) => decoder,
                State::Ended(_) => return Ok(0),
                State::Failed => return Err(io::Error::other("the content could not be decoded before")),
            };
            let mut pending = self.buffer.get(self.start..self.end).unwrap_or_default();
            let decoded = decoder.decode(&mut pending, output);
            self.start = self.end - pending.len();
            match decoded {
                Ok(0) => {}
                Ok(count) => return Ok(count),
                Err(error) => return Err(self.fail(error)),
            }
            let count = match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            (self.start, self.end) = (0, count);
            if count == 0 {
                self.finish()?;
            }
        }
    }
}

impl<R> DecodedReader<R> {
    fn finish(&mut self) -> io::Result<()> {
        if let State::Decoding(decoder) = std::mem::replace(&mut self.state, State::Failed) {
            let decoded = decoder.finish().map_err(|error| self.fail(error))?;
            self.state = State::Ended(Box::new(decoded));
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) -> io::Error {
        self.state = State::Failed;
        io::Error::other(error)
    }
}

impl<R> fmt::Debug for DecodedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedReader")
            .field("decoded", &self.decoded())
            .finish_non_exhaustive()
    }
}
