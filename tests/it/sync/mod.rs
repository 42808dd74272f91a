//! Sets of images are copied, and of them only what is new.

mod golden;
mod hostile;
mod kinds;
mod peers;
mod program;
mod protected;
mod prune;
mod requests;

use std::{collections::BTreeMap, fs, path::Path};

use wharf::{
    BuiltImage, Client, ImageBuilder, Platform,
    sync::{Destination, SyncSet},
};
use wharf_registry::{Registry, Server};

/// Two registries and a client for both.
struct World {
    source: Server,
    mirror: Server,
    client: Client,
}

impl World {
    async fn new() -> Self {
        Self::of(Registry::memory(), Registry::memory()).await
    }

    async fn of(source: Registry, mirror: Registry) -> Self {
        let source = source.with_request_log(true).serve().await.unwrap();
        let mirror = mirror.with_request_log(true).serve().await.unwrap();
        let client = Client::builder()
            .with_plain_http(source.registry())
            .with_plain_http(mirror.registry())
            .build()
            .unwrap();
        Self {
            source,
            mirror,
            client,
        }
    }

    /// Pushes images to the source, each with a layer of its own.
    async fn fill(&self, repository: &str, tags: &[&str]) {
        for tag in tags {
            let reference = self.source.reference(&format!("{repository}:{tag}")).unwrap();
            self.client
                .push_image(&image(&format!("{repository}:{tag}")), reference)
                .await
                .unwrap();
        }
    }

    fn set(&self, repository: &str) -> SyncSet {
        SyncSet::of_repository(format!("{}/{repository}", self.source.registry())).unwrap()
    }

    fn to(&self, prefix: &str) -> Destination {
        Destination::Registry(format!("{}/{prefix}", self.mirror.registry()))
    }

    async fn tags(&self, repository: &str) -> Vec<String> {
        let name = format!("{}/{repository}", self.mirror.registry());
        let tags = self.client.tags(name).await.unwrap();
        tags.iter().map(ToString::to_string).collect()
    }
}

/// An image whose layer is this text.
fn image(text: &str) -> BuiltImage {
    ImageBuilder::for_platform(Platform::host())
        .with_tar(text.as_bytes().to_vec())
        .build()
        .unwrap()
}

/// The requests that a registry was sent after the first so many, as `METHOD path`; the check of the API is left out.
fn requests(server: &Server, after: usize) -> Vec<String> {
    let requests = server.requests();
    let requests = requests
        .iter()
        .skip(after)
        .filter(|request| request.path() != "/v2/");
    requests
        .map(|request| format!("{} {}", request.method(), request.path()))
        .collect()
}

/// The files below a directory and their bytes.
fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().display().to_string();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
