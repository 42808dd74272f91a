//! A layer decoded, verified and encoded in one pass, as a stream. A layer that is added may keep its bytes: it is decoded
//! for the digest of its tar.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, OpenBlob, Source};
use wharf_layer::Limits;
use wharf_reference::Digest;

use super::{
    Input, Job, Threads, Unpacked,
    buffers::Buffers,
    feed::{WAITING, feed},
    output::{Output, Piece},
    worker::{Stop, Worker},
};

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

/// A layer as it is encoded, and the result of decoding it, which is sent before the stream ends.
pub(crate) struct Recoded {
    pub(crate) bytes: ByteStream,
    pub(crate) read: oneshot::Receiver<Read>,
}

/// The original layer, when all of it was read.
pub(crate) struct Read {
    pub(crate) diff_id: Digest,
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
