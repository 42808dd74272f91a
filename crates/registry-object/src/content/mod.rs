//! Content: rows that hold the bytes of manifests, and name the objects that hold those of blobs.

mod external;
mod link;
pub(crate) mod pieces;
mod place;
#[cfg(feature = "http")]
mod signed;

use std::{collections::HashSet, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_postgres::Row;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};
use wharf_registry::{Commit, Content, NewContent, Outcome, RepositoryPath, StoredContent};

use self::pieces::Pieces;
pub(crate) use self::place::{Placed, Placing};
use crate::{
    ObjectBackend,
    database::{Statement, Value},
    records::row::{column, damaged, size},
};

const PRESENT: &str = "SELECT id, digest, size FROM contents WHERE id = ANY ($1) AND quarantined IS NULL";
const LOOK_UP: &str = "SELECT id, bytes, objects, external_key, sizes FROM contents
     WHERE id = $1 AND digest = $2 AND size = $3 AND quarantined IS NULL";
/// A row has the same bytes as long as it is there, and what heals content makes another row: the number alone says what was read.
const QUARANTINE: &str = "UPDATE contents SET quarantined = now() WHERE id = $1 AND quarantined IS NULL";

/// A content that was looked up.
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) place: Place,
}

pub(crate) enum Place {
    Row(Vec<u8>),
    Objects(Pieces),
}

impl Place {
    /// The place of content of so many bytes, in a row with the columns of [`LOOK_UP`].
    fn of(row: &Row, size: u64) -> Result<Self, Error> {
        if let Some(bytes) = column::<Option<Vec<u8>>>(row, 1)? {
            return Ok(Self::Row(bytes));
        }
        let pieces = Pieces::of(column(row, 2)?, column(row, 3)?, column(row, 4)?)?;
        if pieces.size() != size {
            let reason = format!("they have {} bytes and not {size}", pieces.size());
            return Err(damaged("objects of a content", &reason));
        }
        Ok(Self::Objects(pieces))
    }
}

/// The number of the row that a content is in, if it has one.
pub(crate) fn number(content: &StoredContent) -> Option<i64> {
    content.id.as_ref()?.as_str().parse().ok()
}

#[async_trait]
impl Content for ObjectBackend {
    async fn are_present(&self, contents: &[StoredContent]) -> Result<Vec<bool>, Error> {
        let numbers = contents.iter().filter_map(number).collect();
        let statement = Statement::new("look content up", PRESENT, [Value::Integers(numbers)]);
        let rows = statement.run(&**self.database()).await?;
        let mut present = HashSet::with_capacity(rows.len());
        for row in &rows {
            let digest: &str = column(row, 1)?;
            present.insert((column::<i64>(row, 0)?, digest, column::<i64>(row, 2)?));
        }
        let is_present = |content: &StoredContent| {
            let key = number(content).zip(size(content.size).ok());
            key.is_some_and(|(id, size)| present.contains(&(id, content.digest.as_str(), size)))
        };
        Ok(contents.iter().map(is_present).collect())
    }

    async fn probe(&self, content: &StoredContent) -> Result<bool, Error> {
        let Some(found) = self.find(content).await? else {
            return Ok(false);
        };
        self.is_there(&found).await
    }

    async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<ByteStream, Error> {
        let found = self.find(content).await?.ok_or_else(|| missing(content))?;
        let (from, to) = (range.start, range.end.min(content.size));
        match found.place {
            Place::Row(bytes) => {
                if Hasher::digest(content.digest.algorithm(), &bytes)? != content.digest {
                    self.quarantine_content(found.id).await?;
                    let message = format!("the database holds other bytes than those of {}", content.digest);
                    return Err(Error::new(ErrorKind::Corrupt, message));
                }
                let range = index(from)..index(to);
                let bytes = Bytes::from(bytes);
                let read = if range.start < range.end && range.end <= bytes.len() {
                    bytes.slice(range)
                } else {
                    Bytes::new()
                };
                Ok(Box::pin(stream::once(async { Ok(read) })))
            }
            Place::Objects(pieces) => {
                let mut stream = pieces::read(self.objects().clone(), pieces.within(from..to));
                // The first object is opened before anything is answered.
                let first = match stream.next().await {
                    Some(Err(failure)) => return Err(self.judge(found.id, failure).await),
                    Some(Ok(first)) => first,
                    None => return Ok(stream),
                };
                let (backend, id) = (self.clone(), found.id);
                let rest = stream.or_else(move |failure| {
                    let backend = backend.clone();
                    async move { Err(backend.judge(id, failure).await) }
                });
                Ok(Box::pin(stream::once(async { Ok(first) }).chain(rest)))
            }
        }
    }

    async fn quarantine(&self, content: &StoredContent) -> Result<(), Error> {
        match number(content) {
            Some(id) => self.quarantine_content(id).await,
            None => Ok(()),
        }
    }

    #[cfg(feature = "http")]
    async fn url(
        &self,
        content: &StoredContent,
        lifetime: std::time::Duration,
    ) -> Result<Option<wharf_registry::SignedUrl>, Error> {
        self.signed_url(content, lifetime).await
    }

    async fn link(
        &self,
        repository: &RepositoryPath,
        content: NewContent,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        self.link_content(repository, content, &commit).await
    }
}

impl ObjectBackend {
    /// Looks content up that is not in quarantine. If its row is damaged, it is put there.
    pub(crate) async fn find(&self, content: &StoredContent) -> Result<Option<Found>, Error> {
        let Some(id) = number(content) else {
            return Ok(None);
        };
        let values = [
            id.into(),
            Value::text(content.digest.as_str()),
            size(content.size)?.into(),
        ];
        let statement = Statement::new("look content up", LOOK_UP, values);
        let rows = statement.run(&**self.database()).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let place = self.place(row, content.size).await?;
        Ok(Some(Found { id, place }))
    }

    /// The place of content in a row with the columns of [`LOOK_UP`]. If the row is damaged, the content goes into quarantine.
    async fn place(&self, row: &Row, size: u64) -> Result<Place, Error> {
        match Place::of(row, size) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.quarantine_content(column(row, 0)?).await?;
                Err(error)
            }
            place => place,
        }
    }

    /// Whether the objects of content are there. If they are not, it goes into quarantine.
    async fn is_there(&self, found: &Found) -> Result<bool, Error> {
        match &found.place {
            Place::Row(_) => Ok(true),
            Place::Objects(pieces) => self.has_objects(found.id, pieces).await,
        }
    }

    /// Whether these objects of content are there. If they are not, it goes into quarantine.
    async fn has_objects(&self, id: i64, pieces: &Pieces) -> Result<bool, Error> {
        let there = self.objects().are_there(pieces).await?;
        if !there {
            self.quarantine_content(id).await?;
        }
        Ok(there)
    }

    /// Quarantines content whose objects are gone or have other sizes, so that the next push brings it again. Returns the failure.
    async fn judge(&self, id: i64, failure: Error) -> Error {
        if matches!(failure.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) {
            // If this fails, the next reader does it.
            let _ = self.quarantine_content(id).await;
        }
        failure
    }

    /// Puts the content of this row in quarantine.
    pub(crate) async fn quarantine_content(&self, id: i64) -> Result<(), Error> {
        let statement = Statement::new("quarantine content", QUARANTINE, [id.into()]);
        self.database().transact(&[statement]).await.map(drop)
    }
}

fn missing(content: &StoredContent) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no content {}", content.digest),
    )
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
