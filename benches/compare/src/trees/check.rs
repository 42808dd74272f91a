//! Whether a tree has the files of an image, and a layer those that changed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use wharf_content::{Hasher, Manifest};
use wharf_layer::{Codec, Decoder, Limits, Merged};
use wharf_reference::Digest;

/// The regular files of an image, with the digests of their contents.
pub struct Files(BTreeMap<PathBuf, Digest>);

impl Files {
    /// Those of the layers of a layout, which are merged in memory.
    pub fn of(layout: &Path, image: &Manifest) -> anyhow::Result<Self> {
        let mut merged = Merged::new().with_digests(true);
        for layer in image.layers() {
            let path = layout.join("blobs/sha256").join(layer.digest().encoded());
            let codec = Codec::of_type(layer.media_type()).context("the codec of a layer")?;
            merged.add(Decoder::new(codec, Limits::default()).reader(File::open(path)?))?;
        }
        Ok(Self::of_merged(&merged))
    }

    /// Whether the only layer of an image in the store of a registry has these files and no others.
    pub fn are_pushed(&self, store: &Path, repository: &str, tag: &str) -> anyhow::Result<()> {
        let root = store.join("docker/registry/v2");
        let blob = |digest: &str| {
            let (algorithm, encoded) = digest.split_once(':').context("a digest")?;
            let directory = encoded.get(..2).context("a digest")?;
            let path = root.join("blobs").join(algorithm).join(directory);
            Ok::<_, anyhow::Error>(path.join(encoded).join("data"))
        };
        let own = root.join("repositories").join(repository);
        let link = fs::read_to_string(own.join(format!("_manifests/tags/{tag}/current/link")))?;
        let manifest: Value = serde_json::from_slice(&fs::read(blob(&link)?)?)?;
        let layers = manifest["layers"].as_array().context("there are no layers")?;
        let [layer] = layers.as_slice() else {
            anyhow::bail!("{} layers, not one", layers.len());
        };
        let layer = blob(layer["digest"].as_str().context("a digest")?)?;
        let mut merged = Merged::new().with_digests(true);
        merged.add(Decoder::by_magic(Limits::default()).reader(File::open(layer)?))?;
        let found = Self::of_merged(&merged);
        ensure!(
            found.0 == self.0,
            "{} files, or others, and not the {}",
            found.0.len(),
            self.0.len()
        );
        Ok(())
    }

    fn of_merged(merged: &Merged) -> Self {
        let files = merged.entries().filter_map(|entry| {
            let name = String::from_utf8_lossy(entry.name()).into_owned();
            Some((PathBuf::from(name), entry.digest()?.clone()))
        });
        Self(files.collect())
    }

    /// Whether a tree has these files and no others.
    pub fn are_in(&self, root: &Path) -> anyhow::Result<()> {
        let mut found = 0;
        let mut pending = vec![root.to_owned()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    pending.push(entry.path());
                    continue;
                }
                let path = entry.path();
                let name = path.strip_prefix(root)?;
                let expected = self.0.get(name).with_context(|| format!("{name:?} is new"))?;
                let digest = Hasher::sha256(&fs::read(&path)?);
                ensure!(digest == *expected, "{name:?} has other bytes");
                found += 1;
            }
        }
        ensure!(
            found == self.0.len(),
            "{found} files of {} are there",
            self.0.len()
        );
        Ok(())
    }
}

/// Whether the highest layer of an image of a layout has the first file of the first hundred directories, as the tree has
/// them, and no other file.
pub fn changes(layout: &Path, name: &str, root: &Path) -> anyhow::Result<()> {
    let blob = |digest: &Value| {
        let encoded = digest.as_str().and_then(|digest| digest.split(':').nth(1));
        let encoded = encoded.context("a digest is missing")?;
        Ok::<_, anyhow::Error>(layout.join("blobs/sha256").join(encoded))
    };
    let document = |path: &Path| Ok::<Value, anyhow::Error>(serde_json::from_slice(&fs::read(path)?)?);
    let index = document(&layout.join("index.json"))?;
    let mut entries = index["manifests"].as_array().into_iter().flatten();
    let entry = entries
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == name)
        .with_context(|| format!("{name} is not listed"))?;
    let manifest = document(&blob(&entry["digest"])?)?;
    let layers = manifest["layers"].as_array().context("there are no layers")?;
    ensure!(layers.len() == 2, "{} layers, not two", layers.len());
    let mut merged = Merged::new().with_digests(true);
    let layer = File::open(blob(&layers[1]["digest"])?)?;
    merged.add(Decoder::by_magic(Limits::default()).reader(layer))?;
    let mut changed = 0;
    for entry in merged.entries() {
        let Some(digest) = entry.digest() else { continue };
        let name = String::from_utf8_lossy(entry.name()).into_owned();
        let content = fs::read(root.join(&name)).with_context(|| name.clone())?;
        ensure!(Hasher::sha256(&content) == *digest, "{name} has other bytes");
        changed += 1;
    }
    let directories = fs::read_dir(root.join("srv"))?.count();
    ensure!(changed == directories.min(100), "{changed} files, not a hundred");
    Ok(())
}
