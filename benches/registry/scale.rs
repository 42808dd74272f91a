//! A registry that holds much: its start, a page, a collection that finds three blobs, its memory.
//!
//! Each row is filled without syncs, then measured in a process of its own: what is in the page cache is read from
//! there, and the memory is the registry's alone.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration, time::Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use wharf_content::{Manifest, Verified};
use wharf_reference::{Algorithm, Digest, Tag};
use wharf_registry::{
    BlobRecord, Change, Commit, DiskBackend, GcOptions, ManifestRecord, Outcome, Record, Records as _,
    Registry, RepositoryPath, Storage as _,
};
use wharf_store::{Durability, Layout, Options};

use crate::transfer::call;

/// Repositories, and tags of each; a tag has a manifest and a layer of its own.
const ROWS: [(usize, usize); 3] = [(1, 50_000), (20_000, 1), (100_000, 1)];

/// Blobs that nothing needs.
const LOOSE: usize = 3;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BATCH: usize = 1000;

pub(crate) fn run(row: Option<&str>) {
    println!(
        "{:>12} {:>7}  {:>9} {:>11} {:>11} {:>9} {:>9} {:>13} {:>12} {:>9}",
        "repositories",
        "tags",
        "journal",
        "start",
        "first page",
        "last page",
        "inventory",
        "collection",
        "memory",
        "peak"
    );
    for (repositories, tags) in ROWS {
        if row.is_none_or(|row| row == repositories.to_string() || row == (repositories * tags).to_string()) {
            let root = tempfile::tempdir().expect("a directory");
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(fill(root.path(), repositories, tags));
            drop(runtime);
            let this = std::env::current_exe().expect("this program");
            let mut measuring = Command::new(this);
            measuring.arg("measure").arg(root.path());
            print!("{repositories:>12} {:>7}  ", repositories * tags);
            let _ = std::io::Write::flush(&mut std::io::stdout());
            measuring.status().expect("a process");
        }
    }
}

/// Content that is pushed at a time, and its records.
struct Filling {
    backend: Arc<DiskBackend>,
    commits: JoinSet<Result<Outcome, wharf_content::Error>>,
    uploads: usize,
}

impl Filling {
    async fn content(&mut self, bytes: String) -> (Digest, usize) {
        let (id, length) = (format!("{:016x}", self.uploads), bytes.len());
        self.uploads += 1;
        let content = Verified::of(Algorithm::Sha256, bytes.as_bytes()).expect("sha256 is supported");
        let storage = self.backend.storage();
        storage.begin(&id, "").await.expect("an upload");
        let appended = storage.append(&id, 0, vec![Bytes::from(bytes)]).await;
        appended.expect("room");
        storage.finish(&id, &content).await.expect("a blob");
        (content.digest().clone(), length)
    }

    /// Records that meet share a sync.
    async fn record(&mut self, path: &RepositoryPath, records: Vec<Record>) {
        let (backend, path) = (Arc::clone(&self.backend), path.clone());
        let changes = records.into_iter().map(Change::Put).collect();
        let commit = Commit::new(changes).expect("an id");
        self.commits
            .spawn(async move { backend.commit(&path, commit).await });
        if self.commits.len() >= BATCH {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        while let Some(committed) = self.commits.join_next().await {
            let outcome = committed.expect("a task").expect("a record");
            assert_eq!(outcome, Outcome::Committed);
        }
    }
}

async fn fill(root: &Path, repositories: usize, tags: usize) {
    let options = Options::default().with_durability(Durability::Fast);
    let layout = Layout::create_with(root, options).await.expect("a layout");
    let mut filling = Filling {
        backend: Arc::new(DiskBackend::over(&layout).await.expect("a backend")),
        commits: JoinSet::new(),
        uploads: 0,
    };
    let (config, config_size) = filling.content("{}".to_owned()).await;
    for repository in 0..repositories {
        let path = RepositoryPath::parse(&format!("r/{repository:06}")).expect("a path");
        let blob = |digest: &Digest, size: usize| Record::Blob(digest.clone(), BlobRecord::new(size as u64));
        filling.record(&path, vec![blob(&config, config_size)]).await;
        for tag in 0..tags {
            let (layer, size) = filling.content(format!("layer {repository} {tag}")).await;
            let document = serde_json::json!({
                "schemaVersion": 2, "mediaType": MANIFEST,
                "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.as_str(), "size": config_size },
                "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.as_str(), "size": size }],
            });
            let manifest = Manifest::parse(document.to_string().into(), None).expect("a manifest");
            let (digest, _) = filling.content(document.to_string()).await;
            let record = Arc::new(ManifestRecord::of(&manifest, None));
            let tag = Tag::parse(&format!("v{tag:06}")).expect("a tag");
            let records = vec![
                blob(&layer, size),
                Record::Manifest(digest.clone(), record),
                Record::Tag(tag, digest),
            ];
            filling.record(&path, records).await;
        }
    }
    for number in 0..LOOSE {
        filling.content(format!("loose {number}")).await;
    }
    filling.flush().await;
}

/// Opens what has been filled, and prints what that and the rest costs.
pub(crate) fn measure(root: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let journal = fs::metadata(Path::new(root).join("registry/journal")).expect("a journal");
    let started = Instant::now();
    let registry = runtime.block_on(async {
        let backend = DiskBackend::open(root).await.expect("a backend");
        Registry::open(backend).await.expect("a registry")
    });
    let start = started.elapsed();
    let memory = status("VmRSS:");
    let peak = status("VmHWM:");
    let server = runtime.block_on(registry.serve()).expect("a port");
    let address = server.address().to_string();
    let inventory = server.service().inventory();
    let list = if inventory.repositories == 1 {
        "/v2/r/000000/tags/list?n=100"
    } else {
        "/v2/_catalog?n=100"
    };
    let last = if inventory.repositories == 1 {
        format!("{list}&last=v{:06}", inventory.tags - 100)
    } else {
        format!("{list}&last=r/{:06}", inventory.repositories - 100)
    };
    let first_page = fastest(|| assert!(call(&address, "GET", list, &[]).contains("000001")));
    let last_page = fastest(|| assert!(call(&address, "GET", &last, &[]).starts_with("HTTP/1.1 200")));
    let counting = fastest(|| assert_eq!(server.service().inventory(), inventory));
    let milliseconds = |duration: Duration| format!("{:.2} ms", duration.as_secs_f64() * 1000.0);
    print!(
        "{:>6} MB {:>8.2} s {:>11} {:>9} {:>9} ",
        journal.len() / 1_000_000,
        start.as_secs_f64(),
        milliseconds(first_page),
        milliseconds(last_page),
        milliseconds(counting),
    );
    let _ = std::io::Write::flush(&mut std::io::stdout());
    let options = GcOptions::default();
    let started = Instant::now();
    let report = runtime
        .block_on(server.service().collect_garbage(&options))
        .expect("a collection");
    assert_eq!(report.content, LOOSE as u64);
    println!(
        "{:>10.2} s {:>9} MB {:>6} MB",
        started.elapsed().as_secs_f64(),
        memory / 1000,
        peak / 1000
    );
}

/// Of ten.
fn fastest(work: impl Fn()) -> Duration {
    let times = (0..10).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed()
    });
    times.min().unwrap_or_default()
}

/// A figure of this process in kilobytes; zero where the system does not say.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}
