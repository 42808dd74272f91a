use std::{convert::Infallible, path::PathBuf, sync::Arc};

use wharf_content::{Error, ErrorKind, Sink, Source, Target};

use crate::DaemonImage;

fn unsupported<T>(image: &DaemonImage) -> Result<T, Error> {
    let message = format!(
        "docker-daemon:{image} cannot be used: this program was built without Docker's daemon (the feature `daemon`)"
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// No daemon.
#[derive(Debug)]
pub(crate) struct Daemon;

impl Daemon {
    pub(crate) const fn docker() -> Self {
        Self
    }
}
pub(crate) fn open(
    _: &Daemon,
    image: &DaemonImage,
    _: Option<PathBuf>,
) -> Result<(Arc<dyn Source>, Target), Error> {
    unsupported(image)
}

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
pub(crate) async fn create(_: &Daemon, image: &DaemonImage) -> Result<Created, Error> {
    unsupported(image)
}
