//! The storage of a registry, as three traits: records, content and uploads, and what the engine does with all
//! of them.

mod call;
mod commit;
mod content;
mod external;
mod hooked;
mod record;
mod records;
mod signed_url;
mod token_secret;
mod uploads;

use async_trait::async_trait;
use wharf_content::Error;

pub(crate) use self::hooked::{Hooked, Hooks};
pub use self::{
    call::BackendCall,
    commit::{Change, Commit, CommitId, Guard, Outcome, Refusal, RepeatedCommits},
    content::{Content, ContentId, NewContent, StoredContent},
    external::{ExternalContent, ExternalObject},
    record::{BlobRecord, ManifestRecord, Record, RecordKey},
    records::{RecordRange, Records, Usage},
    signed_url::SignedUrl,
    token_secret::TokenSecret,
    uploads::{
        Incoming, OpenUpload, Upload, UploadLimits, UploadOwner, UploadSession, Uploads, UploadsOf, Written,
    },
};
use crate::{GcOptions, GcReport, Inventory, Outbox};

/// The storage of a registry: one engine that keeps [`Records`], [`Content`] and [`Uploads`], and that removes
/// what nobody needs.
///
/// A backend stores and keeps what it stores consistent; [`Registry`](crate::Registry) decides who may see what.
/// Whether several registries, in several processes, may share a storage is the engine's matter: those of
/// [`MemoryBackend`](crate::MemoryBackend) and [`DiskBackend`](crate::DiskBackend) belong to one.
#[async_trait]
pub trait Backend: Records + Content + Uploads {
    /// Removes blobs that no manifest needs, and content that no repository links, while everything else goes
    /// on. If the future is dropped, the next collection continues.
    ///
    /// # Errors
    ///
    /// Those of the storage. What could be removed has been removed then.
    async fn collect(&self, options: &GcOptions) -> Result<GcReport, Error>;

    /// Looks whether the engine answers, by the cheapest read that reaches all parts of it. By default the first
    /// repository is looked up, which reaches the records.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn ping(&self) -> Result<(), Error> {
        self.repositories("", 1).await.map(drop)
    }

    /// The key with which registries over this storage sign their tokens, so that each accepts those of the others. By
    /// default there is none: a registry makes one and keeps it in memory.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn token_secret(&self) -> Result<Option<TokenSecret>, Error> {
        Ok(None)
    }

    /// Replaces [`Backend::token_secret`] by another key, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn revoke_tokens(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The number of things that are stored. Must not wait: an engine that has to ask for them returns what it
    /// has counted last.
    fn inventory(&self) -> Inventory;

    /// The commits that the engine has repeated in this process. Must not wait. By default there are none.
    fn repeated_commits(&self) -> RepeatedCommits {
        RepeatedCommits::default()
    }

    /// The outbox to which the events of commits go; `None`, as by default, if the engine ignores them.
    fn outbox(&self) -> Option<&dyn Outbox> {
        None
    }
}
