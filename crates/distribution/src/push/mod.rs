//! Uploads of blobs: in one request, in chunks, or from a stream of unknown digest.

mod chunks;
mod method;
mod reader;
mod replay;
mod session;
mod spool;
mod stream;
mod verification;
mod whole;

use std::time::Duration;

use http::StatusCode;
use wharf_content::{Blob, ErrorKind};
use wharf_http::{RetryBudget, RetryLimit, is_transient_status};

pub(crate) use self::{method::UploadQuirks, session::Session};
use self::{
    method::{NextStep, UploadMethod, UploadStrategy, is_final},
    verification::{Confirmation, Outgoing, Unchecked, Verifier},
};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error, Operation},
    single_flight::Content,
};

pub(crate) const OPERATION: Operation = Operation::PushBlob;

/// The reason why a failed upload is not repeated.
pub(crate) const SOURCE_IS_USED_UP: &str =
    "the source can be read only once, and a failed attempt has read it";

/// The part of a push that failed.
enum FailedPart {
    /// No session was opened.
    Opening,
    /// A session that a refused mount had opened.
    MountedSession,
    /// A session of its own.
    Sending,
    /// A host that the registry named for the upload, and that is used for this one request.
    Elsewhere,
}

impl Remote {
    /// Writes a blob. The registry is not asked first whether it has it, see [`Remote::has_blob`], unless this
    /// client has written or found it in this repository before. If another task of the client is writing it, that
    /// is waited for, and the blob is not sent again.
    ///
    /// The registry verifies the bytes. They are hashed here too, unless they are local and the registry says that it
    /// verifies them; then they are hashed if its answer does not state their digest, and before any second attempt or
    /// error that is not about the permission.
    ///
    /// The bytes are sent in one request. If the registry, or a proxy in front of it, refuses that, they
    /// are sent in one PATCH or in chunks. A failed attempt is repeated from the byte that the registry
    /// has, or from the start, if the blob can be reopened. Dropping the future cancels the upload session
    /// at the registry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the registry has no such repository and does not create it;
    /// [`ErrorKind::TooLarge`] if it refuses chunks of 1 MiB as well; [`ErrorKind::Mismatch`] if the bytes
    /// of `blob` are not those of its descriptor. Otherwise see [`Error::kind`].
    pub async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let endpoint = self.primary(OPERATION)?;
        let content = Content::blob(&endpoint, &digest);
        // The attempts are fewer for a blob that can be read only once.
        let is_shared = blob.can_reopen();
        let send = Box::pin(self.send_blob(content, blob));
        let pushed = self.write_once(content, OPERATION, is_shared, send).await;
        // The session of a refused mount is cancelled if another task has sent the blob.
        drop(self.take_session(&digest));
        pushed
    }

    async fn send_blob(&self, content: Content<'_>, blob: Blob) -> Result<(), Error> {
        let Content { endpoint, digest, .. } = content;
        let mut budget = self.client().budget();
        let mut strategy = UploadStrategy::new(self.client(), &endpoint.registry, blob.descriptor().size());
        let mut verifier = Verifier::Registry;
        let mut next = Some(blob);
        loop {
            let Some(blob) = next.take() else {
                return Err(Error::new(
                    ErrorKind::Network,
                    OPERATION,
                    self.blob_name(digest),
                    SOURCE_IS_USED_UP,
                ));
            };
            let again = blob.reopen();
            let (mut unchecked, sent) = self
                .push_once(endpoint, blob, strategy.method(), verifier, &mut budget)
                .await;
            verifier = Verifier::Client;
            let (part, error) = match sent {
                Err(failed) => failed,
                Ok(confirmation) => {
                    strategy.succeeded();
                    return match confirmation {
                        Confirmation::Digest => Ok(()),
                        Confirmation::Presence => unchecked.confirm(self, endpoint).await,
                    };
                }
            };
            if error.detail() == Some(Detail::Content) || matches!(part, FailedPart::Opening) {
                return Err(error);
            }
            // The answer may be lost and the blob stored: only the registry knows (docs/threats.md, X5).
            if is_ambiguous(&error) && !is_final(&error) && self.is_there(content).await {
                return unchecked.confirm(self, endpoint).await;
            }
            if arrived_changed(&error) {
                unchecked.take().check(self).await?;
            }
            let next_step = match part {
                FailedPart::MountedSession => NextStep::AtOnce,
                FailedPart::Elsewhere if may_try_again(&error) => NextStep::Later,
                FailedPart::Elsewhere => NextStep::Never,
                _ => strategy.after(&error),
            };
            let wait = match next_step {
                NextStep::AtOnce => Some(Duration::ZERO),
                NextStep::Later => budget.next_wait(RetryLimit::Policy, error.retry_after()),
                NextStep::Never => None,
            };
            let (Some(wait), true) = (wait, again.is_some()) else {
                if !is_final(&error) {
                    unchecked.check(self).await?;
                }
                return Err(error);
            };
            tracing::debug!(%error, ?wait, method = ?strategy.method(), "sending the blob again");
            if next_step == NextStep::Later {
                self.client().shared().counting.wait(wait).await;
            }
            next = again;
        }
    }

    async fn push_once(
        &self,
        endpoint: &Endpoint,
        blob: Blob,
        method: UploadMethod,
        verifier: Verifier,
        budget: &mut RetryBudget,
    ) -> (Unchecked, Result<Confirmation, (FailedPart, Error)>) {
        let digest = blob.descriptor().digest().clone();
        let (part, session) = if let Some(session) = self.take_session(&digest) {
            (FailedPart::MountedSession, session)
        } else {
            let opened = Session::open(self, endpoint, &digest, method != UploadMethod::Whole, budget).await;
            let session = match opened {
                Ok(session) => session,
                Err(error) => return (Unchecked::nothing(), Err((FailedPart::Opening, error))),
            };
            let part = if session.is_elsewhere() {
                FailedPart::Elsewhere
            } else {
                FailedPart::Sending
            };
            (part, session)
        };
        let (blob, unchecked) = match verifier {
            Verifier::Registry => Unchecked::of(self, endpoint, &session, blob),
            Verifier::Client => (Outgoing::Hashed(blob), Unchecked::nothing()),
        };
        let sent = match method {
            UploadMethod::Whole => whole::send(session, blob, budget).await,
            UploadMethod::Patch => chunks::send(session, blob, u64::MAX, budget).await,
            UploadMethod::Chunks(size) => chunks::send(session, blob, size, budget).await,
        };
        (unchecked, sent.map_err(|error| (part, error)))
    }
}

/// True if the upload may have succeeded at the registry although it failed here.
fn is_ambiguous(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    matches!(
        error.detail(),
        Some(Detail::Http(
            Http::Broken | Http::Timeout | Http::Protocol | Http::Other
        ))
    ) || error
        .status()
        .is_some_and(|status| status >= 500 || matches!(status, 404 | 408 | 416))
}

/// True if the registry says that it received other bytes. They were right here, so they changed on the
/// way; or the registry is wrong, which is why the upload is repeated only once.
fn arrived_changed(error: &Error) -> bool {
    let says = |code: &str| error.registry_errors().iter().any(|error| error.code == code);
    error.status() == Some(400) && (says("DIGEST_INVALID") || says("SIZE_INVALID"))
}

/// True if the upload may succeed later, or in another session: the registry has lost this one where it answers 404 or
/// 416.
fn may_try_again(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    match (error.status(), error.detail()) {
        (Some(status), _) => {
            matches!(status, 404 | 416) || StatusCode::from_u16(status).is_ok_and(is_transient_status)
        }
        (None, Some(Detail::Http(kind))) => {
            matches!(
                kind,
                Http::Broken | Http::Timeout | Http::ConnectTimeout | Http::Overloaded
            )
        }
        _ => false,
    }
}
