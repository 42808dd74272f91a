//! Uploads of blobs: whole, in chunks, or as they are made.

mod chunks;
mod reader;
mod session;
mod stream;
mod whole;

use wharf_content::{Blob, ErrorKind};
use wharf_http::RetryBudget;
use wharf_reference::Digest;

pub(crate) use self::session::Session;
use crate::{
    Remote,
    error::{Detail, Error, Operation},
    site::Site,
};

pub(crate) const OPERATION: Operation = Operation::PushBlob;
/// The size of chunks, unless the registry wants larger or takes only smaller ones.
const CHUNK: u64 = 16 * 1024 * 1024;
const SMALLEST_CHUNK: u64 = 1024 * 1024;

/// How an upload sends its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// In one request (distribution-spec, *POST then PUT*).
    Whole,
    /// In chunks of this size (distribution-spec, *Pushing a blob in chunks*).
    Chunks(u64),
}

/// What was learned about how a registry takes uploads.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Habits {
    /// It refused a whole blob for its size, but takes chunks of this size.
    chunk: Option<u64>,
    /// It does not take chunks.
    no_chunks: bool,
}

impl Remote {
    /// Writes a blob. It is not asked first whether it is there: see [`Remote::has_blob`].
    ///
    /// The bytes are sent in one request; in chunks if the registry, or a proxy before it, refuses so many at
    /// once, or a large blob did not get through whole. A try that fails is made again from the byte the
    /// registry has, or from the start, if the blob can be reopened. Dropping the future cancels the upload's
    /// session at the registry.
    pub async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let size = blob.descriptor().size();
        let site = self.primary(OPERATION)?;
        let mut budget = self.client().budget();
        let mut plan = self.first_plan(&site);
        let mut was_changed_on_its_way = false;
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
            let sent = self.push_once(&site, blob, plan, &mut budget).await;
            let Err(error) = sent else { return Ok(()) };
            if error.detail() == Some(Detail::Content) {
                return Err(error);
            }
            // The reply may be lost and not the blob: only the registry knows (X5).
            if is_ambiguous(&error) && self.is_there(&site, &digest).await {
                return Ok(());
            }
            let changed = self.change_plan(&site, plan, size, budget.attempts(), &error);
            if let Some(changed) = changed {
                plan = changed;
            } else if arrived_changed(&error) && !was_changed_on_its_way {
                was_changed_on_its_way = true;
            } else if !may_try_again(&error) {
                return Err(error);
            }
            let (Some(wait), true) = (budget.next_wait(error.retry_after()), again.is_some()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?wait, ?plan, "sending the blob again");
            if changed.is_none() {
                self.client().shared().counting.wait(wait).await;
            }
            next = again;
        }
    }

    async fn push_once(
        &self,
        site: &Site,
        blob: Blob,
        plan: Plan,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let kept = self.take_session(&digest);
        let session = match (kept, plan) {
            (Some(session), _) => session,
            (None, Plan::Whole) => Session::open(self, site, &digest, false, budget).await?,
            (None, Plan::Chunks(_)) => Session::open(self, site, &digest, true, budget).await?,
        };
        match plan {
            Plan::Whole => whole::send(session, blob, budget).await,
            Plan::Chunks(size) => chunks::send(session, blob, size, budget).await,
        }
    }

    fn first_plan(&self, site: &Site) -> Plan {
        match self.client().host(&site.registry).habits {
            Habits {
                chunk: Some(size),
                no_chunks: false,
            } => Plan::Chunks(size),
            _ => Plan::Whole,
        }
    }

    /// Another plan, if this error speaks against the one that failed.
    fn change_plan(&self, site: &Site, plan: Plan, size: u64, attempts: u32, error: &Error) -> Option<Plan> {
        let client = self.client();
        let too_large = error.status() == Some(413);
        match plan {
            Plan::Whole if client.host(&site.registry).habits.no_chunks => None,
            Plan::Whole if too_large && size > SMALLEST_CHUNK => {
                let chunk = CHUNK.min(size / 2).max(SMALLEST_CHUNK);
                client.learn(&site.registry, |host| host.habits.chunk = Some(chunk));
                Some(Plan::Chunks(chunk))
            }
            Plan::Whole if size > 4 * CHUNK && may_try_again(error) => Some(Plan::Chunks(CHUNK)),
            // A proxy that hangs up instead of answering 413 looks like a bad connection.
            Plan::Whole if size > SMALLEST_CHUNK && attempts >= 3 && may_try_again(error) => {
                Some(Plan::Chunks(CHUNK.min(size / 2).max(SMALLEST_CHUNK)))
            }
            Plan::Chunks(chunk) if too_large && chunk > SMALLEST_CHUNK => {
                let chunk = (chunk / 4).max(SMALLEST_CHUNK);
                client.learn(&site.registry, |host| host.habits.chunk = Some(chunk));
                Some(Plan::Chunks(chunk))
            }
            Plan::Chunks(_) if matches!(error.status(), Some(400 | 405 | 415 | 501)) => {
                client.learn(&site.registry, |host| host.habits.no_chunks = true);
                Some(Plan::Whole)
            }
            _ => None,
        }
    }

    /// Whether the registry itself says that it has the blob.
    pub(crate) async fn is_there(&self, site: &Site, digest: &Digest) -> bool {
        let path = self.path(site, &format!("blobs/{digest}"));
        let call = crate::send::Call::new(
            Operation::Look,
            self.blob_name(digest),
            http::Method::HEAD,
            &path,
            &[200],
        )
        .with_scopes(self.scopes(site, wharf_auth::Action::Push));
        self.client()
            .send(site, call, &mut self.client().budget())
            .await
            .is_ok()
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
