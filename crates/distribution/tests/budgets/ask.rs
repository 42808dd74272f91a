use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Blob, Descriptor, MediaType};
use wharf_distribution::Client;
use wharf_http::{Connect, Error, HttpService, Peer, Request, Response, ResponseBody};
use wharf_testkit::{
    Image,
    hostile::scene::{self, Scene, tag},
};

/// What the client is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Manifest,
    Digest,
    Blob(u64),
    HasBlob,
    Tags,
    /// Tags one by one, none of them kept.
    EachTag,
    Referrers,
    Catalog,
    Search,
    Extensions,
    Login,
    PushBlob,
    PushManifest,
    DeleteTag,
}

impl Ask {
    /// Whether what is read is what is asked for: then nothing of it can end well.
    pub(crate) const fn reads(self) -> bool {
        !matches!(
            self,
            Self::HasBlob | Self::Login | Self::PushBlob | Self::PushManifest | Self::DeleteTag
        )
    }

    /// Does it. An error is what most of the scripts are about: whether it came is all that is told.
    pub(crate) async fn of(self, scene: &Scene, client: &Client) -> Result<(), ()> {
        let remote = scene.remote_of(client);
        let registry = scene::registry(&scene.registry);
        let digest = wharf_testkit::sha256(b"nothing here has this digest");
        let drop_error = |error| drop(scene.stage.inspect::<wharf_distribution::Error>(error));
        match self {
            Self::Manifest => remote.manifest(&tag("v1")).await.map(drop).map_err(drop_error),
            Self::Digest => remote
                .manifest(&digest.into())
                .await
                .map(drop)
                .map_err(drop_error),
            Self::Blob(size) => {
                let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, size).unwrap();
                let mut blob = remote.blob(&descriptor).map_err(drop_error)?;
                while let Some(chunk) = blob.next().await {
                    chunk.map_err(|error| drop(scene.stage.inspect(error)))?;
                }
                Ok(())
            }
            Self::HasBlob => {
                let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, 1000).unwrap();
                remote.has_blob(&descriptor).await.map(drop).map_err(drop_error)
            }
            Self::Tags => remote.tags().collect().await.map(drop).map_err(drop_error),
            Self::EachTag => {
                let mut tags = remote.tags();
                while tags.next().await.map_err(drop_error)?.is_some() {}
                Ok(())
            }
            Self::Referrers => remote
                .referrers(&digest, None)
                .await
                .map(drop)
                .map_err(drop_error),
            Self::Catalog => client
                .catalog(&registry, usize::MAX)
                .await
                .map(drop)
                .map_err(drop_error),
            Self::Search => client
                .search(&registry, "x", 100)
                .await
                .map(drop)
                .map_err(drop_error),
            Self::Extensions => client.extensions(&registry).await.map(drop).map_err(drop_error),
            Self::Login => client.check_credentials(&registry).await.map_err(drop_error),
            Self::PushBlob => {
                let (descriptor, bytes) = scene::layer(&Image::small("x"));
                let blob = Blob::from_bytes(descriptor, bytes).unwrap();
                remote.push_blob(blob).await.map_err(drop_error)
            }
            Self::PushManifest => {
                let image = Image::small("x");
                remote
                    .push_manifest(image.manifest(), None)
                    .await
                    .map_err(drop_error)
            }
            Self::DeleteTag => {
                let name = wharf_reference::Tag::parse("v1").unwrap();
                remote.delete_tag(&name).await.map_err(drop_error)
            }
        }
    }
}

/// Connections whose answers are counted as the client takes them.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) inner: Arc<dyn Connect>,
    pub(crate) taken: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountedService(Arc<dyn HttpService>, Arc<AtomicU64>);

struct CountedBody(ResponseBody, Arc<AtomicU64>);

impl Connect for Counted {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        let inner = self.inner.connect(peer)?;
        Ok(Arc::new(CountedService(inner, Arc::clone(&self.taken))))
    }
}

#[async_trait]
impl HttpService for CountedService {
    async fn call(&self, request: Request) -> Result<Response, Error> {
        let (parts, body) = self.0.call(request).await?.into_parts();
        let length = body.length();
        let counted = CountedBody(body, Arc::clone(&self.1));
        Ok(Response::from_parts(
            parts,
            ResponseBody::new(Box::pin(counted), length),
        ))
    }
}

impl Stream for CountedBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.0).poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.1.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        polled
    }
}
