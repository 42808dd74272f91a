//! HTTP to a store that fails as clouds do, by a seed, and counts the requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use wharf_http::{
    Connect, Error, ErrorKind, HttpService, Peer, Request, ReqwestConnector, Response, ResponseBody,
    Timeouts, TlsSettings,
};
use wharf_registry_object::StoreTransport;
use wharf_testkit::Random;

/// A failure of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 503, before the request has an effect.
    SlowDown,
    /// 429, before the request has an effect.
    TooManyRequests,
    /// The connection breaks before the request has an effect.
    Reset,
    /// 500, after the request was carried out.
    FailedAfterEffect,
    /// The connection breaks after the request was carried out.
    LostReply,
    /// The connection breaks in the middle of an object.
    HalfBody,
    /// 403, as for a clock that is wrong.
    Forbidden,
}

/// The faults of a transport, and what has been asked of it.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Mutex<Random>,
    kinds: Vec<Fault>,
    once_in: u64,
    counts: Mutex<Counts>,
    /// The `Date` of all answers, instead of the server's.
    date: Mutex<Option<HeaderValue>>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<&'static str, u32>,
    hits: BTreeMap<Fault, u32>,
}

impl Faults {
    /// One of these faults in so many requests.
    pub(crate) fn new(seed: u64, once_in: u64, kinds: &[Fault]) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(Random::new(seed)),
            kinds: kinds.to_vec(),
            once_in,
            counts: Mutex::default(),
            date: Mutex::default(),
        })
    }

    /// None: the requests are counted alone.
    pub(crate) fn none() -> Arc<Self> {
        Self::new(0, 1, &[])
    }

    /// The transport that has them.
    pub(crate) fn transport(self: &Arc<Self>) -> StoreTransport {
        self.transport_within(StoreTransport::timeouts())
    }

    /// As [`Faults::transport`], with these time limits.
    pub(crate) fn transport_within(self: &Arc<Self>, timeouts: Timeouts) -> StoreTransport {
        let connector = Faulty {
            inner: ReqwestConnector::new().with_timeouts(timeouts),
            faults: Arc::clone(self),
        };
        StoreTransport::over(connector, TlsSettings::default())
    }

    /// The requests since the last call, by operation.
    pub(crate) fn take_requests(&self) -> BTreeMap<&'static str, u32> {
        std::mem::take(&mut self.counts().requests)
    }

    /// Sets the `Date` of all answers.
    pub(crate) fn set_date(&self, date: &str) {
        let date = HeaderValue::from_str(date).expect("a value");
        *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
    }

    /// Whether any request can fail.
    pub(crate) fn has_any(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// How many requests have failed since the last call.
    pub(crate) fn take_hits(&self) -> u32 {
        std::mem::take(&mut self.counts().hits).values().sum()
    }

    /// How often each fault has hit.
    pub(crate) fn hits(&self) -> BTreeMap<Fault, u32> {
        self.counts().hits.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request and decides about it.
    fn decide(&self, request: &Request) -> Option<Fault> {
        let operation = operation(request);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *self.counts().requests.entry(operation).or_default() += 1;
        if self.kinds.is_empty() || !random.once_in(self.once_in) {
            return None;
        }
        let fault = random.pick(&self.kinds);
        if fault == Fault::HalfBody && operation != "get" {
            return None;
        }
        *self.counts().hits.entry(fault).or_default() += 1;
        Some(fault)
    }
}

/// The operation of S3 that a request is.
fn operation(request: &Request) -> &'static str {
    let query = request.url.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    match request.method {
        Method::GET if has("list-type") => "list",
        Method::GET if request.url.path().ends_with("/v1/format") => "format",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT if has("partNumber") => "part",
        Method::PUT => "put",
        Method::POST if has("uploads") => "begin",
        Method::POST if has("uploadId") => "complete",
        Method::POST if has("delete") => "delete",
        Method::DELETE if has("uploadId") => "abort",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[derive(Debug)]
struct Faulty {
    inner: ReqwestConnector,
    faults: Arc<Faults>,
}

impl Connect for Faulty {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        Ok(Arc::new(FaultyService {
            inner: self.inner.connect(peer)?,
            faults: Arc::clone(&self.faults),
        }))
    }
}

#[derive(Debug)]
struct FaultyService {
    inner: Arc<dyn HttpService>,
    faults: Arc<Faults>,
}

#[async_trait]
impl HttpService for FaultyService {
    async fn call(&self, request: Request) -> Result<Response, Error> {
        let mut answer = self.answer(request).await?;
        let date = self.faults.date.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(date) = &*date {
            answer.headers_mut().insert(header::DATE, date.clone());
        }
        Ok(answer)
    }
}

impl FaultyService {
    async fn answer(&self, request: Request) -> Result<Response, Error> {
        match self.faults.decide(&request) {
            None => self.inner.call(request).await,
            Some(Fault::SlowDown) => Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Some(Fault::TooManyRequests) => Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "SlowDown")),
            Some(Fault::Reset) => Err(broken()),
            Some(Fault::Forbidden) => Ok(refusal(StatusCode::FORBIDDEN, "RequestTimeTooSkewed")),
            Some(Fault::FailedAfterEffect) => {
                self.carry_out(request).await?;
                Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"))
            }
            Some(Fault::LostReply) => {
                self.carry_out(request).await?;
                Err(broken())
            }
            Some(Fault::HalfBody) => {
                let (parts, body) = self.inner.call(request).await?.into_parts();
                let length = body.length();
                let whole = body.read(u64::MAX).await?;
                let half = whole.slice(..whole.len() / 2);
                let pieces = futures_util::stream::iter([Ok(half), Err(broken())]);
                Ok(Response::from_parts(
                    parts,
                    ResponseBody::new(Box::pin(pieces), length),
                ))
            }
        }
    }

    /// Sends a request and reads the whole answer, which nobody gets.
    async fn carry_out(&self, request: Request) -> Result<(), Error> {
        let answer = self.inner.call(request).await?;
        answer.into_body().read(u64::MAX).await.map(drop)
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code></Error>");
    let mut answer = Response::new(ResponseBody::from(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
}

fn broken() -> Error {
    Error::from(ErrorKind::Broken)
}
