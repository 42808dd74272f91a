use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use wharf_content::Error;
use wharf_reference::Digest;

use crate::{
    Body, Endpoint,
    body::{RequestBody, Wrapper},
};

/// Is told what a registry does: for logs and metrics. Its methods must not block.
pub trait Observer: Send + Sync {
    /// A request has been answered, or its client has gone.
    fn answered(&self, answered: &Answered) {
        let _ = answered;
    }

    /// Stored content was found damaged and taken out of sight.
    fn damaged(&self, digest: &Digest) {
        let _ = digest;
    }

    /// A change could not be recorded, as on a full or failing disk. Told once, until a change can be recorded
    /// again.
    fn storage_failed(&self, error: &Error) {
        let _ = error;
    }

    /// Changes can be recorded again.
    fn storage_recovered(&self) {}
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn answered(&self, answered: &Answered) {
        (**self).answered(answered);
    }

    fn damaged(&self, digest: &Digest) {
        (**self).damaged(digest);
    }

    fn storage_failed(&self, error: &Error) {
        (**self).storage_failed(error);
    }

    fn storage_recovered(&self) {
        (**self).storage_recovered();
    }
}

/// A request and what became of it.
///
/// Method, path and user are what a client or a token says: they may hold any character, and are to be escaped
/// where they are shown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answered {
    /// The method.
    pub method: Method,
    /// The path, without the query. An upload's id is in it.
    pub path: String,
    /// What kind of path it is, if it is one that is served.
    pub endpoint: Option<Endpoint>,
    /// The status; 499 if the client went before there was an answer.
    pub status: StatusCode,
    /// The user, if the credentials were right.
    pub user: Option<Arc<str>>,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Bytes of the answer's body that were taken by the client's side.
    pub sent: u64,
    /// Whether all bytes of the answer were.
    pub complete: bool,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
}

/// An answer's body under observation; dropping it is the end of the answer.
pub(crate) struct ObservedBody {
    body: Body,
    observation: Observation,
}

pub(crate) struct Observation {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) started: Instant,
    pub(crate) received: Arc<AtomicU64>,
    pub(crate) answered: Answered,
}

impl ObservedBody {
    /// A body whose transfer is observed.
    pub(crate) fn around(body: Body, mut observation: Observation) -> Body {
        observation.answered.complete = body.is_empty();
        Body::wrapped(Self { body, observation })
    }
}

impl Wrapper for ObservedBody {
    fn len(&self) -> u64 {
        self.body.len()
    }

    fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.observation.answered.sent += length;
        }
        self.observation.answered.complete |= self.body.is_empty() && !matches!(polled, Some(Err(_)));
        Poll::Ready(polled)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.answered.received = self.received.load(Ordering::Relaxed);
        self.answered.duration = self.started.elapsed();
        self.observer.answered(&self.answered);
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.answered, f)
    }
}

/// A request's body whose bytes are counted.
pub(crate) struct CountedBody {
    pub(crate) body: RequestBody,
    pub(crate) received: Arc<AtomicU64>,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.received.fetch_add(length, Ordering::Relaxed);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
