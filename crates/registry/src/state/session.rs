use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync, time::Instant};
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Algorithm;

use crate::{RepositoryPath, client::Network, sync::LockExt as _};

/// The owner of an upload: a user, or the clients without a login from one network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum UploadOwner {
    User(Arc<str>),
    Network(Option<Network>),
}

/// An upload session: bound to the repository and the user that opened it.
pub(crate) struct Session {
    pub(crate) repository: RepositoryPath,
    pub(crate) user: Option<Arc<str>>,
    /// The network from which it was opened, if that was since the registry started.
    network: Option<Network>,
    /// The algorithm with which bytes are hashed when they are received; a guess until the digest is known.
    pub(crate) algorithm: Algorithm,
    /// Locked by the request that writes.
    pub(crate) progress: Arc<sync::Mutex<UploadProgress>>,
    /// Stored bytes, as the client may see them.
    acknowledged: AtomicU64,
    /// Received bytes, stored or not: quotas count these.
    received: AtomicU64,
    touched: Mutex<Instant>,
    /// Whether the session is cancelled: no request may use it, and a request that writes to it stops.
    cancelled: AtomicBool,
}

#[derive(Serialize, Deserialize)]
struct Note {
    repository: String,
    user: Option<String>,
    algorithm: String,
}

#[derive(Default)]
pub(crate) struct UploadProgress {
    pub(crate) offset: u64,
    /// The hasher after `offset` bytes; without it, the bytes are read again at the end.
    pub(crate) hasher: Option<Hasher>,
    /// Whether the session has ended while a request waited for it.
    pub(crate) ended: bool,
}

impl Session {
    pub(crate) fn new(repository: RepositoryPath, owner: UploadOwner, algorithm: Algorithm) -> Self {
        let (user, network) = match owner {
            UploadOwner::User(user) => (Some(user), None),
            UploadOwner::Network(network) => (None, network),
        };
        Self {
            repository,
            user,
            network,
            algorithm,
            progress: Arc::default(),
            acknowledged: AtomicU64::new(0),
            received: AtomicU64::new(0),
            touched: Mutex::new(Instant::now()),
            cancelled: AtomicBool::new(false),
        }
    }

    /// A session that was open when the registry last ran, with the length of its upload in bytes; `None` if
    /// its note is corrupt.
    pub(super) fn resumed(note: &str, length: u64) -> Option<Self> {
        let note: Note = serde_json::from_str(note).ok()?;
        let algorithm = match note.algorithm.as_str() {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        };
        let progress = UploadProgress {
            offset: length,
            hasher: None,
            ended: false,
        };
        let path = RepositoryPath::parse(&note.repository).ok()?;
        let owner = note.user.map_or(UploadOwner::Network(None), |user| {
            UploadOwner::User(Arc::from(user))
        });
        Some(Self {
            progress: Arc::new(sync::Mutex::new(progress)),
            acknowledged: AtomicU64::new(length),
            received: AtomicU64::new(length),
            ..Self::new(path, owner, algorithm)
        })
    }

    /// The note that outlives a restart. It lacks the number of bytes, which the backend knows.
    pub(super) fn note(&self) -> Result<String, Error> {
        let note = Note {
            repository: self.repository.as_str().to_owned(),
            user: self.user.as_deref().map(str::to_owned),
            algorithm: self.algorithm.to_string(),
        };
        serde_json::to_string(&note).map_err(|error| Error::wrap(ErrorKind::Other, error))
    }

    pub(crate) fn owner(&self) -> UploadOwner {
        match &self.user {
            Some(user) => UploadOwner::User(Arc::clone(user)),
            None => UploadOwner::Network(self.network),
        }
    }

    /// The number of stored bytes.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// The number of received bytes.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    pub(crate) fn receive(&self, offset: u64) {
        self.received.store(offset, Ordering::Release);
    }

    pub(crate) fn acknowledge(&self, offset: u64) {
        self.receive(offset);
        self.acknowledged.store(offset, Ordering::Release);
        self.touch();
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn touch(&self) {
        *self.touched.locked() = Instant::now();
    }

    /// The time since a request last used the session.
    pub(crate) fn idle(&self) -> Duration {
        let touched = *self.touched.locked();
        touched.elapsed()
    }
}
