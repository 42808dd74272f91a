//! By `wharf-trust`: a gate that judges each image by the signatures that its source has.

#[cfg(feature = "archive")]
use std::path::Path;
use std::{
    mem,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use wharf_config::{Policy, Requirement};
use wharf_content::{Error, ErrorKind, Gate, Manifest, Rejection, Role, Source, Target};
use wharf_copy::Options;
use wharf_trust::{ImageName, OpenPgp, Subject, Trust, TrustedRoot, Verdict};

use super::{Named, read_once::ReadOnce};
use crate::{
    concurrency::{LockExt as _, blocking},
    warnings::Warnings,
};

/// The demands of the program beside the policy.
#[derive(Default)]
pub(crate) struct Demands {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) must_be_signed: bool,
    pub(crate) openpgp: Option<Arc<dyn OpenPgp>>,
    /// Whether sigstore bundles count, which name no image.
    pub(crate) accepts_bundles: bool,
    pub(crate) root: Option<TrustedRoot>,
}

/// The policy of the host and the demands of the program.
#[derive(Debug)]
pub(crate) struct Guard {
    /// `None` if nobody demands anything.
    trust: Option<Trust>,
    warnings: Arc<Warnings>,
}

impl Guard {
    pub(crate) fn new(policy: Option<Policy>, demands: Demands, warnings: Arc<Warnings>) -> Self {
        let Demands {
            requirements,
            must_be_signed,
            openpgp,
            accepts_bundles,
            root,
        } = demands;
        if policy.is_none() && requirements.is_empty() && !must_be_signed {
            let trust = None;
            return Self { trust, warnings };
        }
        let mut trust = match policy {
            Some(policy) => requirements.into_iter().fold(Trust::new(policy), Trust::and),
            None => Trust::of(requirements),
        };
        if must_be_signed {
            trust = trust.require_signed();
        }
        if let Some(engine) = openpgp {
            trust = trust.with_openpgp(engine);
        }
        if accepts_bundles {
            trust = trust.bundles_name_nothing_but_a_digest();
        }
        if let Some(root) = root {
            trust = trust.with_root(root);
        }
        let trust = Some(trust.with_blocking(|work| async {
            blocking(work).await.ok(); // work that broke off has judged nothing
        }));
        Self { trust, warnings }
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        self.trust.as_ref()?.policy()
    }

    pub(super) fn listener(&self) -> &Warnings {
        &self.warnings
    }

    /// Refuses an image at once if its signatures do not matter. No request is sent, and no gate is made for
    /// an image that may be anything.
    pub(crate) fn admit(&self, source: &Arc<dyn Source>, target: &Target) -> Result<Admission, Error> {
        let Some(trust) = &self.trust else {
            return Ok(Admission(None));
        };
        let name = self.image(&**source, target)?;
        let wanted = trust.wanted(name.clone()).map_err(refused)?;
        if wanted.is_nothing() {
            return Ok(Admission(None));
        }
        source.expect_signatures(wanted);
        Ok(Admission(Some(Arc::new(TrustGate {
            trust: trust.clone(),
            name,
            source: Arc::new(ReadOnce::new(Arc::clone(source))),
            verdicts: Mutex::default(),
        }))))
    }

    /// Refuses an archive that comes as a stream, unless its images may be anything.
    #[cfg(feature = "archive")]
    pub(crate) fn admit_stream(&self, origin: Option<&Path>) -> Result<(), Error> {
        let Some(trust) = &self.trust else {
            return Ok(());
        };
        for named in super::archive_names(origin)? {
            if !trust.wanted(image_name(named)).map_err(refused)?.is_nothing() {
                let message = "Source image rejected: a signature is demanded of images in archives, and an archive that \
                               is read as a stream has none; copy the image from the file or from a registry";
                return Err(Error::new(ErrorKind::Rejected, message));
            }
        }
        Ok(())
    }

    /// Judges a manifest that the source has, without copying anything. `read` gives the manifest, and the
    /// index that it is an instance of.
    pub(crate) async fn verify<F>(
        &self,
        source: &dyn Source,
        target: &Target,
        read: F,
    ) -> Result<Verdict, Error>
    where
        F: Future<Output = Result<(Manifest, Manifest), Error>>,
    {
        let Some(trust) = &self.trust else {
            let message = "there is nothing to verify by: the host has no trust policy (policy.json), and the program \
                           demands no signature";
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let name = self.image(source, target)?;
        source.expect_signatures(trust.wanted(name.clone()).map_err(refused)?);
        let (top, chosen) = read.await?;
        let mut subject = Subject::new(&chosen, name);
        if top.digest() != chosen.digest() {
            subject = subject.with_index(top.digest());
        }
        let judged = trust.judge_from(&subject, source).await;
        judged.map_err(|rejection| rejection.into_error(chosen.digest()))
    }

    fn image(&self, source: &dyn Source, target: &Target) -> Result<ImageName, Error> {
        self.named(&source.location(), target).map(image_name)
    }
}

fn image_name(named: Named) -> ImageName {
    match named {
        Named::Reference(reference) => ImageName::Reference(reference),
        Named::Directory(directory) => ImageName::Layout(directory),
        Named::File(transport, path) => ImageName::File { transport, path },
        Named::Daemon(name) => ImageName::Daemon(name),
        Named::Nothing => ImageName::Unnamed,
    }
}

fn refused(refusal: wharf_trust::Refusal) -> Error {
    Error::new(ErrorKind::Rejected, refusal.to_string()).with_source(refusal)
}

/// An image that may be copied if its gate admits it; `None` if it may be anything.
pub(crate) struct Admission(Option<Arc<TrustGate>>);

impl Admission {
    /// True if the images are judged by what they are; false if they may be anything.
    #[cfg(feature = "sync")]
    pub(crate) const fn judges(&self) -> bool {
        self.0.is_some()
    }

    /// The source to copy from, whose signatures are not read again after the gate has read them.
    pub(crate) fn source(&self, source: Arc<dyn Source>) -> Arc<dyn Source> {
        match &self.0 {
            Some(gate) => Arc::clone(&gate.source) as Arc<dyn Source>,
            None => source,
        }
    }

    /// Adds the gate to the options of the copy.
    pub(crate) fn apply(&self, options: Options) -> Options {
        match &self.0 {
            Some(gate) => options.with_gate(Arc::clone(gate)),
            None => options,
        }
    }

    /// Adds the gate to the options of a preparation.
    #[cfg(feature = "images")]
    pub(crate) fn apply_before_change(&self, options: wharf_image::Options) -> wharf_image::Options {
        match &self.0 {
            Some(gate) => options.with_gate(Arc::clone(gate)),
            None => options,
        }
    }

    /// Judges an artifact that is read without a copy. `top` is the index that lists it, or the artifact itself.
    #[cfg(feature = "images")]
    pub(crate) async fn judge(&self, top: &Manifest, chosen: &Manifest) -> Result<(), Error> {
        let Some(gate) = &self.0 else {
            return Ok(());
        };
        let index = top.digest().clone();
        let role = if index == *chosen.digest() {
            Role::Target
        } else {
            Role::Instance { index }
        };
        let judged = gate.admit(chosen, &role).await;
        judged.map_err(|rejection| rejection.into_error(chosen.digest()))
    }

    /// Adds the gate to a base.
    #[cfg(feature = "images")]
    pub(crate) fn apply_to_base(&self, base: wharf_image::Base) -> wharf_image::Base {
        match &self.0 {
            Some(gate) => base.with_gate(Arc::clone(gate)),
            None => base,
        }
    }

    /// The verdicts about the images that the gate admitted.
    pub(crate) fn into_verdicts(self) -> Vec<Verdict> {
        let gate = self.0;
        gate.map_or_else(Vec::new, |gate| mem::take(&mut *gate.verdicts.locked()))
    }
}

struct TrustGate {
    trust: Trust,
    name: ImageName,
    source: Arc<ReadOnce>,
    verdicts: Mutex<Vec<Verdict>>,
}

#[async_trait]
impl Gate for TrustGate {
    /// Judges images. Of an index the images that are copied are judged, each by signatures of its own; a
    /// referrer comes with the image that it belongs to, which is.
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection> {
        let subject = Subject::new(manifest, self.name.clone());
        let subject = match role {
            Role::Referrer => return Ok(()),
            Role::Index => return has_images_alone(manifest),
            Role::Instance { index } => subject.with_index(index),
            _ => subject,
        };
        let verdict = self.trust.judge_from(&subject, &*self.source).await?;
        self.verdicts.locked().push(verdict);
        Ok(())
    }
}

/// Refuses an index with content that nobody judges.
fn has_images_alone(index: &Manifest) -> Result<(), Rejection> {
    let entries = index.manifests();
    match entries.iter().find(|entry| !entry.media_type().is_manifest()) {
        Some(other) => Err(Rejection::new(format!(
            "a signature is demanded, and the index lists {}, which is no image that could be signed",
            other.digest()
        ))),
        None if entries.is_empty() => Err(Rejection::new(
            "a signature is demanded, and the index lists no image that could be signed",
        )),
        None => Ok(()),
    }
}
