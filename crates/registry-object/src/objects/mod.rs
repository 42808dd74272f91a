//! The objects of a store: their names, and the requests that are made about them.

mod deletion;
mod format;
mod listing;
mod parts;
mod tree;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload,
    path::{Path, PathPart},
};
use wharf_content::{ByteStream, Error, ErrorKind};

pub(crate) use self::parts::Parts;
pub use self::tree::ObjectTree;
use crate::store_error as error;

/// The most requests that are made at once for the objects of one request.
const AT_ONCE: usize = 8;

/// The objects of a registry in a store. The name of one is 32 hexadecimal digits, drawn at random and never used
/// for other bytes; the object lies at `v1/data/<the first two digits>/<name>` below the prefix.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

/// Without the store, whose own `Debug` may print the keys of a cloud.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// An object that is being read.
pub(crate) struct OpenObject {
    /// The size of the whole object.
    pub(crate) size: u64,
    pub(crate) bytes: ByteStream,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, Error> {
        let prefix = Path::parse(prefix)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("the prefix of the objects: {error}")))?;
        Ok(Self { store, prefix })
    }

    /// A name that no object has or had.
    pub(crate) fn new_name() -> Result<String, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            let message = format!("the operating system returned no random bytes: {error}");
            Error::new(ErrorKind::Other, message)
        })?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The path of an object.
    pub(crate) fn path(&self, object: &str) -> Path {
        let shard = object.get(..2).unwrap_or(object);
        self.below(["v1", "data", shard, object])
    }

    fn below<'a, const N: usize>(&'a self, parts: [&'a str; N]) -> Path {
        self.prefix.parts().chain(parts.map(PathPart::from)).collect()
    }

    /// Writes an object that is held in memory. A put may be repeated, since no other bytes get this name.
    pub(crate) async fn put(&self, object: &str, bytes: Vec<Bytes>) -> Result<(), Error> {
        let payload: PutPayload = bytes.into_iter().collect();
        let put = self.store.put(&self.path(object), payload).await;
        put.map(drop)
            .map_err(|failure| error::failed("write an object", &failure))
    }

    /// Begins an object that is written in parts.
    pub(crate) async fn put_parts(&self, object: &str) -> Result<Parts, Error> {
        let begun = self.store.put_multipart(&self.path(object)).await;
        let begun = begun.map_err(|failure| error::failed("begin an object", &failure))?;
        Ok(Parts::new(begun))
    }

    /// The size of an object; `None` if there is none.
    pub(crate) async fn size(&self, object: &str) -> Result<Option<u64>, Error> {
        match self.store.head(&self.path(object)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(failure) => Err(error::failed("look an object up", &failure)),
        }
    }

    /// Whether all these objects are there with these sizes.
    pub(crate) async fn are_there(&self, objects: &[String], sizes: &[u64]) -> Result<bool, Error> {
        let looked_up = objects
            .iter()
            .zip(sizes)
            .map(|(object, size)| async move { Ok::<_, Error>(self.size(object).await? == Some(*size)) });
        let looked_up: Vec<_> = looked_up.collect();
        stream::iter(looked_up)
            .buffer_unordered(AT_ONCE)
            .try_all(async |there| there)
            .await
    }

    /// Opens bytes of an object, of which there is at least one.
    pub(crate) async fn open(&self, object: &str, range: Range<u64>) -> Result<OpenObject, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let opened = self.store.get_opts(&self.path(object), options).await;
        let opened = opened.map_err(|failure| error::failed("read an object", &failure))?;
        let size = opened.meta.size;
        let bytes = opened.into_stream();
        let bytes = bytes.map_err(|failure| error::failed("read an object", &failure));
        Ok(OpenObject {
            size,
            bytes: Box::pin(bytes),
        })
    }
}
