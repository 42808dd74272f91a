//! Whether a run did what it should have done.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
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

/// Whether the registry has the image under this name. It verified every blob when it took it in, so the manifest's
/// bytes and the blobs' lengths are enough.
pub fn registry(registry: SocketAddr, repository: &str, tag: &str, image: &Manifest) -> anyhow::Result<()> {
    let (_, bytes) = ask(registry, "GET", &format!("/v2/{repository}/manifests/{tag}"))?;
    ensure!(bytes == **image.bytes(), "the tag means another manifest");
    for descriptor in image.blobs() {
        let digest = descriptor.digest();
        let (head, _) = ask(registry, "HEAD", &format!("/v2/{repository}/blobs/{digest}"))?;
        let length = format!("content-length: {}\r\n", descriptor.size());
        ensure!(
            head.to_ascii_lowercase().contains(&length),
            "{digest} has another length"
        );
    }
    Ok(())
}

fn ask(registry: SocketAddr, method: &str, path: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(registry)?;
    let accept = "application/vnd.oci.image.manifest.v1+json";
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {registry}\r\nAccept: {accept}\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .context("no answer")?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer)?;
    if head
        .split_whitespace()
        .nth(1)
        .is_none_or(|status| status != "200")
    {
        bail!("{method} {path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok((head, body))
}
