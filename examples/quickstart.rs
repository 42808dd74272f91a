//! The main job in one program, without a network: starts a registry with a login, builds a small image, logs in,
//! pushes, lists tags, pulls into a store and verifies it.
//!
//!     cargo run --release --example quickstart

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::{
    error::Error,
    io::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use wharf::{
    Algorithm, Client, Descriptor, Hasher, Manifest, MediaType, Name, Options, Sink, Source,
    config::Locations,
    content::Blob,
    store::{Layout, Memory},
};
use wharf_registry::Registry;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let home = tempfile::tempdir()?; // a host of its own, so that nothing of yours is read or written
    let mut steps = Steps::new();

    let server = Registry::memory()
        .with_basic("ada", "correct horse")
        .serve()
        .await?;
    steps.done(&format!("started a registry at {}", server.address()));

    let local = Memory::new();
    let name = Name::parse("hello")?;
    let digest = build_image(&local, &name).await?;
    steps.done(&format!("built an image of two layers, {digest}"));

    let host = Locations::rooted(home.path()).with_auth_file(home.path().join("auth.json"));
    let client = Client::builder()
        .with_locations(host)
        .with_plain_http(server.registry()?)
        .build()?;
    let registry = server.registry()?.to_string();
    let Err(denied) = client.login(&registry, "ada", &"wrong".into()).await else {
        return Err("a wrong password was taken".into());
    };
    steps.done(&format!("a wrong password is refused: {denied}"));
    let stored = client.login(&registry, "ada", &"correct horse".into()).await?;
    steps.done(&format!("logged in, credentials in {}", stored.origin));

    let reference = format!("{registry}/team/hello:1.0");
    let report = client.push(&local, &name, &reference, Options::default()).await?;
    steps.done(&format!("pushed {reference}, {} bytes", report.bytes_copied()));

    let tags = client.tags(&reference).await?;
    steps.done(&format!("the repository has the tags {tags:?}"));

    let directory = home.path().join("images");
    let store = Layout::create(&directory).await?;
    let pulled = client.pull(&reference, &store, Options::default()).await?;
    steps.done(&format!("pulled into an OCI image layout as {}", pulled.name()));

    let manifest = store.manifest(&pulled.name().clone().into()).await?;
    for blob in manifest.blobs() {
        store.blob(blob).await?.read_to_end(1 << 20).await?; // fails unless digest and size are right
    }
    if *manifest.digest() != digest {
        return Err(format!("pushed {digest} but pulled {}", manifest.digest()).into());
    }
    steps.done(&format!("verified every byte of {digest}"));

    let again = client.pull(&reference, &store, Options::default()).await?;
    steps.done(&format!(
        "pulled again: {} bytes moved",
        again.report().bytes_copied()
    ));

    client.logout(&registry).await?;
    steps.done("logged out");
    Ok(())
}

/// Prints each step and how long it took.
struct Steps {
    number: u32,
    since: Instant,
}

impl Steps {
    fn new() -> Self {
        Self {
            number: 0,
            since: Instant::now(),
        }
    }

    fn done(&mut self, what: &str) {
        self.number += 1;
        let took: Duration = self.since.elapsed();
        println!("{:>2}. {what} ({:.1} ms)", self.number, took.as_secs_f64() * 1e3);
        self.since = Instant::now();
    }
}

/// An image of two layers with one file each, and a config that names them.
async fn build_image(sink: &impl Sink, name: &Name) -> Result<wharf::Digest> {
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for (path, text) in [
        ("etc/motd", "welcome aboard\n"),
        ("srv/hello.txt", "hello, world\n"),
    ] {
        let tar = tar_with(path, text.as_bytes())?;
        diff_ids.push(Hasher::digest(Algorithm::Sha256, &tar)?);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&tar)?;
        layers.push(push(sink, MediaType::OCI_LAYER_GZIP, gzip.finish()?).await?);
    }
    let config = json!({
        "architecture": wharf::Platform::host().architecture,
        "os": "linux",
        "config": { "Cmd": ["cat", "/srv/hello.txt"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = push(sink, MediaType::OCI_CONFIG, serde_json::to_vec(&config)?).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": config,
        "layers": layers,
    });
    let manifest = Manifest::parse(serde_json::to_vec(&manifest)?.into(), None)?;
    sink.push_manifest(&manifest, Some(name)).await?;
    Ok(manifest.digest().clone())
}

async fn push(sink: &impl Sink, media_type: MediaType, bytes: Vec<u8>) -> Result<Descriptor> {
    let digest = Hasher::digest(Algorithm::Sha256, &bytes)?;
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64)?;
    sink.push_blob(Blob::from_bytes(descriptor.clone(), Bytes::from(bytes))?)
        .await?;
    Ok(descriptor)
}

fn tar_with(path: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, path, content)?;
    Ok(archive.into_inner()?)
}
