use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use wharf_content::{Hasher, Manifest, Target, Wanted};
use wharf_reference::{Algorithm, Digest, Tag};

use crate::{endpoint::Endpoint, sync::LockExt as _};

/// The most manifests of one repository whose endpoint is remembered.
const MAX_SERVED: usize = 10_000;

/// The endpoints that served the manifests of a repository. The signatures of a manifest are looked for where it came
/// from: an index and its instances may come from different mirrors.
#[derive(Debug, Default)]
pub(crate) struct Served(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By sha256 digest.
    by_digest: HashMap<Digest, Endpoint>,
    last: Option<Endpoint>,
    tag: Option<Tag>,
    /// The kinds of signatures that will be read.
    expected: Wanted,
}

impl Served {
    pub(crate) fn record(&self, target: &Target, manifest: &Manifest, endpoint: Endpoint) {
        let digest = match manifest.digest().algorithm() {
            Algorithm::Sha256 => Ok(manifest.digest().clone()),
            _ => Hasher::digest(Algorithm::Sha256, manifest.bytes()),
        };
        let mut inner = self.inner();
        if let Target::Name(name) = target {
            inner.tag = name.to_tag().ok();
        }
        if inner.by_digest.len() >= MAX_SERVED {
            inner.by_digest.clear();
        }
        if let Ok(digest) = digest {
            inner.by_digest.insert(digest, endpoint.clone());
        }
        inner.last = Some(endpoint);
    }

    /// Records that a manifest, or something beside it, was written: what is read of it next is read there.
    pub(crate) fn written(&self, digest: &Digest, endpoint: &Endpoint) {
        let mut inner = self.inner();
        if inner.last.is_some() {
            inner.by_digest.insert(digest.clone(), endpoint.clone());
        }
    }

    /// Notes that signatures of these kinds will be read.
    pub(crate) fn expect(&self, wanted: Wanted) {
        let mut inner = self.inner();
        inner.expected = inner.expected.or(wanted);
    }

    /// The kinds of signatures that will be read.
    pub(super) fn expected(&self) -> Wanted {
        self.inner().expected
    }

    /// The endpoint that served this manifest, or else the last one.
    pub(crate) fn endpoint(&self, digest: &Digest) -> Option<Endpoint> {
        let inner = self.inner();
        inner.by_digest.get(digest).or(inner.last.as_ref()).cloned()
    }

    /// The tag that was read last: instances of an index are read by digest, and belong to the image of that tag.
    pub(super) fn tag(&self) -> Option<Tag> {
        self.inner().tag.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.locked()
    }
}
