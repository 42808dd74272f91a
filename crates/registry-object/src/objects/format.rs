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
struct Format {
    /// The oldest version that a process must know to read the objects.
    reader: u32,
    /// The oldest version that a process must know to write objects.
    writer: u32,
    /// The id of the registry, 32 hexadecimal digits.
    registry: String,
}

impl Objects {
    /// Checks that the store belongs to the registry with this id, and makes it the registry's if it belongs to
    /// none and `may_begin`.
    pub(crate) async fn check_format(&self, registry: u128, may_begin: bool) -> Result<(), Error> {
        let path = self.below(["v1", "format"]);
        if self.find_format(registry).await? {
            return Ok(());
        }
        if !may_begin {
            let message = format!(
                "the store has no {path}, and the database has content in objects: this is another store than the registry's, or it has been emptied"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let format = Format {
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
        if self.find_format(registry).await? {
            return Ok(());
        }
        let message = format!("the store does not return {path}, which was just written");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Whether the store answers.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        match self.store.head(&self.below(["v1", "format"])).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failed("look up the format of the store", &failure)),
        }
    }

    /// Whether the store has a format, which must be that of the registry with this id.
    async fn find_format(&self, registry: u128) -> Result<bool, Error> {
        const DOING: &str = "read the format of the store";
        let path = self.below(["v1", "format"]);
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(failure) => return Err(failed(DOING, &failure)),
        };
        let corrupt = |reason: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Corrupt,
                format!("{path} of the store cannot be read: {reason}"),
            )
        };
        if found.meta.size > MAX_FORMAT {
            return Err(corrupt(&"it is too large"));
        }
        let bytes = found.bytes().await.map_err(|failure| failed(DOING, &failure))?;
        let format: Format = serde_json::from_slice(&bytes).map_err(|error| corrupt(&error))?;
        let id = u128::from_str_radix(&format.registry, 16).map_err(|error| corrupt(&error))?;
        if id != registry {
            let message = format!(
                "the store belongs to registry {id:032x}, and the database to registry {registry:032x}: one of the two is another registry's"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if format.reader > VERSION || format.writer > VERSION {
            let message = format!(
                "the store has a layout that no release before version {} may write, and this release has version {VERSION}: run a newer release",
                format.writer.max(format.reader)
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(true)
    }
}
