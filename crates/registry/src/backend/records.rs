use std::fmt;

use async_trait::async_trait;
use wharf_content::Error;

use super::{Change, Record};
use crate::{Listing, RepositoryPath};

/// The links of each repository: blobs, manifests and tags, as small records.
///
/// A registry reads all records when it opens, keeps them in memory, and commits every change before it
/// acknowledges it. It never has two commits for one manifest or tag under way; commits for different
/// repositories, and for blobs of one repository, overlap.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use async_trait::async_trait;
/// use wharf_content::Error;
/// use wharf_registry::{Change, Listing, Record, RecordKey, Records, RepositoryPath};
///
/// #[derive(Debug, Default)]
/// struct Map(Mutex<HashMap<(RepositoryPath, RecordKey), Record>>);
///
/// #[async_trait]
/// impl Records for Map {
///     async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error> {
///         let map = self.0.lock().unwrap();
///         let records = map.iter().map(|((path, _), record)| (path.clone(), record.clone()));
///         Ok(records.collect::<Vec<_>>().into())
///     }
///
///     async fn commit(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error> {
///         let mut map = self.0.lock().unwrap();
///         for change in changes {
///             match change {
///                 Change::Put(record) => map.insert((repository.clone(), record.key()), record.clone()),
///                 Change::Remove(key) => map.remove(&(repository.clone(), key.clone())),
///             };
///         }
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use wharf_registry::BlobRecord;
/// # use wharf_reference::Digest;
/// # let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64)))?;
/// let map = Map::default();
/// let record = Record::Blob(digest, BlobRecord::new(7));
/// map.commit(&RepositoryPath::parse("lib/app")?, &[Change::Put(record)]).await?;
/// assert_eq!(map.records().await?.all().await?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Records: Send + Sync + fmt::Debug {
    /// Lists the records of all repositories, in any order. Only called when a registry opens, before the
    /// first commit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) for a record that cannot be read, here or from
    /// the listing; those of the storage.
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error>;

    /// Makes the changes in one repository, in order, all of them or none. They survive a crash when this
    /// returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSpace`](wharf_content::ErrorKind::NoSpace) on a full disk; those of the storage. Nothing has
    /// changed then.
    async fn commit(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error>;

    /// Reports whether changes can be committed. Must not wait. By default nothing is known to fail.
    ///
    /// # Errors
    ///
    /// The reason why no change can be committed until the storage works again. A failure of one call alone,
    /// as on a full disk, is not reported here.
    fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}
