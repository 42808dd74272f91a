//! Downloads of blobs.
//!
//! | from the network to the consumer | |
//! |---|---|
//! | [`Fetch`] | requests for the blob or a part of it, and the checks of their answers |
//! | [`Download`] | the state machine: one stream, parallel ranges, requests for the rest after a cut |
//! | [`Prefetch`] | large blobs read in any order: a task of its own polls the download |
//! | [`YieldBetween`] | gives the consumer's thread up once per large piece |
//!
//! The consumer polls [`YieldBetween`], which measures how long it waits; by that
//! [`ConsumerWait`](consumer_wait::ConsumerWait) the download decides whether to widen.

mod consumer_wait;
mod download;
mod fetch;
mod limits;
mod parallel_ranges;
mod prefetch;
#[cfg(test)]
mod script;
mod yield_between;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Blob, ByteStream, Descriptor, LARGE_BLOB, OpenBlob, PieceStream};

pub(crate) use self::limits::CLIENT_EXTRA_RANGES;
use self::{download::Download, fetch::Fetch, prefetch::Prefetch, yield_between::YieldBetween};
use crate::{
    Remote,
    error::{Error, Operation},
};

impl Remote {
    /// A blob that is fetched when it is read, and can be read again.
    ///
    /// If the connection breaks off, the download is resumed at the byte where it stopped, at the next
    /// endpoint if there is one. It ends with the error if the client's
    /// [`RetryPolicy`](wharf_http::RetryPolicy) allows no further attempt, or after three attempts in a row
    /// without a new byte. If the blob is read [in pieces](Blob::into_pieces), of which 16 MiB and more are
    /// missing, and the consumer mostly waits for the network, it is fetched in ranges over several
    /// connections.
    ///
    /// Bytes with another digest are an error of the read, and are not fetched again: another request would
    /// bring the same bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the digest cannot be
    /// verified. No request is sent: if the registry does not have the blob, its first read fails.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let fail = |error: wharf_content::Error| {
            Error::from_content(Operation::PullBlob, self.blob_name(descriptor.digest()), &error)
        };
        if let Some(data) = descriptor.data() {
            return Blob::from_bytes(descriptor.clone(), data.into()).map_err(fail);
        }
        let opener = Opener(Arc::new(Fetch::new(self.clone(), descriptor.clone())));
        let blob = Blob::new(descriptor.clone(), opener).map_err(fail)?;
        Ok(blob.with_location(self.repository()))
    }
}

/// Opens a download, again for each read.
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
        if self.0.descriptor.size().saturating_sub(offset) < LARGE_BLOB {
            return Ok(Box::pin(YieldBetween::new(pieces, consumer_wait)));
        }
        Ok(Box::pin(YieldBetween::new(
            Prefetch::spawn(pieces),
            consumer_wait,
        )))
    }
}

/// The bytes of a [`Download`] that may not widen: each piece follows the one before.
struct InOrder(YieldBetween<Download>);

impl Stream for InOrder {
    type Item = Result<Bytes, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(Pin::new(&mut self.0).poll_next(context));
        Poll::Ready(piece.map(|piece| piece.map(|piece| piece.bytes)))
    }
}
