use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use serde::Serialize;
use serde_json::value::RawValue;
use wharf_content::{Descriptor, MediaType};
use wharf_reference::Digest;

use super::{RepositoryRequest, conditions, listings::next_link, unwritable, value};
use crate::{
    Body, ManifestRecord, RecordRange,
    error::{ApiError, ApiResult},
    percent::encode,
};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The answer to a listing: an index with nothing but descriptors.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: Vec<Box<RawValue>>,
}

impl RepositoryRequest<'_> {
    /// GET of the manifests that refer to `subject`, by digest (distribution-spec, *Listing Referrers*).
    ///
    /// A page ends at the limit of entries, or before it exceeds half the size that clients accept for a
    /// manifest.
    pub(super) async fn referrers(&self, subject: &Digest) -> ApiResult {
        if let Some(answer) = conditions::instead_of_document(self.headers) {
            return answer;
        }
        let filter = self.query.value("artifactType");
        let limits = &self.registry.config.limits;
        let state = &self.registry.state;
        let range = RecordRange::Referrers(subject.clone(), filter.map(str::to_owned));
        let last = self.query.value("last").unwrap_or_default();
        let repository = state.repository(&self.path);
        let found = repository
            .manifests(&range, last, limits.page.saturating_add(1))
            .await?;
        let contents = found.iter().map(|(digest, record)| record.content(digest));
        let present = state.backend.are_present(&contents.collect::<Vec<_>>()).await?;
        let mut manifests = Vec::new();
        let mut size = 0;
        let mut next = None;
        let mut previous = None;
        for (index, ((digest, record), present)) in found.into_iter().zip(present).enumerate() {
            let entry = present.then(|| entry(&digest, &record)).transpose()?;
            let length = entry.as_ref().map_or(0, |entry| entry.get().len() as u64);
            let full = index >= limits.page || size + length > limits.manifest / 2;
            if full && previous.is_some() {
                next = previous;
                break;
            }
            size += length;
            manifests.extend(entry);
            previous = Some(digest);
        }
        let index = Index {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX.as_str(),
            manifests,
        };
        let bytes = serde_json::to_vec(&index).map_err(|_| unwritable())?;
        let mut response = Response::new(Body::from(Bytes::from(bytes)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, value(MediaType::OCI_INDEX.as_str())?);
        if filter.is_some() {
            headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
        }
        if let Some(last) = next {
            let mut target = format!("/v2/{}/referrers/{subject}?last={last}", self.path);
            if let Some(filter) = filter {
                target.push_str("&artifactType=");
                target.push_str(&encode(filter));
            }
            headers.insert(header::LINK, next_link(&target)?);
        }
        Ok(response)
    }
}

/// The descriptor of a referrer.
fn entry(digest: &Digest, record: &ManifestRecord) -> Result<Box<RawValue>, ApiError> {
    let mut descriptor = Descriptor::new(record.media_type.clone(), digest.clone(), record.size)?
        .with_annotations(record.annotations.clone());
    if let Some(artifact_type) = &record.artifact_type {
        descriptor = descriptor.with_artifact_type(artifact_type.clone());
    }
    serde_json::value::to_raw_value(&descriptor).map_err(|_| unwritable())
}
