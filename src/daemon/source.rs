//! An image of a daemon as the source of a copy.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use wharf_content::{Blob, Descriptor, Error, Location, Manifest, Name, Source, Target};
use wharf_reference::Digest;
use wharf_store::Layout;

use super::Daemon;
use crate::{DaemonImage, scratch::Scratch};

/// An image that is read from a daemon when the first part of it is wanted, as a whole: a daemon gives no parts. It is
/// kept in a store meanwhile.
pub(super) struct DaemonSource {
    daemon: Daemon,
    image: DaemonImage,
    /// The store that the image is copied to, if it is copied to one.
    store: Option<PathBuf>,
    read: OnceCell<Read>,
}

struct Read {
    layout: Layout,
    root: Digest,
    /// Removed with the source.
    _scratch: Option<Scratch>,
}

impl DaemonSource {
    pub(super) fn new(daemon: Daemon, image: DaemonImage, store: Option<PathBuf>) -> Self {
        Self {
            daemon,
            image,
            store,
            read: OnceCell::new(),
        }
    }

    /// The name by which the image is read from this source.
    pub(super) fn target(&self) -> Result<Target, Error> {
        Name::parse(&self.image.to_string()).map(Target::Name)
    }

    async fn read(&self) -> Result<&Read, Error> {
        self.read
            .get_or_try_init(async || {
                let (path, scratch) = if let Some(directory) = &self.store {
                    (directory.clone(), None)
                } else {
                    let scratch = Scratch::create(self.daemon.scratch())?;
                    (scratch.path().to_owned(), Some(scratch))
                };
                let layout = Layout::create(path).await?.pinned();
                let loaded = self.daemon.get_unnamed(&self.image, &layout).await?;
                Ok(Read {
                    layout,
                    root: loaded.descriptor.digest().clone(),
                    _scratch: scratch,
                })
            })
            .await
    }

    /// The digest of the image, or the one that is wanted of it.
    fn wanted(read: &Read, target: &Target) -> Target {
        match target {
            Target::Name(_) => Target::Digest(read.root.clone()),
            Target::Digest(digest) => Target::Digest(digest.clone()),
        }
    }
}

#[async_trait]
impl Source for DaemonSource {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let read = self.read().await?;
        read.layout.resolve(&Self::wanted(read, target)).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let read = self.read().await?;
        Source::manifest(&read.layout, &Self::wanted(read, target)).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        Source::blob(&self.read().await?.layout, descriptor).await
    }

    fn location(&self) -> Location {
        Location::Daemon(self.daemon.host().to_string())
    }

    /// The store, from which another takes blobs without copying them.
    fn location_of(&self, _: &Descriptor) -> Location {
        match self.read.get() {
            Some(read) => Source::location(&read.layout),
            None => self.location(),
        }
    }
}
