//! The ends of a copy that are in a daemon.

use std::{path::PathBuf, sync::Arc};

use wharf_content::{Error, Sink, Source, Target};

use super::{Daemon, DaemonWriter, source::DaemonSource};
use crate::DaemonImage;

/// An image of a daemon, which is contacted when the image is read. `store` is the store that it is copied to, if any.
pub(crate) fn open(
    daemon: &Daemon,
    image: &DaemonImage,
    store: Option<PathBuf>,
) -> Result<(Arc<dyn Source>, Target), Error> {
    let source = DaemonSource::new(daemon.clone(), image.clone(), store);
    let target = source.target()?;
    Ok((Arc::new(source), target))
}

/// Images that are being loaded.
pub(crate) struct Created(Arc<DaemonWriter>);

impl Created {
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.0) as _
    }

    pub(crate) async fn finish(self) -> Result<(), Error> {
        self.0.finish().await.map(drop)
    }
}

/// Begins to load an image.
pub(crate) async fn create(daemon: &Daemon, _: &DaemonImage) -> Result<Created, Error> {
    daemon.writer().await.map(|writer| Created(Arc::new(writer)))
}
