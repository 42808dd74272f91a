//! Equal images make equal archives and directories, however their bytes arrive.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use tokio::sync::Notify;
use wharf::{Client, Roots, http::RetryPolicy};
use wharf_testkit::{
    Image,
    hostile::{Fault, Match, Origin, OriginOptions, Rule, Stage, Step, blob_answer},
};

const RUNS: usize = 20;
const REPOSITORY: &str = "team/app";

/// How the registry sends blobs.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    Whole,
    /// In many small pieces.
    Pieces,
    /// The first answer for each blob breaks off.
    Cut,
    /// A connection that ends by a reset.
    Reset,
    /// The first blobs come when the last one is there, where several are asked for at a time.
    LastFirst,
}

const DELIVERIES: [Delivery; 5] = [
    Delivery::Whole,
    Delivery::Pieces,
    Delivery::Cut,
    Delivery::Reset,
    Delivery::LastFirst,
];

/// Serves the image; `number` varies where it breaks off.
fn serve(registry: &Origin, image: &Image, delivery: Delivery, number: usize) {
    registry.clear().serve_ping();
    let last_is_there = Arc::new(Notify::new());
    let last = image.blobs().len() - 1;
    for (at, (descriptor, bytes)) in image.blobs().iter().enumerate() {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", descriptor.digest());
        let bytes = bytes.clone();
        let answer = move |request: &wharf_testkit::Request| blob_answer(request, &bytes);
        let break_at = (number as u64 * 7919) % descriptor.size();
        match delivery {
            Delivery::Whole => {}
            Delivery::Pieces => {
                registry.rule(Rule::call(Match::get(&path), move |request| {
                    in_pieces(answer(request).steps())
                }));
            }
            Delivery::Cut => {
                let cut = move |request: &wharf_testkit::Request| answer(request).fault(Fault::Cut(break_at));
                registry.rule(Rule::call(Match::get(&path), cut).times(1));
            }
            Delivery::Reset => {
                let reset =
                    move |request: &wharf_testkit::Request| answer(request).fault(Fault::Reset(break_at));
                registry.rule(Rule::call(Match::get(&path), reset).times(1));
            }
            Delivery::LastFirst => {
                let gate = Arc::clone(&last_is_there);
                registry.rule(Rule::call(Match::get(&path), move |request| {
                    let mut steps = answer(request).steps();
                    if at == last {
                        steps.push(Step::Tell(Arc::clone(&gate)));
                    } else if at == 1 {
                        steps.insert(0, Step::Wait(Arc::clone(&gate)));
                    }
                    steps
                }));
            }
        }
    }
    registry.serve_image(REPOSITORY, "v1", image);
}

fn in_pieces(steps: Vec<Step>) -> Vec<Step> {
    let pieces = steps.into_iter().flat_map(|step| match step {
        Step::Send(bytes) => bytes
            .chunks(997)
            .map(|piece| Step::Send(piece.to_vec().into()))
            .collect(),
        other => vec![other],
    });
    pieces.collect()
}

/// The files of a directory, or the one file.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    if path.is_file() {
        return BTreeMap::from([(String::new(), fs::read(path).unwrap())]);
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    entries.collect()
}

#[tokio::test]
async fn twenty_copies_from_slow_fast_and_broken_registries_are_equal() {
    let stage = Stage::new();
    let registry = stage
        .origin_with("localhost", OriginOptions::default().with_port())
        .await;
    // Two layers of one size, whose order no size decides.
    let image = Image::builder()
        .files(&[("etc/motd", b"hello")])
        .noise(1, 50_000)
        .noise(2, 80_000)
        .noise(3, 50_000)
        .finish();
    let client = Client::builder()
        .with_roots(Roots::AddedOnly)
        .with_root_pem(stage.ca().pem())
        .with_retry(RetryPolicy::default().with_initial_backoff(std::time::Duration::from_millis(1)))
        .build()
        .unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let from = format!("docker://{}/{REPOSITORY}:v1", registry.name());
    for transport in ["docker-archive", "oci-archive", "dir"] {
        let mut first = None;
        for run in 0..RUNS {
            let delivery = DELIVERIES[run % DELIVERIES.len()];
            let is_in_order = transport != "dir"; // one blob at a time: the last cannot come first
            if is_in_order && matches!(delivery, Delivery::LastFirst) {
                continue;
            }
            serve(&registry, &image, delivery, run + 1);
            let path = scratch.path().join(format!("{transport}-{run}"));
            let mut to = format!("{transport}:{}", path.display());
            if transport == "docker-archive" {
                to.push_str(":docker.io/library/app:1");
            }
            let copied = client.copy(&*from, &*to).await;
            copied.unwrap_or_else(|error| panic!("{delivery:?} {to}: {error}"));
            let content = content(&path);
            let first = first.get_or_insert_with(|| content.clone());
            assert!(
                *first == content,
                "{transport}: run {run}, {delivery:?}, differs from the first"
            );
        }
    }
}
