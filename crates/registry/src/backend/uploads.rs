use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use async_trait::async_trait;
use wharf_content::{ByteStream, Error, Hasher};
use wharf_reference::Algorithm;

use crate::RepositoryPath;

/// Uploads: bytes that grow at their end, until [`Content::link`](super::Content::link) makes them content.
///
/// Any handle on the same storage can go on with an upload. Of several writers at one offset one wins.
#[async_trait]
pub trait Uploads: Send + Sync + fmt::Debug {
    /// Begins an empty upload. The id is new and consists of 32 lowercase hexadecimal digits. Without a session
    /// it is an upload of this process that no client can go on with: it is in no listing, counts in no quota,
    /// and goes when the process has gone.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn begin(&self, id: &str, session: Option<&UploadSession>) -> Result<(), Error>;

    /// As [`Uploads::begin`], for a client, if fewer sessions are open than the limits say: in the repository, and those of
    /// the owner in all repositories. However many begin at a time, on whatever handles, no more are open. `false` if nothing
    /// has begun for want of room.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn begin_within(
        &self,
        id: &str,
        session: &UploadSession,
        limits: UploadLimits,
    ) -> Result<bool, Error>;

    /// The session of a client, which counts as used now; `None` if there is no such upload.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn resume(&self, id: &str) -> Result<Option<Upload>, Error>;

    /// As [`Uploads::resume`], for a client that only asks how much is stored; `None` also if the bytes are
    /// gone. An engine whose storage cannot lose them need not look, as the default does not.
    ///
    /// # Errors
    ///
    /// As [`Uploads::resume`].
    async fn status(&self, id: &str) -> Result<Option<Upload>, Error> {
        self.resume(id).await
    }

    /// Writes bytes at `offset`, which must be where the upload ends: reads the stream to its end or to its
    /// first error, makes what came survive a crash, and moves the offset, all or in part.
    ///
    /// The bytes are hashed on the way, with the hasher that was left by the last write, or from the beginning
    /// if the upload is empty ([`Incoming::algorithm`]).
    ///
    /// If the future is dropped, the upload is where it was, or anywhere up to what the stream had yielded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload, also if it has
    /// been discarded meanwhile; [`ErrorKind::Conflict`](wharf_content::ErrorKind::Conflict) if the upload does
    /// not end at `offset`, or another writer has moved it meanwhile: nothing of this stream is kept then. A
    /// failure of the stream or of the storage after the first byte is no error but a [`Written::failure`].
    async fn write(&self, id: &str, offset: u64, incoming: Incoming) -> Result<Written, Error>;

    /// Reads an upload from its first byte to its last, to hash it once more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload; those of the
    /// storage, here or from the stream.
    async fn read_upload(&self, id: &str) -> Result<ByteStream, Error>;

    /// Drops an upload, if there is one. A writer of another process is told when its stream has ended.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn discard(&self, id: &str) -> Result<(), Error>;

    /// The sessions that are open.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn open(&self, of: UploadsOf<'_>) -> Result<Vec<OpenUpload>, Error>;

    /// Drops the sessions that have not been used for at least `idle` and that nobody writes to.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn expire(&self, idle: Duration) -> Result<(), Error>;
}

/// The most sessions that may be open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// In the repository of a session.
    pub repository: usize,
    /// Of its owner, in all repositories; `None`: no limit.
    pub owner: Option<usize>,
}

/// The circumstances under which a client began an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadSession {
    /// The repository of which the upload is to become a blob.
    pub repository: RepositoryPath,
    /// The client.
    pub owner: UploadOwner,
    /// The algorithm of the digest; a guess until the digest is known.
    pub algorithm: Algorithm,
}

impl UploadSession {
    /// The session of a client.
    #[must_use]
    pub const fn new(repository: RepositoryPath, owner: UploadOwner, algorithm: Algorithm) -> Self {
        Self {
            repository,
            owner,
            algorithm,
        }
    }

    /// The user; `None` for a client without a login.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.owner {
            UploadOwner::User(user) => Some(user),
            UploadOwner::Anonymous(_) => None,
        }
    }
}

/// The owner of an upload: a user, or the clients without a login from one network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UploadOwner {
    /// The user with this name.
    User(Arc<str>),
    /// The clients at this IPv4 address, or whose IPv6 address begins with these 64 bits; `None` if the address
    /// is not known, or not any more.
    Anonymous(Option<IpAddr>),
}

/// An upload that a client goes on with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Upload {
    /// The session.
    pub session: UploadSession,
    /// The bytes that survive a crash.
    pub offset: u64,
    /// The hasher after `offset` bytes; `None` if it is not known: then the bytes are read again.
    pub hasher: Option<Hasher>,
    /// The time since the session was used before this.
    pub idle: Duration,
}

impl Upload {
    /// An upload that has just been used.
    #[must_use]
    pub const fn new(session: UploadSession, offset: u64, hasher: Option<Hasher>) -> Self {
        Self {
            session,
            offset,
            hasher,
            idle: Duration::ZERO,
        }
    }

    /// Sets [`Upload::idle`].
    #[must_use]
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

/// The bytes of one request on their way into an upload.
#[non_exhaustive]
pub struct Incoming {
    /// The bytes. An engine that reads them in batches gets the best of the network; what the stream yields
    /// together is there already.
    pub bytes: ByteStream,
    /// The algorithm by which an empty upload is hashed from here on; `None`: it is not hashed.
    pub algorithm: Option<Algorithm>,
    /// The bytes of the upload including those that are received and not yet written. The caller counts;
    /// [`Records::usage`](super::Records::usage) shows it instead of the offset as long as the write lasts.
    pub received: Arc<AtomicU64>,
}

impl Incoming {
    /// Bytes that are not hashed, and whose receipt nobody counts.
    #[must_use]
    pub fn new(bytes: ByteStream) -> Self {
        Self {
            bytes,
            algorithm: None,
            received: Arc::default(),
        }
    }

    /// Sets [`Incoming::algorithm`].
    #[must_use]
    pub const fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Sets [`Incoming::received`].
    #[must_use]
    pub fn with_received(mut self, received: Arc<AtomicU64>) -> Self {
        self.received = received;
        self
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// An upload after a write.
#[derive(Debug)]
#[non_exhaustive]
pub struct Written {
    /// The bytes that survive a crash.
    pub offset: u64,
    /// As [`Upload::hasher`].
    pub hasher: Option<Hasher>,
    /// The reason why not the whole stream was written, that of the stream or of the storage.
    pub failure: Option<Error>,
}

impl Written {
    /// The upload after the whole stream was written.
    #[must_use]
    pub const fn new(offset: u64, hasher: Option<Hasher>) -> Self {
        Self {
            offset,
            hasher,
            failure: None,
        }
    }

    /// Sets [`Written::failure`].
    #[must_use]
    pub fn with_failure(mut self, failure: Option<Error>) -> Self {
        self.failure = failure;
        self
    }
}

/// A choice of open uploads.
#[derive(Debug, Clone, Copy)]
pub enum UploadsOf<'a> {
    /// Those of a repository.
    Repository(&'a RepositoryPath),
    /// Those of an owner, in all repositories.
    Owner(&'a UploadOwner),
}

/// An open upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenUpload {
    /// The id.
    pub id: String,
    /// The owner.
    pub owner: UploadOwner,
    /// The time since the upload was last used.
    pub idle: Duration,
}

impl OpenUpload {
    /// An open upload.
    #[must_use]
    pub const fn new(id: String, owner: UploadOwner, idle: Duration) -> Self {
        Self { id, owner, idle }
    }
}
