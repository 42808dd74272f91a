//! Compressed bytes that are decoded as they are read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_core::Stream;
use wharf_content::{ByteStream, Error};
use wharf_layer::{Codec, Decoder, Limits, MAGIC_SIZE};

use crate::stream::{After, next};

/// The most bytes that are decoded at a time.
const CHUNK: usize = 64 * 1024;

/// The codec that a stream begins as, and the whole stream.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) for bzip2 and xz, and the stream's errors.
pub(crate) async fn sniff(mut input: ByteStream) -> Result<(Codec, ByteStream), Error> {
    let mut head = BytesMut::new();
    while head.len() < MAGIC_SIZE {
        match next(&mut input).await {
            Some(chunk) => head.extend_from_slice(&chunk?),
            None => break,
        }
    }
    let head: Bytes = head.freeze();
    let codec = Codec::of_magic(head.get(..MAGIC_SIZE).unwrap_or(&head))?;
    Ok((codec, Box::pin(After::new(head, input))))
}

/// The decoded bytes of a stream. It fails, in place of its end, if the compressed bytes end too early.
pub(crate) struct Decoded {
    input: ByteStream,
    /// `None` at the end.
    decoder: Option<Decoder>,
    chunk: Bytes,
}

impl Decoded {
    pub(crate) fn new(codec: Codec, input: ByteStream) -> Self {
        Self {
            input,
            decoder: Some(Decoder::new(codec, Limits::default())),
            chunk: Bytes::new(),
        }
    }
}

impl Stream for Decoded {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(decoder) = &mut this.decoder else {
                return Poll::Ready(None);
            };
            let mut buffer = vec![0; CHUNK];
            let mut input = &*this.chunk;
            let count = decoder.decode(&mut input, &mut buffer)?;
            let left = input.len();
            this.chunk.advance(this.chunk.len().saturating_sub(left));
            if count > 0 {
                buffer.truncate(count);
                return Poll::Ready(Some(Ok(buffer.into())));
            }
            match ready!(this.input.as_mut().poll_next(context)) {
                Some(chunk) => this.chunk = chunk?,
                None => {
                    if let Some(decoder) = this.decoder.take() {
                        decoder.finish()?;
                    }
                }
            }
        }
    }
}
