//! A client as Docker and Podman are clients: several blobs at a time, the manifest last.

use std::{
    net::SocketAddr,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::image::{Blob, Image, MANIFEST};
use crate::http::{Connection, OCTETS, end_of_upload};

/// The blobs that are sent or fetched at a time. Docker fetches 3 and sends 5, Podman does 6 of each.
const LANES: usize = 4;

/// The requests in which a blob is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// POST, PUT, as Podman, Skopeo and wharf do.
    Put,
    /// POST, PATCH, PUT, as Docker does.
    Patch,
}

/// A client of one address.
#[derive(Debug)]
pub struct Client {
    lanes: Vec<Connection>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            lanes: (0..LANES).map(|_| Connection::new(address)).collect(),
        }
    }

    /// Pushes an image and returns how long that took.
    pub fn push(
        &mut self,
        image: &Image,
        repository: &str,
        tag: &str,
        style: Style,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.each(&image.blobs, |lane, blob| {
            push_blob(lane, blob, repository, style)
        })?;
        let target = format!("/v2/{repository}/manifests/{tag}");
        let body = &image.manifest.bytes;
        let answer = self.lanes[0].expect(201, "PUT", &target, Some(MANIFEST), &[body])?;
        let taken = begun.elapsed();
        let digest = answer.header("docker-content-digest");
        ensure!(
            digest == Some(&image.manifest.digest),
            "the registry has another digest"
        );
        Ok(taken)
    }

    /// Pulls an image by its tag, and returns how long that took. Every digest is that of the bytes that came.
    pub fn pull(&mut self, image: &Image, repository: &str, tag: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let target = format!("/v2/{repository}/manifests/{tag}");
        let manifest = self.lanes[0].expect(200, "GET", &target, None, &[])?.body;
        ensure!(manifest == *image.manifest.bytes, "the manifest is another one");
        self.each(&image.blobs, |lane, blob| {
            let target = format!("/v2/{repository}/blobs/{}", blob.digest);
            let body = lane.expect(200, "GET", &target, None, &[])?.body;
            ensure!(Blob::new(body).digest == blob.digest, "{target} has other bytes");
            Ok(())
        })?;
        Ok(begun.elapsed())
    }

    /// Does something with each blob, some at a time.
    fn each(
        &mut self,
        blobs: &[Blob],
        work: impl Fn(&mut Connection, &Blob) -> anyhow::Result<()> + Sync,
    ) -> anyhow::Result<()> {
        let left = Mutex::new(blobs.iter());
        let next = || left.lock().expect("nobody panics with the lock").next();
        thread::scope(|scope| {
            let lanes = self.lanes.iter_mut();
            let working: Vec<_> = lanes
                .map(|lane| {
                    scope.spawn(|| {
                        while let Some(blob) = next() {
                            work(lane, blob)?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            working
                .into_iter()
                .try_for_each(|lane| lane.join().expect("no lane panics"))
        })
    }
}

fn push_blob(lane: &mut Connection, blob: &Blob, repository: &str, style: Style) -> anyhow::Result<()> {
    let there = lane.send(
        "HEAD",
        &format!("/v2/{repository}/blobs/{}", blob.digest),
        None,
        &[],
    )?;
    if matches!(there.status, 200 | 307) {
        return Ok(());
    }
    ensure!(
        there.status == 404,
        "HEAD of a blob that is not there: {}",
        there.status
    );
    let begun = lane.expect(
        202,
        "POST",
        &format!("/v2/{repository}/blobs/uploads/"),
        None,
        &[],
    )?;
    let mut session = begun.upload()?.to_owned();
    let mut rest = &blob.bytes[..];
    if style == Style::Patch {
        let sent = lane.expect(202, "PATCH", &session, Some(OCTETS), &[rest])?;
        sent.upload()?.clone_into(&mut session);
        rest = &[];
    }
    let target = end_of_upload(&session, &blob.digest);
    lane.expect(201, "PUT", &target, Some(OCTETS), &[rest])?;
    Ok(())
}
