use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::mpsc;
use wharf_content::{Blob, Descriptor, Error, Manifest, MediaType, Source};
use wharf_copy::Selection;

use super::{
    TITLE,
    destination::Destination,
    title::{Title, Titles},
};
use crate::{Client, IntoImageLocation, bounded, concurrency::blocking};

/// The contents that are pulled at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// The options of [`Client::pull_artifact_with`].
///
/// ```
/// let options = wharf::artifact::ArtifactPullOptions::default().with_replace(true);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct ArtifactPullOptions {
    replace: bool,
    unpack: bool,
}

impl ArtifactPullOptions {
    /// Sets whether files that exist are replaced, and symbolic links where files are to be; directories never are.
    /// Default: `false`, and one is an error.
    #[must_use]
    pub const fn with_replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether directories, which ORAS packs as tar with gzip, are unpacked, on Linux: to a directory of their title,
    /// which is not there before, with the owner of the process. Members beside it and symbolic links out of it are
    /// errors, devices are left out. Default: `false`, and the archive is a file.
    #[must_use]
    pub const fn with_unpack(mut self, unpack: bool) -> Self {
        self.unpack = unpack;
        self
    }
}

/// The result of [`Client::pull_artifact`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PulledArtifact {
    /// The manifest, with the type, the config and the annotations of the artifact.
    pub manifest: Manifest,
    /// The files that were written, in the order of the manifest.
    pub files: Vec<PulledFile>,
}

/// A file of an artifact that was pulled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PulledFile {
    /// The path, which begins with the directory that was given.
    pub path: PathBuf,
    /// The descriptor, with media type and annotations.
    pub descriptor: Descriptor,
}

impl Client {
    /// Pulls the contents of an artifact to a directory, which is created if it is not there. The title of a content is
    /// its path below the directory; content without a title is named by the hexadecimal digits of its digest, and the
    /// empty content of an artifact without files is left out.
    ///
    /// A file gets its name when it is whole and verified. Titles and the files that exist are checked before the first
    /// content is read; files that were written before a later failure stay.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let pulled = client.pull_artifact("registry.example.com/models/small:1", "model").await?;
    /// for file in pulled.files {
    ///     println!("{}: {}", file.path.display(), file.descriptor.media_type());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The artifact may be in a store too, as for [`Client::manifest`]. Of an index, the artifact for this host's
    /// platform is pulled. The trust policy judges the artifact before a content is read.
    ///
    /// # Errors
    ///
    /// [`Invalid`](wharf_content::ErrorKind::Invalid) for a title that is absolute, has `..` or NUL, or leads through a symbolic link;
    /// [`Conflict`](wharf_content::ErrorKind::Conflict) for a file that exists, two contents of one title, and a title that needs a directory where
    /// a file is; [`Mismatch`](wharf_content::ErrorKind::Mismatch) for content that does not have its digest; [`Storage`](wharf_content::ErrorKind::Storage) and
    /// [`NoSpace`](wharf_content::ErrorKind::NoSpace) from the file system; and as [`Client::image_manifest`].
    pub async fn pull_artifact(
        &self,
        artifact: impl IntoImageLocation,
        directory: impl AsRef<Path>,
    ) -> Result<PulledArtifact, Error> {
        self.pull_artifact_with(artifact, directory, ArtifactPullOptions::default())
            .await
    }

    /// As [`Client::pull_artifact`], with options.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::artifact::ArtifactPullOptions;
    ///
    /// let options = ArtifactPullOptions::default().with_replace(true);
    /// client.pull_artifact_with("registry.example.com/models/small:2", "model", options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::pull_artifact`].
    pub async fn pull_artifact_with(
        &self,
        artifact: impl IntoImageLocation,
        directory: impl AsRef<Path>,
        options: ArtifactPullOptions,
    ) -> Result<PulledArtifact, Error> {
        let mut opened = self.open(&artifact.into_image()?).await?;
        let admission = self.inner.guard.admit(&opened.source, &opened.target)?;
        opened.source = admission.source(opened.source);
        let (top, manifest) = opened.select(&Selection::default()).await?;
        admission.judge(&top, &manifest).await?;
        let planned = planned(&manifest)?;
        let directory = directory.as_ref().to_owned();
        let (destination, planned) = blocking(move || prepare(directory, &options, planned)).await??;
        let files = fetch(&opened.source, &destination, planned).await?;
        Ok(PulledArtifact { manifest, files })
    }
}

/// The contents of an artifact, with their titles.
fn planned(manifest: &Manifest) -> Result<Vec<(Title, Descriptor)>, Error> {
    let (mut titles, mut untitled) = (Titles::default(), BTreeSet::new());
    let mut planned = Vec::new();
    for layer in manifest.layers() {
        let title = match layer.annotations().get(TITLE) {
            Some(title) => Title::parse(title)?,
            None if *layer.media_type() == MediaType::OCI_EMPTY => continue,
            None if !untitled.insert(layer.digest()) => continue, // it is the same file
            None => Title::of_untitled(layer.digest().encoded()),
        };
        titles.add(&title)?;
        planned.push((title, layer.clone()));
    }
    Ok(planned)
}

/// A content and its file. The flag is true if a file is replaced.
type Planned = (Title, bool, Descriptor);

/// Opens the directory, and checks each file before one is written.
fn prepare(
    directory: PathBuf,
    options: &ArtifactPullOptions,
    planned: Vec<(Title, Descriptor)>,
) -> Result<(Arc<Destination>, Vec<Planned>), Error> {
    let destination = Destination::open(directory, options.replace, options.unpack)?;
    let checked = planned.into_iter().map(|(title, descriptor)| {
        let replace = destination.check(&title)?;
        Ok((title, replace, descriptor))
    });
    let checked = checked.collect::<Result<_, Error>>()?;
    Ok((Arc::new(destination), checked))
}

/// Writes the files, a few at once. After a failure, what the others had begun is removed.
async fn fetch(
    source: &Arc<dyn Source>,
    destination: &Arc<Destination>,
    planned: Vec<Planned>,
) -> Result<Vec<PulledFile>, Error> {
    let (writer, mut writers) = mpsc::channel(1);
    let work = |(title, replace, descriptor): Planned| {
        let (source, destination) = (Arc::clone(source), Arc::clone(destination));
        let writer = writer.clone();
        async move {
            let blob = match descriptor.data() {
                Some(embedded) => Blob::from_bytes(descriptor.clone(), embedded.into())?,
                None => source.blob(&descriptor).await?,
            };
            let path = destination.write(title, replace, blob, writer).await?;
            Ok(PulledFile { path, descriptor })
        }
    };
    let results = bounded::each(planned, AT_ONCE, work, Result::is_ok).await;
    drop(writer);
    let _none = writers.recv().await; // a task that was aborted may still write on a thread
    let mut files = Vec::new();
    let mut failure = None;
    for result in results.into_iter().flatten() {
        match result {
            Ok(file) => files.push(file),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(files), Err)
}
