//! Content that is linked. What asks the store comes before the transaction, which holds the lock of a repository.

use wharf_content::{Error, ErrorKind, MAX_MANIFEST_SIZE, Verified};
use wharf_reference::Digest;
use wharf_registry::{Commit, NewContent, Outcome, Refusal, RepositoryPath, StoredContent};

use super::{
    Place,
    pieces::Pieces,
    place::{Placing, Upload},
};
use crate::{
    ObjectBackend,
    database::{Statement, Value},
    records::{
        Made,
        row::{column, size},
    },
};

/// Content in objects that an upload or an external object may become: what is in quarantine and linked, then the oldest.
const CANDIDATES: &str =
    "SELECT id, bytes, objects, external_key, sizes, quarantined IS NOT NULL FROM contents c
     WHERE digest = $1 AND objects IS NOT NULL AND CASE WHEN quarantined IS NULL THEN size = $2
         ELSE (SELECT b.content FROM blobs b WHERE b.content >= c.id ORDER BY b.content LIMIT 1) = c.id END
     ORDER BY quarantined, id LIMIT 1";

/// The most times that content which was to be shared may have changed meanwhile.
const ATTEMPTS: usize = 5;

/// Content in objects that other bytes with its digest may become.
pub(super) enum Candidate {
    None,
    /// Some is in quarantine, and linked.
    Quarantined,
    /// With these objects, if they are there.
    Usable(i64, Pieces),
}

impl ObjectBackend {
    pub(super) async fn link_content(
        &self,
        repository: &RepositoryPath,
        content: NewContent,
        commit: &Commit,
    ) -> Result<Outcome, Error> {
        for _ in 0..ATTEMPTS {
            let Some(placing) = self.prepare(&content).await? else {
                return Ok(Outcome::Refused(Refusal::Content));
            };
            let placing = Some((content.digest(), &placing));
            match self.database().make(repository, commit, placing).await? {
                Made::Outcome(outcome) => return Ok(outcome),
                Made::Stale => {}
            }
        }
        let message = format!(
            "content {} has changed again and again while it was linked",
            content.digest()
        );
        Err(Error::new(ErrorKind::Timeout, message))
    }

    /// Finds out how content is placed; `None` if it is gone.
    async fn prepare(&self, content: &NewContent) -> Result<Option<Placing>, Error> {
        Ok(Some(match content {
            NewContent::Upload(id, verified) => {
                if !self.is_kept(id).await? {
                    return Ok(None);
                }
                self.prepare_upload(id, verified).await?
            }
            NewContent::Bytes(bytes, verified) => {
                if bytes.len() as u64 > MAX_MANIFEST_SIZE {
                    let message = format!(
                        "a manifest of {} bytes is larger than the {MAX_MANIFEST_SIZE} bytes that a database row holds",
                        bytes.len()
                    );
                    return Err(Error::new(ErrorKind::TooLarge, message));
                }
                Placing::Bytes(bytes.to_vec(), verified.digest().clone())
            }
            NewContent::Stored(stored) => match self.prepare_stored(stored).await? {
                Some(placing) => placing,
                None => return Ok(None),
            },
            NewContent::External(external) => match self.prepare_external(external).await? {
                Some(placing) => placing,
                None => return Ok(None),
            },
            _ => {
                let message =
                    "the registry links content of a kind that this release of the engine does not know";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }))
    }

    async fn prepare_upload(&self, id: &str, verified: &Verified) -> Result<Placing, Error> {
        let upload = Upload {
            id: id.to_owned(),
            digest: verified.digest().clone(),
            size: size(verified.size())?,
        };
        Ok(match self.candidate(verified.digest(), verified.size()).await? {
            Candidate::None => Placing::New(upload),
            Candidate::Usable(..) if !self.options().share => Placing::New(upload),
            Candidate::Usable(id, pieces) if self.has_objects(id, &pieces).await? => {
                Placing::Shared(upload, id, pieces)
            }
            Candidate::Usable(..) | Candidate::Quarantined => Placing::Healed(upload),
        })
    }

    /// The content in objects that bytes with this digest may become. If its row is damaged, it goes into quarantine.
    pub(super) async fn candidate(&self, digest: &Digest, bytes: u64) -> Result<Candidate, Error> {
        let values = [Value::text(digest.as_str()), size(bytes)?.into()];
        let statement = Statement::new("look content up", CANDIDATES, values);
        let rows = statement.run(&**self.database()).await?;
        let Some(row) = rows.first() else {
            return Ok(Candidate::None);
        };
        if column(row, 5)? {
            return Ok(Candidate::Quarantined);
        }
        match self.place(row, bytes).await {
            Ok(Place::Objects(pieces)) => Ok(Candidate::Usable(column(row, 0)?, pieces)),
            Ok(Place::Row(_)) => Ok(Candidate::None),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Candidate::Quarantined),
            Err(error) => Err(error),
        }
    }

    async fn prepare_stored(&self, stored: &StoredContent) -> Result<Option<Placing>, Error> {
        let Some(found) = self.find(stored).await? else {
            return Ok(None);
        };
        let there = self.is_there(&found).await?;
        Ok(there.then_some(Placing::Stored(found.id)))
    }
}
