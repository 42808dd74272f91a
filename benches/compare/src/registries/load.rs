//! Many clients that push images and pull those of others.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use wharf_testkit::noise;

use super::{
    content::{Image, MANIFEST},
    server::{Program, Server},
};
use crate::http::{Connection, OCTETS, end_of_upload};

/// Clients at a time.
const CLIENTS: usize = 64;

/// The images that each client pushes and pulls.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    pub title: &'static str,
    /// Images of each client.
    images: usize,
    /// Layers of an image.
    layers: usize,
    /// Bytes of a layer.
    size: usize,
}

pub const SHAPES: [Shape; 2] = [
    Shape {
        name: "small",
        title: "images of 10 layers of 100 kB",
        images: 8,
        layers: 10,
        size: 100_000,
    },
    Shape {
        name: "large",
        title: "images of one layer of 20 MB",
        images: 1,
        layers: 1,
        size: 20_000_000,
    },
];

/// Images of all clients, the same for each registry.
pub struct Images {
    noise: Vec<u8>,
    of_clients: Vec<Vec<Image>>,
}

impl Images {
    pub fn make(shape: Shape) -> anyhow::Result<Self> {
        let noise = noise(7, shape.size.max(1 << 20));
        let of_clients = (0..CLIENTS).map(|client| {
            let numbers = (0..shape.images).map(|image| (client * shape.images + image) as u64);
            let images = numbers.map(|number| Image::new(number, shape.layers, shape.size, &noise));
            images.collect::<anyhow::Result<Vec<_>>>()
        });
        let of_clients = of_clients.collect::<anyhow::Result<_>>()?;
        Ok(Self { noise, of_clients })
    }

    fn bytes(&self) -> usize {
        self.of_clients.iter().flatten().map(Image::size).sum()
    }
}

/// The figures of all clients together.
#[derive(Debug, Clone)]
pub struct Figures {
    pub wall: Duration,
    /// Of the registry.
    pub processor: Duration,
    pub bytes: usize,
    /// The time of each request, the shortest first.
    pub requests: Vec<Duration>,
}

impl Figures {
    /// The time that this part of the requests took at most, in milliseconds.
    pub fn percentile(&self, part: f64) -> f64 {
        let last = self.requests.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.requests
            .get(at)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.)
    }

    pub fn requests_per_second(&self) -> f64 {
        self.requests.len() as f64 / self.wall.as_secs_f64()
    }

    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.wall.as_secs_f64()
    }
}

/// The figures of one registry in one round.
#[derive(Debug, Clone)]
pub struct Round {
    pub push: Figures,
    pub pull: Figures,
    /// The largest resident set of the registry in bytes.
    pub memory: u64,
}

/// Fills an empty registry with all images, and pulls each of them.
pub fn run(program: &Program, images: &Images) -> anyhow::Result<Round> {
    let directory = tempfile::tempdir()?;
    let server = program.start(directory.path())?;
    let push = together(&server, images, |timed, number| {
        let images_of_it = &images.of_clients[number];
        images_of_it
            .iter()
            .enumerate()
            .try_for_each(|(tag, image)| push(timed, number, tag, image, &images.noise))
    })?;
    let pull = together(&server, images, |timed, number| {
        let other = (number + 1) % CLIENTS;
        let images_of_it = &images.of_clients[other];
        images_of_it
            .iter()
            .enumerate()
            .try_for_each(|(tag, image)| pull(timed, other, tag, image, &images.noise))
    })?;
    let memory = server.memory()?;
    Ok(Round { push, pull, memory })
}

/// A client that keeps the time of each request.
struct Timed {
    client: Connection,
    requests: Vec<Duration>,
}

impl Timed {
    fn time<T>(&mut self, request: impl FnOnce(&mut Connection) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        let answer = request(&mut self.client)?;
        self.requests.push(started.elapsed());
        Ok(answer)
    }
}

/// Lets all clients begin at once.
fn together(
    server: &Server,
    images: &Images,
    work: impl Fn(&mut Timed, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Figures> {
    let (barrier, before) = (Barrier::new(CLIENTS + 1), server.processor()?);
    let (wall, requests) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    let mut timed = Timed {
                        client: server.client(),
                        requests: Vec::new(),
                    };
                    barrier.wait();
                    work(&mut timed, number).map(|()| timed.requests)
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let mut requests = Vec::new();
        for client in clients {
            requests.extend(client.join().expect("a client does not panic")?);
        }
        Ok::<_, anyhow::Error>((started.elapsed(), requests))
    })?;
    let mut requests = requests;
    requests.sort_unstable();
    Ok(Figures {
        wall,
        processor: server.processor()?.saturating_sub(before),
        bytes: images.bytes(),
        requests,
    })
}

/// Pushes as crane does: POST and PUT for each blob, then the manifest.
fn push(timed: &mut Timed, client: usize, tag: usize, image: &Image, noise: &[u8]) -> anyhow::Result<()> {
    let repository = format!("load/client{client}");
    for blob in &image.blobs {
        let begin = format!("/v2/{repository}/blobs/uploads/");
        let begun = timed.time(|client| client.send("POST", &begin, Some(OCTETS), &[]))?;
        ensure!(begun.status == 202, "POST: {}", begun.status);
        let target = end_of_upload(begun.upload()?, blob.digest.as_str());
        let parts = blob.parts(noise);
        let ended = timed.time(|client| client.send("PUT", &target, Some(OCTETS), &parts))?;
        ensure!(ended.status == 201, "PUT of a blob: {}", ended.status);
    }
    let target = format!("/v2/{repository}/manifests/v{tag}");
    let parts = [image.manifest.as_bytes()];
    let put = timed.time(|client| client.send("PUT", &target, Some(MANIFEST), &parts))?;
    ensure!(put.status == 201, "PUT of a manifest: {}", put.status);
    Ok(())
}

fn pull(timed: &mut Timed, client: usize, tag: usize, image: &Image, noise: &[u8]) -> anyhow::Result<()> {
    let repository = format!("load/client{client}");
    let target = format!("/v2/{repository}/manifests/v{tag}");
    let parts = [image.manifest.as_bytes()];
    timed.time(|client| client.compare(&target, MANIFEST, &parts))?;
    for blob in &image.blobs {
        let target = format!("/v2/{repository}/blobs/{}", blob.digest);
        timed.time(|client| client.compare(&target, "*/*", &blob.parts(noise)))?;
    }
    Ok(())
}
