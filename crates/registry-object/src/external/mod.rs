//! Objects that another registry has written, where the registry's own are: they are read, and there is nothing here
//! that writes or deletes.

#[cfg(feature = "store")]
mod files;
mod read;

use std::{fmt, sync::Arc};

#[cfg(feature = "http")]
use object_store::signer::Signer;
use object_store::{ObjectStore, path::Path};

/// The whole storage of which a registry's store is a part, for reading what another registry has written there: a
/// bucket from its root, or the files of this machine. It is given to an
/// [`ObjectBackend`](crate::ObjectBackend) in [`ObjectOptions::external`](crate::ObjectOptions::external), and then
/// an import may leave blobs in place
/// ([`Import::with_in_place`](wharf_registry::Import::with_in_place)).
///
/// [`Store::external`](crate::Store::external) has that of a store.
#[derive(Clone)]
pub struct ExternalStore {
    address: Arc<str>,
    reader: Reader,
    /// Where the registry's own store begins in it.
    own: Arc<str>,
    #[cfg(feature = "http")]
    signer: Option<Arc<dyn Signer>>,
}

#[derive(Clone)]
enum Reader {
    Objects(Arc<dyn ObjectStore>),
    #[cfg(feature = "store")]
    Files,
}

impl ExternalStore {
    /// A bucket that the caller brings, under the address that errors and
    /// [`ExternalObject::store`](wharf_registry::ExternalObject::store) have. `own` is
    /// the path in it at which the registry's own store begins; empty if that is the whole bucket, too.
    pub fn new(address: impl Into<Arc<str>>, bucket: impl ObjectStore, own: &Path) -> Self {
        Self {
            address: address.into(),
            reader: Reader::Objects(Arc::new(bucket)),
            own: own.as_ref().into(),
            #[cfg(feature = "http")]
            signer: None,
        }
    }

    /// The files of this machine, beside a store in this directory.
    #[cfg(feature = "store")]
    pub(crate) fn files(own: &str) -> Self {
        Self {
            address: "file://".into(),
            reader: Reader::Files,
            own: own.into(),
            #[cfg(feature = "http")]
            signer: None,
        }
    }

    /// Sets what signs URLs of objects: the same bucket.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// The address, such as `s3://bucket`; `file://` for the files of this machine.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Debug for ExternalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalStore")
            .field("address", &self.address)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
