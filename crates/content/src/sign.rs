use std::sync::{Arc, atomic::AtomicBool};

use wharf_reference::{Digest, Reference};

use crate::{Error, Signature, Wanted};

/// A signer of images: a key, a program that has one, a key service.
///
/// ```
/// use wharf_content::{Error, Sign, Signature, Wanted};
/// use wharf_reference::{Digest, Reference};
///
/// /// Asks somebody else, who makes an OpenPGP message.
/// struct Elsewhere;
///
/// impl Sign for Elsewhere {
///     fn kind(&self) -> Wanted {
///         Wanted::SIMPLE
///     }
///
///     fn sign(&self, manifest: &Digest, identity: &Reference) -> Result<Signature, Error> {
///         let request = format!("{manifest} as {identity}");
/// #       fn ask(_: &str) -> Vec<u8> { vec![] }
///         Ok(Signature::Simple(ask(&request).into()))
///     }
/// }
/// ```
pub trait Sign: Send + Sync {
    /// The kind of signature that [`Sign::sign`] returns: one member is set. Whoever stores signatures is asked
    /// about this kind before anything is copied.
    fn kind(&self) -> Wanted;

    /// Signs that the manifest with this digest is the image of this name.
    ///
    /// `manifest` is the sha256 digest of the manifest's bytes, whatever the algorithm of a digest in `identity`.
    /// `identity` has a tag or a digest.
    ///
    /// The call blocks: it may run a program or ask a service. Asynchronous code makes it on a thread for blocking
    /// work.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a digest of another algorithm and for a name without
    /// tag and digest; any other if the key, the program or the service fails.
    fn sign(&self, manifest: &Digest, identity: &Reference) -> Result<Signature, Error>;

    /// As [`Sign::sign`], until `cancelled` is set by another thread: the caller has given up then, and nobody reads the
    /// result. A signer that may take long, such as one that runs a program, ends it and returns any error.
    ///
    /// A copy calls this method. By default, it never looks at `cancelled`.
    ///
    /// # Errors
    ///
    /// As [`Sign::sign`].
    fn sign_cancellable(
        &self,
        manifest: &Digest,
        identity: &Reference,
        cancelled: &AtomicBool,
    ) -> Result<Signature, Error> {
        let _ = cancelled;
        self.sign(manifest, identity)
    }
}

impl<S: Sign + ?Sized> Sign for Arc<S> {
    fn kind(&self) -> Wanted {
        (**self).kind()
    }

    fn sign(&self, manifest: &Digest, identity: &Reference) -> Result<Signature, Error> {
        (**self).sign(manifest, identity)
    }
    fn sign_cancellable(
        &self,
        manifest: &Digest,
        identity: &Reference,
        cancelled: &AtomicBool,
    ) -> Result<Signature, Error> {
        (**self).sign_cancellable(manifest, identity, cancelled)
    }
}
