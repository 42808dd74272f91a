//! Uploads of blobs: whole, in chunks, or as they are made.

mod chunks;
mod plan;
mod reader;
mod session;
mod stream;
mod whole;

use std::time::Duration;

use wharf_content::{Blob, ErrorKind};
use wharf_http::{RetryBudget, RetryLimit};

use self::plan::{NextStep, Plan, UploadStrategy, is_final};
pub(crate) use self::{plan::UploadQuirks, session::Session};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error, Operation},
};

pub(crate) const OPERATION: Operation = Operation::PushBlob;

/// Where a push failed.
enum Stage {
    /// No session was opened.
    Opening,
    /// A session that a refused mount had opened.
    MountedSession,
    /// A session of its own.
    Sending,
    /// The host that the registry named for the upload, which it sees for this one request.
    Elsewhere,
}

impl Remote {
    /// Writes a blob. It is not asked first whether it is there: see [`Remote::has_blob`].
    ///
    /// The bytes are sent in one request; otherwise if the registry, or a proxy before it, refuses that: in one PATCH,
    /// or in chunks. A try that fails is made again from the byte the registry has, or from the start, if the blob can
    /// be reopened. Dropping the future cancels the upload's session at the registry.
    ///
    /// Fails with [`ErrorKind::NotFound`] if the registry says that there is no such repository.
    pub async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let endpoint = self.primary(OPERATION)?;
        let mut budget = self.client().budget();
        let mut strategy = UploadStrategy::new(self.client(), &endpoint.registry, blob.descriptor().size());
        let mut next = Some(blob);
        loop {
            let Some(blob) = next.take() else {
                let reason = "the bytes to send come only once and were used up by a try that failed";
                return Err(Error::new(
                    ErrorKind::Network,
                    OPERATION,
                    self.blob_name(&digest),
                    reason,
                ));
            };
            let again = blob.reopen();
            let sent = self
                .push_once(&endpoint, blob, strategy.plan(), &mut budget)
                .await;
            let Err((stage, error)) = sent else {
                strategy.succeeded();
                return Ok(());
            };
            if error.detail() == Some(Detail::Content) || matches!(stage, Stage::Opening) {
                return Err(error);
            }
            // The reply may be lost and not the blob: only the registry knows (X5).
            if is_ambiguous(&error) && !is_final(&error) && self.is_there(&endpoint, &digest).await {
                return Ok(());
            }
            let next_step = match stage {
                Stage::MountedSession => NextStep::AtOnce,
                Stage::Elsewhere if may_try_again(&error) => NextStep::Later,
                Stage::Elsewhere => NextStep::Never,
                _ => strategy.after(&error),
            };
            let wait = match next_step {
                NextStep::AtOnce => Some(Duration::ZERO),
                NextStep::Later => budget.next_wait(RetryLimit::Policy, error.retry_after()),
                NextStep::Never => None,
            };
            let (Some(wait), true) = (wait, again.is_some()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?wait, plan = ?strategy.plan(), "sending the blob again");
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
        plan: Plan,
        budget: &mut RetryBudget,
    ) -> Result<(), (Stage, Error)> {
        let digest = blob.descriptor().digest().clone();
        let (stage, session) = if let Some(session) = self.take_session(&digest) {
            (Stage::MountedSession, session)
        } else {
            let opened = Session::open(self, endpoint, &digest, plan != Plan::Whole, budget).await;
            let session = opened.map_err(|error| (Stage::Opening, error))?;
            let stage = if session.is_elsewhere() {
                Stage::Elsewhere
            } else {
                Stage::Sending
            };
            (stage, session)
        };
        let sent = match plan {
            Plan::Whole => whole::send(session, blob, budget).await,
            Plan::Patch => chunks::send(session, blob, u64::MAX, budget).await,
            Plan::Chunks(size) => chunks::send(session, blob, size, budget).await,
        };
        sent.map_err(|error| (stage, error))
    }
}

/// Whether the upload may have had its effect although it failed here.
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

/// Whether the registry says that it got other bytes. They were right here, so they changed on their way; or the
/// registry cannot tell, which is why this is believed once.
fn arrived_changed(error: &Error) -> bool {
    let says = |code: &str| error.registry_errors().iter().any(|error| error.code == code);
    error.status() == Some(400) && (says("DIGEST_INVALID") || says("SIZE_INVALID"))
}

/// Whether the same may work later, or in another session.
fn may_try_again(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    match (error.status(), error.detail()) {
        (Some(status), _) => {
            matches!(
                status,
                404 | 408 | 416 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524
            )
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
