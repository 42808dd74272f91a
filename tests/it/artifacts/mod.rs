//! Artifacts that are pushed and pulled through the embedded registry.

mod attached;
#[cfg(target_os = "linux")]
mod directories;
mod documents;
mod example;
mod files;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod oras;
mod progress;
mod titles;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use wharf::{Client, MediaType, Sink as _, artifact::Artifact};
use wharf_content::{Descriptor, ImageBuilder, Name, SinkExt as _};
use wharf_reference::Repository;
use wharf_registry::{Registry, Server};

const TITLE: &str = "org.opencontainers.image.title";

fn media_type(text: &str) -> MediaType {
    MediaType::parse(text).unwrap()
}

fn example() -> Artifact {
    Artifact::new(media_type("application/vnd.example.thing"))
}

struct Peer {
    server: Server,
    client: Client,
}

impl Peer {
    async fn new() -> Self {
        Self::serving(Registry::memory()).await
    }

    async fn serving(registry: Registry) -> Self {
        let server = registry.serve().await.unwrap();
        let client = Client::builder()
            .with_plain_http(server.registry())
            .build()
            .unwrap();
        Self { server, client }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.server.registry())
    }

    /// Pushes an artifact of any titles as `team/app:TAG`; each content has its own text.
    async fn push_titles(&self, tag: &str, titles: &[&str]) {
        let contents: Vec<_> = titles
            .iter()
            .enumerate()
            .map(|(number, title)| (format!("content {number}"), BTreeMap::from([(TITLE, *title)])))
            .collect();
        self.push_layers(tag, &contents).await;
    }

    /// Pushes an artifact whose layers have these contents and annotations.
    async fn push_layers(&self, tag: &str, layers: &[(impl AsRef<[u8]>, BTreeMap<&str, &str>)]) {
        let repository = Repository::parse(&self.name("team/app")).unwrap();
        let remote = self.client.distribution().remote(&repository);
        let mut image = ImageBuilder::new().with_artifact_type(media_type("application/vnd.example.thing"));
        for (content, annotations) in layers {
            let content = content.as_ref().to_vec();
            let mut layer: Descriptor = remote
                .push_bytes(media_type("text/plain"), content)
                .await
                .unwrap();
            for (key, value) in annotations {
                layer = layer.with_annotation(*key, *value);
            }
            image = image.with_layer(layer);
        }
        let image = image.build().unwrap();
        assert!(remote.can_ingest());
        remote
            .push_image(&image, Some(&Name::parse(tag).unwrap()))
            .await
            .unwrap();
    }
}

/// The files of a tree, with their contents; symbolic links are listed as what they lead to.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                pending.push(path);
                continue;
            }
            let content = if kind.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            files.insert(path.strip_prefix(root).unwrap().to_owned(), content);
        }
    }
    files
}

fn files(expected: &[(&str, &str)]) -> BTreeMap<PathBuf, Vec<u8>> {
    expected
        .iter()
        .map(|(name, content)| (name.into(), content.as_bytes().to_vec()))
        .collect()
}
