use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex,
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
    BackendCall, Body, GcReport, NotReady, RouteKind,
    backend::Hooks,
    body::{RequestBody, Wrapper},
    sync::LockExt as _,
};

/// Receives events of a registry, for logs and metrics. Its methods must not block.
///
/// ```
/// use wharf_registry::{Answered, Observer, Registry};
///
/// struct Log;
///
/// impl Observer for Log {
///     fn answered(&self, answered: &Answered) {
///         println!("{} {:?} {} in {:?}", answered.method, answered.path, answered.status, answered.duration);
///     }
/// }
///
/// let registry = Registry::memory().with_observer(Log);
/// # let _ = registry;
/// ```
pub trait Observer: Send + Sync {
    /// The head of a request has come. [`Observer::answered`] follows, also if the client goes.
    fn begun(&self, route: Option<RouteKind>) {
        let _ = route;
    }

    /// A request has been answered, or its client has gone.
    fn answered(&self, answered: &Answered) {
        let _ = answered;
    }

    /// Stored content was found corrupt and taken out of sight.
    fn corrupt(&self, digest: &Digest) {
        let _ = digest;
    }

    /// A change could not be recorded, as on a full or failing disk. Called once, until a change can be
    /// recorded again.
    fn storage_failed(&self, error: &Error) {
        let _ = error;
    }

    /// Changes can be recorded again.
    fn storage_recovered(&self) {}

    /// A call of the backend has ended. A call that was given up, as when a client goes, is not reported.
    fn called(&self, call: BackendCall, duration: Duration, failure: Option<&Error>) {
        let _ = (call, duration, failure);
    }

    /// A collection of garbage has ended.
    fn collected(&self, report: &GcReport, duration: Duration) {
        let _ = (report, duration);
    }

    /// The backend does not answer, or answers again: [`Readiness::check`](crate::Readiness::check) has changed for that
    /// reason. Called by [`Readiness`](crate::Readiness), with the reason or `None`.
    fn reachable(&self, unreachable: Option<&NotReady>) {
        let _ = unreachable;
    }

    /// The subscriber with this name has accepted an event.
    fn delivered(&self, subscriber: &str) {
        let _ = subscriber;
    }

    /// The subscriber with this name has not accepted an event, or the outbox could not be read. The event is
    /// delivered again.
    fn delivery_failed(&self, subscriber: &str, error: &Error) {
        let _ = (subscriber, error);
    }

    /// So many events were dropped that the subscriber with this name had not accepted.
    fn events_dropped(&self, subscriber: &str, count: u64) {
        let _ = (subscriber, count);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn begun(&self, route: Option<RouteKind>) {
        (**self).begun(route);
    }

    fn answered(&self, answered: &Answered) {
        (**self).answered(answered);
    }

    fn corrupt(&self, digest: &Digest) {
        (**self).corrupt(digest);
    }

    fn storage_failed(&self, error: &Error) {
        (**self).storage_failed(error);
    }

    fn storage_recovered(&self) {
        (**self).storage_recovered();
    }

    fn called(&self, call: BackendCall, duration: Duration, failure: Option<&Error>) {
        (**self).called(call, duration, failure);
    }

    fn collected(&self, report: &GcReport, duration: Duration) {
        (**self).collected(report, duration);
    }

    fn reachable(&self, unreachable: Option<&NotReady>) {
        (**self).reachable(unreachable);
    }

    fn delivered(&self, subscriber: &str) {
        (**self).delivered(subscriber);
    }

    fn delivery_failed(&self, subscriber: &str, error: &Error) {
        (**self).delivery_failed(subscriber, error);
    }

    fn events_dropped(&self, subscriber: &str, count: u64) {
        (**self).events_dropped(subscriber, count);
    }
}

/// The observer of a registry, which may be set after the backend was opened. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct CurrentObserver(Arc<Mutex<Option<Arc<dyn Observer>>>>);

impl CurrentObserver {
    pub(crate) fn set(&self, observer: Arc<dyn Observer>) {
        *self.0.locked() = Some(observer);
    }

    pub(crate) fn get(&self) -> Option<Arc<dyn Observer>> {
        self.0.locked().clone()
    }
}

impl Hooks for CurrentObserver {
    fn after(&self, call: BackendCall, duration: Duration, failure: Option<&Error>) {
        if let Some(observer) = self.get() {
            observer.called(call, duration, failure);
        }
    }
}

/// A request and its outcome.
///
/// Method, path and user come from a client or a token and may hold any character; escape them before you
/// show them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answered {
    /// The method.
    pub method: Method,
    /// The path, without the query. The path of an upload contains the upload's id.
    pub path: String,
    /// The kind of resource that the path names; `None` if it names none.
    pub route: Option<RouteKind>,
    /// The status; 499 if the client went before there was an answer.
    pub status: StatusCode,
    /// The user, if the credentials were right.
    pub user: Option<Arc<str>>,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Bytes of the answer's body that were handed to the connection.
    pub sent: u64,
    /// Whether the whole body was handed to the connection.
    pub complete: bool,
    /// Bytes of the content that a [pull-through cache](crate::Registry::with_upstream) fetched from upstream for the
    /// answer: 0 if it had the content. `None` without upstream, for answers without content, and if the client went before
    /// any content came.
    pub fetched: Option<u64>,
    /// The time from the head of the request to the end of the answer.
    pub duration: Duration,
}

/// A response's body that is observed. Dropping it ends the response.
pub(crate) struct ObservedBody {
    body: Body,
    observation: Observation,
}

pub(crate) struct Observation {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) started: Instant,
    pub(crate) received: Arc<AtomicU64>,
    /// Whether the body of the answer comes from upstream while it is sent.
    pub(crate) is_body_fetched: bool,
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
        if self.is_body_fetched {
            self.answered.fetched = Some(self.answered.sent).filter(|sent| *sent > 0);
        }
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
