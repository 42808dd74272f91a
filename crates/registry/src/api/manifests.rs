use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use wharf_content::{ErrorKind, Hasher, Manifest, MediaType};
use wharf_reference::{Algorithm, Digest, Tag};

use super::{DIGEST, RepositoryRequest, conditions, digest_value, empty, receive, value};
use crate::{
    Body, ErrorCode, ManifestRecord,
    body::RequestBody,
    error::{ApiError, ApiResult},
    route::ManifestReference,
    state::{ManifestPush, Repository},
};

pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

impl RepositoryRequest<'_> {
    /// GET and HEAD of a manifest (distribution-spec, *Pulling manifests*).
    pub(super) async fn pull_manifest(&self, target: &ManifestReference) -> ApiResult {
        self.fetch_manifest(target).await?;
        let state = &self.registry.state;
        let repository = state.existing(&self.path).ok_or_else(unknown)?;
        let (digest, record) = find(&repository, target)?;
        if !state.is_present(&digest, record.size).await? {
            return Err(unknown());
        }
        if let Some(answer) = conditions::instead_of(self.headers, &digest) {
            return answer;
        }
        let body = if *self.method == Method::HEAD {
            Body::empty()
        } else {
            let bytes = state.open(&digest, record.size, 0..record.size).await?;
            Body::stream(bytes, record.size)
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, value(record.media_type.as_str())?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(record.size));
        headers.insert(header::ETAG, conditions::etag(&digest)?);
        headers.insert(DIGEST, digest_value(&digest)?);
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
        let digest = match &target {
            ManifestReference::Digest(digest) => digest.clone(),
            ManifestReference::Tag(_) => Hasher::digest(Algorithm::Sha256, &bytes)?,
        };
        let manifest =
            Manifest::parse_pinned(bytes, declared.as_ref(), &digest).map_err(|error| refused(&error))?;
        if let ManifestReference::Tag(tag) = &target {
            tags = vec![tag.clone()];
        }
        let push = ManifestPush {
            path: &self.path,
            manifest: &manifest,
            tags: &tags,
            user: self.principal.user.as_deref(),
            needs: self.registry.config.needs(),
            quota: self.quota(),
        };
        let condition = |repository: &Repository| {
            let current = find(repository, &target).ok().map(|(digest, _)| digest);
            conditions::allow_change(self.headers, current.as_ref()).is_ok()
        };
        self.registry.state.push_manifest(push, condition).await?;
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
        let state = &self.registry.state;
        let repository = state.existing(&self.path).ok_or_else(unknown)?;
        let refused = AtomicBool::new(false);
        let may = |current: &Digest| {
            let may = conditions::allow_change(self.headers, Some(current)).is_ok();
            refused.store(!may, Ordering::Relaxed);
            may
        };
        let deleted = match target {
            ManifestReference::Tag(tag) => state.delete_tag(&self.path, tag, may).await?,
            ManifestReference::Digest(digest) if repository.manifest(digest).is_some() && !may(digest) => {
                false
            }
            ManifestReference::Digest(digest) => state.delete_manifest(&self.path, digest).await?,
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

fn find(
    repository: &Repository,
    target: &ManifestReference,
) -> Result<(Digest, Arc<ManifestRecord>), ApiError> {
    let digest = match target {
        ManifestReference::Digest(digest) => digest.clone(),
        ManifestReference::Tag(tag) => repository.content().tags.get(tag).cloned().ok_or_else(unknown)?,
    };
    let record = repository.manifest(&digest).ok_or_else(unknown)?;
    Ok((digest, record))
}

fn unknown() -> ApiError {
    ApiError::missing(ErrorCode::ManifestUnknown, "no such manifest in this repository")
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::bad(ErrorCode::ManifestInvalid, message)
}

fn refused(error: &wharf_content::Error) -> ApiError {
    let code = match error.kind() {
        ErrorKind::Mismatch => ErrorCode::DigestInvalid,
        _ => ErrorCode::ManifestInvalid,
    };
    ApiError::bad(code, error.to_string())
}
