use std::{fmt, sync::Arc};

use async_trait::async_trait;
use object_store::{GetOptions, ObjectStore, path::Path};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_registry::{ExternalObject, KeyTree, Listing};

use super::error;

/// The objects of a store below a path, as a tree that a registry is imported from
/// ([`Import::from_tree`](wharf_registry::Import::from_tree)). For what Docker's registry has in a bucket, the path
/// ends with `docker/registry/v2`, and [`ObjectTree::find`] looks for it. Blobs can stay in place if the tree is that of
/// the registry's own bucket, which [`ExternalStore::tree`](crate::ExternalStore::tree) gives.
///
/// ```
/// use std::sync::Arc;
///
/// use object_store::memory::InMemory;
/// use wharf_registry::{Import, Registry};
/// use wharf_registry_object::ObjectTree;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let bucket = Arc::new(InMemory::new());
/// let tree = ObjectTree::new(bucket, "docker/registry/v2")?;
/// let report = Import::from_tree(tree).run(&Registry::memory()).await?;
/// assert_eq!(report.repositories, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ObjectTree {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// The address of the bucket, if the registry's own store is in it.
    address: Option<Arc<str>>,
}

impl ObjectTree {
    /// The objects below this path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the path has empty parts, or parts that are `.` or `..`.
    pub fn new(store: Arc<dyn ObjectStore>, path: &str) -> Result<Self, Error> {
        let root = Path::parse(path)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("the path of the registry: {error}")))?;
        Ok(Self {
            store,
            root,
            address: None,
        })
    }

    /// The tree in which Docker's registry has its repositories: `docker/registry/v2` below the path of this one, as its
    /// configuration names it (`rootdirectory`), or this one; `None` if neither has any.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn find(self) -> Result<Option<Self>, Error> {
        for below in ["docker/registry/v2", ""] {
            let mut tree = self.clone();
            tree.root = self.at(below)?;
            let repositories = tree.children("repositories").await?.all().await?;
            if !repositories.is_empty() {
                return Ok(Some(tree));
            }
        }
        Ok(None)
    }

    pub(crate) fn with_address(mut self, address: &Arc<str>) -> Self {
        self.address = Some(Arc::clone(address));
        self
    }

    fn at(&self, key: &str) -> Result<Path, Error> {
        let key = Path::parse(key).map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
        Ok(self.root.parts().chain(key.parts()).collect())
    }
}

impl fmt::Debug for ObjectTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectTree")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyTree for ObjectTree {
    async fn children(&self, key: &str) -> Result<Listing<String>, Error> {
        let found = self.store.list_with_delimiter(Some(&self.at(key)?)).await;
        let found = found.map_err(|failure| error::failed("list objects", &failure))?;
        let objects = found.objects.into_iter().map(|object| object.location);
        let names = found.common_prefixes.into_iter().chain(objects);
        let names = names.filter_map(|path| path.filename().map(str::to_owned));
        Ok(names.collect::<Vec<_>>().into())
    }

    async fn open(&self, key: &str) -> Result<Option<(u64, ByteStream)>, Error> {
        match self.store.get_opts(&self.at(key)?, GetOptions::default()).await {
            Ok(found) => {
                let size = found.meta.size;
                Ok(Some((size, super::bytes_of(found))))
            }
            Err(failure) => match error::failed("read an object", &failure) {
                // Of a bucket that is not there the error is another one.
                error if error.kind() == ErrorKind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    fn locate(&self, key: &str) -> Option<ExternalObject> {
        let address = self.address.as_ref()?;
        let path = self.at(key).ok()?;
        Some(ExternalObject::new(&**address, path.as_ref()))
    }
}
