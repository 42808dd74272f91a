//! Sigstore bundles: artifacts that refer to the image.

use bytes::Bytes;
use wharf_content::{
    Descriptor, ErrorKind, MAX_SIGNATURE_SIZE, MAX_SIGNATURES, MAX_SIGNATURES_SIZE, Manifest, Signature,
    Target, bundles,
};
use wharf_reference::Digest;

use super::OPERATION;
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    together::{Concurrent, together},
};

/// The most referrers that are read at the same time.
const MAX_CONCURRENT: usize = 8;

/// A referrer that was read: its bytes, and the bundle that it is.
struct Read {
    bytes: u64,
    bundle: Option<Signature>,
}

impl Remote {
    /// The bundles of a manifest at an endpoint. All referrers are read, those that are listed as bundles first: lists
    /// at fallback tags may have another type for them.
    pub(super) async fn bundles(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        let subject = self.blob_name(manifest);
        let mut entries = self
            .referrers_at(endpoint, manifest, None)
            .await
            .map_err(|error| error.edit(|inner| inner.operation = OPERATION))?;
        entries.sort_by_key(|entry| !bundles::is_listed(entry));
        let too_large = |reason: String| Error::new(ErrorKind::TooLarge, OPERATION, &subject, reason);
        let mut found = Vec::new();
        let mut room = MAX_SIGNATURES_SIZE;
        for some in entries.chunks(MAX_CONCURRENT) {
            let reads = some.iter().map(|entry| {
                Box::pin(self.referrer_read(endpoint, manifest, entry)) as Concurrent<'_, Result<Read, Error>>
            });
            for read in together(reads.collect()).await {
                let read = read?;
                room = room.checked_sub(read.bytes).ok_or_else(|| {
                    let limit = MAX_SIGNATURES_SIZE >> 20;
                    too_large(format!(
                        "its bundles and the other referrers have more than {limit} MiB"
                    ))
                })?;
                found.extend(read.bundle);
            }
            if found.len() > MAX_SIGNATURES {
                return Err(too_large(format!("it has more than {MAX_SIGNATURES} bundles")));
            }
        }
        Ok(found)
    }

    /// Reads a referrer. One that is listed as a bundle and is none is a signature that cannot be accepted.
    async fn referrer_read(
        &self,
        endpoint: &Endpoint,
        subject: &Digest,
        entry: &Descriptor,
    ) -> Result<Read, Error> {
        let rejected = |bytes: u64, reason: String| Read {
            bytes,
            bundle: bundles::is_listed(entry).then(|| Signature::Unknown {
                blob: Bytes::new(),
                reason: format!("{} is listed as a bundle, but {reason}", entry.digest()),
            }),
        };
        if !entry.media_type().is_manifest() {
            return Ok(rejected(0, "it is no manifest".to_owned()));
        }
        let target = Target::Digest(entry.digest().clone());
        let referrer: Manifest = match self.manifest_at(endpoint.clone(), &target).await {
            Ok(referrer) => referrer,
            Err(error) if error.kind().is_about_content() => return Ok(rejected(0, error.to_string())),
            Err(error) => return Err(error.edit(|inner| inner.operation = OPERATION)),
        };
        let bytes = referrer.descriptor().size();
        if referrer.subject().map(Descriptor::digest) != Some(subject) {
            return Ok(rejected(bytes, "it refers to another manifest".to_owned()));
        }
        let Some(layer) = bundles::layer(entry, &referrer) else {
            return Ok(rejected(bytes, "it has no layer".to_owned()));
        };
        if layer.size() > MAX_SIGNATURE_SIZE {
            let reason = format!("it is larger than the limit of {MAX_SIGNATURE_SIZE} bytes");
            return Ok(rejected(bytes, reason));
        }
        match self.payload(endpoint, &self.blob_name(subject), layer).await {
            Ok(bundle) => Ok(Read {
                bytes: bytes + layer.size(),
                bundle: Some(Signature::Bundle(bundle)),
            }),
            Err(error) if error.kind().is_about_content() => Ok(rejected(bytes, error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Writes the bundles that the registry does not have, each as an artifact of its own, and returns their number.
    pub(super) async fn push_bundles(
        &self,
        endpoint: &Endpoint,
        manifest: &Descriptor,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let operation = Operation::PushSignatures;
        let subject = self.blob_name(manifest.digest());
        let mut held = self.bundles(endpoint, manifest.digest()).await?;
        let mut added = 0;
        for signature in signatures {
            let Signature::Bundle(bundle) = signature else {
                continue;
            };
            if held.contains(signature) {
                continue;
            }
            if held.len() >= MAX_SIGNATURES {
                let reason = format!("it would have more than {MAX_SIGNATURES} bundles");
                return Err(Error::new(ErrorKind::TooLarge, operation, subject, reason));
            }
            let artifact = bundles::artifact(bundle, manifest)
                .map_err(|error| Error::from_content(operation, &subject, &error))?;
            for (descriptor, bytes) in artifact.blobs() {
                self.push_if_absent(descriptor, bytes).await?;
            }
            self.push_manifest(artifact.root(), None).await?;
            held.push(signature.clone());
            added += 1;
        }
        Ok(added)
    }
}
