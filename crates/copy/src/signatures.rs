//! Signatures that are carried with an image, and those that are made for it.

mod plan;
mod write;

use std::{borrow::Cow, sync::Arc};

use wharf_content::{Error, ErrorKind, Location, Name, Sign, Wanted};
use wharf_reference::{Digest, Reference};

pub(crate) use plan::SignaturePlan;

/// The treatment of the signatures that an image has at the source. Default: [`Signatures::Leave`].
///
/// ```
/// use wharf_copy::{Options, Signatures};
/// let options = Options::default().with_signatures(Signatures::Carry);
/// ```
///
/// Signatures of every manifest that is copied are carried: those of an index, and of each of its images. They are
/// written after the image is complete, behind those that the sink has; one that it has already is not written again.
///
/// | | simple signatures | attachments | bundles |
/// |---|---|---|---|
/// | to a registry | to its lookaside store or API | merged under `sha256-….sig` | as referrers |
/// | to an OCI image layout | not possible | merged under `sha256-….sig` | as referrers |
///
/// A blob in the place of a signature that is none, such as a web page, is not carried, and neither is a signature of the
/// original of an image that was changed. Both are counted, with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Signatures {
    /// They are not read. Bundles are copied as other [`Referrers`](crate::Referrers) are, if those are requested.
    #[default]
    Leave,
    /// They are carried. The copy fails, before anything is written, if the sink does not keep signatures of their kind.
    Carry,
    /// Those are carried whose kind the sink keeps. The others are counted, with a warning.
    CarryWhatFits,
}

/// The numbers of signatures of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SignatureCounts {
    /// Signatures of the source that the sink has now.
    pub carried: usize,
    /// Signatures that were made, and that the sink has now.
    pub made: usize,
    /// Signatures of the source that were left out. There is a warning for each kind of them.
    pub dropped: usize,
}

/// The settings of a copy for signatures.
#[derive(Clone)]
pub(crate) struct SignatureOptions {
    pub(crate) carry: Signatures,
    pub(crate) of_indexes: bool,
    pub(crate) signers: Vec<Arc<dyn Sign>>,
    pub(crate) identity: Option<Reference>,
}

impl Default for SignatureOptions {
    fn default() -> Self {
        Self {
            carry: Signatures::Leave,
            of_indexes: true,
            signers: Vec::new(),
            identity: None,
        }
    }
}

impl SignatureOptions {
    /// True if no signature is carried or made, so that nothing is asked.
    fn is_idle(&self) -> bool {
        self.carry == Signatures::Leave && self.signers.is_empty()
    }

    /// The kinds that the signers make.
    fn made(&self) -> Wanted {
        self.signers
            .iter()
            .fold(Wanted::NOTHING, |kinds, signer| kinds.or(signer.kind()))
    }

    /// The name under which the sink stores the signatures: that of the copy, or else the tag that is signed for, if it is
    /// one of the sink's repository. The image of that tag need not be copied anew to be signed.
    fn name<'a>(&self, sink: &Location, name: Option<&'a Name>) -> Option<Cow<'a, Name>> {
        if let Some(name) = name {
            return Some(Cow::Borrowed(name));
        }
        let identity = self.identity.as_ref()?;
        let is_there =
            matches!(sink, Location::Repository(repository) if *repository == identity.repository());
        let tag = identity.tag().filter(|_| is_there)?;
        Some(Cow::Owned(Name::from(tag)))
    }

    /// The name that signatures are made for: the one that was set, or else that of the image in a registry. Names in
    /// stores are not names of registries, whatever they look like.
    fn identity(&self, sink: &Location, name: Option<&Name>, root: &Digest) -> Result<Reference, Error> {
        if let Some(identity) = &self.identity {
            if identity.tag().is_some() || identity.digest().is_some() {
                return Ok(identity.clone());
            }
            let message = format!("cannot sign for the name {identity}: it has neither a tag nor a digest");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let Location::Repository(repository) = sink else {
            let message = format!(
                "cannot sign an image in {sink}, which has no name in a registry: say for which name it is signed"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let identity = Reference::new(repository);
        Ok(match name {
            Some(name) => identity.with_tag(&name.to_tag()?),
            None => identity.with_digest(root),
        })
    }
}
