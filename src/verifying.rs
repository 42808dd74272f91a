//! Verifies images without copying them.

use wharf_content::Error;
use wharf_copy::Selection;
use wharf_trust::Verdict;

use crate::{Client, IntoImageLocation};

impl Client {
    /// Verifies an image by the trust policy and the requirements of this client, without copying it: the
    /// manifest and the signatures that are demanded are read, and nothing else. A registry's image needs no
    /// `docker://`; a short name is Docker Hub's. Of an index, the image for this host's platform is judged.
    ///
    /// A [`Verdict`] is about a digest. To use what was verified, use it by that digest: a tag may mean another
    /// image a moment later. Where the policy accepts anything, the verdict says so
    /// ([`Verdict::is_signed`] is false); a client that is made with
    /// [`with_signature_required`](crate::ClientBuilder::with_signature_required) rejects that.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let verdict = client.verify("registry.access.redhat.com/ubi9:latest").await?;
    /// println!("registry.access.redhat.com/ubi9@{} by {:?}", verdict.digest(), verdict.rule());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`](wharf_content::ErrorKind::Rejected) if the image is not accepted:
    /// [`Refusal::find`](wharf_trust::Refusal::find) has the details.
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) if there is neither a policy nor a
    /// requirement to verify by, and for a malformed location;
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such image or none for the
    /// platform; and the failures of the registry and of the store of signatures.
    pub async fn verify(&self, image: impl IntoImageLocation) -> Result<Verdict, Error> {
        self.verify_with(image, Selection::default()).await
    }

    /// As [`Client::verify`], of an index the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let verdict = client.verify_with("registry.access.redhat.com/ubi9:latest", arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::verify`].
    pub async fn verify_with(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Verdict, Error> {
        let (image, selection) = (image.into_image()?, selection.into());
        let opened = self.open(&image).await?;
        let read = opened.select(&selection);
        let guard = &self.inner.guard;
        guard.verify(&*opened.source, &opened.target, read).await
    }
}
