//! The main job in one program, without a network: starts a registry with a login, builds a small image, logs in,
//! pushes, lists tags, pulls into a store and verifies it.
//!
//!     cargo run --release --example quickstart

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use wharf::{
    BuiltImage, Client, ImageBuilder, Platform, Source, SourceExt, config::Locations, store::Layout,
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

    let image = build_image()?;
    let digest = image.digest();
    steps.done(&format!("built an image of two layers, {digest}"));

    let host = Locations::rooted(home.path()).with_auth_file(home.path().join("auth.json"));
    let client = Client::builder()
        .with_locations(host)
        .with_plain_http(server.registry())
        .build()?;
    let registry = server.registry();
    let Err(denied) = client.login(&registry, "ada", "wrong").await else {
        return Err("a wrong password was taken".into());
    };
    steps.done(&format!("a wrong password is refused: {denied}"));
    let stored = client.login(&registry, "ada", "correct horse").await?;
    steps.done(&format!("logged in, credentials in {}", stored.entry));

    let reference = server.reference("team/hello:1.0")?;
    let pushed = client.push_image(&image, &reference).await?;
    steps.done(&format!(
        "pushed {reference}, {} bytes",
        pushed.report().bytes_copied()
    ));

    let tags = client.tags(&reference).await?;
    steps.done(&format!("the repository has the tags {tags:?}"));

    let directory = home.path().join("images");
    let store = Layout::create(&directory).await?;
    let pulled = client.pull(&reference, &store).await?;
    steps.done(&format!("pulled into an OCI image layout as {}", pulled.name()));

    let manifest = store.manifest(&pulled.name().clone().into()).await?;
    for blob in manifest.blobs() {
        store.fetch(blob, 1 << 20).await?; // fails unless digest and size are right
    }
    if manifest.digest() != digest {
        return Err(format!("pushed {digest} but pulled {}", manifest.digest()).into());
    }
    steps.done(&format!("verified every byte of {digest}"));

    let again = client.pull(&reference, &store).await?;
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

/// An image of two layers with one file each.
fn build_image() -> Result<BuiltImage> {
    let image = ImageBuilder::for_platform(Platform::host())
        .with_tar(tar_with("etc/motd", "welcome aboard\n")?)
        .with_tar(tar_with("srv/hello.txt", "hello, world\n")?)
        .with_cmd(["cat", "/srv/hello.txt"])
        .build()?;
    Ok(image)
}

fn tar_with(path: &str, content: &str) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, path, content.as_bytes())?;
    Ok(archive.into_inner()?)
}
