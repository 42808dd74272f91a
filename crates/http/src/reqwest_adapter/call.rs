use std::{
    error, fmt,
    future::Future as _,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{
    classify::{Unprocessed, classify},
    protocols::{LearnedProtocols, Protocols},
    proxied,
};
use crate::{
    Error, ErrorKind, HttpService, PeerAddress, Request, RequestBody, RequestClass, Response, ResponseBody,
    Timeouts, UploadStream, sync::LockExt as _,
};

/// How often one request is sent at most, if the server processes none of these: it makes progress with other
/// requests meanwhile, or another version of HTTP is tried.
const MAX_SENDS: u32 = 16;
/// How often one request is sent in another version of HTTP than the one before: over HTTP/1.1, and back.
const MAX_SWITCHES: u32 = 2;

/// Sends requests to one server.
#[derive(Debug)]
pub(super) struct ReqwestService {
    pub(super) clients: Clients,
    /// The HTTP versions that the server has refused.
    pub(super) learned: LearnedProtocols,
    /// Requests that the server has answered.
    pub(super) answered: AtomicU64,
    pub(super) timeouts: Timeouts,
    /// The URL of the proxy, without its login.
    pub(super) proxy: Option<String>,
}

/// One client for each choice of HTTP versions; in the clear, where there is HTTP/1.1 alone, they are the same.
#[derive(Debug)]
pub(super) struct Clients {
    /// Speaks the version that the server prefers. Its requests share one connection over HTTP/2.
    pub(super) negotiated: reqwest::Client,
    /// Speaks HTTP/1.1: each request has a connection to itself.
    pub(super) http1: reqwest::Client,
    /// Speaks HTTP/2, for a server that is known to speak nothing else. Requests that find no connection wait for
    /// one that is being made, where `negotiated` would make one for each.
    pub(super) http2: reqwest::Client,
}

impl Clients {
    /// A request that moves many bytes has a connection to itself wherever the server offers HTTP/1.1: so it has
    /// a window, a task that decrypts, and a share of the link of its own.
    const fn choose(&self, protocols: Protocols, bulk: bool) -> &reqwest::Client {
        match protocols {
            Protocols::Either if !bulk => &self.negotiated,
            Protocols::Either | Protocols::Http1 => &self.http1,
            Protocols::Http2 => &self.http2,
        }
    }
}

#[async_trait]
impl HttpService for ReqwestService {
    /// A request that the server has not processed is sent again at once, over HTTP/1.1 if HTTP/2 is why.
    async fn call(&self, mut request: Request) -> Result<Response, Error> {
        let mut sends = 0;
        loop {
            let known = self.learned.protocols();
            let answered = self.answered.load(Ordering::Relaxed);
            let again = request.replay();
            let failed = match self.send(request, known).await? {
                Ok(response) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            sends += 1;
            let Some(reason) = Unprocessed::of(&failed) else {
                return Err(self.explain(failed));
            };
            let is_worthwhile = match reason {
                Unprocessed::WrongVersion(other) => {
                    self.learned.learn(other);
                    other != known && sends <= MAX_SWITCHES
                }
                Unprocessed::NoStream => {
                    self.learned.avoid_http2();
                    self.learned.protocols() != known || self.answered.load(Ordering::Relaxed) != answered
                }
            };
            if !is_worthwhile || sends == MAX_SENDS {
                return Err(self.explain(failed));
            }
            request = match (again, reason) {
                (Some(again), _) => again,
                (None, Unprocessed::NoStream) => return Err(self.explain(failed)),
                (None, Unprocessed::WrongVersion(_)) => {
                    let why = "the server speaks another version of HTTP";
                    return Err(Error::new(ErrorKind::Broken, why));
                }
            };
        }
    }
}

impl ReqwestService {
    fn explain(&self, failed: reqwest::Error) -> Error {
        match &self.proxy {
            Some(proxy) => proxied::explain(failed, proxy),
            None => classify(failed),
        }
    }

    async fn send(
        &self,
        request: Request,
        protocols: Protocols,
    ) -> Result<Result<Response, reqwest::Error>, Error> {
        let Request {
            method,
            url,
            mut headers,
            body,
            bulk,
            class,
            has_alternative,
        } = request;
        let head = self.timeouts.head(class, has_alternative);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION] {
            if let Some(value) = headers.get_mut(name) {
                value.set_sensitive(true);
            }
        }
        let is_head = method == Method::HEAD;
        let mut outgoing = reqwest::Request::new(method, url);
        *outgoing.headers_mut() = headers;
        let activity = Activity::new();
        *outgoing.body_mut() = match body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) if bytes.len() <= PIECE => Some(reqwest::Body::from(bytes)),
            RequestBody::Bytes(bytes) => {
                let length = Some(bytes.len() as u64);
                Some(upload(Box::pin(Pieces(bytes)), length, &activity))
            }
            RequestBody::Stream { bytes, length } => Some(upload(bytes, length, &activity)),
        };
        let answer = self.clients.choose(protocols, bulk).execute(outgoing);
        // A request that only saves work gets no time for a connection in addition.
        let connect = match class {
            RequestClass::Optional => Duration::ZERO,
            _ => self.timeouts.connect,
        };
        let answer = activity
            .limit(answer, head.saturating_add(connect), self.timeouts.send)
            .await?;
        if let (Ok(answer), Some(proxy)) = (&answer, &self.proxy)
            && answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            return Err(proxied::wants_login(proxy));
        }
        Ok(answer.map(|answer| convert(answer, is_head, self.proxy.is_some(), self.timeouts, head)))
    }
}

fn upload(bytes: UploadStream, length: Option<u64>, activity: &Activity) -> reqwest::Body {
    reqwest::Body::wrap(Upload {
        bytes: Mutex::new(bytes),
        remaining: length,
        activity: activity.clone(),
    })
}

fn convert(
    answer: reqwest::Response,
    is_head: bool,
    proxied: bool,
    timeouts: Timeouts,
    first_byte: Duration,
) -> Response {
    // Behind a proxy this is the address of the proxy, which says nothing of the server.
    let peer = answer.remote_addr().filter(|_| !proxied);
    let (mut parts, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
    parts.extensions.clear();
    if let Some(peer) = peer {
        parts.extensions.insert(PeerAddress(peer));
    }
    let body = if is_head {
        ResponseBody::empty()
    } else {
        let length = body.size_hint().exact();
        let download = Download {
            body,
            timeouts,
            first_byte: Some(first_byte),
            timer: Box::pin(tokio::time::sleep(timeouts.idle)),
            waiting_since: None,
            waited: Duration::ZERO,
            received: 0,
        };
        ResponseBody::new(Box::pin(download), length)
    };
    Response::from_parts(parts, body)
}

/// The time of the last progress of the upload, and whether bytes are left: the wait for the answer begins
/// with the last byte.
#[derive(Clone)]
struct Activity(Arc<Mutex<Sent>>);

#[derive(Clone, Copy)]
struct Sent {
    last: Instant,
    unfinished: bool,
}

impl Activity {
    fn new() -> Self {
        let (last, unfinished) = (Instant::now(), false);
        Self(Arc::new(Mutex::new(Sent { last, unfinished })))
    }

    fn touch(&self, unfinished: bool) {
        let last = Instant::now();
        *self.0.locked() = Sent { last, unfinished };
    }

    fn deadline(&self, head: Duration, send: Duration) -> Instant {
        let sent = *self.0.locked();
        sent.last + if sent.unfinished { send } else { head }
    }

    async fn limit<F: Future>(&self, future: F, head: Duration, send: Duration) -> Result<F::Output, Error> {
        let mut future = std::pin::pin!(future);
        loop {
            let deadline = self.deadline(head, send);
            match tokio::time::timeout_at(deadline, future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(_) if self.deadline(head, send) > deadline => {}
                Err(_) => return Err(ErrorKind::Timeout.into()),
            }
        }
    }
}

/// The size of the pieces in which bytes in memory are handed to hyper, in bytes: the progress of an upload
/// is seen piece by piece.
const PIECE: usize = 64 * 1024;

struct Pieces(Bytes);

impl Stream for Pieces {
    type Item = Result<Bytes, Box<dyn error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let length = self.0.len().min(PIECE);
        let piece = self.0.split_to(length);
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

/// A streamed request body. The mutex is never contended; hyper requires a body that is `Sync`.
struct Upload {
    bytes: Mutex<UploadStream>,
    remaining: Option<u64>,
    activity: Activity,
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = &mut *self;
        this.activity.touch(true);
        let bytes = this.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        match std::task::ready!(bytes.as_mut().poll_next(context)) {
            Some(Ok(chunk)) => {
                if let Some(remaining) = &mut this.remaining {
                    *remaining = remaining.saturating_sub(chunk.len() as u64);
                    this.activity.touch(*remaining > 0);
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(UploadError(error)))),
            None => {
                this.activity.touch(false);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The error of the body that the caller passed, on its way through hyper.
#[derive(Debug)]
pub(super) struct UploadError(Box<dyn error::Error + Send + Sync>);

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes to send could not be read")
    }
}

impl error::Error for UploadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The body of an answer, which fails when nothing arrives within a time limit.
struct Download {
    body: reqwest::Body,
    timeouts: Timeouts,
    /// The time limit of the first byte, until it has arrived: a cache may send the head before it has
    /// fetched the rest.
    first_byte: Option<Duration>,
    timer: Pin<Box<Sleep>>,
    /// The beginning of the current wait. The timer is set when a wait begins, not for every chunk.
    waiting_since: Option<Instant>,
    /// The time of waiting for the server in the current window of the minimum rate.
    waited: Duration,
    /// The bytes received in that window.
    received: u64,
}

impl Download {
    /// Counts a chunk, and returns whether the server meets the minimum rate.
    fn keeps_up(&mut self, length: usize) -> bool {
        self.received = self.received.saturating_add(length as u64);
        let waited = self.waiting_since.take().map(|since| since.elapsed());
        if self.first_byte.take().is_none() {
            self.waited += waited.unwrap_or_default();
        }
        if self.waited < Timeouts::RATE_WINDOW {
            return true;
        }
        let least = self
            .timeouts
            .minimum_rate
            .saturating_mul(Timeouts::RATE_WINDOW.as_secs());
        let keeps_up = self.received >= least;
        self.waited = Duration::ZERO;
        self.received = 0;
        keeps_up
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if !this.keeps_up(data.len()) {
                        let message = "the server sends too slowly";
                        return Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, message))));
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(classify(error)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        if this.waiting_since.is_none() {
            let now = Instant::now();
            this.waiting_since = Some(now);
            let limit = this.first_byte.unwrap_or(this.timeouts.idle);
            this.timer.as_mut().reset(now + limit);
        }
        std::task::ready!(this.timer.as_mut().poll(context));
        let message = "the server stopped sending";
        Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, message))))
    }
}
