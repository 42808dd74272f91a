//! Names are given to the images that were asked for, and to no others.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_archive::Loaded;
use wharf_content::{Blob, ByteStream, Descriptor, Error, Location, Manifest, MediaType, Name, Sink};
use wharf_reference::{Algorithm, Written};

use crate::DaemonImage;

/// A sink that knows only the names that were asked for: a daemon cannot move other names of it. It lists no image
/// without a name, because it is not known yet whether that is the one that was asked for.
pub(super) struct Asked<'a, S: ?Sized> {
    sink: &'a S,
    /// Full names.
    names: Arc<[Name]>,
}

impl<'a, S: Sink + ?Sized> Asked<'a, S> {
    pub(super) fn new(sink: &'a S, images: &[DaemonImage]) -> Self {
        let names = images.iter().filter_map(DaemonImage::name).collect();
        Self { sink, names }
    }

    /// The images with the names that they have in the sink.
    pub(super) fn named(&self, mut loaded: Vec<Loaded>) -> Vec<Loaded> {
        for image in &mut loaded {
            image.names = image
                .names
                .iter()
                .filter_map(|name| self.asked(name))
                .cloned()
                .collect();
            image.names.dedup();
        }
        loaded
    }

    /// The full form of a name, if it was asked for. Docker writes short names into archives.
    fn asked(&self, name: &Name) -> Option<&Name> {
        let full = Written::parse(name.as_str()).ok()?.normalise();
        self.names.iter().find(|asked| asked.as_str() == full.as_str())
    }
}

#[async_trait]
impl<S: Sink + ?Sized> Sink for Asked<'_, S> {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.sink.contains(descriptor).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        self.sink.push_blob(blob).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        self.sink
            .push_manifest(manifest, name.and_then(|name| self.asked(name)))
            .await
    }

    fn can_ingest(&self) -> bool {
        self.sink.can_ingest()
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        self.sink.ingest(media_type, algorithm, bytes).await
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.sink.accepts(descriptor)
    }

    fn location(&self) -> Location {
        self.sink.location()
    }
}
