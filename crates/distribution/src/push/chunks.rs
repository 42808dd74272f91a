use wharf_content::ErrorKind;
use wharf_http::{RetryBudget, RetryLimit};

use super::{Confirmation, OPERATION, Outgoing, Session, may_try_again, reader::Reader, whole::BlobFailure};
use crate::{
    error::{Detail, Error},
    send::Payload,
};

/// Sends a blob by PATCH, in chunks of this size. After a failure the registry is asked how many bytes it
/// has, and is sent the rest (docs/threats.md, X5). If it does not say, the caller sends the whole blob
/// again.
///
/// A chunk that is the whole blob is sent without `Content-Range`, as Docker does, which every registry
/// accepts.
pub(super) async fn send(
    mut session: Session,
    blob: Outgoing,
    chunk: u64,
    budget: &mut RetryBudget,
) -> Result<Confirmation, Error> {
    let digest = blob.descriptor().digest().clone();
    let size = blob.descriptor().size();
    let chunk = chunk.max(session.smallest_chunk);
    let failure = BlobFailure::default();
    let reader = Reader::new(blob, failure.clone());
    let subject = session.subject().to_owned();
    let mut offset = 0;
    // A registry that loses chunks could otherwise be sent the same ones without end.
    let mut furthest = 0;
    while offset < size {
        let length = chunk.min(size - offset);
        let body = || reader.piece(offset, length);
        let Err(error) = session
            .patch(
                (length < size).then(|| (offset, offset + length - 1)),
                &body,
                budget,
            )
            .await
        else {
            offset += length;
            if offset > furthest {
                furthest = offset;
                budget.reset();
            }
            continue;
        };
        let error = failure.explain(error, &subject);
        if error.detail() == Some(Detail::Content) {
            return Err(error);
        }
        if error.status() == Some(404) {
            session.abandon();
        }
        let resumable = (may_try_again(&error) && error.status() != Some(404)) || was_used_up(&error);
        if !resumable {
            return Err(error);
        }
        let Some(wait) = budget.next_wait(RetryLimit::Policy, error.retry_after()) else {
            return Err(error);
        };
        tracing::debug!(%error, offset, "asking how much of the upload arrived");
        session.remote().client().shared().counting.wait(wait).await;
        let has = match session.status().await {
            Ok(has) => has,
            Err(unknown) => {
                tracing::debug!(error = %unknown, "the registry does not say how much of the upload arrived");
                return Err(error);
            }
        };
        if has > offset + length {
            let reason = format!(
                "the registry says it has {has} bytes, but was sent {}",
                offset + length
            );
            return Err(Error::new(ErrorKind::Server, OPERATION, subject, reason));
        }
        reader.seek(has).await.map_err(|cause| {
            Error::from_content(OPERATION, &subject, &cause)
                .with_detail(Detail::Content)
                .with_source(cause)
        })?;
        offset = has;
    }
    session.commit(&digest, Payload::Empty, 0, budget).await
}

/// True for a request that had to be repeated with a new token after its body was consumed.
fn was_used_up(error: &Error) -> bool {
    error.kind() == ErrorKind::Network && error.status().is_none() && error.detail().is_none()
}
