use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use wharf_content::{Descriptor, Error, ErrorKind, Location, Name, Sign, Signature, Sink as _};
use wharf_reference::{Digest, Reference};

use super::{SignatureCounts, SignaturePlan};
use crate::{Plan, ends::Ends};

impl Plan {
    /// Makes signatures and writes all of them, those of the root last. It runs on the caller's future, so that nothing
    /// is written after that future was dropped.
    pub(crate) async fn write_signatures(&mut self) -> Result<SignatureCounts, Error> {
        let mut plan = std::mem::take(&mut self.signatures);
        let (ends, name) = (&self.ends, self.options.name.as_ref());
        let sink = ends.sink.location();
        let is_there = name.is_none() && ends.source.location() == sink;
        let root = self.root.digest();
        // All are made before the first one is written: a signer that fails leaves the image as it is.
        let made = plan.sign(&self.options.signatures.signers).await;
        made.map_err(|error| {
            let message = if is_there {
                format!("{sink}@{root} was not signed")
            } else {
                incomplete(&sink, name, root)
            };
            failed(error, message)
        })?;
        let stored = self.options.signatures.name(&sink, name);
        let written = plan.write(ends, stored.as_deref()).await;
        written.map_err(|error| {
            let message = if is_there {
                format!("not all signatures of {sink}@{root} were written; sign it again")
            } else {
                incomplete(&sink, name, root)
            };
            failed(error, message)
        })?;
        Ok(plan.counts)
    }
}

/// An error about signatures. Its cause has the reason, which is not repeated. That something is missing where signatures
/// are stored is another thing than an image that is missing.
fn failed(cause: Error, message: String) -> Error {
    let kind = match cause.kind() {
        ErrorKind::NotFound => ErrorKind::Other,
        kind => kind,
    };
    Error::new(kind, message).with_source(cause)
}

impl SignaturePlan {
    /// Makes the signatures of every signer.
    async fn sign(&mut self, signers: &[Arc<dyn Sign>]) -> Result<(), Error> {
        let Some(identity) = &self.identity else {
            return Ok(());
        };
        for signed in &mut self.manifests {
            for signer in signers {
                let made = sign(signer, signed.manifest.digest(), identity).await?;
                signed.signatures.push(made);
                self.counts.made += 1;
            }
        }
        Ok(())
    }

    async fn write(&self, ends: &Ends, name: Option<&Name>) -> Result<(), Error> {
        for signed in &self.manifests {
            if signed.signatures.is_empty() {
                continue;
            }
            ends.mount_attachments(&signed.signatures).await?;
            ends.sink
                .push_signatures(&signed.manifest, name, &signed.signatures)
                .await?;
        }
        Ok(())
    }
}

impl Ends {
    /// Mounts the payloads of attachments that the sink can take from the source.
    async fn mount_attachments(&self, signatures: &[Signature]) -> Result<(), Error> {
        for signature in signatures {
            let Signature::Attachment {
                media_type, payload, ..
            } = signature
            else {
                continue;
            };
            let layer = Descriptor::of(media_type.clone(), payload);
            if let Some(from) = self.mountable(&layer) {
                self.sink.mount(&layer, &from).await?;
            }
        }
        Ok(())
    }
}

/// Calls a signer, which may run a program, on a thread for blocking work. It is cancelled when this future is dropped.
async fn sign(signer: &Arc<dyn Sign>, manifest: &Digest, identity: &Reference) -> Result<Signature, Error> {
    let (signer, manifest, identity) = (Arc::clone(signer), manifest.clone(), identity.clone());
    let cancel = CancelOnDrop::default();
    let cancelled = Arc::clone(&cancel.0);
    let sign = move || signer.sign_cancellable(&manifest, &identity, &cancelled);
    let signed = tokio::task::spawn_blocking(sign).await;
    signed.map_err(|error| {
        Error::new(ErrorKind::Other, "a signer ended without a signature").with_source(error)
    })?
}

/// Tells a thread for blocking work that its result is not needed any more.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The text about a copy whose image is complete and whose signatures are not.
fn incomplete(sink: &Location, name: Option<&Name>, root: &Digest) -> String {
    let named = name.map_or(String::new(), |name| format!(" as {name}"));
    format!("{root} is complete in {sink}{named}, but its signatures are not; the same copy adds them")
}
