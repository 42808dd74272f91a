use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Descriptor, ErrorKind, Hasher, MediaType};
use wharf_http::{RequestBody, RetryBudget, RetryLimit};
use wharf_reference::{Algorithm, Digest};

use super::{OPERATION, Session, is_ambiguous, may_try_again, whole::BlobFailure};
use crate::{Remote, error::Error, send::Payload, single_flight::Content, sync::LockExt as _};

impl Remote {
    /// Writes a blob whose digest and size are known after its last byte, for
    /// [`Sink::ingest`](wharf_content::Sink).
    ///
    /// The bytes come from a stream, so the request that sends them is not repeated. The requests that open
    /// and close the upload are.
    pub(crate) async fn push_stream(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let subject = format!("a new blob of {}", self.repository());
        let failed = |error: wharf_content::Error| Error::from_content(OPERATION, &subject, &error);
        let hasher = Hasher::new(algorithm).map_err(failed)?;
        let endpoint = self.primary(OPERATION)?;
        let mut budget = self.client().budget();
        let opened = Session::open_for(self, &endpoint, subject.clone(), algorithm, true, &mut budget);
        let mut session = opened.await?;
        let failure = BlobFailure::default();
        let hashed = Arc::new(Mutex::new(Some(hasher)));
        let next = Mutex::new(Some(bytes));
        let body = || {
            let bytes = next.locked().take()?;
            Some(RequestBody::Stream {
                bytes: Box::pin(Hashing {
                    bytes,
                    hashed: Arc::clone(&hashed),
                    failure: failure.clone(),
                }),
                length: None,
            })
        };
        let sent = session.patch(None, &body, &mut budget).await;
        sent.map_err(|error| failure.explain(error, &subject))?;
        let (digest, size) = digest_of(&hashed).map_err(failed)?;
        // A session that is not closed, because the registry has the blob, is dropped and cancelled.
        let blob = Content::blob(&endpoint, &digest);
        let close = self.close(blob, session, &mut budget);
        self.write_once(blob, OPERATION, false, close).await?;
        Descriptor::new(media_type, digest, size).map_err(failed)
    }

    /// Closes a session that has all bytes. If the answer is lost, the registry is asked whether it has the
    /// blob (docs/threats.md, X5).
    async fn close(
        &self,
        blob: Content<'_>,
        mut session: Session,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        while let Err(error) = session.commit(blob.digest, Payload::Empty, 0, budget).await {
            if is_ambiguous(&error) && self.is_there(blob).await {
                session.abandon();
                return Ok(());
            }
            let is_gone = matches!(error.status(), Some(404 | 416));
            let wait = if may_try_again(&error) && !is_gone {
                budget.next_wait(RetryLimit::Policy, error.retry_after())
            } else {
                None
            };
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(%error, ?wait, "closing the upload again");
            self.client().shared().counting.wait(wait).await;
        }
        Ok(())
    }
}

fn digest_of(hashed: &Mutex<Option<Hasher>>) -> Result<(Digest, u64), wharf_content::Error> {
    let hasher = hashed.locked().take();
    let hasher = hasher.ok_or_else(|| {
        wharf_content::Error::new(
            ErrorKind::Server,
            "the registry took the bytes before they were all sent",
        )
    })?;
    let size = hasher.count();
    Ok((hasher.finish()?, size))
}

struct Hashing {
    bytes: ByteStream,
    hashed: Arc<Mutex<Option<Hasher>>>,
    failure: BlobFailure,
}

impl Stream for Hashing {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.bytes.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled
            && let Some(hasher) = &mut *self.hashed.locked()
        {
            hasher.update(chunk);
        }
        polled.map_err(|error| self.failure.set(error).into())
    }
}
