use std::ops::Bound;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use serde::Serialize;
use serde_json::value::RawValue;
use wharf_content::{Descriptor, MediaType};
use wharf_reference::Digest;

use super::{Call, listings::next_link, value};
use crate::{
    Body, ErrorCode, Quirk,
    error::{Answer, Failure},
    query::encode,
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

impl Call<'_> {
    /// GET of the manifests that refer to `subject`, by digest (distribution-spec, *Listing Referrers*).
    ///
    /// A page ends at the limit of entries, or before it passes the size that clients read of a manifest.
    pub(super) fn referrers(&self, subject: &Digest) -> Answer {
        if self.registry.has(Quirk::NoReferrers) {
            return Err(Failure::missing(
                ErrorCode::Unsupported,
                "there is nothing at this path",
            ));
        }
        let filter = self.query.value("artifactType");
        let filter = filter.filter(|_| !self.registry.has(Quirk::NoReferrersFilter));
        let limits = &self.registry.config.limits;
        let mut manifests = Vec::new();
        let mut size = 0;
        let mut next = None;
        if let Some(repository) = self.registry.state.existing(&self.path) {
            let content = repository.content();
            let last = self.query.value("last").unwrap_or_default();
            let after = (Bound::Excluded(last), Bound::Unbounded);
            let referrers = content.referrers.get(subject);
            let mut previous = None;
            for digest in referrers
                .into_iter()
                .flat_map(|referrers| referrers.range::<str, _>(after))
            {
                let Some(link) = content.manifests.get(digest) else {
                    continue;
                };
                let record = &link.record;
                if filter.is_some_and(|filter| {
                    record.artifact_type.as_ref().map(MediaType::as_str) != Some(filter)
                }) {
                    continue;
                }
                let mut descriptor = Descriptor::new(record.media_type.clone(), digest.clone(), record.size)?
                    .with_annotations(record.annotations.clone());
                if let Some(artifact_type) = &record.artifact_type {
                    descriptor = descriptor.with_artifact_type(artifact_type.clone());
                }
                let entry = serde_json::value::to_raw_value(&descriptor).map_err(|_| storage())?;
                let full =
                    manifests.len() == limits.page || size + entry.get().len() as u64 > limits.manifest / 2;
                if full && previous.is_some() {
                    next = previous;
                    break;
                }
                size += entry.get().len() as u64;
                manifests.push(entry);
                previous = Some(digest.clone());
            }
        }
        let index = Index {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX.as_str(),
            manifests,
        };
        let bytes = serde_json::to_vec(&index).map_err(|_| storage())?;
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

fn storage() -> Failure {
    Failure::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unknown,
        "a record cannot be written as JSON",
    )
}
