//! A prepared image is a source as any other: the suite of `wharf-content`, on a store that is read through one.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, Location, Manifest, MediaType, Name, Sink, Source, Target,
    conformance::Conformance,
};
use wharf_image::{Format, Prepared, Recipe};
use wharf_reference::{Algorithm, Digest};
use wharf_store::Memory;
use wharf_testkit::Image;

use crate::support::Store;

struct Through {
    prepared: Prepared,
    store: Arc<Memory>,
}

#[async_trait]
impl Source for Through {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.prepared.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.prepared.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.prepared.blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        self.prepared.referrers(subject).await
    }

    fn location(&self) -> Location {
        self.prepared.location()
    }
}

#[async_trait]
impl Sink for Through {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.store.contains(descriptor).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        self.store.push_blob(blob).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        self.store.push_manifest(manifest, name).await
    }

    fn can_ingest(&self) -> bool {
        self.store.can_ingest()
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        self.store.ingest(media_type, algorithm, bytes).await
    }

    fn location(&self) -> Location {
        self.prepared.location()
    }
}

#[tokio::test]
async fn a_prepared_image_conforms() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    for (seed, recipe) in (0..).zip([Recipe::new(), Recipe::new().format(Format::Docker)]) {
        let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
        let through = Through {
            prepared,
            store: store.0.clone(),
        };
        let checks = Conformance::new().with_seed(seed).check(&through).await.unwrap();
        assert!(checks > 50, "only {checks} checks");
    }
}
