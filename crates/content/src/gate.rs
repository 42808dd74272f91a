use std::{error, fmt, sync::Arc};

use async_trait::async_trait;
use wharf_reference::Digest;

use crate::{Error, Manifest};

/// A policy that decides, before any byte is written, whether an image may be copied: a trust policy, a
/// limit to the number of layers.
///
/// ```
/// use async_trait::async_trait;
/// use wharf_content::{Gate, Manifest, Rejection, Role};
///
/// struct FewLayers(usize);
///
/// #[async_trait]
/// impl Gate for FewLayers {
///     async fn admit(&self, manifest: &Manifest, _: &Role) -> Result<(), Rejection> {
///         let count = manifest.layers().len();
///         if count > self.0 {
///             return Err(Rejection::new(format!("it has {count} layers, more than {}", self.0)));
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Gate: Send + Sync {
    /// Admits a manifest that will be in the sink, rejects it with the reason, or fails.
    ///
    /// Called for every image manifest, for the index if the index is copied, and for referrers, also if
    /// the sink has them already. Calls may overlap. The manifest is the value that is copied: it is not
    /// read again.
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection>;
}

#[async_trait]
impl<G: Gate + ?Sized> Gate for Arc<G> {
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection> {
        (**self).admit(manifest, role).await
    }
}

/// The way in which a copy came to a manifest. It does not depend on what the manifest states of itself: an
/// image that states an artifact type or a subject is a [`Role::Target`] if it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The image that was asked for by name or digest.
    Target,
    /// An image of an index: the one that was chosen for a platform, or one that is copied with the index.
    Instance {
        /// The digest of the index that was asked for, or of the one nested in it that lists the image.
        index: Digest,
    },
    /// An index that is copied: the one that was asked for, or one that is nested in it. Its images follow
    /// as [`Role::Instance`].
    Index,
    /// A referrer of a manifest that was admitted, or a manifest that such a referrer lists. It gets no name
    /// in the sink. One that a copied index lists is a [`Role::Instance`], since the name of the index leads to
    /// it.
    Referrer,
}

/// The reason why a [`Gate`] did not admit an image: it rejected the image, or could not decide.
#[derive(Debug)]
pub struct Rejection(Inner);

#[derive(Debug)]
enum Inner {
    Refused(String),
    Judged(Box<dyn error::Error + Send + Sync>),
    Failed(Error),
}

impl Rejection {
    /// Rejects the image. `reason` is shown to the user, after the digest of the image.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(Inner::Refused(reason.into()))
    }

    /// Rejects the image for a reason that names the image. It becomes the
    /// [`source`](error::Error::source) of the copy's error, which has the same text, so that a program can
    /// downcast it.
    pub fn because(reason: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self(Inner::Judged(reason.into()))
    }

    /// Ends the copy with an error, since the gate could not decide: a server that it has to ask does not
    /// answer. The image is not copied, and the copy fails with this error as it is.
    #[must_use]
    pub const fn failed(error: Error) -> Self {
        Self(Inner::Failed(error))
    }

    /// True if the gate could not decide.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self.0, Inner::Failed(_))
    }

    /// The error of an operation on this manifest, which ends by the rejection:
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected), or that of the failure.
    #[must_use]
    pub fn into_error(self, manifest: &Digest) -> Error {
        let rejected = |message| Error::new(crate::ErrorKind::Rejected, message);
        match self.0 {
            Inner::Refused(reason) => rejected(format!("{manifest} was refused: {reason}")),
            Inner::Judged(reason) => rejected(reason.to_string()).with_source(reason),
            Inner::Failed(error) => error,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Refused(reason) => f.write_str(reason),
            Inner::Judged(reason) => fmt::Display::fmt(reason, f),
            Inner::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl error::Error for Rejection {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.0 {
            Inner::Refused(_) => None,
            Inner::Judged(reason) => Some(&**reason),
            Inner::Failed(error) => Some(error),
        }
    }
}
