use wharf_content::{Descriptor, Error, Target};
use wharf_copy::Selection;
use wharf_reference::Reference;

use super::Artifact;
use crate::{Client, Copied, IntoReference};

impl Client {
    /// Attaches an artifact to an image or artifact of a registry: it is pushed to the same repository, without a tag,
    /// as a referrer of what `subject` names now. A registry without the referrers API gets the entry in the list at the
    /// fallback tag (distribution-spec, *Pushing Manifests with Subject*).
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{MediaType, artifact::Artifact};
    ///
    /// let spdx = MediaType::parse("application/spdx+json")?;
    /// let sbom = Artifact::new(spdx.clone()).with_file("sbom.spdx.json", spdx);
    /// let attached = client.attach(sbom, "registry.example.com/team/app:1.0").await?;
    /// println!("{}", attached.digest());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A subject that the artifact has already is replaced.
    ///
    /// # Errors
    ///
    /// [`NotFound`](wharf_content::ErrorKind::NotFound) if there is no such subject; and as
    /// [`Client::push_artifact`].
    pub async fn attach(&self, artifact: Artifact, subject: impl IntoReference) -> Result<Copied, Error> {
        let subject = subject.into_reference()?.or_latest();
        let repository = subject.repository();
        let sink = self.inner.client.remote(&repository);
        let described = sink.resolve(&Target::of(&subject)).await?;
        // A referrer's subject has the three members that identify it.
        let described = Descriptor::new(
            described.media_type().clone(),
            described.digest().clone(),
            described.size(),
        )?;
        let prepared = artifact.with_subject(described).prepare(&sink).await?;
        let digest = prepared.digest().clone();
        let reference = Reference::new(&repository).with_digest(&digest);
        self.push_with(&prepared, digest, reference, Selection::All).await
    }

    /// The artifacts that refer to an image or artifact of a registry, with their types and annotations: signatures,
    /// SBOMs, whatever was attached. With an artifact type, those of that type alone.
    ///
    /// The list is the registry's, and not verified. [`Client::pull_artifact`] and [`Client::manifest`] read an entry by
    /// its digest.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let spdx = wharf::MediaType::parse("application/spdx+json")?;
    /// for entry in client.referrers("registry.example.com/team/app:1.0", Some(&spdx)).await? {
    ///     println!("{} {:?}", entry.digest(), entry.annotations());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](wharf_content::ErrorKind::NotFound) if there is no such subject;
    /// [`TooLarge`](wharf_content::ErrorKind::TooLarge) for more than 1,000 entries; and the failures of the registry.
    pub async fn referrers(
        &self,
        subject: impl IntoReference,
        artifact_type: Option<&wharf_content::MediaType>,
    ) -> Result<Vec<Descriptor>, Error> {
        let subject = subject.into_reference()?.or_latest();
        let remote = self.inner.client.remote(&subject.repository());
        let described = remote.resolve(&Target::of(&subject)).await?;
        Ok(remote.referrers(described.digest(), artifact_type).await?)
    }
}
