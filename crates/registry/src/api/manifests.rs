use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use wharf_content::{Error, ErrorKind, Manifest, MediaType};
use wharf_reference::{Digest, Tag};

use super::{DIGEST, RepositoryRequest, answer::Fetched, conditions, digest_value, empty, receive, value};
use crate::{
    Body, ErrorCode, ManifestRecord, RecordKey,
    body::RequestBody,
    error::{ApiError, ApiResult},
    route::ManifestReference,
    state::{Condition, ManifestPush, Repository},
};

pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

impl RepositoryRequest<'_> {
    /// GET and HEAD of a manifest (distribution-spec, *Pulling manifests*).
    pub(super) async fn pull_manifest(&self, target: &ManifestReference) -> ApiResult {
        let fetched = self.fetch_manifest(target).await?;
        let state = &self.registry.state;
        let (digest, record) = find(&state.repository(&self.path), target).await?;
        let content = record.content(&digest);
        if !state.is_present(&content).await? {
            return Err(unknown());
        }
        if let Some(answer) = conditions::instead_of(self.headers, &digest) {
            return answer;
        }
        let body = if *self.method == Method::HEAD {
            Body::empty()
        } else {
            let bytes = state.open(&content, 0..record.size).await.map_err(gone)?;
            Body::stream(bytes, record.size)
        };
        self.tell_manifest_pulled(target, &digest, &record);
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, value(record.media_type.as_str())?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(record.size));
        headers.insert(header::ETAG, conditions::etag(&digest)?);
        headers.insert(DIGEST, digest_value(&digest)?);
        if self.is_cache() {
            response.extensions_mut().insert(Fetched::Bytes(fetched));
        }
        Ok(response)
    }

    /// PUT of a manifest (distribution-spec, *Pushing Manifests*).
    pub(super) async fn push_manifest(&self, target: ManifestReference, body: RequestBody) -> ApiResult {
        let limits = &self.registry.config.limits;
        let mut tags = Vec::new();
        for tag in self.query.values("tag") {
            tags.push(Tag::parse(tag).map_err(|_| invalid("invalid tag"))?);
        }
        if tags.len() > limits.tags {
            return Err(ApiError::new(
                StatusCode::URI_TOO_LONG,
                ErrorCode::ManifestInvalid,
                "too many tags at once",
            ));
        }
        let declared = match self.headers.get(header::CONTENT_TYPE) {
            Some(value) => {
                let media_type = value.to_str().ok().and_then(|text| MediaType::parse(text).ok());
                let media_type = media_type.filter(|media_type| !is_page(media_type));
                Some(media_type.ok_or_else(|| invalid("invalid Content-Type"))?)
            }
            None => None,
        };
        let bytes = receive::whole(body, limits.manifest, limits.idle).await?;
        let manifest = match &target {
            ManifestReference::Digest(digest) => Manifest::parse_pinned(bytes, declared.as_ref(), digest),
            ManifestReference::Tag(_) => Manifest::parse(bytes, declared.as_ref()),
        };
        let manifest = manifest.map_err(|error| refused(&error))?;
        let digest = manifest.digest().clone();
        if let ManifestReference::Tag(tag) = &target {
            tags = vec![tag.clone()];
        }
        let holds = |current: Option<&Digest>| conditions::allow_change(self.headers, current).is_ok();
        let condition = conditions::are_there(self.headers).then(|| Condition {
            of: match &target {
                ManifestReference::Digest(digest) => RecordKey::Manifest(digest.clone()),
                ManifestReference::Tag(tag) => RecordKey::Tag(tag.clone()),
            },
            holds: &holds,
        });
        let push = ManifestPush {
            path: &self.path,
            manifest: &manifest,
            tags: &tags,
            user: self.principal.user.as_deref(),
            needs: self.registry.config.needs(),
            quota: self.quota(),
            condition,
            events: self.manifest_events(&manifest, &tags)?,
        };
        self.registry.state.push_manifest(push).await?;
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("manifests/{digest}"))?);
        headers.insert(DIGEST, digest_value(&digest)?);
        if let Some(subject) = manifest.subject() {
            headers.insert(SUBJECT, digest_value(subject.digest())?);
        }
        if matches!(target, ManifestReference::Digest(_)) {
            for tag in &tags {
                headers.append(TAG, value(tag.as_str())?);
            }
        }
        Ok(response)
    }

    /// DELETE of a manifest with its tags, or of one tag (distribution-spec, *Deleting Manifests*).
    pub(super) async fn delete_manifest(&self, target: &ManifestReference) -> ApiResult {
        let repository = self.registry.state.repository(&self.path);
        let refused = AtomicBool::new(false);
        let may = |current: &Digest| {
            let may = conditions::allow_change(self.headers, Some(current)).is_ok();
            refused.store(!may, Ordering::Relaxed);
            may
        };
        let deleted = match target {
            ManifestReference::Tag(tag) => {
                let event = self.tag_deletion(tag)?;
                repository.delete_tag(tag, may, event).await?
            }
            ManifestReference::Digest(digest)
                if conditions::are_there(self.headers)
                    && repository.manifest(digest).await?.is_some()
                    && !may(digest) =>
            {
                false
            }
            ManifestReference::Digest(digest) => {
                let event = self.deletion(digest)?;
                repository
                    .delete(RecordKey::Manifest(digest.clone()), event)
                    .await?
            }
        };
        if refused.load(Ordering::Relaxed) {
            return Err(ApiError::condition());
        }
        if !deleted {
            return Err(unknown());
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

/// Whether this is the media type of a web page, which some clients send by mistake.
fn is_page(media_type: &MediaType) -> bool {
    matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
}

async fn find(
    repository: &Repository<'_>,
    target: &ManifestReference,
) -> Result<(Digest, Arc<ManifestRecord>), ApiError> {
    let digest = match target {
        ManifestReference::Digest(digest) => digest.clone(),
        ManifestReference::Tag(tag) => repository.tag(tag).await?.ok_or_else(unknown)?,
    };
    let record = repository.manifest(&digest).await?.ok_or_else(unknown)?;
    Ok((digest, record))
}

fn unknown() -> ApiError {
    ApiError::missing(ErrorCode::ManifestUnknown, "no such manifest in this repository")
}

/// The failure of a read: content that is found to be missing or corrupt is a manifest that is not here.
fn gone(error: Error) -> ApiError {
    match error.kind() {
        ErrorKind::NotFound => unknown(),
        _ => error.into(),
    }
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::bad(ErrorCode::ManifestInvalid, message)
}

fn refused(error: &Error) -> ApiError {
    let code = match error.kind() {
        ErrorKind::Mismatch => ErrorCode::DigestInvalid,
        _ => ErrorCode::ManifestInvalid,
    };
    ApiError::bad(code, error.to_string())
}
