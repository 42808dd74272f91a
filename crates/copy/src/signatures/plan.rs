use wharf_content::{Descriptor, Error, ErrorKind, Hasher, Manifest, MediaType, Signature, Wanted};
use wharf_reference::{Algorithm, Reference};

use super::{SignatureCounts, Signatures};
use crate::{Options, ends::Ends, parallel::each};

/// The most bytes of all signatures that one copy carries (docs/threats.md, T168).
const MAX_CARRIED: usize = 64 << 20;

/// The signatures that are written after the image is complete, decided before anything is.
#[derive(Default)]
pub(crate) struct SignaturePlan {
    /// The manifests, the root last.
    pub(super) manifests: Vec<Signed>,
    /// The name that signatures are made for; `None` if none are made.
    pub(super) identity: Option<Reference>,
    pub(super) counts: SignatureCounts,
}

/// A manifest and the signatures of it.
pub(super) struct Signed {
    /// With the sha256 digest of its bytes.
    pub(super) manifest: Descriptor,
    pub(super) signatures: Vec<Signature>,
}

impl SignaturePlan {
    /// Reads the signatures that are carried, and checks that the sink keeps what it is to get. Asks nothing if nothing
    /// is carried or made. `manifests` are all that are copied, the root first. Returns warnings as well.
    pub(crate) async fn make(
        ends: &Ends,
        options: &Options,
        root: &Manifest,
        manifests: Vec<Descriptor>,
    ) -> Result<(Self, Vec<String>), Error> {
        let settings = &options.signatures;
        if settings.is_idle() {
            return Ok((Self::default(), Vec::new()));
        }
        let location = ends.sink.location();
        let stored = settings.name(&location, options.name.as_ref());
        let (name, stored) = (options.name.as_ref(), stored.as_deref());
        let mut plan = Self::default();
        if !settings.signers.is_empty() {
            plan.identity = Some(settings.identity(&location, name, root.digest())?);
            ends.sink.accepts_signatures(settings.made(), stored).await?;
        }
        let described = manifests
            .into_iter()
            .map(|manifest| ends.clone().sha256_of(manifest))
            .collect();
        let mut described = each(options.concurrency, described).await?;
        described.reverse();
        let mut warnings = Vec::new();
        if settings.carry == Signatures::Leave {
            plan.manifests = described.into_iter().map(Signed::bare).collect();
            return Ok((plan, warnings));
        }
        let reads = described
            .into_iter()
            .map(|manifest| ends.clone().signed(manifest, settings.of_indexes))
            .collect();
        plan.manifests = each(options.concurrency, reads).await?;
        plan.leave_out("are no signatures of it", &mut warnings, |signature| {
            !is_whole(signature)
        });
        let found = plan
            .signatures()
            .fold(Wanted::NOTHING, |kinds, one| kinds.or(one.kind()));
        for kind in found.each() {
            match ends.sink.accepts_signatures(kind, stored).await {
                Ok(()) => {}
                Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
                Err(error) if settings.carry == Signatures::CarryWhatFits => {
                    let why = format!("were not carried: {error}");
                    plan.leave_out(&why, &mut warnings, |signature| signature.kind() == kind);
                }
                Err(error) => {
                    let message = format!(
                        "the {kind} of {} cannot be carried to {location}; leave signatures out, or those that do not fit",
                        root.digest()
                    );
                    return Err(Error::new(ErrorKind::Unsupported, message).with_source(error));
                }
            }
        }
        let bytes = plan
            .signatures()
            .fold(0, |sum: usize, one| sum.saturating_add(size(one)));
        if bytes > MAX_CARRIED {
            let message = format!(
                "the signatures of {} have {bytes} bytes, more than the limit of {MAX_CARRIED}",
                root.digest()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        plan.counts.carried = plan.signatures().count();
        Ok((plan, warnings))
    }

    fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.manifests.iter().flat_map(|signed| &signed.signatures)
    }

    /// Drops signatures, counts them and warns of them, if there are any.
    fn leave_out(&mut self, why: &str, warnings: &mut Vec<String>, is_left: impl Fn(&Signature) -> bool) {
        let mut count = 0;
        for signed in &mut self.manifests {
            let before = signed.signatures.len();
            signed.signatures.retain(|signature| !is_left(signature));
            count += before - signed.signatures.len();
        }
        if count > 0 {
            warnings.push(format!("{count} of the signatures {why}"));
            self.counts.dropped += count;
        }
    }
}

impl Signed {
    const fn bare(manifest: Descriptor) -> Self {
        Self {
            manifest,
            signatures: Vec::new(),
        }
    }
}

/// False for a blob that is no signature, for an attachment without its payload, and for a manifest in the place of
/// what is signed: a sink that keeps blobs and manifests together would have an image that no gate was asked for.
fn is_whole(signature: &Signature) -> bool {
    let types = [
        None,
        Some(&MediaType::OCI_MANIFEST),
        Some(&MediaType::OCI_INDEX),
        Some(&MediaType::DOCKER_MANIFEST),
        Some(&MediaType::DOCKER_INDEX),
    ];
    let is_manifest = |bytes: &_| {
        let mut types = types.into_iter();
        types.any(|media_type| Manifest::parse(Clone::clone(bytes), media_type).is_ok())
    };
    match signature {
        Signature::Unknown { .. } => false,
        Signature::Attachment { payload, .. } => !payload.is_empty() && !is_manifest(payload),
        Signature::Bundle(bundle) => !is_manifest(bundle),
        _ => true,
    }
}

fn size(signature: &Signature) -> usize {
    match signature {
        Signature::Simple(bytes) | Signature::Bundle(bytes) => bytes.len(),
        Signature::Attachment {
            payload, annotations, ..
        } => annotations
            .iter()
            .fold(payload.len(), |sum, (key, value)| sum + key.len() + value.len()),
        _ => 0,
    }
}

impl Ends {
    /// The descriptor of a manifest by the sha256 digest of its bytes, which signatures are of.
    async fn sha256_of(self, manifest: Descriptor) -> Result<Descriptor, Error> {
        if manifest.digest().algorithm() == Algorithm::Sha256 {
            let (digest, size) = (manifest.digest().clone(), manifest.size());
            return Descriptor::new(manifest.media_type().clone(), digest, size);
        }
        let read = self.read(&manifest, true).await?;
        Descriptor::new(
            manifest.media_type().clone(),
            Hasher::sha256(read.bytes()),
            manifest.size(),
        )
    }

    /// Reads all signatures of a manifest at the source.
    async fn signed(self, manifest: Descriptor, of_indexes: bool) -> Result<Signed, Error> {
        if manifest.media_type().is_index() && !of_indexes {
            return Ok(Signed::bare(manifest));
        }
        let signatures = self
            .source
            .signatures(manifest.digest(), Wanted::EVERYTHING)
            .await?;
        Ok(Signed { manifest, signatures })
    }
}
