use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};

use super::{
    Engine, LocalBackend,
    intake::Intake,
    note,
    sessions::{OpenSession, missing},
};
use crate::{
    Incoming, OpenUpload, Storage, Upload, UploadLimits, UploadSession, Uploads, UploadsOf, Written,
};

#[async_trait]
impl<S: Storage + 'static> Uploads for LocalBackend<S> {
    async fn begin(&self, id: &str, session: Option<&UploadSession>) -> Result<(), Error> {
        let note = session.map(note::encode).transpose()?.unwrap_or_default();
        self.0.storage.begin(id, &note).await?;
        self.0.sessions.begin(id, session.cloned());
        Ok(())
    }

    async fn begin_within(
        &self,
        id: &str,
        session: &UploadSession,
        limits: UploadLimits,
    ) -> Result<bool, Error> {
        let note = note::encode(session)?;
        if !self.0.sessions.begin_within(id, session, limits) {
            return Ok(false);
        }
        let begun = Begun {
            engine: &self.0,
            id,
            is_stored: false,
        };
        begun.store(&note).await.map(|()| true)
    }

    async fn resume(&self, id: &str) -> Result<Option<Upload>, Error> {
        let Some(session) = self.0.sessions.get(id) else {
            return Ok(None);
        };
        Ok(session.resume())
    }

    async fn status(&self, id: &str) -> Result<Option<Upload>, Error> {
        if self.0.storage.length(id).await?.is_none() {
            return Ok(None);
        }
        self.resume(id).await
    }

    async fn write(&self, id: &str, offset: u64, incoming: Incoming) -> Result<Written, Error> {
        let session = self.0.sessions.get(id).ok_or_else(missing)?;
        let mut progress = session.claim()?;
        if session.offset() != offset {
            let message = format!("the upload has {} bytes, not {offset}", session.offset());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let written = self.0.write(id, &session, offset, incoming).await;
        if matches!(&written, Err(error) if error.kind() == ErrorKind::NotFound) {
            progress.ended = true;
            self.0.discard(id).await?;
        }
        written
    }

    async fn read_upload(&self, id: &str) -> Result<ByteStream, Error> {
        self.0.storage.read_upload(id).await
    }

    async fn discard(&self, id: &str) -> Result<(), Error> {
        self.0.discard(id).await
    }

    async fn open(&self, of: UploadsOf<'_>) -> Result<Vec<OpenUpload>, Error> {
        let open = self.0.sessions.of_clients(|client| match of {
            UploadsOf::Repository(path) => client.repository == *path,
            UploadsOf::Owner(owner) => client.owner == *owner,
        });
        let listed = open.into_iter().filter_map(|(id, session)| {
            let owner = session.client.as_ref()?.owner.clone();
            Some(OpenUpload::new(id, owner, session.idle()))
        });
        Ok(listed.collect())
    }

    async fn expire(&self, idle: Duration) -> Result<(), Error> {
        for (id, session) in self.0.sessions.idle(idle) {
            match session.claim() {
                Ok(mut progress) => progress.ended = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {} // its end was interrupted
                Err(_) => continue,
            }
            self.0.discard(&id).await?;
        }
        Ok(())
    }
}

/// A session that counts and is not stored yet. Dropped before it is, it does not count any more.
struct Begun<'e, S> {
    engine: &'e Engine<S>,
    id: &'e str,
    is_stored: bool,
}

impl<S: Storage> Begun<'_, S> {
    async fn store(mut self, note: &str) -> Result<(), Error> {
        self.engine.storage.begin(self.id, note).await?;
        self.is_stored = true;
        Ok(())
    }
}

impl<S> Drop for Begun<'_, S> {
    fn drop(&mut self) {
        if !self.is_stored {
            self.engine.sessions.remove(self.id);
        }
    }
}

impl OpenSession {
    /// The upload, which counts as used; `None` for one that no client sees.
    fn resume(&self) -> Option<Upload> {
        let client = self.client.clone()?;
        let idle = self.touch();
        let (offset, hasher) = self.progress();
        Some(Upload::new(client, offset, hasher).with_idle(idle))
    }
}

impl<S: Storage + 'static> Engine<S> {
    async fn write(
        self: &Arc<Self>,
        id: &str,
        session: &Arc<OpenSession>,
        offset: u64,
        incoming: Incoming,
    ) -> Result<Written, Error> {
        let (writing, hasher) = session.write(incoming.received);
        let hasher = match incoming.algorithm {
            Some(algorithm) if offset == 0 => Some(Hasher::new(algorithm)?),
            _ => hasher,
        };
        let mut intake = Intake {
            engine: Arc::clone(self),
            upload: id.to_owned(),
            offset,
            hasher,
        };
        let mut failure = intake.take(incoming.bytes).await.err();
        let flushed = match session.client {
            Some(_) => self.storage.flush(id).await,
            None => Ok(intake.offset), // nobody goes on with it
        };
        let kept = match flushed {
            Ok(kept) => kept.min(intake.offset),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Err(error) => {
                failure = failure.or(Some(error));
                0 // what was kept is not known, so nothing is
            }
        };
        if kept != intake.offset {
            let lost = || Error::new(ErrorKind::Storage, "the storage has lost bytes of the upload");
            failure = failure.or_else(|| Some(lost()));
        }
        let hasher = intake.hasher.filter(|hasher| hasher.count() == kept);
        writing.end(kept, hasher.clone());
        Ok(Written::new(kept, hasher).with_failure(failure))
    }

    pub(super) async fn discard(&self, id: &str) -> Result<(), Error> {
        self.sessions.remove(id);
        self.storage.discard(id).await
    }
}
