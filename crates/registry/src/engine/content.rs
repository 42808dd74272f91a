use std::ops::Range;

use async_trait::async_trait;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::Digest;

use super::{Engine, LocalBackend};
use crate::{
    Backend, Commit, Content, GcOptions, GcReport, Inventory, NewContent, Outbox, Outcome, RepositoryPath,
    Storage, StoredContent,
};

#[async_trait]
impl<S: Storage + 'static> Content for LocalBackend<S> {
    async fn are_present(&self, contents: &[StoredContent]) -> Result<Vec<bool>, Error> {
        let storage = &self.0.storage;
        let sizes = match contents {
            [] => Vec::new(),
            [content] => vec![storage.size(&content.digest).await?],
            _ => {
                let digests = contents.iter().map(|content| content.digest.clone());
                storage.sizes(&digests.collect::<Vec<_>>()).await?
            }
        };
        let found = contents.iter().zip(sizes);
        Ok(found.map(|(content, size)| size == Some(content.size)).collect())
    }

    async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<ByteStream, Error> {
        let read = self.0.storage.read(&content.digest, range).await;
        self.0.forget_corrupt(&content.digest, read)
    }

    fn is_verified(&self, content: &StoredContent) -> bool {
        self.0.is_verified(&content.digest)
    }

    async fn verify(&self, content: &StoredContent) -> Result<(), Error> {
        let verified = self.0.storage.verify(&content.digest).await;
        self.0.forget_corrupt(&content.digest, verified)?;
        self.0.mark_verified(&content.digest);
        Ok(())
    }

    async fn quarantine(&self, content: &StoredContent) -> Result<(), Error> {
        self.0.forget(&content.digest);
        self.0.storage.quarantine(&content.digest).await
    }

    async fn link(
        &self,
        repository: &RepositoryPath,
        content: NewContent,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        self.0.commit(repository, Some(content), commit).await
    }
}

impl<S> Engine<S> {
    fn forget_corrupt<T>(&self, digest: &Digest, result: Result<T, Error>) -> Result<T, Error> {
        if matches!(&result, Err(error) if error.kind() == ErrorKind::Corrupt) {
            self.forget(digest);
        }
        result
    }
}

#[async_trait]
impl<S: Storage + 'static> Backend for LocalBackend<S> {
    async fn collect(&self, options: &GcOptions) -> Result<GcReport, Error> {
        self.0.collect(options).await
    }

    fn inventory(&self) -> Inventory {
        self.0.inventory()
    }

    fn outbox(&self) -> Option<&dyn Outbox> {
        Some(&self.0.outbox)
    }
}
