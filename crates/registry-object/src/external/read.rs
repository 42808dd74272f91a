//! Reading of external objects.

use std::{ops::Range, sync::Arc};

use object_store::{ObjectStoreExt as _, path::Path};
use wharf_content::{Error, ErrorKind};

use super::{ExternalStore, Reader};
use crate::{
    ObjectTree,
    objects::{OpenObject, open},
    store_error,
};

impl ExternalStore {
    /// The tree of what Docker's registry has written below a path of the bucket, for an import that may leave blobs in place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a path that no object has; [`ErrorKind::Unsupported`] for the files of this machine, which
    /// [`Import::open`](wharf_registry::Import::open) reads.
    pub fn tree(&self, path: &str) -> Result<ObjectTree, Error> {
        match &self.reader {
            Reader::Objects(bucket) => {
                Ok(ObjectTree::new(Arc::clone(bucket), path)?.with_address(&self.address))
            }
            #[cfg(feature = "store")]
            Reader::Files => {
                let message = "a directory is imported by its path, not as a bucket";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// The size of an object; `None` if there is none.
    pub(crate) async fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        match &self.reader {
            Reader::Objects(bucket) => match bucket.head(&path(key)?).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(failure) => Err(store_error::failed("look an external object up", &failure)),
            },
            #[cfg(feature = "store")]
            Reader::Files => match super::files::size(key).await {
                Ok(size) => Ok(Some(size)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Opens bytes of an object, of which there is at least one.
    pub(crate) async fn open(&self, key: &str, range: Range<u64>) -> Result<OpenObject, Error> {
        match &self.reader {
            Reader::Objects(bucket) => open(bucket, &path(key)?, range).await,
            #[cfg(feature = "store")]
            Reader::Files => super::files::open(key, range).await,
        }
    }

    /// A URL for GET of an object; `None` without a signer.
    #[cfg(feature = "http")]
    pub(crate) async fn signed_url(
        &self,
        key: &str,
        lifetime: std::time::Duration,
    ) -> Result<Option<url::Url>, Error> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let signed = signer.signed_url(http::Method::GET, &path(key)?, lifetime).await;
        signed
            .map(Some)
            .map_err(|failure| store_error::failed("sign a URL", &failure))
    }

    /// The key of what the registry's own store has at a path.
    pub(crate) fn key_of(&self, path: &Path) -> String {
        match (&*self.own, path.as_ref()) {
            ("", path) => path.to_owned(),
            (own, "") => own.to_owned(),
            (own, path) => format!("{own}/{path}"),
        }
    }
}

fn path(key: &str) -> Result<Path, Error> {
    let no_key = |_| {
        let message = "the database names an external object by a key that no object has";
        Error::new(ErrorKind::Corrupt, message)
    };
    Path::parse(key).map_err(no_key)
}
