//! A layer decoded, verified and encoded in one pass, as a stream. A layer that is added may keep its bytes: it is decoded
//! for the digest of its tar.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::AbortHandle,
};
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, OpenBlob, Source};
use wharf_layer::{Decoded, Decoder, Encoder, Limits, Profile, tar::Reader};

use super::{Input, Job, Unpacked, buffers::Buffers};

/// The pieces that wait between two stages.
const WAITING: usize = 2;
/// The size in bytes of a piece that an encoder passes on.
const PIECE: usize = 256 << 10;
/// The most members of a tar whose end is looked for: the names of all are remembered, in some 20 bytes each.
const MAX_MEMBERS: u64 = 200_000;
/// The size in bytes of what is decoded at a time.
const DECODED: usize = 256 << 10;

/// Encodes layers anew, a bounded number at a time.
#[derive(Clone)]
pub(crate) struct Recoder {
    pub(crate) source: Arc<dyn Source>,
    /// A permit for each encoder under way.
    pub(crate) encoders: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) threads: Threads,
    /// For encoded bytes.
    pub(crate) buffers: Buffers,
}

/// The threads that encoders share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads {
    pub(crate) all: usize,
    /// The compressed bytes of all layers that may be encoded at the same time. 0: one layer at a time.
    pub(crate) bytes: u64,
}

impl Threads {
    /// The threads for a layer of this many compressed bytes: its part of all, so that a layer which is larger than
    /// the others together does not keep one thread busy for long after the others are done.
    pub(crate) fn of(self, layer: u64) -> usize {
        if self.bytes == 0 {
            return self.all;
        }
        let part = (self.all as u128 * u128::from(layer)).div_ceil(u128::from(self.bytes));
        usize::try_from(part)
            .unwrap_or(self.all)
            .clamp(1, self.all.max(1))
    }
}

/// A layer as it is encoded, and the result of decoding it, which is sent before the stream ends.
pub(crate) struct Recoded {
    pub(crate) bytes: ByteStream,
    pub(crate) read: oneshot::Receiver<Read>,
}

/// The original layer, when all of it was read.
pub(crate) struct Read {
    pub(crate) decoded: Decoded,
    /// Bytes other than zeros after the end of the tar; `None` if the tar cannot be read to its end.
    pub(crate) trailing: Option<u64>,
}

impl Recoder {
    /// Begins to encode a layer anew, once fewer encoders than the limit are under way. The stream fails before its
    /// end unless the original layer has its digest, and its tar the `diff_id`, and if all layers together unpack to
    /// more than they may. The first `skip` bytes are left out.
    pub(crate) async fn open(
        &self,
        job: &Job,
        skip: u64,
        unpacked: Option<Arc<Unpacked>>,
    ) -> Result<Recoded, Error> {
        let permit = Arc::clone(&self.encoders).acquire_owned().await;
        let permit = permit.map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?;
        let (mut from_source, feeder) = match &job.input {
            Input::Stored(stored) => {
                let source = stored.source.as_ref().unwrap_or(&self.source);
                feed(open_layer(&**source, &stored.layer).await?)
            }
            Input::New(_, layer) => feed(layer.open().await?),
        };
        let (to_reader, output) = mpsc::channel(WAITING);
        let (to_report, read) = oneshot::channel();
        let threads = self.threads.of(job.size());
        let (job, limits, buffers) = (job.clone(), self.limits.clone(), self.buffers.clone());
        tokio::task::spawn_blocking(move || {
            let worker = Worker {
                job: &job,
                output: &to_reader,
                buffers,
                unpacked: unpacked.as_deref(),
            };
            match worker.run(&mut from_source, limits, threads) {
                Ok((read, rest)) => {
                    let _ = to_report.send(read);
                    let _ = to_reader.blocking_send(Ok(Piece::Last(rest)));
                }
                Err(Stop::Failed(error)) => {
                    let _ = to_reader.blocking_send(Err(error));
                }
                Err(Stop::Abandoned) => {}
            }
            drop(permit);
        });
        let bytes = Output {
            receiver: output,
            feeder,
            skip,
            ended: false,
        };
        Ok(Recoded {
            bytes: Box::pin(bytes),
            read,
        })
    }
}

/// Opens a layer, which its descriptor may have in itself.
pub(crate) async fn open_layer(source: &dyn Source, descriptor: &Descriptor) -> Result<Blob, Error> {
    match descriptor.data() {
        Some(embedded) => Blob::from_bytes(descriptor.clone(), embedded.into()),
        None => source.blob(descriptor).await,
    }
}

/// Reads a blob or other bytes on a task of its own, for a blocking thread. After the end was reached, and the digest of a
/// blob was found right, `None` is sent; a channel that just closes says nothing.
pub(crate) fn feed(
    mut blob: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static,
) -> (mpsc::Receiver<Result<Option<Bytes>, Error>>, AbortHandle) {
    let (to_worker, from_source) = mpsc::channel(WAITING);
    let feeder = tokio::spawn(async move {
        while let Some(chunk) = blob.next().await {
            let failed = chunk.is_err();
            if to_worker.send(chunk.map(Some)).await.is_err() || failed {
                return;
            }
        }
        let _ = to_worker.send(Ok(None)).await;
    });
    (from_source, feeder.abort_handle())
}

/// The work of a blocking thread for one layer.
struct Worker<'a> {
    job: &'a Job,
    output: &'a mpsc::Sender<Result<Piece, Error>>,
    buffers: Buffers,
    unpacked: Option<&'a Unpacked>,
}

enum Stop {
    Failed(Error),
    /// Nobody reads the result any more.
    Abandoned,
}

impl Worker<'_> {
    /// Decodes and encodes, and returns the last piece, which must not be passed on before the digests are right.
    fn run(
        &self,
        input: &mut mpsc::Receiver<Result<Option<Bytes>, Error>>,
        limits: Limits,
        threads: usize,
    ) -> Result<(Read, Bytes), Stop> {
        let mut decoder = match &self.job.input {
            Input::Stored(stored) => {
                let decoder = match stored.codec {
                    Some(codec) => Decoder::new(codec, limits),
                    None => Decoder::by_magic(limits),
                };
                self.named(decoder.with_diff_id(stored.diff_id.clone()))?
            }
            Input::New(..) => Decoder::by_magic(limits),
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
        loop {
            let chunk = match input.blocking_recv() {
                Some(Ok(Some(chunk))) => chunk,
                Some(Ok(None)) => break,
                Some(Err(error)) => return Err(Stop::Failed(error)), // the source's own
                None => return Err(Stop::Abandoned),
            };
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
                    if encoded.len() >= PIECE {
                        let full = std::mem::replace(encoded, self.buffers.take());
                        self.send(self.buffers.lend(full))?;
                    }
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
        Ok((Read { decoded, trailing }, last))
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

/// The way from the input to the output.
enum Work {
    Encode {
        encoder: Box<Encoder>,
        encoded: Vec<u8>,
    },
    /// The bytes stay; the last of them are held back.
    Pass(Bytes),
}

/// Reads a tar for what follows its end. That is no reason to refuse a layer: the `diff_id` covers it, and no reader
/// parses it. Nor is a stored layer refused whose tar cannot be read; one that is added is.
struct Tail {
    /// `None` after an error.
    reader: Option<Reader>,
    strict: bool,
}

impl Tail {
    fn new() -> Self {
        let limits = wharf_layer::tar::Limits::default().with_members(MAX_MEMBERS);
        Self {
            reader: Some(Reader::new(limits)),
            strict: false,
        }
    }

    fn strict() -> Self {
        Self {
            reader: Some(Reader::new(wharf_layer::tar::Limits::default())),
            strict: true,
        }
    }

    fn read(&mut self, mut tar: &[u8]) -> Result<(), Error> {
        while let Some(reader) = &mut self.reader {
            match reader.next_event(&mut tar) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if self.strict => return Err(error),
                Err(_) => self.reader = None,
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<u64>, Error> {
        match self.reader.map(Reader::finish) {
            Some(Ok(ended)) => Ok(Some(ended.trailing)),
            Some(Err(error)) if self.strict => Err(error),
            Some(Err(_)) | None => Ok(None),
        }
    }
}

/// Encoded bytes.
enum Piece {
    More(Bytes),
    /// The last ones, which are passed on after the digests were found right.
    Last(Bytes),
}

/// The encoded bytes. Dropped early, it ends the reading of the original.
struct Output {
    receiver: mpsc::Receiver<Result<Piece, Error>>,
    feeder: AbortHandle,
    /// The bytes still to be left out.
    skip: u64,
    ended: bool,
}

impl Stream for Output {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let mut piece = match ready!(self.receiver.poll_recv(context)) {
                Some(Ok(Piece::More(piece))) => piece,
                Some(Ok(Piece::Last(piece))) => {
                    self.ended = true;
                    piece
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    // Not an end: nothing says that the digests are right.
                    self.ended = true;
                    let error = Error::new(ErrorKind::Other, "the encoder of a layer stopped before its end");
                    return Poll::Ready(Some(Err(error)));
                }
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= skipped as u64;
            let rest = piece.split_off(skipped);
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(rest)));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}

/// Opens a layer that was made by making it again: the same bytes each time, which the blob verifies.
pub(crate) struct Reopen {
    pub(crate) recoder: Recoder,
    pub(crate) job: Job,
}

#[async_trait]
impl OpenBlob for Reopen {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        Ok(self.recoder.open(&self.job, offset, None).await?.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Threads;

    #[test]
    fn layers_share_the_threads_by_their_size() {
        // All threads, the bytes of all layers, those of one layer, its threads.
        let cases = [
            (2, 8, 1, 1),
            (2, 100, 50, 1),
            (2, 100, 51, 2),
            (16, 196, 93, 8),
            (16, 196, 1, 1),
            (16, 100, 100, 16),
            (4, 0, 7, 4),
            (4, 100, 0, 1),
            (4, 5, 100, 4),
            (1, 10, 9, 1),
            (usize::MAX, u64::MAX, u64::MAX, usize::MAX),
        ];
        for (all, bytes, layer, expected) in cases {
            let found = Threads { all, bytes }.of(layer);
            assert_eq!(found, expected, "{layer} of {bytes} bytes, {all} threads");
        }
    }
}
