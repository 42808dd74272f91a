//! The objects of a store: their names, and the requests that are made about them.

mod deletion;
pub(crate) mod file;
mod format;
mod listing;
mod parts;
mod presence;
mod tree;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt as _, PutPayload,
    path::{Path, PathPart},
};
use wharf_content::{ByteStream, Error, ErrorKind};

pub(crate) use self::parts::Parts;
use self::presence::Presence;
pub use self::tree::ObjectTree;
use crate::{
    ExternalStore,
    content::pieces::{Location, Pieces},
    store_error as error,
};

/// The most requests that are made at once for the objects of one request.
const AT_ONCE: usize = 8;

/// The objects of a registry in a store. The name of one is 32 hexadecimal digits, drawn at random and never used
/// for other bytes; the object lies at `v1/data/<the first two digits>/<name>` below the prefix.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    external: Option<ExternalStore>,
    /// The id of the registry.
    registry: u128,
    presence: Arc<Presence>,
    /// The version of the layout that this process writes.
    layout: u32,
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
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        external: Option<ExternalStore>,
        registry: u128,
        layout: u32,
    ) -> Result<Self, Error> {
        let prefix = Path::parse(prefix)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("the prefix of the objects: {error}")))?;
        Ok(Self {
            store,
            prefix,
            external,
            registry,
            presence: Arc::default(),
            layout,
        })
    }

    /// The whole bucket, for reading what another registry has written.
    pub(crate) fn external(&self) -> Result<&ExternalStore, Error> {
        let message = "content lies in an object of another registry, and this process has not been told the bucket that has it";
        let external = self.external.as_ref();
        external.ok_or_else(|| Error::new(ErrorKind::Unsupported, message))
    }

    /// The path below which the registry's own objects are.
    pub(crate) fn own_path(&self) -> Path {
        self.below(["v1"])
    }

    /// The key in the whole bucket below which the registry's own objects are.
    pub(crate) fn own_key(&self) -> Result<String, Error> {
        Ok(self.external()?.key_of(&self.own_path()))
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
            .map_err(|failure| error::failed_write("write an object", &failure))
    }

    /// Begins an object that is written in parts.
    pub(crate) async fn put_parts(&self, object: &str) -> Result<Parts, Error> {
        let begun = self.store.put_multipart(&self.path(object)).await;
        let begun = begun.map_err(|failure| error::failed_write("begin an object", &failure))?;
        Ok(Parts::new(begun))
    }

    async fn own_size(&self, object: &str) -> Result<Option<u64>, Error> {
        match self.store.head(&self.path(object)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(failure) => Err(error::failed("look an object up", &failure)),
        }
    }

    /// The size of an object, the registry's own or not; `None` if there is none. Of a store that is not the registry's any
    /// more it is not known ([`Objects::check_presence`]), so that an object which seems to be absent is looked up once more.
    pub(crate) async fn size(&self, location: &Location) -> Result<Option<u64>, Error> {
        if let Some(size) = self.look_up(location).await? {
            return Ok(Some(size));
        }
        self.check_presence().await?;
        self.look_up(location).await
    }

    async fn look_up(&self, location: &Location) -> Result<Option<u64>, Error> {
        match location {
            Location::Own(object) => self.own_size(object).await,
            Location::External(key) => self.external()?.size(key).await,
        }
    }

    /// Whether all these objects are there with these sizes.
    pub(crate) async fn are_there(&self, pieces: &Pieces) -> Result<bool, Error> {
        let looked_up = pieces
            .locations()
            .map(|(at, size)| async move { Ok::<_, Error>(self.size(&at).await? == Some(size)) });
        let looked_up: Vec<_> = looked_up.collect();
        stream::iter(looked_up)
            .buffer_unordered(AT_ONCE)
            .try_all(async |there| there)
            .await
    }

    /// Opens bytes of an object, of which there is at least one. The error is [`ErrorKind::NotFound`] only if the store is
    /// the registry's, as with [`Objects::size`].
    pub(crate) async fn open(&self, location: &Location, range: Range<u64>) -> Result<OpenObject, Error> {
        match self.try_open(location, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.check_presence().await?;
                self.try_open(location, range).await
            }
            opened => opened,
        }
    }

    async fn try_open(&self, location: &Location, range: Range<u64>) -> Result<OpenObject, Error> {
        match location {
            Location::Own(object) => open(&self.store, &self.path(object), range).await,
            Location::External(key) => self.external()?.open(key, range).await,
        }
    }
}

/// Opens bytes of an object, of which there is at least one.
pub(crate) async fn open(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    range: Range<u64>,
) -> Result<OpenObject, Error> {
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        ..GetOptions::default()
    };
    let opened = store.get_opts(path, options).await;
    let opened = opened.map_err(|failure| error::failed("read an object", &failure))?;
    let size = opened.meta.size;
    Ok(OpenObject {
        size,
        bytes: bytes_of(opened),
    })
}

/// The bytes of an object that was opened.
fn bytes_of(opened: GetResult) -> ByteStream {
    match opened.payload {
        GetResultPayload::File(opened_file, _) => file::read(opened_file, opened.range),
        GetResultPayload::Stream(bytes) => {
            Box::pin(bytes.map_err(|failure| error::failed("read an object", &failure)))
        }
    }
}
