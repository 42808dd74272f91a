//! The object that ties a store to a registry.

use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use wharf_content::{Error, ErrorKind};

use super::{Objects, error::failed};

/// The version of the layout that this release writes.
const VERSION: u32 = 1;
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
pub(crate) struct Format {
    /// The oldest version that a process must know to read the objects.
    reader: u32,
    /// The oldest version that a process must know to write objects.
    writer: u32,
    /// The id of the registry.
    registry: u128,
}

impl Objects {
    /// Checks that the store belongs to the registry with this id, and makes it the registry's if it belongs to
    /// none and `may_begin`.
    pub(crate) async fn check_format(&self, registry: u128, may_begin: bool) -> Result<(), Error> {
        let path = self.below(["v1", "format"]);
        if let Some(found) = self.format().await? {
            return found.check(registry);
        }
        if !may_begin {
            let message = format!(
                "the store has no {path}, and the database has content in objects: this is another store than the registry's, or it has been emptied"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let format = Found {
            reader: VERSION,
            writer: VERSION,
            registry: format!("{registry:032x}"),
        };
        let bytes = serde_json::to_vec(&format).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&path, PutPayload::from(bytes), options).await {
            // Another process was faster, or an answer was lost: the object tells.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(failure) => return Err(failed("write the format of the store", &failure)),
        }
        if let Some(found) = self.format().await? {
            return found.check(registry);
        }
        let message = format!("the store does not return {path}, which was just written");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The format of the store, if it has one.
    pub(crate) async fn format(&self) -> Result<Option<Format>, Error> {
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
}

impl Format {
    /// Fails unless the store belongs to the registry with this id, and this release may read and write it.
    pub(crate) fn check(&self, registry: u128) -> Result<(), Error> {
        if self.registry != registry {
            let message = format!(
                "the store belongs to registry {:032x}, and the database to registry {registry:032x}: one of the two is another registry's",
                self.registry
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.reader > VERSION || self.writer > VERSION {
            let message = format!(
                "the store has a layout that no release before version {} may write, and this release has version {VERSION}: run a newer release",
                self.writer.max(self.reader)
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }
}
