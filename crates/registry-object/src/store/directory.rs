//! A directory as an object store.

use std::{fs, path::Path};

use object_store::local::LocalFileSystem;
use wharf_content::Error;

use super::{Store, StoreUrl};
#[cfg(feature = "postgres")]
use crate::ExternalStore;
use crate::store_error;

/// Opens a directory, and makes it if it is not there. What is acknowledged is on the disk.
pub(super) fn open(url: &StoreUrl, path: &Path) -> Result<Store, Error> {
    let failed = |error: std::io::Error| {
        let (kind, reason) = (store_error::io_kind(error.kind()), error.kind());
        Error::new(kind, format!("the store {url} cannot be opened: {reason}")).with_source(error)
    };
    fs::create_dir_all(path).map_err(failed)?;
    let objects = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| store_error::failed_at(&url.to_string(), "open", "the directory", &error))?;
    let store = Store::new(url.to_string(), objects.with_fsync(true));
    #[cfg(feature = "postgres")]
    let store = match fs::canonicalize(path).map_err(failed)?.to_str() {
        Some(real) => store.with_external(ExternalStore::files(real)),
        None => store, // no key names a file beside it
    };
    Ok(store)
}
