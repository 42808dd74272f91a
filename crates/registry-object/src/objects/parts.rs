//! Objects that are too large for one request.

use object_store::{MultipartUpload, PutPayload};
use tokio::task::JoinSet;
use wharf_content::{Error, ErrorKind};

use super::error::failed_write;

/// The most parts of one object that are sent at once.
const AT_ONCE: usize = 2;

/// An object that is written in parts, of which all but the last have one size. Nothing of it is visible before it is complete.
///
/// Dropped, the requests under way are given up; what the store has received of it is removed by the store, by the
/// rule for incomplete uploads that its operator has set.
pub(crate) struct Parts {
    upload: Box<dyn MultipartUpload>,
    sending: JoinSet<object_store::Result<()>>,
}

impl Parts {
    pub(super) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self {
            upload,
            sending: JoinSet::new(),
        }
    }

    /// Begins to send the next part; waits until few are under way.
    pub(crate) async fn send(&mut self, part: PutPayload) -> Result<(), Error> {
        while self.sending.len() >= AT_ONCE {
            self.wait_for_one().await?;
        }
        self.sending.spawn(self.upload.put_part(part));
        Ok(())
    }

    /// Waits for all parts, and makes the object visible.
    pub(crate) async fn complete(mut self) -> Result<(), Error> {
        let completed = self.try_complete().await;
        if completed.is_err() {
            self.abort().await;
        }
        completed
    }

    /// Gives the object up.
    pub(crate) async fn abort(mut self) {
        self.sending.shutdown().await;
        // What stays is removed by the store's rule for incomplete uploads.
        let _ = self.upload.abort().await;
    }

    async fn try_complete(&mut self) -> Result<(), Error> {
        while !self.sending.is_empty() {
            self.wait_for_one().await?;
        }
        let completed = self.upload.complete().await;
        completed
            .map(drop)
            .map_err(|failure| failed_write("complete an object", &failure))
    }

    async fn wait_for_one(&mut self) -> Result<(), Error> {
        match self.sending.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(failure))) => Err(failed_write("write a part of an object", &failure)),
            Some(Err(_)) => Err(Error::new(ErrorKind::Cancelled, "the runtime is shutting down")),
        }
    }
}
