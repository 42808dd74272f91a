//! The uploads that this process is writing to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use wharf_registry::{RepositoryPath, UploadSession};

/// The writes of this process to sessions of clients.
#[derive(Debug, Default, Clone)]
pub(crate) struct Writers(Arc<Mutex<HashMap<u64, Writer>>>);

#[derive(Debug)]
struct Writer {
    upload: String,
    session: UploadSession,
    received: Arc<AtomicU64>,
}

/// A write under way. It is one until it is dropped.
#[derive(Debug)]
pub(super) struct Writing {
    writers: Writers,
    number: u64,
}

/// Bytes of uploads that are written to by this process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) repository: u64,
    pub(crate) user: u64,
    /// The uploads, whose rows are behind these sums.
    pub(crate) uploads: Vec<String>,
}

impl Writers {
    pub(super) fn begin(&self, upload: &str, session: UploadSession, received: Arc<AtomicU64>) -> Writing {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let writer = Writer {
            upload: upload.to_owned(),
            session,
            received,
        };
        self.locked().insert(number, writer);
        Writing {
            writers: self.clone(),
            number,
        }
    }

    /// The ids of the uploads.
    pub(super) fn uploads(&self) -> Vec<String> {
        self.locked()
            .values()
            .map(|writer| writer.upload.clone())
            .collect()
    }

    /// The bytes received for a repository and for a user.
    pub(crate) fn received(&self, path: &RepositoryPath, user: Option<&str>) -> Received {
        let mut sums = Received::default();
        for writer in self.locked().values() {
            let received = writer.received.load(Ordering::Relaxed);
            let of_repository = writer.session.repository == *path;
            let of_user = user.is_some() && writer.session.user() == user;
            if of_repository {
                sums.repository = sums.repository.saturating_add(received);
            }
            if of_user {
                sums.user = sums.user.saturating_add(received);
            }
            if of_repository || of_user {
                sums.uploads.push(writer.upload.clone());
            }
        }
        sums
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Writer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writers.locked().remove(&self.number);
    }
}
