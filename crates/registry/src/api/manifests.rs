use std::{
    collections::HashSet,
    iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use wharf_content::{Descriptor, ErrorKind, Hasher, Manifest, MediaType, Verified};
use wharf_reference::{Algorithm, Digest, Tag};

use super::{Call, DIGEST, conditions, digest_value, empty, quota::Quota, receive, value};
use crate::{
    Body, Change, ErrorCode, ManifestRecord, Record,
    body::RequestBody,
    error::{Answer, Failure},
    route::Target,
    state::{BlobLink, Repository, random_id},
};

pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// Where a manifest comes from.
#[derive(Clone, Copy)]
pub(crate) enum Pusher<'a> {
    /// A client, by this name: its conditions must hold, and what the manifest needs must be here.
    Client(&'a Target),
    /// This process: what the manifest needs must be here.
    Process,
    /// The registry that this one is a cache of.
    Upstream,
}

impl Call<'_> {
    /// GET and HEAD of a manifest (distribution-spec, *Pulling manifests*).
    pub(super) async fn pull_manifest(&self, target: &Target) -> Answer {
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
    pub(super) async fn push_manifest(&self, target: Target, body: RequestBody) -> Answer {
        let limits = &self.registry.config.limits;
        let mut tags = Vec::new();
        for tag in self.query.values("tag") {
            tags.push(Tag::parse(tag).map_err(|_| invalid("invalid tag"))?);
        }
        if tags.len() > limits.tags {
            return Err(Failure::new(
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
            Target::Digest(digest) => digest.clone(),
            Target::Tag(_) => Hasher::digest(Algorithm::Sha256, &bytes)?,
        };
        let manifest =
            Manifest::parse_pinned(bytes, declared.as_ref(), &digest).map_err(|error| refused(&error))?;
        if let Target::Tag(tag) = &target {
            tags = vec![tag.clone()];
        }
        self.store(&manifest, &tags, Pusher::Client(&target)).await?;
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("manifests/{digest}"))?);
        headers.insert(DIGEST, digest_value(&digest)?);
        if let Some(subject) = manifest.subject() {
            headers.insert(SUBJECT, digest_value(subject.digest())?);
        }
        if matches!(target, Target::Digest(_)) {
            for tag in &tags {
                headers.append(TAG, value(tag.as_str())?);
            }
        }
        Ok(response)
    }

    /// Keeps a manifest and points tags at it.
    pub(crate) async fn store(
        &self,
        manifest: &Manifest,
        tags: &[Tag],
        pusher: Pusher<'_>,
    ) -> Result<(), Failure> {
        let state = &self.registry.state;
        let digest = manifest.digest();
        let record = Arc::new(ManifestRecord::of(manifest, self.principal.user.as_deref()));
        let present = state.hold_content().await;
        let repository = state.repository(&self.path);
        let closed = repository.close().await;
        if let Pusher::Client(target) = pusher {
            let current = find(&repository, target).ok().map(|(digest, _)| digest);
            conditions::allow_change(self.headers, current.as_ref())?;
        }
        if !matches!(pusher, Pusher::Upstream) {
            self.check(&repository, manifest, &record).await?;
        }
        let quota = {
            let content = repository.content();
            let linked = content.manifests.get(digest).map(|link| &link.record);
            let linked = linked.map(|record| (record.size, record.user.as_deref()));
            Quota::of_linked(self, linked)
        };
        let reservation = quota.reserve(record.size)?;
        self.keep(digest, manifest.bytes()).await?;
        let tags = tags.iter().map(|tag| Record::Tag(tag.clone(), digest.clone()));
        let records = iter::once(Record::Manifest(digest.clone(), record)).chain(tags);
        let changes = records.map(Change::Put).collect();
        state
            .commit(&repository, changes, None, (present, closed, reservation))
            .await?;
        Ok(())
    }

    /// Writes a manifest, unless this process knows it to be here: what is only believed to be is written
    /// again, which heals it.
    async fn keep(&self, digest: &Digest, bytes: &Bytes) -> Result<(), Failure> {
        let state = &self.registry.state;
        let size = state.backend.size(digest).await?;
        if size == Some(bytes.len() as u64) && state.is_trusted(digest) {
            return Ok(());
        }
        let content = Verified::of(digest.algorithm(), bytes)?;
        let id = random_id()?;
        let backend = &state.backend;
        backend.begin(&id, "").await?;
        let kept = async {
            backend.append(&id, 0, vec![bytes.clone()]).await?;
            backend.flush(&id).await?;
            backend.finish(&id, &content).await
        };
        if let Err(error) = kept.await {
            let _ = backend.discard(&id).await; // the first failure says why; the rest goes when a registry opens
            return Err(error.into());
        }
        state.trust(content.digest());
        Ok(())
    }

    /// Whether everything the manifest needs is in this repository, and it means what it meant before.
    async fn check(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        record: &ManifestRecord,
    ) -> Result<(), Failure> {
        let missing = |descriptor: &Descriptor| {
            Failure::bad(
                ErrorCode::ManifestBlobUnknown,
                format!("{} is not in this repository", descriptor.digest()),
            )
        };
        let wrong_size = |descriptor: &Descriptor| {
            Failure::bad(
                ErrorCode::ManifestInvalid,
                format!("{} does not have the size that is stated", descriptor.digest()),
            )
        };
        let lost = self.lost(repository, manifest).await?;
        let content = repository.content();
        if let Some(before) = content.manifests.get(manifest.digest())
            && before.record.media_type != record.media_type
        {
            return Err(invalid("this manifest was pushed with another type before"));
        }
        let sparse = self.registry.config.sparse;
        for blob in manifest.blobs() {
            let link = content.blobs.get(blob.digest());
            match link.filter(|_| !lost.contains(blob.digest())) {
                Some(link) if link.size() != blob.size() => return Err(wrong_size(blob)),
                Some(_) => {}
                None if sparse || is_foreign(blob) => {}
                None => return Err(missing(blob)),
            }
        }
        for child in manifest.manifests() {
            let there = !lost.contains(child.digest());
            match content.manifests.get(child.digest()).filter(|_| there) {
                Some(link) if link.record.size != child.size() => return Err(wrong_size(child)),
                Some(_) => {}
                None if sparse || there && content.blobs.contains_key(child.digest()) => {}
                None => return Err(missing(child)),
            }
        }
        Ok(())
    }

    /// The digests of the blobs and manifests that this manifest names and the repository links, but whose
    /// content is gone from the backend, or has another size there.
    async fn lost(&self, repository: &Repository, manifest: &Manifest) -> Result<HashSet<Digest>, Failure> {
        let linked = {
            let content = repository.content();
            let size = |digest: &Digest| {
                let manifest = content.manifests.get(digest).map(|link| link.record.size);
                manifest.or_else(|| content.blobs.get(digest).map(BlobLink::size))
            };
            let blobs = manifest.blobs().map(Descriptor::digest);
            let needed = blobs.chain(manifest.manifests().iter().map(Descriptor::digest));
            let linked = needed.filter_map(|digest| Some((digest.clone(), size(digest)?)));
            linked.collect::<Vec<_>>()
        };
        let present = self.registry.state.are_present(&linked).await?;
        let lost = linked.into_iter().zip(present).filter(|(_, present)| !present);
        Ok(lost.map(|((digest, _), _)| digest).collect())
    }

    /// DELETE of a manifest with its tags, or of one tag (distribution-spec, *Deleting Manifests*).
    pub(super) async fn delete_manifest(&self, target: &Target) -> Answer {
        let state = &self.registry.state;
        let repository = state.existing(&self.path).ok_or_else(unknown)?;
        let refused = AtomicBool::new(false);
        let may = |current: &Digest| {
            let may = conditions::allow_change(self.headers, Some(current)).is_ok();
            refused.store(!may, Ordering::Relaxed);
            may
        };
        let deleted = match target {
            Target::Tag(tag) => state.delete_tag(&self.path, tag, may).await?,
            Target::Digest(digest) if repository.manifest(digest).is_some() && !may(digest) => false,
            Target::Digest(digest) => state.delete_manifest(&self.path, digest).await?,
        };
        if refused.load(Ordering::Relaxed) {
            return Err(conditions::failed());
        }
        if !deleted {
            return Err(unknown());
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

/// Whether a client calls a manifest a web page.
fn is_page(media_type: &MediaType) -> bool {
    matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
}

/// Content that may be had elsewhere and that registries need not hold (image-spec, *Non-Distributable
/// Layers*).
fn is_foreign(descriptor: &Descriptor) -> bool {
    let media_type = descriptor.media_type().as_str();
    !descriptor.urls().is_empty() || media_type.contains("nondistributable") || media_type.contains("foreign")
}

fn find(repository: &Repository, target: &Target) -> Result<(Digest, Arc<ManifestRecord>), Failure> {
    let digest = match target {
        Target::Digest(digest) => digest.clone(),
        Target::Tag(tag) => repository.content().tags.get(tag).cloned().ok_or_else(unknown)?,
    };
    let record = repository.manifest(&digest).ok_or_else(unknown)?;
    Ok((digest, record))
}

fn unknown() -> Failure {
    Failure::missing(ErrorCode::ManifestUnknown, "no such manifest in this repository")
}

fn invalid(message: &'static str) -> Failure {
    Failure::bad(ErrorCode::ManifestInvalid, message)
}

fn refused(error: &wharf_content::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Mismatch => ErrorCode::DigestInvalid,
        _ => ErrorCode::ManifestInvalid,
    };
    Failure::bad(code, error.to_string())
}
