//! Writes signatures to where the configuration keeps those of the registry itself.

use bytes::Bytes;
use wharf_config::{Lookaside, LookasideFile, SignatureStore};
use wharf_content::{Blob, Descriptor, ErrorKind, Hint, Signature, Wanted};
use wharf_reference::{Digest, Reference, Repository, Tag};

use super::{append, count::disabled_attachments, lookaside::limit, staging::Unwritten};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
};

const OPERATION: Operation = Operation::PushSignatures;

impl Remote {
    /// Checks that signatures of these kinds can be written for an image with this tag. It asks the registry at most
    /// once in the life of the client, and only about simple signatures.
    ///
    /// | kind | written to | not possible if |
    /// |---|---|---|
    /// | simple | the API of a registry that offers it (`OpenShift`'s signatures extension) | |
    /// | simple, at all other registries | the directory of `lookaside-staging`, or of `lookaside` | the configuration names a web server, or nothing |
    /// | attachments | the layers of the tag `sha256-….sig` in the repository | `use-sigstore-attachments` is not true |
    /// | bundles | artifacts that refer to the manifest | |
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the configuration has no room for one of the kinds, with the key that would make it;
    /// otherwise the failure to ask the registry.
    pub async fn accepts_signatures(&self, kinds: Wanted, tag: Option<&Tag>) -> Result<(), Error> {
        if kinds.is_nothing() {
            return Ok(());
        }
        let endpoint = self.primary(OPERATION)?;
        let store = self.store_at(&endpoint, tag);
        let refuse = |reason: String| {
            let subject = match tag {
                Some(tag) => format!("{}:{tag}", self.repository()),
                None => self.repository().to_string(),
            };
            let error = Error::new(ErrorKind::Unsupported, OPERATION, subject, reason);
            Err(error.with_hint(Hint::ConfigureSignatureStore))
        };
        if kinds.attachments && !store.attachments() {
            let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
            let setting = disabled_attachments(&store, repository);
            return refuse(format!("sigstore attachments are not written: {setting}"));
        }
        if kinds.simple && !self.client().offers_signatures(&endpoint).await? {
            match store.write() {
                Some(lookaside) if lookaside.host().is_none() => {}
                Some(lookaside) => {
                    let stated = lookaside.origin();
                    let stated = stated.map_or(String::new(), |line| format!(" ({line})"));
                    return refuse(format!(
                        "the lookaside store {lookaside}{stated} is a web server, and signatures are written to a \
                         directory alone; lookaside-staging may name one"
                    ));
                }
                None => {
                    return refuse(
                        "no lookaside store is configured for it; lookaside-staging may name a directory"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(())
    }

    /// Adds signatures of a manifest to those that are there, and returns how many were added. They are written to the
    /// places of the registry itself, never to a mirror; see [`Remote::accepts_signatures`].
    ///
    /// `manifest` has the sha256 digest of the manifest's bytes.
    ///
    /// | kind | two writers at once |
    /// |---|---|
    /// | simple, in a directory | lose nothing: each signature gets the next free number. Files that a stopped writer has left are removed |
    /// | simple, in the API | lose nothing |
    /// | attachments, bundles at a registry without the referrers API | lose nothing within one client; between programs, the tag is read again after it was written and merged anew, at most five times. The protocol has no conditional write |
    /// | bundles otherwise | lose nothing |
    ///
    /// # Errors
    ///
    /// As [`Remote::accepts_signatures`]; [`ErrorKind::Unsupported`] for a blob that is no signature;
    /// [`ErrorKind::TooLarge`], before anything is written of a kind, if there would be more than are read again (100 of a
    /// kind, or 1,000 in a directory unless a web server is read in its place, 4 MiB each, 32 MiB together);
    /// [`ErrorKind::Conflict`] if other programs change the attachments faster than they can be written. Otherwise see
    /// [`Error::kind`].
    pub async fn push_signatures(
        &self,
        manifest: &Descriptor,
        tag: Option<&Tag>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let subject = self.blob_name(manifest.digest());
        let mut kinds = Wanted::NOTHING;
        for signature in signatures {
            if signature.kind().is_nothing() {
                let reason = "a blob that is no signature is not written";
                return Err(Error::new(ErrorKind::Unsupported, OPERATION, subject, reason));
            }
            kinds = kinds.or(signature.kind());
        }
        if kinds.is_nothing() {
            return Ok(0);
        }
        self.accepts_signatures(kinds, tag).await?;
        let endpoint = self.primary(OPERATION)?;
        self.served().written(manifest.digest(), &endpoint);
        let mut added = 0;
        if kinds.simple {
            added += self
                .push_simple(&endpoint, manifest.digest(), tag, signatures)
                .await?;
        }
        if kinds.attachments {
            added += self
                .push_attachments(&endpoint, manifest.digest(), signatures)
                .await?;
        }
        if kinds.bundles {
            added += self.push_bundles(&endpoint, manifest, signatures).await?;
        }
        Ok(added)
    }

    async fn push_simple(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
        tag: Option<&Tag>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let blobs: Vec<Bytes> = signatures
            .iter()
            .filter_map(|signature| match signature {
                Signature::Simple(message) => Some(message.clone()),
                _ => None,
            })
            .collect();
        if self.client().offers_signatures(endpoint).await? {
            return self.push_to_extension(endpoint, manifest, &blobs).await;
        }
        let store = self.store_at(endpoint, tag);
        match store.write() {
            Some(lookaside) => {
                let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
                // The directory may be what a web server has, from which fewer are read.
                let limit = limit(store.read().unwrap_or(lookaside)).min(limit(lookaside));
                append(lookaside, limit, repository, manifest, blobs).await
            }
            None => Ok(0), // refused before
        }
    }

    /// Where the configuration keeps the signatures of the image with this tag at an endpoint.
    fn store_at(&self, endpoint: &Endpoint, tag: Option<&Tag>) -> SignatureStore {
        let repository = endpoint.repository.as_ref().unwrap_or(self.repository());
        let image = Reference::new(repository);
        let image = match tag {
            Some(tag) => image.with_tag(tag),
            None => image,
        };
        self.client().shared().signature_locations.store_for(&image)
    }

    /// Pushes a blob unless the registry has it.
    pub(super) async fn push_if_absent(&self, descriptor: &Descriptor, bytes: &Bytes) -> Result<(), Error> {
        if self.is_sent_already(descriptor).await? {
            return Ok(());
        }
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone())
            .map_err(|error| Error::from_content(OPERATION, self.blob_name(descriptor.digest()), &error))?;
        self.push_blob(blob).await
    }
}

/// Adds blobs to a store in a directory.
async fn append(
    lookaside: &Lookaside,
    limit: usize,
    repository: &Repository,
    manifest: &Digest,
    blobs: Vec<Bytes>,
) -> Result<usize, Error> {
    let (store, image) = (lookaside.clone(), (repository.clone(), manifest.clone()));
    let file = move |number: usize| match store.file(&image.0, &image.1, number) {
        LookasideFile::Path(path) => Some(path),
        _ => None,
    };
    let Unwritten {
        path,
        kind,
        reason,
        source,
    } = match append::append(file, limit, blobs).await {
        Ok(added) => return Ok(added),
        Err(unwritten) => unwritten,
    };
    let error = Error::new(kind, OPERATION, format!("{repository}@{manifest}"), reason).at(path.display());
    // No other directory is needed where the one that is named is full or has something in the way.
    let error = match kind {
        ErrorKind::NoSpace | ErrorKind::Invalid | ErrorKind::TooLarge | ErrorKind::Conflict => error,
        _ => error.with_hint(Hint::ConfigureSignatureStore),
    };
    Err(match source {
        Some(source) => error.with_source(source),
        None => error,
    })
}
