use std::time::Duration;

use wharf_content::{Blob, ByteStream, Descriptor, ErrorKind, Hasher, MediaType};
use wharf_http::{RetryBudget, RetryLimit};
use wharf_reference::Algorithm;

use super::{
    OPERATION, Session, is_ambiguous, may_try_again,
    method::{NextStep, StreamMethod, StreamStrategy},
    replay::{KEPT_OF_A_STREAM, Replay},
    spool::{MAX_SPOOLED, Spool},
    whole::BlobFailure,
};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error},
    send::Payload,
    single_flight::Content,
};

impl Remote {
    /// Writes a blob whose digest and size are known after its last byte, for
    /// [`Sink::ingest`](wharf_content::Sink).
    ///
    /// The bytes are sent as they come, in one request. The last of them are kept, so that the upload goes on after a
    /// broken connection, in chunks if the registry refuses so many bytes or bytes of unknown number, and from a temporary
    /// file if it takes nothing but a whole blob. Dropping the future cancels the upload session at the registry.
    pub(crate) async fn push_stream(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let subject = format!("a new blob of {}", self.repository());
        let failed = |error: wharf_content::Error| of_content(&subject, error);
        let endpoint = self.primary(OPERATION)?;
        let failure = BlobFailure::default();
        let hasher = Hasher::new(algorithm).map_err(failed)?;
        let replay = Replay::new(bytes, hasher, failure.clone());
        let mut strategy = StreamStrategy::new(self.client(), &endpoint.registry);
        let mut budget = self.client().budget();
        if strategy.method() != StreamMethod::Spooled {
            let mut upload = StreamUpload {
                session: self
                    .open_stream(&endpoint, &subject, algorithm, &mut budget)
                    .await?,
                endpoint: &endpoint,
                subject: &subject,
                algorithm,
                replay: &replay,
                failure,
            };
            if upload.send(&mut strategy, &mut budget).await? {
                let (digest, size) = replay.finish().map_err(failed)?;
                // A session that is not closed, because the registry has the blob, is dropped and cancelled.
                let blob = Content::blob(&endpoint, &digest);
                let close = self.close(blob, upload.session, &mut budget);
                self.write_once(blob, OPERATION, false, close).await?;
                return Descriptor::new(media_type, digest, size).map_err(failed);
            }
        }
        let blob = self.spooled(&replay, media_type).await.map_err(failed)?;
        let descriptor = blob.descriptor().clone();
        self.push_blob(blob).await?;
        Ok(descriptor)
    }

    async fn open_stream(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        algorithm: Algorithm,
        budget: &mut RetryBudget,
    ) -> Result<Session, Error> {
        Session::open_for(self, endpoint, subject.to_owned(), algorithm, true, budget).await
    }

    /// The bytes of a stream in a temporary file.
    async fn spooled(&self, replay: &Replay, media_type: MediaType) -> Result<Blob, wharf_content::Error> {
        if !replay.seek(0) {
            let message = "the registry takes only a whole blob or chunks that are too large for memory, and the first \
                           bytes were read, which cannot be read again";
            return Err(wharf_content::Error::new(ErrorKind::Unsupported, message));
        }
        let spool = Spool::create(&self.client().shared().scratch).await?;
        while let Some(bytes) = replay.next().await? {
            if replay.position() > MAX_SPOOLED {
                let message = format!(
                    "the registry takes nothing but a whole blob, and more than {MAX_SPOOLED} bytes are not kept for one"
                );
                return Err(wharf_content::Error::new(ErrorKind::TooLarge, message));
            }
            spool.append(bytes).await?;
        }
        let (digest, size) = replay.finish()?;
        Blob::new(Descriptor::new(media_type, digest, size)?, spool)
    }

    /// Closes a session that has all bytes. If the answer is lost, the registry is asked whether it has the
    /// blob (docs/threats.md, X5).
    async fn close(
        &self,
        blob: Content<'_>,
        mut session: Session,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        while let Err(error) = session.commit(blob.digest, Payload::Empty, 0, budget).await {
            if is_ambiguous(&error) && self.is_there(blob).await {
                session.abandon();
                return Ok(());
            }
            let is_gone = matches!(error.status(), Some(404 | 416));
            let wait = if may_try_again(&error) && !is_gone {
                budget.next_wait(RetryLimit::Policy, error.retry_after())
            } else {
                None
            };
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(%error, ?wait, "closing the upload again");
            self.client().shared().counting.wait(wait).await;
        }
        Ok(())
    }
}

/// An upload of bytes whose number is not known before.
struct StreamUpload<'a> {
    session: Session,
    endpoint: &'a Endpoint,
    subject: &'a str,
    algorithm: Algorithm,
    replay: &'a Replay,
    failure: BlobFailure,
}

impl StreamUpload<'_> {
    /// Sends all bytes; `false` if the registry takes them only as a whole blob.
    async fn send(
        &mut self,
        strategy: &mut StreamStrategy<'_>,
        budget: &mut RetryBudget,
    ) -> Result<bool, Error> {
        // A registry that loses chunks could otherwise be sent the same ones without end.
        let mut furthest = 0;
        while !self.replay.is_at_end() {
            let offset = self.replay.position();
            let Some(sent) = self.send_next(strategy.method(), budget).await else {
                return Ok(false);
            };
            let Err(error) = sent else {
                let position = self.replay.position();
                if strategy.method() == StreamMethod::Rest {
                    break; // the digest is refused if bytes are left
                }
                if position > furthest {
                    furthest = position;
                    budget.reset();
                }
                continue;
            };
            let error = self.failure.explain(error, self.subject);
            if error.detail() == Some(Detail::Content) {
                return Err(error);
            }
            let sent = self.replay.position().saturating_sub(offset);
            let wait = match strategy.after(&error, sent, self.replay.has_all()) {
                NextStep::AtOnce => Some(Duration::ZERO),
                NextStep::Later => budget.next_wait(RetryLimit::Policy, error.retry_after()),
                NextStep::Never => None,
            };
            let Some(wait) = wait else { return Err(error) };
            tracing::debug!(%error, ?wait, method = ?strategy.method(), "going on with the upload");
            if strategy.method() == StreamMethod::Spooled {
                return Ok(false);
            }
            self.session.remote().client().shared().counting.wait(wait).await;
            self.go_on(error, budget).await?;
        }
        Ok(true)
    }

    /// Sends the next bytes; `None` if they cannot be sent by PATCH.
    async fn send_next(
        &mut self,
        method: StreamMethod,
        budget: &mut RetryBudget,
    ) -> Option<Result<(), Error>> {
        let offset = self.replay.position();
        let size = match method {
            StreamMethod::Rest => {
                let body = || self.replay.body(offset, None);
                return Some(self.session.patch(None, &body, budget).await);
            }
            StreamMethod::Chunks(size) => size.max(self.session.smallest_chunk),
            StreamMethod::Spooled => return None,
        };
        if size > KEPT_OF_A_STREAM {
            return None; // chunks that memory has no room for
        }
        let length = match self.replay.fill(size).await {
            Ok(0) => return Some(Ok(())),
            Ok(length) => length,
            Err(error) => return Some(Err(of_content(self.subject, error))),
        };
        let body = || self.replay.body(offset, Some(length));
        let range = Some((offset, offset + length - 1));
        Some(self.session.patch(range, &body, budget).await)
    }

    /// Finds the byte that the registry wants next, in the same session or else in a new one. Fails with `error` if it is not kept.
    async fn go_on(&mut self, error: Error, budget: &mut RetryBudget) -> Result<(), Error> {
        match self.session.status().await {
            Ok(has) if self.replay.seek(has) => return Ok(()),
            Ok(has) => tracing::debug!(has, "the bytes that the registry has no more are not kept"),
            Err(unknown) => {
                tracing::debug!(error = %unknown, "the registry does not say how much of the upload arrived");
                if unknown.status() == Some(404) {
                    self.session.abandon();
                }
            }
        }
        if !self.replay.seek(0) {
            return Err(error);
        }
        let remote = self.session.remote().clone();
        self.session = remote
            .open_stream(self.endpoint, self.subject, self.algorithm, budget)
            .await?;
        Ok(())
    }
}

/// The error of the content itself.
fn of_content(subject: &str, error: wharf_content::Error) -> Error {
    Error::from_content(OPERATION, subject, &error)
        .with_detail(Detail::Content)
        .with_source(error)
}
