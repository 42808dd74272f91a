//! Signs images where they are.

use std::sync::Arc;

use wharf_content::{Error, ErrorKind, Sign, Target};
use wharf_copy::{Options, Report, Selection};
use wharf_reference::Reference;

use crate::{Client, IntoReference};

impl Client {
    /// Signs an image of a registry, for its own name: an index and each of its images. Nothing is copied, and no tag is
    /// moved. The registry itself is asked for the image, not its mirrors, and the signatures are stored as registries.d
    /// says. A signature is for the tag, or for the digest if there is none; without either, for the tag `latest`. A short name
    /// is Docker Hub's.
    ///
    /// Signers of one client at the same moment lose nothing to each other. Attachments that other programs write at that
    /// moment may displace these, or the reverse, as no registry offers a way to prevent it.
    ///
    /// To sign while an image is copied or pushed, use [`Options::with_signers`].
    #[cfg_attr(feature = "sign", doc = "```no_run")]
    #[cfg_attr(not(feature = "sign"), doc = "```ignore")]
    /// # async fn example(client: wharf::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use wharf::trust::{SecretFile, Signer};
    ///
    /// let passphrase = SecretFile::read_passphrase("passphrase")?.passphrase()?;
    /// let signer = Signer::cosign(SecretFile::read("cosign.key")?, &passphrase)?;
    /// let report = client.sign("registry.example.com/team/app:1.0", [signer]).await?;
    /// println!("{} signatures of {}", report.signatures().made, report.digest());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed reference and for no signer; [`ErrorKind::NotFound`] if there is no such
    /// image; [`ErrorKind::Unsupported`] if the configuration of this host has no store for signatures of a signer's kind,
    /// before anything is signed; the errors of the signers, of the registry and of the store.
    pub async fn sign(
        &self,
        image: impl IntoReference,
        signers: impl IntoIterator<Item = impl Sign + 'static>,
    ) -> Result<Report, Error> {
        let reference = image.into_reference()?.or_latest();
        self.sign_reference(&reference, reference.clone(), signers).await
    }

    /// As [`Client::sign`], for another name: `identity` has a tag or a digest.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client, signer: std::sync::Arc<dyn wharf::content::Sign>) -> Result<(), wharf::Error> {
    /// let staged = "staging.example.com/team/app:1.0";
    /// client.sign_as(staged, "registry.example.com/team/app:1.0", [signer]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::sign`]; [`ErrorKind::Invalid`] also for an `identity` without tag and digest.
    pub async fn sign_as(
        &self,
        image: impl IntoReference,
        identity: impl IntoReference,
        signers: impl IntoIterator<Item = impl Sign + 'static>,
    ) -> Result<Report, Error> {
        let (reference, identity) = (image.into_reference()?.or_latest(), identity.into_reference()?);
        self.sign_reference(&reference, identity, signers).await
    }

    /// Copies the image onto itself, which moves nothing, with signers.
    async fn sign_reference(
        &self,
        reference: &Reference,
        identity: Reference,
        signers: impl IntoIterator<Item = impl Sign + 'static>,
    ) -> Result<Report, Error> {
        let mut signers = signers.into_iter().peekable();
        if signers.peek().is_none() {
            let message = format!("cannot sign {reference}: no signer is given");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        // With a tag and a digest, the digest says what is signed, and the tag what it is signed as.
        let identity = match identity.tag() {
            Some(tag) => Reference::new(&identity.repository()).with_tag(&tag),
            None => identity,
        };
        let options = Options::default()
            .with_selection(Selection::All)
            .with_signers(signers)
            .with_sign_identity(identity);
        let remote = self
            .inner
            .client
            .remote(&reference.repository())
            .without_mirrors();
        let (source, sink) = (Arc::new(remote.clone()), Arc::new(remote));
        wharf_copy::copy(source, sink, &Target::of(reference), options).await
    }
}
