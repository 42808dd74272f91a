use wharf_content::Error;
use wharf_copy::Selection;

use super::Artifact;
use crate::{Client, Copied, IntoReference};

impl Client {
    /// Pushes an artifact: its contents that the registry lacks, then its manifest. Without a tag or digest in
    /// `reference` it gets the tag `latest`. A short name is Docker Hub's.
    ///
    /// Files are read in pieces, whatever their size, and must not change meanwhile. Nothing is stored on this host.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{MediaType, artifact::Artifact};
    ///
    /// let model = Artifact::new(MediaType::parse("application/vnd.example.model")?)
    ///     .with_file("weights.bin", MediaType::OCTET_STREAM)
    ///     .with_file("README.md", MediaType::parse("text/markdown")?);
    /// let pushed = client.push_artifact(model, "registry.example.com/models/small:1").await?;
    /// println!("{}", pushed.digest());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) for a malformed reference, a title that is no relative
    /// path, a file that is not a regular one, and documents that cannot be made;
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) for a file that does not exist;
    /// [`ErrorKind::Conflict`](wharf_content::ErrorKind::Conflict) for two contents of one title, and a file that
    /// changes; [`ErrorKind::TooLarge`](wharf_content::ErrorKind::TooLarge) if the manifest is larger than registries
    /// must accept, which takes about 15,000 contents; and as [`Client::push`]. The tag is set last, when everything is
    /// there.
    pub async fn push_artifact(
        &self,
        artifact: Artifact,
        reference: impl IntoReference,
    ) -> Result<Copied, Error> {
        let reference = reference.into_reference()?.or_latest();
        let sink = self.inner.client.remote(&reference.repository());
        let prepared = artifact.prepare(&sink).await?;
        let digest = prepared.digest().clone();
        self.push_with(&prepared, digest, reference, Selection::All).await
    }
}
