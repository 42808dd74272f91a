//! The compression of an archive as a whole.

use bytes::{Bytes, BytesMut};
use wharf_content::{ByteStream, Error};
use wharf_layer::{Codec, MAGIC_SIZE};

use crate::{
    decoded::Decoded,
    stream::{After, next},
};

/// The archive in a stream that is compressed or not.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) for a codec that this build does not have.
pub(super) async fn plain(mut input: ByteStream) -> Result<ByteStream, Error> {
    let mut head = BytesMut::new();
    while head.len() < MAGIC_SIZE {
        match next(&mut input).await {
            Some(chunk) => head.extend_from_slice(&chunk?),
            None => break,
        }
    }
    let head: Bytes = head.freeze();
    let codec = Codec::of_magic(head.get(..MAGIC_SIZE).unwrap_or(&head))?;
    let whole: ByteStream = Box::pin(After::new(head, input));
    if codec == Codec::Plain {
        return Ok(whole);
    }
    Ok(Box::pin(Decoded::new(codec, whole)))
}
