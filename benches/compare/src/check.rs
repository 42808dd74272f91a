//! Whether a run did what it should have done.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use wharf_content::{Descriptor, Hasher, Manifest};
use wharf_reference::Algorithm;

/// Whether the layout lists the image and has every byte of it.
pub fn layout(directory: &Path, image: &Manifest) -> anyhow::Result<()> {
    let index: Value = serde_json::from_slice(&fs::read(directory.join("index.json"))?)?;
    let digest = image.digest().to_string();
    let mut entries = index["manifests"].as_array().into_iter().flatten();
    ensure!(
        entries.any(|entry| entry["digest"] == digest),
        "{digest} is not listed"
    );
    for descriptor in std::iter::once(image.descriptor()).chain(image.blobs()) {
        file(directory, descriptor)?;
    }
    Ok(())
}

fn file(directory: &Path, descriptor: &Descriptor) -> anyhow::Result<()> {
    let digest = descriptor.digest();
    let path = directory
        .join("blobs")
        .join(digest.algorithm_name())
        .join(digest.encoded());
    let mut file = fs::File::open(&path).with_context(|| digest.to_string())?;
    let mut hasher = Hasher::new(Algorithm::Sha256)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    ensure!(hasher.finish()? == *digest, "{digest} has other bytes");
    Ok(())
}

/// Whether the registry has the image under this name, by the files of its store. It verified every blob when it took it
/// in, so the digests and lengths are enough.
pub fn registry(store: &Path, repository: &str, tag: &str, image: &Manifest) -> anyhow::Result<()> {
    let root = store.join("docker/registry/v2");
    let own = root.join("repositories").join(repository);
    let current = fs::read_to_string(own.join(format!("_manifests/tags/{tag}/current/link")))?;
    ensure!(
        current == image.digest().to_string(),
        "the tag means another manifest"
    );
    for descriptor in image.blobs() {
        let digest = descriptor.digest();
        let (algorithm, encoded) = (digest.algorithm_name(), digest.encoded());
        let linked = own.join("_layers").join(algorithm).join(encoded).join("link");
        ensure!(linked.is_file(), "{digest} is not in the repository");
        let blob = root.join("blobs").join(algorithm).join(&encoded[..2]);
        let data = fs::metadata(blob.join(encoded).join("data")).with_context(|| digest.to_string())?;
        ensure!(data.len() == descriptor.size(), "{digest} has another length");
    }
    Ok(())
}
