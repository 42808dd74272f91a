//! The compression of an archive as a whole.

use wharf_content::{ByteStream, Error};

use crate::decoded::{decoded, sniff};

/// The archive in a stream that is compressed or not.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) for a codec that this build does not have.
pub(super) async fn plain(input: ByteStream) -> Result<ByteStream, Error> {
    let (codec, whole) = sniff(input).await?;
    decoded(codec, whole)
}
