use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_http::{RequestBody, RetryBudget};

use super::{Confirmation, OPERATION, Outgoing, Session, is_ambiguous};
use crate::{error::Error, send::Payload, sync::LockExt as _};

/// Sends a blob in the request that closes the session (distribution-spec, *POST then PUT*).
pub(super) async fn send(
    mut session: Session,
    blob: Outgoing,
    budget: &mut RetryBudget,
) -> Result<Confirmation, Error> {
    let digest = blob.descriptor().digest().clone();
    let size = blob.descriptor().size();
    let failure = BlobFailure::default();
    let next = Mutex::new(Some(blob));
    let body = || {
        let mut next = next.locked();
        let blob = next.take()?;
        // A blob that can be reopened can be sent again after a refused first attempt (an expired token).
        *next = blob.reopen();
        Some(RequestBody::Stream {
            bytes: Box::pin(Sending {
                blob,
                failure: failure.clone(),
            }),
            length: Some(size),
        })
    };
    let payload = if size == 0 {
        Payload::Empty
    } else {
        Payload::Stream(&body)
    };
    let subject = session.subject().to_owned();
    let sent = session.commit(&digest, payload, size, budget).await;
    sent.map_err(|error| {
        let error = failure.explain(error, &subject);
        if error.status().is_none() && is_ambiguous(&error) {
            session.abandon(); // the registry may be about to commit it
        }
        error
    })
}

/// The error of the blob itself, which the transport reports as a broken request.
#[derive(Clone, Default)]
pub(super) struct BlobFailure(Arc<Mutex<Option<wharf_content::Error>>>);

impl BlobFailure {
    pub(super) fn set(&self, error: wharf_content::Error) -> std::io::Error {
        let message = error.to_string();
        *self.0.locked() = Some(error);
        std::io::Error::other(message)
    }

    /// The error of the blob in place of `error`, if there is one.
    pub(super) fn explain(&self, error: Error, subject: &str) -> Error {
        match self.0.locked().take() {
            Some(cause) => Error::from_content(OPERATION, subject, &cause)
                .with_detail(crate::Detail::Content)
                .with_source(cause),
            None => error,
        }
    }
}

struct Sending {
    blob: Outgoing,
    failure: BlobFailure,
}

impl Stream for Sending {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.blob).poll_next(context);
        polled.map_err(|error| self.failure.set(error).into())
    }
}
