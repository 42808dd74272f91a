use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, Verified};

/// Uploads: bytes that grow at their end and then become content.
///
/// The registry never has two calls for one upload under way.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use async_trait::async_trait;
/// use bytes::{Bytes, BytesMut};
/// use futures_util::{future::ready, stream};
/// use wharf_content::{ByteStream, Error, ErrorKind, Verified};
/// use wharf_reference::Digest;
/// use wharf_registry::Uploads;
///
/// #[derive(Debug, Default)]
/// struct Map {
///     uploads: Mutex<HashMap<String, (String, BytesMut)>>,
///     content: Mutex<HashMap<Digest, Bytes>>,
/// }
///
/// fn missing() -> Error {
///     Error::new(ErrorKind::NotFound, "no such upload")
/// }
///
/// #[async_trait]
/// impl Uploads for Map {
///     async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
///         let begun = (note.to_owned(), BytesMut::new());
///         self.uploads.lock().unwrap().insert(upload.to_owned(), begun);
///         Ok(())
///     }
///
///     async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
///         let mut uploads = self.uploads.lock().unwrap();
///         let (_, bytes) = uploads.get_mut(upload).ok_or_else(missing)?;
///         if bytes.len() < offset as usize {
///             return Err(Error::new(ErrorKind::Conflict, "the upload is shorter"));
///         }
///         bytes.truncate(offset as usize);
///         chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
///         Ok(())
///     }
///
///     async fn length(&self, upload: &str) -> Result<Option<u64>, Error> {
///         let uploads = self.uploads.lock().unwrap();
///         Ok(uploads.get(upload).map(|(_, bytes)| bytes.len() as u64))
///     }
///
///     async fn flush(&self, upload: &str) -> Result<u64, Error> {
///         self.length(upload).await?.ok_or_else(missing)
///     }
///
///     async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
///         let uploads = self.uploads.lock().unwrap();
///         let (_, bytes) = uploads.get(upload).ok_or_else(missing)?;
///         Ok(Box::pin(stream::once(ready(Ok(bytes.clone().freeze())))))
///     }
///
///     async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error> {
///         let mut uploads = self.uploads.lock().unwrap();
///         let (_, bytes) = uploads.get(upload).ok_or_else(missing)?;
///         if bytes.len() as u64 != content.size() {
///             return Err(Error::new(ErrorKind::Mismatch, "the upload has another size"));
///         }
///         if let Some((_, bytes)) = uploads.remove(upload) {
///             let mut held = self.content.lock().unwrap();
///             held.insert(content.digest().clone(), bytes.freeze());
///         }
///         Ok(())
///     }
///
///     async fn discard(&self, upload: &str) -> Result<(), Error> {
///         self.uploads.lock().unwrap().remove(upload);
///         Ok(())
///     }
///
///     async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
///         let uploads = self.uploads.lock().unwrap();
///         Ok(uploads.iter().map(|(id, (note, _))| (id.clone(), note.clone())).collect())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use wharf_reference::Algorithm;
/// let map = Map::default();
/// map.begin("a1", "").await?;
/// map.append("a1", 0, vec!["some ".into(), "content".into()]).await?;
/// map.finish("a1", &Verified::of(Algorithm::Sha256, b"some content")?).await?;
/// assert_eq!(map.length("a1").await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Uploads: Send + Sync + fmt::Debug {
    /// Begins an empty upload. The id is new and consists of lowercase hexadecimal digits; the note is one
    /// line of text, which is stored with the upload.
    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error>;

    /// Writes chunks at `offset`, in bytes. If the upload is longer than `offset`, it is first cut off there.
    ///
    /// # Errors
    ///
    /// Any, if the upload is shorter than `offset`; what has been written of the chunks before another error
    /// may stay.
    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error>;

    /// The length of an upload in bytes, or `None` if there is no such upload. These bytes need not survive a
    /// crash.
    async fn length(&self, upload: &str) -> Result<Option<u64>, Error>;

    /// Makes the appended bytes survive a crash, and returns how many bytes do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload.
    async fn flush(&self, upload: &str) -> Result<u64, Error>;

    /// Reads an upload from its first byte to its last.
    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error>;

    /// Makes an upload the content with this digest, and ends the upload. The caller has hashed the upload's
    /// bytes. The content survives a crash when this returns. If there is content with this digest already,
    /// it is replaced or kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`](wharf_content::ErrorKind::Mismatch) if the upload has another size,
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload.
    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error>;

    /// Drops an upload. Does nothing if there is no such upload.
    async fn discard(&self, upload: &str) -> Result<(), Error>;

    /// The ids and notes of all uploads. Only called when a registry opens.
    async fn uploads(&self) -> Result<Vec<(String, String)>, Error>;
}
