//! A backend around another one: something is done before and after each call.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use wharf_content::{ByteStream, Error};
use wharf_reference::Digest;

use super::{
    Backend, BackendCall, Commit, Content, Incoming, NewContent, OpenUpload, Outcome, Record, RecordKey,
    RecordRange, Records, RepeatedCommits, SignedUrl, StoredContent, TokenSecret, Upload, UploadLimits,
    UploadSession, Uploads, UploadsOf, Usage, Written,
};
use crate::{GcOptions, GcReport, Inventory, Outbox, RepositoryPath};

/// The work around the calls of a backend.
pub(crate) trait Hooks: Send + Sync {
    /// Runs before a call. If it fails, so does the call, which does not reach the backend.
    fn before(&self, call: BackendCall) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = call;
        std::future::ready(Ok(()))
    }

    /// Runs after a call that reached the backend.
    fn after(&self, call: BackendCall, duration: Duration, failure: Option<&Error>) {
        let _ = (call, duration, failure);
    }

    /// A URL of content, instead of the backend's.
    fn url(&self) -> Option<SignedUrl> {
        None
    }
}

/// A backend with hooks.
pub(crate) struct Hooked<B: ?Sized, H> {
    backend: Arc<B>,
    hooks: H,
}

impl<B: ?Sized, H: Hooks> Hooked<B, H> {
    pub(crate) const fn new(backend: Arc<B>, hooks: H) -> Self {
        Self { backend, hooks }
    }

    async fn around<T>(
        &self,
        call: BackendCall,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        self.hooks.before(call).await?;
        let started = Instant::now();
        let outcome = work.await;
        self.hooks.after(call, started.elapsed(), outcome.as_ref().err());
        outcome
    }
}

impl<B: fmt::Debug + ?Sized, H> fmt::Debug for Hooked<B, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

#[async_trait]
impl<B: Backend + ?Sized, H: Hooks> Records for Hooked<B, H> {
    async fn values(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        self.around(BackendCall::Values, self.backend.values(repository, keys))
            .await
    }

    async fn touch(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        self.around(BackendCall::Touch, self.backend.touch(repository, keys))
            .await
    }

    async fn range(
        &self,
        repository: &RepositoryPath,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let work = self.backend.range(repository, range, after, limit);
        self.around(BackendCall::Range, work).await
    }

    async fn exists(&self, repository: &RepositoryPath) -> Result<bool, Error> {
        self.around(BackendCall::Exists, self.backend.exists(repository))
            .await
    }

    async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        let work = self.backend.repositories(after, limit);
        self.around(BackendCall::Repositories, work).await
    }

    async fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        self.around(BackendCall::Holders, self.backend.holders(digest, limit))
            .await
    }

    async fn usage(&self, repository: &RepositoryPath, user: Option<&str>) -> Result<Usage, Error> {
        self.around(BackendCall::Usage, self.backend.usage(repository, user))
            .await
    }

    async fn commit(&self, repository: &RepositoryPath, commit: Commit) -> Result<Outcome, Error> {
        self.around(BackendCall::Commit, self.backend.commit(repository, commit))
            .await
    }

    fn health(&self) -> Result<(), Error> {
        self.backend.health()
    }
}

#[async_trait]
impl<B: Backend + ?Sized, H: Hooks> Content for Hooked<B, H> {
    async fn are_present(&self, contents: &[StoredContent]) -> Result<Vec<bool>, Error> {
        self.around(BackendCall::ArePresent, self.backend.are_present(contents))
            .await
    }

    async fn probe(&self, content: &StoredContent) -> Result<bool, Error> {
        self.around(BackendCall::Probe, self.backend.probe(content)).await
    }

    async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<ByteStream, Error> {
        self.around(BackendCall::Read, self.backend.read(content, range))
            .await
    }

    fn is_verified(&self, content: &StoredContent) -> bool {
        self.backend.is_verified(content)
    }

    async fn verify(&self, content: &StoredContent) -> Result<(), Error> {
        self.around(BackendCall::Verify, self.backend.verify(content))
            .await
    }

    async fn quarantine(&self, content: &StoredContent) -> Result<(), Error> {
        self.around(BackendCall::Quarantine, self.backend.quarantine(content))
            .await
    }

    async fn url(&self, content: &StoredContent, lifetime: Duration) -> Result<Option<SignedUrl>, Error> {
        let work = async {
            match self.hooks.url() {
                Some(url) => Ok(Some(url)),
                None => self.backend.url(content, lifetime).await,
            }
        };
        self.around(BackendCall::Url, work).await
    }

    async fn link(
        &self,
        repository: &RepositoryPath,
        content: NewContent,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        let work = self.backend.link(repository, content, commit);
        self.around(BackendCall::Link, work).await
    }
}

#[async_trait]
impl<B: Backend + ?Sized, H: Hooks> Uploads for Hooked<B, H> {
    async fn begin(&self, id: &str, session: Option<&UploadSession>) -> Result<(), Error> {
        self.around(BackendCall::Begin, self.backend.begin(id, session))
            .await
    }

    async fn begin_within(
        &self,
        id: &str,
        session: &UploadSession,
        limits: UploadLimits,
    ) -> Result<bool, Error> {
        let work = self.backend.begin_within(id, session, limits);
        self.around(BackendCall::Begin, work).await
    }

    async fn resume(&self, id: &str) -> Result<Option<Upload>, Error> {
        self.around(BackendCall::Resume, self.backend.resume(id)).await
    }

    async fn status(&self, id: &str) -> Result<Option<Upload>, Error> {
        self.around(BackendCall::Status, self.backend.status(id)).await
    }

    async fn write(&self, id: &str, offset: u64, incoming: Incoming) -> Result<Written, Error> {
        self.around(BackendCall::Write, self.backend.write(id, offset, incoming))
            .await
    }

    async fn read_upload(&self, id: &str) -> Result<ByteStream, Error> {
        self.around(BackendCall::ReadUpload, self.backend.read_upload(id))
            .await
    }

    async fn discard(&self, id: &str) -> Result<(), Error> {
        self.around(BackendCall::Discard, self.backend.discard(id)).await
    }

    async fn open(&self, of: UploadsOf<'_>) -> Result<Vec<OpenUpload>, Error> {
        self.around(BackendCall::Open, self.backend.open(of)).await
    }

    async fn expire(&self, idle: Duration) -> Result<(), Error> {
        self.around(BackendCall::Expire, self.backend.expire(idle)).await
    }
}

#[async_trait]
impl<B: Backend + ?Sized, H: Hooks> Backend for Hooked<B, H> {
    async fn collect(&self, options: &GcOptions) -> Result<GcReport, Error> {
        self.around(BackendCall::Collect, self.backend.collect(options))
            .await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.around(BackendCall::Ping, self.backend.ping()).await
    }

    async fn token_secret(&self) -> Result<Option<TokenSecret>, Error> {
        self.around(BackendCall::TokenSecret, self.backend.token_secret())
            .await
    }

    async fn revoke_tokens(&self) -> Result<(), Error> {
        self.around(BackendCall::RevokeTokens, self.backend.revoke_tokens())
            .await
    }

    fn inventory(&self) -> Inventory {
        self.backend.inventory()
    }

    fn repeated_commits(&self) -> RepeatedCommits {
        self.backend.repeated_commits()
    }

    fn outbox(&self) -> Option<&dyn Outbox> {
        self.backend.outbox()
    }
}
