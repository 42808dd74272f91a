//! Compressed bytes that are decoded as they are read.

use bytes::{Bytes, BytesMut};
use wharf_content::{ByteStream, Error};
use wharf_layer::{Codec, MAGIC_SIZE};

use crate::stream::{After, next};

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
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) for a codec that this build does not have.
#[cfg_attr(
    any(feature = "gzip", feature = "zstd"),
    expect(clippy::unnecessary_wraps, reason = "a build without codecs fails")
)]
pub(crate) fn decoded(codec: Codec, input: ByteStream) -> Result<ByteStream, Error> {
    if codec == Codec::Plain {
        return Ok(input);
    }
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    return Ok(Box::pin(decode::Decoded::new(codec, input)));
    #[cfg(not(any(feature = "gzip", feature = "zstd")))]
    Err(Error::new(
        wharf_content::ErrorKind::Unsupported,
        format!("it is compressed with {codec}, which this program was built without"),
    ))
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
mod decode {
    use std::{
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use bytes::{Buf as _, Bytes};
    use futures_core::Stream;
    use wharf_content::{ByteStream, Error};
    use wharf_layer::{Codec, Decoder, Limits};

    /// The most bytes that are decoded at a time.
    const CHUNK: usize = 64 * 1024;

    /// A decoder and its input.
    pub(super) struct Decoded {
        input: ByteStream,
        /// `None` at the end.
        decoder: Option<Decoder>,
        chunk: Bytes,
    }

    impl Decoded {
        pub(super) fn new(codec: Codec, input: ByteStream) -> Self {
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
}
