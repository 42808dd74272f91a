//! Signatures of manifests, as they are kept beside a registry and in it. They are read here and judged elsewhere.

mod attachments;
mod extension;
mod file;
mod lookaside;
mod served;

use wharf_content::{ErrorKind, Signature, Wanted};
use wharf_reference::{Digest, Reference};

pub(crate) use self::served::Served;
use crate::{
    Remote,
    error::{Error, Operation},
};

/// The most signatures that are read of one manifest, of each kind (docs/threats.md, T168).
const MAX_SIGNATURES: usize = 100;
/// The most bytes of one signature.
const MAX_SIGNATURE_SIZE: u64 = 4 << 20;
/// The most bytes of all signatures of one manifest, of each kind.
const MAX_SIGNATURES_SIZE: u64 = 32 << 20;

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
    ///
    /// An attachment of another type than signatures has an empty payload: it is not fetched.
    ///
    /// `manifest` is the sha256 digest of the manifest's bytes, also if the image is known by another digest. A file that
    /// is no signature, such as a web page, is [`Signature::Unknown`] and fails nothing.
    ///
    /// # Errors
    ///
    /// Whatever is not a signature and does not say that there is none: an answer with another status, a server that
    /// does not answer, a file that cannot be read; [`ErrorKind::TooLarge`] for more than 100 signatures of a kind, more
    /// than 4 MiB of one or 32 MiB of all. [`ErrorKind::Unsupported`] if bundles are wanted.
    pub async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let mut signatures = Vec::new();
        if wanted.is_nothing() {
            return Ok(signatures);
        }
        if wanted.bundles {
            let reason = "bundles are not read from registries";
            return Err(Error::new(
                ErrorKind::Unsupported,
                OPERATION,
                self.blob_name(manifest),
                reason,
            ));
        }
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
        if wanted.simple {
            if self.client().offers_signatures(&endpoint).await? {
                signatures.extend(self.extension(&endpoint, manifest).await?);
            } else if let Some(lookaside) = store.read() {
                signatures.extend(self.client().lookaside(lookaside, repository, manifest).await?);
            }
        }
        if wanted.attachments && store.attachments() {
            signatures.extend(self.attachments(&endpoint, manifest).await?);
        }
        Ok(signatures)
    }
}
