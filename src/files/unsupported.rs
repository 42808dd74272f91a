use std::{convert::Infallible, path::Path, sync::Arc};

use wharf_content::{Error, ErrorKind, Location, Sink, Source, Target};

use crate::{ArchiveForm, StoreImage, listing::Entry};

fn unsupported<T>(path: &Path) -> Result<T, Error> {
    let message = format!(
        "{} cannot be used: this program was built without image directories and archives",
        path.display()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn open_directory(path: &Path) -> Result<(Arc<dyn Source>, Target), Error> {
    unsupported(path)
}

#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn open_archive(
    _: &Streams,
    path: &Path,
    _: ArchiveForm,
    _: &StoreImage,
) -> Result<(Arc<dyn Source>, Target), Error> {
    unsupported(path)
}

#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn list_archive_or_stream(
    _: &Streams,
    path: &Path,
    _: ArchiveForm,
) -> Result<(Arc<dyn Source>, Vec<Entry>), Error> {
    unsupported(path)
}

#[cfg(feature = "sync")]
#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn list_archive(
    path: &Path,
    _: ArchiveForm,
) -> Result<(Arc<dyn Source>, Vec<Entry>), Error> {
    unsupported(path)
}

/// No archive is read.
#[derive(Debug, Default)]
pub(crate) struct Streams;

/// Nothing is ever written.
pub(crate) struct Created(Infallible);

impl Created {
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match self.0 {}
    }

    #[expect(
        clippy::unused_async,
        reason = "the interface is that of builds with the feature"
    )]
    pub(crate) async fn finish(self) -> Result<(), Error> {
        match self.0 {}
    }
}

#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn create_directory(path: &Path, _: &Location) -> Result<Created, Error> {
    unsupported(path)
}

#[expect(
    clippy::unused_async,
    reason = "the interface is that of builds with the feature"
)]
pub(crate) async fn create_archive(path: &Path, _: ArchiveForm) -> Result<Created, Error> {
    unsupported(path)
}
