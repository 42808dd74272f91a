use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use wharf_content::{Blob, Descriptor, Error, Location, Manifest, Signature, Source, Target, Wanted};
use wharf_reference::Digest;

use crate::concurrency::LockExt as _;

/// The most bytes of signatures that are kept; a copy carries no more.
const MAX_KEPT: usize = 64 << 20;

/// A source whose signatures are read once: those by which an image is judged are those that are copied with it.
pub(super) struct ReadOnce {
    source: Arc<dyn Source>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// By manifest, the kinds that were read together and what there was.
    read: HashMap<Digest, Vec<(Wanted, Vec<Signature>)>>,
}

impl ReadOnce {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        let kept = Mutex::default();
        Self { source, kept }
    }

    /// The signatures that were read before, and the kinds that were not.
    fn kept(&self, manifest: &Digest, wanted: Wanted) -> (Vec<Signature>, Wanted) {
        let kept = self.kept.locked();
        let read = kept.read.get(manifest).into_iter().flatten();
        let (mut signatures, mut missing) = (Vec::new(), wanted);
        for (kinds, found) in read {
            if missing.includes(*kinds) && (!wanted.other_attachments || found.iter().all(is_fetched)) {
                missing.simple &= !kinds.simple;
                missing.attachments &= !kinds.attachments;
                missing.bundles &= !kinds.bundles;
                signatures.extend_from_slice(found);
            }
        }
        (signatures, missing)
    }

    fn keep(&self, manifest: &Digest, kinds: Wanted, signatures: &[Signature]) {
        let bytes = signatures.iter().map(size).sum();
        let mut kept = self.kept.locked();
        let sum = kept.bytes.saturating_add(bytes);
        if sum <= MAX_KEPT {
            kept.bytes = sum;
            let read = kept.read.entry(manifest.clone()).or_default();
            read.push((kinds, signatures.to_vec()));
        }
    }
}

/// False for an attachment that is no signature, whose payload was not wanted so far.
fn is_fetched(signature: &Signature) -> bool {
    !matches!(signature, Signature::Attachment { payload, .. } if payload.is_empty())
}

fn size(signature: &Signature) -> usize {
    match signature {
        Signature::Simple(bytes) | Signature::Bundle(bytes) | Signature::Unknown { blob: bytes, .. } => {
            bytes.len()
        }
        Signature::Attachment {
            payload, annotations, ..
        } => annotations
            .iter()
            .fold(payload.len(), |sum, (key, value)| sum + key.len() + value.len()),
        _ => MAX_KEPT,
    }
}

#[async_trait]
impl Source for ReadOnce {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.source.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.source.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.source.blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        self.source.referrers(subject).await
    }

    fn expect_signatures(&self, wanted: Wanted) {
        self.source.expect_signatures(wanted);
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let (mut signatures, missing) = self.kept(manifest, wanted);
        if !missing.is_nothing() {
            let read = self.source.signatures(manifest, missing).await?;
            self.keep(manifest, missing, &read);
            signatures.extend(read);
        }
        Ok(signatures)
    }

    async fn count_signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<usize, Error> {
        self.source.count_signatures(manifest, wanted).await
    }

    fn unread_signatures(&self, manifest: &Digest, wanted: Wanted) -> Option<String> {
        self.source.unread_signatures(manifest, wanted)
    }

    fn served_by(&self, manifest: &Digest) -> Option<Location> {
        self.source.served_by(manifest)
    }

    fn location(&self) -> Location {
        self.source.location()
    }

    fn location_of(&self, descriptor: &Descriptor) -> Location {
        self.source.location_of(descriptor)
    }
}
