//! The registry of this process, and the images in it.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use wharf::{Digest, Manifest, Platform, content::Descriptor};
use wharf_registry::{LocalRepository, Registry, Server};
use wharf_testkit::{Image, Index, Sandbox};

use wharf_testkit::program;

/// The name of the images in stores and layouts.
pub(crate) const NAME: &str = "app";

/// Everything that a name stands for.
pub(crate) struct Content {
    /// The root first.
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) blobs: Vec<(Descriptor, Vec<u8>)>,
}

impl Content {
    fn of(root: Option<&Manifest>, images: &[Image]) -> Self {
        let manifests = images.iter().map(Image::manifest);
        let blobs = images.iter().flat_map(Image::blobs);
        Self {
            manifests: root.into_iter().chain(manifests).cloned().collect(),
            blobs: blobs
                .map(|(descriptor, bytes)| (descriptor.clone(), bytes.to_vec()))
                .collect(),
        }
    }

    pub(crate) fn digest(&self) -> &Digest {
        self.manifests[0].digest()
    }
}

/// A registry that serves `lib/app`: `old`, one image, and `new`, an index of two, one of which shares a layer
/// with the old one.
pub(crate) struct Hosted {
    server: Server,
    pub(crate) runtime: Runtime,
    /// A home for all programs; what they keep is in places of their own.
    pub(crate) sandbox: Sandbox,
    pub(crate) old: Content,
    pub(crate) all: Content,
    pub(crate) amd64: Content,
}

impl Hosted {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = runtime.block_on(Registry::memory().serve());
        let server = server.expect("a free port");
        let sandbox = Sandbox::new();
        let host = server.address().to_string();
        sandbox.registries_conf(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"));

        let image = |architecture: &str, seeds: &[u64]| {
            let platform = Platform::new("linux", architecture);
            let empty = Image::builder().platform(platform);
            let lengths = [100_000, 300_000, 200_000];
            let layers = seeds.iter().zip(lengths);
            layers
                .fold(empty, |image, (&seed, length)| image.noise(seed, length))
                .finish()
        };
        let old = image("amd64", &[1, 2]);
        let new = Index::of(vec![image("amd64", &[1, 3, 4]), image("arm64", &[5, 6, 7])]);
        old.write_layout(&sandbox.path("old"), NAME);
        new.write_layout(&sandbox.path("new"), NAME);
        let hosted = Self {
            old: Content::of(None, std::slice::from_ref(&old)),
            all: Content::of(Some(new.manifest()), new.images()),
            amd64: Content::of(None, &new.images()[..1]),
            server,
            runtime,
            sandbox,
        };
        for tag in ["old", "new"] {
            hosted.push(tag, &hosted.reference("lib/app", tag));
        }
        hosted
    }

    pub(crate) fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.server.address())
    }

    /// Pushes one of the layouts, `old` or `new`.
    pub(crate) fn push(&self, layout: &str, reference: &str) {
        let arguments = ["--all", "--store", layout, NAME, reference];
        program::run(&self.sandbox, "push", &arguments).ok();
    }

    /// What the registry has, without HTTP.
    pub(crate) fn repository(&self, path: &str) -> LocalRepository {
        self.server.service().repository(path).expect("a path")
    }
}

/// Copies a layout, for one program to work on.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let mut work: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = work.pop() {
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                work.push((entry.path(), target));
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
