use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{ByteStream, Error, Hasher};
use wharf_reference::{Algorithm, Digest};

use super::{
    Call, DIGEST, RequestBody, digest_value, empty,
    receive::{Intake, content_length},
    value,
};
use crate::{
    Action, Body, ErrorCode, Quirk, Registry,
    error::{Answer, Failure},
    range,
    route::{Path, parse_digest},
    state::{Progress, Session, State, blob_change},
};

const CHUNK_MINIMUM: HeaderName = HeaderName::from_static("oci-chunk-min-length");
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Call<'_> {
    /// POST: opens a session, takes a whole blob, or mounts one (distribution-spec, *Pushing blobs* and
    /// *Mounting a blob from another repository*).
    pub(super) async fn begin_upload(&self, body: RequestBody) -> Answer {
        let mut digest = self.query.value("digest").map(parse_digest).transpose()?;
        if self.registry.has(Quirk::NoSinglePost) {
            digest = None;
        }
        let mount = self.query.value("mount").map(parse_digest).transpose()?;
        if let Some(mount) = &mount
            && !self.registry.has(Quirk::NoMount)
            && let Some(size) = self.mountable(mount)?
        {
            self.check_quota(size)?;
            self.link(mount, size).await?;
            return self.created(mount);
        }
        let algorithm = match (&digest, &mount, self.query.value("digest-algorithm")) {
            (Some(digest), _, _) | (None, Some(digest), None) => digest.algorithm(),
            (None, _, Some("sha256")) | (None, None, None) => Algorithm::Sha256,
            (None, _, Some("sha512")) => Algorithm::Sha512,
            (None, _, Some(_)) => {
                return Err(Failure::bad(
                    ErrorCode::DigestInvalid,
                    "this digest algorithm is not supported; use sha256 or sha512",
                ));
            }
        };
        self.expire().await?;
        let limits = &self.registry.config.limits;
        let open = |belongs: &dyn Fn(&Session) -> bool| {
            let sessions = self.registry.state.uploads();
            sessions.values().filter(|session| belongs(session)).count()
        };
        let user = &self.principal.user;
        if open(&|session| session.repository == self.path) >= limits.uploads
            || user.is_some() && open(&|session| session.user == *user) >= limits.user_uploads
        {
            let failure = Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TooManyRequests,
                "too many uploads are open",
            );
            return Err(failure.with_header(header::RETRY_AFTER, HeaderValue::from_static("60")));
        }
        let session = Session::new(self.path.clone(), self.principal.user.clone(), algorithm);
        let (id, session) = self.registry.state.begin(session).await?;
        match digest {
            Some(digest) => {
                let outcome = self.finish(&id, session, digest, body).await;
                if outcome.is_err() {
                    self.registry.state.abandon(&id).await?;
                }
                outcome
            }
            None => self.progress(StatusCode::ACCEPTED, &id, &session),
        }
    }

    /// The size of a blob that may be linked here without its bytes being sent: it is in a repository that
    /// the client may pull from. What they may not see is as if it were not there.
    fn mountable(&self, digest: &Digest) -> Result<Option<u64>, Failure> {
        let state = &self.registry.state;
        let authentication = &self.registry.config.authentication;
        let readable = |path: &Path| authentication.allows(&self.principal, path, Action::Pull);
        if let Some(from) = self.query.value("from") {
            let path = Path::parse(from)?;
            let repository = state.existing(&path).filter(|_| readable(&path));
            return Ok(repository.and_then(|repository| repository.touch_blob(digest)));
        }
        let mut repositories = state.repositories().into_iter();
        Ok(repositories.find_map(|(path, repository)| {
            repository.blob(digest)?;
            readable(&path).then(|| repository.touch_blob(digest)).flatten()
        }))
    }

    /// Links content that another repository has.
    async fn link(&self, digest: &Digest, size: u64) -> Result<(), Failure> {
        let state = &self.registry.state;
        let _sweep = state.sweep.read().await;
        if state.backend.size(digest).await? != Some(size) {
            return Err(Failure::missing(ErrorCode::BlobUnknown, "no such blob"));
        }
        link(state, &self.path, digest, size).await?;
        Ok(())
    }

    /// GET of a session (distribution-spec, end-13).
    pub(super) fn upload_status(&self, id: &str) -> Answer {
        let session = self.session(id)?;
        session.touch();
        self.progress(StatusCode::NO_CONTENT, id, &session)
    }

    /// DELETE of a session (distribution-spec, end-14).
    pub(super) async fn cancel_upload(&self, id: &str) -> Answer {
        let session = self.session(id)?;
        let mut progress = self.claim(id, &session)?;
        progress.ended = true;
        self.registry.state.abandon(id).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// PATCH: takes a chunk, or a stream without `Content-Range` (distribution-spec, *Pushing a blob in
    /// chunks*).
    pub(super) async fn continue_upload(&self, id: &str, body: RequestBody) -> Answer {
        let session = self.session(id)?;
        let mut progress = self.claim(id, &session)?;
        let expected = self.check_range(id, &session, &progress)?;
        let mut cap = None;
        for quirk in &self.registry.config.quirks {
            match quirk {
                Quirk::PatchLimit(limit) => cap = Some(progress.offset.saturating_add(*limit)),
                Quirk::NoChunks if expected.is_some() => {
                    return Err(Failure::bad(ErrorCode::Unsupported, "chunks are not offered"));
                }
                Quirk::ChunkMinimum(minimum) if expected.is_some_and(|length| length < *minimum) => {
                    return Err(self.out_of_step(StatusCode::RANGE_NOT_SATISFIABLE, id, &session));
                }
                _ => {}
            }
        }
        if progress.hasher.is_none() && progress.offset == 0 {
            progress.hasher = Some(Hasher::new(session.algorithm)?);
        }
        self.take(id, &session, progress, body, expected, cap).await?.1?;
        self.progress(StatusCode::ACCEPTED, id, &session)
    }

    /// PUT: takes what is left and closes the session.
    pub(super) async fn finish_upload(&self, id: &str, body: RequestBody) -> Answer {
        let digest = self
            .query
            .value("digest")
            .ok_or_else(|| Failure::bad(ErrorCode::DigestInvalid, "the digest is missing"))?;
        let digest = parse_digest(digest)?;
        let session = self.session(id)?;
        self.finish(id, session, digest, body).await
    }

    async fn finish(&self, id: &str, session: Arc<Session>, digest: Digest, body: RequestBody) -> Answer {
        let mut progress = self.claim(id, &session)?;
        let expected = self.check_range(id, &session, &progress)?;
        if progress.offset == 0 {
            progress.hasher = Some(Hasher::new(digest.algorithm())?);
        }
        let (mut progress, outcome) = self.take(id, &session, progress, body, expected, None).await?;
        outcome?;
        let outcome = self.commit(id, &mut progress, &digest).await;
        progress.ended = true;
        if outcome.is_err() {
            self.registry.state.abandon(id).await?;
        }
        outcome?;
        self.created(&digest)
    }

    /// Makes a finished upload a blob of this repository, if it has the digest.
    async fn commit(&self, id: &str, progress: &mut Progress, digest: &Digest) -> Result<(), Failure> {
        let state = &self.registry.state;
        let hasher = progress.hasher.take();
        let actual = match hasher
            .filter(|hasher| hasher.algorithm() == digest.algorithm() && hasher.count() == progress.offset)
        {
            Some(hasher) => hasher.finish()?,
            None => rehash(state.backend.read_upload(id).await?, digest.algorithm()).await?,
        };
        if actual != *digest {
            return Err(Failure::bad(
                ErrorCode::DigestInvalid,
                "the content does not have this digest",
            ));
        }
        let _sweep = state.sweep.read().await;
        state.backend.commit(id, digest).await?;
        state.trust(digest);
        link(state, &self.path, digest, progress.offset).await?;
        state.uploads().remove(id);
        Ok(())
    }

    /// Takes the body into the upload on a task of its own: a client that goes away leaves a session whose
    /// state is known.
    async fn take(
        &self,
        id: &str,
        session: &Arc<Session>,
        mut progress: OwnedMutexGuard<Progress>,
        body: RequestBody,
        expected: Option<u64>,
        cap: Option<u64>,
    ) -> Result<(OwnedMutexGuard<Progress>, Result<(), Failure>), Failure> {
        if body.is_end_stream() && expected.is_none() {
            return Ok((progress, Ok(())));
        }
        let limits = &self.registry.config.limits;
        let end = expected.map(|length| progress.offset.saturating_add(length));
        let mut intake = Intake {
            backend: Arc::clone(&self.registry.state.backend),
            upload: id.to_owned(),
            offset: progress.offset,
            hasher: progress.hasher.take(),
            limit: [limits.blob, end, cap, self.quota(session)]
                .into_iter()
                .flatten()
                .min(),
            idle: limits.idle,
        };
        let session = Arc::clone(session);
        let work = tokio::spawn(async move {
            let mut outcome = intake.take(body).await;
            let kept = intake.backend.flush(&intake.upload).await;
            let kept = kept.unwrap_or(0).min(intake.offset);
            if kept != intake.offset {
                outcome = outcome.and(Err(Failure::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ErrorCode::Unknown,
                    "the registry's storage failed",
                )));
            }
            let whole = end.is_none_or(|end| end == kept);
            if outcome.is_ok() && !whole {
                outcome = Err(Failure::bad(
                    ErrorCode::SizeInvalid,
                    "the chunk is shorter than its range",
                ));
            }
            progress.hasher = intake.hasher.filter(|hasher| hasher.count() == kept);
            progress.offset = kept;
            session.acknowledge(kept);
            (progress, outcome)
        });
        work.await.map_err(|_| {
            Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Unknown,
                "shutting down",
            )
        })
    }

    /// How long the upload may become within the repository's quota.
    fn quota(&self, session: &Session) -> Option<u64> {
        let limit = self.registry.config.limits.repository?;
        let left = limit.saturating_sub(self.used());
        Some(session.acknowledged().saturating_add(left))
    }

    /// The session, if the client opened it, in this repository.
    fn session(&self, id: &str) -> Result<Arc<Session>, Failure> {
        let sessions = self.registry.state.uploads();
        let session = sessions.get(id).filter(|session| {
            session.repository == self.path
                && session.user == self.principal.user
                && session.idle() < self.registry.config.limits.upload_expiry
        });
        session
            .cloned()
            .ok_or_else(|| Failure::missing(ErrorCode::BlobUploadUnknown, "no such upload"))
    }

    /// The right to write to a session, which one request has at a time.
    fn claim(&self, id: &str, session: &Session) -> Result<OwnedMutexGuard<Progress>, Failure> {
        let claimed = Arc::clone(&session.progress).try_lock_owned();
        let progress = claimed.map_err(|_| self.out_of_step(StatusCode::CONFLICT, id, session))?;
        if progress.ended {
            return Err(Failure::missing(ErrorCode::BlobUploadUnknown, "no such upload"));
        }
        Ok(progress)
    }

    /// How many bytes the chunk says it has, if it says so and begins where the last one ended.
    fn check_range(&self, id: &str, session: &Session, progress: &Progress) -> Result<Option<u64>, Failure> {
        let range = range::content_range(self.headers)
            .map_err(|()| Failure::bad(ErrorCode::BlobUploadInvalid, "invalid Content-Range"))?;
        let Some(range) = range else {
            return Ok(None);
        };
        if range.start != progress.offset {
            return Err(self.out_of_step(StatusCode::RANGE_NOT_SATISFIABLE, id, session));
        }
        let length = range.end - range.start;
        if content_length(self.headers).is_some_and(|announced| announced != length) {
            return Err(Failure::bad(
                ErrorCode::SizeInvalid,
                "Content-Length and Content-Range differ",
            ));
        }
        Ok(Some(length))
    }

    fn out_of_step(&self, status: StatusCode, id: &str, session: &Session) -> Failure {
        let mut failure = Failure::new(
            status,
            ErrorCode::BlobUploadInvalid,
            "the chunk does not follow the bytes that are kept",
        );
        if let Ok(location) = self.location(&format!("blobs/uploads/{id}")) {
            failure = failure.with_header(header::LOCATION, location);
        }
        match value(kept_range(session)) {
            Ok(range) => failure.with_header(header::RANGE, range),
            Err(_) => failure,
        }
    }

    fn progress(&self, status: StatusCode, id: &str, session: &Session) -> Answer {
        let mut response = empty(status);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("blobs/uploads/{id}"))?);
        let mut kept = kept_range(session);
        for quirk in &self.registry.config.quirks {
            match quirk {
                Quirk::ChunkMinimum(minimum) if *self.method == Method::POST => {
                    headers.insert(CHUNK_MINIMUM, HeaderValue::from(*minimum));
                }
                Quirk::FirstChunkRange if *self.method == Method::PATCH => {
                    kept = format!("0-{}", session.first_chunk().saturating_sub(1));
                }
                _ => {}
            }
        }
        headers.insert(header::RANGE, value(kept)?);
        headers.insert(UPLOAD_ID, value(id)?);
        Ok(response)
    }

    fn created(&self, digest: &Digest) -> Result<Response<Body>, Failure> {
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("blobs/{digest}"))?);
        headers.insert(DIGEST, digest_value(digest)?);
        Ok(response)
    }

    /// Drops the sessions that nobody has used for too long.
    async fn expire(&self) -> Result<(), Failure> {
        expire(self.registry).await.map_err(Failure::from)
    }
}

/// Drops the upload sessions that nobody has used for too long.
pub(crate) async fn expire(registry: &Registry) -> Result<(), Error> {
    let expiry = registry.config.limits.upload_expiry;
    let idle = registry
        .state
        .uploads()
        .iter()
        .filter(|(_, session)| session.idle() >= expiry)
        .map(|(id, session)| (id.clone(), Arc::clone(&session.progress)))
        .collect::<Vec<_>>();
    for (id, progress) in idle {
        if let Ok(mut progress) = progress.try_lock_owned() {
            progress.ended = true;
            registry.state.abandon(&id).await?;
        }
    }
    Ok(())
}

/// Bytes that are kept, as `Range` says it; of none, as other registries say it too.
fn kept_range(session: &Session) -> String {
    format!("0-{}", session.acknowledged().saturating_sub(1))
}

pub(super) async fn link(state: &State, path: &Path, digest: &Digest, size: u64) -> Result<(), Error> {
    let repository = state.repository(path);
    let _gate = repository.gate.read().await;
    state.write(vec![blob_change(path, digest, size)?]).await?;
    repository.content_mut().insert_blob(digest.clone(), size);
    Ok(())
}

/// Hashes bytes that were not hashed as they came.
async fn rehash(mut bytes: ByteStream, algorithm: Algorithm) -> Result<Digest, Error> {
    let mut hasher = Hasher::new(algorithm)?;
    while let Some(chunk) = std::future::poll_fn(|context| bytes.as_mut().poll_next(context)).await {
        let chunk: Bytes = chunk?;
        hasher = tokio::task::spawn_blocking(move || {
            hasher.update(&chunk);
            hasher
        })
        .await
        .map_err(|error| Error::wrap(wharf_content::ErrorKind::Cancelled, error))?;
    }
    hasher.finish()
}
