//! The note of an upload in the storage: one line of JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wharf_content::{Error, ErrorKind};
use wharf_reference::Algorithm;

use crate::{RepositoryPath, UploadOwner, UploadSession};

#[derive(Serialize, Deserialize)]
struct Note {
    repository: String,
    user: Option<String>,
    algorithm: String,
}

/// The note that outlives a restart. It lacks the number of bytes, which the storage knows, and the client's
/// network.
pub(super) fn encode(session: &UploadSession) -> Result<String, Error> {
    let note = Note {
        repository: session.repository.as_str().to_owned(),
        user: session.user().map(str::to_owned),
        algorithm: session.algorithm.to_string(),
    };
    serde_json::to_string(&note).map_err(|error| Error::wrap(ErrorKind::Other, error))
}

/// The session that a note is of; `None` if the note is corrupt.
pub(super) fn decode(note: &str) -> Option<UploadSession> {
    let note: Note = serde_json::from_str(note).ok()?;
    let algorithm = match note.algorithm.as_str() {
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => return None,
    };
    let path = RepositoryPath::parse(&note.repository).ok()?;
    let owner = note.user.map_or(UploadOwner::Anonymous(None), |user| {
        UploadOwner::User(Arc::from(user))
    });
    Some(UploadSession::new(path, owner, algorithm))
}
