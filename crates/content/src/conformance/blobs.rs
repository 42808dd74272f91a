//! Blobs are written and read.

use wharf_reference::Algorithm;

use super::{
    ConformanceFailure, Run,
    sample::{Fault, Sample, Samples},
    together,
};
use crate::{Error, ErrorKind, Hasher, Sink, Source};

/// Sizes in bytes: empty, one byte, less and more than a buffer, more than several buffers.
const LENGTHS: [usize; 5] = [0, 1, 4096, 70_001, 2_500_000];

pub(super) async fn check(
    run: &mut Run,
    store: &(impl Source + Sink),
    samples: &Samples,
    resumable: bool,
) -> Result<(), ConformanceFailure> {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        run.case = "a blob goes in and comes out";
        let sample = samples.blob(number as u64, length);
        let sample = run.ok(sample, "make a sample")?;
        round_trip(run, store, &sample).await?;
    }
    run.case = "a blob that is not there";
    let absent = samples.blob(100, 500);
    let absent = run.ok(absent, "make a sample")?;
    run.has(store, &absent.descriptor, false).await?;
    run.kind(read(store, &absent).await, ErrorKind::NotFound, "read it")?;

    run.case = "the same blob at once";
    let shared = samples.blob(101, 300_000);
    let shared = run.ok(shared, "make a sample")?;
    at_once(run, store, &shared).await?;

    if resumable {
        run.case = "the rest of a blob";
        let sample = samples.blob(4, LENGTHS[4]);
        let sample = run.ok(sample, "make a sample")?;
        for offset in [0, 1, 1_000_000, LENGTHS[4] - 1] {
            let rest = rest(store, &sample, offset).await;
            let rest = run.ok(rest, "read from its middle")?;
            let expected = sample.bytes.get(offset..).unwrap_or_default();
            run.that(rest == expected, "the bytes must be the rest")?;
        }
    }
    Ok(())
}

async fn round_trip(
    run: &mut Run,
    store: &(impl Source + Sink),
    sample: &Sample,
) -> Result<(), ConformanceFailure> {
    let blob = run.ok(sample.blob(Fault::None), "make a blob")?;
    let once = run.ok(sample.blob_once(Fault::None), "make a blob")?;
    let pushed = store.push_blob(blob).await;
    run.ok(pushed, "push it")?;
    run.has(store, &sample.descriptor, true).await?;
    for _ in 0..2 {
        let bytes = read(store, sample).await;
        let bytes = run.ok(bytes, "read it")?;
        run.that(bytes == sample.bytes, "the bytes must be the same")?;
    }
    let again = store.push_blob(once).await;
    run.ok(again, "push it again")
}

async fn at_once(
    run: &mut Run,
    store: &(impl Source + Sink),
    sample: &Sample,
) -> Result<(), ConformanceFailure> {
    let mut pushes = Vec::new();
    for _ in 0..4 {
        for blob in [sample.blob(Fault::None), sample.blob_once(Fault::None)] {
            let blob = run.ok(blob, "make a blob")?;
            pushes.push(store.push_blob(blob));
        }
    }
    for pushed in together(pushes).await {
        run.ok(pushed, "push it eight times")?;
    }
    let bytes = read(store, sample).await;
    let bytes = run.ok(bytes, "read it")?;
    run.that(bytes == sample.bytes, "the bytes must be the same")
}

pub(super) async fn read(store: &impl Source, sample: &Sample) -> Result<bytes::Bytes, Error> {
    let blob = store.blob(&sample.descriptor).await?;
    blob.read_to_end(u64::MAX).await
}

/// Reads from `offset` on, as a push that resumes does.
async fn rest(store: &impl Source, sample: &Sample, offset: usize) -> Result<Vec<u8>, Error> {
    let mut hasher = Hasher::new(match sample.descriptor.digest().algorithm() {
        Algorithm::Sha512 => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    })?;
    hasher.update(sample.bytes.get(..offset).unwrap_or_default());
    let blob = store.blob(&sample.descriptor).await?;
    let mut rest = blob
        .resume(hasher)
        .ok_or_else(|| Error::new(ErrorKind::Other, "the blob cannot be resumed"))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = rest.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
