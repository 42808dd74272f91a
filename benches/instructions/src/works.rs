//! The works.

use std::{fmt::Write as _, hint::black_box};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use tokio::runtime::Runtime;
use wharf::{
    Client, MediaType,
    auth::Challenge,
    config::{Intent, Locations, Registries, Resolve as _},
    content::{Blob, Manifest, Sink as _},
    reference::{Reference, Repository},
    store::Layout,
};

use crate::image::Image;

/// The repository and the tag of the image that is pulled.
pub(crate) const REPOSITORY: &str = "team/app";
pub(crate) const TAG: &str = "1";

/// One work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// The unit that is counted.
    pub(crate) unit: &'static str,
    /// How many units the shorter run does, and the longer.
    pub(crate) few: u64,
    pub(crate) many: u64,
}

pub(crate) const WORKS: [Work; 6] = [
    work("reference", "name", 1_200, 13_200),
    work("challenge", "header", 300, 3_300),
    work("resolve", "repository", 100, 1_100),
    work("manifest", "manifest of 100 layers", 20, 220),
    work("commit", "blob of 1 KiB", 20, 220),
    work("pull", "pull of 100 small blobs", 1, 6),
];

const fn work(name: &'static str, unit: &'static str, few: u64, many: u64) -> Work {
    Work {
        name,
        unit,
        few,
        many,
    }
}

/// Does a work so many times.
pub(crate) fn run(name: &str, times: u64, peer: &str) -> anyhow::Result<()> {
    match name {
        "reference" => references(times),
        "challenge" => challenges(times),
        "resolve" => resolve(times),
        "manifest" => manifests(times),
        "commit" => commit(times),
        "pull" => pull(times, peer),
        _ => bail!("no work is called {name}"),
    }
}

/// Names as people and clusters write them, each in turn.
fn references(times: u64) -> anyhow::Result<()> {
    const NAMES: [&str; 6] = [
        "alpine:3.20",
        "grafana/grafana:11.2.0",
        "quay.io/prometheus/node-exporter:v1.8.2",
        "localhost:5000/team/service/backend:2024-09-01",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/app:main",
        "docker.io/library/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7",
    ];
    for (name, _) in NAMES.iter().cycle().zip(0..times) {
        black_box(Reference::parse(black_box(name))?);
    }
    Ok(())
}

/// The header of Docker Hub.
fn challenges(times: u64) -> anyhow::Result<()> {
    let line = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static(line))]);
    for _ in 0..times {
        black_box(Challenge::strongest(black_box(&headers))?);
    }
    Ok(())
}

/// The last of a hundred registries, each with a mirror.
fn resolve(times: u64) -> anyhow::Result<()> {
    let mut text = String::new();
    for number in 0..100 {
        write!(
            text,
            "[[registry]]\nprefix = 'registry{number}.example/team'\nlocation = 'real{number}.example/team'\n\
             [[registry.mirror]]\nlocation = 'mirror{number}.example/team'\n"
        )?;
    }
    let registries = Registries::parse(&text)?;
    let repository = Repository::parse("registry99.example/team/service")?;
    for _ in 0..times {
        black_box(registries.resolve(black_box(&repository), Intent::PullTag)?);
    }
    Ok(())
}

fn manifests(times: u64) -> anyhow::Result<()> {
    let manifest = Image::new()?.manifest;
    for _ in 0..times {
        let bytes = black_box(manifest.bytes().clone());
        black_box(Manifest::parse(bytes, Some(manifest.media_type()))?);
    }
    Ok(())
}

/// Each blob is another. They are small, so that their hashes do not hide the rest.
fn commit(times: u64) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let blobs = (0..times).map(|number| {
        let bytes = Bytes::from(number.to_le_bytes().repeat(128));
        Blob::of(MediaType::OCI_LAYER, bytes)
    });
    let blobs: Vec<_> = blobs.collect();
    runtime()?.block_on(async {
        let layout = Layout::create(directory.path().join("store")).await?;
        for blob in blobs {
            layout.push_blob(blob).await?;
        }
        Ok(())
    })
}

/// Each pull is of a client of its own, into a store of its own.
fn pull(times: u64, peer: &str) -> anyhow::Result<()> {
    let reference = format!("{peer}/{REPOSITORY}:{TAG}");
    let reference = Reference::parse(&reference).with_context(|| reference.clone())?;
    runtime()?.block_on(async {
        for _ in 0..times {
            let home = tempfile::tempdir()?;
            let locations = Locations::rooted(home.path());
            let client = Client::builder().with_locations(locations).with_plain_http(peer);
            let store = Layout::create(home.path().join("store")).await?;
            client.build()?.pull(&reference, &store).await?;
        }
        Ok(())
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?)
}
