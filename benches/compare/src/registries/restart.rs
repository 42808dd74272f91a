//! A registry of many repositories that starts again.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use wharf_testkit::noise;

use super::{
    content::{CONFIG, Image, MANIFEST},
    server::{Kind, Program},
};
use crate::http::{Connection, OCTETS, end_of_upload};

/// Clients that fill a registry.
const CLIENTS: usize = 16;

/// The figures of one start.
#[derive(Debug, Clone)]
pub struct Start {
    /// From the start of the process until it has answered a request for a manifest.
    pub manifest: Duration,
    /// The time of the first page of the catalog after that, and of the last one; `None` if it has no catalog.
    pub pages: Option<[Duration; 2]>,
    /// The largest resident set in bytes after the first manifest, and after all pages.
    pub memory: [u64; 2],
}

/// Fills a registry by its API: each repository has a tag and a manifest of its own; the layer and the config are mounted from the first.
/// Returns the time that this took.
pub fn fill(program: &Program, directory: &Path, repositories: usize) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let server = program.start(directory)?;
    let noise = noise(7, 1 << 20);
    let image = Image::new(1, 1, 1000, &noise)?;
    repository(&mut server.client(), 0, &image, &noise)?;
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        let fill = || {
            let mut client = server.client();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= repositories {
                    return Ok(());
                }
                repository(&mut client, number, &image, &noise)?;
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(fill)).collect();
        let mut joined = clients
            .into_iter()
            .map(|client| client.join().expect("a client does not panic"));
        joined.try_for_each(|filled: anyhow::Result<()>| filled)
    })?;
    server.stop()?;
    Ok(started.elapsed())
}

fn name(number: usize) -> String {
    format!("r/{number:06}")
}

/// The manifest of a repository, which no other has.
fn manifest(image: &Image, number: usize) -> String {
    let annotation = format!(r#""annotations":{{"number":"{number}"}},"config""#);
    image.manifest.replacen(r#""config""#, &annotation, 1)
}

fn repository(client: &mut Connection, number: usize, image: &Image, noise: &[u8]) -> anyhow::Result<()> {
    let (name, first) = (name(number), name(0));
    for blob in &image.blobs {
        let digest = blob.digest.as_str();
        let mount = if number == 0 {
            String::new()
        } else {
            format!("?mount={digest}&from={first}")
        };
        let begun = client.send(
            "POST",
            &format!("/v2/{name}/blobs/uploads/{mount}"),
            Some(OCTETS),
            &[],
        )?;
        if begun.status == 201 {
            continue; // mounted
        }
        ensure!(begun.status == 202, "POST: {}", begun.status);
        let target = end_of_upload(begun.upload()?, digest);
        let ended = client.send("PUT", &target, Some(OCTETS), &blob.parts(noise))?;
        ensure!(ended.status == 201, "PUT of a blob: {}", ended.status);
    }
    let manifest = manifest(image, number);
    let target = format!("/v2/{name}/manifests/v1");
    let put = client.send("PUT", &target, Some(MANIFEST), &[manifest.as_bytes()])?;
    ensure!(
        put.status == 201,
        "PUT of a manifest with a {CONFIG}: {}",
        put.status
    );
    Ok(())
}

/// Starts a registry that was filled, and asks it for a manifest in the middle and for pages of its catalog.
pub fn start(program: &Program, directory: &Path, repositories: usize) -> anyhow::Result<Start> {
    let image = Image::new(1, 1, 1000, &noise(7, 1 << 20))?;
    let middle = repositories / 2;
    let server = program.start(directory)?;
    let mut client = server.client();
    let expected = manifest(&image, middle);
    client.compare(
        &format!("/v2/{}/manifests/v1", name(middle)),
        MANIFEST,
        &[expected.as_bytes()],
    )?;
    let first = server.started.elapsed();
    let memory = server.memory()?;
    let pages = if program.kind == Kind::Olareg {
        None
    } else {
        Some([0, repositories.saturating_sub(100)].map(|after| page(&mut client, after)))
    };
    let pages = match pages {
        Some([first, last]) => Some([first?, last?]),
        None => None,
    };
    let memory = [memory, server.memory()?];
    server.stop()?;
    Ok(Start {
        manifest: first,
        pages,
        memory,
    })
}

/// Asks for the hundred repositories after one, and returns the time.
fn page(client: &mut Connection, after: usize) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let last = after
        .checked_sub(1)
        .map_or_else(String::new, |last| format!("&last={}", name(last)));
    let answer = client.send("GET", &format!("/v2/_catalog?n=100{last}"), None, &[])?;
    let time = started.elapsed();
    ensure!(answer.status == 200, "the catalog: {}", answer.status);
    let listed: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let listed = listed["repositories"].as_array().map_or(0, Vec::len);
    ensure!(listed == 100, "{listed} repositories in a page, not 100");
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(text.contains(&name(after)), "the page lacks {}", name(after));
    Ok(time)
}
