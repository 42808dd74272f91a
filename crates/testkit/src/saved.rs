//! The images that Skopeo and Podman copied and saved, as `crates/archive/tests/golden` has them.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use wharf_reference::Digest;

/// A line of the table there.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// The source, the transport and the options: `oci-to-dir-v2s2`.
    pub name: String,
    /// The result; `None` if the program refused to write it.
    pub content: Option<SavedContent>,
}

/// The digests of an image that was copied, as the program that wrote it states them.
#[derive(Debug, Clone)]
pub struct SavedContent {
    /// The manifest or index; a docker-archive has none.
    pub root: Option<Digest>,
    /// The config; an index has none.
    pub config: Option<Digest>,
    /// The layers.
    pub layers: Vec<Digest>,
}

/// All images, by name.
pub fn saved_images() -> Vec<SavedImage> {
    let table = fs::read_to_string(folder().join("table.txt")).expect("the table of saved images");
    let digest = |text: &str| (text != "-").then(|| Digest::parse(text).expect("a digest in the table"));
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let images = lines.map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name in the table").to_owned();
        let rest: Vec<&str> = words.collect();
        let content = match rest.as_slice() {
            ["refused"] => None,
            [root, config, layers @ ..] => Some(SavedContent {
                root: digest(root),
                config: digest(config),
                layers: layers.iter().filter_map(|layer| digest(layer)).collect(),
            }),
            _ => panic!("a line of the table is not understood: {line}"),
        };
        SavedImage { name, content }
    });
    images.collect()
}

/// The image of this name.
pub fn saved_image(name: &str) -> SavedImage {
    let found = saved_images().into_iter().find(|image| image.name == name);
    found.unwrap_or_else(|| panic!("no saved image {name}"))
}

impl SavedImage {
    /// The transport: `dir`, `oci`, `oci-archive` or `docker-archive`.
    pub fn transport(&self) -> &'static str {
        let name = &self.name;
        let of = |parts: [&str; 2]| parts.iter().any(|part| name.contains(part));
        if of(["to-docker-archive", "podman-docker-archive"]) {
            "docker-archive"
        } else if of(["to-oci-archive", "podman-oci-archive"]) {
            "oci-archive"
        } else if of(["to-dir", "podman-docker-dir"]) {
            "dir"
        } else {
            "oci"
        }
    }

    /// Unpacks what was written into a directory, and returns its path there.
    pub fn unpack(&self, into: &Path) -> PathBuf {
        let path = into.join(&self.name);
        let mut bytes = Vec::new();
        let packed = fs::File::open(folder().join(format!("{}.tar.gz", self.name))).expect("a saved image");
        GzDecoder::new(packed)
            .read_to_end(&mut bytes)
            .expect("a saved image is whole");
        if self.transport().ends_with("archive") {
            fs::write(&path, &bytes).expect("a file");
        } else {
            tar::Archive::new(bytes.as_slice())
                .unpack(&path)
                .expect("a directory");
        }
        path
    }
}

/// Unpacks the directories that `skopeo sync` wrote, `sync` or `sync-scoped`, into a directory.
pub fn unpack_saved_sync(name: &str, into: &Path) {
    let packed = fs::File::open(folder().join(format!("{name}.tar.gz"))).expect("saved directories");
    let unpacked = tar::Archive::new(GzDecoder::new(packed)).unpack(into);
    unpacked.expect("saved directories are whole");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../archive/tests/golden")
}
