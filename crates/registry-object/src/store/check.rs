//! The operations that a registry needs of a store, tried when the store is opened.

use futures_util::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};
use wharf_content::{Error, ErrorKind};

use super::Store;

/// Where the objects of checks are, below the prefix of the store.
const DIRECTORY: &str = "v1/check";
/// The bytes of the object that is written and read.
const SIZE: usize = 1024;
/// The bytes that are read alone.
const RANGE: std::ops::Range<u64> = 100..300;

impl Store {
    /// Checks what a registry needs: what is written can be read at once, whole and in part, is listed and can be deleted; an absent
    /// object is told as absent; an upload in parts shows its object when it is completed and not before. It makes at
    /// most 13 requests, and removes the objects that it made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the store answers falsely; otherwise what the failed request says: no connection, a key
    /// that is refused, a bucket that does not exist, a right that is missing.
    pub async fn check(&self) -> Result<(), Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| {
            Error::new(
                ErrorKind::Other,
                format!("the system gives no random bytes: {error}"),
            )
        })?;
        let name = format!("{DIRECTORY}/{:032x}", u128::from_le_bytes(nonce));
        let (whole, parts) = (Path::from(name.as_str()), Path::from(format!("{name}-parts")));
        let checked = self.check_objects(&whole, &parts).await;
        for made in [&whole, &parts] {
            if checked.is_err() {
                let _ = self.objects.delete(made).await; // the first failure is the one to tell
            }
        }
        checked
    }

    async fn check_objects(&self, whole: &Path, parts: &Path) -> Result<(), Error> {
        self.expect_absent(whole, "before it was written").await?;
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(SIZE).collect();
        let payload = PutPayload::from(bytes.clone());
        let put = self.objects.put(whole, payload).await;
        put.map_err(|error| self.failed("write", "an object of its check", &error))?;
        self.expect_bytes(whole, &bytes).await?;
        self.expect_range(whole, &bytes).await?;
        self.expect_listed(whole).await?;
        self.remove(whole).await?;
        if let Some(multipart) = &self.multipart {
            let failed = |error| self.failed("upload in parts", "an object of its check", &error);
            let id = multipart.create_multipart(parts).await.map_err(failed)?;
            let part = multipart.put_part(parts, &id, 0, PutPayload::from(bytes.clone()));
            let part = part.await.map_err(failed)?;
            self.expect_absent(parts, "before its upload was completed")
                .await?;
            let completed = multipart.complete_multipart(parts, &id, vec![part]).await;
            completed.map_err(failed)?;
            self.expect_bytes(parts, &bytes).await?;
            self.remove(parts).await?;
        }
        Ok(())
    }

    async fn expect_absent(&self, object: &Path, when: &str) -> Result<(), Error> {
        match self.objects.head(object).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("look up", "an object that is not there", &error)),
            Ok(_) => Err(self.lies(&format!("it has an object {when}"))),
        }
    }

    async fn expect_bytes(&self, object: &Path, expected: &[u8]) -> Result<(), Error> {
        let read = async { self.objects.get(object).await?.bytes().await };
        match read.await {
            Ok(bytes) if bytes == expected => Ok(()),
            Ok(_) => Err(self.lies("it returns other bytes than were written")),
            Err(object_store::Error::NotFound { .. }) => {
                Err(self.lies("an object that was written cannot be read at once"))
            }
            Err(error) => Err(self.failed("read", "an object of its check", &error)),
        }
    }

    async fn expect_range(&self, object: &Path, whole: &[u8]) -> Result<(), Error> {
        let wanted = usize::try_from(RANGE.start)
            .ok()
            .zip(usize::try_from(RANGE.end).ok());
        let wanted = wanted.and_then(|(from, to)| whole.get(from..to));
        match self.objects.get_range(object, RANGE).await {
            Ok(bytes) if Some(bytes.as_ref()) == wanted => Ok(()),
            Ok(_) => Err(self.lies("a range of an object has other bytes than were asked for")),
            Err(error) => Err(self.failed("read a part of", "an object of its check", &error)),
        }
    }

    async fn expect_listed(&self, object: &Path) -> Result<(), Error> {
        let directory = Path::from(DIRECTORY);
        let mut listed = self.objects.list(Some(&directory));
        loop {
            match listed.try_next().await {
                Ok(Some(found)) if found.location == *object && found.size == SIZE as u64 => return Ok(()),
                Ok(Some(found)) if found.location == *object => {
                    return Err(self.lies("a listing has another size than the object"));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(self.lies("an object that was written is not listed at once")),
                Err(error) => return Err(self.failed("list", "the objects of its check", &error)),
            }
        }
    }

    async fn remove(&self, object: &Path) -> Result<(), Error> {
        let deleted = self.objects.delete(object).await;
        deleted.map_err(|error| self.failed("delete", "an object of its check", &error))?;
        self.expect_absent(object, "after it was deleted").await
    }

    fn lies(&self, what: &str) -> Error {
        let message =
            format!("the store {self} cannot hold a registry: {what}; use a store that is consistent");
        Error::new(ErrorKind::Unsupported, message)
    }
}
