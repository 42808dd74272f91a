//! A directory as an object store.

use std::{fs, path::Path};

use object_store::local::LocalFileSystem;
use wharf_content::{Error, ErrorKind};

use super::{Store, StoreUrl};

/// Opens a directory, and makes it if it is not there. What is acknowledged is on the disk.
pub(super) fn open(url: &StoreUrl, path: &Path) -> Result<Store, Error> {
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            _ => ErrorKind::Storage,
        };
        let reason = error.kind();
        Error::new(kind, format!("cannot open the store {url}: {reason}")).with_source(error)
    };
    fs::create_dir_all(path).map_err(failed)?;
    let objects = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| super::error::failed(&url.to_string(), "open", "the directory", &error))?;
    Ok(Store::new(url.to_string(), objects.with_fsync(true)))
}
