//! Lookaside stores: one file for each simple signature of a manifest, numbered from 1.

use bytes::Bytes;
use http::Method;
use url::Url;
use wharf_config::{Lookaside, LookasideFile};
use wharf_content::{ErrorKind, Hint, MAX_SIGNATURE_SIZE, MAX_SIGNATURES, MAX_SIGNATURES_SIZE, Signature};
use wharf_http::{Origin, Redacted};
use wharf_reference::{Digest, Repository};

use super::{
    OPERATION,
    file::{self, Unread},
};
use crate::{Client, endpoint::Endpoint, error::Error, repeated_source::skip_repeated_source, send::Call};

/// The most signatures of one manifest in a lookaside directory: none are read if it has more, and no more are written.
const MAX_FILES: usize = 1_000;

/// The most signatures of one manifest that are read from a lookaside store. A directory is under the control of this
/// host, and several programs may add to it; a web server may send whatever it likes.
pub(super) fn limit(lookaside: &Lookaside) -> usize {
    if lookaside.host().is_some() {
        MAX_SIGNATURES
    } else {
        MAX_FILES
    }
}

impl Client {
    /// The signatures of a manifest in a lookaside store, in the order of their numbers, up to the first number that is
    /// not there.
    pub(super) async fn lookaside(
        &self,
        lookaside: &Lookaside,
        repository: &Repository,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        let subject = format!("{repository}@{manifest}");
        let mut signatures = Vec::new();
        let mut room = MAX_SIGNATURES_SIZE;
        for number in 1..=limit(lookaside) + 1 {
            let limit = room.min(MAX_SIGNATURE_SIZE);
            let read = match lookaside.file(repository, manifest, number) {
                LookasideFile::Path(path) => read_file(&subject, path, limit).await,
                LookasideFile::Url(url) => self.read_url(&subject, lookaside, &url, limit, false).await,
                _ => Ok(None),
            };
            let read = read.map_err(|error| {
                if error.kind() != ErrorKind::TooLarge || limit == MAX_SIGNATURE_SIZE {
                    return error;
                }
                let reason = format!("its signatures have more than {} MiB", MAX_SIGNATURES_SIZE >> 20);
                error.edit(|inner| inner.reason = reason)
            });
            let Some(blob) = read? else {
                return Ok(signatures);
            };
            room -= blob.len() as u64;
            signatures.push(Signature::from_blob(blob));
        }
        Err(too_many(subject, lookaside, &signatures))
    }

    /// True if a lookaside store has a signature of a manifest. A server is asked once, and not for long.
    pub(super) async fn has_lookaside(
        &self,
        lookaside: &Lookaside,
        repository: &Repository,
        manifest: &Digest,
    ) -> Result<bool, Error> {
        let subject = format!("{repository}@{manifest}");
        let limit = MAX_SIGNATURE_SIZE;
        let read = match lookaside.file(repository, manifest, 1) {
            LookasideFile::Path(path) => read_file(&subject, path, limit).await?,
            LookasideFile::Url(url) => self.read_url(&subject, lookaside, &url, limit, true).await?,
            _ => None,
        };
        Ok(read.is_some())
    }

    /// The file at a URL, requested without a login (docs/threats.md, T173); `None` if the server answers 404.
    async fn read_url(
        &self,
        subject: &str,
        lookaside: &Lookaside,
        url: &str,
        limit: u64,
        is_optional: bool,
    ) -> Result<Option<Bytes>, Error> {
        let wrong = |error: &dyn std::fmt::Display| {
            let reason = format!("the store's URL cannot be used: {error}");
            Error::new(ErrorKind::Invalid, OPERATION, subject, reason)
                .at(lookaside)
                .with_hint(Hint::CheckSignatureStore)
        };
        let url = Url::parse(url).map_err(|error| wrong(&error))?;
        let origin = Origin::of(&url).map_err(|error| wrong(&error))?;
        let host = lookaside.host().ok_or_else(|| wrong(&"it has no host"))?;
        let endpoint = Endpoint::public(host, origin.scheme(), &*self.shared().tls).map_err(|error| {
            let ours = Error::new(ErrorKind::Invalid, OPERATION, subject, error.to_string());
            skip_repeated_source(ours.at(Redacted(&url)), error)
        })?;
        let call = Call::new(OPERATION, subject, Method::GET, "", &[200])
            .at_url(url)
            .anonymous()
            .read_whole(limit);
        let call = if is_optional { call.optional() } else { call };
        match self.send(&endpoint, call).await {
            Ok(answer) => Ok(Some(answer.bytes)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A store that has a file for every number has too many signatures, or answers whatever it is asked for.
fn too_many(subject: String, lookaside: &Lookaside, signatures: &[Signature]) -> Error {
    let limit = limit(lookaside);
    let is_unknown = |signature: &Signature| matches!(signature, Signature::Unknown { .. });
    let reason = match signatures.first() {
        Some(Signature::Unknown { reason, .. }) if signatures.iter().all(is_unknown) => {
            let reason = format!(
                "the store answers every request, and none of its {limit} first files is a signature: {reason}"
            );
            let error = Error::new(ErrorKind::TooLarge, OPERATION, subject, reason);
            return error.at(lookaside).with_hint(Hint::CheckSignatureStore);
        }
        _ => {
            format!("the store has more than {limit} signatures of it; remove those that nobody needs")
        }
    };
    Error::new(ErrorKind::TooLarge, OPERATION, subject, reason).at(lookaside)
}

async fn read_file(subject: &str, path: std::path::PathBuf, limit: u64) -> Result<Option<Bytes>, Error> {
    let shown = path.display().to_string();
    let (kind, reason, source) = match file::read(path, limit).await {
        Ok(read) => return Ok(read),
        Err(Unread::TooLarge) => {
            let reason = format!("the file is larger than the limit of {limit} bytes");
            (ErrorKind::TooLarge, reason, None)
        }
        Err(Unread::NoFile) => (ErrorKind::Invalid, "it is no regular file".to_owned(), None),
        Err(Unread::Io(error)) => (
            ErrorKind::Other,
            "the file cannot be read".to_owned(),
            Some(error),
        ),
    };
    let error = Error::new(kind, OPERATION, subject, reason)
        .at(shown)
        .with_hint(Hint::CheckSignatureStore);
    Err(match source {
        Some(source) => error.with_source(source),
        None => error,
    })
}
