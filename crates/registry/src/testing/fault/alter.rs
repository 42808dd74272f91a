//! The alteration of a body: cut, stalled, flipped or throttled.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::time::{Sleep, sleep};
use wharf_content::{Error, ErrorKind};

use crate::{Body, body::Wrapper};

/// The alterations of a body, each at an offset in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::testing) struct Altered {
    pub(super) cut: Option<u64>,
    pub(super) stall: Option<u64>,
    pub(super) flip: Option<u64>,
    /// Bytes a second.
    pub(super) throttle: Option<u64>,
}

/// A body with its alterations.
pub(in crate::testing) struct AlteredBody {
    body: Body,
    altered: Altered,
    position: u64,
    pause: Option<Pin<Box<Sleep>>>,
    yielded: bool,
    /// Bytes that have been read but not sent yet.
    held: Bytes,
}

impl AlteredBody {
    /// A body that is altered while it is sent.
    pub(in crate::testing) fn around(body: Body, altered: Altered) -> Body {
        if altered == Altered::default() {
            return body;
        }
        Body::wrapped(Self {
            body,
            altered,
            position: 0,
            pause: None,
            yielded: false,
            held: Bytes::new(),
        })
    }

    /// The bytes that may be sent now.
    fn release(&mut self) -> Bytes {
        let mut length = self.held.len() as u64;
        for stop in [self.altered.cut, self.altered.stall].into_iter().flatten() {
            if stop > self.position {
                length = length.min(stop - self.position);
            }
        }
        if let Some(rate) = self.altered.throttle {
            length = length.min(rate.div_ceil(10));
            self.pause = Some(Box::pin(sleep(Duration::from_millis(100))));
        }
        let mut chunk = self.held.split_to(usize::try_from(length).unwrap_or(usize::MAX));
        if let Some(flip) = self.altered.flip
            && (self.position..self.position + length).contains(&flip)
        {
            let mut copy = chunk.to_vec();
            let index = usize::try_from(flip - self.position).unwrap_or(usize::MAX);
            if let Some(byte) = copy.get_mut(index) {
                *byte ^= 1;
            }
            chunk = copy.into();
        }
        self.position += length;
        chunk
    }
}

impl Wrapper for AlteredBody {
    fn len(&self) -> u64 {
        self.body.len() + self.held.len() as u64
    }

    fn is_end(&self) -> bool {
        false
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.altered.cut == Some(self.position) {
            if !self.yielded {
                self.yielded = true; // a server sends what it has before it asks again
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let cut = Error::new(ErrorKind::Cancelled, "cut by a fault");
            return Poll::Ready(Some(Err(cut)));
        }
        if self.altered.stall == Some(self.position) {
            return Poll::Pending; // for ever: nothing wakes it
        }
        if self.held.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.held = frame.into_data().unwrap_or_default(),
                other => return Poll::Ready(other),
            }
        }
        let chunk = self.release();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
