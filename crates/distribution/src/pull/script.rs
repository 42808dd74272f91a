//! A scripted stream of pieces for the tests of the stream adapters.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Error, ErrorKind, Piece};

type Item = Result<Piece, Error>;

/// One answer of the source to a poll.
#[derive(Clone, Copy)]
pub(super) enum ScriptStep {
    Piece(usize),
    Error,
    Panic,
}

/// Counts its polls; the counter is shared with the test, which sees by its count of owners whether the
/// source still exists.
pub(super) struct Script {
    steps: std::vec::IntoIter<ScriptStep>,
    asked: Arc<AtomicUsize>,
    offset: u64,
}

impl Script {
    pub(super) fn new(steps: Vec<ScriptStep>) -> (Self, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let script = Self {
            steps: steps.into_iter(),
            asked: Arc::clone(&asked),
            offset: 0,
        };
        (script, asked)
    }
}

impl Stream for Script {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Item>> {
        self.asked.fetch_add(1, SeqCst);
        Poll::Ready(self.steps.next().map(|step| match step {
            ScriptStep::Piece(length) => {
                let offset = self.offset;
                self.offset += length as u64;
                let bytes = Bytes::from(vec![0; length]);
                Ok(Piece { offset, bytes })
            }
            ScriptStep::Error => Err(Error::new(ErrorKind::Corrupt, "cut")),
            ScriptStep::Panic => panic!("a source that breaks"),
        }))
    }
}

pub(super) async fn next<S: Stream<Item = Item> + Unpin>(
    stream: &mut S,
) -> Option<Result<(u64, usize), ErrorKind>> {
    let item = poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await;
    item.map(|item| {
        item.map(|piece| (piece.offset, piece.bytes.len()))
            .map_err(|error| error.kind())
    })
}
