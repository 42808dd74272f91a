//! The effects of a fault on a request and its response.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};

use super::{Altered, AlteredBody, Effect, Script};
use crate::{Body, body::RequestBody, range};

/// Marks a response that is not sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(in crate::testing) struct HangUp;

/// An error page as proxies send it.
const PAGE: &str = "<html><head><title>error</title></head><body><h1>error</h1></body></html>\n";

impl Script {
    /// Applies the effects that precede the handling of a request. `Some` is the response if the request is
    /// not handled at all.
    pub(in crate::testing) async fn before(
        &self,
        request: &mut Request<RequestBody>,
    ) -> Option<Response<Body>> {
        let mut answer: Option<Response<Body>> = None;
        for effect in &self.effects {
            match effect {
                Effect::Delay(duration) => tokio::time::sleep(*duration).await,
                Effect::HangUp => return Some(hang_up()),
                Effect::Status(status) => answer = Some(page(*status)),
                Effect::CutRequest(bytes) => cut(request, *bytes),
                Effect::IgnoreRange => {
                    request.headers_mut().remove(header::RANGE);
                }
                _ => {}
            }
        }
        answer
    }

    /// Applies the effects on the response.
    pub(in crate::testing) fn after(&self, mut response: Response<Body>) -> Response<Body> {
        let mut altered = Altered::default();
        for effect in &self.effects {
            match effect {
                Effect::LoseReply => return hang_up(),
                Effect::Body(bytes) => {
                    response.headers_mut().remove(header::CONTENT_LENGTH);
                    *response.body_mut() = Body::from(bytes.clone());
                }
                Effect::SetHeader(name, value) => {
                    response.headers_mut().insert(name, value.clone());
                }
                Effect::RemoveHeader(name) => {
                    response.headers_mut().remove(name);
                }
                Effect::Cut(at) => altered.cut = Some(*at),
                Effect::Stall(at) => altered.stall = Some(*at),
                Effect::Flip(at) => altered.flip = Some(*at),
                Effect::Throttle(rate) => altered.throttle = Some(*rate),
                _ => {}
            }
        }
        response.map(|body| AlteredBody::around(body, altered))
    }

    /// Whether the response is to have other bytes than its `Content-Range` states.
    pub(in crate::testing) fn lies_about_range(&self) -> bool {
        self.effects
            .iter()
            .any(|effect| matches!(effect, Effect::LieAboutRange))
    }

    pub(in crate::testing) fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

/// Rewrites a request for a part to one for as many bytes from the start, and returns the range that was
/// asked for.
pub(in crate::testing) fn shift_range(request: &mut Request<RequestBody>) -> Option<(u64, u64)> {
    let headers = request.headers_mut();
    let range::Requested::Part(asked) = range::parse(headers, u64::MAX) else {
        return None;
    };
    let length = asked.end - asked.start;
    let shifted = HeaderValue::try_from(format!("bytes=0-{}", length.saturating_sub(1))).ok()?;
    headers.insert(header::RANGE, shifted);
    Some((asked.start, asked.end))
}

/// Rewrites a response so that it claims to have the range that was asked for.
pub(in crate::testing) fn claim_range(response: &mut Response<Body>, asked: (u64, u64)) {
    let sent = response.headers().get(header::CONTENT_RANGE);
    let size = sent
        .and_then(|value| value.to_str().ok()?.rsplit_once('/')?.1.parse::<u64>().ok())
        .filter(|_| response.status() == StatusCode::PARTIAL_CONTENT);
    let Some(size) = size else {
        return;
    };
    let end = asked.1.min(size);
    let length = end.saturating_sub(asked.0);
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = body.shortened(length);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let claimed = format!("bytes {}-{}/{size}", asked.0, end.saturating_sub(1));
    if let Ok(claimed) = HeaderValue::try_from(claimed) {
        headers.insert(header::CONTENT_RANGE, claimed);
    }
}

fn page(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(PAGE.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// A response that the server of this crate replaces by closing the connection. Another server breaks while
/// it sends the body.
fn hang_up() -> Response<Body> {
    let mut response = Response::new(AlteredBody::around(
        Body::from(Bytes::from_static(b"-")),
        Altered {
            cut: Some(0),
            ..Altered::default()
        },
    ));
    response.extensions_mut().insert(HangUp);
    response
}

fn cut(request: &mut Request<RequestBody>, bytes: u64) {
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = RequestBody::new(CutBody { body, left: bytes });
}

/// A request's body that breaks.
struct CutBody {
    body: RequestBody,
    left: u64,
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err("cut".into())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(mut data)) = frame
            .map(|frame| frame.map(Frame::into_data))
            .transpose()
            .ok()
            .flatten()
        else {
            return Poll::Ready(Some(Err("cut".into())));
        };
        data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left = self.left.saturating_sub(data.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
