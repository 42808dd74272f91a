//! The side that verifies the bytes of an upload.
//!
//! A registry hashes what it is sent: by Docker's HTTP API V2, it "will check that the content matches the digest provided
//! by the client", and answers `DIGEST_INVALID` otherwise. To hash local bytes here as well would take more than half of
//! the processor time of a push. They are sent without ([`Blob::unverified`]) if both hold:
//!
//! | condition | reason |
//! |---|---|
//! | the answer that opened the upload has `Docker-Distribution-API-Version: registry/2.0` and comes from the registry itself | the server says that it implements that API |
//! | no earlier answer of the registry has left the digest of a stored blob unconfirmed | see below |
//!
//! All other bytes are hashed as they are sent, and the last of them are held back until the digest is right: those from
//! another registry or a stream, those for another server, and those of a store that is to hash every read.
//!
//! | answer to bytes that were not hashed here | then |
//! |---|---|
//! | 201 or 204 with their digest in `Docker-Content-Digest` | they are stored |
//! | any other sign that they are stored, such as a HEAD after a lost answer | they are hashed here, and so are all later ones as they are sent |
//! | 400 with `DIGEST_INVALID` or `SIZE_INVALID` | they are hashed here: if they are wrong, that is the error, otherwise they are sent again |
//! | 401, or a refusal of the name or for want of permission | that is the error |
//! | any other failure, after which they are sent again | they are hashed as they are sent |
//! | any other failure, which is the last | they are hashed here: if they are wrong, that is the error, otherwise the failure is |
//!
//! A server that states the digest of bytes that it has not hashed can thus be sent a damaged file under the digest of
//! the good one. Whoever pulls it notices; a server that lies is not noticed by hashing here either.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Blob, Descriptor, UnverifiedBlob};

use super::{OPERATION, Session};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error},
};

/// The confirmation of a stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// The registry stated the digest of what it stored.
    Digest,
    /// The registry has a blob under the digest.
    Presence,
}

/// The side that may verify the bytes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verifier {
    /// The registry in place of this client, under the conditions of this module.
    Registry,
    /// This client: an earlier attempt has failed, and wrong bytes may be the reason.
    Client,
}

/// The bytes that are sent.
pub(super) enum Outgoing {
    /// They are hashed as they are read.
    Hashed(Blob),
    /// The registry verifies them.
    Unhashed(UnverifiedBlob),
}

impl Outgoing {
    pub(super) const fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Hashed(blob) => blob.descriptor(),
            Self::Unhashed(blob) => blob.descriptor(),
        }
    }

    /// Opens the bytes again, from the first on; `None` if they can be read only once.
    pub(super) fn reopen(&self) -> Option<Self> {
        match self {
            Self::Hashed(blob) => blob.reopen().map(Self::Hashed),
            Self::Unhashed(blob) => blob.reopen().map(Self::Unhashed),
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Bytes, wharf_content::Error>> {
        match self {
            Self::Hashed(blob) => blob.next().await,
            Self::Unhashed(blob) => blob.next().await,
        }
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes, wharf_content::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Hashed(blob) => Pin::new(blob).poll_next(context),
            Self::Unhashed(blob) => Pin::new(blob).poll_next(context),
        }
    }
}

/// The bytes that were sent without being hashed; `None` if they were hashed.
pub(super) struct Unchecked(Option<Blob>);

impl Unchecked {
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    /// Leaves nothing behind that would be hashed a second time.
    pub(super) const fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// The blob to send, and what is left to check after it was sent.
    pub(super) fn of(
        remote: &Remote,
        endpoint: &Endpoint,
        session: &Session,
        blob: Blob,
    ) -> (Outgoing, Self) {
        let quirks = remote.client().host(&endpoint.registry).upload_quirks;
        if !session.verifies() || quirks.states_no_digest {
            return (Outgoing::Hashed(blob), Self::nothing());
        }
        match blob.unverified() {
            Some(unverified) => (Outgoing::Unhashed(unverified), Self(Some(blob))),
            None => (Outgoing::Hashed(blob), Self::nothing()),
        }
    }

    /// Hashes the bytes after an answer that does not confirm their digest.
    pub(super) async fn confirm(self, remote: &Remote, endpoint: &Endpoint) -> Result<(), Error> {
        if self.0.is_some() {
            let client = remote.client();
            client.learn(&endpoint.registry, |host| {
                host.upload_quirks.states_no_digest = true;
            });
        }
        self.check(remote).await
    }

    /// Hashes the bytes.
    ///
    /// # Errors
    ///
    /// The error with which the upload would have failed, had they been hashed as they were sent.
    pub(super) async fn check(self, remote: &Remote) -> Result<(), Error> {
        let Some(blob) = self.0 else { return Ok(()) };
        let subject = remote.blob_name(blob.descriptor().digest());
        let checked = blob.check().await;
        checked.map_err(|cause| {
            Error::from_content(OPERATION, &subject, &cause)
                .with_detail(Detail::Content)
                .with_source(cause)
        })
    }
}
