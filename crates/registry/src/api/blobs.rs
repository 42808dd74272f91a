use http::{HeaderValue, Method, Response, StatusCode, header};
use wharf_content::Error;
use wharf_reference::Digest;

use super::{DIGEST, RepositoryRequest, answer::Fetched, conditions, digest_value, empty, value};
use crate::{
    Body, ErrorCode, RecordKey, StoredContent,
    error::{ApiError, ApiResult},
    range::{self, Requested},
};

impl RepositoryRequest<'_> {
    /// GET and HEAD of a blob (distribution-spec, *Pulling blobs*).
    pub(super) async fn pull_blob(&self, digest: &Digest) -> ApiResult {
        let state = &self.registry.state;
        let mut here = self.linked_blob(digest).await?;
        if let Some(content) = &here
            && (conditions::are_there(self.headers) || !self.reads_all(content.size))
            && !state.is_present(content).await?
        {
            here = None;
        }
        let expected = match here {
            None => self.expected_blob(digest).await?,
            Some(_) => None,
        };
        if (expected.is_some() || here.is_some())
            && let Some(answer) = conditions::instead_of(self.headers, digest)
        {
            return answer;
        }
        let mut upstream = None;
        if let Some(size) = expected
            && *self.method == Method::GET
        {
            upstream = self.fetch_blob(digest, size).await?;
            if upstream.is_none() {
                here = self.linked_blob(digest).await?;
            }
        }
        let size = expected
            .or(here.as_ref().map(|here| here.size))
            .ok_or_else(unknown)?;
        let etag = conditions::etag(digest)?;
        let requested = match self.headers.get(header::IF_RANGE) {
            _ if upstream.is_some() => Requested::Whole,
            _ if *self.method == Method::HEAD => Requested::Whole, // RFC 9110, 14.2
            Some(condition) if *condition != etag => Requested::Whole,
            _ => range::parse(self.headers, size),
        };
        let (status, bytes) = match requested {
            Requested::Whole => (StatusCode::OK, 0..size),
            Requested::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
            Requested::Unsatisfiable => {
                let failure = ApiError::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    ErrorCode::SizeInvalid,
                    "the blob does not have this range",
                );
                return Err(failure.with_header(header::CONTENT_RANGE, value(format!("bytes */{size}"))?));
            }
        };
        if let Some(content) = &here
            && let Some(answer) = self.redirect(content, etag.clone()).await?
        {
            self.tell_blob_pulled(digest, size);
            return Ok(answer);
        }
        let fetched = match (&here, &upstream) {
            (_, Some(_)) => Some(Fetched::Body),
            (Some(_), None) if self.is_cache() => Some(Fetched::Bytes(0)),
            _ => None,
        };
        let length = bytes.end - bytes.start;
        let content_range = format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1));
        let body = if let Some(bytes) = upstream {
            Body::stream(bytes, length)
        } else if *self.method == Method::HEAD || length == 0 {
            Body::empty()
        } else {
            let content = here.ok_or_else(unknown)?;
            Body::stream(state.open(&content, bytes).await?, length)
        };
        self.tell_blob_pulled(digest, size);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::ETAG, etag);
        headers.insert(DIGEST, digest_value(digest)?);
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(header::CONTENT_RANGE, value(content_range)?);
        }
        if let Some(fetched) = fetched {
            response.extensions_mut().insert(fetched);
        }
        Ok(response)
    }

    /// The answer that leads a client to a blob in the storage, if it is to be read there: 307, for the method of
    /// the request alone.
    async fn redirect(
        &self,
        content: &StoredContent,
        etag: HeaderValue,
    ) -> Result<Option<Response<Body>>, ApiError> {
        let config = &self.registry.config;
        let Some(redirects) = &config.redirects else {
            return Ok(None);
        };
        let (address, user) = (self.address, self.principal.user.as_deref());
        if *self.method != Method::GET
            || config.through.is_some()
            || !redirects.allow(content.size, self.headers, address, user)
        {
            return Ok(None);
        }
        let state = &self.registry.state;
        let Some(url) = state.backend.url(content, redirects.lifetime()).await? else {
            return Ok(None);
        };
        if !state.is_present(content).await? {
            return Err(unknown()); // the storage's own answer would be none of a registry
        }
        let Some(location) = url.location() else {
            return Ok(None);
        };
        let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::ETAG, etag);
        headers.insert(DIGEST, digest_value(&content.digest)?);
        Ok(Some(response))
    }

    /// The content of a blob that is linked in this repository.
    pub(super) async fn linked_blob(&self, digest: &Digest) -> Result<Option<StoredContent>, Error> {
        self.registry
            .state
            .repository(&self.path)
            .touch_blob(digest)
            .await
    }

    /// Whether the answer reads the whole blob of this size, so that a missing blob is noticed by the read.
    fn reads_all(&self, size: u64) -> bool {
        let whole = !self.headers.contains_key(header::RANGE) && size > 0;
        *self.method == Method::GET && whole && !self.is_cache()
    }

    /// DELETE of a blob: removes the link from this repository (distribution-spec, *Deleting Blobs*). The
    /// collector removes the bytes when no repository links them.
    pub(super) async fn delete_blob(&self, digest: &Digest) -> ApiResult {
        let repository = self.registry.state.repository(&self.path);
        if conditions::are_there(self.headers) {
            repository.blob(digest).await?.ok_or_else(unknown)?;
            conditions::allow_change(self.headers, Some(digest))?;
        }
        let event = self.deletion(digest)?;
        if !repository.delete(RecordKey::Blob(digest.clone()), event).await? {
            return Err(unknown());
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

fn unknown() -> ApiError {
    ApiError::missing(ErrorCode::BlobUnknown, "no such blob in this repository")
}
