//! The blocking thread that decodes, verifies and encodes a layer.

use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_layer::{Decoder, Encoder, Limits, Profile};

use super::{Input, Job, Unpacked, buffers::Buffers, output::Piece, recode::Read, tail::Tail};

/// The size in bytes of a piece that an encoder passes on.
const PIECE: usize = 256 << 10;
/// The size in bytes of what is decoded at a time.
const DECODED: usize = 256 << 10;

/// The work of a blocking thread for one layer.
pub(super) struct Worker<'a> {
    pub(super) job: &'a Job,
    pub(super) output: &'a mpsc::Sender<Result<Piece, Error>>,
    pub(super) buffers: Buffers,
    pub(super) unpacked: Option<&'a Unpacked>,
}

pub(super) enum Stop {
    Failed(Error),
    /// Nobody reads the result any more.
    Abandoned,
}

impl Worker<'_> {
    /// Decodes and encodes, and returns the last piece, which must not be passed on before the digests are right.
    pub(super) fn run(
        &self,
        input: &mut mpsc::Receiver<Result<Option<Bytes>, Error>>,
        limits: Limits,
        threads: usize,
    ) -> Result<(Read, Bytes), Stop> {
        if let (Input::New(_, layer), Some(level)) = (&self.job.input, self.job.level)
            && layer.is_tar()
        {
            let encoder = Encoder::new(Profile::V1, level, threads);
            return self.encode(encoder, input, &limits);
        }
        let mut decoder = match &self.job.input {
            Input::Stored(stored) => {
                let decoder = match stored.codec {
                    Some(codec) => Decoder::new(codec, limits),
                    None => Decoder::by_magic(limits),
                };
                self.named(decoder.with_diff_id(stored.diff_id.clone()))?
            }
            Input::New(_, layer) => layer.decoder(limits),
        };
        let mut tail = match &self.job.input {
            Input::Stored(_) => Tail::new(),
            Input::New(..) => Tail::strict(),
        };
        let mut output = match self.job.level {
            Some(level) => Work::Encode {
                encoder: Box::new(Encoder::new(Profile::V1, level, threads)),
                encoded: self.buffers.take(),
            },
            None => Work::Pass(Bytes::new()),
        };
        let mut buffer = vec![0; DECODED];
        while let Some(chunk) = next(input)? {
            let mut piece = chunk.as_ref();
            loop {
                let count = self.named(decoder.decode(&mut piece, &mut buffer))?;
                if count == 0 {
                    break;
                }
                let tar = buffer.get(..count).unwrap_or_default();
                if let Some(unpacked) = self.unpacked {
                    self.named(unpacked.add(count))?;
                }
                self.named(tail.read(tar))?;
                if let Work::Encode { encoder, encoded } = &mut output {
                    self.named(encoder.encode(tar, encoded))?;
                    self.send_full(encoded)?;
                }
            }
            if let Work::Pass(held) = &mut output {
                let piece = std::mem::replace(held, chunk);
                self.send(piece)?;
            }
        }
        let decoded = self.named(decoder.finish())?;
        let trailing = self.named(tail.finish())?;
        let last = match output {
            Work::Encode { encoder, mut encoded } => {
                self.named(encoder.finish(&mut encoded))?;
                self.buffers.lend(encoded)
            }
            Work::Pass(held) => held,
        };
        let diff_id = decoded.diff_id;
        Ok((Read { diff_id, trailing }, last))
    }

    /// Encodes a tar that was written here, which is not read again.
    fn encode(
        &self,
        mut encoder: Encoder,
        input: &mut mpsc::Receiver<Result<Option<Bytes>, Error>>,
        limits: &Limits,
    ) -> Result<(Read, Bytes), Stop> {
        let mut hasher = self.named(Hasher::new(self.job.algorithm()))?;
        let mut encoded = self.buffers.take();
        while let Some(tar) = next(input)? {
            hasher.update(&tar);
            if hasher.count() > limits.output {
                let message = format!("it has more bytes than the limit `output`, {}", limits.output);
                self.named(Err(Error::new(ErrorKind::TooLarge, message)))?;
            }
            if let Some(unpacked) = self.unpacked {
                self.named(unpacked.add(tar.len()))?;
            }
            self.named(encoder.encode(&tar, &mut encoded))?;
            self.send_full(&mut encoded)?;
        }
        let diff_id = self.named(hasher.finish())?;
        self.named(encoder.finish(&mut encoded))?;
        let trailing = Some(0);
        Ok((Read { diff_id, trailing }, self.buffers.lend(encoded)))
    }

    /// Passes encoded bytes on, if they are a piece.
    fn send_full(&self, encoded: &mut Vec<u8>) -> Result<(), Stop> {
        if encoded.len() < PIECE {
            return Ok(());
        }
        let full = std::mem::replace(encoded, self.buffers.take());
        self.send(self.buffers.lend(full))
    }

    /// Passes a piece on that is not the last one.
    fn send(&self, piece: Bytes) -> Result<(), Stop> {
        let sent = self.output.blocking_send(Ok(Piece::More(piece)));
        sent.map_err(|_| Stop::Abandoned)
    }

    /// Says in an error which layer it is about.
    fn named<T>(&self, result: Result<T, Error>) -> Result<T, Stop> {
        result.map_err(|error| {
            let message = format!("{}: {error}", self.job.name);
            Stop::Failed(Error::new(error.kind(), message))
        })
    }
}

/// Waits for the next bytes. `None`: the end was reached.
fn next(input: &mut mpsc::Receiver<Result<Option<Bytes>, Error>>) -> Result<Option<Bytes>, Stop> {
    match input.blocking_recv() {
        Some(Ok(chunk)) => Ok(chunk),
        Some(Err(error)) => Err(Stop::Failed(error)), // the source's own
        None => Err(Stop::Abandoned),
    }
}

/// The way from the input to the output.
enum Work {
    Encode {
        encoder: Box<Encoder>,
        encoded: Vec<u8>,
    },
    /// The bytes stay; the last of them are held back.
    Pass(Bytes),
}
