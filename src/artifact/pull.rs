use std::{
    collections::BTreeSet,
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::mpsc;
use wharf_content::{
    Blob, Descriptor, Error, Event, Manifest, MediaType, Outcome, Platform, Progress, Source,
};
use wharf_copy::Selection;

use super::{
    TITLE,
    destination::Destination,
    title::{Title, Titles},
};
use crate::{
    Client, IntoImageLocation, bounded,
    concurrency::blocking,
    waiting::{Watch, watched},
};

/// The contents that are pulled at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// The options of [`Client::pull_artifact_with`].
///
/// ```
/// let options = wharf::artifact::ArtifactPullOptions::default().with_replace(true);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct ArtifactPullOptions {
    pub(super) replace: bool,
    pub(super) unpack: bool,
    pub(super) sync: bool,
    selection: Selection,
    progress: Arc<dyn Progress>,
}

impl Default for ArtifactPullOptions {
    /// No file is replaced, no directory unpacked, files are synced; of an index, the artifact for this host's platform.
    fn default() -> Self {
        Self {
            replace: false,
            unpack: false,
            sync: true,
            selection: Selection::default(),
            progress: Arc::new(()),
        }
    }
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

    /// Sets whether each file is synced before it gets its name, and the directories of new files in the end, so that a loss
    /// of power leaves whole files. It takes the disk some milliseconds for each file. Default: `true`.
    #[must_use]
    pub const fn with_sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Sets the artifact that is pulled of an index: the one for a platform. Default: the host's.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.selection = Selection::Platform(platform);
        self
    }

    /// Sets the function that is called for each event: the contents that are to be pulled, each that begins, advances and
    /// ends, and long waits. [`Totals`](wharf_content::Totals) sums them up. Default: none.
    ///
    /// ```
    /// use wharf::{Event, artifact::ArtifactPullOptions};
    ///
    /// let options = ArtifactPullOptions::default().with_progress(|event| {
    ///     if let Event::Finished { descriptor, .. } = event {
    ///         eprintln!("{} is there", descriptor.digest());
    ///     }
    /// });
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn with_progress(self, listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.with_progress_listener(listener)
    }

    /// Sets the listener for events. Default: none.
    #[must_use]
    pub fn with_progress_listener(mut self, listener: impl Progress + 'static) -> Self {
        self.progress = Arc::new(listener);
        self
    }
}

impl fmt::Debug for ArtifactPullOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactPullOptions")
            .field("replace", &self.replace)
            .field("unpack", &self.unpack)
            .field("selection", &self.selection)
            .finish_non_exhaustive()
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
    /// A file gets its name when it is whole, verified and synced; the directories of new files are synced in the end. Titles and the files that exist are checked before the first
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
        let artifact = artifact.into_image()?;
        let directory = directory.as_ref().to_owned();
        let listener = Arc::clone(&options.progress);
        watched(listener, |progress| async move {
            let mut opened = self.open(&artifact).await?;
            let admission = self.inner.guard.admit(&opened.source, &opened.target)?;
            opened.source = admission.source(opened.source);
            let (top, manifest) = opened.select(&options.selection).await?;
            admission.judge(&top, &manifest).await?;
            progress.event(Event::Resolved {
                target: &opened.target,
                descriptor: manifest.descriptor(),
            });
            let planned = planned(&manifest)?;
            progress.event(Event::Planned {
                count: planned.len(),
                bytes: planned.iter().map(|(_, content)| content.size()).sum(),
            });
            let (destination, planned) = blocking(move || prepare(directory, &options, planned)).await??;
            let files = fetch(&opened.source, &destination, planned, &progress).await?;
            Ok(PulledArtifact { manifest, files })
        })
        .await
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
    let destination = Destination::open(directory, options)?;
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
    progress: &Arc<Watch>,
) -> Result<Vec<PulledFile>, Error> {
    let (writer, mut writers) = mpsc::channel(1);
    let work = |(title, replace, descriptor): Planned| {
        let (source, destination) = (Arc::clone(source), Arc::clone(destination));
        let (writer, progress) = (writer.clone(), Arc::clone(progress));
        async move {
            progress.event(Event::Started {
                descriptor: &descriptor,
            });
            let blob = match descriptor.data() {
                Some(embedded) => Blob::from_bytes(descriptor.clone(), embedded.into())?,
                None => source.blob(&descriptor).await?,
            };
            let path = destination
                .write(title, replace, blob, &*progress, writer)
                .await?;
            progress.event(Event::Finished {
                descriptor: &descriptor,
                outcome: Outcome::Copied,
            });
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
    if let Some(error) = failure {
        return Err(error);
    }
    let destination = Arc::clone(destination);
    blocking(move || destination.sync()).await??;
    Ok(files)
}
