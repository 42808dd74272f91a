//! Signatures of manifests, as they are kept beside a registry and in it. They are read and written here, and judged and
//! made elsewhere.

mod append;
mod attachments;
mod bundles;
mod count;
mod extension;
mod file;
mod lookaside;
mod served;
mod staging;
mod write;

use wharf_config::SignatureStore;
use wharf_content::{Signature, Wanted};
use wharf_reference::{Digest, Reference};

pub(crate) use self::served::Served;
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    together::{Concurrent, together},
};

const OPERATION: Operation = Operation::PullSignatures;

impl Remote {
    /// The signatures of a manifest, of the kinds that are wanted. They are untrusted: nobody has verified them.
    ///
    /// They are those of the candidate that served the manifest to this value, so that a mirror has its own; of a
    /// manifest that was not read, those of the candidate that served the last one. Where a candidate's signatures are is
    /// said by [`ClientBuilder::with_signature_locations`](crate::ClientBuilder::with_signature_locations).
    ///
    /// | kind | where | absent if |
    /// |---|---|---|
    /// | simple | the API of a registry that offers it (`OpenShift`'s signatures extension), with the registry's login | the list is empty |
    /// | simple, at all other registries | the lookaside store: `signature-1`, `signature-2` and so on (containers-registries.d(5)) | the file is missing, or the answer is 404 |
    /// | attachments | the layers of the tag `sha256-….sig` in the repository, if `use-sigstore-attachments` is true | the registry says that there is no such tag |
    /// | bundles | the referrers of the manifest | the registry lists none |
    ///
    /// The kinds are read side by side. An attachment of another type than signatures has an empty payload, unless all
    /// payloads are wanted: it is not fetched.
    ///
    /// `manifest` is the sha256 digest of the manifest's bytes, also if the image is known by another digest. A file that
    /// is no signature, such as a web page, is [`Signature::Unknown`] and fails nothing; so is a referrer that is listed
    /// as a bundle and is none, or refers to another manifest.
    ///
    /// # Errors
    ///
    /// Whatever is not a signature and does not say that there is none: an answer with another status, a server that
    /// does not answer, a file that cannot be read; [`ErrorKind::TooLarge`](wharf_content::ErrorKind::TooLarge) for more
    /// than 100 signatures of a kind (1,000 in a lookaside directory), more than 4 MiB of one or 32 MiB of all, and for
    /// more than 1,000 referrers.
    pub async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        if wanted.is_nothing() {
            return Ok(Vec::new());
        }
        let (endpoint, store) = self.kept_at(manifest)?;
        let mut kinds: Vec<Concurrent<'_, Result<Vec<Signature>, Error>>> = Vec::new();
        if wanted.simple {
            kinds.push(Box::pin(self.simple(&endpoint, &store, manifest)));
        }
        if wanted.attachments && store.attachments() {
            kinds.push(Box::pin(self.attachments(&endpoint, manifest, wanted)));
        }
        if wanted.bundles {
            kinds.push(Box::pin(self.bundles(&endpoint, manifest)));
        }
        let mut signatures = Vec::new();
        for read in together(kinds).await {
            signatures.extend(read?);
        }
        Ok(signatures)
    }

    /// The endpoint where the signatures of a manifest are, and the stores that it has for them.
    fn kept_at(&self, manifest: &Digest) -> Result<(Endpoint, SignatureStore), Error> {
        let endpoint = match self.served().endpoint(manifest) {
            Some(endpoint) => endpoint,
            None => self.primary(OPERATION)?,
        };
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        let image = match self.served().tag() {
            Some(tag) => Reference::new(repository).with_tag(&tag),
            None => Reference::new(repository).with_digest(manifest),
        };
        let store = self.client().shared().signature_locations.store_for(&image);
        Ok((endpoint, store))
    }

    async fn simple(
        &self,
        endpoint: &Endpoint,
        store: &SignatureStore,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        if self.client().offers_signatures(endpoint).await? {
            return self.extension(endpoint, manifest).await;
        }
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        match store.read() {
            Some(lookaside) => self.client().lookaside(lookaside, repository, manifest).await,
            None => Ok(Vec::new()),
        }
    }
}
