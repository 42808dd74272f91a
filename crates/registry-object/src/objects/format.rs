//! The object that ties a store to a registry.

use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use wharf_content::{Error, ErrorKind};

use super::{
    Objects,
    error::{failed, failed_write},
};

/// The most bytes that are read of the object that ties a store to a registry.
const MAX_FORMAT: u64 = 64 * 1024;

/// The content of `v1/format`. Members that are not known are ignored.
#[derive(Serialize, Deserialize)]
struct Found {
    reader: u32,
    writer: u32,
    /// 32 hexadecimal digits.
    registry: String,
}

/// The format of a store.
struct Format {
    /// The oldest version that a process must know to read the objects.
    reader: u32,
    /// The oldest version that a process must know to write objects.
    writer: u32,
    /// The id of the registry.
    registry: u128,
}

impl Objects {
    /// Checks that the store belongs to the registry, and makes it the registry's if it belongs to none and `may_begin`.
    pub(crate) async fn check_format(&self, may_begin: bool) -> Result<(), Error> {
        let begun = Instant::now();
        self.begin(may_begin).await?;
        self.presence.note(begun, &Ok(()));
        Ok(())
    }

    async fn begin(&self, may_begin: bool) -> Result<(), Error> {
        let path = self.below(["v1", "format"]);
        if let Some(found) = self.format().await? {
            return self.accept(&found);
        }
        if !may_begin {
            let message = format!(
                "the store has no {path}, and the database has content in objects: this is another store than the registry's, or it has been emptied"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let format = Found {
            reader: self.layout,
            writer: self.layout,
            registry: format!("{:032x}", self.registry),
        };
        let bytes = serde_json::to_vec(&format).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&path, PutPayload::from(bytes), options).await {
            // Another process was faster, or an answer was lost: the object tells.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(failure) => return Err(failed_write("write the format of the store", &failure)),
        }
        if let Some(found) = self.format().await? {
            return self.accept(&found);
        }
        let message = format!("the store does not return {path}, which was just written");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Checks that the store is still the registry's. In a directory that is not mounted, or a bucket that was emptied or
    /// replaced, there is no object, and nothing is known of the registry's objects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Network`] if it is not; those of the store.
    pub(crate) async fn check_presence(&self) -> Result<(), Error> {
        self.belongs().await?.map_err(|error| away(&error))
    }

    /// As [`Objects::check_presence`], by a look of this process that began at most a few seconds ago, so that pushes
    /// ask the store nothing that others have asked.
    pub(crate) async fn check_lately(&self) -> Result<(), Error> {
        self.presence.lately(self.check_presence()).await
    }

    /// Whether the store, which had a format when it was opened, is still the registry's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Network`] if there is no format that can be read; those of the store.
    pub(crate) async fn belongs(&self) -> Result<Result<(), Error>, Error> {
        let begun = Instant::now();
        let format = self.present_format().await;
        let belongs = format.map(|format| self.accept(&format));
        let known = match &belongs {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(away(error)),
            Err(error) => Err(Error::new(error.kind(), error.to_string())),
        };
        self.presence.note(begun, &known);
        belongs
    }

    async fn present_format(&self) -> Result<Format, Error> {
        match self.format().await {
            Ok(Some(format)) => Ok(format),
            Ok(None) => {
                let path = self.below(["v1", "format"]);
                Err(away(&format!(
                    "it has no {path}, which it had before; mount the directory, or check the bucket"
                )))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Storage) => {
                Err(away(&error))
            }
            Err(error) => Err(error),
        }
    }

    /// The format of the store, if it has one.
    async fn format(&self) -> Result<Option<Format>, Error> {
        const DOING: &str = "read the format of the store";
        let path = self.below(["v1", "format"]);
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(failure) => return Err(failed(DOING, &failure)),
        };
        let corrupt = |reason: &dyn std::fmt::Display| {
            let message = format!("{path} of the store cannot be read: {reason}");
            Error::new(ErrorKind::Corrupt, message)
        };
        if found.meta.size > MAX_FORMAT {
            return Err(corrupt(&"it is too large"));
        }
        let bytes = found.bytes().await.map_err(|failure| failed(DOING, &failure))?;
        let found: Found = serde_json::from_slice(&bytes).map_err(|error| corrupt(&error))?;
        let id = u128::from_str_radix(&found.registry, 16).map_err(|error| corrupt(&error))?;
        Ok(Some(Format {
            reader: found.reader,
            writer: found.writer,
            registry: id,
        }))
    }

    /// Fails unless a store with this format belongs to the registry, and this release may read and write it.
    fn accept(&self, format: &Format) -> Result<(), Error> {
        if format.registry != self.registry {
            let message = format!(
                "the store belongs to registry {:032x}, and the database to registry {:032x}: one of the two is another registry's",
                format.registry, self.registry
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let layout = self.layout;
        let needed = format.writer.max(format.reader);
        if needed > layout {
            let message = format!(
                "the store has a layout that no release before version {needed} may write, and this release has version {layout}: run a newer release"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }
}

/// For clients as a store that does not answer.
fn away(reason: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("the object store cannot be reached: {reason}"),
    )
}
