//! Blobs as streams that resume by themselves and, where that is faster and their reader can take it, come over
//! several connections.

mod consumer_wait;
mod content_range;
mod download;
mod fetch;
mod limits;
mod parallel_ranges;
mod prefetch;
#[cfg(test)]
mod script;
mod yield_between;

use std::sync::Arc;

use async_trait::async_trait;
use wharf_content::{Blob, ByteStream, Descriptor, OpenBlob, PieceStream};

pub(crate) use self::limits::CLIENT_EXTRA_RANGES;
use self::{
    download::{Download, InOrder},
    fetch::Fetch,
    limits::PREFETCH_FROM,
    prefetch::Prefetch,
    yield_between::YieldBetween,
};
use crate::{
    Remote,
    error::{Error, Operation},
};

impl Remote {
    /// A blob, fetched when it is read. It resumes by itself after a cut, at the next endpoint that has it if
    /// there are several, and can be read again. Read [in pieces](Blob::into_pieces), as a store reads it, a large
    /// blob that waits for the network is fetched in ranges over several connections.
    ///
    /// Bytes that turn out to have another digest are an error, and are not fetched again by themselves: a cut is the
    /// network's fault, a wrong digest somebody's.
    ///
    /// Fails with [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the digest cannot be
    /// verified.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let fail = |error: wharf_content::Error| {
            Error::from_content(
                Operation::PullBlob,
                self.blob_name(descriptor.digest()),
                "",
                &error,
            )
        };
        if let Some(data) = descriptor.data() {
            return Blob::from_bytes(descriptor.clone(), data.into()).map_err(fail);
        }
        let opener = Opener(Arc::new(Fetch::new(self.clone(), descriptor.clone())));
        let blob = Blob::new(descriptor.clone(), opener).map_err(fail)?;
        Ok(blob.with_place(self.repository()))
    }
}

struct Opener(Arc<Fetch>);

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, wharf_content::Error> {
        let download = Download::open(Arc::clone(&self.0), offset).await?;
        Ok(Box::pin(InOrder(YieldBetween::new(download, Arc::default()))))
    }

    async fn open_pieces(&self, offset: u64) -> Result<PieceStream, wharf_content::Error> {
        let consumer_wait = Arc::default();
        let download = Download::open(Arc::clone(&self.0), offset).await?;
        let pieces = download.in_any_order(Arc::clone(&consumer_wait));
        if self.0.descriptor.size().saturating_sub(offset) < PREFETCH_FROM {
            return Ok(Box::pin(YieldBetween::new(pieces, consumer_wait)));
        }
        Ok(Box::pin(YieldBetween::new(
            Prefetch::spawn(pieces),
            consumer_wait,
        )))
    }
}
